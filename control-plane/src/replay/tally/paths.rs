//! Counts of paths, for at most a fixed number of them.

use std::collections::HashMap;

/// The longest path that is kept, bytes.
const MAX_PATH: usize = 256;

/// How often each path was refused. Paths that come after `max` different ones are only counted together.
pub(crate) struct Paths {
    max: usize,
    counts: HashMap<Box<[u8]>, u64>,
    others: u64,
}

impl Paths {
    /// Room for `max` paths.
    pub(crate) fn new(max: usize) -> Self {
        Self { max, counts: HashMap::new(), others: 0 }
    }

    /// Counts a path.
    pub(crate) fn add(&mut self, path: &[u8]) {
        let path = path.get(..MAX_PATH).unwrap_or(path);
        if let Some(count) = self.counts.get_mut(path) {
            *count += 1;
        } else if self.counts.len() < self.max {
            self.counts.insert(path.into(), 1);
        } else {
            self.others += 1;
        }
    }

    /// The most frequent paths, at most `count`.
    pub(crate) fn top(&self, count: usize) -> Vec<(&[u8], u64)> {
        let mut all: Vec<_> = self.counts.iter().map(|(path, count)| (&**path, *count)).collect();
        all.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(b.0)));
        all.truncate(count);
        all
    }
}
