//! How learning goes, for the API and the metrics.

use serde::Serialize;
use utoipa::ToSchema;

use super::Counts;
use super::contradiction::Contradiction;
use super::reserve::{DISTANCE_LIMIT, Quality};
use super::session::Session;

/// What learning is doing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum LearningState {
    /// No label has come since the model in force was chosen.
    #[default]
    Waiting,
    /// Labels move a working copy.
    Learning,
    /// Switched off by `model.online.enabled`.
    Off,
    /// No network judges: labels wait for the next training.
    NoNetwork,
    /// What was promoted cannot judge: nothing is learned before that is mended.
    Fault,
}

/// How learning from feedback goes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, ToSchema)]
pub struct LearningStatus {
    /// What it is doing.
    pub state: LearningState,
    /// The checkpoint that somebody chose last, which every step is held against.
    pub anchor: i64,
    /// Number of the last label that was looked at.
    pub through: i64,
    /// What became of the labels since that choice.
    pub labels: Counts,
    /// Labels that moved the working copy since the start of the program.
    pub learned: u64,
    /// Labels that contradicted an earlier one of another request since then.
    pub contradicted: u64,
    /// Checkpoints made since then.
    pub published: u64,
    /// How often since then the working copy was reverted.
    pub reverted: u64,
    /// Why it was reverted last.
    pub last_reverted: Option<String>,
    /// How the chosen checkpoint does on the reserved set.
    #[schema(inline)]
    pub anchor_quality: Option<Quality>,
    /// How what was learned last does there.
    #[schema(inline)]
    pub quality: Option<Quality>,
    /// How far online learning may move the model, as mean |Δ log-odds| on the reserved set.
    pub distance_limit: f64,
    /// Mean time of learning from a label, microseconds.
    pub mean_update_us: Option<f64>,
    /// The latest contradictions, newest first.
    #[serde(skip)]
    pub(crate) listed: Vec<Contradiction>,
}

impl LearningStatus {
    /// Takes over how a session does.
    pub(super) fn take(&mut self, session: &Session) {
        self.anchor = session.generation.anchor;
        self.through = session.through;
        self.distance_limit = DISTANCE_LIMIT;
        let Some(learner) = session.learner() else {
            self.state = LearningState::Waiting;
            (self.labels, self.anchor_quality, self.quality) = (Counts::default(), None, None);
            self.listed = Vec::new();
            return;
        };
        self.state = LearningState::Learning;
        self.labels = learner.counts();
        self.anchor_quality = Some(learner.reserve().anchor_quality());
        self.listed = learner.contradictions().1;
    }
}
