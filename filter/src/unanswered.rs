//! Newcomers' assets that were let through and not answered yet. Whether they are assets shows when they are answered: until
//! then there are no more of a network than a crowd has under way.

use std::cell::Cell;
use std::rc::Rc;

/// Of one network at one machine so many may be under way.
pub const MOST: u32 = 500;

/// Counters; networks share one by their keyed hash where there are more of them.
const COUNTERS: usize = 4_096;

/// How many are under way.
#[derive(Clone, Debug)]
pub struct Unanswered(Rc<[Cell<u32>]>);

/// One of them, until it is dropped.
#[derive(Debug)]
pub(crate) struct Pending {
    all: Unanswered,
    network: u64,
}

impl Default for Unanswered {
    fn default() -> Self {
        Self(vec![Cell::new(0); COUNTERS].into())
    }
}

impl Unanswered {
    /// Whether there is room for one more of a network (keyed hash).
    pub(crate) fn has_room(&self, network: u64) -> bool {
        self.counter(network).is_none_or(|under_way| under_way.get() < MOST)
    }

    /// One more is under way.
    pub(crate) fn begin(&self, network: u64) -> Pending {
        self.counter(network).inspect(|under_way| under_way.update(|count| count.saturating_add(1)));
        Pending { all: self.clone(), network }
    }

    fn counter(&self, network: u64) -> Option<&Cell<u32>> {
        self.0.get(network as usize % COUNTERS)
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        self.all.counter(self.network).inspect(|under_way| under_way.update(|count| count.saturating_sub(1)));
    }
}
