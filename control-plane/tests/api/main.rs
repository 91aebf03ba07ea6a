//! The HTTP API over real HTTP, and the command line. Modules mirror the URLs.

mod check;
mod cli;
mod docs;
mod exchange;
mod explain;
mod feedback;
mod gate;
mod harness;
mod labels;
mod learning;
mod models;
mod observations;
mod outage;
mod reload;
mod reputation;
mod sessions;
mod shipped_model;
mod snapshot;
mod stats;
mod train;
