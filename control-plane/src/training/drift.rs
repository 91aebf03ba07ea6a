//! How the features of today differ from those trained on: histograms and the population stability index.

use sallyport_core::{FEATURE_COUNT, Features};
use serde::{Deserialize, Serialize};

/// Bins per feature, equally wide over [0, 1].
pub const BINS: usize = 20;

/// An empty bin counts as this share, lest its logarithm be infinite.
const LEAST_SHARE: f64 = 1e-4;

/// How often each feature took which value.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FeatureHistograms {
    /// Per feature the counts of its bins; the last bin includes 1.
    counts: [[u64; BINS]; FEATURE_COUNT],
}

impl FeatureHistograms {
    /// Counts a row.
    pub fn add(&mut self, features: &Features) {
        self.add_times(features, 1);
    }

    /// Counts a row that stands for `times` of them.
    pub fn add_times(&mut self, features: &Features, times: u64) {
        for (bins, value) in self.counts.iter_mut().zip(features.values()) {
            let bin = (value * BINS as f32) as usize;
            let count = &mut bins[bin.min(BINS - 1)];
            *count = count.saturating_add(times);
        }
    }

    /// The counts per feature and bin.
    pub fn counts(&self) -> &[[u64; BINS]; FEATURE_COUNT] {
        &self.counts
    }

    /// How many rows were counted.
    pub fn rows(&self) -> u64 {
        self.counts[0].iter().sum()
    }
}

impl<'a> FromIterator<&'a Features> for FeatureHistograms {
    fn from_iter<T: IntoIterator<Item = &'a Features>>(rows: T) -> Self {
        let mut histograms = Self::default();
        rows.into_iter().for_each(|features| histograms.add(features));
        histograms
    }
}

/// The population stability index of each feature: `Σ (o − t) · ln(o / t)` over the bins, o and t the observed and the
/// trained share. Under 0.1 hardly anything changed, over 0.25 much did (Siddiqi 2006). 0 where either side has no rows.
pub fn psi(training: &FeatureHistograms, observed: &FeatureHistograms) -> [f32; FEATURE_COUNT] {
    std::array::from_fn(|feature| index(&training.counts[feature], &observed.counts[feature]))
}

fn index(training: &[u64; BINS], observed: &[u64; BINS]) -> f32 {
    let [trained, seen] = [training, observed].map(|counts| counts.iter().sum::<u64>() as f64);
    if trained == 0.0 || seen == 0.0 {
        return 0.0;
    }
    let bins = training.iter().zip(observed).map(|(training, observed)| {
        let trained = (*training as f64 / trained).max(LEAST_SHARE);
        let seen = (*observed as f64 / seen).max(LEAST_SHARE);
        (seen - trained) * (seen / trained).ln()
    });
    bins.sum::<f64>() as f32
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(values: &[f32]) -> FeatureHistograms {
        let rows: Vec<_> =
            values.iter().map(|v| Features::new([*v; FEATURE_COUNT]).expect("in range")).collect();
        rows.iter().collect()
    }

    #[test]
    fn values_fall_into_their_bins() {
        let histograms = of(&[0.0, 0.049, 0.05, 1.0]);
        assert_eq!(histograms.rows(), 4);
        let bins = histograms.counts()[3];
        assert_eq!((bins[0], bins[1], bins[19]), (2, 1, 1));
    }

    #[test]
    fn a_known_index() {
        // 50:50 against 75:25: 0.25 ln 1.5 − 0.25 ln 0.5 = 0.2747.
        let [index, ..] = psi(&of(&[0.0, 1.0]), &of(&[0.0, 0.0, 0.0, 1.0]));
        assert!((index - 0.274_653).abs() < 1e-5, "{index}");
    }

    #[test]
    fn nothing_seen_is_no_drift() {
        assert_eq!(psi(&of(&[0.5]), &of(&[])), [0.0; FEATURE_COUNT]);
        assert_eq!(psi(&of(&[]), &of(&[0.5])), [0.0; FEATURE_COUNT]);
    }

    proptest! {
        #[test]
        fn the_index_is_0_for_the_same_and_never_negative(
            trained in prop::collection::vec(0.0_f32..=1.0, 1..60),
            seen in prop::collection::vec(0.0_f32..=1.0, 1..60),
        ) {
            let (trained, seen) = (of(&trained), of(&seen));
            prop_assert_eq!(psi(&trained, &trained), [0.0; FEATURE_COUNT]);
            prop_assert!(psi(&trained, &seen).iter().all(|index| *index >= 0.0 && index.is_finite()));
        }
    }
}
