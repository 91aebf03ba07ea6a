//! The network's forward pass: 7 → 64 → 32 → 16 → 1 with batch normalisation folded into the weights.

use super::ModelError;
use crate::features::{FEATURE_COUNT, Features};

const HIDDEN: [usize; 3] = [64, 32, 16];

/// A dense layer: per input a row of OUT weights, so that the inner loop runs over neighbouring outputs.
#[derive(Clone, Debug, PartialEq)]
struct Dense<const IN: usize, const OUT: usize> {
    weights: [[f32; OUT]; IN],
    biases: [f32; OUT],
}

impl<const IN: usize, const OUT: usize> Dense<IN, OUT> {
    fn read(values: &mut impl Iterator<Item = f32>) -> Option<Self> {
        let mut layer = Self { weights: [[0.0; OUT]; IN], biases: [0.0; OUT] };
        for weight in layer.weights.iter_mut().flatten().chain(&mut layer.biases) {
            *weight = values.next()?;
        }
        Some(layer)
    }

    fn values(&self) -> impl Iterator<Item = f32> {
        self.weights.as_flattened().iter().chain(&self.biases).copied()
    }

    fn is_monotone(&self) -> bool {
        self.weights.as_flattened().iter().all(|weight| *weight >= 0.0)
    }

    fn forward(&self, input: &[f32; IN]) -> [f32; OUT] {
        let mut output = self.biases;
        for (value, row) in input.iter().zip(&self.weights) {
            for (sum, weight) in output.iter_mut().zip(row) {
                *sum += value * weight;
            }
        }
        output
    }

    fn forward_relu(&self, input: &[f32; IN]) -> [f32; OUT] {
        self.forward(input).map(|sum| sum.max(0.0))
    }
}

/// The weights. Boxed: 12.5 KiB do not belong on a wasm stack.
#[derive(Clone, Debug, PartialEq)]
pub struct Network(Box<Layers>);

#[derive(Clone, Debug, PartialEq)]
struct Layers {
    first: Dense<FEATURE_COUNT, { HIDDEN[0] }>,
    second: Dense<{ HIDDEN[0] }, { HIDDEN[1] }>,
    third: Dense<{ HIDDEN[1] }, { HIDDEN[2] }>,
    last: Dense<{ HIDDEN[2] }, 1>,
}

impl Network {
    /// Units of each layer, from the features to the log-odds.
    pub const LAYERS: [usize; 5] = [FEATURE_COUNT, HIDDEN[0], HIDDEN[1], HIDDEN[2], 1];

    /// Weights and biases of the four layers: 3,137.
    pub const PARAMETERS: usize = (FEATURE_COUNT + 1) * HIDDEN[0]
        + (HIDDEN[0] + 1) * HIDDEN[1]
        + (HIDDEN[1] + 1) * HIDDEN[2]
        + HIDDEN[2]
        + 1;

    /// A network of [`Network::PARAMETERS`] numbers: per layer the weights, input-major (weight from input i to
    /// output o stands at i · outputs + o), then the biases. Batch normalisation is folded in.
    ///
    /// # Errors
    /// Another count of numbers, a number that is not finite.
    pub fn new(parameters: &[f32]) -> Result<Self, ModelError> {
        if parameters.len() != Self::PARAMETERS {
            return Err(ModelError::Damaged("a network has 3,137 parameters"));
        }
        if parameters.iter().any(|value| !value.is_finite()) {
            return Err(ModelError::NotFinite);
        }
        let mut values = parameters.iter().copied();
        Layers::read(&mut values)
            .map(|layers| Self(Box::new(layers)))
            .ok_or(ModelError::Damaged("a network has 3,137 parameters"))
    }

    /// The numbers in the order of [`Network::new`].
    pub fn parameters(&self) -> impl Iterator<Item = f32> {
        let Layers { first, second, third, last } = &*self.0;
        first.values().chain(second.values()).chain(third.values()).chain(last.values())
    }

    /// Whether no weight is negative: then no feature that looks more like a bot can lower the score.
    pub fn is_monotone(&self) -> bool {
        let Layers { first, second, third, last } = &*self.0;
        first.is_monotone() && second.is_monotone() && third.is_monotone() && last.is_monotone()
    }

    /// Reads little-endian f32.
    pub(super) fn from_bytes(bytes: &[u8]) -> Result<Self, ModelError> {
        let (quads, rest) = bytes.as_chunks::<4>();
        if !rest.is_empty() || quads.len() != Self::PARAMETERS {
            return Err(ModelError::Damaged("a network has 3,137 parameters"));
        }
        let values: Vec<_> = quads.iter().map(|quad| f32::from_le_bytes(*quad)).collect();
        Self::new(&values)
    }

    pub(super) fn to_bytes(&self) -> Vec<u8> {
        self.parameters().flat_map(f32::to_le_bytes).collect()
    }

    /// The log-odds, unclamped.
    pub(super) fn logit(&self, features: &Features) -> f32 {
        let hidden = self.0.first.forward_relu(features.values());
        let hidden = self.0.second.forward_relu(&hidden);
        let hidden = self.0.third.forward_relu(&hidden);
        let [logit] = self.0.last.forward(&hidden);
        logit
    }
}

impl Layers {
    fn read(values: &mut impl Iterator<Item = f32>) -> Option<Self> {
        Some(Self {
            first: Dense::read(values)?,
            second: Dense::read(values)?,
            third: Dense::read(values)?,
            last: Dense::read(values)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_keep_their_order() {
        let numbers: Vec<f32> = (0..Network::PARAMETERS).map(|i| i as f32 / 1e4).collect();
        let network = Network::new(&numbers).expect("finite");
        assert!(network.parameters().eq(numbers));
        assert!(network.is_monotone());
    }

    #[test]
    fn what_is_no_network_is_refused() {
        assert!(Network::new(&[0.0; 3]).is_err());
        let mut numbers = vec![0.0; Network::PARAMETERS];
        numbers[7] = f32::INFINITY;
        assert_eq!(Network::new(&numbers), Err(ModelError::NotFinite));
        numbers[7] = -0.1;
        assert!(!Network::new(&numbers).expect("finite").is_monotone());
    }
}
