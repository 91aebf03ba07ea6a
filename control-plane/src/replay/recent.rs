//! A map of bounded size that forgets what was not used lately.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

/// Two generations of entries: when the young one is full, the old one is dropped and they change places. An entry in
/// use moves to the young one. So at least the `capacity / 2` entries last used are there, and never more than `capacity`.
pub(crate) struct Recent<V> {
    half: usize,
    young: HashMap<u64, V, BuildHasherDefault<Keyed>>,
    old: HashMap<u64, V, BuildHasherDefault<Keyed>>,
    forgotten: u64,
}

impl<V> Recent<V> {
    /// An empty map for at most `capacity` entries (at least 2).
    pub(crate) fn new(capacity: usize) -> Self {
        Self { half: (capacity / 2).max(1), young: HashMap::default(), old: HashMap::default(), forgotten: 0 }
    }

    /// The entry of a key, made by `new` where there is none.
    pub(crate) fn entry(&mut self, key: u64, new: impl FnOnce() -> V) -> &mut V {
        if !self.young.contains_key(&key) && self.young.len() >= self.half {
            self.forgotten += self.old.len() as u64;
            self.old = std::mem::take(&mut self.young);
        }
        self.young.entry(key).or_insert_with(|| self.old.remove(&key).unwrap_or_else(new))
    }

    /// How many entries were dropped.
    pub(crate) fn forgotten(&self) -> u64 {
        self.forgotten
    }
}

/// Passes a key on as it is: the keys are keyed hashes already.
#[derive(Default)]
pub(crate) struct Keyed(u64);

impl Hasher for Keyed {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(byte);
        }
    }

    fn write_u64(&mut self, key: u64) {
        self.0 = key;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_in_use_stays_and_the_size_is_bounded() {
        let mut map = Recent::new(10);
        for key in 0..1000 {
            *map.entry(7777, || 0) += 1;
            map.entry(key, || 0);
            assert!(map.young.len() + map.old.len() <= 10);
        }
        assert_eq!(*map.entry(7777, || 0), 1000);
        assert!(map.forgotten() > 900);
    }

    #[test]
    fn an_entry_never_stands_in_both_generations() {
        let mut map = Recent::new(4);
        for key in [1, 2, 3, 1, 4, 1] {
            *map.entry(key, || 0) += 1;
        }
        assert_eq!(*map.entry(1, || 0), 3);
        assert!(!map.old.contains_key(&1));
    }
}
