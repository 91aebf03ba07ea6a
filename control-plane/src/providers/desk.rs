//! Looking an address up: what replicas know, then the providers in order, and what is kept of the answer.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use prometheus_client::metrics::counter::Counter;
use serde::{Deserialize, Serialize};
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout};

use super::breaker::Limits;
use super::disclosure::Disclosure;
use super::flights::{Boarding, Flight, Flights, Landing};
use super::line::{Line, LineConfig};
use super::{IpReputation, Known, LookupError};
use crate::config::ReputationConfig;
use crate::shared::SharedState;

/// Lookups that may be under way or wait for their turn; more are not begun.
const MOST_LOOKUPS: usize = 1024;

/// After a lookup in which nobody could be asked: how long until the next, ms.
const LATELY_MS: u64 = 10_000;

/// What is kept under an address's name where a lookup failed.
#[derive(Serialize, Deserialize)]
struct Nothing {
    /// Unix ms.
    failed_at: u64,
}

/// Everything that a lookup needs.
pub(super) struct Desk {
    pub(super) lines: Vec<Line>,
    pub(super) counts: Counts,
    shared: Arc<dyn SharedState>,
    known: Arc<Known>,
    flights: Arc<Flights>,
    turns: Semaphore,
    disclosure: Disclosure,
    timeout: Duration,
    cache_s: u32,
    negative_cache_s: u32,
}

/// What is counted besides each provider's outcomes.
#[derive(Default)]
pub(super) struct Counts {
    /// Addresses that were known in memory when a decision asked.
    pub(super) memory_hits: Counter,
    /// Addresses that another replica, or this one before, had looked up.
    pub(super) shared_hits: Counter,
    /// Addresses that were not told.
    pub(super) kept: Counter,
    /// Lookups not begun because too many were under way.
    pub(super) busy: Counter,
}

/// What a lookup is about.
#[derive(Clone, Copy)]
struct Case {
    ip: IpAddr,
    address: u64,
    began_ms: u64,
    began: Instant,
    /// Whether to ask whatever is known.
    anew: bool,
}

/// The guards of a provider's line.
pub(super) fn line_config(config: &ReputationConfig, daily_quota: u32) -> LineConfig {
    LineConfig {
        daily_quota,
        timeout: Duration::from_millis(config.timeout_ms.into()),
        breaker: Limits {
            failures: config.breaker.failures,
            open_ms: u64::from(config.breaker.open_s) * 1000,
        },
    }
}

impl Desk {
    pub(super) fn new(
        config: &ReputationConfig,
        lines: Vec<Line>,
        shared: Arc<dyn SharedState>,
        known: Arc<Known>,
    ) -> Arc<Self> {
        Arc::new(Self {
            lines,
            counts: Counts::default(),
            shared,
            known,
            flights: Flights::new(MOST_LOOKUPS),
            turns: Semaphore::new(config.concurrency as usize),
            disclosure: Disclosure { only: config.only.0.clone(), never: config.never.0.clone() },
            timeout: Duration::from_millis(config.timeout_ms.into()),
            cache_s: config.cache_s,
            negative_cache_s: config.negative_cache_s,
        })
    }

    /// Starts a lookup, or joins the one of the same address.
    pub(super) fn look_up(
        self: &Arc<Self>,
        ip: IpAddr,
        address: u64,
        now_ms: u64,
    ) -> Result<Flight, LookupError> {
        self.begin(Case { ip, address, began_ms: now_ms, began: Instant::now(), anew: false })
    }

    /// The same, whatever is known.
    pub(super) fn refresh(
        self: &Arc<Self>,
        ip: IpAddr,
        address: u64,
        now_ms: u64,
    ) -> Result<Flight, LookupError> {
        self.begin(Case { ip, address, began_ms: now_ms, began: Instant::now(), anew: true })
    }

    fn begin(self: &Arc<Self>, case: Case) -> Result<Flight, LookupError> {
        if !self.disclosure.allows(case.ip) {
            self.counts.kept.inc();
            return Err(LookupError::Kept);
        }
        match self.flights.board(case.address) {
            Boarding::Joined(flight) => Ok(flight),
            Boarding::Full => {
                self.counts.busy.inc();
                Err(LookupError::Busy)
            }
            Boarding::First(landing, flight) => {
                tokio::spawn(Arc::clone(self).fly(case, landing));
                Ok(flight)
            }
        }
    }

    /// How long a decision that did not wait for a lookup should be kept, seconds: until the lookup has ended.
    pub(super) fn hold_s(&self) -> u32 {
        u32::try_from(self.timeout.as_secs()).unwrap_or(u32::MAX - 1) + 1
    }

    /// How many lookups are under way.
    pub(super) fn under_way(&self) -> usize {
        self.flights.len()
    }

    /// How many addresses are held in memory.
    pub(super) fn held(&self) -> u64 {
        self.known.len()
    }

    /// What shared state knows of an address; takes it over.
    pub(super) async fn recall(&self, address: u64, now_ms: u64) -> Option<IpReputation> {
        self.shared_word(address, now_ms).await.flatten()
    }

    async fn fly(self: Arc<Self>, case: Case, landing: Landing) {
        let outcome = self.find(case).await;
        landing.tell(outcome);
    }

    async fn find(&self, case: Case) -> Result<IpReputation, LookupError> {
        if !case.anew {
            if let Some(word) = self.shared_word(case.address, case.now_ms()).await {
                return word.ok_or(LookupError::Lately);
            }
            if !self.is_ours(case.address).await {
                self.hold_nothing(case, 1000);
                return Err(LookupError::Elsewhere);
            }
        }
        let asked = match self.turns.acquire().await {
            Ok(_turn) => self.ask(case).await,
            Err(_) => Err(LookupError::Busy),
        };
        match &asked {
            Ok(reputation) => self.keep(case, *reputation).await,
            // What was known before stays.
            Err(_) if case.anew => {}
            Err(error) if error.was_asked() => {
                self.hold_nothing(case, u64::from(self.negative_cache_s) * 1000);
                let bytes = serde_json::to_vec(&Nothing { failed_at: case.now_ms() }).unwrap_or_default();
                self.store(case.address, bytes, self.negative_cache_s).await;
            }
            Err(_) => self.hold_nothing(case, LATELY_MS),
        }
        asked
    }

    /// The first answer. Where none of them answers: why the last one that was asked did not, or the last of all.
    async fn ask(&self, case: Case) -> Result<IpReputation, LookupError> {
        let mut failed: Option<LookupError> = None;
        for line in &self.lines {
            match line.ask(case.ip, &*self.shared, case.now_ms()).await {
                Ok(reputation) => return Ok(reputation),
                Err(error) if error.was_asked() || !failed.as_ref().is_some_and(LookupError::was_asked) => {
                    failed = Some(error);
                }
                Err(_) => {}
            }
        }
        Err(failed.unwrap_or(LookupError::Disabled))
    }

    async fn keep(&self, case: Case, reputation: IpReputation) {
        let now_ms = case.now_ms();
        self.known.hold(case.address, Some(reputation), now_ms, now_ms + u64::from(self.cache_s) * 1000);
        self.store(case.address, reputation.to_bytes(), self.cache_s).await;
    }

    fn hold_nothing(&self, case: Case, for_ms: u64) {
        let now_ms = case.now_ms();
        self.known.hold(case.address, None, now_ms, now_ms + for_ms);
    }

    /// What is kept in shared state: the reputation, or that there is none for now. Held here for what is left of its
    /// time, so that no replica keeps it longer than the one that asked.
    async fn shared_word(&self, address: u64, now_ms: u64) -> Option<Option<IpReputation>> {
        let name = name(address);
        let bytes = timeout(self.timeout, self.shared.cached(&name)).await.ok()?.ok()??;
        let word = IpReputation::from_bytes(&bytes);
        let (since_ms, keep_s) = match word {
            Some(reputation) => (reputation.fetched_at, self.cache_s),
            None => (serde_json::from_slice::<Nothing>(&bytes).ok()?.failed_at, self.negative_cache_s),
        };
        // The clock of whoever asked may be ahead.
        let until_ms = since_ms.min(now_ms) + u64::from(keep_s) * 1000;
        if until_ms <= now_ms {
            return None;
        }
        self.counts.shared_hits.inc();
        self.known.hold(address, word, now_ms, until_ms);
        Some(word)
    }

    /// Whether this replica is the one to ask; shared state that does not answer keeps nobody from asking.
    async fn is_ours(&self, address: u64) -> bool {
        if !self.shared.health().is_shared {
            return true;
        }
        let name = format!("{}:asking", name(address));
        let keep_s = self.hold_s();
        !matches!(timeout(self.timeout, self.shared.claim(&name, keep_s)).await, Ok(Ok(false)))
    }

    async fn store(&self, address: u64, bytes: Vec<u8>, keep_s: u32) {
        // What cannot be shared is known here at least.
        drop(timeout(self.timeout, self.shared.keep(&name(address), bytes, keep_s)).await);
    }
}

impl Case {
    fn now_ms(&self) -> u64 {
        self.began_ms + u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX / 2)
    }
}

/// What an address is kept under: its keyed hash, never itself.
fn name(address: u64) -> String {
    format!("reputation:{address:016x}")
}
