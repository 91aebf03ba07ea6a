//! Checkpoints by number, the model that ships among them, and ready to judge.

use sallyport_core::{FEATURE_VERSION, Model, ModelError};
use serde::Deserialize;
use serde_json::Value;

use super::{ModelDetails, ModelLine, ModelsError};
use crate::store::{BUILT_IN, Checkpoint, CheckpointContent, CheckpointSource, InForce, Store};
use crate::training::FeatureHistograms;

/// What is known of the training of the model that ships.
const BUILT_IN_RECORD: &str = include_str!("../../../core/model/builtin.json");

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

#[derive(Default, Deserialize)]
#[serde(default)]
struct Record {
    seed: u64,
    created_ms: u64,
    note: String,
    data: Value,
    settings: Value,
    metrics: Value,
    histograms: Value,
}

fn built_in() -> Result<Checkpoint, ModelError> {
    let model = Model::built_in()?;
    // A test reads it; without it the model still judges.
    let record: Record = serde_json::from_str(BUILT_IN_RECORD).unwrap_or_default();
    Ok(Checkpoint {
        id: BUILT_IN,
        created_ms: record.created_ms,
        content: CheckpointContent {
            kind: model.kind(),
            features_version: FEATURE_VERSION,
            parent: BUILT_IN,
            seed: record.seed,
            source: CheckpointSource::Train,
            made_by: format!("sallyport {}", env!("CARGO_PKG_VERSION")),
            note: record.note,
            data_fingerprint: None,
            data: record.data.to_string(),
            settings: record.settings.to_string(),
            metrics: record.metrics.to_string(),
            histograms: record.histograms.to_string(),
            model: model.to_bytes(),
            state: None,
        },
    })
}
