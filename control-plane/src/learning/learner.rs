//! The working copy: each label moves it by a small step at once, and it judges once the reserved set finds it no
//! worse. No clock and no store here: the same labels in the same order give the same model.

use sallyport_core::{Features, Model};
use serde::Serialize;
use utoipa::ToSchema;

use super::contradiction::{Contradiction, Contradictions};
use super::influence::{Influence, LEAST_WEIGHT};
use super::rehearsal::{Recipe, Rehearsal};
use super::reserve::{Quality, Reserve, Worse};
use super::{Base, Label};
use crate::training::network::Row;
use crate::training::{Example, Trainable};

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
        Some(Self {
            fit: working.clone(),
            working,
            recipe: Recipe::default(),
            reference: *active.reference(),
            reserve: Reserve::new(&base.reserved, anchor, challenge),
            rehearsal: Rehearsal::new(&base.rehearsed, anchor, SEED),
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
                self.working.online_rows(&self.rows, self.recipe.rate);
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

    /// Holds the working copy against the reserved set; where it is worse, it becomes again what it was when it was
    /// last fit.
    pub fn examine(&mut self) -> Examined {
        if self.unproven.is_empty() {
            return Examined::Unchanged;
        }
        if let Some(model) = self.model() {
            // No more people than before may be challenged: what is learned is put in order, not louder.
            self.working.calibrate(1.0, -self.reserve.excess(&model));
        }
        match self.model().map(|model| (self.reserve.examine(&model), model)) {
            Some((Ok(quality), model)) => {
                self.fit = self.working.clone();
                self.unproven.clear();
                Examined::Fit(Box::new(model), quality)
            }
            Some((Err(worse), _)) => self.revert(worse),
            None => self.revert(Worse::TooFar(f64::INFINITY)),
        }
    }

    fn model(&self) -> Option<Model> {
        self.working.fold().map(|network| Model::neural(network, self.reference))
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

    /// The labels that led there are not rehearsed either; the next training still has them.
    fn revert(&mut self, worse: Worse) -> Examined {
        self.rehearsal.forget(&std::mem::take(&mut self.unproven));
        self.working = self.fit.clone();
        Examined::Reverted(worse)
    }

    /// Decides what a label is for, and counts it.
    fn sort(&mut self, label: &Label) -> (Learned, Example) {
        let weight = self.influence.weigh(label.client, label.token);
        let example = Example {
            features: label.features,
            is_bot: label.is_bot,
            weight,
            group: label.client.unwrap_or_default(),
            origin: 0,
        };
        let against = self.contradictions.find(label);
        let (learned, count) = if !against.is_empty() {
            self.rehearsal.forget(&against);
            (Learned::Contradicts, &mut self.counts.contradicting)
        } else if weight < LEAST_WEIGHT {
            (Learned::SaidEnough, &mut self.counts.said_enough)
        } else if Reserve::holds(label.client) {
            self.reserve.keep(example);
            (Learned::Reserved, &mut self.counts.reserved)
        } else {
            (Learned::Step, &mut self.counts.learned)
        };
        *count += 1;
        (learned, example)
    }
}
