//! How well the decisions agree with labels: precision, recall, false-positive rate and ROC-AUC, per request and per client.

use std::collections::HashMap;

use sallyport_core::Action;
use serde::Serialize;

use super::judge::Judged;
use super::labels::Labels;

/// The actions at whose thresholds accuracy is measured: a request counts as flagged from this action on.
pub(crate) const LEVELS: [Action; 3] = [Action::Monitor, Action::Challenge, Action::Block];

/// What was predicted and what was true.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Confusion {
    /// Bots flagged.
    pub(crate) true_positives: u64,
    /// Humans flagged.
    pub(crate) false_positives: u64,
    /// Bots let through.
    pub(crate) false_negatives: u64,
    /// Humans let through.
    pub(crate) true_negatives: u64,
}

impl Confusion {
    fn add(&mut self, flagged: bool, bot: bool) {
        *match (flagged, bot) {
            (true, true) => &mut self.true_positives,
            (true, false) => &mut self.false_positives,
            (false, true) => &mut self.false_negatives,
            (false, false) => &mut self.true_negatives,
        } += 1;
    }

    /// Share of the flagged that are bots; `None` if nothing was flagged.
    pub(crate) fn precision(&self) -> Option<f64> {
        share(self.true_positives, self.true_positives + self.false_positives)
    }

    /// Share of the bots that were flagged; `None` without bots.
    pub(crate) fn recall(&self) -> Option<f64> {
        share(self.true_positives, self.true_positives + self.false_negatives)
    }

    /// Share of the humans that were flagged; `None` without humans.
    pub(crate) fn false_positive_rate(&self) -> Option<f64> {
        share(self.false_positives, self.false_positives + self.true_negatives)
    }
}

fn share(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}

/// The accuracy of one kind of unit, requests or clients.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Accuracy {
    /// Labelled bots.
    pub(crate) bots: u64,
    /// Labelled humans.
    pub(crate) humans: u64,
    /// Area under the ROC curve of the score; `None` unless there are both bots and humans.
    pub(crate) roc_auc: Option<f64>,
    /// At each of [`LEVELS`].
    pub(crate) levels: [Confusion; LEVELS.len()],
}

/// The accuracy by one column of labels.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Report {
    /// The column's name.
    pub(crate) column: String,
    /// Each request by its own score.
    pub(crate) requests: Accuracy,
    /// Each client by the mean score of its requests for the ROC curve, flagged by the gravest action of any of them.
    pub(crate) clients: Accuracy,
}

/// A labelled unit: a request, or a client.
#[derive(Clone, Copy)]
struct Unit {
    score: f32,
    /// The number of the gravest action.
    worst: u8,
    bot: bool,
}

#[derive(Default)]
struct ClientSum {
    score: f64,
    requests: u32,
    worst: u8,
    bots: u32,
}

#[derive(Default)]
struct Column {
    requests: Vec<Unit>,
    clients: HashMap<u64, ClientSum>,
}

/// Collects judged lines that have labels.
pub(crate) struct Measure {
    columns: Vec<(String, Column)>,
}

impl Measure {
    /// Nothing measured yet, by these columns of labels.
    pub(crate) fn new(columns: &[String]) -> Self {
        Self { columns: columns.iter().map(|name| (name.clone(), Column::default())).collect() }
    }

    /// Takes in a judged line.
    pub(crate) fn add(&mut self, labels: &Labels, line: u64, judged: &Judged) {
        let (score, action) = (judged.decision.score, judged.decision.action);
        for ((_, column), label) in self.columns.iter_mut().zip(labels.of(line)) {
            let Some(bot) = *label else { continue };
            column.requests.push(Unit { score, worst: action as u8, bot });
            let client = column.clients.entry(judged.client).or_default();
            client.score += f64::from(score);
            client.requests += 1;
            client.bots += u32::from(bot);
            client.worst = client.worst.max(action as u8);
        }
    }

    /// The accuracy by each column.
    pub(crate) fn reports(self) -> Vec<Report> {
        let report = |(name, column): (String, Column)| Report {
            column: name,
            requests: accuracy(column.requests),
            clients: accuracy(column.clients.values().map(ClientSum::unit).collect()),
        };
        self.columns.into_iter().map(report).collect()
    }
}

impl ClientSum {
    /// A client is what most of its labelled requests are.
    fn unit(&self) -> Unit {
        Unit {
            score: (self.score / f64::from(self.requests.max(1))) as f32,
            worst: self.worst,
            bot: 2 * self.bots > self.requests,
        }
    }
}

fn accuracy(mut units: Vec<Unit>) -> Accuracy {
    let bots = units.iter().filter(|unit| unit.bot).count() as u64;
    let mut levels = [Confusion::default(); LEVELS.len()];
    for (level, confusion) in LEVELS.into_iter().zip(&mut levels) {
        for unit in &units {
            confusion.add(unit.worst >= level as u8, unit.bot);
        }
    }
    let humans = units.len() as u64 - bots;
    Accuracy { bots, humans, roc_auc: roc_auc(&mut units), levels }
}

/// The chance that a random bot scores higher than a random human, ties counting half: the rank-sum statistic.
fn roc_auc(units: &mut [Unit]) -> Option<f64> {
    units.sort_by(|a, b| a.score.total_cmp(&b.score));
    let (mut rank_sum, mut bots, mut below) = (0.0, 0.0, 0.0);
    for ties in units.chunk_by(|a, b| a.score == b.score) {
        let count = ties.len() as f64;
        let tied_bots = ties.iter().filter(|unit| unit.bot).count() as f64;
        rank_sum += tied_bots * (below + (count + 1.0) / 2.0);
        bots += tied_bots;
        below += count;
    }
    let pairs = bots * (below - bots);
    (pairs > 0.0).then(|| (rank_sum - bots * (bots + 1.0) / 2.0) / pairs)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn unit(score: f32, bot: bool) -> Unit {
        Unit { score, worst: Action::Allow as u8, bot }
    }

    #[test]
    fn auc_of_known_orders() {
        assert_eq!(roc_auc(&mut [unit(1.0, false), unit(2.0, true)]), Some(1.0));
        assert_eq!(roc_auc(&mut [unit(1.0, true), unit(2.0, false)]), Some(0.0));
        assert_eq!(roc_auc(&mut [unit(1.0, true), unit(1.0, false)]), Some(0.5));
        assert_eq!(roc_auc(&mut [unit(1.0, true)]), None);
        assert_eq!(roc_auc(&mut []), None);
    }

    #[test]
    fn shares_of_nothing_are_unknown() {
        let none = Confusion::default();
        assert_eq!((none.precision(), none.recall(), none.false_positive_rate()), (None, None, None));
    }

    #[test]
    fn a_client_is_flagged_by_its_gravest_action() {
        let client = ClientSum { score: 120.0, requests: 3, worst: Action::Block as u8, bots: 1 };
        let unit = client.unit();
        assert_eq!((unit.score, unit.bot), (40.0, false));
        let accuracy = accuracy(vec![unit]);
        assert_eq!(accuracy.levels[2].false_positives, 1);
        assert_eq!((accuracy.bots, accuracy.humans), (0, 1));
    }

    proptest! {
        #[test]
        fn auc_counts_pairs(scores in proptest::collection::vec((0u8..8, any::<bool>()), 0..40)) {
            let mut units: Vec<_> = scores.iter().map(|&(score, bot)| unit(f32::from(score), bot)).collect();
            let (mut won, mut pairs) = (0.0, 0.0);
            for bot in units.iter().filter(|unit| unit.bot) {
                for human in units.iter().filter(|unit| !unit.bot) {
                    pairs += 1.0;
                    won += if bot.score > human.score { 1.0 } else if bot.score == human.score { 0.5 } else { 0.0 };
                }
            }
            match roc_auc(&mut units) {
                Some(auc) => prop_assert!((auc - won / pairs).abs() < 1e-9),
                None => prop_assert_eq!(pairs, 0.0),
            }
        }
    }
}
