//! `fetch:` — how the control plane fetches what the Internet publishes: lists of ranges, answers of providers.

use serde::Deserialize;

/// Limits of outgoing HTTP.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FetchConfig {
    /// Hosts that may stand for addresses of this machine or of private networks, as they stand in URLs, with or
    /// without a port; `*` for all. Default: none.
    pub allow_private: Vec<String>,
    /// How long a connection may take to be made, TLS included, in milliseconds. Default: 5000.
    pub connect_timeout_ms: u32,
    /// How long an answer may take from asking to its last byte, in seconds, unless something shorter is said where
    /// it is asked for. Default: 60.
    pub timeout_s: u32,
    /// An HTTP proxy such as `http://proxy.example:3128`; it resolves names then, and has to refuse private addresses
    /// itself. Default: none; the variables of the environment that name one are passed over.
    pub proxy: String,
}

impl Default for FetchConfig {
    fn default() -> Self {
        Self { allow_private: Vec::new(), connect_timeout_ms: 5000, timeout_s: 60, proxy: String::new() }
    }
}

impl FetchConfig {
    pub(super) fn problems(&self) -> Vec<(&'static str, String)> {
        let mut problems = Vec::new();
        if !(10..=60_000).contains(&self.connect_timeout_ms) {
            problems.push((
                "fetch.connect_timeout_ms",
                format!("{}: write 10 to 60000", self.connect_timeout_ms),
            ));
        }
        if !(1..=3600).contains(&self.timeout_s) {
            problems.push(("fetch.timeout_s", format!("{}: write 1 to 3600", self.timeout_s)));
        }
        if self.allow_private.iter().any(|host| host.is_empty() || host.contains(['/', '@', ' '])) {
            let message = "write hosts such as lists.internal, 10.0.0.5, [fd00::5]:8443, or * for all";
            problems.push(("fetch.allow_private", message.to_owned()));
        }
        let plain = |proxy: &str| {
            reqwest::Url::parse(proxy).is_ok_and(|url| {
                matches!(url.scheme(), "http" | "https") && url.has_host() && url.username().is_empty()
            })
        };
        if !self.proxy.is_empty() && !plain(&self.proxy) {
            let message = "write a URL without a name and password, such as http://proxy.example:3128";
            problems.push(("fetch.proxy", message.to_owned()));
        }
        problems
    }
}
