//! Between training and the store: what is trained on, how, and what is kept of the result.

use sallyport_core::{Engine, FEATURE_VERSION, Features, HashKey, Model, Policy, Ranges};
use serde::Serialize;
use serde_json::{Map, Value};

use super::ModelsError;
use crate::config::{ModelConfig, TrainConfig};
use crate::simulate;
use crate::store::{BUILT_IN, CheckpointContent, CheckpointSource, Store, TrainingRow};
use crate::training::recipe::mix;
use crate::training::sources::simulated;
use crate::training::{Dataset, Example, Settings, Trained};

/// Labels read at once.
const PAGE: u32 = 10_000;

/// More labels than this are not trained on; the newest count.
const MOST_LABELS: usize = 500_000;

/// What `POST /train` learns from: labels, and simulated traffic of every kind of visitor, lest a model trained on labels
/// forget whom nobody labelled. Takes seconds.
///
/// # Errors
/// [`ModelsError::Damaged`] for the model that ships, under which the simulation is judged.
pub fn with_simulation(
    labels: Dataset,
    config: &TrainConfig,
    settings: &Settings,
) -> Result<Dataset, ModelsError> {
    if config.simulated == 0.0 {
        return Ok(labels);
    }
    let model = Model::built_in().map_err(|error| ModelsError::Damaged(BUILT_IN, error))?;
    // A policy of its own: the same seed gives the same rows in every deployment.
    let engine = Engine::new(Policy::default(), model, Ranges::default(), HashKey::from_bytes([0; 16]), 0)
        .refusing_nobody();
    let world =
        simulate::Settings { seed: config.seed, scale: config.simulated, ..simulate::Settings::default() };
    Ok(mix(labels, simulated::rows(&world, &engine), config.simulated_share, settings))
}

/// All labels, each client's rows in one group.
///
/// # Errors
/// What the store says.
pub async fn feedback(store: &dyn Store) -> Result<Dataset, ModelsError> {
    let mut rows: Vec<TrainingRow> = Vec::new();
    loop {
        let page = store.training_rows(rows.last().map_or(0, |row| row.id), PAGE).await?;
        let is_last = page.len() < PAGE as usize;
        rows.extend(page);
        // Let go of the oldest in good time, but not for every page.
        if rows.len() > 2 * MOST_LABELS || (is_last && rows.len() > MOST_LABELS) {
            rows.drain(..rows.len() - MOST_LABELS);
        }
        if is_last {
            return Ok(dataset(&rows));
        }
    }
}

/// The recipe of the configuration.
pub fn settings(config: &ModelConfig) -> Settings {
    Settings {
        kind: config.kind,
        monotone: config.monotone,
        epochs: config.train.epochs,
        batch_size: config.train.batch_size,
        seed: config.train.seed,
        ..Settings::default()
    }
}

/// What is stored of a trained model.
pub fn content(trained: Trained, source: CheckpointSource, made_by: &str, note: &str) -> CheckpointContent {
    let mut run = json(&trained.settings);
    run["epochs_run"] = trained.epochs_run.into();
    run["seconds"] = trained.seconds.into();
    CheckpointContent {
        kind: trained.model.kind(),
        features_version: FEATURE_VERSION,
        parent: BUILT_IN,
        seed: trained.settings.seed,
        source,
        made_by: made_by.to_owned(),
        note: note.to_owned(),
        data_fingerprint: super::file::unhex(&trained.data.fingerprint).ok(),
        data: json(&trained.data).to_string(),
        settings: run.to_string(),
        metrics: json(&trained.metrics).to_string(),
        histograms: json(&trained.histograms).to_string(),
        model: trained.model.to_bytes(),
        state: trained.state,
    }
}

/// A record as JSON. By way of text, since 0.3 as f32 is 0.30000001192092896 as f64.
pub(super) fn json(record: &impl Serialize) -> Value {
    let text = serde_json::to_string(record).unwrap_or_default();
    serde_json::from_str(&text).unwrap_or_else(|_| Value::Object(Map::new()))
}

/// Labels as examples. Rows of unknown clients are groups of their own; rows whose features no program of ours can
/// have written are left out.
fn dataset(rows: &[TrainingRow]) -> Dataset {
    let mut data = Dataset::new();
    let origin = data.origin("feedback");
    for row in rows {
        let Some(features) = Features::new(row.features) else { continue };
        let group = row.client.unwrap_or(row.id.cast_unsigned());
        data.push(Example { features, is_bot: row.is_bot, weight: 1.0, group, origin });
    }
    data
}
