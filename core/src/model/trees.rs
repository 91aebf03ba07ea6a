//! Ensembles of decision trees in a flat form: random forests and gradient boosting.
//!
//! Binary form: slope, shift and bias f32, trees u16; per tree its nodes u16, then per node feature u8 (7 for a
//! leaf), threshold or leaf's value f32, index of the right child u16 (0 for a leaf).

use super::ModelError;
use crate::features::{FEATURE_COUNT, Features};
use crate::wire::Reader;

const LEAF: u8 = FEATURE_COUNT as u8;
const MOST_TREES: usize = 512;
/// Most nodes of all trees together: under half a MiB in a snapshot.
const MOST_NODES: usize = 1 << 16;
/// A sum of leaves is a probability of at least this and at most 1 less this.
const LEAST_PROBABILITY: f32 = 1e-3;

/// A node. The left child of a split is the node behind it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TreeNode {
    feature: u8,
    value: f32,
    right: u16,
}

impl TreeNode {
    /// Left where the feature is at most `threshold`, else the node `right` (counted within its tree).
    pub fn split(feature: u8, threshold: f32, right: u16) -> Self {
        Self { feature, value: threshold, right }
    }

    /// The end of a path.
    pub fn leaf(value: f32) -> Self {
        Self { feature: LEAF, value, right: 0 }
    }
}

/// Trees whose leaves add up to a probability: `p = clamp(bias + Σ leaf, 0.001, 0.999)`, and the log-odds are
/// `slope · ln(p / (1 − p)) + shift`, which calibrates.
#[derive(Clone, Debug, PartialEq)]
pub struct Trees {
    slope: f32,
    shift: f32,
    bias: f32,
    trees: Vec<Box<[TreeNode]>>,
}

impl Trees {
    /// Trees with `[slope, shift, bias]`; each tree's nodes in preorder, the root first.
    ///
    /// # Errors
    /// More than 512 trees or 65,536 nodes, a child that does not stand behind its parent, a number that is not
    /// finite, a feature that does not exist.
    pub fn new([slope, shift, bias]: [f32; 3], trees: &[Vec<TreeNode>]) -> Result<Self, ModelError> {
        if trees.len() > MOST_TREES || trees.iter().map(Vec::len).sum::<usize>() > MOST_NODES {
            return Err(ModelError::TooLarge);
        }
        let numbers = trees.iter().flatten().map(|node| node.value).chain([slope, shift, bias]);
        if numbers.into_iter().any(|value| !value.is_finite()) {
            return Err(ModelError::NotFinite);
        }
        if !trees.iter().all(|tree| is_sound(tree)) {
            return Err(ModelError::Damaged("a tree's nodes"));
        }
        let trees = trees.iter().map(|tree| tree.clone().into_boxed_slice()).collect();
        Ok(Self { slope, shift, bias, trees })
    }

    /// The same trees under another calibration.
    ///
    /// # Errors
    /// [`ModelError::NotFinite`].
    pub fn calibrated(self, slope: f32, shift: f32) -> Result<Self, ModelError> {
        if slope.is_finite() && shift.is_finite() {
            Ok(Self { slope, shift, ..self })
        } else {
            Err(ModelError::NotFinite)
        }
    }

    /// `bias + Σ leaf`: what the trees say before clamping and calibration.
    pub fn sum(&self, features: &Features) -> f32 {
        self.bias + self.trees.iter().map(|tree| leaf(tree, features)).sum::<f32>()
    }

    pub(super) fn from_bytes(bytes: &[u8]) -> Result<Self, ModelError> {
        let mut reader = Reader(bytes);
        let mut number = || reader.f32().ok_or(ModelError::NotFinite);
        let calibration = [number()?, number()?, number()?];
        let short = ModelError::Damaged("a tree's nodes");
        let count = usize::from(reader.u16().ok_or(short)?);
        if count > MOST_TREES {
            return Err(ModelError::TooLarge);
        }
        let mut trees = Vec::with_capacity(count);
        for _ in 0..count {
            let nodes = usize::from(reader.u16().ok_or(short)?);
            let read =
                |_| Some(TreeNode { feature: reader.u8()?, value: reader.f32()?, right: reader.u16()? });
            trees.push((0..nodes).map(read).collect::<Option<Vec<_>>>().ok_or(short)?);
        }
        if !reader.0.is_empty() {
            return Err(short);
        }
        Self::new(calibration, &trees)
    }

    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        for number in [self.slope, self.shift, self.bias] {
            bytes.extend(number.to_le_bytes());
        }
        bytes.extend((self.trees.len() as u16).to_le_bytes());
        for tree in &self.trees {
            bytes.extend((tree.len() as u16).to_le_bytes());
            for node in tree {
                bytes.push(node.feature);
                bytes.extend(node.value.to_le_bytes());
                bytes.extend(node.right.to_le_bytes());
            }
        }
        bytes
    }

    /// The log-odds, unclamped.
    pub(super) fn logit(&self, features: &Features) -> f32 {
        let p = self.sum(features).clamp(LEAST_PROBABILITY, 1.0 - LEAST_PROBABILITY);
        self.slope * libm::logf(p / (1.0 - p)) + self.shift
    }
}

/// Children stand behind their parents and within the tree, so that every walk ends in a leaf.
fn is_sound(tree: &[TreeNode]) -> bool {
    let inner = |(index, node): (usize, &TreeNode)| {
        node.feature == LEAF
            || (node.feature < LEAF
                && usize::from(node.right) > index + 1
                && usize::from(node.right) < tree.len())
    };
    !tree.is_empty() && tree.len() <= usize::from(u16::MAX) && tree.iter().enumerate().all(inner)
}

fn leaf(tree: &[TreeNode], features: &Features) -> f32 {
    let mut index = 0;
    while let Some(node) = tree.get(index) {
        let Some(value) = features.values().get(usize::from(node.feature)) else { return node.value };
        index = if *value <= node.value { index + 1 } else { usize::from(node.right) };
    }
    0.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn features(agent: f32) -> Features {
        Features::new([0.0, agent, 0.0, 0.0, 0.0, 0.0, 0.0]).expect("in range")
    }

    #[test]
    fn leaves_add_up() {
        let stump = |low, high| vec![TreeNode::split(1, 0.5, 2), TreeNode::leaf(low), TreeNode::leaf(high)];
        let trees = Trees::new([2.0, 1.0, 0.1], &[stump(0.1, 0.5), stump(0.2, 0.3)]).expect("sound");
        assert!((trees.sum(&features(0.5)) - 0.4).abs() < 1e-6, "0.5 is not above the threshold");
        assert!((trees.sum(&features(0.6)) - 0.9).abs() < 1e-6);
        assert!((trees.logit(&features(0.6)) - (2.0 * 9.0_f32.ln() + 1.0)).abs() < 1e-4);
    }

    #[test]
    fn walks_that_would_not_end_are_refused() {
        for right in [0, 1, 3, 9] {
            let tree = vec![TreeNode::split(0, 0.5, right), TreeNode::leaf(0.0), TreeNode::leaf(1.0)];
            assert!(Trees::new([1.0, 0.0, 0.0], &[tree]).is_err(), "{right}");
        }
        assert!(Trees::new([1.0, 0.0, 0.0], &[vec![TreeNode::split(8, 0.5, 2)]]).is_err());
        assert!(Trees::new([1.0, 0.0, 0.0], &[vec![]]).is_err());
        assert_eq!(
            Trees::new([1.0, 0.0, f32::NAN], &[vec![TreeNode::leaf(1.0)]]),
            Err(ModelError::NotFinite)
        );
    }
}
