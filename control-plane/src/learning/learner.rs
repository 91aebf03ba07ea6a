//! The working copy: each label moves it by a small step at once, and it judges once the reserved set finds it no
//! worse. No clock and no store here: the same labels in the same order give the same model.

use sallyport_core::{Features, Model};
use serde::Serialize;
use utoipa::ToSchema;

use super::contradiction::{Contradiction, Contradictions};
use super::influence::Influence;
use super::rehearsal::{Recipe, Rehearsal};
use super::reserve::{Quality, Reserve, Worse};
use super::{Base, Label};
use crate::training::network::Row;
use crate::training::{Example, Trainable};

/// How much of the way to the working copy is tried, where all of it is too much.
const SHARES: [f32; 4] = [1.0, 0.5, 0.25, 0.125];

/// Rows that [`steepness`] tries, the length of its steps, and how little the rows count, so that no gradient is cut.
const TRIALS: usize = 32;
const TRIAL_RATE: f32 = 0.1;
const TRIAL_WEIGHT: f32 = 0.01;

/// A network that hardly moves is not pushed any harder than this allows.
const LEAST_STEEPNESS: f32 = 1.0;

/// A row for which all units are silent moves its log-odds by the last bias alone, at a steepness of 1: it says nothing.
const SILENT: f32 = 1.5;

/// Starts the choice of what is rehearsed.
const SEED: u64 = 0x5eed;

/// What became of a label.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Learned {
    /// It moved the working copy.
    Step,
    /// It is kept to measure with.
    Reserved,
    /// It contradicts an earlier one; both are left out.
    Contradicts,
    /// Its client or token has said enough.
    SaidEnough,
}

/// What became of the labels since the generation began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct Counts {
    /// Moved the working copy.
    pub learned: u64,
    /// Kept to measure with.
    pub reserved: u64,
    /// Contradicted an earlier label.
    pub contradicting: u64,
    /// Left out because their client or token had said enough.
    pub said_enough: u64,
}

/// Whether the working copy may judge.
#[derive(Clone, Debug, PartialEq)]
pub enum Examined {
    /// Nothing changed since it was last examined.
    Unchanged,
    /// It may: the model, and how good it is.
    Fit(Box<Model>, Quality),
    /// It may not, and is again what it was when it was last fit.
    Reverted(Worse),
}

/// A network that learns label by label.
#[derive(Clone, Debug)]
pub struct Learner {
    working: Trainable,
    fit: Trainable,
    recipe: Recipe,
    /// Of the network that it began with: see [`steepness`].
    steepness: f32,
    reference: Features,
    reserve: Reserve,
    rehearsal: Rehearsal,
    influence: Influence,
    contradictions: Contradictions,
    counts: Counts,
    /// Labels learned since the working copy was last fit.
    unproven: Vec<i64>,
    rows: Vec<Row>,
}

impl Learner {
    /// A learner that goes on from `active`; `anchor` is the model that its generation began with, which it is held
    /// against, and `challenge` the policy's threshold, 0 to 100. `None` where `active` is no network.
    pub fn new(anchor: &Model, active: &Model, base: &Base, challenge: f32) -> Option<Self> {
        let working = Trainable::from_network(active.network()?);
        let rehearsal = Rehearsal::new(&base.rehearsed, anchor, SEED);
        Some(Self {
            steepness: steepness(&working, rehearsal.base()),
            fit: working.clone(),
            working,
            recipe: Recipe::default(),
            reference: *active.reference(),
            reserve: Reserve::new(&base.reserved, anchor, challenge),
            rehearsal,
            influence: Influence::default(),
            contradictions: Contradictions::default(),
            counts: Counts::default(),
            unproven: Vec::new(),
            rows: Vec::new(),
        })
    }

    /// The same by another recipe.
    pub fn by(self, recipe: Recipe) -> Self {
        Self { recipe, ..self }
    }

    /// Learns from a label at once.
    pub fn learn(&mut self, label: &Label) -> Learned {
        let (learned, example) = self.sort(label);
        if learned == Learned::Step {
            let row = Row::from(&example);
            for _ in 0..self.recipe.steps {
                self.rehearsal.draw(&self.recipe, row, &mut self.rows);
                self.working.online_rows(&self.rows, self.recipe.pace / self.steepness);
            }
            self.rehearsal.keep(label.id, row);
            self.unproven.push(label.id);
        }
        learned
    }

    /// Remembers a label that `active` has learned already.
    pub fn recall(&mut self, label: &Label) {
        let (learned, example) = self.sort(label);
        if learned == Learned::Step {
            let row = Row::from(&example);
            self.rehearsal.keep(label.id, row);
        }
    }

    /// Holds the working copy against the reserved set. Where it is worse, half of the way to it is tried, and half of
    /// that; where these are worse too, it becomes again what it was when it was last fit.
    pub fn examine(&mut self) -> Examined {
        if self.unproven.is_empty() {
            return Examined::Unchanged;
        }
        let mut first = None;
        for share in SHARES {
            let mut candidate = self.fit.toward(&self.working, share);
            // Labels of bots make everybody look more like one. What is to be learned is whom they tell apart: no more
            // people than before are to be challenged for it.
            if let Some(model) = self.model(&candidate) {
                candidate.calibrate(1.0, -self.reserve.excess(&model));
            }
            let Some(model) = self.model(&candidate) else { continue };
            match self.reserve.examine(&model) {
                Ok(quality) => {
                    self.fit = candidate;
                    self.working = self.fit.clone();
                    self.unproven.clear();
                    return Examined::Fit(Box::new(model), quality);
                }
                Err(worse) => {
                    first.get_or_insert(worse);
                }
            }
        }
        // The labels that led there are not rehearsed either; the next training still has them.
        self.rehearsal.forget(&std::mem::take(&mut self.unproven));
        self.working = self.fit.clone();
        Examined::Reverted(first.unwrap_or(Worse::TooFar(f64::INFINITY)))
    }

    fn model(&self, network: &Trainable) -> Option<Model> {
        network.fold().map(|network| Model::neural(network, self.reference))
    }

    /// The reserved set.
    pub fn reserve(&self) -> &Reserve {
        &self.reserve
    }

    /// What became of the labels.
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// How many labels contradicted an earlier one, and the latest of them, newest first.
    pub fn contradictions(&self) -> (u64, Vec<Contradiction>) {
        (self.contradictions.total(), self.contradictions.listed().cloned().collect())
    }

    /// Decides what a label is for, and counts it.
    fn sort(&mut self, label: &Label) -> (Learned, Example) {
        let weight = self.influence.weigh(label.client, label.token);
        let example = Example {
            features: label.features,
            is_bot: label.is_bot,
            weight: weight.unwrap_or_default(),
            group: label.client.unwrap_or_default(),
            origin: 0,
        };
        // What nobody listens to any more is shown where it contradicts, and takes back nothing.
        let against = self.contradictions.find(label);
        if weight.is_some() {
            self.contradictions.remember(label);
        }
        let (learned, count) = if weight.is_none() {
            (Learned::SaidEnough, &mut self.counts.said_enough)
        } else if !against.is_empty() {
            self.rehearsal.forget(&against);
            self.reserve.forget(&against);
            (Learned::Contradicts, &mut self.counts.contradicting)
        } else if Reserve::holds(label.client) {
            self.reserve.keep(label.id, example);
            (Learned::Reserved, &mut self.counts.reserved)
        } else {
            (Learned::Step, &mut self.counts.learned)
        };
        *count += 1;
        (learned, example)
    }
}

#[cfg(test)]
impl Learner {
    /// Numbers of the labels that are rehearsed.
    pub(super) fn rehearsed(&self) -> Vec<i64> {
        self.rehearsal.kept()
    }
}

/// How much a row's log-odds move for a step of length 1 times their own gradient: the squared length of that gradient,
/// the lower quartile over some rows that are not silent, of which a network may have few or many. Measured by trial: a
/// step too small to matter on each, and what it did.
fn steepness(network: &Trainable, rows: &[Row]) -> f32 {
    let squares = rows.iter().step_by(rows.len().div_ceil(TRIALS).max(1)).map(|row| {
        let mut trial = network.clone();
        let features = Features::new(row.features).unwrap_or_default();
        let before = trial.evaluate(&features);
        let target = if before > 0.0 { 0.0 } else { 1.0 };
        let wrong = (1.0 / (1.0 + (-before).exp()) - target).abs();
        trial.online_rows(&[Row { target, weight: TRIAL_WEIGHT, ..*row }], TRIAL_RATE);
        (trial.evaluate(&features) - before).abs() / (TRIAL_RATE * TRIAL_WEIGHT * wrong)
    });
    let mut squares: Vec<_> = squares.filter(|square| square.is_finite() && *square > SILENT).collect();
    squares.sort_unstable_by(f32::total_cmp);
    squares.get(squares.len() / 4).copied().unwrap_or(1.0).max(LEAST_STEEPNESS)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::learning::testing::{example, gentle};

    #[test]
    fn steps_are_no_longer_where_more_rows_are_silent() {
        let network = Trainable::from_network(gentle().network().expect("a network"));
        let of = |silent: usize| {
            let values = [0.5, 0.6, 0.7, 0.8].into_iter().chain(std::iter::repeat_n(0.0, silent));
            let rows: Vec<_> = values.map(|value| Row::from(&example(value, true))).collect();
            steepness(&network, &rows)
        };
        assert!(of(0) > 10.0, "{}", of(0));
        assert_eq!(of(28), of(0));
        assert_eq!(steepness(&network, &[]), LEAST_STEEPNESS);
    }
}
