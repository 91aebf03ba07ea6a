//! What waits to be merged into shared state: gathered by key, taken by one task in rounds, and waited for by those who
//! want to hear what came of it, but not for long.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep_until, timeout};

/// Most keys that wait; a round is taken every 50 ms, so more come only while shared state is slow.
const MOST: usize = 65_536;

/// Between two rounds that nobody waits for.
const REST: Duration = Duration::from_millis(50);

/// Between two rounds that somebody waits for.
const SHORT_REST: Duration = Duration::from_millis(5);

/// Keys with what is to be added to each.
pub(crate) struct Backlog<K, V> {
    waiting: Mutex<Waiting<K, V>>,
    work: Notify,
    hurry: Notify,
    merged: watch::Sender<u64>,
    refused: AtomicU64,
}

struct Waiting<K, V> {
    items: HashMap<K, V>,
    /// The round that will take them, from 1 on.
    round: u64,
}

/// What was taken at once.
pub(crate) struct Round<K, V> {
    /// Its number; hand it to [`Backlog::done`] when it is merged.
    pub(crate) number: u64,
    /// Each key once.
    pub(crate) items: Vec<(K, V)>,
}

impl<K: Hash + Eq, V: Copy> Backlog<K, V> {
    /// Nothing waits.
    pub(crate) fn new() -> Self {
        Self {
            waiting: Mutex::new(Waiting { items: HashMap::new(), round: 1 }),
            work: Notify::new(),
            hurry: Notify::new(),
            merged: watch::Sender::new(0),
            refused: AtomicU64::new(0),
        }
    }

    /// Adds to keys, `join` where one waits already; the round to wait for, 0 where nothing was added. New keys are
    /// refused while it is full.
    pub(crate) fn add(&self, items: impl Iterator<Item = (K, V)>, join: impl Fn(&mut V, V)) -> u64 {
        let mut waiting = self.lock();
        let (was_empty, mut round) = (waiting.items.is_empty(), 0);
        for (key, value) in items {
            if let Some(held) = waiting.items.get_mut(&key) {
                join(held, value);
            } else if waiting.items.len() < MOST {
                waiting.items.insert(key, value);
            } else {
                self.refused.fetch_add(1, Ordering::Relaxed);
                continue;
            }
            round = waiting.round;
        }
        let is_empty = waiting.items.is_empty();
        drop(waiting);
        if was_empty && !is_empty {
            self.work.notify_one();
        }
        round
    }

    /// What waits for a key.
    pub(crate) fn get(&self, key: &K) -> Option<V> {
        self.lock().items.get(key).copied()
    }

    /// Takes back what waits for a key.
    pub(crate) fn remove(&self, key: &K) {
        self.lock().items.remove(key);
    }

    /// Takes all that waits.
    pub(crate) fn take(&self) -> Round<K, V> {
        let mut waiting = self.lock();
        let number = waiting.round;
        waiting.round += 1;
        Round { number, items: waiting.items.drain().collect() }
    }

    /// A round is merged, or given up; whoever waits for it goes on.
    pub(crate) fn done(&self, round: u64) {
        self.merged.send_replace(round);
    }

    /// Waits for a round, at most so long.
    pub(crate) async fn merged(&self, round: u64, patience: Duration) {
        let mut merged = self.merged.subscribe();
        if *merged.borrow_and_update() >= round {
            return;
        }
        self.hurry.notify_one();
        // Too late or not: whoever asks takes what is known then.
        drop(timeout(patience, merged.wait_for(|merged| *merged >= round)).await);
    }

    /// Waits until something is there and the last round, taken at `last`, is long enough ago.
    pub(crate) async fn due(&self, last: Instant) {
        self.work.notified().await;
        let hurried = async {
            self.hurry.notified().await;
            sleep_until(last + SHORT_REST).await;
        };
        tokio::select! {
            () = sleep_until(last + REST) => {}
            () = hurried => {}
        }
    }

    /// Additions that found no room since the start.
    pub(crate) fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }

    fn lock(&self) -> MutexGuard<'_, Waiting<K, V>> {
        // A panic under the lock leaves plain numbers, still usable.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sum(held: &mut u32, more: u32) {
        *held += more;
    }

    #[tokio::test]
    async fn keys_are_joined_and_rounds_waited_for() {
        let backlog = Backlog::new();
        assert_eq!(backlog.add(std::iter::empty(), sum), 0, "nothing to wait for");
        assert_eq!(backlog.add([(1, 2), (1, 3), (2, 1)].into_iter(), sum), 1);
        backlog.remove(&2);
        assert_eq!((backlog.get(&1), backlog.get(&2)), (Some(5), None));
        let round = backlog.take();
        assert_eq!((round.number, round.items), (1, vec![(1, 5)]));
        assert_eq!(backlog.add([(1, 1)].into_iter(), sum), 2, "the next round's");
        backlog.done(1);
        backlog.merged(1, Duration::from_secs(3600)).await;
        backlog.merged(0, Duration::from_secs(3600)).await;
    }

    #[tokio::test]
    async fn patience_ends_and_a_round_is_due_once_there_is_something() {
        let backlog = Backlog::new();
        let round = backlog.add([(1, 1)].into_iter(), sum);
        backlog.merged(round, Duration::ZERO).await;
        // Nobody merged, and the wait is over; the hurry it left behind ends the rest of any length.
        let last = Instant::now();
        backlog.due(last).await;
        assert!(last.elapsed() >= SHORT_REST);
        backlog.take();
        backlog.add([(1, 1)].into_iter(), sum);
        let last = Instant::now();
        backlog.due(last).await;
        assert!(last.elapsed() >= REST, "nobody waits");
    }

    #[test]
    fn it_is_bounded() {
        let backlog = Backlog::new();
        backlog.add((0..MOST + 10).map(|key| (key, 1)), sum);
        backlog.add([(7, 1)].into_iter(), sum);
        assert_eq!((backlog.refused(), backlog.get(&7)), (10, Some(2)), "keys that wait are still added to");
        assert_eq!(backlog.take().items.len(), MOST);
    }
}
