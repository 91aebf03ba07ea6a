//! A candidate beside the model that judges: what it would have said, counted.

use std::sync::atomic::{AtomicU64, Ordering};

use sallyport_core::{Action, Engine, Features};

use super::ReadyModel;
use crate::store::RequestRow;

/// Differences are summed in this unit of probability.
const UNIT: f64 = 1e6;

/// The candidate and what has been counted since it began to look on.
#[derive(Debug)]
pub struct Shadow {
    /// The candidate.
    pub candidate: ReadyModel,
    counts: [[AtomicU64; Action::ALL.len()]; Action::ALL.len()],
    /// Σ |candidate's probability − model's|, in units of 1 / [`UNIT`].
    differences: AtomicU64,
}

/// How candidate and model compare.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Comparison {
    /// Decisions compared; a sampled one counts as many as it stands for.
    pub decisions: u64,
    /// Mean |candidate's probability − model's|, in [0, 1]; 0 without decisions.
    pub mean_difference: f64,
    /// Decisions by the action taken, then by the candidate's, in the order of their numbers.
    pub actions: [[u64; Action::ALL.len()]; Action::ALL.len()],
}

impl Shadow {
    /// A candidate that has seen nothing yet.
    pub fn new(candidate: ReadyModel) -> Self {
        Self { candidate, counts: Default::default(), differences: AtomicU64::new(0) }
    }

    /// Compares a decision that rested on the score, and answers the candidate's probability. The candidate's score
    /// is that of the decision with its log-odds in the model's place.
    pub fn compare(&self, engine: &Engine, row: &RequestRow, features: &Features) -> f32 {
        let candidate = &self.candidate.model;
        let probability = candidate.probability(features);
        let (_, action) = engine.rescore(row.score, row.ml_probability, features, candidate);
        let weight = u64::from(row.weight);
        let [taken, other] = [row.action, action].map(|action| action as usize);
        self.counts[taken][other].fetch_add(weight, Ordering::Relaxed);
        let difference = f64::from((probability - row.ml_probability).abs());
        self.differences.fetch_add((difference * UNIT) as u64 * weight, Ordering::Relaxed);
        probability
    }

    /// What was counted so far.
    pub fn comparison(&self) -> Comparison {
        let actions = std::array::from_fn(|taken| {
            std::array::from_fn(|other| self.counts[taken][other].load(Ordering::Relaxed))
        });
        let decisions = actions.iter().flatten().sum::<u64>();
        let sum = self.differences.load(Ordering::Relaxed) as f64 / UNIT;
        Comparison { decisions, mean_difference: sum / decisions.max(1) as f64, actions }
    }
}
