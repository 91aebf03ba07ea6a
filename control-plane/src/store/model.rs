//! The rows of models: checkpoints, promotions, and the labels that models learn from.

use sallyport_core::{FEATURE_COUNT, ModelKind};

use super::RequestId;

/// The number of the model that ships with the program; it has no row.
pub const BUILT_IN: i64 = 0;

/// The setting that holds the number of the checkpoint in shadow, as a little-endian i64.
pub(super) const SHADOW_SETTING: &str = "model_shadow";

/// Where a checkpoint comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CheckpointSource {
    /// Trained from data.
    Train,
    /// A step of learning from feedback.
    Online,
    /// Read from a file.
    Import,
}

impl CheckpointSource {
    /// All sources.
    pub const ALL: [CheckpointSource; 3] = [Self::Train, Self::Online, Self::Import];

    /// The name in database and API.
    pub fn name(self) -> &'static str {
        match self {
            Self::Train => "train",
            Self::Online => "online",
            Self::Import => "import",
        }
    }

    /// The source of a name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|source| source.name() == name)
    }
}

/// All of a checkpoint but its number and time. It never changes once stored.
#[derive(Clone, Debug, PartialEq)]
pub struct CheckpointContent {
    /// What kind of model it is.
    pub kind: ModelKind,
    /// Version of the feature formulas it was trained on.
    pub features_version: u16,
    /// The checkpoint it went on from; [`BUILT_IN`] also where it began anew.
    pub parent: i64,
    /// Seed of everything random in its training.
    pub seed: u64,
    /// Where it comes from.
    pub source: CheckpointSource,
    /// Who made it: a token's name, `command line` or `learner`.
    pub made_by: String,
    /// Anything that helps to tell it from others.
    pub note: String,
    /// SHA-256 of the data, where there was any.
    pub data_fingerprint: Option<[u8; 32]>,
    /// What it was trained on, in numbers: a JSON object.
    pub data: String,
    /// How it was trained: a JSON object.
    pub settings: String,
    /// How good it is: a JSON object.
    pub metrics: String,
    /// The features of the training set, for drift: a JSON object.
    pub histograms: String,
    /// Binary form of the model.
    pub model: Vec<u8>,
    /// State to go on training from, where it can.
    pub state: Option<Vec<u8>>,
}

/// A checkpoint.
#[derive(Clone, Debug, PartialEq)]
pub struct Checkpoint {
    /// Its number, above 0 and never given twice.
    pub id: i64,
    /// Unix ms.
    pub created_ms: u64,
    /// The rest.
    pub content: CheckpointContent,
}

/// A checkpoint without its large parts.
#[derive(Clone, Debug, PartialEq)]
pub struct CheckpointSummary {
    /// Its number.
    pub id: i64,
    /// Unix ms.
    pub created_ms: u64,
    /// What kind of model it is.
    pub kind: ModelKind,
    /// The checkpoint it went on from.
    pub parent: i64,
    /// Where it comes from.
    pub source: CheckpointSource,
    /// Who made it.
    pub made_by: String,
    /// Anything that helps to tell it from others.
    pub note: String,
    /// A JSON object.
    pub metrics: String,
    /// Size of the model, bytes.
    pub model_bytes: u64,
}

/// One entry of the history of what judges.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Promotion {
    /// Its number; grows.
    pub id: i64,
    /// Unix ms.
    pub ts_ms: u64,
    /// The checkpoint that judges from then on.
    pub checkpoint: i64,
    /// The one that judged before.
    pub previous: i64,
    /// Of a rollback: the promotion that is in force again, 0 for the time before the first.
    pub restores: Option<i64>,
    /// Who did it.
    pub by: String,
    /// Why.
    pub reason: String,
}

/// Which models look at traffic.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct InForce {
    /// The newest promotion; without one the model that ships judges.
    pub promotion: Option<Promotion>,
    /// The checkpoint that looks on without deciding.
    pub shadow: Option<i64>,
}

/// What is to judge from now on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Promote {
    /// The checkpoint.
    pub checkpoint: i64,
    /// Who wants it.
    pub by: String,
    /// Why.
    pub reason: String,
    /// Only while this promotion is the newest (0: none yet), so that nobody's decision made meanwhile is undone.
    pub only_after: Option<i64>,
}

/// What became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PromoteOutcome {
    /// It judges, durably.
    Promoted(Promotion),
    /// It judges already; nothing changed.
    AlreadyActive,
    /// There is no such checkpoint; nothing changed.
    UnknownCheckpoint,
    /// There is a newer promotion; nothing changed.
    Overtaken,
}

/// A label with what was known when the request was judged.
#[derive(Clone, Debug, PartialEq)]
pub struct TrainingRow {
    /// Grows with arrival.
    pub id: i64,
    /// The request.
    pub request_id: RequestId,
    /// When it was made, Unix ms.
    pub ts_ms: u64,
    /// When it was labelled, Unix ms.
    pub created_ms: u64,
    /// What it really was.
    pub is_bot: bool,
    /// 0..=100.
    pub score: f32,
    /// 0..=1.
    pub ml_probability: f32,
    /// The seven features, each 0..=1 unless the database was tampered with.
    pub features: [f32; FEATURE_COUNT],
    /// Keyed hash of the client; `None` in rows of the first schema whose request was gone.
    pub client: Option<u64>,
    /// Number of the token that said it.
    pub token: Option<i64>,
    /// Path without query.
    pub path: Option<Box<str>>,
}

/// A label that contradicts the one on record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LabelConflict {
    /// The request.
    pub request_id: RequestId,
    /// Number of the token that contradicted.
    pub token: Option<i64>,
    /// When it did so last, Unix ms.
    pub ts_ms: u64,
    /// How often it did.
    pub times: u64,
    /// What is on record, and stays.
    pub recorded_is_bot: bool,
    /// What was said last.
    pub said_is_bot: bool,
}
