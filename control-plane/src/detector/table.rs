//! A bounded table of records by keyed hash: fixed capacity, no rehashing, no allocation per client.
//!
//! The key's bits choose a shard, a set of it and then one of eight places, as in a processor's cache; where
//! all eight are taken, the longest idle of them makes room that is not worth keeping. Where all are, the
//! newcomer's record is made, worked on and dropped: so a flood of newcomers costs those nothing who are heard
//! of already, and nobody stays for ever. Keys are keyed hashes, so nobody outside can aim for a set. A
//! shard's memory is claimed when its first client arrives.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

/// Places in a set.
const WAYS: usize = 8;

/// Shards, each with a lock of its own.
const SHARDS: usize = 256;

/// Who was idle for so many milliseconds (24 hours) is worth keeping no more.
const LONGEST_WORTH_MS: u64 = 86_400_000;

/// A record that was seen more than this after a newcomer is of a clock that was set back (10 minutes).
const STEP_BACK_MS: u64 = 600_000;

/// What a table can hold: something about a client, a session, a rate cell.
pub(crate) trait Record {
    /// The record of a client not seen before.
    fn new(key: u64) -> Self;
    /// Its key.
    fn key(&self) -> u64;
    /// On whatever clock; the least makes room. 0 before anything was counted.
    fn last_seen_ms(&self) -> u64;
    /// Until when it must not make room for a newcomer, on the same clock; 0 where only idleness counts.
    fn worth_until_ms(&self) -> u64 {
        0
    }
}

/// The places of a shard; none until its first client.
type Places<T> = Box<[Option<T>]>;

/// The table.
pub(crate) struct Table<T> {
    shards: Box<[Mutex<Places<T>>]>,
    sets: usize,
    held: AtomicU64,
    evicted: AtomicU64,
    turned_away: AtomicU64,
}

impl<T: Record> Table<T> {
    /// Room for at least `capacity` records.
    pub(crate) fn new(capacity: usize) -> Self {
        let sets = capacity.div_ceil(SHARDS * WAYS).max(1);
        let shards = (0..SHARDS).map(|_| Mutex::new(Box::default())).collect();
        let [held, evicted, turned_away] = [const { AtomicU64::new(0) }; 3];
        Self { shards, sets, held, evicted, turned_away }
    }

    /// Works on the record of `key`, made new where there is none; a new one is kept where there is room for it at the
    /// time that the work leaves as its last.
    pub(crate) fn with<R>(&self, key: u64, work: impl FnOnce(&mut T) -> R) -> R {
        self.work(key, work).0
    }

    /// As [`Table::with`], and whether the record is kept.
    pub(crate) fn work<R>(&self, key: u64, work: impl FnOnce(&mut T) -> R) -> (R, bool) {
        let shard = &self.shards[key as usize % SHARDS];
        // A panic under the lock leaves a record as it was at that moment: plain numbers, still usable.
        let mut places = shard.lock().unwrap_or_else(PoisonError::into_inner);
        if places.is_empty() {
            *places = (0..self.sets * WAYS).map(|_| None).collect();
        }
        let first = (key >> 32) as usize % self.sets * WAYS;
        let set = &mut places[first..first + WAYS];
        if let Some(record) = set.iter_mut().flatten().find(|record| record.key() == key) {
            return (work(record), true);
        }
        let mut newcomer = T::new(key);
        let outcome = work(&mut newcomer);
        let place = self.make_room(set, newcomer.last_seen_ms());
        let is_kept = place.is_some();
        if let Some(place) = place {
            *place = Some(newcomer);
        }
        (outcome, is_kept)
    }

    /// Works on the record of `key`, if there is one.
    pub(crate) fn change<R>(&self, key: u64, work: impl FnOnce(&mut T) -> R) -> Option<R> {
        let mut places = self.shards[key as usize % SHARDS].lock().unwrap_or_else(PoisonError::into_inner);
        let first = (key >> 32) as usize % self.sets * WAYS;
        let set = places.get_mut(first..first + WAYS)?;
        set.iter_mut().flatten().find(|record| record.key() == key).map(work)
    }

    /// Reads the record of `key`, if there is one.
    pub(crate) fn read<R>(&self, key: u64, read: impl FnOnce(&T) -> R) -> Option<R> {
        let places = self.shards[key as usize % SHARDS].lock().unwrap_or_else(PoisonError::into_inner);
        let first = (key >> 32) as usize % self.sets * WAYS;
        let set = places.get(first..first + WAYS)?;
        set.iter().flatten().find(|record| record.key() == key).map(read)
    }

    /// Reads every record; each shard is locked for as long as its own are read.
    pub(crate) fn each(&self, mut read: impl FnMut(&T)) {
        for shard in &self.shards {
            let places = shard.lock().unwrap_or_else(PoisonError::into_inner);
            places.iter().flatten().for_each(&mut read);
        }
    }

    /// Records held.
    pub(crate) fn len(&self) -> u64 {
        self.held.load(Ordering::Relaxed)
    }

    /// Records that made room for others since the start.
    pub(crate) fn evicted(&self) -> u64 {
        self.evicted.load(Ordering::Relaxed)
    }

    /// Newcomers that were not kept since the start, each time counted.
    pub(crate) fn turned_away(&self) -> u64 {
        self.turned_away.load(Ordering::Relaxed)
    }

    /// The place for a newcomer that was seen at `now_ms`, if there is one.
    fn make_room<'a>(&self, set: &'a mut [Option<T>], now_ms: u64) -> Option<&'a mut Option<T>> {
        // Empty places first, they sort before all others.
        let last_seen = |place: &&mut Option<T>| place.as_ref().map(T::last_seen_ms);
        let may_go = |place: &&mut Option<T>| !place.as_ref().is_some_and(|record| is_worthy(record, now_ms));
        let place = set.iter_mut().filter(may_go).min_by_key(last_seen);
        let counter = match &place {
            Some(None) => &self.held,
            Some(Some(_)) => &self.evicted,
            None => &self.turned_away,
        };
        counter.fetch_add(1, Ordering::Relaxed);
        place
    }
}

/// Whether a record must not make room for a newcomer that was seen at `now_ms`; for one that was never seen, 0, nobody
/// has to go who is worth anything.
fn is_worthy(record: &impl Record, now_ms: u64) -> bool {
    let (seen_ms, until_ms) = (record.last_seen_ms(), record.worth_until_ms());
    let is_from_later = now_ms > 0 && seen_ms > now_ms.saturating_add(STEP_BACK_MS);
    !is_from_later && now_ms < until_ms.min(seen_ms.saturating_add(LONGEST_WORTH_MS))
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Seen {
        key: u64,
        at: u64,
        worth_until: u64,
    }

    impl Record for Seen {
        fn new(key: u64) -> Self {
            Self { key, at: 0, worth_until: 0 }
        }
        fn key(&self) -> u64 {
            self.key
        }
        fn last_seen_ms(&self) -> u64 {
            self.at
        }
        fn worth_until_ms(&self) -> u64 {
            self.worth_until
        }
    }

    /// All in one shard and set: the low bits are alike.
    fn key(n: u64) -> u64 {
        n << 40
    }

    #[test]
    fn the_longest_idle_makes_room() {
        let table: Table<Seen> = Table::new(1);
        for n in 0..8 {
            table.with(key(n), |seen| seen.at = 10 + n);
        }
        table.with(key(0), |seen| seen.at = 100);
        table.with(key(8), |seen| seen.at = 101);
        assert_eq!(table.read(key(1), |seen| seen.at), None, "idle since 11");
        assert_eq!(table.read(key(0), |seen| seen.at), Some(100));
        assert_eq!((table.len(), table.evicted()), (8, 1));
    }

    #[test]
    fn the_table_never_grows_beyond_its_capacity() {
        let table: Table<Seen> = Table::new(10_000);
        for n in 0..100_000_u64 {
            table.with(n.wrapping_mul(0x9E37_79B9_7F4A_7C15), |seen| seen.at = n);
        }
        let capacity = (SHARDS * WAYS * table.sets) as u64;
        assert!(capacity < 13_000 && table.len() <= capacity, "{} of {capacity}", table.len());
        assert_eq!(table.len() + table.evicted(), 100_000);
    }

    #[test]
    fn who_is_worth_keeping_makes_no_room_until_it_is_not() {
        const START: u64 = 1_700_000_000_000;
        let table: Table<Seen> = Table::new(1);
        for n in 0..8 {
            table.with(key(n), |seen| (seen.at, seen.worth_until) = (START + n, START + 100 * (n + 1)));
        }
        let come = |n: u64, at: u64| table.with(key(n), |seen| std::mem::replace(&mut seen.at, at));
        let is_held = |n: u64| table.read(key(n), |_| ()).is_some();
        assert_eq!((come(20, START + 99), is_held(20), table.turned_away()), (0, false, 1));
        // A record on which nothing was counted has no time of its own.
        assert_eq!((come(21, 0), is_held(21), table.turned_away()), (0, false, 2));
        come(22, START + 100);
        assert!(is_held(22) && !is_held(0), "worth ends");
        come(23, START + 150);
        assert!(is_held(23) && !is_held(22), "only a newcomer makes room, however lately it was seen");
        assert_eq!((table.len(), table.evicted(), table.turned_away()), (8, 2, 2));
        // Worth beyond a day of idleness counts no more, nor what is left from before the clock was set back.
        for n in 1..8 {
            table.with(key(n), |seen| seen.worth_until = u64::MAX);
        }
        table.with(key(23), |seen| (seen.at, seen.worth_until) = (START, u64::MAX));
        come(24, START + LONGEST_WORTH_MS - 1);
        assert!(!is_held(24));
        come(24, START + LONGEST_WORTH_MS);
        assert!(is_held(24) && !is_held(23));
        come(25, START - LONGEST_WORTH_MS);
        assert!(is_held(25));
    }

    #[test]
    fn a_million_newcomers_cost_a_hundred_who_are_worth_keeping_nothing() {
        const START: u64 = 1_700_000_000_000;
        let table: Table<Seen> = Table::new(2_048);
        let key = |n: u64| (n + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        for n in 0..100 {
            table.with(key(n), |seen| (seen.at, seen.worth_until) = (START + n, START + 3_600_000));
        }
        for n in 0..1_000_000 {
            table.with(key(1_000 + n), |seen| seen.at = START + 1_000 + n);
        }
        for n in 0..100 {
            assert_eq!(
                table.read(key(n), |seen| (seen.at, seen.worth_until)),
                Some((START + n, START + 3_600_000))
            );
        }
        assert_eq!(table.len(), 2_048);
        assert_eq!(table.len() + table.evicted() + table.turned_away(), 1_000_100);
    }
}
