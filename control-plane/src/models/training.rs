//! Between training and the store: what is trained on, how, and what is kept of the result.

use sallyport_core::{AddressSet, Basis, Engine, FEATURE_VERSION, Features, HashKey, Model, Policy};
use serde_json::json;

use super::ModelsError;
use crate::config::ModelConfig;
use crate::simulate;
use crate::store::{BUILT_IN, CheckpointContent, CheckpointSource, Store, TrainingRow};
use crate::training::{Dataset, Example, Settings, Trained};

/// Labels read at once.
const PAGE: u32 = 10_000;

/// More labels than this are not trained on; the newest count.
const MOST_LABELS: usize = 500_000;

/// Rows of every kind of visitor, lest a model trained on labels forget whom nobody labelled: simulated traffic, each
/// scenario an origin of its own. `scale` as in [`simulate::Settings`]; takes seconds.
///
/// # Errors
/// [`ModelsError::Damaged`] for the model that ships, under which it is judged.
pub fn base(scale: f32, seed: u64) -> Result<Dataset, ModelsError> {
    let model = Model::built_in().map_err(|error| ModelsError::Damaged(BUILT_IN, error))?;
    // A policy and a key of its own: the same seed gives the same rows in every deployment.
    let key = HashKey::from_bytes([0; 16]);
    let engine = Engine::new(Policy::default(), model, AddressSet::default(), key, 0);
    let settings = simulate::Settings { seed, scale, ..simulate::Settings::default() };
    let mut data = Dataset::new();
    simulate::judged(&settings, &engine, |request, judged| {
        if judged.decision.basis != Basis::Ignored {
            let origin = data.origin(request.scenario.name());
            let (features, group) = (judged.decision.features, judged.client);
            data.push(Example { features, is_bot: request.scenario.is_bot(), weight: 1.0, group, origin });
        }
    });
    Ok(data)
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
    let text =
        |value: Result<serde_json::Value, serde_json::Error>| value.unwrap_or_else(|_| json!({})).to_string();
    let mut run = serde_json::to_value(&trained.settings).unwrap_or_else(|_| json!({}));
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
        data: text(serde_json::to_value(&trained.data)),
        settings: run.to_string(),
        metrics: text(serde_json::to_value(&trained.metrics)),
        histograms: text(serde_json::to_value(&trained.histograms)),
        model: trained.model.to_bytes(),
        state: trained.state,
    }
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
