//! Shared state of a single process: bounded tables in memory.
//!
//! Its clock is monotonic, so that a clock set back lengthens no limit. Where there is Redis this takes over while
//! that is gone; what is counted here then is not carried over to Redis, it is forgotten by and by.

use std::hash::Hash;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use tokio::sync::broadcast;

use super::recent::Recent;
use super::{
    Answer, Charge, Fading, MOST_AHEAD_US, Notice, SetRecord, SharedError, SharedHealth, SharedState,
    Suspicion, check_kept, check_name, faded, fading_keep_s,
};

/// The newest so many entries of each table are kept at least, and at most twice as many. A table of rate cells then
/// takes about 6 MB: seven eighths of 65,536 places, twice.
const ENTRIES: usize = 57_344;

/// Bytes of the newest kept values.
const KEPT_BYTES: usize = 16 << 20;

/// Rate cells stay at least so long, µs.
const LEAST_CELL_US: u64 = 60_000_000;

/// µs since some moment.
type Clock = Box<dyn Fn() -> u64 + Send + Sync>;

/// Shared state of one process alone.
pub struct Memory {
    clock: Clock,
    cells: Mutex<Recent<(u8, u64), Cell>>,
    suspicions: Mutex<Recent<u64, u32>>,
    fading: Mutex<Recent<(u8, u64), (f32, u64)>>,
    kept: Mutex<Recent<String, Vec<u8>>>,
    claims: Mutex<Recent<String, ()>>,
    quotas: Mutex<Recent<(String, u64), u32>>,
    notices: broadcast::Sender<Notice>,
}

#[derive(Clone, Copy)]
struct Cell {
    ahead_us: u64,
    at_us: u64,
    /// Of the charge that left it.
    most_us: u64,
}

impl Default for Memory {
    fn default() -> Self {
        let start = Instant::now();
        Self::with_clock(move || u64::try_from(start.elapsed().as_micros()).unwrap_or(u64::MAX))
    }
}

impl Memory {
    /// With another clock, µs; one that steps back stands still for the tables.
    pub(crate) fn with_clock(clock: impl Fn() -> u64 + Send + Sync + 'static) -> Self {
        fn table<K: Hash + Eq, V>(bytes: usize) -> Mutex<Recent<K, V>> {
            Mutex::new(Recent::new(ENTRIES, bytes))
        }
        Self {
            clock: Box::new(clock),
            cells: table(usize::MAX),
            suspicions: table(usize::MAX),
            fading: table(usize::MAX),
            kept: table(KEPT_BYTES),
            claims: table(usize::MAX),
            quotas: table(usize::MAX),
            notices: broadcast::channel(1).0,
        }
    }

    fn now_us(&self) -> u64 {
        (self.clock)()
    }
}

impl SharedState for Memory {
    fn charge<'a>(&'a self, charges: &'a [Charge]) -> Answer<'a, Vec<u64>> {
        let now_us = self.now_us();
        let mut cells = lock(&self.cells);
        let charged = charges.iter().map(|charge| {
            let key = (charge.rule, charge.key);
            let most_us = charge.most_us;
            let before = cells.get(&key, now_us).copied();
            let before = before.unwrap_or(Cell { ahead_us: 0, at_us: now_us, most_us });
            let passed_us = now_us.saturating_sub(before.at_us);
            let mut ahead_us = before.ahead_us.saturating_sub(passed_us);
            if before.most_us != most_us {
                ahead_us = ahead_us.min(most_us);
            }
            if charge.cost_us == 0 {
                return ahead_us;
            }
            let ahead_us = ahead_us.max(charge.least_us).saturating_add(charge.cost_us).min(MOST_AHEAD_US);
            let until_us = now_us.saturating_add(ahead_us.max(LEAST_CELL_US));
            cells.put(key, Cell { ahead_us, at_us: now_us, most_us }, until_us, 0);
            ahead_us
        });
        let charged = charged.collect();
        answer(Ok(charged))
    }

    fn suspect<'a>(&'a self, suspicions: &'a [Suspicion], keep_s: u32) -> Answer<'a, Vec<u32>> {
        let now_us = self.now_us();
        let until_us = after(now_us, keep_s);
        let mut sessions = lock(&self.suspicions);
        let counted = suspicions.iter().map(|suspicion| {
            let before = sessions.get(&suspicion.session, now_us).copied().unwrap_or(0);
            let count = before.saturating_add(suspicion.by);
            if count > 0 {
                sessions.put(suspicion.session, count, until_us, 0);
            }
            count
        });
        let counted = counted.collect();
        answer(Ok(counted))
    }

    fn suspicion(&self, session: u64) -> Answer<'_, u32> {
        answer(Ok(lock(&self.suspicions).get(&session, self.now_us()).copied().unwrap_or(0)))
    }

    fn clear_suspicion(&self, session: u64) -> Answer<'_, bool> {
        answer(Ok(lock(&self.suspicions).remove(&session, self.now_us()).is_some()))
    }

    fn fade<'a>(&'a self, events: &'a [Fading]) -> Answer<'a, Vec<f32>> {
        let now_us = self.now_us();
        let mut counts = lock(&self.fading);
        let counted = events.iter().map(|event| {
            let key = (event.kind, event.key);
            let (before, at_us) = counts.get(&key, now_us).copied().unwrap_or((0.0, now_us));
            let count = faded(before, now_us.saturating_sub(at_us), event);
            counts.put(key, (count, now_us), after(now_us, fading_keep_s(event)), 0);
            count
        });
        let counted = counted.collect();
        answer(Ok(counted))
    }

    fn cached<'a>(&'a self, name: &'a str) -> Answer<'a, Option<Vec<u8>>> {
        answer(check_name(name).map(|()| lock(&self.kept).get(&name.to_owned(), self.now_us()).cloned()))
    }

    fn keep<'a>(&'a self, name: &'a str, bytes: Vec<u8>, keep_s: u32) -> Answer<'a, ()> {
        answer(check_name(name).and_then(|()| check_kept(&bytes)).map(|()| {
            let size = name.len() + bytes.len();
            lock(&self.kept).put(name.to_owned(), bytes, after(self.now_us(), keep_s), size);
        }))
    }

    fn claim<'a>(&'a self, name: &'a str, keep_s: u32) -> Answer<'a, bool> {
        answer(check_name(name).map(|()| {
            let now_us = self.now_us();
            let mut claims = lock(&self.claims);
            let is_first = claims.get(&name.to_owned(), now_us).is_none();
            if is_first {
                claims.put(name.to_owned(), (), after(now_us, keep_s), 0);
            }
            is_first
        }))
    }

    fn draw<'a>(&'a self, quota: &'a str, limit: u32, now_ms: u64) -> Answer<'a, bool> {
        answer(check_name(quota).map(|()| {
            let now_us = self.now_us();
            // By day: a clock that steps back to yesterday finds what yesterday had drawn.
            let key = (quota.to_owned(), now_ms / super::DAY_MS);
            let mut quotas = lock(&self.quotas);
            let drawn = quotas.get(&key, now_us).copied().unwrap_or(0);
            if drawn >= limit {
                return false;
            }
            quotas.put(key, drawn + 1, after(now_us, super::QUOTA_KEEP_S), 0);
            true
        }))
    }

    fn agree<'a>(&'a self, name: &'a str, _: Vec<u8>) -> Answer<'a, Option<Vec<u8>>> {
        answer(check_name(name).map(|()| None))
    }

    fn number_snapshot(&self, _: [u8; 32], _: u64) -> Answer<'_, Option<super::Numbered>> {
        answer(Ok(None))
    }

    fn latest_snapshot(&self) -> Answer<'_, Option<super::Numbered>> {
        answer(Ok(None))
    }

    fn put_records<'a>(&'a self, _: &'a str, _: &'a [SetRecord]) -> Answer<'a, u64> {
        answer(Ok(0))
    }

    fn records_since<'a>(&'a self, _: &'a str, _: u64) -> Answer<'a, (u64, Vec<SetRecord>)> {
        answer(Ok((0, Vec::new())))
    }

    fn tell(&self, _: Notice) {}

    fn notices(&self) -> broadcast::Receiver<Notice> {
        self.notices.subscribe()
    }

    fn health(&self) -> SharedHealth {
        SharedHealth::default()
    }
}

fn answer<'a, T: Send + 'a>(result: Result<T, SharedError>) -> Answer<'a, T> {
    Box::pin(std::future::ready(result))
}

fn after(now_us: u64, keep_s: u32) -> u64 {
    now_us.saturating_add(u64::from(keep_s.max(1)) * 1_000_000)
}

/// A panic under the lock leaves plain numbers, still usable.
fn lock<T>(table: &Mutex<T>) -> MutexGuard<'_, T> {
    table.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;
    use crate::shared::contract;

    /// Memory whose time is set by hand.
    fn set_by_hand() -> (Memory, Arc<AtomicU64>) {
        let time = Arc::new(AtomicU64::new(1_000_000_000));
        let clock = Arc::clone(&time);
        (Memory::with_clock(move || clock.load(Ordering::Relaxed)), time)
    }

    contract::tests!(async { (Memory::default(), ()) });

    #[tokio::test]
    async fn a_cell_drains_with_time_and_forgives_a_step_back() {
        let (memory, time) = set_by_hand();
        let charge = |cost_us| [Charge { rule: 1, key: 7, cost_us, least_us: 0, most_us: 1_000_000 }];
        assert_eq!(memory.charge(&charge(10_000_000)).await, Ok(vec![10_000_000]));
        time.fetch_add(4_000_000, Ordering::Relaxed);
        assert_eq!(memory.charge(&charge(500_000)).await, Ok(vec![6_500_000]));
        time.fetch_sub(900_000_000, Ordering::Relaxed);
        assert_eq!(memory.charge(&charge(1)).await, Ok(vec![6_500_001]), "not 900 s more");
        time.fetch_add(6_500_001, Ordering::Relaxed);
        assert_eq!(memory.charge(&charge(0)).await, Ok(vec![0]));
    }

    #[tokio::test]
    async fn everything_runs_out() {
        let (memory, time) = set_by_hand();
        let suspicion = [Suspicion { session: 1, by: 2 }];
        memory.suspect(&suspicion, 10).await.expect("counted");
        memory.keep("a", b"b".to_vec(), 10).await.expect("kept");
        memory.claim("c", 10).await.expect("claimed");
        time.fetch_add(9_999_999, Ordering::Relaxed);
        assert_eq!(memory.suspicion(1).await, Ok(2));
        assert_eq!(memory.cached("a").await, Ok(Some(b"b".to_vec())));
        assert_eq!(memory.claim("c", 10).await, Ok(false));
        time.fetch_add(1, Ordering::Relaxed);
        assert_eq!(memory.suspicion(1).await, Ok(0));
        assert_eq!(memory.clear_suspicion(1).await, Ok(false));
        assert_eq!(memory.cached("a").await, Ok(None));
        assert_eq!(memory.claim("c", 10).await, Ok(true));
    }

    #[tokio::test]
    async fn counts_fade() {
        let (memory, time) = set_by_hand();
        let event = |by| [Fading { kind: b'n', key: 3, by, tau_s: 60.0 }];
        memory.fade(&event(8.0)).await.expect("counted");
        time.fetch_add(60_000_000, Ordering::Relaxed);
        let count = memory.fade(&event(1.0)).await.expect("counted")[0];
        assert!((count - (8.0 * (-1.0_f32).exp() + 1.0)).abs() < 1e-4, "{count}");
    }

    #[tokio::test]
    async fn clients_without_end_stay_within_the_bound() {
        let memory = Memory::default();
        for batch in 0..200_u64 {
            let key = |n: u64| (batch * 1_000 + n).wrapping_mul(0x9E37_79B9_7F4A_7C15);
            let charges: Vec<_> = (0..1_000)
                .map(|n| Charge { rule: 0, key: key(n), cost_us: 1, least_us: 0, most_us: 1 })
                .collect();
            memory.charge(&charges).await.expect("charged");
        }
        assert!(lock(&memory.cells).len() <= 2 * ENTRIES);
    }
}
