//! A stage of gradient boosting: smartcore's regressor on what the stages before left over.

use sallyport_core::TreeNode;
use serde::Deserialize;
use smartcore::xgboost::{XGRegressor, XGRegressorParameters};

use super::flat::Tree;
use super::table::{Matrix, Table};
use super::{Growth, GrowthError};

pub(super) type Boosted = XGRegressor<f64, f64, Matrix, Vec<f64>>;

/// The prediction before the first tree.
pub(super) const BASE: f64 = 0.5;

/// Least squares knows no bounds: sums overshoot 0 and 1, where a probability ends. So a prediction y becomes
/// 0.5 + this · (y − 0.5), which the calibration stretches again. Measured: with 1, twice the calibration error.
pub(super) const ROOM: f64 = 0.7;

/// Grows `trees` trees, one after the other, on the table's targets as they are left over.
pub(super) fn grow(table: &Table, growth: &Growth, trees: u32, seed: u64) -> Result<Boosted, GrowthError> {
    let parameters = XGRegressorParameters::default()
        .with_n_estimators(trees as usize)
        .with_max_depth(growth.depth)
        .with_min_child_weight(growth.leaf_rows as usize)
        .with_learning_rate(growth.shrinkage)
        .with_base_score(0.0)
        .with_seed(seed);
    Boosted::fit(table.matrix(), table.targets(), parameters).map_err(GrowthError::Rows)
}

/// The trees of a stage, their leaves shrunk by the learning rate and by `scale`.
pub(super) fn flatten(boosted: &Boosted, scale: f64) -> Result<Vec<Vec<TreeNode>>, GrowthError> {
    let form: Form = serde_json::from_value(serde_json::to_value(boosted)?)?;
    let rate = form.parameters.learning_rate * scale;
    Ok(form.regressors.into_iter().map(|root| root.tree().flatten(rate)).collect())
}

#[derive(Deserialize)]
struct Form {
    regressors: Vec<GrownNode>,
    parameters: Rate,
}

#[derive(Deserialize)]
struct Rate {
    learning_rate: f64,
}

#[derive(Deserialize)]
struct GrownNode {
    left: Option<Box<GrownNode>>,
    right: Option<Box<GrownNode>>,
    value: f64,
    threshold: f64,
    /// No feature's number in a leaf.
    split_feature_idx: u64,
}

impl GrownNode {
    fn tree(&self) -> Tree {
        match (&self.left, &self.right, u8::try_from(self.split_feature_idx)) {
            (Some(left), Some(right), Ok(feature)) => Tree::Split {
                feature,
                threshold: self.threshold,
                children: Box::new([left.tree(), right.tree()]),
            },
            _ => Tree::Leaf(self.value),
        }
    }
}
