//! The HTTP API over real HTTP, and the command line. Modules mirror the URLs.

mod agreement;
mod answers;
mod check;
mod cli;
mod crawlers;
mod docs;
mod events;
mod exchange;
mod explain;
mod feedback;
mod gate;
mod harness;
mod labels;
mod learning;
mod limits;
mod lists;
mod logins;
mod models;
mod name_server;
mod observations;
mod outage;
mod providers;
mod ranges;
#[path = "../redis_server/mod.rs"]
mod redis_server;
mod reload;
mod replay;
mod replicas;
mod reputation;
mod sessions;
mod shipped_model;
mod snapshot;
mod stats;
mod train;
mod verifier;
