//! A bounded table of records by keyed hash: fixed capacity, no rehashing, no allocation per client.
//!
//! The key's bits choose a shard, a set of it and then one of eight places, as in a processor's cache; where
//! all eight are taken, the longest idle of them makes room. Keys are keyed hashes, so nobody outside can
//! aim for a set. A shard's memory is claimed when its first client arrives.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

/// Places in a set.
const WAYS: usize = 8;

/// Shards, each with a lock of its own.
const SHARDS: usize = 256;

/// What a table can hold: something about a client, a session, a rate cell.
pub(crate) trait Record {
    /// The record of a client not seen before.
    fn new(key: u64) -> Self;
    /// Its key.
    fn key(&self) -> u64;
    /// On whatever clock; the least makes room.
    fn last_seen_ms(&self) -> u64;
}

/// The places of a shard; none until its first client.
type Places<T> = Box<[Option<T>]>;

/// The table.
pub(crate) struct Table<T> {
    shards: Box<[Mutex<Places<T>>]>,
    sets: usize,
    held: AtomicU64,
    evicted: AtomicU64,
}

impl<T: Record> Table<T> {
    /// Room for at least `capacity` records.
    pub(crate) fn new(capacity: usize) -> Self {
        let sets = capacity.div_ceil(SHARDS * WAYS).max(1);
        let shards = (0..SHARDS).map(|_| Mutex::new(Box::default())).collect();
        Self { shards, sets, held: AtomicU64::new(0), evicted: AtomicU64::new(0) }
    }

    /// Works on the record of `key`, made new where there is none.
    pub(crate) fn with<R>(&self, key: u64, work: impl FnOnce(&mut T) -> R) -> R {
        let shard = &self.shards[key as usize % SHARDS];
        // A panic under the lock leaves a record as it was at that moment: plain numbers, still usable.
        let mut places = shard.lock().unwrap_or_else(PoisonError::into_inner);
        if places.is_empty() {
            *places = (0..self.sets * WAYS).map(|_| None).collect();
        }
        let first = (key >> 32) as usize % self.sets * WAYS;
        let set = &mut places[first..first + WAYS];
        let place = set.iter().position(|place| place.as_ref().is_some_and(|record| record.key() == key));
        let place = place.unwrap_or_else(|| self.make_room(set));
        work(set[place].get_or_insert_with(|| T::new(key)))
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

    fn make_room(&self, set: &mut [Option<T>]) -> usize {
        // None sorts before every Some, so an empty place is taken first.
        let idlest = set.iter().enumerate().min_by_key(|(_, place)| place.as_ref().map(T::last_seen_ms));
        let place = idlest.map_or(0, |(index, _)| index);
        if set[place].take().is_some() {
            self.evicted.fetch_add(1, Ordering::Relaxed);
        } else {
            self.held.fetch_add(1, Ordering::Relaxed);
        }
        place
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Seen {
        key: u64,
        at: u64,
    }

    impl Record for Seen {
        fn new(key: u64) -> Self {
            Self { key, at: 0 }
        }
        fn key(&self) -> u64 {
            self.key
        }
        fn last_seen_ms(&self) -> u64 {
            self.at
        }
    }

    #[test]
    fn the_longest_idle_makes_room() {
        let table: Table<Seen> = Table::new(1);
        // All in one shard and set: the low bits are alike.
        let key = |n: u64| n << 40;
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
}
