//! Every gradient against finite differences of an independent forward pass in f64.

use super::super::{Row, Start, Trainable};
use super::reference::{Frozen, unsettle, values};
use crate::training::random::Random;

/// Distance of the finite differences.
const STEP: f64 = 1e-5;
/// Numbers looked at per layer and kind of parameter.
const LOOKS: usize = 12;

fn rows(count: usize) -> Vec<Row> {
    let mut random = Random::new(9);
    let row = |_| Row {
        features: std::array::from_fn(|_| random.unit() as f32),
        target: random.below(2) as f32,
        weight: 0.5 + random.unit() as f32,
    };
    (0..count).map(row).collect()
}

/// Holds the network's gradient against `frozen`'s losses around its parameters.
fn hold_against(network: &Trainable, frozen: &Frozen, rows: &[Row]) {
    let parameters = values(&network.parameters);
    let gradient = values(&network.gradient);
    for (kind, slice) in gradient.iter().enumerate() {
        for index in (0..slice.len()).step_by(slice.len().div_ceil(LOOKS)) {
            let loss_at = |distance: f64| {
                let mut moved = parameters.clone();
                moved[kind][index] += distance;
                frozen.loss(&moved, rows)
            };
            let expected = (loss_at(STEP) - loss_at(-STEP)) / (2.0 * STEP);
            let off = (slice[index] - expected).abs();
            assert!(
                off < 1e-6 + 1e-4 * expected.abs(),
                "slice {kind}[{index}]: {} is not {expected}",
                slice[index]
            );
        }
    }
    let sizes = gradient.iter().map(|slice| slice.iter().map(|value| value.abs()).sum::<f64>());
    let still: Vec<_> = sizes.enumerate().filter(|(_, size)| *size < 1e-4).map(|(kind, _)| kind).collect();
    // A bias before batch norm moves the mean with it: the loss does not change.
    assert!(still.iter().all(|kind| [1, 5, 9].contains(kind)), "nothing comes back to {still:?}");
}

#[test]
fn gradients_in_training_are_right_with_dropout_and_weights() {
    for (start, dropout) in [(Start::UNCONSTRAINED, 0.0), (Start::UNCONSTRAINED, 0.3), (Start::MONOTONE, 0.3)]
    {
        let mut network = Trainable::new(Start { dropout, ..start }, 4);
        unsettle(&mut network);
        let rows = rows(10);
        network.batch.fill(&rows);
        let Trainable { parameters, running, dropout, gradient, batch, .. } = &mut network;
        batch.forward(parameters, running, dropout);
        let loss = batch.error(&rows);
        batch.backward(parameters, gradient);
        let frozen = Frozen::of(&network, false);
        assert!((frozen.loss(&values(&network.parameters), &rows) - f64::from(loss)).abs() < 1e-5);
        hold_against(&network, &frozen, &rows);
    }
}

#[test]
fn gradients_of_online_steps_are_right() {
    let mut network = Trainable::new(Start::UNCONSTRAINED, 4);
    unsettle(&mut network);
    for count in [1, 6] {
        let rows = rows(count);
        network.batch.fill(&rows);
        let Trainable { parameters, running, gradient, batch, .. } = &mut network;
        batch.forward_steady(parameters, running);
        let loss = batch.error(&rows);
        batch.backward_steady(parameters, gradient);
        let frozen = Frozen::of(&network, true);
        assert!((frozen.loss(&values(&network.parameters), &rows) - f64::from(loss)).abs() < 1e-5);
        hold_against(&network, &frozen, &rows);
    }
}
