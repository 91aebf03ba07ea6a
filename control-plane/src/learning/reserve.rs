//! The reserved set: what a working copy must get no worse on before it may judge. Nothing of it is ever learned.

use std::collections::VecDeque;

use sallyport_core::Model;
use serde::Serialize;
use utoipa::ToSchema;

use crate::training::curve::roc_auc;
use crate::training::random::mix;
use crate::training::{Dataset, Example};

/// One in so many clients is reserved, by its keyed hash: nobody outside can tell which.
const RESERVED_ONE_IN: u64 = 5;

/// Reserved labels kept; the oldest make room.
const LABELS: usize = 1_024;

/// Fewer reserved labels of either class say nothing.
const LEAST_LABELS: usize = 20;

/// What may be lost on the simulated part, against the model that the generation began with, however many steps lie
/// between.
const AUC_TOLERANCE: f64 = 0.002;
/// Of the log loss, as a share: a model that is unsure of more has more of it.
const LOG_LOSS_TOLERANCE: f64 = 0.08;

/// The same on the reserved labels, which are fewer.
const LABEL_LOG_LOSS_TOLERANCE: f64 = 0.02;

/// How far log-odds may be shifted down at once so that no more people are challenged.
pub const SHIFT_LIMIT: f32 = 0.5;

/// How far below the border the next person has to stay, in log-odds.
const MARGIN: f32 = 1e-3;

/// How far the model may move, as mean |Δ log-odds| on the simulated part.
pub const DISTANCE_LIMIT: f64 = 0.5;

/// How good a model is on rows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, ToSchema)]
pub struct Quality {
    /// Area under the ROC curve; 0 unless there are both bots and people.
    pub roc_auc: f64,
    /// Mean of −ln of the probability given to the truth.
    pub log_loss: f64,
    /// Share of people's requests that the model alone would challenge.
    pub false_positive_rate: f64,
}

/// Why a working copy may not judge.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, thiserror::Error, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Worse {
    /// Ranks worse.
    #[error("ROC-AUC on the reserved set fell from {0:.4} to {1:.4}")]
    RocAuc(f64, f64),
    /// Is wrong by more.
    #[error("log loss on the reserved set rose from {0:.4} to {1:.4}")]
    LogLoss(f64, f64),
    /// Would challenge more people.
    #[error("share of people challenged on the reserved set rose from {0:.4} to {1:.4}")]
    FalsePositives(f64, f64),
    /// Contradicts the reserved labels more.
    #[error("log loss on the reserved labels rose from {0:.4} to {1:.4}")]
    Labels(f64, f64),
    /// Went as far as online learning may go; training may go further.
    #[error("it moved {0:.2} in log-odds, more than {DISTANCE_LIMIT}: train a new model on the labels")]
    TooFar(f64),
}

/// The set, and how the model that the generation began with does on it.
#[derive(Clone, Debug)]
pub struct Reserve {
    simulated: Vec<Example>,
    /// With their numbers.
    labels: VecDeque<(i64, Example)>,
    /// The probability from which the policy challenges.
    challenge: f32,
    anchor: Model,
    anchor_logits: Vec<f32>,
    anchor_quality: Quality,
}

impl Reserve {
    /// A reserve of simulated rows, held against `anchor`; `challenge` is the policy's threshold, 0 to 100.
    pub fn new(simulated: &Dataset, anchor: &Model, challenge: f32) -> Self {
        let simulated = simulated.examples().to_vec();
        let challenge = challenge / 100.0;
        let anchor_quality = quality(anchor, simulated.iter(), challenge);
        let anchor_logits = simulated.iter().map(|row| anchor.logit(&row.features)).collect();
        Self {
            simulated,
            labels: VecDeque::new(),
            challenge,
            anchor: anchor.clone(),
            anchor_logits,
            anchor_quality,
        }
    }

    /// Whether the labels of a client are reserved.
    pub fn holds(client: Option<u64>) -> bool {
        client.is_some_and(|client| mix(client).is_multiple_of(RESERVED_ONE_IN))
    }

    /// Keeps a reserved label.
    pub fn keep(&mut self, id: i64, example: Example) {
        if self.labels.len() >= LABELS {
            self.labels.pop_front();
        }
        self.labels.push_back((id, example));
    }

    /// Takes labels out.
    pub fn forget(&mut self, ids: &[i64]) {
        self.labels.retain(|(id, _)| !ids.contains(id));
    }

    /// How the model does on the simulated part.
    pub fn quality(&self, model: &Model) -> Quality {
        quality(model, self.simulated.iter(), self.challenge)
    }

    /// How the model that the generation began with does there.
    pub fn anchor_quality(&self) -> Quality {
        self.anchor_quality
    }

    /// By how much the log-odds of a model have to fall so that it would challenge no more people than the first one, at
    /// most [`SHIFT_LIMIT`]; 0 where it does not.
    pub fn excess(&self, model: &Model) -> f32 {
        let people = self.simulated.iter().filter(|row| !row.is_bot);
        let mut logits: Vec<_> = people.map(|row| model.logit(&row.features)).collect();
        let allowed = (self.anchor_quality.false_positive_rate * logits.len() as f64).round() as usize;
        logits.sort_unstable_by(|a, b| b.total_cmp(a));
        let border = libm::logf(self.challenge / (1.0 - self.challenge));
        let highest = logits.get(allowed).copied().unwrap_or(f32::NEG_INFINITY);
        if highest < border - MARGIN { 0.0 } else { (highest - border + MARGIN).min(SHIFT_LIMIT) }
    }

    /// How far a model is from the one that the generation began with: mean |Δ log-odds|.
    pub fn distance(&self, model: &Model) -> f64 {
        let pairs = self.simulated.iter().zip(&self.anchor_logits);
        let sum: f64 =
            pairs.map(|(row, anchor)| f64::from((model.logit(&row.features) - anchor).abs())).sum();
        sum / self.simulated.len().max(1) as f64
    }

    /// Whether a model is no worse than the one that the generation began with; its quality, or what is worse.
    pub fn examine(&self, model: &Model) -> Result<Quality, Worse> {
        let (before, after) = (self.anchor_quality, self.quality(model));
        let distance = self.distance(model);
        if after.roc_auc < before.roc_auc - AUC_TOLERANCE {
            return Err(Worse::RocAuc(before.roc_auc, after.roc_auc));
        }
        if after.log_loss > before.log_loss * (1.0 + LOG_LOSS_TOLERANCE) {
            return Err(Worse::LogLoss(before.log_loss, after.log_loss));
        }
        if after.false_positive_rate > before.false_positive_rate {
            return Err(Worse::FalsePositives(before.false_positive_rate, after.false_positive_rate));
        }
        if distance > DISTANCE_LIMIT {
            return Err(Worse::TooFar(distance));
        }
        if let Some((before, after)) = self.labels_log_loss(model)
            && after > before + LABEL_LOG_LOSS_TOLERANCE
        {
            return Err(Worse::Labels(before, after));
        }
        Ok(after)
    }

    /// Log loss on the reserved labels, of the first model and of this one; `None` while they are too few.
    fn labels_log_loss(&self, model: &Model) -> Option<(f64, f64)> {
        let rows = || self.labels.iter().map(|(_, row)| row);
        let bots = rows().filter(|row| row.is_bot).count();
        let enough = bots.min(self.labels.len() - bots) >= LEAST_LABELS;
        let loss = |model: &Model| quality(model, rows(), self.challenge).log_loss;
        enough.then(|| (loss(&self.anchor), loss(model)))
    }
}

/// Rows count by their weight in the log loss, and all the same in the rest.
fn quality<'a>(model: &Model, rows: impl Iterator<Item = &'a Example>, challenge: f32) -> Quality {
    let (mut units, mut loss, mut weights) = (Vec::new(), 0.0, 0.0);
    let (mut people, mut challenged) = (0.0_f64, 0.0);
    for row in rows {
        let logit = model.logit(&row.features);
        let wrong = f64::from(if row.is_bot { -logit } else { logit });
        loss += f64::from(row.weight) * wrong.exp().ln_1p();
        weights += f64::from(row.weight);
        if !row.is_bot {
            people += 1.0;
            challenged += f64::from(u8::from(model.probability(&row.features) >= challenge));
        }
        units.push((logit, row.is_bot));
    }
    Quality {
        roc_auc: roc_auc(&mut units).unwrap_or_default(),
        log_loss: if weights > 0.0 { loss / weights } else { 0.0 },
        false_positive_rate: if people > 0.0 { challenged / people } else { 0.0 },
    }
}

#[cfg(test)]
mod tests {
    use sallyport_core::Network;

    use super::*;
    use crate::learning::testing::{example, gentle, shifted, two_kinds};

    #[test]
    fn the_same_model_is_no_worse_and_a_shifted_one_is() {
        let model = gentle();
        let reserve = Reserve::new(&two_kinds(200), &model, 70.0);
        assert_eq!(reserve.examine(&model), Ok(reserve.anchor_quality()));
        // Whichever part of the set notices first.
        assert!(reserve.examine(&shifted(&model, 5.0)).is_err());
        // Log-odds at their limit cannot move.
        assert!((0.1..0.2501).contains(&reserve.distance(&shifted(&model, 0.25))));
    }

    #[test]
    fn log_odds_that_challenge_more_people_come_down_again() {
        let model = gentle();
        let reserve = Reserve::new(&two_kinds(200), &model, 70.0);
        assert_eq!(reserve.excess(&model), 0.0);
        let raised = shifted(&model, 0.3);
        assert!(matches!(reserve.examine(&raised), Err(Worse::FalsePositives(..))));
        let excess = reserve.excess(&raised);
        assert!((0.0..=SHIFT_LIMIT).contains(&excess) && excess > 0.0, "{excess}");
        assert!(
            reserve.quality(&shifted(&raised, -excess)).false_positive_rate
                <= reserve.anchor_quality().false_positive_rate
        );
        assert_eq!(reserve.excess(&shifted(&model, 5.0)), SHIFT_LIMIT);
    }

    #[test]
    fn each_limit_holds_by_itself() {
        let model = gentle();
        let reserve = Reserve::new(&two_kinds(200), &model, 70.0);
        let worse = |model: &Model| reserve.examine(model).expect_err("worse");
        // Blind, it ranks nobody; far lower, it challenges nobody and is wrong of bots.
        let blind =
            Model::neural(Network::new(&[0.0; Network::PARAMETERS]).expect("finite"), *model.reference());
        assert!(matches!(worse(&blind), Worse::RocAuc(..)), "{:?}", worse(&blind));
        assert!(
            matches!(worse(&shifted(&model, -2.0)), Worse::LogLoss(..)),
            "{:?}",
            worse(&shifted(&model, -2.0))
        );
    }

    #[test]
    fn reserved_labels_speak_once_there_are_enough_of_both_classes() {
        let model = Model::built_in().expect("built-in model");
        let mut reserve = Reserve::new(&two_kinds(200), &model, 70.0);
        let other = shifted(&model, 0.2);
        let least = LEAST_LABELS as i64;
        (0..least).for_each(|id| reserve.keep(id, example(0.05, false)));
        assert_eq!(reserve.labels_log_loss(&other), None);
        (least..2 * least).for_each(|id| reserve.keep(id, example(0.95, true)));
        assert!(reserve.labels_log_loss(&other).is_some_and(|(before, after)| before != after));
        reserve.forget(&[3]);
        assert_eq!(reserve.labels_log_loss(&other), None, "what was contradicted says nothing");
    }

    #[test]
    fn about_a_fifth_of_clients_is_reserved_and_unknown_ones_never() {
        let reserved = (0..10_000).filter(|client| Reserve::holds(Some(*client))).count();
        assert!((1_800..2_200).contains(&reserved), "{reserved}");
        assert!(!Reserve::holds(None));
    }
}
