//! Step by step against PyTorch, from the losses that `control-plane/training/reference.py vectors` wrote.

use sallyport_core::Features;
use serde::Deserialize;

use super::super::hidden::Hidden;
use super::super::{Row, Start, Trainable};

#[derive(Deserialize)]
struct Recorded {
    seed: u32,
    batch_size: usize,
    rate: f32,
    losses: Vec<f32>,
    evaluated: Vec<f32>,
}

/// Numbers that the script draws alike: a 32-bit linear congruential generator (Numerical Recipes).
struct Drawn(u32);

impl Drawn {
    fn unit(&mut self) -> f32 {
        self.0 = self.0.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (self.0 >> 8) as f32 / (1 << 24) as f32
    }

    fn weights(&mut self, values: &mut [f32], inputs: usize) {
        values.iter_mut().for_each(|value| *value = (2.0 * self.unit() - 1.0) / (inputs as f32).sqrt());
    }

    fn layer<const IN: usize, const OUT: usize>(&mut self, hidden: &mut Hidden<IN, OUT>) {
        self.weights(hidden.weights.as_flattened_mut(), IN);
        self.weights(&mut hidden.biases, IN);
    }

    fn features(&mut self) -> [f32; 7] {
        std::array::from_fn(|_| self.unit())
    }

    fn rows(&mut self, count: usize) -> Vec<Row> {
        let features: Vec<_> = (0..count).map(|_| self.features()).collect();
        let noise: Vec<_> = (0..count).map(|_| self.unit()).collect();
        let row = |(features, noise): ([f32; 7], f32)| {
            let bot = features[0] * features[1] + features[4] + 0.5 * noise > 1.0;
            Row { features, target: f32::from(u8::from(bot)), weight: 0.5 + self.unit() }
        };
        features.into_iter().zip(noise).map(row).collect()
    }
}

#[test]
fn two_hundred_steps_go_as_in_pytorch() {
    let recorded = include_str!("../../../../training/pytorch.json");
    let recorded: Recorded = serde_json::from_str(recorded).expect("recorded losses");
    assert_eq!((recorded.losses.len(), recorded.evaluated.len()), (200, 50));
    let mut drawn = Drawn(recorded.seed);
    let mut network = Trainable::new(Start::UNCONSTRAINED, 1);
    let parameters = &mut network.parameters;
    drawn.layer(&mut parameters.first);
    drawn.layer(&mut parameters.second);
    drawn.layer(&mut parameters.third);
    drawn.weights(&mut parameters.last.weights, 16);
    drawn.weights(&mut parameters.last.bias, 16);
    for (step, expected) in recorded.losses.iter().enumerate() {
        let rows = drawn.rows(recorded.batch_size);
        let loss = network.step(&rows, recorded.rate);
        assert!((loss - expected).abs() < 1e-4, "step {step}: {loss} is not {expected}");
    }
    for expected in recorded.evaluated {
        let logit = network.evaluate(&Features::new(drawn.features()).expect("in range"));
        // PyTorch's Adam lets rounding errors move the biases before batch norm, whose true gradient is 0; the running
        // means follow late.
        assert!((logit - expected).abs() < 0.02, "{logit} is not {expected}");
    }
}
