//! Training: from labelled rows to a model with its metrics.
//!
//! [`data`] holds the rows, [`recipe`] splits and weighs them, [`network`] learns from them step by step, [`fit`] leads it
//! through the epochs, [`trees`] grows what is no network, [`calibration`] makes 0.9 mean nine of ten, [`metrics`] says
//! how good it is. Nothing here knows of store, HTTP or clock; the same rows, settings and seed give the same model,
//! byte for byte, on every platform.

pub mod calibration;
pub mod curve;
pub mod data;
pub mod drift;
mod fit;
pub mod metrics;
pub mod network;
pub mod random;
pub mod recipe;
pub mod settings;
pub mod sources;
pub mod trees;

use std::ops::ControlFlow;
use std::time::Instant;

use sallyport_core::{Model, ModelKind};
use serde::{Deserialize, Serialize};

use trees::Growth;

pub use data::{DataError, Dataset, Example};
pub use drift::FeatureHistograms;
pub use metrics::Metrics;
pub use network::Trainable;
pub use recipe::Parts;
pub use settings::Settings;

/// Told of progress; answers whether to go on.
pub type Watch<'a> = &'a mut dyn FnMut(&Progress) -> ControlFlow<()>;

/// How far training is.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Progress {
    /// The epoch under way, from 1.
    pub epoch: u32,
    /// Epochs at most.
    pub epochs: u32,
    /// Steps of this epoch that are done.
    pub step: u32,
    /// Steps of an epoch.
    pub steps: u32,
    /// Mean training loss of this epoch so far; 0 for trees, whose growing is one epoch and each tree a step.
    pub loss: f32,
    /// Loss on the held-out clients; `None` within an epoch, and where none are held out.
    pub held_out_loss: Option<f32>,
}

/// A trained model, and all that is to be known of it.
#[derive(Clone, Debug)]
pub struct Trained {
    /// The model.
    pub model: Model,
    /// A network's trainable state (see [`Trainable::from_state`]); `None` for trees.
    pub state: Option<Vec<u8>>,
    /// Its quality on held-out clients, or on the training rows where none could be held out.
    pub metrics: Metrics,
    /// The features of the rows it learned from.
    pub histograms: FeatureHistograms,
    /// The data.
    pub data: DataSummary,
    /// The recipe.
    pub settings: Settings,
    /// Time of training with calibration, without metrics, seconds.
    pub seconds: f64,
    /// Epochs until it stopped; 0 for trees.
    pub epochs_run: u32,
}

/// What a model was trained on, all parts together.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DataSummary {
    /// Rows.
    pub rows: usize,
    /// Of these, rows of bots.
    pub bots: usize,
    /// And rows of people.
    pub people: usize,
    /// Clients.
    pub groups: usize,
    /// Names of the origins.
    pub origins: Vec<String>,
    /// SHA-256 of all rows, hexadecimal.
    pub fingerprint: String,
    /// Whether the metrics are of clients that the model never saw.
    pub held_out: bool,
}

/// Why there is no model.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TrainError {
    /// The watcher said so.
    #[error("training was cancelled")]
    Cancelled,
    /// Nothing can be learned from the data.
    #[error(transparent)]
    Data(#[from] DataError),
    /// Settings out of range, each with what to write instead.
    #[error("{}", .0.iter().map(|(key, message)| format!("{key}: {message}")).collect::<Vec<_>>().join("; "))]
    Settings(Vec<(&'static str, &'static str)>),
    /// The numbers left their range.
    #[error("training diverged: try a lower learning_rate")]
    Diverged,
    /// No trees could be grown.
    #[error("no trees could be grown: {0}")]
    Trees(String),
}

/// Trains on the data, held out by client as the settings say.
///
/// # Errors
/// See [`TrainError`].
pub fn train(data: &Dataset, settings: &Settings, watch: Watch) -> Result<Trained, TrainError> {
    check(data, settings)?;
    let summary = DataSummary::of(data);
    let parts = Parts::of(data.clone(), settings);
    finish(summary, &parts, settings, watch)
}

/// Trains on data that is split already: the metrics are those of `parts.test`.
///
/// # Errors
/// See [`TrainError`].
pub fn train_on(parts: &Parts, settings: &Settings, watch: Watch) -> Result<Trained, TrainError> {
    check(&parts.train, settings)?;
    let mut all = parts.train.clone();
    all.append(parts.validation.clone());
    finish(DataSummary::of(&all), parts, settings, watch)
}

fn check(data: &Dataset, settings: &Settings) -> Result<(), TrainError> {
    let problems = settings.problems();
    if !problems.is_empty() {
        return Err(TrainError::Settings(problems));
    }
    Ok(data.check()?)
}

fn finish(
    mut data: DataSummary,
    parts: &Parts,
    settings: &Settings,
    watch: Watch,
) -> Result<Trained, TrainError> {
    let started = Instant::now();
    let reference = parts.train.reference();
    let (model, state, epochs_run) = match settings.kind {
        ModelKind::Neural => {
            let fitted = fit::fit(parts, settings, watch)?;
            (Model::neural(fitted.network, reference), Some(fitted.state), fitted.epochs_run)
        }
        ModelKind::RandomForest => {
            let trees = trees::fit(trees::forest, &Growth::FOREST, parts, settings, watch)?;
            (Model::random_forest(trees, reference), None, 0)
        }
        ModelKind::GradientBoosting => {
            let trees = trees::fit(trees::boosting, &Growth::BOOSTING, parts, settings, watch)?;
            (Model::gradient_boosting(trees, reference), None, 0)
        }
    };
    let seconds = started.elapsed().as_secs_f64();
    data.held_out = !parts.test.is_empty();
    let measured = if data.held_out { &parts.test } else { &parts.train };
    Ok(Trained {
        metrics: metrics::measure(&model, measured),
        histograms: parts.train.examples().iter().map(|example| &example.features).collect(),
        model,
        state,
        data,
        settings: settings.clone(),
        seconds,
        epochs_run,
    })
}

impl DataSummary {
    fn of(data: &Dataset) -> Self {
        let bots = data.bots();
        Self {
            rows: data.len(),
            bots,
            people: data.len() - bots,
            groups: data.group_sizes().len(),
            origins: data.origins().to_vec(),
            fingerprint: data.fingerprint().iter().map(|byte| format!("{byte:02x}")).collect(),
            held_out: false,
        }
    }
}

#[cfg(test)]
mod tests;
