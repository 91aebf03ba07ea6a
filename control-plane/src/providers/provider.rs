//! The one interface of all providers, and why asking one can fail.

use std::future::Future;
use std::net::IpAddr;
use std::pin::Pin;

use super::{IpReputation, Source};

/// What a provider answers, in time.
pub type Answer<'a> = Pin<Box<dyn Future<Output = Result<IpReputation, LookupError>> + Send + 'a>>;

/// Somebody who can be asked about addresses.
pub trait Provider: Send + Sync + 'static {
    /// Who it is.
    fn source(&self) -> Source;

    /// Asks about an address, at Unix milliseconds `now_ms`. Asks once: quota, pauses and time limits are the caller's.
    fn look_up(&self, ip: IpAddr, now_ms: u64) -> Answer<'_>;
}

/// Why nothing is known of an address. The texts hold neither keys nor addresses: what a provider says itself, which
/// may repeat both, is never taken over.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LookupError {
    /// No provider is configured.
    #[error("no provider is configured; name one in `reputation.providers`")]
    Disabled,
    /// The address must not leave.
    #[error(
        "this address is told to nobody: it is not public, or `reputation.only` or `reputation.never` keeps it here"
    )]
    Kept,
    /// Too many lookups wait already.
    #[error("too many lookups are under way")]
    Busy,
    /// Another replica is asking.
    #[error("another replica is asking about this address")]
    Elsewhere,
    /// It could not be asked lately, and the time to ask again has not come.
    #[error("the last lookup failed a short while ago")]
    Lately,
    /// The day's quota is used up.
    #[error("the day's quota is used up; `reputation.{0}.daily_quota` sets it")]
    QuotaUsedUp(&'static str),
    /// The quota could not be drawn from.
    #[error("the quota cannot be counted at the moment")]
    QuotaUnknown,
    /// The provider asked for a pause, or refused the key.
    #[error("{provider} is not asked for another {seconds} s: {reason}")]
    Paused {
        /// Its name.
        provider: &'static str,
        /// How long still.
        seconds: u64,
        /// Why.
        reason: &'static str,
    },
    /// It failed too often in a row.
    #[error("{0} failed several times in a row and is left alone for a while")]
    BreakerOpen(&'static str),
    /// 401, 403, or the same in words.
    #[error("the provider refuses the key")]
    Unauthorized,
    /// 402, or the same in words.
    #[error("the account has no credit left, or the plan does not cover this")]
    OutOfCredit,
    /// 429, or the same in words.
    #[error("the provider says that it is asked too often")]
    TooManyRequests {
        /// `Retry-After`, where it was sent.
        retry_after_s: Option<u64>,
    },
    /// It knows nothing of such an address.
    #[error("the provider does not take this address")]
    Refused,
    /// Another status.
    #[error("the provider answers with status {0}")]
    Status(u16),
    /// No answer in time.
    #[error("the provider did not answer in time")]
    Timeout,
    /// It could not be reached.
    #[error("the provider cannot be reached: {0}")]
    Unreachable(String),
    /// The answer is not what is documented.
    #[error("the provider's answer is not understood: {0}")]
    Malformed(String),
}

impl LookupError {
    /// Whether the provider was asked and did not do what it should: what the circuit breaker counts.
    pub(super) fn is_failure(&self) -> bool {
        matches!(self, Self::Status(_) | Self::Timeout | Self::Unreachable(_) | Self::Malformed(_))
    }

    /// Whether somebody was asked, so that asking about the same address again soon is of no use.
    pub(super) fn was_asked(&self) -> bool {
        self.is_failure()
            || matches!(
                self,
                Self::Unauthorized | Self::OutOfCredit | Self::TooManyRequests { .. } | Self::Refused
            )
    }

    /// Its name in metrics.
    pub(super) fn outcome(&self) -> Outcome {
        match self {
            Self::Unauthorized => Outcome::Unauthorized,
            Self::OutOfCredit => Outcome::OutOfCredit,
            Self::TooManyRequests { .. } => Outcome::TooManyRequests,
            Self::Refused => Outcome::Refused,
            Self::Status(_) => Outcome::Status,
            Self::Timeout => Outcome::Timeout,
            Self::Malformed(_) => Outcome::Malformed,
            Self::Unreachable(_) => Outcome::Unreachable,
            Self::QuotaUsedUp(_) | Self::QuotaUnknown => Outcome::Quota,
            Self::Paused { .. } => Outcome::Paused,
            _ => Outcome::Breaker,
        }
    }
}

/// How asking a provider ended, for metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Answered,
    Unauthorized,
    OutOfCredit,
    TooManyRequests,
    Refused,
    Status,
    Timeout,
    Malformed,
    Unreachable,
    Quota,
    Paused,
    Breaker,
}

impl Outcome {
    pub(super) const ALL: [Self; 12] = [
        Self::Answered,
        Self::Unauthorized,
        Self::OutOfCredit,
        Self::TooManyRequests,
        Self::Refused,
        Self::Status,
        Self::Timeout,
        Self::Malformed,
        Self::Unreachable,
        Self::Quota,
        Self::Paused,
        Self::Breaker,
    ];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Answered => "answered",
            Self::Unauthorized => "unauthorized",
            Self::OutOfCredit => "out_of_credit",
            Self::TooManyRequests => "too_many_requests",
            Self::Refused => "refused",
            Self::Status => "status",
            Self::Timeout => "timeout",
            Self::Malformed => "malformed",
            Self::Unreachable => "unreachable",
            Self::Quota => "quota",
            Self::Paused => "paused",
            Self::Breaker => "breaker",
        }
    }
}
