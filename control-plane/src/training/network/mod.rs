//! The network while it learns: 7 → 64 → 32 → 16 → 1 with batch normalisation, ReLU and dropout.
//!
//! Everything a step needs is allocated once. The folded [`Network`] is what core evaluates. A step runs on the widest vectors
//! of the CPU; the bits are the same on all, since sums keep their order and nothing is fused.

mod adam;
mod batch;
mod dense;
mod dropout;
mod hidden;
mod parameters;
mod state;
mod unfold;

use sallyport_core::{FEATURE_COUNT, Features, Network};

pub use state::StateError;

use self::adam::Adam;
use self::batch::Batch;
use self::dropout::Dropout;
use self::parameters::{Parameters, Running};
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

/// How a network starts.
#[derive(Clone, Copy, Debug)]
pub struct Start {
    /// Whether weights and scales are kept at 0 or above, so that no feature can ever lower the log-odds.
    pub monotone: bool,
    /// Batch norm's shift at the start. From 0 about half of a layer's units are silent for a row; from 2 on they begin in
    /// their linear range and learn where to bend.
    pub shift: f32,
    /// Share of a layer's units that is silent in a step, in [0, 0.9].
    pub dropout: f32,
}

impl Start {
    /// A monotone network without dropout.
    pub const MONOTONE: Self = Self { monotone: true, shift: 2.0, dropout: 0.0 };
    /// An unconstrained network without dropout.
    pub const UNCONSTRAINED: Self = Self { monotone: false, shift: 0.0, dropout: 0.0 };
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

impl Trainable {
    /// A network at its start.
    pub fn new(start: Start, seed: u64) -> Self {
        let Start { monotone, shift, dropout } = start;
        let mut random = Random::new(seed);
        let parameters = Parameters::start(monotone, shift, &mut random);
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
        pulp::Arch::new().dispatch(Step { network: self, rows, rate })
    }

    /// One small step on a few rows, down the gradient: running statistics stand still and nothing is dropped, so that
    /// what is learned is what inference will say. The step is at most `rate` long, whatever the rows. Returns the loss before it,
    /// as [`Trainable::step`] does; 0 without rows.
    pub fn online_step(&mut self, rows: &[Example], rate: f32) -> f32 {
        let rows: Vec<_> = rows.iter().map(Row::from).collect();
        self.online_rows(&rows, rate)
    }

    /// The same on rows that a teacher may have given probabilities for labels.
    pub fn online_rows(&mut self, rows: &[Row], rate: f32) -> f32 {
        if rows.is_empty() {
            return 0.0;
        }
        self.batch.fill(rows);
        pulp::Arch::new().dispatch(OnlineStep { network: self, rows, rate })
    }

    /// The log-odds by the running statistics: what [`Trainable::fold`] computes, unfolded.
    pub fn evaluate(&mut self, features: &Features) -> f32 {
        self.batch.fill(&[Row { features: *features.values(), target: 0.0, weight: 1.0 }]);
        self.batch.forward_steady(&self.parameters, &self.running);
        self.batch.logits[0]
    }

    /// Stretches and shifts the log-odds: `slope · logit + shift`, for good.
    pub fn calibrate(&mut self, slope: f32, shift: f32) {
        let last = &mut self.parameters.last;
        last.weights = last.weights.map(|weight| weight * slope);
        last.bias = last.bias.map(|bias| bias * slope + shift);
    }

    #[inline(always)]
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

/// A step of training, to be run on wide vectors.
struct Step<'a> {
    network: &'a mut Trainable,
    rows: &'a [Row],
    rate: f32,
}

impl pulp::NullaryFnOnce for Step<'_> {
    type Output = f32;

    #[inline(always)]
    fn call(self) -> f32 {
        let Trainable { parameters, running, monotone, adam, dropout, gradient, batch } = self.network;
        batch.forward(parameters, running, dropout);
        let loss = batch.error(self.rows);
        batch.backward(parameters, gradient);
        adam.step(parameters, gradient, self.rate);
        if *monotone {
            parameters.project();
        }
        loss
    }
}

/// A step of online learning, to be run on wide vectors.
struct OnlineStep<'a> {
    network: &'a mut Trainable,
    rows: &'a [Row],
    rate: f32,
}

impl pulp::NullaryFnOnce for OnlineStep<'_> {
    type Output = f32;

    #[inline(always)]
    fn call(self) -> f32 {
        let Trainable { parameters, running, gradient, batch, .. } = &mut *self.network;
        batch.forward_steady(parameters, running);
        let loss = batch.error(self.rows);
        batch.backward_steady(parameters, gradient);
        self.network.descend(self.rate);
        loss
    }
}

#[cfg(test)]
mod tests;
