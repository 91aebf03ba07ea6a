//! Why the model spoke as it did, kept with the refusals that rest on its score.

use std::sync::{Mutex, PoisonError};

use sallyport_core::{Action, Basis, Engine, FEATURE_COUNT, Features};

/// Refusals explained per second at most, so that a flood of them does not cost a flood of explanations (128
/// evaluations of the model each). The others' can still be worked out from features and checkpoint.
pub(super) const PER_SECOND: u32 = 500;

/// A probability that was told may differ this much from the model's, by rounding.
const SAME: f32 = 1e-4;

/// How many were explained in the second that runs.
#[derive(Debug, Default)]
pub(super) struct Budget(Mutex<(u64, u32)>);

impl Budget {
    fn take(&self, now_ms: u64) -> bool {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let second = now_ms / 1000;
        if held.0 != second {
            *held = (second, 0);
        }
        held.1 += 1;
        held.1 <= PER_SECOND
    }
}

/// What of a decision matters here.
#[derive(Clone, Copy)]
pub(super) struct Judged<'a> {
    pub(super) action: Action,
    pub(super) basis: Basis,
    pub(super) ml_probability: f32,
    pub(super) features: &'a Features,
}

impl Judged<'_> {
    /// The Shapley values of a refusal by score, in log-odds; `None` for other decisions, where this engine's
    /// model did not judge, and beyond the budget.
    pub(super) fn attributions(
        self,
        engine: &Engine,
        budget: &Budget,
        now_ms: u64,
    ) -> Option<[f32; FEATURE_COUNT]> {
        let is_asked = self.action.refuses() && self.basis == Basis::Score;
        let is_same = || (engine.model().probability(self.features) - self.ml_probability).abs() <= SAME;
        (is_asked && is_same() && budget.take(now_ms)).then(|| engine.model().shapley(self.features))
    }
}

#[cfg(test)]
mod tests {
    use sallyport_core::{HashKey, Model, Policy, Ranges};

    use super::*;

    #[test]
    fn only_refusals_of_this_model_and_only_so_many_a_second() {
        let model = Model::built_in().expect("built-in model");
        let features = Features::new([0.9; FEATURE_COUNT]).expect("in range");
        let ml_probability = model.probability(&features);
        let expected = model.shapley(&features);
        let ranges = Ranges::default();
        let engine = Engine::new(Policy::default(), model, ranges, HashKey::from_bytes([1; 16]), 1);
        let judged =
            Judged { action: Action::Block, basis: Basis::Score, ml_probability, features: &features };
        let budget = Budget::default();
        assert_eq!(judged.attributions(&engine, &budget, 5), Some(expected));
        for other in [
            Judged { action: Action::Monitor, ..judged },
            Judged { basis: Basis::DenyList, ..judged },
            Judged { ml_probability: ml_probability / 2.0, ..judged },
        ] {
            assert_eq!(other.attributions(&engine, &budget, 5), None);
        }
        let taken = (0..PER_SECOND + 10).filter(|_| budget.take(999)).count();
        assert_eq!(taken, PER_SECOND as usize - 1);
        assert!(budget.take(1000));
    }
}
