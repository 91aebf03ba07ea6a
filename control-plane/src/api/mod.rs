//! The HTTP API: one file per resource, with its request and response types; the table is in [`router`].

mod body;
mod check;
mod conflicts;
mod docs;
mod error;
mod exchange;
mod feedback;
mod gate;
mod health;
mod metrics;
mod models;
mod observations;
mod reputation;
mod router;
mod sessions;
mod snapshot;
mod stats;
mod train;

pub use docs::document;
pub use router::router;
