//! From a grown tree to core's flat nodes.

use sallyport_core::TreeNode;

/// A grown tree, whichever way smartcore keeps it.
pub(super) enum Tree {
    /// The end of a path and its value.
    Leaf(f64),
    /// Left where the feature is at most the threshold.
    Split { feature: u8, threshold: f64, children: Box<[Tree; 2]> },
}

impl Tree {
    /// The nodes in preorder, every leaf's value times `scale`.
    pub(super) fn flatten(&self, scale: f64) -> Vec<TreeNode> {
        let mut nodes = Vec::new();
        self.append(scale, &mut nodes);
        nodes
    }

    fn append(&self, scale: f64, nodes: &mut Vec<TreeNode>) {
        match self {
            Self::Leaf(value) => nodes.push(TreeNode::leaf((value * scale) as f32)),
            Self::Split { feature, threshold, children } => {
                let [left, right] = &**children;
                let index = nodes.len();
                nodes.push(TreeNode::leaf(0.0));
                left.append(scale, nodes);
                // A right child beyond u16 cannot be: core refuses trees of more nodes.
                let right_index = u16::try_from(nodes.len()).unwrap_or(u16::MAX);
                nodes[index] = TreeNode::split(*feature, at_most(*threshold), right_index);
                right.append(scale, nodes);
            }
        }
    }
}

/// The largest f32 that is not above `threshold`: an f32 is at most the one exactly if it is at most the other.
fn at_most(threshold: f64) -> f32 {
    let nearest = threshold as f32;
    if f64::from(nearest) > threshold { nearest.next_down() } else { nearest }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_rounded_threshold_splits_as_the_exact_one(low in 0.0_f32..=1.0, steps in 0_u32..4, share in 0.0..1.0) {
            let high = f32::from_bits(low.to_bits() + steps);
            let threshold = f64::from(low) + (f64::from(high) - f64::from(low)) * share;
            for value in [low.next_down(), low, low.next_up(), high.next_down(), high, high.next_up()] {
                prop_assert_eq!(value <= at_most(threshold), f64::from(value) <= threshold);
            }
        }
    }
}
