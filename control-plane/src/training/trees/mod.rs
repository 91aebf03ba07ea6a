//! Random forests and gradient boosting, grown by smartcore on the same rows as the network and flattened into the
//! trees that core evaluates.
//!
//! Trees are grown in stages of [`STAGE`], so that a run can be watched and cancelled between them. smartcore keeps
//! its nodes to itself; they are read through their serialised form.

mod boosting;
mod fit;
mod flat;
mod forest;
mod table;
#[cfg(test)]
mod tests;

use std::ops::ControlFlow;

use sallyport_core::{ModelError, TreeNode, Trees};

pub(super) use fit::fit;
pub use table::Table;

use super::random::mix;

/// Trees grown between two looks at the watcher.
const STAGE: u32 = 10;

/// How trees are grown.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Growth {
    /// How many trees, at least one. Core takes 512, and 65,536 nodes.
    pub trees: u32,
    /// Most splits from the root to a leaf.
    pub depth: u16,
    /// Fewest rows in a leaf.
    pub leaf_rows: u32,
    /// Most rows that a stage of trees is grown on; of more it takes a weighted sample.
    pub rows: usize,
    /// Boosting only: the share of each tree's correction that is taken, above 0 to 1.
    pub shrinkage: f64,
}

impl Growth {
    /// A forest: deep trees, each on its own bootstrap sample. At most 51,150 nodes, 350 KiB.
    pub const FOREST: Self = Self { trees: 50, depth: 9, leaf_rows: 10, rows: 100_000, shrinkage: 1.0 };

    /// Boosting: shallow trees, each correcting a fifth of what is left. At most 4,032 nodes, 28 KiB.
    pub const BOOSTING: Self = Self { trees: 64, depth: 5, leaf_rows: 20, rows: 20_000, shrinkage: 0.2 };
}

/// Why no trees were grown.
#[derive(Debug, thiserror::Error)]
pub enum GrowthError {
    /// The watcher said so.
    #[error("cancelled")]
    Cancelled,
    /// No rows, or more than a matrix holds.
    #[error("the rows cannot be grown on: {0}")]
    Rows(smartcore::error::Failed),
    /// What smartcore serialises is not what this build reads.
    #[error("the grown trees cannot be read")]
    Form(#[from] serde_json::Error),
    /// Core refuses the trees.
    #[error(transparent)]
    Refused(#[from] ModelError),
}

/// Told after each stage how many trees of how many there are.
pub type Watch<'a> = &'a mut dyn FnMut(u32, u32) -> ControlFlow<()>;

/// A forest whose sum is the mean of its trees' leaves: each leaf holds the share of bots in it, divided by the
/// number of trees. Deterministic in rows and seed.
///
/// # Errors
/// See [`GrowthError`].
pub fn forest(table: &Table, growth: &Growth, seed: u64, watch: Watch<'_>) -> Result<Trees, GrowthError> {
    let table = table.at_most(growth.rows, seed)?;
    let mut trees = Vec::new();
    for (size, seed) in stages(growth, seed) {
        let grown = forest::grow(&table, growth, size, seed)?;
        trees.extend(forest::flatten(&grown, growth.trees)?);
        report(&trees, growth, watch)?;
    }
    Ok(Trees::new([1.0, 0.0, 0.0], &trees)?)
}

/// Boosted trees: the base score one half, and each stage fitted by least squares to what the stages before left
/// over, so that the sum approaches the probability, and is drawn in towards one half. Deterministic in rows and seed.
///
/// # Errors
/// See [`GrowthError`].
pub fn boosting(table: &Table, growth: &Growth, seed: u64, watch: Watch<'_>) -> Result<Trees, GrowthError> {
    let mut table = table.clone();
    table.subtract(&vec![boosting::BASE; table.len()]);
    let mut trees = Vec::new();
    for (size, seed) in stages(growth, seed) {
        let grown = boosting::grow(&table.sample(growth.rows, seed)?, growth, size, seed)?;
        table.subtract(&grown.predict(table.matrix()).map_err(GrowthError::Rows)?);
        trees.extend(boosting::flatten(&grown, boosting::ROOM)?);
        report(&trees, growth, watch)?;
    }
    Ok(Trees::new([1.0, 0.0, boosting::BASE as f32], &trees)?)
}

/// The number of trees and the seed of each stage.
fn stages(growth: &Growth, seed: u64) -> impl Iterator<Item = (u32, u64)> {
    let trees = growth.trees;
    let seed = move |first: u32| mix(seed.wrapping_add(u64::from(first)));
    (0..trees).step_by(STAGE as usize).map(move |first| (STAGE.min(trees - first), seed(first)))
}

fn report(trees: &[Vec<TreeNode>], growth: &Growth, watch: Watch<'_>) -> Result<(), GrowthError> {
    match watch(trees.len() as u32, growth.trees) {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(()) => Err(GrowthError::Cancelled),
    }
}
