//! Older examples that every new one is learned together with, so that nothing is forgotten over it.
//!
//! Of simulated rows the model goes on saying what the model said that somebody chose (learning without forgetting, Li
//! and Hoiem 2016): a label moves what it is about, and the rest stays where training put it.

use std::collections::VecDeque;

use sallyport_core::Model;

use crate::training::network::Row;
use crate::training::random::Random;
use crate::training::{Dataset, Example};

/// Labels kept to be rehearsed.
const KEPT: usize = 2_048;

/// How a label is learned: found on simulated scenarios that a model did not know, with as few reverts as possible.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Recipe {
    /// Steps down the gradient for each label, each with other rows to rehearse.
    pub steps: usize,
    /// How far a step on one row alone would move its log-odds, for each unit that its probability is wrong by. So
    /// networks with large weights learn no faster than those with small ones.
    pub pace: f32,
    /// Rows of a step from the base.
    pub base_rows: usize,
    /// Rows of a step from earlier labels, at most.
    pub label_rows: usize,
}

impl Default for Recipe {
    fn default() -> Self {
        Self { steps: 3, pace: 4.0, base_rows: 64, label_rows: 8 }
    }
}

/// The base, and labels learned before.
#[derive(Clone, Debug)]
pub(super) struct Rehearsal {
    base: Vec<Row>,
    labels: VecDeque<(i64, Row)>,
    random: Random,
}

impl Rehearsal {
    /// A rehearsal over `base`, visitors of every kind, of whom `teacher` says what the truth is.
    pub(super) fn new(base: &Dataset, teacher: &Model, seed: u64) -> Self {
        let row = |example: &Example| Row {
            features: *example.features.values(),
            target: teacher.probability(&example.features),
            weight: 1.0,
        };
        let base = base.examples().iter().map(row).collect();
        Self { base, labels: VecDeque::new(), random: Random::new(seed) }
    }

    /// The base.
    pub(super) fn base(&self) -> &[Row] {
        &self.base
    }

    /// Keeps a label for later; the oldest makes room.
    pub(super) fn keep(&mut self, id: i64, row: Row) {
        if self.labels.len() >= KEPT {
            self.labels.pop_front();
        }
        self.labels.push_back((id, row));
    }

    /// Takes labels out.
    pub(super) fn forget(&mut self, ids: &[i64]) {
        self.labels.retain(|(id, _)| !ids.contains(id));
    }

    /// The rows of a step on `new`, into `rows`: the new one, labels and base rows drawn at random.
    pub(super) fn draw(&mut self, recipe: &Recipe, new: Row, rows: &mut Vec<Row>) {
        rows.clear();
        rows.push(new);
        for _ in 0..recipe.label_rows.min(self.labels.len()) {
            let index = self.random.below(self.labels.len() as u32) as usize;
            rows.extend(self.labels.get(index).map(|(_, row)| *row));
        }
        for _ in 0..recipe.base_rows {
            let index = self.random.below(self.base.len() as u32) as usize;
            rows.extend(self.base.get(index).copied());
        }
    }
}

#[cfg(test)]
impl Rehearsal {
    /// Numbers of the labels that are kept.
    pub(super) fn kept(&self) -> Vec<i64> {
        self.labels.iter().map(|(id, _)| *id).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::learning::testing::{example, two_kinds};

    #[test]
    fn a_step_has_the_new_row_first_and_a_bounded_number_of_old_ones() {
        let model = Model::built_in().expect("built-in model");
        let mut rehearsal = Rehearsal::new(&two_kinds(100), &model, 1);
        let (new, old) = (Row::from(&example(0.77, true)), Row::from(&example(0.33, false)));
        let is_old = |row: &&Row| row.features == old.features && row.target == 0.0;
        let (mut rows, recipe) = (Vec::new(), Recipe::default());
        rehearsal.draw(&recipe, new, &mut rows);
        assert_eq!((rows.len(), rows[0].features, rows[0].target), (1 + recipe.base_rows, new.features, 1.0));
        assert!(
            rows[1..].iter().all(|row| row.target > 0.0 && row.target < 1.0),
            "a teacher's doubts are kept"
        );
        for id in 0..3 * KEPT as i64 {
            rehearsal.keep(id, old);
        }
        rehearsal.draw(&recipe, new, &mut rows);
        assert_eq!(rows.len(), 1 + recipe.label_rows + recipe.base_rows);
        assert_eq!(rows.iter().filter(is_old).count(), recipe.label_rows);
        assert_eq!(rehearsal.labels.len(), KEPT);
        let all: Vec<i64> = (0..3 * KEPT as i64).collect();
        rehearsal.forget(&all);
        rehearsal.draw(&recipe, new, &mut rows);
        assert_eq!(rows.len(), 1 + recipe.base_rows);
    }
}
