//! Learning on from a network whose batch norm is folded in: built-in, imported, or any that judges.

use sallyport_core::Network;

use super::Trainable;
use super::dropout::Dropout;
use super::hidden::EPSILON;
use super::parameters::{Parameters, Running};

impl Trainable {
    /// A network that says exactly what `network` says: its batch norm passes everything through, by running statistics
    /// that stand still in [`Trainable::online_step`]. It stays monotone where it is.
    pub fn from_network(network: &Network) -> Self {
        let mut parameters = Parameters::zero();
        let mut running = Running::default();
        let mut numbers = network.parameters();
        let Parameters { first, second, third, last } = &mut *parameters;
        let layers: [(&mut [f32], &mut [f32]); 3] = [
            (first.weights.as_flattened_mut(), &mut first.biases),
            (second.weights.as_flattened_mut(), &mut second.biases),
            (third.weights.as_flattened_mut(), &mut third.biases),
        ];
        for (weights, biases) in layers.into_iter().chain([(&mut last.weights[..], &mut last.bias[..])]) {
            for (slot, number) in weights.iter_mut().chain(biases).zip(&mut numbers) {
                *slot = number;
            }
        }
        first.scales.fill(1.0);
        second.scales.fill(1.0);
        third.scales.fill(1.0);
        let [_, first, _, second, _, third] = running.slices_mut();
        for variances in [first, second, third] {
            variances.fill(1.0 - EPSILON);
        }
        Self::of(parameters, running, network.is_monotone(), Dropout::new(0.0, 0))
    }

    /// The network that lies a `share` of the way (0 to 1) from this one to `other`, parameter by parameter. Between two
    /// monotone networks all are.
    pub fn toward(&self, other: &Self, share: f32) -> Self {
        let mut between = self.clone();
        for (values, others) in between.parameters.slices_mut().into_iter().zip(other.parameters.slices()) {
            for (value, other) in values.iter_mut().zip(others) {
                *value += share * (other - *value);
            }
        }
        between
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use sallyport_core::{Features, Model};

    use super::*;
    use crate::training::network::Start;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn it_says_what_the_network_says(values in prop::array::uniform7(0.0_f32..=1.0)) {
            let model = Model::built_in().expect("built-in model");
            let network = model.network().expect("a network");
            let features = Features::new(values).expect("in range");
            let mut trainable = Trainable::from_network(network);
            prop_assert!(trainable.is_monotone());
            let folded = Model::neural(trainable.fold().expect("finite"), *model.reference());
            prop_assert!((folded.logit(&features) - model.logit(&features)).abs() < 1e-4);
            let half = Trainable::new(Start { monotone: true, shift: 1.0, dropout: 0.0 }, 1).toward(&trainable, 0.5);
            prop_assert!(half.fold().is_some_and(|network| network.is_monotone()));
            let mut whole = Trainable::new(Start { monotone: true, shift: 1.0, dropout: 0.0 }, 1).toward(&trainable, 1.0);
            prop_assert!((whole.evaluate(&features) - trainable.evaluate(&features)).abs() < 1e-3);
            prop_assert!((trainable.evaluate(&features).clamp(-8.0, 8.0) - model.logit(&features)).abs() < 1e-3);
        }
    }
}
