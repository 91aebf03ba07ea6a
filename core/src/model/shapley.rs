//! Why the model says what it says: exact Shapley values of the seven features.

use super::Model;
use crate::features::{FEATURE_COUNT, Features};

/// All sets of features.
const SETS: usize = 1 << FEATURE_COUNT;

impl Model {
    /// What each feature adds to the log-odds, against the [reference](Model::reference): exact Shapley values, so
    /// they sum to `logit(features) − logit(reference)`. 128 evaluations.
    ///
    /// A feature's value is its contribution averaged over all orders in which the features could go from the
    /// reference's to theirs (Shapley 1953; as explanation: Lundberg and Lee 2017, with a single reference).
    pub fn shapley(&self, features: &Features) -> [f32; FEATURE_COUNT] {
        let logits: [f32; SETS] = std::array::from_fn(|set| self.logit(&self.mixed(features, set)));
        std::array::from_fn(|feature| {
            let with = logits.iter().enumerate().filter(|(set, _)| set >> feature & 1 == 1);
            with.map(|(set, logit)| {
                let before = logits.get(set & !(1 << feature)).copied().unwrap_or_default();
                weight(set.count_ones() - 1) * f64::from(logit - before)
            })
            .sum::<f64>() as f32
        })
    }

    /// The features of the set, the others as in the reference.
    fn mixed(&self, features: &Features, set: usize) -> Features {
        let mut values = self.reference.values().iter().zip(features.values()).enumerate();
        let mixed = std::array::from_fn(|_| match values.next() {
            Some((index, (reference, own))) => {
                if set >> index & 1 == 1 {
                    *own
                } else {
                    *reference
                }
            }
            None => 0.0,
        });
        Features::new(mixed).unwrap_or_default()
    }
}

/// The share of orders in which exactly `before` of the other six features come first: `before! (6 − before)! / 7!`.
fn weight(before: u32) -> f64 {
    let factorial = |n: u32| (1..=n).map(f64::from).product::<f64>();
    factorial(before) * factorial(FEATURE_COUNT as u32 - 1 - before) / factorial(FEATURE_COUNT as u32)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::{TreeNode, Trees};

    #[test]
    fn a_feature_that_alone_matters_gets_everything() {
        let stump = vec![TreeNode::split(4, 0.5, 2), TreeNode::leaf(0.2), TreeNode::leaf(0.8)];
        let trees = Trees::new([1.0, 0.0, 0.0], &[stump]).expect("sound");
        let model = Model::random_forest(trees, Features::default());
        let values = model.shapley(&Features::new([0.9; 7]).expect("in range"));
        let total = 2.0 * 4.0_f32.ln();
        for (feature, value) in values.into_iter().enumerate() {
            let expected = if feature == 4 { total } else { 0.0 };
            assert!((value - expected).abs() < 1e-4, "{feature}: {value}");
        }
    }

    proptest! {
        #[test]
        fn they_sum_to_the_difference(values in prop::array::uniform7(0.0_f32..=1.0)) {
            let model = Model::built_in().expect("built-in model");
            let features = Features::new(values).expect("in range");
            let sum: f32 = model.shapley(&features).iter().sum();
            prop_assert!((sum - (model.logit(&features) - model.logit(model.reference()))).abs() < 1e-3);
        }

        #[test]
        fn a_monotone_model_never_holds_more_against_less(values in prop::array::uniform7(0.0_f32..=1.0)) {
            let model = Model::built_in().expect("built-in model");
            let features = Features::new(values).expect("in range");
            for ((share, own), reference) in
                model.shapley(&features).iter().zip(features.values()).zip(model.reference().values())
            {
                prop_assert!((own - reference) * share >= -1e-5);
            }
        }
    }
}
