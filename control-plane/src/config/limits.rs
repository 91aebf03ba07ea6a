//! `limits:` — what the detector may keep in memory.

use serde::Deserialize;

/// Sizes of the tables in memory. They are allocated piece by piece as clients arrive.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LimitsConfig {
    /// Clients that `POST /check` remembers; the longest idle makes room, but none that proved itself within a day or has a
    /// rate cell over a quarter full. Default: 65536.
    pub clients: u32,
    /// Addresses (IPv4, or IPv6 /64) it remembers, as many networks, and whose reputation is kept at hand. Default: 32768.
    pub addresses: u32,
    /// Rate cells shared with other replicas whose state is kept at hand; the longest unused makes room. Default: 65536.
    pub cells: u32,
    /// Sessions whose suspicious actions are kept at hand; the longest quiet makes room. Default: 65536.
    pub sessions: u32,
}

impl Default for LimitsConfig {
    fn default() -> Self {
        Self { clients: 65_536, addresses: 32_768, cells: 65_536, sessions: 65_536 }
    }
}

impl LimitsConfig {
    pub(super) fn problems(&self) -> Vec<(&'static str, String)> {
        let sizes = [
            ("limits.clients", self.clients),
            ("limits.addresses", self.addresses),
            ("limits.cells", self.cells),
            ("limits.sessions", self.sessions),
        ];
        sizes
            .into_iter()
            .filter(|(_, value)| !(1024..=16_777_216).contains(value))
            .map(|(key, value)| (key, format!("{value}: write 1024 to 16777216")))
            .collect()
    }
}
