//! The control plane of Sallyport: judge, store, HTTP API, snapshots, replay and the command line.
//!
//! `main` calls [`cli::run`]; [`serve`] brings an [`app::App`] up and serves [`api::router`]. Core judges,
//! `detector` remembers, `store` keeps; neither knows of HTTP.

pub mod api;
pub mod app;
pub mod auth;
mod backlog;
pub mod cli;
pub mod clock;
pub mod config;
pub mod crawlers;
pub mod detector;
pub mod eval;
pub mod explain;
pub mod fetch;
mod gcra;
pub mod issued;
pub mod learning;
pub mod limits;
mod listen;
pub mod lists;
pub mod logins;
pub mod marks;
pub mod metrics;
pub mod models;
pub mod providers;
pub mod ranges;
pub mod reload;
pub mod replay;
pub mod replicas;
pub mod serve;
pub mod sessions;
pub mod shared;
pub mod simulate;
pub mod snapshot;
pub mod store;
mod table;
pub mod train;
pub mod training;
