//! `crawlers:` — how claimed crawlers are verified. What is done with them is `policy.crawlers`.

use std::net::SocketAddr;

use serde::Deserialize;

/// DNS and memory of the verification; published address ranges are always used.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CrawlersConfig {
    /// Whether to ask DNS (forward-confirmed reverse DNS) where ranges do not decide. Default: true.
    pub dns: bool,
    /// Name servers as address and port, such as `192.0.2.53:53`. Default: none, which takes the system's.
    pub nameservers: Vec<SocketAddr>,
    /// How long one DNS query may take, in milliseconds. Default: 1000.
    pub timeout_ms: u32,
    /// Lookups at the same time; beyond them a crawler is judged like any client. Default: 32.
    pub lookups: u32,
    /// How long `POST /check` waits for a lookup, in milliseconds; keep it below the filter's deadline. Default: 20.
    pub wait_ms: u32,
    /// How long a verified crawler's address stays verified, in seconds. Default: 3600.
    pub keep_s: u32,
    /// How long a failed verification holds, and one that could not tell, in seconds. Default: 300.
    pub failed_keep_s: u32,
    /// How many addresses are remembered. Default: 16384.
    pub remember: u32,
}

impl Default for CrawlersConfig {
    fn default() -> Self {
        Self {
            dns: true,
            nameservers: Vec::new(),
            timeout_ms: 1000,
            lookups: 32,
            wait_ms: 20,
            keep_s: 3600,
            failed_keep_s: 300,
            remember: 16_384,
        }
    }
}

impl CrawlersConfig {
    pub(super) fn problems(&self) -> Vec<(&'static str, String)> {
        let bounds = [
            ("crawlers.timeout_ms", self.timeout_ms, 10, 10_000),
            ("crawlers.lookups", self.lookups, 1, 1024),
            ("crawlers.wait_ms", self.wait_ms, 0, 1000),
            ("crawlers.keep_s", self.keep_s, 10, 604_800),
            ("crawlers.failed_keep_s", self.failed_keep_s, 10, 86_400),
            ("crawlers.remember", self.remember, 16, 16_777_216),
        ];
        let outside = bounds.into_iter().filter(|(_, value, least, most)| !(least..=most).contains(&value));
        let mut problems: Vec<_> = outside
            .map(|(key, value, least, most)| (key, format!("{value}: write {least} to {most}")))
            .collect();
        if self.nameservers.len() > 8 {
            problems.push(("crawlers.nameservers", "name at most 8".to_owned()));
        }
        problems
    }
}
