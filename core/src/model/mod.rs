//! The model: from seven features to the log-odds of being a bot. A network, or an ensemble of trees.
//!
//! `SPMD`, feature version u16, kind u8, zero u8, the reference as seven f32, length u32 of the parameters, the
//! parameters (see [`Network`] and [`Trees`]), FNV-1a-64 of everything before it. Little-endian.

mod network;
mod shapley;
mod trees;

use serde::{Deserialize, Serialize};

pub use network::Network;
pub use trees::{TreeNode, Trees};

use crate::features::{FEATURE_COUNT, FEATURE_VERSION, Features};
use crate::wire::{Reader, checksum};

const MAGIC: &[u8] = b"SPMD";
/// Header and checksum.
const FRAME: usize = 4 + 2 + 2 + 4 * FEATURE_COUNT + 4 + 8;
/// The log-odds are clamped to ±this: the model alone is never surer than 0.9997.
const LOGIT_LIMIT: f32 = 8.0;

/// What kind of model it is. The numbers are part of the binary form.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[repr(u8)]
pub enum ModelKind {
    /// The network 7 → 64 → 32 → 16 → 1.
    #[default]
    Neural = 0,
    /// Trees grown independently of one another.
    RandomForest = 1,
    /// Trees grown one after the other, each on what the ones before left over.
    GradientBoosting = 2,
}

impl ModelKind {
    /// All kinds, in the order of their numbers.
    pub const ALL: [ModelKind; 3] = [Self::Neural, Self::RandomForest, Self::GradientBoosting];

    /// The name in configuration, API and database.
    pub fn name(self) -> &'static str {
        match self {
            Self::Neural => "neural",
            Self::RandomForest => "random_forest",
            Self::GradientBoosting => "gradient_boosting",
        }
    }

    /// The kind of a name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

/// A model and the features of an ordinary visitor, against which it explains itself.
#[derive(Clone, Debug, PartialEq)]
pub struct Model {
    parameters: Parameters,
    reference: Features,
}

#[derive(Clone, Debug, PartialEq)]
enum Parameters {
    Neural(Network),
    RandomForest(Trees),
    GradientBoosting(Trees),
}

/// Why a model was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ModelError {
    /// Does not begin as a model does.
    #[error("not a Sallyport model")]
    Magic,
    /// Trained on other feature formulas.
    #[error("trained on feature version {0}, this build has {FEATURE_VERSION}")]
    FeatureVersion(u16),
    /// Of a kind that this build does not know.
    #[error("model of unknown kind {0}")]
    Kind(u8),
    /// Length, checksum or structure do not fit.
    #[error("the model is damaged: {0}")]
    Damaged(&'static str),
    /// A parameter is infinite or not a number.
    #[error("a parameter is not a finite number")]
    NotFinite,
    /// More trees or nodes than a filter takes.
    #[error("too many trees or nodes")]
    TooLarge,
}

impl Model {
    /// A network that explains itself against `reference`.
    pub fn neural(network: Network, reference: Features) -> Self {
        Self { parameters: Parameters::Neural(network), reference }
    }

    /// A random forest that explains itself against `reference`.
    pub fn random_forest(trees: Trees, reference: Features) -> Self {
        Self { parameters: Parameters::RandomForest(trees), reference }
    }

    /// Gradient-boosted trees that explain themselves against `reference`.
    pub fn gradient_boosting(trees: Trees, reference: Features) -> Self {
        Self { parameters: Parameters::GradientBoosting(trees), reference }
    }

    /// The model that ships: see `core/model/README.md`.
    ///
    /// # Errors
    /// None as built: a test reads it.
    pub fn built_in() -> Result<Self, ModelError> {
        Self::from_bytes(include_bytes!("../../model/builtin.bin"))
    }

    /// Reads the binary form. Total: any bytes give a model or an error.
    ///
    /// # Errors
    /// See [`ModelError`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, ModelError> {
        let mut reader = Reader(bytes);
        if reader.bytes(MAGIC.len()) != Some(MAGIC) {
            return Err(ModelError::Magic);
        }
        let short = ModelError::Damaged("cut short");
        let version = reader.u16().ok_or(short)?;
        if version != FEATURE_VERSION {
            return Err(ModelError::FeatureVersion(version));
        }
        let (content, sum) = bytes.split_last_chunk::<8>().ok_or(short)?;
        if checksum(content) != u64::from_le_bytes(*sum) {
            return Err(ModelError::Damaged("the checksum does not fit"));
        }
        let kind = reader.u8().ok_or(short)?;
        if reader.u8() != Some(0) {
            return Err(ModelError::Damaged("header"));
        }
        let mut reference = [0.0; FEATURE_COUNT];
        for value in &mut reference {
            *value = reader.f32().ok_or(ModelError::NotFinite)?;
        }
        let reference = Features::new(reference).ok_or(ModelError::Damaged("reference"))?;
        let length = reader.u32().ok_or(short)? as usize;
        if bytes.len().checked_sub(FRAME) != Some(length) {
            return Err(ModelError::Damaged("the length does not fit"));
        }
        let parameters = reader.bytes(length).ok_or(short)?;
        let parameters = match kind {
            0 => Parameters::Neural(Network::from_bytes(parameters)?),
            1 => Parameters::RandomForest(Trees::from_bytes(parameters)?),
            2 => Parameters::GradientBoosting(Trees::from_bytes(parameters)?),
            other => return Err(ModelError::Kind(other)),
        };
        Ok(Self { parameters, reference })
    }

    /// The binary form.
    pub fn to_bytes(&self) -> Vec<u8> {
        let parameters = match &self.parameters {
            Parameters::Neural(network) => network.to_bytes(),
            Parameters::RandomForest(trees) | Parameters::GradientBoosting(trees) => trees.to_bytes(),
        };
        let mut bytes = Vec::with_capacity(FRAME + parameters.len());
        bytes.extend(MAGIC);
        bytes.extend(FEATURE_VERSION.to_le_bytes());
        bytes.extend([self.kind() as u8, 0]);
        bytes.extend(self.reference.values().iter().flat_map(|value| value.to_le_bytes()));
        bytes.extend((parameters.len() as u32).to_le_bytes());
        bytes.extend(parameters);
        bytes.extend(checksum(&bytes).to_le_bytes());
        bytes
    }

    /// What kind it is.
    pub fn kind(&self) -> ModelKind {
        match self.parameters {
            Parameters::Neural(_) => ModelKind::Neural,
            Parameters::RandomForest(_) => ModelKind::RandomForest,
            Parameters::GradientBoosting(_) => ModelKind::GradientBoosting,
        }
    }

    /// The network, where it is one.
    pub fn network(&self) -> Option<&Network> {
        match &self.parameters {
            Parameters::Neural(network) => Some(network),
            _ => None,
        }
    }

    /// The features of an ordinary visitor: what it explains itself against.
    pub fn reference(&self) -> &Features {
        &self.reference
    }

    /// The log-odds that the client is a bot, in [-8, 8].
    pub fn logit(&self, features: &Features) -> f32 {
        let logit = match &self.parameters {
            Parameters::Neural(network) => network.logit(features),
            Parameters::RandomForest(trees) | Parameters::GradientBoosting(trees) => trees.logit(features),
        };
        if logit.is_nan() { 0.0 } else { logit.clamp(-LOGIT_LIMIT, LOGIT_LIMIT) }
    }

    /// The probability that the client is a bot, in (0, 1).
    pub fn probability(&self, features: &Features) -> f32 {
        sigmoid(self.logit(features))
    }
}

/// 1 / (1 + e^−x).
pub(crate) fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + libm::expf(-x))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn forest() -> Model {
        let nodes = [
            TreeNode::split(1, 0.5, 2),
            TreeNode::leaf(0.1),
            TreeNode::split(3, 0.25, 4),
            TreeNode::leaf(0.4),
            TreeNode::leaf(0.9),
        ];
        let trees = Trees::new([1.0, 0.0, 0.0], &[nodes.to_vec()]).expect("a tree");
        Model::random_forest(trees, Features::default())
    }

    #[test]
    fn the_built_in_model_reads_and_writes() {
        let model = Model::built_in().expect("built-in model");
        assert_eq!(model.kind(), ModelKind::Neural);
        assert_eq!(Model::from_bytes(&model.to_bytes()), Ok(model));
    }

    #[test]
    fn a_forest_reads_and_writes() {
        let model = forest();
        assert_eq!(Model::from_bytes(&model.to_bytes()), Ok(model));
    }

    #[test]
    fn other_feature_versions_are_refused() {
        let mut bytes = forest().to_bytes();
        bytes[4] = 99;
        assert_eq!(Model::from_bytes(&bytes), Err(ModelError::FeatureVersion(99)));
    }

    #[test]
    fn more_like_a_bot_never_scores_lower() {
        let model = Model::built_in().expect("built-in model");
        assert!(model.network().is_some_and(Network::is_monotone));
    }

    proptest! {
        #[test]
        fn raising_any_feature_never_lowers_the_built_in_probability(
            values in prop::array::uniform7(0.0_f32..=1.0),
            feature in 0_usize..7,
            raised in 0.0_f32..=1.0,
        ) {
            let model = Model::built_in().expect("built-in model");
            let low = model.logit(&Features::new(values).expect("in range"));
            let mut more = values;
            more[feature] = values[feature].max(raised);
            let high = model.logit(&Features::new(more).expect("in range"));
            prop_assert!(high >= low - 1e-5, "{low} then {high}");
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
            let _ = Model::from_bytes(&bytes);
            let mut framed = MAGIC.to_vec();
            framed.extend(FEATURE_VERSION.to_le_bytes());
            framed.extend(&bytes);
            framed.extend(checksum(&framed).to_le_bytes());
            let _ = Model::from_bytes(&framed);
        }

        #[test]
        fn any_damage_is_noticed(at in 0_usize..100_000, bit in 0_u8..8, cut in 0_usize..100_000) {
            for good in [forest().to_bytes(), Model::built_in().expect("built-in model").to_bytes()] {
                let mut flipped = good.clone();
                flipped[at % good.len()] ^= 1 << bit;
                prop_assert!(Model::from_bytes(&flipped).is_err());
                prop_assert!(Model::from_bytes(&good[..cut % good.len()]).is_err());
            }
        }
    }
}
