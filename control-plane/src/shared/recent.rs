//! A bounded map whose entries run out, and whose oldest half makes room when it is full.
//!
//! Two generations: what is written goes into the young one; when that is full it becomes the old one, and what was
//! old and has not been written since is dropped. So everything costs O(1), and the newest `most` entries are there.

use std::collections::HashMap;
use std::hash::Hash;

/// The map; at most twice its limits.
pub(super) struct Recent<K, V> {
    young: HashMap<K, Kept<V>>,
    old: HashMap<K, Kept<V>>,
    most: usize,
    most_bytes: usize,
    /// Of the young generation.
    bytes: usize,
}

struct Kept<V> {
    value: V,
    until_us: u64,
}

impl<K: Hash + Eq, V> Recent<K, V> {
    /// Keeps at least the newest `most` entries, where these have been put with at most `most_bytes` in all.
    pub(super) fn new(most: usize, most_bytes: usize) -> Self {
        Self { young: HashMap::new(), old: HashMap::new(), most, most_bytes, bytes: 0 }
    }

    /// The value of a key that has not run out.
    pub(super) fn get(&self, key: &K, now_us: u64) -> Option<&V> {
        let kept = self.young.get(key).or_else(|| self.old.get(key))?;
        (now_us < kept.until_us).then_some(&kept.value)
    }

    /// Puts a value of `bytes` bytes in, over what was there, until `until_us`.
    pub(super) fn put(&mut self, key: K, value: V, until_us: u64, bytes: usize) {
        let is_new = !self.young.contains_key(&key);
        if is_new && self.young.len() >= self.most || self.bytes.saturating_add(bytes) > self.most_bytes {
            self.old = std::mem::take(&mut self.young);
            self.bytes = 0;
        }
        // What is overwritten is not taken off: the generation then ends a little early.
        self.bytes = self.bytes.saturating_add(bytes);
        self.young.insert(key, Kept { value, until_us });
    }

    /// Takes a key out; its value, if that had not run out.
    pub(super) fn remove(&mut self, key: &K, now_us: u64) -> Option<V> {
        let old = self.old.remove(key);
        let kept = self.young.remove(key).or(old)?;
        (now_us < kept.until_us).then_some(kept.value)
    }

    /// Entries held, those that ran out too.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.young.len() + self.old.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_are_there_and_no_more_than_twice_the_limit() {
        let mut recent = Recent::new(100, usize::MAX);
        for n in 0..1_000_u32 {
            recent.put(n, n, u64::MAX, 0);
            assert!(recent.len() <= 200);
            assert!((n.saturating_sub(99)..=n).all(|newer| recent.get(&newer, 0) == Some(&newer)));
        }
        assert_eq!(recent.get(&1, 0), None);
    }

    #[test]
    fn what_is_written_again_stays() {
        let mut recent = Recent::new(10, usize::MAX);
        for n in 0..1_000_u32 {
            recent.put(n, 0, u64::MAX, 0);
            recent.put(7_777, n, u64::MAX, 0);
        }
        assert_eq!(recent.get(&7_777, 0), Some(&999));
    }

    #[test]
    fn bytes_are_bounded_too_and_time_runs_out() {
        let mut recent = Recent::new(1_000, 100);
        for n in 0..1_000_u32 {
            recent.put(n, (), 50, 30);
            assert!(recent.len() <= 6, "{}", recent.len());
        }
        assert_eq!((recent.get(&999, 49), recent.get(&999, 50)), (Some(&()), None));
        assert_eq!((recent.remove(&998, 50), recent.remove(&999, 49)), (None, Some(())));
        assert_eq!(recent.get(&999, 0), None);
    }
}
