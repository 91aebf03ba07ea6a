//! How well the decisions agree with labels: precision, recall, false-positive rate and ROC-AUC, per request and per client.

use std::collections::HashMap;

use sallyport_core::Action;

use super::judge::Judged;
use super::labels::Labels;
use crate::training::curve::{Confusion, roc_auc};

/// The actions at whose thresholds accuracy is measured: a request counts as flagged from this action on.
pub(crate) const LEVELS: [Action; 3] = [Action::Monitor, Action::Challenge, Action::Block];

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

fn accuracy(units: Vec<Unit>) -> Accuracy {
    let bots = units.iter().filter(|unit| unit.bot).count() as u64;
    let mut levels = [Confusion::default(); LEVELS.len()];
    for (level, confusion) in LEVELS.into_iter().zip(&mut levels) {
        for unit in &units {
            confusion.add(unit.worst >= level as u8, unit.bot);
        }
    }
    let humans = units.len() as u64 - bots;
    let mut scored: Vec<_> = units.iter().map(|unit| (unit.score, unit.bot)).collect();
    Accuracy { bots, humans, roc_auc: roc_auc(&mut scored), levels }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_is_flagged_by_its_gravest_action() {
        let client = ClientSum { score: 120.0, requests: 3, worst: Action::Block as u8, bots: 1 };
        let unit = client.unit();
        assert_eq!((unit.score, unit.bot), (40.0, false));
        let accuracy = accuracy(vec![unit]);
        assert_eq!(accuracy.levels[2].false_positives, 1);
        assert_eq!((accuracy.bots, accuracy.humans), (0, 1));
    }
}
