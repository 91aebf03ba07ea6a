//! Measures of ranking and of agreement with labels that need no model: ROC-AUC, average precision, confusion.

use serde::{Deserialize, Serialize};

/// A score, higher meaning more like a bot, and whether it was a bot's.
pub type Scored = (f32, bool);

/// The chance that a random bot scores higher than a random person, ties counting half: the rank-sum statistic (Mann and
/// Whitney 1947), which is the area under the ROC curve. `None` unless there are both. Sorts the units.
pub fn roc_auc(units: &mut [Scored]) -> Option<f64> {
    units.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
    let (mut rank_sum, mut bots, mut below) = (0.0, 0.0, 0.0);
    for (count, tied_bots) in ties(units) {
        rank_sum += tied_bots * (below + (count + 1.0) / 2.0);
        bots += tied_bots;
        below += count;
    }
    let pairs = bots * (below - bots);
    (pairs > 0.0).then(|| (rank_sum - bots * (bots + 1.0) / 2.0) / pairs)
}

/// Average precision, the area under the steps of the precision-recall curve: the precision at each score, weighted by the
/// bots that have it. `None` without bots. Sorts the units.
pub fn average_precision(units: &mut [Scored]) -> Option<f64> {
    units.sort_unstable_by(|a, b| b.0.total_cmp(&a.0));
    let (mut sum, mut bots, mut above) = (0.0, 0.0, 0.0);
    for (count, tied_bots) in ties(units) {
        bots += tied_bots;
        above += count;
        sum += tied_bots * bots / above;
    }
    (bots > 0.0).then(|| sum / bots)
}

/// Of each run of equal scores how many units it has and how many are bots.
fn ties(units: &[Scored]) -> impl Iterator<Item = (f64, f64)> {
    units.chunk_by(|a, b| a.0 == b.0).map(|tied| {
        let bots = tied.iter().filter(|(_, is_bot)| *is_bot).count();
        (tied.len() as f64, bots as f64)
    })
}

/// What was predicted and what was true.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Confusion {
    /// Bots flagged.
    pub true_positives: u64,
    /// People flagged.
    pub false_positives: u64,
    /// Bots let through.
    pub false_negatives: u64,
    /// People let through.
    pub true_negatives: u64,
}

impl Confusion {
    /// Counts a unit.
    pub fn add(&mut self, flagged: bool, is_bot: bool) {
        *match (flagged, is_bot) {
            (true, true) => &mut self.true_positives,
            (true, false) => &mut self.false_positives,
            (false, true) => &mut self.false_negatives,
            (false, false) => &mut self.true_negatives,
        } += 1;
    }

    /// Share of the flagged that are bots; `None` if nothing was flagged.
    pub fn precision(&self) -> Option<f64> {
        share(self.true_positives, self.true_positives + self.false_positives)
    }

    /// Share of the bots that were flagged; `None` without bots.
    pub fn recall(&self) -> Option<f64> {
        share(self.true_positives, self.true_positives + self.false_negatives)
    }

    /// Share of the people that were flagged; `None` without people.
    pub fn false_positive_rate(&self) -> Option<f64> {
        share(self.false_positives, self.false_positives + self.true_negatives)
    }
}

fn share(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn auc_of_known_orders() {
        assert_eq!(roc_auc(&mut [(1.0, false), (2.0, true)]), Some(1.0));
        assert_eq!(roc_auc(&mut [(1.0, true), (2.0, false)]), Some(0.0));
        assert_eq!(roc_auc(&mut [(1.0, true), (1.0, false)]), Some(0.5));
        assert_eq!(roc_auc(&mut [(1.0, true)]), None);
        assert_eq!(roc_auc(&mut []), None);
    }

    #[test]
    fn average_precision_of_a_known_order() {
        // scikit-learn's documented example: 0.83.
        let mut units = [(0.1, false), (0.4, false), (0.35, true), (0.8, true)];
        let found = average_precision(&mut units).expect("bots");
        assert!((found - 5.0 / 6.0).abs() < 1e-12, "{found}");
        assert_eq!(average_precision(&mut [(0.5, true), (0.5, false)]), Some(0.5));
        assert_eq!(average_precision(&mut [(0.5, false)]), None);
    }

    #[test]
    fn shares_of_nothing_are_unknown() {
        let none = Confusion::default();
        assert_eq!((none.precision(), none.recall(), none.false_positive_rate()), (None, None, None));
    }

    proptest! {
        #[test]
        fn auc_counts_pairs(scores in prop::collection::vec((0_u8..8, any::<bool>()), 0..40)) {
            let mut units: Vec<_> = scores.iter().map(|(score, bot)| (f32::from(*score), *bot)).collect();
            let (mut won, mut pairs) = (0.0, 0.0);
            for (bot, _) in units.iter().filter(|unit| unit.1) {
                for (person, _) in units.iter().filter(|unit| !unit.1) {
                    pairs += 1.0;
                    won += if bot > person { 1.0 } else if bot == person { 0.5 } else { 0.0 };
                }
            }
            match roc_auc(&mut units) {
                Some(auc) => prop_assert!((auc - won / pairs).abs() < 1e-9),
                None => prop_assert_eq!(pairs, 0.0),
            }
        }
    }
}
