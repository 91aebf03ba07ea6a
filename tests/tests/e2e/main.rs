//! Scenarios against a real Envoy, one module per subject. Run by `cargo xtask test`.

mod consult;
mod control_plane;
mod learning;
mod lists_and_limits;
mod odd_requests;
mod promotion;
mod replay;
mod shipped_configs;
mod spoofing;
mod tls;
mod training;
mod verdicts;
mod workers;
