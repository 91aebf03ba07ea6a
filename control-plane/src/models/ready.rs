//! Checkpoints by number, the model that ships among them, and ready to judge.

use sallyport_core::{FEATURE_VERSION, Model, ModelError};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::file::unhex;
use super::training::json;
use super::{ModelDetails, ModelLine, ModelsError};
use crate::store::{BUILT_IN, Checkpoint, CheckpointContent, CheckpointSource, InForce, Store};
use crate::training::{FeatureHistograms, Metrics, Settings};

/// What is known of the training of the model that ships.
const BUILT_IN_RECORD: &str = include_str!("../../../core/model/builtin.bin.json");

/// A checkpoint whose model has been read.
#[derive(Clone, Debug, PartialEq)]
pub struct ReadyModel {
    /// Its number; [`BUILT_IN`] for the model that ships.
    pub id: i64,
    /// When it was made, Unix ms.
    pub created_ms: u64,
    /// The model.
    pub model: Model,
    /// The features of its training set, where they are known.
    pub histograms: Option<FeatureHistograms>,
}

/// A checkpoint; number [`BUILT_IN`] is the model that ships.
///
/// # Errors
/// [`ModelsError::Unknown`], or what the store says.
pub async fn checkpoint(store: &dyn Store, id: i64) -> Result<Checkpoint, ModelsError> {
    match id {
        BUILT_IN => built_in().map_err(|error| ModelsError::Damaged(BUILT_IN, error)),
        id => store.checkpoint(id).await?.ok_or(ModelsError::Unknown(id)),
    }
}

/// A checkpoint ready to judge.
///
/// # Errors
/// [`ModelsError::Unknown`], [`ModelsError::Damaged`], or what the store says.
pub async fn ready(store: &dyn Store, id: i64) -> Result<ReadyModel, ModelsError> {
    let found = checkpoint(store, id).await?;
    let model = Model::from_bytes(&found.content.model).map_err(|error| ModelsError::Damaged(id, error))?;
    let histograms = serde_json::from_str(&found.content.histograms).ok();
    Ok(ReadyModel { id, created_ms: found.created_ms, model, histograms })
}

/// A line about each checkpoint, newest first, the model that ships at the end.
///
/// # Errors
/// What the store says.
pub async fn lines(store: &dyn Store, in_force: &InForce) -> Result<Vec<ModelLine>, ModelsError> {
    let stored = store.checkpoints().await?;
    let mut lines: Vec<_> = stored.into_iter().map(|summary| ModelLine::of(summary, in_force)).collect();
    lines.push(ModelDetails::of(checkpoint(store, BUILT_IN).await?, in_force).line);
    Ok(lines)
}

/// The file that `sallyport train --out` writes beside a model.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Record {
    data: Map<String, Value>,
    settings: Settings,
    histograms: FeatureHistograms,
    #[serde(flatten)]
    metrics: Option<Metrics>,
}

fn built_in() -> Result<Checkpoint, ModelError> {
    let model = Model::built_in()?;
    // Without it the model still judges.
    let record: Record = serde_json::from_str(BUILT_IN_RECORD).unwrap_or_default();
    let fingerprint =
        record.data.get("fingerprint").and_then(Value::as_str).and_then(|text| unhex(text).ok());
    Ok(Checkpoint {
        id: BUILT_IN,
        created_ms: 0,
        content: CheckpointContent {
            kind: model.kind(),
            features_version: FEATURE_VERSION,
            parent: BUILT_IN,
            seed: record.settings.seed,
            source: CheckpointSource::Train,
            made_by: format!("sallyport {}", env!("CARGO_PKG_VERSION")),
            note: "the model that ships".to_owned(),
            data_fingerprint: fingerprint,
            data: json(&record.data).to_string(),
            settings: json(&record.settings).to_string(),
            metrics: json(&record.metrics).to_string(),
            histograms: json(&record.histograms).to_string(),
            model: model.to_bytes(),
            state: None,
        },
    })
}

/// The model that ships, as what is stored of a checkpoint.
#[cfg(test)]
pub(crate) fn built_in_content() -> CheckpointContent {
    built_in().expect("it can be read").content
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_model_that_ships_tells_of_its_training() {
        let shipped = built_in().expect("it can be read");
        let line = ModelDetails::of(shipped.clone(), &InForce::default()).line;
        assert!(line.active && line.roc_auc > Some(0.9), "{line:?}");
        let histograms: FeatureHistograms = serde_json::from_str(&shipped.content.histograms).expect("JSON");
        assert!(histograms.rows() > 0);
    }
}
