//! What is known of shared rate cells, in bounded memory.

use sallyport_core::policy::LimitRule;

use crate::detector::table::{Record, Table};

/// The cells that were merged last.
pub(super) struct Cells(Table<Cell>);

struct Cell {
    key: u64,
    /// The theoretical arrival time of the next request, µs on the steady clock.
    tat_us: u64,
    /// How far a full cell of the limit is ahead, µs.
    most_us: u64,
    seen_ms: u64,
}

impl Cells {
    pub(super) fn new(capacity: usize) -> Self {
        Self(Table::new(capacity))
    }

    /// How far a cell is ahead of now, µs, where that is known. A full one is `most_us` ahead; what a limit of other
    /// numbers left counts as no more.
    pub(super) fn ahead_us(&self, rule: LimitRule, key: u64, most_us: u64, now_us: u64) -> Option<u64> {
        self.0.read(of_rule(rule, key), |cell| {
            let ahead_us = cell.tat_us.saturating_sub(now_us);
            if cell.most_us == most_us { ahead_us } else { ahead_us.min(most_us) }
        })
    }

    /// Keeps how far a cell is ahead of now, where a full one is `most_us`.
    pub(super) fn set(&self, rule: LimitRule, key: u64, (ahead_us, most_us): (u64, u64), now_us: u64) {
        self.0.with(of_rule(rule, key), |cell| {
            cell.tat_us = now_us.saturating_add(ahead_us);
            cell.most_us = most_us;
            cell.seen_ms = now_us / 1000;
        });
    }

    pub(super) fn len(&self) -> u64 {
        self.0.len()
    }

    pub(super) fn evicted(&self) -> u64 {
        self.0.evicted()
    }

    pub(super) fn turned_away(&self) -> u64 {
        self.0.turned_away()
    }
}

/// Keeps the cells of a key under several rules apart: keys are hashes, and stay so with any number added. 2^64 / φ.
fn of_rule(rule: LimitRule, key: u64) -> u64 {
    key.wrapping_add((rule as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15))
}

impl Record for Cell {
    fn new(key: u64) -> Self {
        Self { key, tat_us: 0, most_us: 0, seen_ms: 0 }
    }

    fn key(&self) -> u64 {
        self.key
    }

    fn last_seen_ms(&self) -> u64 {
        self.seen_ms
    }

    /// While it is over a quarter full.
    fn worth_until_ms(&self) -> u64 {
        self.tat_us.saturating_sub(self.most_us / 4) / 1000
    }
}
