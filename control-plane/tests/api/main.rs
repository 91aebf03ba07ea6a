//! The HTTP API over real HTTP, and the command line. Modules mirror the URLs.

mod check;
mod cli;
mod docs;
mod events;
mod explain;
mod feedback;
mod gate;
mod harness;
mod labels;
mod learning;
mod limits;
mod logins;
mod models;
mod observations;
mod outage;
mod reload;
mod reputation;
mod shipped_model;
mod snapshot;
mod stats;
mod train;
