//! Models in the control plane: which checkpoint judges, which one looks on, and how they come and go.
//!
//! The store keeps checkpoints and the history of promotions; [`Registry`] follows it, publishes what was promoted
//! and keeps judging with the last sound one. [`file`] is the form in which a checkpoint leaves and enters.

mod error;
pub mod file;
mod ready;
mod registry;
mod shadow;

pub use error::ModelsError;
pub use ready::{ReadyModel, checkpoint, ready};
pub use registry::{Judging, Registry, watch};
pub use shadow::{Comparison, Shadow};
