//! The flat trees say what smartcore's own say; growing is repeatable, bounded and can be stopped.

use proptest::prelude::*;
use sallyport_core::{Features, Model};
use smartcore::linalg::basic::matrix::DenseMatrix;

use super::*;
use crate::training::random::Random;

fn random_features(count: usize, seed: u64) -> Vec<Features> {
    let mut random = Random::new(seed);
    let mut row = || std::array::from_fn(|_| random.unit() as f32);
    (0..count).map(|_| Features::new(row()).expect("in range")).collect()
}

/// A bot where rate and regularity or the user agent say so.
fn is_bot(features: &Features) -> bool {
    let [rate, agent, _, regularity, ..] = *features.values();
    rate * regularity > 0.3 || agent > 0.8
}

fn table(rows: &[Features]) -> Table {
    let weight = |features: &Features| f64::from(1.0 + features.values()[6]);
    Table::new(rows.iter().map(|row| (*row, is_bot(row), weight(row)))).expect("rows")
}

fn small(growth: Growth) -> Growth {
    Growth { trees: 20, rows: 400, ..growth }
}

fn go_on(_: u32, _: u32) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

fn matrix(rows: &[Features]) -> DenseMatrix<f64> {
    let values = rows.iter().flat_map(|row| row.values().map(f64::from)).collect();
    DenseMatrix::new(rows.len(), 7, values, false).expect("a matrix")
}

/// Rows to predict, then rows as near as f32 comes to where trees grown on `grown_on` may split: halfway between
/// neighbouring values.
fn rows_to_predict(grown_on: &[Features]) -> Vec<Features> {
    let mut sorted: [Vec<f32>; 7] =
        std::array::from_fn(|feature| grown_on.iter().map(|row| row.values()[feature]).collect());
    sorted.iter_mut().for_each(|column| column.sort_by(f32::total_cmp));
    let halfway = |row: usize| sorted.each_ref().map(|column| (column[row - 1] + column[row]) / 2.0);
    let mut rows = random_features(2_000, 2);
    rows.extend((1..grown_on.len()).map(halfway).filter_map(Features::new));
    rows
}

#[test]
fn a_flat_forest_predicts_what_smartcore_predicts() {
    let growth = small(Growth::FOREST);
    let grown_on = random_features(400, 1);
    let grown = forest::grow(&table(&grown_on), &growth, 20, 5).expect("a forest");
    let trees = Trees::new([1.0, 0.0, 0.0], &forest::flatten(&grown, 20).expect("flat")).expect("sound");
    let rows = rows_to_predict(&grown_on);
    for (row, expected) in rows.iter().zip(grown.predict(&matrix(&rows)).expect("predictions")) {
        assert!((f64::from(trees.sum(row)) - expected).abs() < 1e-5, "{row:?}");
    }
}

#[test]
fn flat_boosting_predicts_what_smartcore_predicts() {
    let growth = small(Growth::BOOSTING);
    let grown_on = random_features(400, 1);
    let grown = boosting::grow(&table(&grown_on), &growth, 20, 5).expect("boosted trees");
    let trees = Trees::new([1.0, 0.0, 0.0], &boosting::flatten(&grown, 1.0).expect("flat")).expect("sound");
    let rows = rows_to_predict(&grown_on);
    for (row, expected) in rows.iter().zip(grown.predict(&matrix(&rows)).expect("predictions")) {
        assert!((f64::from(trees.sum(row)) - expected).abs() < 1e-5, "{row:?}");
    }
}

#[test]
fn both_kinds_tell_bots_from_people_they_have_not_seen() {
    let table = table(&random_features(800, 3));
    for (grow, growth) in [(forest as Grow, Growth::FOREST), (boosting, Growth::BOOSTING)] {
        let growth = Growth { trees: 40, rows: 800, ..growth };
        let trees = grow(&table, &growth, 1, &mut go_on).expect("trees");
        let right = |row: &&Features| (trees.sum(row) > 0.5) == is_bot(row);
        let rows = random_features(1_000, 4);
        let share = rows.iter().filter(right).count() as f32 / rows.len() as f32;
        assert!(share > 0.9, "{share} right");
    }
}

type Grow = fn(&Table, &Growth, u64, Watch<'_>) -> Result<Trees, GrowthError>;

#[test]
fn one_seed_gives_one_model_and_another_another() {
    let table = table(&random_features(300, 3));
    for (grow, growth) in [(forest as Grow, Growth::FOREST), (boosting, Growth::BOOSTING)] {
        let growth = Growth { trees: 12, rows: 200, ..growth };
        let bytes = |seed| {
            let trees = grow(&table, &growth, seed, &mut go_on).expect("trees");
            Model::random_forest(trees, Features::default()).to_bytes()
        };
        assert_eq!(bytes(1), bytes(1));
        assert_ne!(bytes(1), bytes(2));
    }
}

#[test]
fn growing_stops_between_stages() {
    let table = table(&random_features(300, 3));
    for grow in [forest as Grow, boosting] {
        let mut seen = Vec::new();
        let mut watch = |grown, of| {
            seen.push((grown, of));
            if grown == 20 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        };
        let stopped = grow(&table, &Growth { trees: 50, depth: 3, ..Growth::FOREST }, 1, &mut watch);
        assert!(matches!(stopped, Err(GrowthError::Cancelled)));
        assert_eq!(seen, [(10, 50), (20, 50)]);
    }
}

#[test]
fn full_trees_of_both_recipes_fit_into_core() {
    for growth in [Growth::FOREST, Growth::BOOSTING] {
        assert!(growth.trees <= 512);
        assert!(growth.trees << (growth.depth + 1) <= 1 << 16);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn rows_of_one_kind_give_a_tree_of_one_leaf_and_no_panic(bot in any::<bool>(), rows in 1_usize..40) {
        let features = random_features(rows, 9);
        let table = Table::new(features.iter().map(|row| (*row, bot, 1.0))).expect("rows");
        for grow in [forest as Grow, boosting] {
            let growth = Growth { trees: 30, shrinkage: 0.3, leaf_rows: 1, ..Growth::FOREST };
            let sum = grow(&table, &growth, 1, &mut go_on).expect("trees").sum(&features[0]);
            prop_assert_eq!(sum > 0.5, bot);
        }
    }
}
