//! The HTTP API over real HTTP, and the command line. Modules mirror the URLs.

mod check;
mod cli;
mod crawlers;
mod docs;
mod explain;
mod feedback;
mod gate;
mod harness;
mod labels;
mod learning;
mod models;
mod name_server;
mod observations;
mod outage;
mod providers;
mod reload;
mod reputation;
mod shipped_model;
mod snapshot;
mod stats;
mod train;
mod verifier;
