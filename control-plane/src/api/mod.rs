//! The HTTP API: one file per resource, with its request and response types; the table is in [`router`].

mod body;
mod check;
mod conflicts;
mod docs;
mod error;
mod events;
mod feedback;
mod gate;
mod health;
mod limits;
mod logins;
mod metrics;
mod models;
mod observations;
mod reputation;
mod router;
mod snapshot;
mod stats;
mod train;

pub use docs::document;
pub use limits::ApiLimits;
pub use router::router;
