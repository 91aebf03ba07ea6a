//! A hidden layer in training: dense, batch normalisation, ReLU, dropout; there and back.

use super::dense::{self, Matrix, column_sums};
use super::dropout::Dropout;

/// Added to a variance before its root is taken, as in PyTorch.
pub(super) const EPSILON: f32 = 1e-5;
/// Share of a batch's mean and variance that goes into the running ones, as in PyTorch.
const MOMENTUM: f32 = 0.1;

/// The parameters of a hidden layer, or their gradients, or an optimiser's moments of them.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Hidden<const IN: usize, const OUT: usize> {
    pub(super) weights: Matrix<IN, OUT>,
    pub(super) biases: [f32; OUT],
    /// Batch norm's γ.
    pub(super) scales: [f32; OUT],
    /// Batch norm's β.
    pub(super) shifts: [f32; OUT],
}

/// Running mean and variance of a layer's sums: what batch norm goes by outside training.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Statistics<const OUT: usize> {
    pub(super) mean: [f32; OUT],
    pub(super) variance: [f32; OUT],
}

impl<const OUT: usize> Default for Statistics<OUT> {
    fn default() -> Self {
        Self { mean: [0.0; OUT], variance: [1.0; OUT] }
    }
}

/// What a layer keeps of a batch for the way back. Sized once for the largest batch.
#[derive(Clone, Debug, Default)]
pub(super) struct Kept<const OUT: usize> {
    /// Normalised sums.
    normal: Vec<[f32; OUT]>,
    /// The factor from a unit's activation to its output: 0 where ReLU or dropout stopped it.
    pub(super) gates: Vec<[f32; OUT]>,
    /// 1 / √(variance + ε), per unit.
    inverse: Vec<f32>,
    /// What goes into the next layer.
    pub(super) output: Vec<[f32; OUT]>,
    /// The error at the output; on the way back it becomes the error at the sums.
    pub(super) error: Vec<[f32; OUT]>,
}

impl<const OUT: usize> Kept<OUT> {
    /// Makes room for a batch of so many rows.
    pub(super) fn resize(&mut self, rows: usize) {
        for buffer in [&mut self.normal, &mut self.gates, &mut self.output, &mut self.error] {
            buffer.resize(rows, [0.0; OUT]);
        }
        self.inverse.resize(OUT, 0.0);
    }
}

impl<const IN: usize, const OUT: usize> Hidden<IN, OUT> {
    /// All numbers 0.
    pub(super) const ZERO: Self =
        Self { weights: [[0.0; OUT]; IN], biases: [0.0; OUT], scales: [0.0; OUT], shifts: [0.0; OUT] };

    /// Weights, biases, scales, shifts.
    #[inline(always)]
    pub(super) fn slices(&self) -> [&[f32]; 4] {
        [self.weights.as_flattened(), &self.biases, &self.scales, &self.shifts]
    }

    /// The same, to change them.
    #[inline(always)]
    pub(super) fn slices_mut(&mut self) -> [&mut [f32]; 4] {
        [self.weights.as_flattened_mut(), &mut self.biases, &mut self.scales, &mut self.shifts]
    }

    /// Keeps weights and scales at 0 or above, so that no input can lower an output.
    #[inline(always)]
    pub(super) fn project(&mut self) {
        for value in self.weights.as_flattened_mut().iter_mut().chain(&mut self.scales) {
            *value = value.max(0.0);
        }
    }

    /// Forward in training: normalises by the batch's own statistics, moves the running ones, drops units.
    /// At least two rows; `kept` has room for as many.
    #[inline(always)]
    pub(super) fn forward(
        &self,
        input: &[[f32; IN]],
        running: &mut Statistics<OUT>,
        dropout: &mut Dropout,
        kept: &mut Kept<OUT>,
    ) {
        dense::forward(input, &self.weights, &self.biases, &mut kept.normal);
        let rows = input.len() as f32;
        let mean = column_sums(&kept.normal).map(|sum| sum / rows);
        let mut squares = [0.0_f32; OUT];
        for row in &mut kept.normal {
            for ((value, mean), square) in row.iter_mut().zip(&mean).zip(&mut squares) {
                *value -= mean;
                *square += *value * *value;
            }
        }
        // The batch is normalised by the biased variance; the running one takes the unbiased, as in PyTorch.
        let unbiased = squares.map(|square| square / (rows - 1.0));
        for (old, new) in [(&mut running.mean, &mean), (&mut running.variance, &unbiased)] {
            for (old, new) in old.iter_mut().zip(new) {
                *old += MOMENTUM * (new - *old);
            }
        }
        let inverse = squares.map(|square| 1.0 / (square / rows + EPSILON).sqrt());
        for row in &mut kept.normal {
            for (value, inverse) in row.iter_mut().zip(&inverse) {
                *value *= inverse;
            }
        }
        kept.inverse.copy_from_slice(&inverse);
        for gates in &mut kept.gates {
            dropout.draw(gates);
        }
        self.activate(kept);
    }

    /// Forward outside training: normalises by the running statistics, drops nothing.
    #[inline(always)]
    pub(super) fn forward_steady(
        &self,
        input: &[[f32; IN]],
        running: &Statistics<OUT>,
        kept: &mut Kept<OUT>,
    ) {
        dense::forward(input, &self.weights, &self.biases, &mut kept.normal);
        let inverse = running.variance.map(|variance| 1.0 / (variance + EPSILON).sqrt());
        for row in &mut kept.normal {
            for ((value, mean), inverse) in row.iter_mut().zip(&running.mean).zip(&inverse) {
                *value = (*value - mean) * inverse;
            }
        }
        kept.inverse.copy_from_slice(&inverse);
        kept.gates.fill([1.0; OUT]);
        self.activate(kept);
    }

    /// Scale, shift, ReLU, dropout. The gates come with dropout's factors and leave with ReLU's too.
    #[inline(always)]
    fn activate(&self, kept: &mut Kept<OUT>) {
        for ((output, normal), gates) in kept.output.iter_mut().zip(&kept.normal).zip(&mut kept.gates) {
            for unit in 0..OUT {
                let sum = normal[unit] * self.scales[unit] + self.shifts[unit];
                gates[unit] = if sum > 0.0 { gates[unit] } else { 0.0 };
                output[unit] = sum * gates[unit];
            }
        }
    }

    /// Back from `kept.error` at the output to the gradients, and to the error at the sums; as [`Hidden::forward`] went.
    #[inline(always)]
    pub(super) fn backward(&self, input: &[[f32; IN]], kept: &mut Kept<OUT>, gradient: &mut Self) {
        self.backward_to_norm(kept, gradient);
        // The batch's mean and variance depend on every row, too (Ioffe and Szegedy 2015, section 3).
        let rows = kept.error.len() as f32;
        for (error, normal) in kept.error.iter_mut().zip(&kept.normal) {
            for unit in 0..OUT {
                let shared = (gradient.shifts[unit] + normal[unit] * gradient.scales[unit]) / rows;
                error[unit] = (error[unit] - shared) * (self.scales[unit] * kept.inverse[unit]);
            }
        }
        dense::gradient(input, &kept.error, &mut gradient.weights);
        // What a bias adds, the mean takes away: the loss does not depend on it.
        gradient.biases = [0.0; OUT];
    }

    /// The same as [`Hidden::forward_steady`] went.
    #[inline(always)]
    pub(super) fn backward_steady(&self, input: &[[f32; IN]], kept: &mut Kept<OUT>, gradient: &mut Self) {
        self.backward_to_norm(kept, gradient);
        for error in &mut kept.error {
            for ((error, scale), inverse) in error.iter_mut().zip(&self.scales).zip(&kept.inverse) {
                *error *= scale * inverse;
            }
        }
        dense::gradient(input, &kept.error, &mut gradient.weights);
        gradient.biases = column_sums(&kept.error);
    }

    /// Back through dropout and ReLU; gradients of shift and scale.
    #[inline(always)]
    fn backward_to_norm(&self, kept: &mut Kept<OUT>, gradient: &mut Self) {
        let (mut scales, mut shifts) = ([0.0; OUT], [0.0; OUT]);
        for ((error, gates), normal) in kept.error.iter_mut().zip(&kept.gates).zip(&kept.normal) {
            for unit in 0..OUT {
                error[unit] *= gates[unit];
                shifts[unit] += error[unit];
                scales[unit] += error[unit] * normal[unit];
            }
        }
        (gradient.scales, gradient.shifts) = (scales, shifts);
    }

    /// Weights and biases with batch norm folded in: what inference computes.
    pub(super) fn folded(&self, running: &Statistics<OUT>) -> (Matrix<IN, OUT>, [f32; OUT]) {
        let factor: [f32; OUT] =
            std::array::from_fn(|unit| self.scales[unit] / (running.variance[unit] + EPSILON).sqrt());
        let weights = self.weights.map(|row| std::array::from_fn(|unit| row[unit] * factor[unit]));
        let biases = std::array::from_fn(|unit| {
            (self.biases[unit] - running.mean[unit]) * factor[unit] + self.shifts[unit]
        });
        (weights, biases)
    }
}
