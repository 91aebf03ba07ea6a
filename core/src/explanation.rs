//! Why a score is what it is: every feature's and every check's share, in log-odds and in points.

use crate::check::Check;
use crate::decision::{Basis, Decision};
use crate::engine::Engine;
use crate::features::FEATURE_COUNT;
use crate::score::mean_slope;

/// What one thing adds to a score, or takes from it.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Share {
    /// Log-odds of being a bot.
    pub log_odds: f32,
    /// The same in points of the score; 0 where a list decided or the route is ignored.
    pub points: f32,
}

/// All shares of a decision. Points add up: 50 + base + Σ features + Σ checks = score, and base + Σ features are
/// the points of the reason `model`. Log-odds add up likewise, to the score's log-odds.
#[derive(Clone, Debug, PartialEq)]
pub struct Explanation {
    /// What the model says of its reference, an ordinary visitor.
    pub base: Share,
    /// What each feature adds to that, in the order of [`crate::FEATURE_NAMES`]: exact Shapley values.
    pub features: [Share; FEATURE_COUNT],
    /// What each check adds that found something, in the order of their numbers; also those too weak to be a
    /// reason.
    pub checks: Vec<(Check, Share)>,
}

impl Engine {
    /// Explains a decision of this engine. 129 evaluations of the model: not for every request.
    pub fn explain(&self, decision: &Decision) -> Explanation {
        let odds: Vec<_> = decision
            .evidence
            .found()
            .map(|(check, strength)| (check, strength * self.policy().weight(check)))
            .filter(|(_, log_odds)| *log_odds != 0.0)
            .collect();
        let total = self.model().logit(&decision.features) + odds.iter().map(|(_, odds)| odds).sum::<f32>();
        // A rate-limited request's score is the model's alone; a list's, a crawler's or an ignored route's is nobody's.
        let slope = match decision.basis {
            Basis::Score | Basis::RateLimit | Basis::Session | Basis::CrossSite => mean_slope(total),
            Basis::AllowList | Basis::DenyList | Basis::Ignored | Basis::Crawler | Basis::Agent => 0.0,
        };
        let share = |log_odds: f32| Share { log_odds, points: log_odds * slope };
        Explanation {
            base: share(self.model().logit(self.model().reference())),
            features: self.model().shapley(&decision.features).map(share),
            checks: odds.into_iter().map(|(check, log_odds)| (check, share(log_odds))).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{Evidence, Features, HashKey, Model, Policy, PolicyConfig, Ranges};

    fn engine() -> Engine {
        let policy = Policy::compile(PolicyConfig::default()).expect("sound");
        let ranges = Ranges::default();
        Engine::new(
            policy,
            Model::built_in().expect("built-in model"),
            ranges,
            HashKey::from_bytes([7; 16]),
            1,
        )
    }

    #[test]
    fn a_list_leaves_the_model_no_points() {
        let decision = Decision { basis: Basis::DenyList, score: 100.0, ..Decision::default() };
        let explanation = engine().explain(&decision);
        assert!(explanation.features.iter().chain([&explanation.base]).all(|share| share.points == 0.0));
        assert_ne!(explanation.base.log_odds, 0.0);
    }

    proptest! {
        #[test]
        fn shares_add_up_to_score_and_reasons(
            values in prop::array::uniform7(0.0_f32..=1.0),
            strengths in prop::array::uniform16(-1.0_f32..=1.0),
        ) {
            let engine = engine();
            let mut evidence = Evidence::default();
            for (check, strength) in Check::weighted().zip(strengths) {
                evidence.set(check, strength);
            }
            let features = Features::new(values).expect("in range");
            let decision = engine.score(&features, &evidence);
            let explanation = engine.explain(&decision);
            let model: f32 = explanation.features.iter().chain([&explanation.base]).map(|s| s.points).sum();
            let checks: f32 = explanation.checks.iter().map(|(_, share)| share.points).sum();
            prop_assert!((50.0 + model + checks - decision.score).abs() < 0.02);
            for (check, points) in decision.reasons.iter() {
                let told = explanation.checks.iter().find(|(other, _)| *other == check).map(|(_, s)| s.points);
                prop_assert!((told.unwrap_or(model) - points).abs() < 0.02, "{}: {points}", check.name());
            }
        }
    }
}
