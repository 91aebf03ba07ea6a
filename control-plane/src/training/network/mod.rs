//! The network while it learns: 7 → 64 → 32 → 16 → 1 with batch normalisation, ReLU and dropout.
//!
//! Everything a step needs is allocated once. The folded [`Network`] is what core evaluates.

mod adam;
mod dense;
mod dropout;
mod hidden;
mod parameters;
mod state;
mod unfold;

use sallyport_core::{FEATURE_COUNT, Features, Network};

pub use state::StateError;

use self::adam::Adam;
use self::dropout::Dropout;
use self::hidden::Kept;
use self::parameters::{FIRST, Parameters, Running, SECOND, THIRD};
use super::data::Example;
use super::random::Random;

/// An online step's gradient is shortened to this length: a single row can push only so far.
const LONGEST_GRADIENT: f32 = 1.0;

/// A network that learns.
#[derive(Clone, Debug)]
pub struct Trainable {
    parameters: Box<Parameters>,
    running: Running,
    monotone: bool,
    adam: Adam,
    dropout: Dropout,
    gradient: Box<Parameters>,
    batch: Batch,
}

/// One row of a step.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// The features.
    pub features: [f32; FEATURE_COUNT],
    /// 1 for a bot, 0 for a person; between, a teacher's probability.
    pub target: f32,
    /// Its weight in the loss.
    pub weight: f32,
}

impl From<&Example> for Row {
    fn from(example: &Example) -> Self {
        let target = f32::from(u8::from(example.is_bot));
        Self { features: *example.features.values(), target, weight: example.weight }
    }
}

/// The rows of a step with what the layers keep of them.
#[derive(Clone, Debug, Default)]
struct Batch {
    input: Vec<[f32; FEATURE_COUNT]>,
    first: Kept<FIRST>,
    second: Kept<SECOND>,
    third: Kept<THIRD>,
    logits: Vec<f32>,
}

impl Trainable {
    /// A network at its start. `dropout` is the share of silent units, in [0, 0.9].
    pub fn new(monotone: bool, dropout: f32, seed: u64) -> Self {
        let mut random = Random::new(seed);
        let parameters = Parameters::start(monotone, &mut random);
        Self::of(parameters, Running::default(), monotone, Dropout::new(dropout, random.bits()))
    }

    /// Goes on from a state, with a new optimiser and without dropout.
    ///
    /// # Errors
    /// See [`StateError`].
    pub fn from_state(bytes: &[u8]) -> Result<Self, StateError> {
        let (parameters, running, monotone) = state::read(bytes)?;
        Ok(Self::of(parameters, running, monotone, Dropout::new(0.0, 0)))
    }

    fn of(parameters: Box<Parameters>, running: Running, monotone: bool, dropout: Dropout) -> Self {
        let (adam, gradient) = (Adam::new(), Parameters::zero());
        Self { parameters, running, monotone, adam, dropout, gradient, batch: Batch::default() }
    }

    /// The state to go on from: 14,356 bytes.
    pub fn to_state(&self) -> Vec<u8> {
        state::write(&self.parameters, &self.running, self.monotone)
    }

    /// Whether weights and scales are kept at 0 or above.
    pub fn is_monotone(&self) -> bool {
        self.monotone
    }

    /// The network for inference: batch norm folded into the weights, by the running statistics. `None` if training left
    /// the numbers that f32 can hold.
    pub fn fold(&self) -> Option<Network> {
        Network::new(&self.parameters.folded(&self.running)).ok()
    }

    /// One step of training: forward with the batch's statistics and dropout, back, Adam at `rate`. Returns the loss before
    /// the step: the mean over the rows of weight times binary cross-entropy. Fewer than two rows change nothing and return 0.
    pub fn step(&mut self, rows: &[Row], rate: f32) -> f32 {
        if rows.len() < 2 {
            return 0.0;
        }
        self.batch.fill(rows);
        self.forward();
        let loss = self.error(rows);
        self.backward();
        self.adam.step(&mut self.parameters, &self.gradient, rate);
        if self.monotone {
            self.parameters.project();
        }
        loss
    }

    /// One small step on a few rows, down the gradient: running statistics stand still and nothing is dropped, so that
    /// what is learned is what inference will say. The step is at most `rate` long, whatever the rows. Returns the loss before it,
    /// as [`Trainable::step`] does; 0 without rows.
    pub fn online_step(&mut self, rows: &[Example], rate: f32) -> f32 {
        let rows: Vec<_> = rows.iter().map(Row::from).collect();
        self.steady_gradient(&rows).map_or(0.0, |loss| {
            self.descend(rate);
            loss
        })
    }

    /// The log-odds by the running statistics: what [`Trainable::fold`] computes, unfolded.
    pub fn evaluate(&mut self, features: &Features) -> f32 {
        self.batch.fill(&[Row { features: *features.values(), target: 0.0, weight: 1.0 }]);
        self.forward_steady();
        self.batch.logits[0]
    }

    /// Stretches and shifts the log-odds: `slope · logit + shift`, for good.
    pub fn calibrate(&mut self, slope: f32, shift: f32) {
        let last = &mut self.parameters.last;
        last.weights = last.weights.map(|weight| weight * slope);
        last.bias = last.bias.map(|bias| bias * slope + shift);
    }

    fn forward(&mut self) {
        let Self { parameters: p, running, dropout, batch, .. } = self;
        p.first.forward(&batch.input, &mut running.first, dropout, &mut batch.first);
        p.second.forward(&batch.first.output, &mut running.second, dropout, &mut batch.second);
        p.third.forward(&batch.second.output, &mut running.third, dropout, &mut batch.third);
        p.last.forward(&batch.third.output, &mut batch.logits);
    }

    fn forward_steady(&mut self) {
        let Self { parameters: p, running, batch, .. } = self;
        p.first.forward_steady(&batch.input, &running.first, &mut batch.first);
        p.second.forward_steady(&batch.first.output, &running.second, &mut batch.second);
        p.third.forward_steady(&batch.second.output, &running.third, &mut batch.third);
        p.last.forward(&batch.third.output, &mut batch.logits);
    }

    /// Turns the logits into their error, and returns the loss.
    fn error(&mut self, rows: &[Row]) -> f32 {
        let count = rows.len() as f32;
        let mut sum = 0.0;
        for (logit, row) in self.batch.logits.iter_mut().zip(rows) {
            let (loss, error) = cross_entropy(*logit, row.target);
            sum += row.weight * loss;
            *logit = row.weight * error / count;
        }
        sum / count
    }

    fn backward(&mut self) {
        let Self { parameters: p, gradient, batch, .. } = self;
        p.last.backward(&mut batch.third, &batch.logits, &mut gradient.last);
        p.third.backward(&batch.second.output, &mut batch.third, &mut gradient.third);
        dense::backward(&batch.third.error, &p.third.weights, &mut batch.second.error);
        p.second.backward(&batch.first.output, &mut batch.second, &mut gradient.second);
        dense::backward(&batch.second.error, &p.second.weights, &mut batch.first.error);
        p.first.backward(&batch.input, &mut batch.first, &mut gradient.first);
    }

    /// Forward and back by the running statistics; `None` without rows.
    fn steady_gradient(&mut self, rows: &[Row]) -> Option<f32> {
        if rows.is_empty() {
            return None;
        }
        self.batch.fill(rows);
        self.forward_steady();
        let loss = self.error(rows);
        let Self { parameters: p, gradient, batch, .. } = self;
        p.last.backward(&mut batch.third, &batch.logits, &mut gradient.last);
        p.third.backward_steady(&batch.second.output, &mut batch.third, &mut gradient.third);
        dense::backward(&batch.third.error, &p.third.weights, &mut batch.second.error);
        p.second.backward_steady(&batch.first.output, &mut batch.second, &mut gradient.second);
        dense::backward(&batch.second.error, &p.second.weights, &mut batch.first.error);
        p.first.backward_steady(&batch.input, &mut batch.first, &mut gradient.first);
        Some(loss)
    }

    fn descend(&mut self, rate: f32) {
        let squares = self.gradient.slices().into_iter().flatten().map(|value| value * value);
        let length = squares.sum::<f32>().sqrt();
        let step = rate / (length / LONGEST_GRADIENT).max(1.0);
        if !step.is_finite() {
            return;
        }
        for (values, gradients) in self.parameters.slices_mut().into_iter().zip(self.gradient.slices()) {
            for (value, gradient) in values.iter_mut().zip(gradients) {
                *value -= step * gradient;
            }
        }
        if self.monotone {
            self.parameters.project();
        }
    }
}

impl Batch {
    fn fill(&mut self, rows: &[Row]) {
        self.input.clear();
        self.input.extend(rows.iter().map(|row| row.features));
        self.first.resize(rows.len());
        self.second.resize(rows.len());
        self.third.resize(rows.len());
        self.logits.resize(rows.len(), 0.0);
    }
}

impl parameters::Last {
    #[inline(always)]
    fn forward(&self, input: &[[f32; THIRD]], logits: &mut [f32]) {
        for (logit, input) in logits.iter_mut().zip(input) {
            *logit = self.bias[0]
                + input.iter().zip(&self.weights).map(|(value, weight)| value * weight).sum::<f32>();
        }
    }

    /// From the error at the logits to the gradients, and to the error at the layer below.
    #[inline(always)]
    fn backward(&self, below: &mut Kept<THIRD>, errors: &[f32], gradient: &mut Self) {
        let mut weights = [0.0; THIRD];
        for ((input, error), below) in below.output.iter().zip(errors).zip(&mut below.error) {
            for unit in 0..THIRD {
                weights[unit] += input[unit] * error;
                below[unit] = self.weights[unit] * error;
            }
        }
        gradient.weights = weights;
        gradient.bias = [errors.iter().sum()];
    }
}

/// Binary cross-entropy of a logit and its derivative: `max(z, 0) − z·t + ln(1 + e^−|z|)` and `sigmoid(z) − t`.
fn cross_entropy(logit: f32, target: f32) -> (f32, f32) {
    let decay = libm::expf(-logit.abs());
    let loss = logit.max(0.0) - logit * target + libm::log1pf(decay);
    let probability = if logit >= 0.0 { 1.0 / (1.0 + decay) } else { decay / (1.0 + decay) };
    (loss, probability - target)
}
