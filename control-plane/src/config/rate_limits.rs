//! `server.rate_limits:` — how often each caller may ask the control plane's own API.

use serde::Deserialize;

/// Limits per token and group of endpoints; one more per address for requests without a valid token.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RateLimitsConfig {
    /// `POST /check`. Default: unlimited; the filters' visitors wait for it.
    pub check: ApiLimit,
    /// Snapshots, observations and exchange of filters. Default: unlimited.
    pub filters: ApiLimit,
    /// `POST /v1/logins`. Default: 1000 per second, 10000 at once.
    pub logins: ApiLimit,
    /// `POST /feedback`. Default: 500 per second, 5000 at once.
    pub feedback: ApiLimit,
    /// Everything that only tells: statistics, events, models, metrics, this API's pages. Default: 100 per second, 1000
    /// at once.
    pub reads: ApiLimit,
    /// Everything else that changes something. Default: 50 per second, 500 at once.
    pub writes: ApiLimit,
    /// `POST /train`. Default: 1 per second, 30 at once.
    pub train: ApiLimit,
    /// Requests without a valid token, per address (IPv4, or IPv6 /64). Default: 10 per second, 200 at once.
    pub unknown: ApiLimit,
}

/// A limit.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ApiLimit {
    /// Requests per second on the long run; 0: unlimited.
    pub per_second: f32,
    /// Requests at once.
    pub burst: u32,
}

impl ApiLimit {
    const fn new(per_second: f32, burst: u32) -> Self {
        Self { per_second, burst }
    }
}

impl Default for RateLimitsConfig {
    fn default() -> Self {
        Self {
            check: ApiLimit::new(0.0, 1),
            filters: ApiLimit::new(0.0, 1),
            logins: ApiLimit::new(1_000.0, 10_000),
            feedback: ApiLimit::new(500.0, 5_000),
            reads: ApiLimit::new(100.0, 1_000),
            writes: ApiLimit::new(50.0, 500),
            train: ApiLimit::new(1.0, 30),
            unknown: ApiLimit::new(10.0, 200),
        }
    }
}

impl RateLimitsConfig {
    pub(super) fn problems(&self) -> Vec<(&'static str, String)> {
        let limits = [
            ("server.rate_limits.check", self.check),
            ("server.rate_limits.filters", self.filters),
            ("server.rate_limits.logins", self.logins),
            ("server.rate_limits.feedback", self.feedback),
            ("server.rate_limits.reads", self.reads),
            ("server.rate_limits.writes", self.writes),
            ("server.rate_limits.train", self.train),
            ("server.rate_limits.unknown", self.unknown),
        ];
        let is_wrong = |limit: &ApiLimit| {
            let is_rate = limit.per_second == 0.0 || (0.01..=1e6).contains(&limit.per_second);
            !is_rate || !(1..=1_000_000).contains(&limit.burst)
        };
        let write = "write per_second: 0 (unlimited) or 0.01 to 1000000, and burst: 1 to 1000000";
        let wrong = limits.into_iter().filter(|(_, limit)| is_wrong(limit));
        wrong.map(|(key, _)| (key, write.to_owned())).collect()
    }
}
