//! All numbers of the network that training changes: 3,361 parameters, and the running statistics beside them.

use sallyport_core::{FEATURE_COUNT, Network};

use super::dense::Matrix;
use super::hidden::{Hidden, Statistics};
use crate::training::random::Random;

pub(super) const FIRST: usize = Network::LAYERS[1];
pub(super) const SECOND: usize = Network::LAYERS[2];
pub(super) const THIRD: usize = Network::LAYERS[3];

/// The parameters, or their gradients, or an optimiser's moments of them.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Parameters {
    pub(super) first: Hidden<FEATURE_COUNT, FIRST>,
    pub(super) second: Hidden<FIRST, SECOND>,
    pub(super) third: Hidden<SECOND, THIRD>,
    pub(super) last: Last,
}

/// The last layer: to the log-odds.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Last {
    pub(super) weights: [f32; THIRD],
    pub(super) bias: [f32; 1],
}

/// The running statistics of the hidden layers.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Running {
    pub(super) first: Statistics<FIRST>,
    pub(super) second: Statistics<SECOND>,
    pub(super) third: Statistics<THIRD>,
}

impl Parameters {
    /// All 0.
    pub(super) fn zero() -> Box<Self> {
        let last = Last { weights: [0.0; THIRD], bias: [0.0] };
        Box::new(Self { first: Hidden::ZERO, second: Hidden::ZERO, third: Hidden::ZERO, last })
    }

    /// Weights evenly in ±1 / √inputs (He et al. 2015 with the gain that PyTorch starts dense layers by). Under batch norm
    /// smaller weights learn faster. In a monotone network normal with variance 2 / inputs, and their absolute values.
    /// All of batch norm's shifts start at `shift`.
    pub(super) fn start(monotone: bool, shift: f32, random: &mut Random) -> Box<Self> {
        let mut start = Self::zero();
        let mut draw = |values: &mut [f32], inputs: usize| {
            let inputs = inputs as f64;
            for value in values {
                *value = if monotone {
                    (random.normal() * (2.0 / inputs).sqrt()).abs() as f32
                } else {
                    ((2.0 * random.unit() - 1.0) / inputs.sqrt()) as f32
                };
            }
        };
        draw(start.first.weights.as_flattened_mut(), FEATURE_COUNT);
        draw(start.second.weights.as_flattened_mut(), FIRST);
        draw(start.third.weights.as_flattened_mut(), SECOND);
        draw(&mut start.last.weights, THIRD);
        let [first, second, third] = start.norms_mut();
        for (scales, shifts) in [first, second, third] {
            scales.fill(1.0);
            shifts.fill(shift);
        }
        start
    }

    /// Scales and shifts of the hidden layers.
    fn norms_mut(&mut self) -> [(&mut [f32], &mut [f32]); 3] {
        let Self { first, second, third, .. } = self;
        [
            (&mut first.scales, &mut first.shifts),
            (&mut second.scales, &mut second.shifts),
            (&mut third.scales, &mut third.shifts),
        ]
    }

    /// Keeps weights and scales at 0 or above.
    #[inline(always)]
    pub(super) fn project(&mut self) {
        self.first.project();
        self.second.project();
        self.third.project();
        self.last.weights = self.last.weights.map(|weight| weight.max(0.0));
    }

    /// All numbers, layer by layer: weights, biases, scales, shifts; at last weights and bias of the last layer.
    #[inline(always)]
    pub(super) fn slices(&self) -> [&[f32]; 14] {
        let ([a, b, c, d], [e, f, g, h]) = (self.first.slices(), self.second.slices());
        let [i, j, k, l] = self.third.slices();
        [a, b, c, d, e, f, g, h, i, j, k, l, &self.last.weights, &self.last.bias]
    }

    /// The same, to change them.
    #[inline(always)]
    pub(super) fn slices_mut(&mut self) -> [&mut [f32]; 14] {
        let ([a, b, c, d], [e, f, g, h]) = (self.first.slices_mut(), self.second.slices_mut());
        let [i, j, k, l] = self.third.slices_mut();
        [a, b, c, d, e, f, g, h, i, j, k, l, &mut self.last.weights, &mut self.last.bias]
    }

    /// Weights and biases with batch norm folded in, in the order of [`Network::new`].
    pub(super) fn folded(&self, running: &Running) -> Vec<f32> {
        let mut all = Vec::with_capacity(Network::PARAMETERS);
        fn extend<const IN: usize, const OUT: usize>(
            all: &mut Vec<f32>,
            (weights, biases): (Matrix<IN, OUT>, [f32; OUT]),
        ) {
            all.extend(weights.as_flattened());
            all.extend(biases);
        }
        extend(&mut all, self.first.folded(&running.first));
        extend(&mut all, self.second.folded(&running.second));
        extend(&mut all, self.third.folded(&running.third));
        all.extend(self.last.weights);
        all.extend(self.last.bias);
        all
    }
}

impl Running {
    /// Means and variances, layer by layer.
    #[inline(always)]
    pub(super) fn slices(&self) -> [&[f32]; 6] {
        let Self { first, second, third } = self;
        [&first.mean, &first.variance, &second.mean, &second.variance, &third.mean, &third.variance]
    }

    /// The same, to change them.
    #[inline(always)]
    pub(super) fn slices_mut(&mut self) -> [&mut [f32]; 6] {
        let Self { first, second, third } = self;
        [
            &mut first.mean,
            &mut first.variance,
            &mut second.mean,
            &mut second.variance,
            &mut third.mean,
            &mut third.variance,
        ]
    }
}
