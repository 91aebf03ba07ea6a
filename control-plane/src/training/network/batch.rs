//! The rows of a step on their way through the layers and back.

use sallyport_core::FEATURE_COUNT;

use super::Row;
use super::dense;
use super::dropout::Dropout;
use super::hidden::Kept;
use super::parameters::{FIRST, Last, Parameters, Running, SECOND, THIRD};

/// Rows, with what the layers keep of them. Grows to the largest batch and allocates no more.
#[derive(Clone, Debug, Default)]
pub(super) struct Batch {
    input: Vec<[f32; FEATURE_COUNT]>,
    pub(super) first: Kept<FIRST>,
    pub(super) second: Kept<SECOND>,
    pub(super) third: Kept<THIRD>,
    /// After a forward pass the log-odds, after [`Batch::error`] their error.
    pub(super) logits: Vec<f32>,
}

impl Batch {
    /// Takes in the rows of a step.
    pub(super) fn fill(&mut self, rows: &[Row]) {
        self.input.clear();
        self.input.extend(rows.iter().map(|row| row.features));
        self.first.resize(rows.len());
        self.second.resize(rows.len());
        self.third.resize(rows.len());
        self.logits.resize(rows.len(), 0.0);
    }

    /// Forward as in training: by the batch's own statistics, with dropout. At least two rows.
    #[inline(always)]
    pub(super) fn forward(&mut self, p: &Parameters, running: &mut Running, dropout: &mut Dropout) {
        p.first.forward(&self.input, &mut running.first, dropout, &mut self.first);
        p.second.forward(&self.first.output, &mut running.second, dropout, &mut self.second);
        p.third.forward(&self.second.output, &mut running.third, dropout, &mut self.third);
        p.last.forward(&self.third.output, &mut self.logits);
    }

    /// Forward as in inference: by the running statistics.
    #[inline(always)]
    pub(super) fn forward_steady(&mut self, p: &Parameters, running: &Running) {
        p.first.forward_steady(&self.input, &running.first, &mut self.first);
        p.second.forward_steady(&self.first.output, &running.second, &mut self.second);
        p.third.forward_steady(&self.second.output, &running.third, &mut self.third);
        p.last.forward(&self.third.output, &mut self.logits);
    }

    /// Turns the log-odds into their error, and returns the loss: the mean of weight times binary cross-entropy.
    #[inline(always)]
    pub(super) fn error(&mut self, rows: &[Row]) -> f32 {
        let count = rows.len() as f32;
        let mut sum = 0.0;
        for (logit, row) in self.logits.iter_mut().zip(rows) {
            let (loss, error) = cross_entropy(*logit, row.target);
            sum += row.weight * loss;
            *logit = row.weight * error / count;
        }
        sum / count
    }

    /// Back to the gradients, as [`Batch::forward`] went.
    #[inline(always)]
    pub(super) fn backward(&mut self, p: &Parameters, gradient: &mut Parameters) {
        p.last.backward(&mut self.third, &self.logits, &mut gradient.last);
        p.third.backward(&self.second.output, &mut self.third, &mut gradient.third);
        dense::backward(&self.third.error, &p.third.weights, &mut self.second.error);
        p.second.backward(&self.first.output, &mut self.second, &mut gradient.second);
        dense::backward(&self.second.error, &p.second.weights, &mut self.first.error);
        p.first.backward(&self.input, &mut self.first, &mut gradient.first);
    }

    /// Back to the gradients, as [`Batch::forward_steady`] went.
    #[inline(always)]
    pub(super) fn backward_steady(&mut self, p: &Parameters, gradient: &mut Parameters) {
        p.last.backward(&mut self.third, &self.logits, &mut gradient.last);
        p.third.backward_steady(&self.second.output, &mut self.third, &mut gradient.third);
        dense::backward(&self.third.error, &p.third.weights, &mut self.second.error);
        p.second.backward_steady(&self.first.output, &mut self.second, &mut gradient.second);
        dense::backward(&self.second.error, &p.second.weights, &mut self.first.error);
        p.first.backward_steady(&self.input, &mut self.first, &mut gradient.first);
    }
}

impl Last {
    #[inline(always)]
    fn forward(&self, input: &[[f32; THIRD]], logits: &mut [f32]) {
        for (logit, input) in logits.iter_mut().zip(input) {
            let products = input.iter().zip(&self.weights).map(|(value, weight)| value * weight);
            *logit = self.bias[0] + products.sum::<f32>();
        }
    }

    /// From the error at the log-odds to the gradients, and to the error at the layer below.
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

/// Binary cross-entropy of log-odds z for a target t, and its derivative: `max(z, 0) − z·t + ln(1 + e^−|z|)`,
/// `sigmoid(z) − t`.
fn cross_entropy(logit: f32, target: f32) -> (f32, f32) {
    let decay = libm::expf(-logit.abs());
    let loss = logit.max(0.0) - logit * target + libm::log1pf(decay);
    let probability = if logit >= 0.0 { 1.0 / (1.0 + decay) } else { decay / (1.0 + decay) };
    (loss, probability - target)
}
