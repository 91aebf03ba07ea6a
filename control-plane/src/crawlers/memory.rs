//! What was found out about crawlers at addresses, bounded: two generations, the older of which is forgotten when the
//! younger is full.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;

use sallyport_core::AgentVerdict;

/// An expired answer stands in for this long while it is looked up anew.
const STANDS_IN_MS: u64 = 3_600_000;

/// A crawler's name and whose address it is: an IPv4 address, or an IPv6 /64.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Key {
    crawler: &'static str,
    address: IpAddr,
}

/// What was found out.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Known {
    pub(super) verdict: AgentVerdict,
    /// For people.
    pub(super) why: Arc<str>,
    /// Unix ms, as the two below.
    pub(super) since_ms: u64,
    pub(super) until_ms: u64,
}

/// The memory.
pub(super) struct Memory {
    young: HashMap<Key, Known>,
    old: HashMap<Key, Known>,
    generation: usize,
}

impl Key {
    pub(super) fn new(crawler: &'static str, ip: IpAddr) -> Self {
        let address = match ip.to_canonical() {
            IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() >> 64 << 64)),
            v4 => v4,
        };
        Self { crawler, address }
    }
}

impl Known {
    /// Whether it still holds; a clock that was set back ends it too.
    pub(super) fn holds(&self, now_ms: u64) -> bool {
        (self.since_ms..self.until_ms).contains(&now_ms)
    }

    /// Whether it may stand in while it is looked up anew.
    pub(super) fn stands_in(&self, now_ms: u64) -> bool {
        (self.since_ms..self.until_ms.saturating_add(STANDS_IN_MS)).contains(&now_ms)
    }
}

impl Memory {
    /// Room for `capacity` answers.
    pub(super) fn new(capacity: usize) -> Self {
        Self { young: HashMap::new(), old: HashMap::new(), generation: (capacity / 2).max(1) }
    }

    pub(super) fn get(&self, key: &Key) -> Option<&Known> {
        self.young.get(key).or_else(|| self.old.get(key))
    }

    pub(super) fn put(&mut self, key: Key, known: Known) {
        if self.young.len() >= self.generation && !self.young.contains_key(&key) {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(key, known);
    }

    /// Answers held.
    pub(super) fn len(&self) -> usize {
        self.young.len() + self.old.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(since_ms: u64) -> Known {
        let (verdict, why) = (AgentVerdict::Failed, "".into());
        Known { verdict, why, since_ms, until_ms: since_ms + 1000 }
    }

    #[test]
    fn a_64_is_one_address() {
        let key = |ip: &str| Key::new("x", ip.parse().expect("an address"));
        assert_eq!(key("2001:db8::1"), key("2001:db8::ffff:2"));
        assert_ne!(key("2001:db8::1"), key("2001:db8:0:1::1"));
        assert_ne!(key("192.0.2.1"), key("192.0.2.2"));
        assert_eq!(key("::ffff:192.0.2.1"), key("192.0.2.1"));
        assert_ne!(Key::new("y", "192.0.2.1".parse().expect("an address")), key("192.0.2.1"));
    }

    #[test]
    fn it_never_grows_beyond_its_capacity_and_keeps_the_youngest() {
        let mut memory = Memory::new(100);
        let key = |n: u32| Key::new("x", IpAddr::V4(n.into()));
        for n in 0..10_000 {
            memory.put(key(n), known(u64::from(n)));
            assert!(memory.len() <= 100);
            assert_eq!(memory.get(&key(n / 50 * 50)).map(|k| k.since_ms), Some(u64::from(n / 50 * 50)));
        }
        assert_eq!(memory.get(&key(0)), None);
    }

    #[test]
    fn an_answer_ends_also_when_the_clock_is_set_back() {
        let known = known(10_000);
        assert!(known.holds(10_000) && known.holds(10_999));
        assert!(!known.holds(11_000) && known.stands_in(11_000));
        assert!(!known.holds(9_999) && !known.stands_in(9_999));
        assert!(!known.stands_in(11_000 + STANDS_IN_MS));
    }
}
