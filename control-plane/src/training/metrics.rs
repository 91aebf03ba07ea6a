//! How good a model is on labelled rows: ranking, calibration, and what the thresholds of the actions would have done.

use std::collections::HashMap;

use sallyport_core::{Features, Model};
use serde::{Deserialize, Serialize};

use super::curve::{Confusion, average_precision, roc_auc};
use super::data::{Dataset, Example};

/// Scores from which an action is taken under the default policy: MONITOR, CHALLENGE, BLOCK.
pub const THRESHOLDS: [u8; 3] = [50, 70, 90];
/// Which of [`THRESHOLDS`] is CHALLENGE.
const CHALLENGE: usize = 1;

/// Bins of the calibration curve, equally wide over the probabilities.
const BINS: usize = 10;
/// Probabilities are taken for at least this far from 0 and 1, lest one row make the log loss infinite.
const LEAST_PROBABILITY: f64 = 1e-7;

/// The quality of a model on a data set. All rows count the same.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Metrics {
    /// Rows measured on.
    pub rows: u64,
    /// Of these, rows of bots.
    pub bots: u64,
    /// And rows of people.
    pub people: u64,
    /// Area under the ROC curve; `None` unless there are both bots and people.
    pub roc_auc: Option<f64>,
    /// The same per client, by the mean probability of its rows. A client is what most of its rows are.
    pub client_roc_auc: Option<f64>,
    /// Average precision; `None` without bots.
    pub pr_auc: Option<f64>,
    /// Mean of −ln of the probability given to the truth; 0 without rows.
    pub log_loss: f64,
    /// Mean squared error of the probability; 0 without rows.
    pub brier: f64,
    /// Expected calibration error: mean distance of a bin's prediction from its share of bots, weighted by its rows.
    pub calibration_error: f64,
    /// The calibration curve.
    pub calibration: [CalibrationBin; BINS],
    /// What would have been flagged, by the model alone, from each of [`THRESHOLDS`] on.
    pub thresholds: [Threshold; THRESHOLDS.len()],
    /// The same for the rows of each origin.
    pub per_origin: Vec<OriginMetrics>,
}

/// One bin of the calibration curve.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct CalibrationBin {
    /// Lowest probability of the bin.
    pub from: f64,
    /// Highest probability of the bin.
    pub to: f64,
    /// Rows in it.
    pub count: u64,
    /// Mean probability given to them; 0 without rows.
    pub mean_predicted: f64,
    /// Share of them that are bots; 0 without rows.
    pub share_of_bots: f64,
}

/// What is flagged from a score on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Threshold {
    /// The score: 100 times the probability.
    pub score: u8,
    /// Per request.
    pub requests: Confusion,
    /// Per client, flagged by any of its rows.
    pub clients: Confusion,
    /// Share of people's requests that are flagged; `None` without people.
    pub false_positive_rate: Option<f64>,
    /// Share of people with a flagged request; `None` without people.
    pub client_false_positive_rate: Option<f64>,
    /// Share of bots' requests that are flagged; `None` without bots.
    pub recall: Option<f64>,
}

/// The quality on the rows of one origin: a scenario, a log.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct OriginMetrics {
    /// Its name.
    pub name: String,
    /// Its rows.
    pub rows: u64,
    /// Of these, rows of bots.
    pub bots: u64,
    /// Area under the ROC curve. An origin of bots alone is ranked against all people of the data set, and one of people
    /// alone against all bots.
    pub roc_auc: Option<f64>,
    /// Mean of −ln of the probability given to the truth.
    pub log_loss: f64,
    /// Mean probability given to its rows.
    pub mean_probability: f64,
    /// What is flagged, as in [`Metrics::thresholds`].
    pub thresholds: [Threshold; THRESHOLDS.len()],
}

impl Metrics {
    /// The threshold of CHALLENGE.
    pub fn at_challenge(&self) -> &Threshold {
        &self.thresholds[CHALLENGE]
    }
}

impl OriginMetrics {
    /// The threshold of CHALLENGE.
    pub fn at_challenge(&self) -> &Threshold {
        &self.thresholds[CHALLENGE]
    }
}

/// Measures a model.
pub fn measure(model: &Model, data: &Dataset) -> Metrics {
    measure_by(|features| model.probability(features), data)
}

/// Measures anything that gives a probability in [0, 1] of being a bot.
pub fn measure_by(probability: impl Fn(&Features) -> f32, data: &Dataset) -> Metrics {
    let probabilities: Vec<_> = data.examples().iter().map(|row| probability(&row.features)).collect();
    measure_scored(&probabilities, data)
}

/// Measures given probabilities, one per row.
pub fn measure_scored(probabilities: &[f32], data: &Dataset) -> Metrics {
    let rows: Vec<_> =
        data.examples().iter().zip(probabilities).map(|(row, p)| Row { row, probability: *p }).collect();
    let rows: Vec<_> = rows.iter().collect();
    let bots = data.bots() as u64;
    let (log_loss, brier) = losses(&rows);
    let calibration = calibration(&rows);
    let off = |bin: &CalibrationBin| bin.count as f64 * (bin.mean_predicted - bin.share_of_bots).abs();
    Metrics {
        rows: rows.len() as u64,
        bots,
        people: rows.len() as u64 - bots,
        roc_auc: roc_auc(&mut scored(&rows)),
        client_roc_auc: client_roc_auc(&rows),
        pr_auc: average_precision(&mut scored(&rows)),
        log_loss,
        brier,
        calibration_error: calibration.iter().map(off).sum::<f64>() / rows.len().max(1) as f64,
        calibration,
        thresholds: thresholds(&rows),
        per_origin: (0..)
            .zip(data.origins())
            .filter_map(|(index, name)| origin(&rows, index, name))
            .collect(),
    }
}

/// A row with what was predicted of it.
struct Row<'a> {
    row: &'a Example,
    probability: f32,
}

impl Row<'_> {
    /// −ln of the probability given to the truth.
    fn loss(&self) -> f64 {
        let bot = f64::from(self.probability).clamp(LEAST_PROBABILITY, 1.0 - LEAST_PROBABILITY);
        -if self.row.is_bot { bot } else { 1.0 - bot }.ln()
    }
}

fn scored(rows: &[&Row]) -> Vec<(f32, bool)> {
    rows.iter().map(|row| (row.probability, row.row.is_bot)).collect()
}

fn losses(rows: &[&Row]) -> (f64, f64) {
    let count = rows.len().max(1) as f64;
    let squared = |row: &&Row| (f64::from(row.probability) - f64::from(u8::from(row.row.is_bot))).powi(2);
    (rows.iter().map(|row| row.loss()).sum::<f64>() / count, rows.iter().map(squared).sum::<f64>() / count)
}

fn calibration(rows: &[&Row]) -> [CalibrationBin; BINS] {
    let mut bins: [CalibrationBin; BINS] = std::array::from_fn(|bin| CalibrationBin {
        from: bin as f64 / BINS as f64,
        to: (bin + 1) as f64 / BINS as f64,
        ..CalibrationBin::default()
    });
    for row in rows {
        let bin = &mut bins[((row.probability * BINS as f32) as usize).min(BINS - 1)];
        bin.count += 1;
        bin.mean_predicted += f64::from(row.probability);
        bin.share_of_bots += f64::from(u8::from(row.row.is_bot));
    }
    for bin in &mut bins {
        let count = bin.count.max(1) as f64;
        bin.mean_predicted /= count;
        bin.share_of_bots /= count;
    }
    bins
}

/// What is known of a client.
#[derive(Default)]
struct Client {
    rows: u32,
    bots: u32,
    sum: f64,
    highest: f32,
}

impl Client {
    fn is_bot(&self) -> bool {
        2 * self.bots > self.rows
    }
}

fn clients(rows: &[&Row]) -> Vec<Client> {
    let mut clients: HashMap<u64, Client> = HashMap::new();
    for row in rows {
        let client = clients.entry(row.row.group).or_default();
        client.rows += 1;
        client.bots += u32::from(row.row.is_bot);
        client.sum += f64::from(row.probability);
        client.highest = client.highest.max(row.probability);
    }
    clients.into_values().collect()
}

fn client_roc_auc(rows: &[&Row]) -> Option<f64> {
    let mean = |client: &Client| ((client.sum / f64::from(client.rows.max(1))) as f32, client.is_bot());
    roc_auc(&mut clients(rows).iter().map(mean).collect::<Vec<_>>())
}

fn thresholds(rows: &[&Row]) -> [Threshold; THRESHOLDS.len()] {
    let clients = clients(rows);
    THRESHOLDS.map(|score| {
        let flagged = |probability: f32| 100.0 * probability >= f32::from(score);
        let (mut by_request, mut by_client) = (Confusion::default(), Confusion::default());
        rows.iter().for_each(|row| by_request.add(flagged(row.probability), row.row.is_bot));
        clients.iter().for_each(|client| by_client.add(flagged(client.highest), client.is_bot()));
        Threshold {
            score,
            requests: by_request,
            clients: by_client,
            false_positive_rate: by_request.false_positive_rate(),
            client_false_positive_rate: by_client.false_positive_rate(),
            recall: by_request.recall(),
        }
    })
}

fn origin(all: &[&Row], index: u16, name: &str) -> Option<OriginMetrics> {
    let rows: Vec<_> = all.iter().copied().filter(|row| row.row.origin == index).collect();
    let first = rows.first()?;
    let bots = rows.iter().filter(|row| row.row.is_bot).count();
    let mut ranked = scored(&rows);
    if bots == 0 || bots == rows.len() {
        let others = all.iter().filter(|row| row.row.is_bot != first.row.is_bot);
        ranked.extend(others.map(|row| (row.probability, row.row.is_bot)));
    }
    let sum: f64 = rows.iter().map(|row| f64::from(row.probability)).sum();
    Some(OriginMetrics {
        name: name.to_owned(),
        rows: rows.len() as u64,
        bots: bots as u64,
        roc_auc: roc_auc(&mut ranked),
        log_loss: losses(&rows).0,
        mean_probability: sum / rows.len() as f64,
        thresholds: thresholds(&rows),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rows (client, is it a bot, probability) of two origins, even and odd clients; the probability is put in a feature.
    fn measured(rows: &[(u64, bool, f32)]) -> Metrics {
        let mut data = Dataset::new();
        data.origin("even");
        data.origin("odd");
        for (group, is_bot, probability) in rows {
            let features = Features::new([*probability, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]).expect("in range");
            let origin = (group % 2) as u16;
            data.push(Example { features, is_bot: *is_bot, weight: 1.0, group: *group, origin });
        }
        measure_by(|features| features.values()[0], &data)
    }

    #[test]
    fn known_rows_give_known_figures() {
        let metrics = measured(&[(1, true, 0.95), (1, true, 0.6), (2, false, 0.1), (2, false, 0.75)]);
        assert_eq!((metrics.rows, metrics.bots, metrics.people), (4, 2, 2));
        assert_eq!((metrics.roc_auc, metrics.client_roc_auc), (Some(0.75), Some(1.0)));
        let log_loss = -(0.95_f64.ln() + 0.6_f64.ln() + 0.9_f64.ln() + 0.25_f64.ln()) / 4.0;
        assert!((metrics.log_loss - log_loss).abs() < 1e-6);
        assert!((metrics.brier - (0.05_f64.powi(2) + 0.16 + 0.01 + 0.5625) / 4.0).abs() < 1e-6);
        assert!((metrics.calibration_error - (0.05 + 0.4 + 0.1 + 0.75) / 4.0).abs() < 1e-6);
        let challenge = metrics.at_challenge();
        assert_eq!(
            (challenge.false_positive_rate, challenge.client_false_positive_rate),
            (Some(0.5), Some(1.0))
        );
        assert_eq!((challenge.score, challenge.recall), (70, Some(0.5)));
        assert_eq!(metrics.thresholds[2].clients.true_positives, 1);
    }

    #[test]
    fn an_origin_of_one_class_is_ranked_against_the_other() {
        let metrics = measured(&[(1, true, 0.9), (2, false, 0.1), (4, true, 0.05)]);
        let [even, odd] = metrics.per_origin.as_slice() else { panic!("two origins") };
        assert_eq!((even.name.as_str(), even.rows, even.bots, even.roc_auc), ("even", 2, 1, Some(0.0)));
        assert_eq!((odd.name.as_str(), odd.rows, odd.roc_auc), ("odd", 1, Some(1.0)));
    }

    #[test]
    fn no_rows_are_no_trouble() {
        let metrics = measured(&[]);
        assert_eq!((metrics.rows, metrics.roc_auc, metrics.log_loss), (0, None, 0.0));
        assert!(metrics.per_origin.is_empty());
    }

    #[test]
    fn metrics_survive_json() {
        let metrics = measured(&[(1, true, 1.0), (2, false, 0.0)]);
        let json = serde_json::to_string(&metrics).expect("JSON");
        let read: Metrics = serde_json::from_str(&json).expect("metrics");
        assert!((read.log_loss - metrics.log_loss).abs() < 1e-12 && metrics.log_loss < 1e-6);
        assert_eq!((read.thresholds, read.calibration), (metrics.thresholds, metrics.calibration));
    }
}
