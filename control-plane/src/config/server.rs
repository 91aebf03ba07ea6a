//! `server:` — where the control plane listens.

use std::net::{IpAddr, Ipv4Addr};

use serde::Deserialize;

use super::RateLimitsConfig;

/// Address and limits of the HTTP server.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ServerConfig {
    /// Address to listen on (environment: `API_HOST`). Default: 127.0.0.1, this machine only.
    pub host: IpAddr,
    /// TCP port (environment: `API_PORT`); 0 takes a free one. Default: 8000.
    pub port: u16,
    /// Largest request body, in KiB. Default: 64.
    pub body_limit_kib: u32,
    /// Largest batch of observations, in KiB. Default: 4096, which is also the most the format allows.
    pub observations_limit_kib: u32,
    /// Longest time that a connection may take to send a request's headers, and that it may lie idle before, in
    /// milliseconds. Default: 60000.
    pub header_timeout_ms: u32,
    /// Connections at the same time; further ones wait to be accepted. Default: 4096.
    pub max_connections: u32,
    /// How often each caller may ask.
    pub rate_limits: RateLimitsConfig,
    /// How long requests in flight may take to end when the server stops, in seconds. Default: 10.
    pub shutdown_grace_s: u32,
}

impl Default for ServerConfig {
    fn default() -> Self {
        Self {
            host: IpAddr::V4(Ipv4Addr::LOCALHOST),
            port: 8000,
            body_limit_kib: 64,
            observations_limit_kib: 4096,
            header_timeout_ms: 60_000,
            max_connections: 4096,
            rate_limits: RateLimitsConfig::default(),
            shutdown_grace_s: 10,
        }
    }
}

impl ServerConfig {
    pub(super) fn problems(&self) -> Vec<(&'static str, String)> {
        let mut problems = Vec::new();
        if !(1..=4096).contains(&self.body_limit_kib) {
            problems.push(("server.body_limit_kib", format!("{}: write 1 to 4096", self.body_limit_kib)));
        }
        if !(1..=4096).contains(&self.observations_limit_kib) {
            let message = format!("{}: write 1 to 4096", self.observations_limit_kib);
            problems.push(("server.observations_limit_kib", message));
        }
        if !(50..=3_600_000).contains(&self.header_timeout_ms) {
            let message = format!("{}: write 50 to 3600000 (an hour)", self.header_timeout_ms);
            problems.push(("server.header_timeout_ms", message));
        }
        if !(1..=1_000_000).contains(&self.max_connections) {
            let message = format!("{}: write 1 to 1000000", self.max_connections);
            problems.push(("server.max_connections", message));
        }
        problems.extend(self.rate_limits.problems());
        if self.shutdown_grace_s > 600 {
            problems.push(("server.shutdown_grace_s", "write at most 600 (ten minutes)".into()));
        }
        problems
    }
}
