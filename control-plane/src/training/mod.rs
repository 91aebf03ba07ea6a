//! Training.
pub mod trees;
