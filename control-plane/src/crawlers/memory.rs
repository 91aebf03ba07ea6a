//! What was found out about addresses, bounded: two generations, the older of which is forgotten when the younger is
//! full.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::{IpAddr, Ipv6Addr};

use super::dns::Confirmation;

/// An expired answer stands in for this long while it is looked up anew.
const STANDS_IN_MS: u64 = 3_600_000;

/// What the names of an operator's addresses end in, and the address in question. Crawlers of one operator that are
/// told by the same names share what was found out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Key {
    pub(super) suffixes: &'static [&'static str],
    pub(super) address: Address,
}

/// An IPv4 address, or an IPv6 /64.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Address(IpAddr);

/// What DNS said.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Known {
    pub(super) found: Confirmation,
    /// Unix ms, as the one below.
    pub(super) since_ms: u64,
    pub(super) until_ms: u64,
}

/// The memory.
pub(super) struct Memory<K, V> {
    young: HashMap<K, V>,
    old: HashMap<K, V>,
    generation: usize,
}

impl From<IpAddr> for Address {
    fn from(ip: IpAddr) -> Self {
        Self(match ip.to_canonical() {
            IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() >> 64 << 64)),
            v4 => v4,
        })
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

impl<K: Eq + Hash, V> Memory<K, V> {
    /// Room for `capacity` values.
    pub(super) fn new(capacity: usize) -> Self {
        Self { young: HashMap::new(), old: HashMap::new(), generation: (capacity / 2).max(1) }
    }

    pub(super) fn get(&self, key: &K) -> Option<&V> {
        self.young.get(key).or_else(|| self.old.get(key))
    }

    pub(super) fn put(&mut self, key: K, value: V) {
        if self.young.len() >= self.generation && !self.young.contains_key(&key) {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(key, value);
    }

    /// Values held.
    pub(super) fn len(&self) -> usize {
        self.young.len() + self.old.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(since_ms: u64) -> Known {
        Known { found: Confirmation::Refuted(String::new()), since_ms, until_ms: since_ms + 1000 }
    }

    #[test]
    fn a_64_is_one_address() {
        let address = |ip: &str| Address::from(ip.parse::<IpAddr>().expect("an address"));
        assert_eq!(address("2001:db8::1"), address("2001:db8::ffff:2"));
        assert_ne!(address("2001:db8::1"), address("2001:db8:0:1::1"));
        assert_ne!(address("192.0.2.1"), address("192.0.2.2"));
        assert_eq!(address("::ffff:192.0.2.1"), address("192.0.2.1"));
    }

    #[test]
    fn it_never_grows_beyond_its_capacity_and_keeps_the_youngest() {
        let mut memory = Memory::new(100);
        let key = |n: u32| Key { suffixes: &[".x.example"], address: IpAddr::V4(n.into()).into() };
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
