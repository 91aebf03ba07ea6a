//! Failed logins of whole networks (IPv4 /24, IPv6 /48) and of accounts, so that stuffing spread over addresses is seen.
//! Those of a client and an address are in their records, as core counts them.
//!
//! Counts fade with τ = 900 s in bounded tables, are merged with those of other replicas in the background
//! ([`share`]), and become evidence by [`strength`]. A network that speaks up is told to filters as a [`Mark`].

mod share;
mod strength;

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use sallyport_core::exchange::{Mark, MarkKind};
use tokio::sync::broadcast;

use crate::detector::table::{Record, Table};
pub use share::share;
pub use strength::{of_account, of_network};

/// Failed and passed logins fade with this time constant, in seconds; core counts clients and addresses by it too.
pub const TAU_S: f32 = 900.0;

/// How long a mark holds that is not told again, in seconds.
pub const MARK_KEEP_S: u32 = 900;

/// Networks and accounts that are remembered; the longest idle makes room.
const NETWORKS: usize = 16_384;
const ACCOUNTS: usize = 32_768;

/// Counts that wait to be shared, at most.
const PENDING: usize = 16_384;

/// How long a count that was asked for is good without asking other replicas again, in ms.
const FRESH_MS: u64 = 5_000;

/// Marks that a slow listener may lag behind.
const MARKS: usize = 1_024;

/// Steps of a network's strength; a mark is told when the step changes.
const STEPS: f32 = 16.0;

/// Whose logins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Subject {
    Network,
    Account,
}

/// Logins of a network or an account, as of one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Counts {
    /// Failed ones, faded.
    pub failed: f32,
    /// Passed ones, as far as anybody told, faded.
    pub passed: f32,
}

/// A network or account with its counts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Attacked {
    /// Keyed hash.
    pub key: u64,
    /// Its logins.
    pub counts: Counts,
    /// The strength of the check `failed_logins` that they make, 0 to 1.
    pub strength: f32,
}

/// Failed logins by network and account.
pub struct Logins {
    networks: Table<Tally>,
    accounts: Table<Tally>,
    /// What other replicas have not been told; locked before a table.
    pending: Mutex<HashMap<(Subject, u64), Counts>>,
    unshared: AtomicU64,
    is_shared: AtomicBool,
    marks: broadcast::Sender<Mark>,
}

impl Default for Logins {
    fn default() -> Self {
        Self {
            networks: Table::new(NETWORKS),
            accounts: Table::new(ACCOUNTS),
            pending: Mutex::default(),
            unshared: AtomicU64::new(0),
            is_shared: AtomicBool::new(false),
            marks: broadcast::channel(MARKS).0,
        }
    }
}

impl Logins {
    /// Counts a failed login of a network and an account (keyed hashes; 0: unknown) at Unix milliseconds `now_ms`.
    pub fn failed(&self, network: u64, account: u64, now_ms: u64) {
        self.count(network, account, Counts { failed: 1.0, passed: 0.0 }, now_ms);
    }

    /// Counts one that passed.
    pub fn passed(&self, network: u64, account: u64, now_ms: u64) {
        self.count(network, account, Counts { failed: 0.0, passed: 1.0 }, now_ms);
    }

    /// How strongly they speak about a login attempt, 0 to 1. Never waits: what other replicas know of somebody not
    /// seen here is asked in the background, for the next attempt.
    pub fn strength(&self, network: u64, account: u64, now_ms: u64) -> f32 {
        let of = |subject: Subject, key: u64| {
            if key == 0 {
                return 0.0;
            }
            if self.is_shared.load(Ordering::Relaxed) {
                let is_stale = self.table(subject).with(key, |tally| tally.ask(now_ms));
                if is_stale {
                    self.put_off(&mut self.lock(), subject, key, Counts::default());
                }
            }
            self.table(subject).read(key, |tally| subject.strength(tally.counts(now_ms))).unwrap_or(0.0)
        };
        of(Subject::Network, network).max(of(Subject::Account, account))
    }

    /// The logins of a network, if there were any lately.
    pub fn network(&self, network: u64, now_ms: u64) -> Attacked {
        self.attacked(Subject::Network, network, now_ms)
    }

    /// The logins of an account, if there were any lately.
    pub fn account(&self, account: u64, now_ms: u64) -> Attacked {
        self.attacked(Subject::Account, account, now_ms)
    }

    /// The networks with the most failed logins, at most `limit`.
    pub fn networks(&self, limit: usize, now_ms: u64) -> Vec<Attacked> {
        self.most(Subject::Network, limit, now_ms)
    }

    /// The accounts with the most failed logins, at most `limit`.
    pub fn accounts(&self, limit: usize, now_ms: u64) -> Vec<Attacked> {
        self.most(Subject::Account, limit, now_ms)
    }

    /// Marks of networks from now on. A listener that lags behind by more than 1,024 is told so by the channel, and
    /// finds those in force by [`Logins::network_marks`].
    pub fn marks(&self) -> broadcast::Receiver<Mark> {
        self.marks.subscribe()
    }

    /// The marks of networks that are in force, strongest first, at most `limit`.
    pub fn network_marks(&self, limit: usize, now_ms: u64) -> Vec<Mark> {
        let networks = self.networks(limit, now_ms).into_iter();
        let marks = networks.map(|network| mark(network.key, step(network.strength)));
        marks.filter(|mark| mark.value > 0).collect()
    }

    /// Counts that other replicas were not told because too many waited.
    pub fn unshared(&self) -> u64 {
        self.unshared.load(Ordering::Relaxed)
    }

    fn count(&self, network: u64, account: u64, by: Counts, now_ms: u64) {
        for (subject, key) in [(Subject::Network, network), (Subject::Account, account)] {
            if key != 0 {
                let mut pending = self.lock();
                self.put_off(&mut pending, subject, key, by);
                let told = self.table(subject).with(key, |tally| {
                    tally.add(by, now_ms);
                    subject.news(tally, now_ms)
                });
                drop(pending);
                self.tell(told);
            }
        }
    }

    /// Keeps a count for the next time that is shared.
    fn put_off(&self, pending: &mut HashMap<(Subject, u64), Counts>, subject: Subject, key: u64, by: Counts) {
        let has_room = pending.len() < PENDING;
        match pending.get_mut(&(subject, key)) {
            Some(counts) => {
                counts.failed += by.failed;
                counts.passed += by.passed;
            }
            None if has_room => drop(pending.insert((subject, key), by)),
            None => drop(self.unshared.fetch_add(1, Ordering::Relaxed)),
        }
    }

    fn tell(&self, mark: Option<Mark>) {
        if let Some(mark) = mark {
            // An error means that nobody listens.
            drop(self.marks.send(mark));
        }
    }

    fn attacked(&self, subject: Subject, key: u64, now_ms: u64) -> Attacked {
        let counts = self.table(subject).read(key, |tally| tally.counts(now_ms)).unwrap_or_default();
        Attacked { key, counts, strength: subject.strength(counts) }
    }

    fn most(&self, subject: Subject, limit: usize, now_ms: u64) -> Vec<Attacked> {
        let mut all = Vec::new();
        self.table(subject).each(|tally| {
            let counts = tally.counts(now_ms);
            if counts.failed >= 1.0 {
                all.push(Attacked { key: tally.key, counts, strength: subject.strength(counts) });
            }
        });
        all.sort_by(|one, other| other.counts.failed.total_cmp(&one.counts.failed));
        all.truncate(limit);
        all
    }

    fn table(&self, subject: Subject) -> &Table<Tally> {
        match subject {
            Subject::Network => &self.networks,
            Subject::Account => &self.accounts,
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<(Subject, u64), Counts>> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Subject {
    fn strength(self, counts: Counts) -> f32 {
        match self {
            Self::Network => of_network(counts),
            Self::Account => of_account(counts),
        }
    }

    /// What there is to tell filters of a network: another step of strength, or the same before the mark ends.
    fn news(self, tally: &mut Tally, now_ms: u64) -> Option<Mark> {
        let step = match self {
            Self::Network => step(of_network(tally.counts(now_ms))),
            Self::Account => return None,
        };
        let is_old = tally.told_ms.abs_diff(now_ms) >= u64::from(MARK_KEEP_S) * 500;
        if step == tally.told && (step == 0 || !is_old) {
            return None;
        }
        (tally.told, tally.told_ms) = (step, now_ms);
        Some(mark(tally.key, step))
    }
}

fn step(strength: f32) -> u8 {
    (strength * STEPS) as u8
}

fn mark(key: u64, step: u8) -> Mark {
    let value = (f32::from(step) * 255.0 / STEPS).round() as u8;
    Mark { kind: MarkKind::Network, key, value, keep_s: MARK_KEEP_S }
}

/// What is remembered of a network or an account.
#[derive(Clone, Copy, Debug, Default)]
struct Tally {
    key: u64,
    /// The moment that `counts` are of, Unix ms.
    at_ms: u64,
    counts: Counts,
    /// When other replicas were asked last, Unix ms.
    asked_ms: u64,
    /// The step of strength that filters were told last, and when.
    told: u8,
    told_ms: u64,
}

impl Tally {
    /// The counts as of `now_ms`; a clock that was set back changes nothing.
    fn counts(&self, now_ms: u64) -> Counts {
        let elapsed_s = now_ms.saturating_sub(self.at_ms) as f32 / 1000.0;
        let left = (-elapsed_s / TAU_S).exp();
        Counts { failed: self.counts.failed * left, passed: self.counts.passed * left }
    }

    fn add(&mut self, by: Counts, now_ms: u64) {
        let now = self.counts(now_ms);
        self.counts = Counts { failed: now.failed + by.failed, passed: now.passed + by.passed };
        self.at_ms = now_ms;
    }

    /// Takes over what all replicas together counted, where that is more.
    fn take_over(&mut self, all: Counts, now_ms: u64) {
        let now = self.counts(now_ms);
        self.counts = Counts { failed: now.failed.max(all.failed), passed: now.passed.max(all.passed) };
        (self.at_ms, self.asked_ms) = (now_ms, now_ms);
    }

    /// Whether other replicas should be asked again.
    fn ask(&mut self, now_ms: u64) -> bool {
        let is_stale = self.asked_ms.abs_diff(now_ms) >= FRESH_MS;
        if is_stale {
            self.asked_ms = now_ms;
        }
        is_stale
    }
}

impl Record for Tally {
    fn new(key: u64) -> Self {
        Self { key, ..Self::default() }
    }

    fn key(&self) -> u64 {
        self.key
    }

    fn last_seen_ms(&self) -> u64 {
        self.at_ms.max(self.asked_ms)
    }
}

#[cfg(test)]
mod tests;
