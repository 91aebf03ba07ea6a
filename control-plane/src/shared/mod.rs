//! State that replicas share: rate cells, suspicious sessions, cached answers, one-time claims, quotas, and notices
//! of what has changed. In memory for one process, in Redis for several; both pass the same contract tests.
//!
//! Nothing here is asked while a request waits: the request path reads and counts in memory, and what it counted is
//! merged in the background. So a Redis that is slow, full or gone delays nobody.

#[cfg(test)]
mod contract;
mod fallback;
mod memory;
mod open;
mod recent;
mod redis;
#[cfg(test)]
pub(crate) mod testing;

use std::future::Future;
use std::pin::Pin;

use tokio::sync::broadcast;

pub use fallback::Fallback;
pub use memory::Memory;
pub use open::{choose_hash_key, open};
pub use redis::Redis;
#[cfg(test)]
pub(crate) use redis::testing as redis_testing;

/// A rate cell is never further ahead than this, µs: 30 days.
const MOST_AHEAD_US: u64 = 30 * 86_400 * 1_000_000;

/// Quotas are drawn from per UTC day.
const DAY_MS: u64 = 86_400_000;

/// How long a day's quota is remembered, seconds: longer than a day, for clocks that differ.
const QUOTA_KEEP_S: u32 = 2 * 86_400;

/// Longest name, bytes.
const NAME_BYTES: usize = 200;

/// Largest record of a set, bytes.
pub const MOST_RECORD_BYTES: usize = 4 << 20;

/// Largest value that is kept under a name, bytes.
const KEPT_BYTES: usize = 64 << 10;

/// What shared state answers, in time.
pub type Answer<'a, T> = Pin<Box<dyn Future<Output = Result<T, SharedError>> + Send + 'a>>;

/// Why shared state could not do what it was asked; whoever asked goes on with what it knows itself.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("shared state: {0}")]
pub struct SharedError(pub String);

/// Requests that were let through, to be added to a rate cell (GCRA).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Charge {
    /// Which limit: `LimitRule` of core as a number.
    pub rule: u8,
    /// Keyed hash of the client, address or session.
    pub key: u64,
    /// How far the requests push the cell, µs.
    pub cost_us: u64,
    /// How far the cell was ahead of now before them at least, µs: what a replica let through before it began to tell.
    pub least_us: u64,
    /// How far a full cell of the limit is ahead, µs. What charges with another number left in the cell, those of a policy
    /// that is not in force any more, counts as no more than this; what those with the same number leave may be more, where
    /// several replicas let a burst through, and is paid back.
    pub most_us: u64,
}

/// Suspicious actions of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Suspicion {
    /// Keyed hash of the session.
    pub session: u64,
    /// How many.
    pub by: u32,
}

/// Events that fade with a time constant, such as failed logins of a network.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Fading {
    /// What is counted, such as `b'n'` for networks and `b'u'` for accounts; keeps equal keys apart.
    pub kind: u8,
    /// Keyed hash.
    pub key: u64,
    /// How many.
    pub by: f32,
    /// Time constant, seconds.
    pub tau_s: f32,
}

/// A change that other replicas should look at now rather than at their next look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Notice {
    /// List entries were added or removed.
    Lists,
    /// Another checkpoint was promoted.
    Checkpoint,
    /// The configuration was changed.
    Policy,
    /// A session's count of suspicious actions; 0 after it was cleared.
    Session {
        /// Keyed hash of the session.
        session: u64,
        /// The count.
        count: u32,
        /// How long it is kept, seconds.
        keep_s: u32,
    },
    /// The site issued a session.
    Issued {
        /// Keyed hash of the session.
        session: u64,
    },
}

/// A record of a replicated set: an id, and bytes that say by themselves which of two versions is newer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetRecord {
    /// Unique in its set, at most 64 bytes.
    pub id: String,
    /// The newest version, at most 4 MiB.
    pub bytes: Vec<u8>,
}

/// A snapshot that has a number among all replicas.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Numbered {
    /// Its version.
    pub number: u64,
    /// When it got it, Unix ms; the same for all.
    pub created_ms: u64,
    /// SHA-256 of its content.
    pub digest: [u8; 32],
}

/// How shared state is doing; taken without asking anybody.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SharedHealth {
    /// Whether other replicas can be reached through it; `false` in memory.
    pub is_shared: bool,
    /// Why what is configured does not work, while it does not.
    pub degraded: Option<String>,
    /// Operations that Redis answered, since the start.
    pub operations: u64,
    /// Operations that it did not answer, or not rightly; memory did.
    pub failures: u64,
    /// Notices that came from other replicas.
    pub notices: u64,
}

/// A backend of shared state.
pub trait SharedState: Send + Sync + 'static {
    /// Adds requests to rate cells; for each, in order, how far the cell is ahead of now, µs. A cell is the theoretical
    /// arrival time of GCRA: `tat = max(tat, now + least) + cost`. Kept for at least 60 s.
    fn charge<'a>(&'a self, charges: &'a [Charge]) -> Answer<'a, Vec<u64>>;

    /// Adds suspicious actions to sessions (`suspicious:{session_id}`), which are forgotten `keep_s` after the last;
    /// the new counts, in order.
    fn suspect<'a>(&'a self, suspicions: &'a [Suspicion], keep_s: u32) -> Answer<'a, Vec<u32>>;

    /// A session's count.
    fn suspicion(&self, session: u64) -> Answer<'_, u32>;

    /// Sets a session's count to 0, as after a passed challenge; whether it was above.
    fn clear_suspicion(&self, session: u64) -> Answer<'_, bool>;

    /// Adds events to fading counts; the new counts, in order.
    fn fade<'a>(&'a self, events: &'a [Fading]) -> Answer<'a, Vec<f32>>;

    /// What was kept under a name, such as `reputation:…`, if it is still there.
    fn cached<'a>(&'a self, name: &'a str) -> Answer<'a, Option<Vec<u8>>>;

    /// Keeps bytes (at most 64 KiB) under a name for `keep_s` seconds.
    fn keep<'a>(&'a self, name: &'a str, bytes: Vec<u8>, keep_s: u32) -> Answer<'a, ()>;

    /// Whether this is the first claim of a name within `keep_s` seconds: what may be used once, is used once.
    fn claim<'a>(&'a self, name: &'a str, keep_s: u32) -> Answer<'a, bool>;

    /// Takes one from a quota of `limit` per UTC day; whether there was one left.
    fn draw<'a>(&'a self, quota: &'a str, limit: u32, now_ms: u64) -> Answer<'a, bool>;

    /// A value that all replicas agree on for ever: the first one's; `None` in memory, where there is nobody to agree with.
    fn agree<'a>(&'a self, name: &'a str, value: Vec<u8>) -> Answer<'a, Option<Vec<u8>>>;

    /// The number of a snapshot's content that all replicas give it: the latest where the content (its digest) is
    /// still the same and the number above `above`, else one more than both. `None` in memory.
    fn number_snapshot(&self, digest: [u8; 32], above: u64) -> Answer<'_, Option<Numbered>>;

    /// The latest snapshot that was numbered; `None` where none was, and in memory.
    fn latest_snapshot(&self) -> Answer<'_, Option<Numbered>>;

    /// Puts the newest versions of records into a replicated set; the set's revision after it.
    fn put_records<'a>(&'a self, set: &'a str, records: &'a [SetRecord]) -> Answer<'a, u64>;

    /// The records of a set that changed after `revision` (0: all), and the revision now. A revision below the one
    /// asked for means that the set was lost: put everything in again and ask from 0. What is put in last stands, so
    /// whoever reads an older version than its own puts its own in again. Empty in memory.
    fn records_since<'a>(&'a self, set: &'a str, revision: u64) -> Answer<'a, (u64, Vec<SetRecord>)>;

    /// Tells the other replicas; never waits. Lost where they cannot be reached: they look by themselves too.
    fn tell(&self, notice: Notice);

    /// Notices of other replicas from now on.
    fn notices(&self) -> broadcast::Receiver<Notice>;

    /// How it is doing.
    fn health(&self) -> SharedHealth;
}

/// A fading count after an event: `count·e^(−passed / tau) + by`. Total: what is no sensible number counts as 0.
fn faded(count: f32, passed_us: u64, event: &Fading) -> f32 {
    let passed_s = passed_us as f32 / 1e6;
    let (by, tau_s) = sensible(event);
    (count * (-passed_s / tau_s).exp() + by).min(f32::MAX)
}

/// How long a fading count is kept: until e^−20 (2·10⁻⁹) of it is left, and at least a minute.
fn fading_keep_s(event: &Fading) -> u32 {
    (20.0 * sensible(event).1).max(60.0) as u32
}

/// An event's count, 0 or more, and its time constant, from 1 ms to 100 days.
fn sensible(event: &Fading) -> (f32, f32) {
    let by = if event.by.is_finite() { event.by.max(0.0) } else { 0.0 };
    let tau_s = if event.tau_s.is_finite() { event.tau_s.clamp(1e-3, 8_640_000.0) } else { 60.0 };
    (by, tau_s)
}

fn check_name(name: &str) -> Result<(), SharedError> {
    if (1..=NAME_BYTES).contains(&name.len()) {
        return Ok(());
    }
    Err(SharedError(format!("a name has 1 to {NAME_BYTES} bytes, not {}", name.len())))
}

fn check_kept(bytes: &[u8]) -> Result<(), SharedError> {
    if bytes.len() <= KEPT_BYTES {
        return Ok(());
    }
    Err(SharedError(format!("at most {KEPT_BYTES} bytes are kept under a name, not {}", bytes.len())))
}
