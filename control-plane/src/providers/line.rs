//! The line to one provider: what keeps it from being asked too often, for too long, or in vain.

use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use prometheus_client::metrics::counter::Counter;
use tokio::time::{Instant, timeout};

use super::breaker::{Breaker, Limits, State};
use super::provider::{Outcome, Provider};
use super::{IpReputation, LookupError};
use crate::shared::SharedState;

const DAY_MS: u64 = 86_400_000;

/// The pause after 429 without `Retry-After`.
const PAUSE_S: u64 = 60;

/// The longest pause: the longest quota known is a day's.
const LONGEST_PAUSE_S: u64 = 86_400;

/// The pause after the key was refused or the account ran out of credit: a person has to act, and may have.
const REFUSED_PAUSE_S: u64 = 600;

/// What a line is set up with.
pub(super) struct LineConfig {
    /// Lookups per UTC day, of all replicas together.
    pub(super) daily_quota: u32,
    /// How long an answer may take.
    pub(super) timeout: Duration,
    /// When it is left alone.
    pub(super) breaker: Limits,
}

/// A provider, and what is remembered of asking it.
pub(super) struct Line {
    provider: Box<dyn Provider>,
    config: LineConfig,
    memory: Mutex<Memory>,
    outcomes: [Counter; Outcome::ALL.len()],
}

struct Memory {
    breaker: Breaker,
    paused_until_ms: u64,
    paused_for: &'static str,
    /// The day (since 1970) of `drawn` and `is_used_up`.
    day: u64,
    /// What this replica drew of the quota.
    drawn: u32,
    /// Nothing was left of the quota.
    is_used_up: bool,
    last_error: Option<LookupError>,
}

/// How a line is doing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct LineStatus {
    pub(super) name: &'static str,
    pub(super) breaker: State,
    /// What is left of today's quota, as far as this replica knows.
    pub(super) quota_left: u32,
    pub(super) daily_quota: u32,
    /// Seconds; 0 while it may be asked.
    pub(super) paused_s: u64,
    /// Why the latest request failed; `None` after a success.
    pub(super) last_error: Option<LookupError>,
}

impl Line {
    pub(super) fn new(provider: Box<dyn Provider>, config: LineConfig) -> Self {
        let memory = Memory {
            breaker: Breaker::new(config.breaker),
            paused_until_ms: 0,
            paused_for: "",
            day: 0,
            drawn: 0,
            is_used_up: false,
            last_error: None,
        };
        Self { provider, config, memory: Mutex::new(memory), outcomes: Default::default() }
    }

    pub(super) fn name(&self) -> &'static str {
        self.provider.source().name()
    }

    /// Asks the provider, if it may be asked at Unix milliseconds `now_ms`.
    pub(super) async fn ask(
        &self,
        ip: IpAddr,
        shared: &dyn SharedState,
        now_ms: u64,
    ) -> Result<IpReputation, LookupError> {
        let asked = self.admitted(ip, shared, now_ms).await;
        let outcome = asked.as_ref().map_or_else(LookupError::outcome, |_| Outcome::Answered);
        self.outcomes[outcome as usize].inc();
        asked
    }

    async fn admitted(
        &self,
        ip: IpAddr,
        shared: &dyn SharedState,
        now_ms: u64,
    ) -> Result<IpReputation, LookupError> {
        self.may_be_asked(now_ms)?;
        self.draw(shared, now_ms).await?;
        if !self.with(|memory| memory.breaker.enter(now_ms)) {
            return Err(LookupError::BreakerOpen(self.name()));
        }
        let began = Instant::now();
        let answer = timeout(self.config.timeout, self.provider.look_up(ip, now_ms)).await;
        let answer = answer.unwrap_or(Err(LookupError::Timeout));
        let now_ms = now_ms + u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX / 2);
        self.settle(&answer, now_ms);
        answer
    }

    /// What needs no asking of anybody.
    fn may_be_asked(&self, now_ms: u64) -> Result<(), LookupError> {
        self.with(|memory| {
            let left_ms = memory.pause_left_ms(now_ms);
            if left_ms > 0 {
                let (provider, seconds) = (self.name(), left_ms.div_ceil(1000));
                return Err(LookupError::Paused { provider, seconds, reason: memory.paused_for });
            }
            if memory.breaker.state(now_ms) == State::Open {
                return Err(LookupError::BreakerOpen(self.name()));
            }
            memory.begin_day(now_ms);
            if memory.is_used_up { Err(LookupError::QuotaUsedUp(self.name())) } else { Ok(()) }
        })
    }

    async fn draw(&self, shared: &dyn SharedState, now_ms: u64) -> Result<(), LookupError> {
        let quota = format!("reputation:{}", self.name());
        let drawn = timeout(self.config.timeout, shared.draw(&quota, self.config.daily_quota, now_ms)).await;
        let is_drawn = match drawn {
            Ok(Ok(is_drawn)) => is_drawn,
            Ok(Err(_)) | Err(_) => return Err(LookupError::QuotaUnknown),
        };
        self.with(|memory| {
            memory.begin_day(now_ms);
            memory.drawn += u32::from(is_drawn);
            if !is_drawn && !std::mem::replace(&mut memory.is_used_up, true) {
                tracing::warn!(provider = self.name(), "today's quota of reputation lookups is used up");
            }
            if is_drawn { Ok(()) } else { Err(LookupError::QuotaUsedUp(self.name())) }
        })
    }

    fn settle(&self, answer: &Result<IpReputation, LookupError>, now_ms: u64) {
        let name = self.name();
        self.with(|memory| {
            memory.last_error = answer.as_ref().err().cloned();
            let Err(error) = answer else {
                if memory.breaker.succeeded() {
                    tracing::info!(provider = name, "the reputation provider answers again");
                }
                return;
            };
            if error.is_failure() {
                if memory.breaker.failed(now_ms) {
                    tracing::warn!(provider = name, %error, "the reputation provider is left alone for a while");
                }
                return;
            }
            // It works; it only does not want to.
            memory.breaker.succeeded();
            let (pause_s, reason) = match error {
                LookupError::TooManyRequests { retry_after_s } => {
                    (retry_after_s.unwrap_or(PAUSE_S).clamp(1, LONGEST_PAUSE_S), "it was asked too often")
                }
                LookupError::Unauthorized => (REFUSED_PAUSE_S, "it refuses the key"),
                LookupError::OutOfCredit => (REFUSED_PAUSE_S, "the account has no credit left"),
                _ => return,
            };
            memory.paused_until_ms = now_ms + pause_s * 1000;
            memory.paused_for = reason;
            tracing::warn!(provider = name, pause_s, reason, "the reputation provider is not asked for a while");
        });
    }

    pub(super) fn status(&self, now_ms: u64) -> LineStatus {
        self.with(|memory| {
            memory.begin_day(now_ms);
            let left = self.config.daily_quota.saturating_sub(memory.drawn);
            LineStatus {
                name: self.name(),
                breaker: memory.breaker.state(now_ms),
                quota_left: if memory.is_used_up { 0 } else { left },
                daily_quota: self.config.daily_quota,
                paused_s: memory.pause_left_ms(now_ms).div_ceil(1000),
                last_error: memory.last_error.clone(),
            }
        })
    }

    /// How requests ended, each with how often.
    pub(super) fn outcomes(&self) -> impl Iterator<Item = (Outcome, u64)> {
        Outcome::ALL.into_iter().zip(self.outcomes.iter().map(Counter::get))
    }

    fn with<T>(&self, work: impl FnOnce(&mut Memory) -> T) -> T {
        work(&mut self.memory.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Memory {
    fn begin_day(&mut self, now_ms: u64) {
        let day = now_ms / DAY_MS;
        if self.day != day {
            (self.day, self.drawn, self.is_used_up) = (day, 0, false);
        }
    }

    /// A pause of more than the longest comes of a clock that was set back, and is over.
    fn pause_left_ms(&self, now_ms: u64) -> u64 {
        let left = self.paused_until_ms.saturating_sub(now_ms);
        if left > LONGEST_PAUSE_S * 1000 { 0 } else { left }
    }
}
