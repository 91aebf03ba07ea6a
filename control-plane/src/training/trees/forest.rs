//! A stage of a random forest: smartcore's regressor on 0 and 1, whose leaves are shares of bots.

use sallyport_core::TreeNode;
use serde::Deserialize;
use smartcore::ensemble::random_forest_regressor::{RandomForestRegressor, RandomForestRegressorParameters};

use super::flat::Tree;
use super::table::{Matrix, Table};
use super::{Growth, GrowthError};

pub(super) type Forest = RandomForestRegressor<f64, f64, Matrix, Vec<f64>>;

/// Features that a split chooses from. ⌊√7⌋ = 2 would be usual; three measured better on trees of this depth.
const CANDIDATES: usize = 3;

/// Grows `trees` trees; a row's weight is its chance in the bootstrap samples.
pub(super) fn grow(table: &Table, growth: &Growth, trees: u32, seed: u64) -> Result<Forest, GrowthError> {
    let parameters = RandomForestRegressorParameters::default()
        .with_n_trees(trees as usize)
        .with_max_depth(growth.depth)
        .with_min_samples_leaf(growth.leaf_rows as usize)
        .with_m(CANDIDATES)
        .with_seed(seed);
    Forest::fit_with_weights(table.matrix(), table.targets(), table.weights(), parameters)
        .map_err(GrowthError::Rows)
}

/// The trees of a stage, as parts of a forest of `whole` trees.
pub(super) fn flatten(forest: &Forest, whole: u32) -> Result<Vec<Vec<TreeNode>>, GrowthError> {
    let form: Form = serde_json::from_value(serde_json::to_value(forest)?)?;
    let flatten = |nodes: GrownTree| nodes.tree(0).flatten(1.0 / f64::from(whole));
    Ok(form.forest_regressor.trees.into_iter().map(flatten).collect())
}

#[derive(Deserialize)]
struct Form {
    forest_regressor: Grown,
}

#[derive(Deserialize)]
struct Grown {
    trees: Vec<GrownTree>,
}

#[derive(Deserialize)]
struct GrownTree {
    nodes: Vec<GrownNode>,
}

#[derive(Deserialize)]
struct GrownNode {
    output: f64,
    split_feature: u8,
    split_value: Option<f64>,
    true_child: Option<usize>,
    false_child: Option<usize>,
}

impl GrownTree {
    fn tree(&self, index: usize) -> Tree {
        let node = &self.nodes[index];
        match (node.split_value, node.true_child, node.false_child) {
            (Some(threshold), Some(left), Some(right)) => Tree::Split {
                feature: node.split_feature,
                threshold,
                children: Box::new([self.tree(left), self.tree(right)]),
            },
            _ => Tree::Leaf(node.output),
        }
    }
}
