//! The HTTP API: one file per resource, with its request and response types; the table is in [`router`].

mod answers;
mod body;
mod check;
mod conflicts;
mod crawlers;
mod docs;
mod error;
mod events;
mod exchange;
mod feedback;
mod gate;
mod health;
mod limits;
mod lists;
mod logins;
mod metrics;
mod models;
mod observations;
mod ranges;
mod reputation;
mod router;
mod sessions;
mod snapshot;
mod stats;
mod train;

pub use docs::document;
pub use limits::ApiLimits;
pub use router::router;
