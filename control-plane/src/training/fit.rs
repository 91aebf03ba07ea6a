//! Trains the network: draws rows by weight, steps through the epochs, stops early, keeps the best, calibrates.

use std::ops::ControlFlow;

use sallyport_core::{Features, Model, Network};

use super::calibration::Calibration;
use super::data::Dataset;
use super::network::{Row, Start, Trainable};
use super::random::Random;
use super::recipe::{Parts, calibration_weights, shown, weights};
use super::settings::Settings;
use super::{Progress, TrainError, Watch};

/// Steps between two looks at whether to go on.
const STEPS_PER_LOOK: u32 = 32;
/// A pass over few rows takes at least so many steps, by smaller batches than asked for …
const LEAST_STEPS: usize = 32;
/// … but not smaller than this.
const SMALLEST_BATCH: usize = 16;
/// Rows beyond these add nothing to a calibration of two numbers.
const MOST_CALIBRATION_ROWS: usize = 50_000;

/// A trained network with the number of epochs it took.
pub(super) struct Fitted {
    pub(super) network: Network,
    pub(super) state: Vec<u8>,
    pub(super) epochs_run: u32,
}

/// Trains on `parts.train`; `parts.validation` decides when to stop and how to calibrate.
pub(super) fn fit(parts: &Parts, settings: &Settings, watch: Watch) -> Result<Fitted, TrainError> {
    let mut fit = Fit::new(parts, settings);
    let mut best = None;
    let mut epochs_run = 0;
    for epoch in 1..=settings.epochs {
        let loss = fit.epoch(epoch, watch)?;
        epochs_run = epoch;
        let held_out_loss = fit.held_out_loss()?;
        watch(&fit.progress(epoch, fit.steps, loss, held_out_loss)).continue_or()?;
        let Some(found) = held_out_loss else { continue };
        match &best {
            Some((lowest, _, since)) if found >= *lowest => {
                if settings.patience > 0 && epoch - since >= settings.patience {
                    break;
                }
            }
            _ => best = Some((found, fit.network.to_state(), epoch)),
        }
    }
    if let (Some((_, state, _)), true) = (best, settings.patience > 0) {
        fit.network = Trainable::from_state(&state).map_err(|_| TrainError::Diverged)?;
    }
    fit.calibrate()?;
    Ok(Fitted { network: fit.folded()?, state: fit.network.to_state(), epochs_run })
}

trait ContinueOr {
    fn continue_or(self) -> Result<(), TrainError>;
}

impl ContinueOr for ControlFlow<()> {
    fn continue_or(self) -> Result<(), TrainError> {
        if self.is_break() { Err(TrainError::Cancelled) } else { Ok(()) }
    }
}

struct Fit<'a> {
    parts: &'a Parts,
    settings: &'a Settings,
    network: Trainable,
    random: Random,
    weights: Vec<f64>,
    validation_weights: Vec<f64>,
    order: Vec<u32>,
    rows: Vec<Row>,
    batch: usize,
    steps: u32,
}

impl<'a> Fit<'a> {
    fn new(parts: &'a Parts, settings: &'a Settings) -> Self {
        let mut random = Random::new(settings.seed);
        let shift = if settings.monotone { settings.monotone_shift } else { 0.0 };
        let start = Start { monotone: settings.monotone, shift, dropout: settings.dropout };
        let most = (parts.train.len() / LEAST_STEPS).max(SMALLEST_BATCH).min(parts.train.len());
        let batch = (settings.batch_size as usize).min(most);
        Self {
            parts,
            settings,
            network: Trainable::new(start, random.bits()),
            random,
            weights: weights(&parts.train, settings),
            validation_weights: weights(&parts.validation, settings),
            order: Vec::with_capacity(parts.train.len()),
            rows: Vec::with_capacity(batch),
            batch,
            steps: parts.train.len().div_ceil(batch) as u32,
        }
    }

    /// One pass over as many rows as there are, drawn by weight. Returns the mean loss of its steps.
    fn epoch(&mut self, epoch: u32, watch: Watch) -> Result<f32, TrainError> {
        draw(&self.weights, &mut self.order, &mut self.random);
        let order = std::mem::take(&mut self.order);
        let (mut sum, mut done) = (0.0, 0_u32);
        for (step, indices) in order.chunks(self.batch).enumerate() {
            self.gather(indices);
            sum += self.network.step(&self.rows, self.rate(epoch, step));
            done += 1;
            if done.is_multiple_of(STEPS_PER_LOOK) {
                watch(&self.progress(epoch, done, sum / done as f32, None)).continue_or()?;
            }
        }
        self.order = order;
        let loss = sum / done as f32;
        if loss.is_finite() { Ok(loss) } else { Err(TrainError::Diverged) }
    }

    fn gather(&mut self, indices: &[u32]) {
        let examples = self.parts.train.examples();
        self.rows.clear();
        for index in indices {
            let Some(example) = examples.get(*index as usize) else { continue };
            let masked = self.settings.masked > 0.0 && self.random.unit() < f64::from(self.settings.masked);
            let features = if masked { example.features.without_user_agent() } else { example.features };
            let target = f32::from(u8::from(example.is_bot));
            self.rows.push(Row { features: *features.values(), target, weight: 1.0 });
        }
    }

    fn rate(&self, epoch: u32, step: usize) -> f32 {
        if !self.settings.cosine {
            return self.settings.learning_rate;
        }
        let steps = f64::from(self.steps);
        let progress =
            (f64::from(epoch - 1) * steps + step as f64) / (f64::from(self.settings.epochs) * steps);
        self.settings.learning_rate * (0.5 * (1.0 + libm::cos(std::f64::consts::PI * progress))) as f32
    }

    fn progress(&self, epoch: u32, step: u32, loss: f32, held_out_loss: Option<f32>) -> Progress {
        Progress { epoch, epochs: self.settings.epochs, step, steps: self.steps, loss, held_out_loss }
    }

    fn folded(&self) -> Result<Network, TrainError> {
        self.network.fold().ok_or(TrainError::Diverged)
    }

    /// The weighted loss on the held-out clients, with and without the feature `user_agent` as the recipe masks it.
    fn held_out_loss(&self) -> Result<Option<f32>, TrainError> {
        if self.parts.validation.is_empty() {
            return Ok(None);
        }
        let judged = self.judged(&self.parts.validation, &self.validation_weights)?;
        let loss = |(logit, is_bot, weight): &(f32, bool, f64)| {
            let wrong = f64::from(if *is_bot { -logit } else { *logit });
            weight * (wrong.max(0.0) + libm::log1p(libm::exp(-wrong.abs())))
        };
        Ok(Some(judged.iter().map(loss).sum::<f64>() as f32))
    }

    fn calibrate(&mut self) -> Result<(), TrainError> {
        let data = match self.parts.validation.is_empty() {
            true => &self.parts.train,
            false => &self.parts.validation,
        };
        let weights = &calibration_weights(data, self.settings);
        let Calibration { slope, shift } = Calibration::platt(&self.judged(data, weights)?);
        self.network.calibrate(slope, shift);
        Ok(())
    }

    /// Log-odds, label and weight of rows as the recipe shows them.
    fn judged(&self, data: &Dataset, weights: &[f64]) -> Result<Vec<(f32, bool, f64)>, TrainError> {
        let model = Model::neural(self.folded()?, Features::default());
        // Odd, lest it pass over all masked rows.
        let stride = data.len().div_ceil(MOST_CALIBRATION_ROWS).max(1) | 1;
        let shown = shown(data, weights, self.settings);
        Ok(shown.step_by(stride).map(|(row, is_bot, weight)| (model.logit(&row), is_bot, weight)).collect())
    }
}

/// Draws as many rows as there are, each as often as its weight says, by systematic sampling (every row floor or ceil of
/// its expected number of times, so with equal weights every row once), in random order. Drawing by weight keeps the gradients
/// more even than weighing the loss would.
fn draw(weights: &[f64], order: &mut Vec<u32>, random: &mut Random) {
    order.clear();
    let count = weights.len() as f64;
    let (start, mut passed) = (random.unit(), 0.0);
    for (index, weight) in weights.iter().enumerate() {
        passed += weight * count;
        while (order.len() as f64) + start < passed && order.len() < weights.len() {
            order.push(index as u32);
        }
    }
    random.shuffle(order);
}
