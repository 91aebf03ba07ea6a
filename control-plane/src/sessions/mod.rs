//! Suspicious sessions: how many suspicious actions each has, `suspicious:{session_id}` of shared state, with a table at
//! hand that requests read. From the policy's `sessions.suspicious` on, a session is challenged.
//!
//! Filters tell their sessions' actions in exchanges, `POST /check` counts its own. A task merges them into
//! [`SharedState`]; other replicas hear of a count by a notice, filters by a mark. Both are told from one below the
//! threshold on, and again only when half of the time that it is kept is over: a filter that has seen nothing of a session
//! itself needs to know no less, since it adds its own, and a session that goes on misbehaving costs nobody anything.

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use sallyport_core::exchange::{Mark, MarkKind};
use sallyport_core::policy::SessionsConfig;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::{Instant, timeout};

use crate::backlog::{Backlog, Round};
use crate::clock::Moment;
use crate::config::LimitsConfig;
use crate::detector::Detector;
use crate::detector::table::{Record, Table};
use crate::marks::Marks;
use crate::shared::{Notice, SharedError, SharedState, Suspicion};

/// A filter waits at most so long for its sessions' counts to be merged.
const PATIENCE: Duration = Duration::from_millis(20);

/// Shared state that has not answered by then has failed.
const DEADLINE: Duration = Duration::from_secs(1);

/// Most sessions of one call to shared state.
const BATCH: usize = 1000;

/// Counts suspicious actions of sessions.
pub struct Sessions {
    shared: Arc<dyn SharedState>,
    detector: Arc<Detector>,
    marks: Arc<Marks>,
    known: Table<Session>,
    backlog: Backlog<u64, u32>,
    /// Held while counts are merged or forgiven: a merge under way must not bring back what was forgiven.
    merging: tokio::sync::Mutex<()>,
    counted: AtomicU64,
    failures: AtomicU64,
}

/// What is known of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Known {
    /// Its suspicious actions.
    pub count: u32,
    /// When they are forgotten unless there is another, Unix ms; `None` where only another replica knows.
    pub until_ms: Option<u64>,
}

/// What is counted of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SessionsHealth {
    /// Sessions at hand.
    pub sessions: u64,
    /// Sessions that made room for others since the start.
    pub evicted: u64,
    /// Suspicious actions counted.
    pub counted: u64,
    /// Sessions that found no room in the queue.
    pub refused: u64,
    /// Calls that shared state failed at.
    pub failures: u64,
}

/// A session at hand; µs on the steady clock.
#[derive(Clone, Copy)]
struct Session {
    key: u64,
    count: u32,
    seen_us: u64,
    until_us: u64,
    /// The count that was told last, and when.
    told: u32,
    told_us: u64,
}

impl Sessions {
    /// No session is known yet.
    pub fn new(
        shared: Arc<dyn SharedState>,
        detector: Arc<Detector>,
        marks: Arc<Marks>,
        config: &LimitsConfig,
    ) -> Self {
        Self {
            shared,
            detector,
            marks,
            known: Table::new(config.sessions as usize),
            backlog: Backlog::new(),
            merging: tokio::sync::Mutex::new(()),
            counted: AtomicU64::new(0),
            failures: AtomicU64::new(0),
        }
    }

    /// Suspicious actions of a session, by its keyed hash; 0 for 0, which is none.
    pub fn count(&self, session: u64) -> u32 {
        self.count_at(session, Moment::now())
    }

    /// Counts suspicious actions, as (session, actions); the round that will merge them.
    pub fn suspect(&self, actions: impl Iterator<Item = (u64, u32)>) -> u64 {
        self.suspect_at(actions, Moment::now())
    }

    /// A session that the site issued in the place of another goes on with what was suspicious of it.
    pub fn hand_on(&self, from: u64, to: u64) {
        let enough = u32::from(self.config().suspicious.max(1));
        self.suspect(std::iter::once((to, self.count(from).min(enough))));
    }

    /// Takes a filter's suspicious actions, and waits up to 20 ms for their counts: they are marks then.
    pub async fn exchange(&self, actions: &[(u64, u32)]) {
        let round = self.suspect(actions.iter().copied());
        self.backlog.merged(round, PATIENCE).await;
    }

    /// Asks shared state for a session's count; where that does not answer, what is known here.
    pub async fn look(&self, session: u64) -> Known {
        let now = Moment::now();
        let known = self.known.read(session, |known| *known).filter(|known| known.until_us > now.steady_us);
        let shared = timeout(DEADLINE, self.shared.suspicion(session)).await;
        let waiting = self.backlog.get(&session).unwrap_or(0);
        let count = match shared {
            Ok(Ok(count)) => {
                self.settled(count.saturating_add(waiting), known.map_or(0, |known| known.count))
            }
            _ => known.map_or(0, |known| known.count),
        };
        let until_ms = known.map(|known| now.unix_ms.saturating_add((known.until_us - now.steady_us) / 1000));
        Known { count, until_ms: until_ms.filter(|_| count > 0) }
    }

    /// Forgets a session's suspicious actions everywhere, as after a passed challenge; whether there were any.
    ///
    /// # Errors
    /// When shared state does not take it: then replicas that no notice reaches may still count them.
    pub async fn forgive(&self, session: u64) -> Result<bool, SharedError> {
        let merging = self.merging.lock().await;
        let waited = self.backlog.get(&session).is_some();
        let held = self.known.change(session, |known| {
            let held = known.count > 0;
            *known = Session::new(session);
            held
        });
        self.backlog.remove(&session);
        let cleared = timeout(DEADLINE, self.shared.clear_suspicion(session)).await;
        drop(merging);
        let keep_s = self.config().keep_s;
        self.tell(session, 0, keep_s);
        let late = || SharedError(format!("no answer about a session within {DEADLINE:?}"));
        Ok(cleared.map_err(|_| late())?? || held == Some(true) || waited)
    }

    /// How it is doing.
    pub fn health(&self) -> SessionsHealth {
        SessionsHealth {
            sessions: self.known.len(),
            evicted: self.known.evicted(),
            counted: self.counted.load(Ordering::Relaxed),
            refused: self.backlog.refused(),
            failures: self.failures.load(Ordering::Relaxed),
        }
    }

    fn count_at(&self, session: u64, now: Moment) -> u32 {
        let count = |known: &Session| if known.until_us > now.steady_us { known.count } else { 0 };
        self.known.read(session, count).unwrap_or(0)
    }

    fn suspect_at(&self, actions: impl Iterator<Item = (u64, u32)>, now: Moment) -> u64 {
        let keep_s = self.config().keep_s;
        let rounds = actions.filter(|(session, by)| *session != 0 && *by > 0).map(|(session, by)| {
            self.counted.fetch_add(by.into(), Ordering::Relaxed);
            // Under the record's lock, so that a merge counts what waits neither twice nor never.
            self.known.with(session, |known| {
                known.refresh(now, keep_s);
                known.count = known.count.saturating_add(by);
                self.backlog
                    .add(std::iter::once((session, by)), |held, more| *held = held.saturating_add(more))
            })
        });
        rounds.max().unwrap_or(0)
    }

    async fn merge(&self, clock: impl Fn() -> Moment) {
        let merging = self.merging.lock().await;
        let config = self.config();
        let Round { number, items } = self.backlog.take();
        for batch in items.chunks(BATCH) {
            let suspicions: Vec<_> =
                batch.iter().map(|(session, by)| Suspicion { session: *session, by: *by }).collect();
            let counts = self.ask(&suspicions, config.keep_s).await;
            if let Err(error) = &counts {
                self.failures.fetch_add(1, Ordering::Relaxed);
                tracing::debug!(%error, "suspicious actions are counted here alone");
            }
            let counts = counts.ok();
            for (at, (session, _)) in batch.iter().enumerate() {
                let count = counts.as_ref().and_then(|counts| counts.get(at)).copied();
                self.learn(*session, count, config, clock());
            }
        }
        drop(merging);
        self.backlog.done(number);
    }

    async fn ask(&self, suspicions: &[Suspicion], keep_s: u32) -> Result<Vec<u32>, SharedError> {
        let late = || SharedError(format!("no answer about sessions within {DEADLINE:?}"));
        let counts =
            timeout(DEADLINE, self.shared.suspect(suspicions, keep_s)).await.map_err(|_| late())??;
        if counts.len() == suspicions.len() {
            return Ok(counts);
        }
        Err(SharedError(format!("{} answers about {} sessions", counts.len(), suspicions.len())))
    }

    /// Takes over the count that all replicas share, and tells it where that is news; `None` leaves this one's own.
    fn learn(&self, session: u64, shared: Option<u32>, config: SessionsConfig, now: Moment) {
        let news = self.known.with(session, |known| {
            known.refresh(now, config.keep_s);
            if let Some(shared) = shared {
                let all = shared.saturating_add(self.backlog.get(&session).unwrap_or(0));
                known.count = self.settled(all, known.count);
            }
            known.news(config, now)
        });
        if let Some(count) = news {
            self.tell(session, count, config.keep_s);
        }
    }

    /// Which count holds. What all replicas share does; memory that answers in its place began anew, and forgives
    /// nobody.
    fn settled(&self, shared: u32, own: u32) -> u32 {
        if self.shared.health().is_shared { shared } else { shared.max(own) }
    }

    /// Takes over what another replica told.
    fn hear(&self, session: u64, count: u32, keep_s: u32, now: Moment) {
        if count == 0 {
            self.known.change(session, |known| *known = Session::new(session));
        } else {
            self.known.with(session, |known| {
                known.refresh(now, keep_s);
                known.count = known.count.max(count);
                (known.told, known.told_us) = (count, now.steady_us);
            });
        }
        self.marks.tell(mark(session, count, keep_s));
    }

    fn tell(&self, session: u64, count: u32, keep_s: u32) {
        self.marks.tell(mark(session, count, keep_s));
        self.shared.tell(Notice::Session { session, count, keep_s });
    }

    fn config(&self) -> SessionsConfig {
        self.detector.engine().policy().config().sessions
    }
}

impl Session {
    /// Starts anew where the last action is too long ago; another one begins to run out now.
    fn refresh(&mut self, now: Moment, keep_s: u32) {
        if self.until_us <= now.steady_us {
            *self = Self::new(self.key);
        }
        self.seen_us = now.steady_us;
        self.until_us = now.steady_us.saturating_add(u64::from(keep_s) * 1_000_000);
    }

    /// The count, where filters and replicas should hear of it now.
    fn news(&mut self, config: SessionsConfig, now: Moment) -> Option<u32> {
        let threshold = u32::from(config.suspicious.max(1));
        let is_old = now.steady_us.saturating_sub(self.told_us) >= u64::from(config.keep_s) * 500_000;
        let is_known = self.told.min(threshold) == self.count.min(threshold) && !is_old;
        if self.count == 0 || self.count.saturating_add(1) < threshold || is_known {
            return None;
        }
        (self.told, self.told_us) = (self.count, now.steady_us);
        Some(self.count)
    }
}

impl Record for Session {
    fn new(key: u64) -> Self {
        Self { key, count: 0, seen_us: 0, until_us: 0, told: 0, told_us: 0 }
    }

    fn key(&self) -> u64 {
        self.key
    }

    fn last_seen_ms(&self) -> u64 {
        self.seen_us / 1000
    }
}

fn mark(session: u64, count: u32, keep_s: u32) -> Mark {
    let value = u8::try_from(count).unwrap_or(u8::MAX);
    Mark { kind: MarkKind::Session, key: session, value, keep_s }
}

/// Merges, and listens to other replicas, for ever.
pub async fn run(sessions: Arc<Sessions>) {
    tokio::join!(merge(&sessions), listen(&sessions));
}

async fn merge(sessions: &Sessions) {
    let mut last = Instant::now();
    loop {
        sessions.backlog.due(last).await;
        last = Instant::now();
        sessions.merge(Moment::now).await;
    }
}

async fn listen(sessions: &Sessions) {
    let mut notices = sessions.shared.notices();
    loop {
        match notices.recv().await {
            Ok(Notice::Session { session, count, keep_s }) => {
                sessions.hear(session, count, keep_s, Moment::now());
            }
            // What was missed is learnt with the session's next action.
            Ok(_) | Err(RecvError::Lagged(_)) => {}
            Err(RecvError::Closed) => return,
        }
    }
}
