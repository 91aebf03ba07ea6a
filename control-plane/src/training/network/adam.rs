//! Adam (Kingma and Ba 2015): the steps follow the mean gradient over the root of the mean squared gradient.

use super::parameters::Parameters;

const FIRST_DECAY: f64 = 0.9;
const SECOND_DECAY: f64 = 0.999;
const EPSILON: f32 = 1e-8;

/// The optimiser's memory.
#[derive(Clone, Debug)]
pub(super) struct Adam {
    first: Box<Parameters>,
    second: Box<Parameters>,
    steps: i32,
}

impl Adam {
    /// Nothing seen yet.
    pub(super) fn new() -> Self {
        Self { first: Parameters::zero(), second: Parameters::zero(), steps: 0 }
    }

    /// One step against the gradient.
    #[inline(always)]
    pub(super) fn step(&mut self, parameters: &mut Parameters, gradient: &Parameters, rate: f32) {
        self.steps = self.steps.saturating_add(1);
        let unbiased = |decay: f64| 1.0 - libm::pow(decay, f64::from(self.steps));
        let rate = (f64::from(rate) / unbiased(FIRST_DECAY)) as f32;
        let root = unbiased(SECOND_DECAY).sqrt() as f32;
        let moments = self.first.slices_mut().into_iter().zip(self.second.slices_mut());
        let values = parameters.slices_mut().into_iter().zip(gradient.slices());
        for ((values, gradients), (first, second)) in values.zip(moments) {
            for (((value, gradient), first), second) in
                values.iter_mut().zip(gradients).zip(first).zip(second)
            {
                *first += (1.0 - FIRST_DECAY) as f32 * (gradient - *first);
                *second = SECOND_DECAY as f32 * *second + (1.0 - SECOND_DECAY) as f32 * gradient * gradient;
                *value -= rate * *first / (second.sqrt() / root + EPSILON);
            }
        }
    }
}
