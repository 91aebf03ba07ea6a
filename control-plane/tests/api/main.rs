//! The HTTP API over real HTTP, and the command line. Modules mirror the URLs.

mod agreement;
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
#[path = "../redis_server/mod.rs"]
mod redis_server;
mod reload;
mod reputation;
mod shipped_model;
mod snapshot;
mod stats;
mod train;
