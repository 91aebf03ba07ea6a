//! Models in the control plane: which checkpoint judges, which one looks on, and how they come and go.
//!
//! The store keeps checkpoints and the history of promotions; [`Registry`] follows it, publishes what was promoted
//! and keeps judging with the last sound one. `file` is the form in which a checkpoint leaves and enters.

pub mod automatic;
pub mod command;
mod error;
pub mod file;
pub mod jobs;
mod judging;
mod ready;
mod registry;
mod shadow;
pub mod training;
mod view;

pub use error::ModelsError;
pub use judging::Judging;
#[cfg(test)]
pub(crate) use ready::built_in_content;
pub use ready::{ReadyModel, checkpoint, lines, ready};
pub use registry::{Registry, watch};
pub use shadow::{Comparison, Shadow};
pub(crate) use view::time;
pub use view::{ComparisonView, ModelDetails, ModelLine, PromotionView};
