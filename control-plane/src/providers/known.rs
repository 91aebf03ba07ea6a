//! What is known of addresses, in bounded memory: what decisions read. Nothing waits here.

use super::IpReputation;
use crate::config::ReputationConfig;
use crate::detector::table::{Record, Table};

/// An entry that seems to come from this far in the future is of a clock that was set back.
const SKEW_MS: u64 = 60_000;

/// What is known of addresses, by their keyed hash.
#[derive(Default)]
pub struct Known(Option<Table<Entry>>);

#[derive(Clone, Copy)]
struct Entry {
    key: u64,
    at_ms: u64,
    until_ms: u64,
    found: Option<IpReputation>,
}

impl Known {
    /// As much room as is configured; none where nobody is asked.
    pub fn of(config: &ReputationConfig) -> Self {
        if config.providers.is_empty() { Self::default() } else { Self::new(config.addresses as usize) }
    }

    /// Room for at least `addresses`; the longest kept makes room.
    pub fn new(addresses: usize) -> Self {
        Self(Some(Table::new(addresses)))
    }

    /// What is held of an address; `Some(None)` where it was looked up in vain and is not to be again yet.
    pub fn held(&self, address: u64, now_ms: u64) -> Option<Option<IpReputation>> {
        let fresh = |entry: &Entry| now_ms < entry.until_ms && entry.at_ms <= now_ms + SKEW_MS;
        self.0.as_ref()?.read(address, |entry| fresh(entry).then_some(entry.found))?
    }

    /// The strength of what is held against an address, 0 where nothing is.
    pub fn strength(&self, address: u64, now_ms: u64) -> f32 {
        self.held(address, now_ms).flatten().map_or(0.0, |reputation| reputation.strength())
    }

    /// Holds what was found, or that nothing was, until `until_ms`.
    pub(super) fn hold(&self, address: u64, found: Option<IpReputation>, now_ms: u64, until_ms: u64) {
        let Some(table) = &self.0 else { return };
        table.with(address, |entry| *entry = Entry { key: address, at_ms: now_ms, until_ms, found });
    }

    /// Addresses held, fresh or not.
    pub(super) fn len(&self) -> u64 {
        self.0.as_ref().map_or(0, Table::len)
    }
}

impl Record for Entry {
    fn new(key: u64) -> Self {
        Self { key, at_ms: 0, until_ms: 0, found: None }
    }

    fn key(&self) -> u64 {
        self.key
    }

    fn last_seen_ms(&self) -> u64 {
        self.at_ms
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::providers::Source;

    #[test]
    fn what_is_held_goes_stale() {
        let known = Known::new(1000);
        let vpn = IpReputation { is_vpn: true, ..IpReputation::clean(Source::AbuseIpdb, 1000) };
        known.hold(1, Some(vpn), 100_000, 200_000);
        known.hold(2, None, 100_000, 110_000);
        assert_eq!(known.held(1, 199_999), Some(Some(vpn)));
        assert_eq!(known.held(2, 109_999), Some(None));
        assert!(known.strength(1, 199_999) > 0.0 && known.strength(2, 109_999) == 0.0);
        assert_eq!((known.held(1, 200_000), known.held(2, 110_000), known.held(3, 0)), (None, None, None));
        assert_eq!(known.held(1, 30_000), None, "the clock was set back by more than a minute");
        assert_eq!(Known::default().held(1, 0), None);
    }
}
