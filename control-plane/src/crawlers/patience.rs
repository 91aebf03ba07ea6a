//! How often an address may claim to be a crawler that nobody has looked into yet: one budget for all names together, so
//! that who changes its name while name servers are slow gets nothing by it.

use super::memory::{Address, Memory};

/// Lookups of an address, within [`WINDOW_MS`], during which its claims are pending. A crawler needs one: those of its
/// operator share it.
const LOOKUPS: usize = 3;

/// Ten minutes.
const WINDOW_MS: u64 = 600_000;

/// When the last lookups of addresses began.
pub(super) struct Patience(Memory<Address, [u64; LOOKUPS]>);

impl Patience {
    /// For `capacity` addresses.
    pub(super) fn new(capacity: usize) -> Self {
        Self(Memory::new(capacity))
    }

    /// Whether claims of an address are pending during a lookup that begins at Unix ms `now_ms`; then that is counted.
    pub(super) fn take(&mut self, address: Address, now_ms: u64) -> bool {
        let mut began = self.0.get(&address).copied().unwrap_or_default();
        // A clock that was set back forgives; else it would refuse for as long as it was wrong.
        let is_over = |began: u64| began > now_ms || now_ms - began >= WINDOW_MS;
        let Some(place) = began.iter_mut().find(|began| is_over(**began)) else { return false };
        *place = now_ms;
        self.0.put(address, began);
        true
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;

    const NOW: u64 = 1_800_000_000_000;

    fn address(ip: &str) -> Address {
        ip.parse::<IpAddr>().expect("an address").into()
    }

    #[test]
    fn three_lookups_in_ten_minutes_are_waited_for() {
        let mut patience = Patience::new(100);
        let mut at = |ip: &str, after_ms| patience.take(address(ip), NOW + after_ms);
        assert_eq!([0, 1, 300_000, 300_001].map(|ms| at("192.0.2.1", ms)), [true, true, true, false]);
        assert!(at("192.0.2.2", 300_001), "another address");
        assert!(!at("192.0.2.1", 599_999));
        assert_eq!([600_000, 600_000, 600_001].map(|ms| at("192.0.2.1", ms)), [true, false, true]);
        assert!(!at("192.0.2.1", 899_999) && at("192.0.2.1", 900_000));
    }

    #[test]
    fn a_64_has_one_budget() {
        let mut patience = Patience::new(100);
        let taken = (0..9).filter(|n| patience.take(address(&format!("2001:db8::{n}")), NOW)).count();
        assert_eq!(taken, LOOKUPS);
    }

    #[test]
    fn a_clock_that_was_set_back_refuses_nobody_for_long() {
        let mut patience = Patience::new(100);
        for _ in 0..LOOKUPS {
            patience.take(address("192.0.2.1"), NOW + 86_400_000);
        }
        assert!(patience.take(address("192.0.2.1"), NOW));
    }

    #[test]
    fn it_never_grows_beyond_its_capacity() {
        let mut patience = Patience::new(100);
        for n in 0..10_000_u32 {
            patience.take(IpAddr::V4(n.into()).into(), NOW);
            assert!(patience.0.len() <= 100);
        }
    }
}
