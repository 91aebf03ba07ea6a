//! A rate cell of the control plane's own: of who may ask its API, and of what it tells others.

use crate::detector::table::Record;

/// So many on the long run, so many at once.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rate {
    /// One each so many µs, at least 1.
    pub(crate) interval_us: u64,
    /// At least 1.
    pub(crate) burst: u64,
}

/// A cell of GCRA (ITU-T I.371): the theoretical arrival time of the next request, µs on whatever clock.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Cell {
    key: u64,
    tat_us: u64,
    /// How far a full one is ahead, µs.
    most_us: u64,
    seen_us: u64,
}

impl Rate {
    /// How far ahead a cell may be that still takes one, µs.
    pub(crate) fn tolerance_us(self) -> u64 {
        self.interval_us.saturating_mul(self.burst.max(1) - 1)
    }
}

impl Cell {
    /// How far ahead the cell was, µs, where it takes one more; else how long to wait for that, µs.
    pub(crate) fn take(&mut self, rate: Rate, now_us: u64) -> Result<u64, u64> {
        self.seen_us = now_us;
        let tolerance_us = rate.tolerance_us();
        self.most_us = tolerance_us.saturating_add(rate.interval_us);
        let ahead_us = self.tat_us.saturating_sub(now_us);
        if ahead_us > tolerance_us {
            return Err(ahead_us - tolerance_us);
        }
        self.tat_us = now_us.saturating_add(ahead_us).saturating_add(rate.interval_us);
        Ok(ahead_us)
    }
}

impl Record for Cell {
    fn new(key: u64) -> Self {
        Self { key, ..Self::default() }
    }

    fn key(&self) -> u64 {
        self.key
    }

    fn last_seen_ms(&self) -> u64 {
        self.seen_us / 1000
    }

    /// While it is over a quarter full.
    fn worth_until_ms(&self) -> u64 {
        self.tat_us.saturating_sub(self.most_us / 4) / 1000
    }
}
