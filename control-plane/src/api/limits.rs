//! How often callers may ask: GCRA per token and group of endpoints, and per address for those without a valid token.
//!
//! Answers of limited groups carry `RateLimit-Policy` and `RateLimit` as draft-ietf-httpapi-ratelimit-headers-11 (May
//! 2026) defines them: `"reads";q=1000;w=10` is a quota of 1,000 in a window of 10 s, `"reads";r=12;t=9` says that 12 of
//! it are left, and that the whole is back in 9 s.

use std::net::{IpAddr, SocketAddr};
use std::time::Instant;

use axum::extract::{ConnectInfo, Request};
use axum::http::{HeaderName, HeaderValue, Method, header};
use axum::response::{IntoResponse, Response};
use sallyport_core::HashKey;

use super::error::ApiError;
use crate::config::{ApiLimit, RateLimitsConfig};
use crate::detector::table::Table;
use crate::gcra::{Cell, Rate};

/// Tokens and addresses whose cells are kept; the longest idle makes room.
const CELLS: usize = 16_384;

/// Endpoints that share a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Group {
    Check,
    Filters,
    Logins,
    Feedback,
    Reads,
    Writes,
    Train,
    /// Requests without a valid token, whatever they ask for.
    Unknown,
}

impl Group {
    /// The group of a request with a valid token.
    pub(super) fn of(request: &Request) -> Self {
        match request.uri().path() {
            "/check" => Self::Check,
            "/v1/snapshot" | "/v1/observations" | "/v1/exchange" => Self::Filters,
            "/v1/logins" | "/v1/answers" => Self::Logins,
            "/feedback" => Self::Feedback,
            "/train" => Self::Train,
            _ if matches!(*request.method(), Method::GET | Method::HEAD) => Self::Reads,
            _ => Self::Writes,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Check => "check",
            Self::Filters => "filters",
            Self::Logins => "logins",
            Self::Feedback => "feedback",
            Self::Reads => "reads",
            Self::Writes => "writes",
            Self::Train => "train",
            Self::Unknown => "unknown",
        }
    }

    fn limit(self, config: &RateLimitsConfig) -> ApiLimit {
        match self {
            Self::Check => config.check,
            Self::Filters => config.filters,
            Self::Logins => config.logins,
            Self::Feedback => config.feedback,
            Self::Reads => config.reads,
            Self::Writes => config.writes,
            Self::Train => config.train,
            Self::Unknown => config.unknown,
        }
    }
}

/// The limits and who has used how much of them.
pub struct ApiLimits {
    config: RateLimitsConfig,
    key: HashKey,
    start: Instant,
    cells: Table<Cell>,
}

impl ApiLimits {
    /// Nobody has asked yet.
    pub fn new(config: RateLimitsConfig, key: HashKey) -> Self {
        Self { config, key, start: Instant::now(), cells: Table::new(CELLS) }
    }

    /// Takes one request of a token from its group's limit; `None` where there is no limit.
    pub(super) fn take(&self, group: Group, token: i64) -> Option<Taken> {
        self.take_as(group, &token.to_le_bytes())
    }

    /// Takes a request without a valid token from its address's limit.
    pub(super) fn take_unknown(&self, request: &Request) -> Option<Taken> {
        let caller = request.extensions().get::<ConnectInfo<SocketAddr>>();
        let ip: Option<IpAddr> = caller.map(|ConnectInfo(caller)| caller.ip());
        self.take_as(Group::Unknown, &self.key.address(ip).to_le_bytes())
    }

    fn take_as(&self, group: Group, whose: &[u8; 8]) -> Option<Taken> {
        let limit = group.limit(&self.config);
        if limit.per_second <= 0.0 {
            return None;
        }
        let [a, b, c, d, e, f, g, h] = *whose;
        let key = self.key.text(b'q', &[group as u8, a, b, c, d, e, f, g, h]);
        let now_us = u64::try_from(self.start.elapsed().as_micros()).unwrap_or(u64::MAX);
        Some(self.cells.with(key, |cell| take(cell, group, limit, now_us)))
    }
}

/// What became of a request at its limit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Taken {
    group: Group,
    limit: ApiLimit,
    /// Requests that are left at once.
    remaining: u64,
    /// Until the whole burst is back, seconds; of a refused one until the next is let through.
    reset_s: u64,
    is_refused: bool,
}

impl Taken {
    /// The refusal, if it is one.
    pub(super) fn refusal(self) -> Option<Response> {
        self.is_refused.then(|| {
            let Self { group, reset_s, .. } = self;
            let ApiLimit { per_second, burst } = self.limit;
            let allowed = format!("{per_second} per second and {burst} at once");
            let detail = match group {
                Group::Unknown => {
                    format!("too many requests without a valid token from this address: {allowed}")
                }
                _ => format!("too many requests of this token to the group `{}`: {allowed}", group.name()),
            };
            let detail = format!("{detail}; wait {reset_s} s (server.rate_limits.{})", group.name());
            let mut response = ApiError::rate_limited(detail).into_response();
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(reset_s));
            self.describe(&mut response);
            response
        })
    }

    /// Adds the headers that tell of the limit.
    pub(super) fn describe(self, response: &mut Response) {
        let Self { group, remaining, reset_s, .. } = self;
        let ApiLimit { per_second, burst } = self.limit;
        let window_s = (burst as f32 / per_second).ceil().max(1.0) as u64;
        let name = group.name();
        for (field, value) in [
            ("ratelimit-policy", format!("\"{name}\";q={burst};w={window_s}")),
            ("ratelimit", format!("\"{name}\";r={remaining};t={reset_s}")),
        ] {
            if let Ok(value) = HeaderValue::from_str(&value) {
                response.headers_mut().insert(HeaderName::from_static(field), value);
            }
        }
    }
}

fn take(cell: &mut Cell, group: Group, limit: ApiLimit, now_us: u64) -> Taken {
    let interval_us = ((1e6 / f64::from(limit.per_second)) as u64).max(1);
    let rate = Rate { interval_us, burst: limit.burst.into() };
    let taken = cell.take(rate, now_us);
    let (remaining, left_us) = match taken {
        Ok(ahead_us) => ((rate.tolerance_us() - ahead_us) / interval_us, ahead_us + interval_us),
        Err(wait_us) => (0, wait_us),
    };
    Taken { group, limit, remaining, reset_s: left_us.div_ceil(1_000_000), is_refused: taken.is_err() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_burst_passes_then_the_rate() {
        let limit = ApiLimit { per_second: 2.0, burst: 3 };
        let mut cell = Cell::default();
        let taken = [0; 5].map(|now_us| take(&mut cell, Group::Reads, limit, now_us));
        assert_eq!(taken.map(|taken| taken.remaining), [2, 1, 0, 0, 0]);
        assert_eq!(taken.map(|taken| taken.is_refused), [false, false, false, true, true]);
        assert_eq!(taken.map(|taken| taken.reset_s), [1, 1, 2, 1, 1]);
        let passed =
            (0..1_000).filter(|n| !take(&mut cell, Group::Reads, limit, n * 10_000).is_refused).count();
        assert_eq!(passed, 19, "two a second for ten seconds, but for the first half of one");
    }
}
