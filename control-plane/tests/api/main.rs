//! The HTTP API over real HTTP, and the command line. Modules mirror the URLs.

mod check;
mod cli;
mod docs;
mod explain;
mod feedback;
mod gate;
mod harness;
mod labels;
mod learning;
mod models;
mod observations;
mod outage;
mod ranges;
mod reload;
mod reputation;
mod shipped_model;
mod snapshot;
mod stats;
mod train;
