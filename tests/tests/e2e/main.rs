//! Scenarios against a real Envoy, one module per subject. Run by `cargo xtask test`.

mod agents;
mod attacks;
mod consult;
mod control_plane;
mod crawlers;
mod datacenter;
mod failed_logins;
mod fleet;
mod learning;
mod limits;
mod lists;
mod lists_and_limits;
mod odd_requests;
mod promotion;
mod redis_outage;
mod replay;
mod reputation;
mod sessions;
mod shipped_configs;
mod spoofing;
mod tls;
mod training;
mod verdicts;
mod visits;
mod workers;
