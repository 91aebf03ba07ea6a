//! The network's forward pass: 7 → 64 → 32 → 16 → 1 with batch normalisation folded into the weights.

use crate::features::{FEATURE_VERSION, Features};

const INPUTS: usize = 7;
const HIDDEN: [usize; 3] = [64, 32, 16];
/// Weights and biases of the four layers.
pub(crate) const PARAMETERS: usize =
    (INPUTS + 1) * HIDDEN[0] + (HIDDEN[0] + 1) * HIDDEN[1] + (HIDDEN[1] + 1) * HIDDEN[2] + HIDDEN[2] + 1;
const MAGIC: [u8; 4] = *b"SPNN";
const HEADER: usize = 8;
/// The logit is clamped to ±this: the model alone is never surer than 0.9997.
const LOGIT_LIMIT: f32 = 8.0;

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
pub struct Model(Box<Layers>);

#[derive(Clone, Debug, PartialEq)]
struct Layers {
    first: Dense<INPUTS, { HIDDEN[0] }>,
    second: Dense<{ HIDDEN[0] }, { HIDDEN[1] }>,
    third: Dense<{ HIDDEN[1] }, { HIDDEN[2] }>,
    last: Dense<{ HIDDEN[2] }, 1>,
}

/// Why weights were refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ModelError {
    /// Not the length or the beginning of a weights file.
    #[error("not a Sallyport weights file")]
    Format,
    /// Trained on other feature formulas.
    #[error("trained on feature version {0}, this build has {FEATURE_VERSION}")]
    FeatureVersion(u16),
    /// A weight is infinite or not a number.
    #[error("a weight is not a finite number")]
    NotFinite,
}

impl Model {
    /// Length of the binary form: 8 bytes of header (`SPNN`, feature version and zero as u16), then per layer
    /// the weights (input-major) and the biases, as little-endian f32.
    pub const BYTES: usize = HEADER + 4 * PARAMETERS;

    /// The weights that ship: see `core/model/README.md`.
    ///
    /// # Errors
    /// None as built: a test reads them.
    pub fn built_in() -> Result<Self, ModelError> {
        Self::from_bytes(include_bytes!("../model/builtin.bin"))
    }

    /// Reads the binary form.
    ///
    /// # Errors
    /// Wrong length or magic, another feature version, a weight that is not finite.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, ModelError> {
        let (header, weights) = bytes.split_at_checked(HEADER).ok_or(ModelError::Format)?;
        let [m0, m1, m2, m3, v0, v1, 0, 0] = *header else { return Err(ModelError::Format) };
        if [m0, m1, m2, m3] != MAGIC || bytes.len() != Self::BYTES {
            return Err(ModelError::Format);
        }
        let version = u16::from_le_bytes([v0, v1]);
        if version != FEATURE_VERSION {
            return Err(ModelError::FeatureVersion(version));
        }
        let (quads, _) = weights.as_chunks::<4>();
        let mut values = quads.iter().map(|quad| f32::from_le_bytes(*quad));
        if values.clone().any(|value| !value.is_finite()) {
            return Err(ModelError::NotFinite);
        }
        Layers::read(&mut values).map(|layers| Self(Box::new(layers))).ok_or(ModelError::Format)
    }

    /// The binary form, [`Model::BYTES`] long.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(Self::BYTES);
        bytes.extend(MAGIC);
        bytes.extend(FEATURE_VERSION.to_le_bytes());
        bytes.extend([0, 0]);
        let Layers { first, second, third, last } = &*self.0;
        let values = (first.weights.as_flattened().iter().chain(&first.biases))
            .chain(second.weights.as_flattened().iter().chain(&second.biases))
            .chain(third.weights.as_flattened().iter().chain(&third.biases))
            .chain(last.weights.as_flattened().iter().chain(&last.biases));
        bytes.extend(values.flat_map(|value| value.to_le_bytes()));
        bytes
    }

    /// The log-odds that the client is a bot, in [-8, 8].
    pub fn logit(&self, features: &Features) -> f32 {
        let hidden = self.0.first.forward_relu(features.values());
        let hidden = self.0.second.forward_relu(&hidden);
        let hidden = self.0.third.forward_relu(&hidden);
        let [logit] = self.0.last.forward(&hidden);
        if logit.is_nan() { 0.0 } else { logit.clamp(-LOGIT_LIMIT, LOGIT_LIMIT) }
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

/// 1 / (1 + e^−x).
pub(crate) fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + libm::expf(-x))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_built_in_weights_read_and_write() {
        let model = Model::built_in().expect("built-in weights");
        assert_eq!(Model::from_bytes(&model.to_bytes()), Ok(model));
    }

    #[test]
    fn damaged_weights_are_refused() {
        let good = Model::built_in().expect("built-in weights").to_bytes();
        assert_eq!(Model::from_bytes(&good[..good.len() - 1]), Err(ModelError::Format));
        let mut other = good.clone();
        other[4] = 99;
        assert_eq!(Model::from_bytes(&other), Err(ModelError::FeatureVersion(99)));
        let mut nan = good;
        nan[8..12].copy_from_slice(&f32::NAN.to_le_bytes());
        assert_eq!(Model::from_bytes(&nan), Err(ModelError::NotFinite));
    }

    #[test]
    fn more_like_a_bot_never_scores_lower() {
        let model = Model::built_in().expect("built-in weights");
        let grid = [0.0, 0.3, 0.6, 1.0];
        for feature in 0..7 {
            for base in grid {
                let mut values = [base; 7];
                let mut last = f32::NEG_INFINITY;
                for value in grid {
                    values[feature] = value;
                    let logit = model.logit(&Features::new(values).expect("in range"));
                    assert!(logit >= last - 1e-4, "feature {feature}");
                    last = logit;
                }
            }
        }
    }
}
