//! A model's view alone, share by share: for features that were typed in, or that a decision on record had.

use sallyport_core::{FEATURE_COUNT, FEATURE_NAMES, Features, Model};

use super::{Explained, FeatureShare};

/// The largest log-odds that a score is taken for: 100 itself has none.
const LOG_ODDS_LIMIT: f64 = 14.0;

impl Explained {
    /// Explains what `model` says of `features`, in points of a decision that scored `score` (0 to 100): the
    /// model's own probability in percent where nothing else spoke. Checks are not told.
    pub fn of_model(model: &Model, features: &Features, score: f32) -> Self {
        Self::of_shares(model, features, &model.shapley(features), score)
    }

    /// The same with `log_odds` that were worked out before.
    pub fn of_shares(
        model: &Model,
        features: &Features,
        log_odds: &[f32; FEATURE_COUNT],
        score: f32,
    ) -> Self {
        let slope = slope(score);
        let reference = *model.reference().values();
        let base_log_odds = model.logit(model.reference());
        let values = features.values().iter().zip(reference).zip(log_odds);
        let features = FEATURE_NAMES.into_iter().zip(values).map(|(name, ((value, reference), log_odds))| {
            FeatureShare { name, value: *value, reference, log_odds: *log_odds, points: log_odds * slope }
        });
        Self {
            reference,
            base_log_odds,
            base_points: base_log_odds * slope,
            features: features.collect(),
            checks: Vec::new(),
        }
    }
}

/// Points per unit of log-odds on the way from an even score to this one, as the reasons have it.
fn slope(score: f32) -> f32 {
    let p = f64::from(score) / 100.0;
    let log_odds = (p / (1.0 - p)).ln().clamp(-LOG_ODDS_LIMIT, LOG_ODDS_LIMIT);
    if log_odds.abs() < 1e-3 { 25.0 } else { ((100.0 * p - 50.0) / log_odds) as f32 }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn no_score_is_without_a_slope() {
        for (score, expected) in [(0.0, 50.0 / 14.0), (50.0, 25.0), (100.0, 50.0 / 14.0)] {
            assert!((slope(score) - expected).abs() < 1e-3, "{score}: {}", slope(score));
        }
    }

    proptest! {
        #[test]
        fn the_points_of_a_model_alone_make_its_score(values in prop::array::uniform7(0.0_f32..=1.0)) {
            let model = Model::built_in().expect("built-in model");
            let features = Features::new(values).expect("in range");
            let score = 100.0 * model.probability(&features);
            let told = Explained::of_model(&model, &features, score);
            let sum: f32 = told.features.iter().map(|share| share.points).sum();
            prop_assert!((50.0 + told.base_points + sum - score).abs() < 0.05);
        }
    }
}
