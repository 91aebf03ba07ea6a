//! Matrix products of small fixed sizes over the rows of a batch, written so that the compiler vectorises the inner loop.
//!
//! Sums run in a fixed order and nothing is contracted, so every CPU gives the same bits.

/// Weights of a layer: per input a row of its weights to the outputs.
pub(super) type Matrix<const IN: usize, const OUT: usize> = [[f32; OUT]; IN];

/// `out = input · weights + biases`, row by row.
#[inline(always)]
pub(super) fn forward<const IN: usize, const OUT: usize>(
    input: &[[f32; IN]],
    weights: &Matrix<IN, OUT>,
    biases: &[f32; OUT],
    out: &mut [[f32; OUT]],
) {
    for (out, input) in out.iter_mut().zip(input) {
        let mut sums = *biases;
        for (value, weights) in input.iter().zip(weights) {
            for (sum, weight) in sums.iter_mut().zip(weights) {
                *sum += value * weight;
            }
        }
        *out = sums;
    }
}

/// The gradient of the weights from the error (rows, OUT) at the layer's output; that of the biases is [`column_sums`].
#[inline(always)]
pub(super) fn gradient<const IN: usize, const OUT: usize>(
    input: &[[f32; IN]],
    error: &[[f32; OUT]],
    weights: &mut Matrix<IN, OUT>,
) {
    for (index, weights) in weights.iter_mut().enumerate() {
        let mut sums = [0.0; OUT];
        for (input, error) in input.iter().zip(error) {
            let value = input[index];
            for (sum, error) in sums.iter_mut().zip(error) {
                *sum += value * error;
            }
        }
        *weights = sums;
    }
}

/// The error at the layer's input: `below = error · weightsᵀ`.
#[inline(always)]
pub(super) fn backward<const IN: usize, const OUT: usize>(
    error: &[[f32; OUT]],
    weights: &Matrix<IN, OUT>,
    below: &mut [[f32; IN]],
) {
    let mut transposed = [[0.0; IN]; OUT];
    for (input, weights) in weights.iter().enumerate() {
        for (row, weight) in transposed.iter_mut().zip(weights) {
            row[input] = *weight;
        }
    }
    forward(error, &transposed, &[0.0; IN], below);
}

/// The sum of each column.
#[inline(always)]
pub(super) fn column_sums<const N: usize>(rows: &[[f32; N]]) -> [f32; N] {
    let mut sums = [0.0; N];
    for row in rows {
        for (sum, value) in sums.iter_mut().zip(row) {
            *sum += value;
        }
    }
    sums
}
