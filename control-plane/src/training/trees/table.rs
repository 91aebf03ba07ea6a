//! The rows that trees are grown on, in smartcore's form.

use std::borrow::Cow;

use sallyport_core::{FEATURE_COUNT, Features};
use smartcore::linalg::basic::matrix::DenseMatrix;

use super::GrowthError;
use crate::training::random::Random;

pub(super) type Matrix = DenseMatrix<f64>;

/// Rows: seven features, a target (1 for a bot, 0 for a person, until something is subtracted) and a weight.
#[derive(Clone, Debug)]
pub struct Table {
    /// Row-major.
    values: Vec<f64>,
    matrix: Matrix,
    targets: Vec<f64>,
    weights: Vec<f64>,
}

impl Table {
    /// A table of features, whether it is a bot, and weights: finite, none negative, not all zero.
    ///
    /// # Errors
    /// [`GrowthError::Rows`] if there are none.
    pub fn new(rows: impl IntoIterator<Item = (Features, bool, f64)>) -> Result<Self, GrowthError> {
        let (mut values, mut targets, mut weights) = (Vec::new(), Vec::new(), Vec::new());
        for (features, is_bot, weight) in rows {
            values.extend(features.values().map(f64::from));
            targets.push(f64::from(u8::from(is_bot)));
            weights.push(weight);
        }
        Self::of(values, targets, weights)
    }

    fn of(values: Vec<f64>, targets: Vec<f64>, weights: Vec<f64>) -> Result<Self, GrowthError> {
        if targets.is_empty() {
            return Err(GrowthError::Rows(smartcore::error::Failed::input("there are none")));
        }
        let matrix = DenseMatrix::new(targets.len(), FEATURE_COUNT, values.clone(), false)
            .map_err(GrowthError::Rows)?;
        Ok(Self { values, matrix, targets, weights })
    }

    pub(super) fn len(&self) -> usize {
        self.targets.len()
    }

    pub(super) fn matrix(&self) -> &Matrix {
        &self.matrix
    }

    pub(super) fn targets(&self) -> &Vec<f64> {
        &self.targets
    }

    pub(super) fn weights(&self) -> &[f64] {
        &self.weights
    }

    /// Takes what is predicted from the targets.
    pub(super) fn subtract(&mut self, predicted: &[f64]) {
        for (target, predicted) in self.targets.iter_mut().zip(predicted) {
            *target -= predicted;
        }
    }

    /// Itself, or a sample of `rows` rows if it has more.
    pub(super) fn at_most(&self, rows: usize, seed: u64) -> Result<Cow<'_, Self>, GrowthError> {
        if self.len() <= rows { Ok(Cow::Borrowed(self)) } else { self.sample(rows, seed).map(Cow::Owned) }
    }

    /// At most `rows` rows, drawn with replacement, each as often as its weight demands; the weights are then equal.
    /// For growers that know no weights.
    ///
    /// The range of the summed weights is cut into as many equal parts as there are rows to draw and a point drawn
    /// in each (stratified sampling), so that rows of equal weight are drawn once each where all are wanted, and no
    /// order of the rows can favour a class.
    pub(super) fn sample(&self, rows: usize, seed: u64) -> Result<Self, GrowthError> {
        let count = rows.min(self.len());
        let equal = self.weights.windows(2).all(|pair| pair[0] == pair[1]);
        let step = self.weights.iter().sum::<f64>() / count as f64;
        let (mut values, mut targets) =
            (Vec::with_capacity(count * FEATURE_COUNT), Vec::with_capacity(count));
        let mut random = Random::new(seed);
        let (mut row, mut reached) = (0, self.weights[0]);
        for drawn in 0..count {
            // In equal shares of all rows every part is one row: no chance needed, nor rounding suffered.
            if equal && count == self.len() {
                row = drawn;
            } else {
                let point = (drawn as f64 + random.unit()) * step;
                while reached <= point && row + 1 < self.len() {
                    row += 1;
                    reached += self.weights[row];
                }
            }
            values.extend(&self.values[row * FEATURE_COUNT..][..FEATURE_COUNT]);
            targets.push(self.targets[row]);
        }
        Self::of(values, targets, vec![1.0; count])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rows whose target alternates; weight `bots` for each bot and 1 for each person.
    fn alternating(rows: usize, bots: f64) -> Table {
        let features = Features::default();
        let row = |row| (features, row % 2 == 0, if row % 2 == 0 { bots } else { 1.0 });
        Table::new((0..rows).map(row)).expect("rows")
    }

    fn bots(table: &Table) -> f64 {
        table.targets.iter().sum::<f64>() / table.len() as f64
    }

    #[test]
    fn heavy_rows_are_drawn_more_often() {
        let sample = alternating(10_000, 3.0).sample(5_000, 1).expect("a sample");
        assert_eq!(sample.len(), 5_000);
        assert!((bots(&sample) - 0.75).abs() < 0.02, "{}", bots(&sample));
    }

    #[test]
    fn the_order_of_rows_favours_no_class() {
        let sample = alternating(10_000, 1.0).sample(5_000, 1).expect("a sample");
        assert!((bots(&sample) - 0.5).abs() < 0.03, "{}", bots(&sample));
    }

    #[test]
    fn all_of_equal_rows_are_drawn_once() {
        let table = alternating(101, 1.0);
        assert_eq!(table.sample(500, 7).expect("a sample").targets, table.targets);
    }

    #[test]
    fn no_rows_are_refused() {
        assert!(matches!(Table::new([]), Err(GrowthError::Rows(_))));
    }
}
