//! Older examples that every new one is learned together with, so that nothing is forgotten over it.

use std::collections::VecDeque;

use crate::training::random::Random;
use crate::training::{Dataset, Example};

/// Labels kept to be rehearsed.
const KEPT: usize = 2_048;

/// Rows of a step besides the new one: from the base, and from earlier labels.
const BASE_ROWS: usize = 40;
const LABEL_ROWS: usize = 15;

/// The base, and labels learned before.
#[derive(Clone, Debug)]
pub(super) struct Rehearsal {
    base: Vec<Example>,
    labels: VecDeque<(i64, Example)>,
    random: Random,
}

impl Rehearsal {
    /// A rehearsal over `base`, bots and people of every kind.
    pub(super) fn new(base: &Dataset, seed: u64) -> Self {
        Self { base: base.examples().to_vec(), labels: VecDeque::new(), random: Random::new(seed) }
    }

    /// Keeps a label for later; the oldest makes room.
    pub(super) fn keep(&mut self, id: i64, example: Example) {
        if self.labels.len() >= KEPT {
            self.labels.pop_front();
        }
        self.labels.push_back((id, example));
    }

    /// Takes labels out.
    pub(super) fn forget(&mut self, ids: &[i64]) {
        self.labels.retain(|(id, _)| !ids.contains(id));
    }

    /// The rows of a step on `new`, into `rows`: the new one, labels and base rows drawn at random.
    pub(super) fn draw(&mut self, new: Example, rows: &mut Vec<Example>) {
        rows.clear();
        rows.push(new);
        let labels = LABEL_ROWS.min(self.labels.len());
        for _ in 0..labels {
            let index = self.random.below(self.labels.len() as u32) as usize;
            rows.extend(self.labels.get(index).map(|(_, example)| *example));
        }
        for _ in 0..BASE_ROWS {
            let index = self.random.below(self.base.len() as u32) as usize;
            rows.extend(self.base.get(index).copied());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::learning::testing::{example, two_kinds};

    #[test]
    fn a_step_has_the_new_row_first_and_a_bounded_number_of_old_ones() {
        let mut rehearsal = Rehearsal::new(&two_kinds(100), 1);
        let mut rows = Vec::new();
        rehearsal.draw(example(0.77, true), &mut rows);
        assert_eq!((rows.len(), rows[0]), (1 + BASE_ROWS, example(0.77, true)));
        for id in 0..3 * KEPT as i64 {
            rehearsal.keep(id, example(0.33, false));
        }
        rehearsal.draw(example(0.77, true), &mut rows);
        assert_eq!(rows.len(), 1 + LABEL_ROWS + BASE_ROWS);
        assert_eq!(rows.iter().filter(|row| **row == example(0.33, false)).count(), LABEL_ROWS);
        assert_eq!(rehearsal.labels.len(), KEPT);
        let all: Vec<i64> = (0..3 * KEPT as i64).collect();
        rehearsal.forget(&all);
        rehearsal.draw(example(0.77, true), &mut rows);
        assert_eq!(rows.len(), 1 + BASE_ROWS);
    }
}
