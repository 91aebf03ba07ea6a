//! Sets of address ranges with labels: the most specific range wins, and a lookup costs the same however
//! many there are.

use std::net::IpAddr;

use ipnet::IpNet;

/// Disjoint ranges, sorted by their start. A range without label ends the one before it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AddressSet {
    v4: Ranges<u32>,
    v6: Ranges<u128>,
    count: usize,
}

#[derive(Clone, Debug, Default, PartialEq)]
struct Ranges<T> {
    starts: Vec<T>,
    labels: Vec<u16>,
    /// For each of the 65,536 values of the top 16 bits: how many starts lie below it. One entry more at the
    /// end; empty where there are no ranges.
    index: Vec<u32>,
}

/// A range as given: `length` of its prefix, `place` in the list.
struct Net<T> {
    first: T,
    last: T,
    length: u8,
    place: usize,
    label: u16,
}

const NO_LABEL: u16 = u16::MAX;

impl AddressSet {
    /// Builds the set. Where ranges overlap the longest prefix counts; of equal ones the last.
    pub fn new(ranges: impl IntoIterator<Item = (IpNet, u16)>) -> Self {
        let (mut v4, mut v6, mut count) = (Vec::new(), Vec::new(), 0);
        for (net, label) in ranges {
            count += 1;
            let label = label.min(NO_LABEL - 1);
            let (length, place) = (net.prefix_len(), count);
            match net.trunc() {
                IpNet::V4(n) => {
                    let (first, last) = (n.network().to_bits(), n.broadcast().to_bits());
                    v4.push(Net { first, last, length, place, label });
                }
                IpNet::V6(n) => {
                    let (first, last) = (n.network().to_bits(), n.broadcast().to_bits());
                    v6.push(Net { first, last, length, place, label });
                }
            }
        }
        Self {
            v4: Ranges::new(v4, |end| end.checked_add(1), |start| (start >> 16) as usize),
            v6: Ranges::new(v6, |end| end.checked_add(1), |start| (start >> 112) as usize),
            count,
        }
    }

    /// The label of the most specific range that holds the address.
    pub fn lookup(&self, address: IpAddr) -> Option<u16> {
        match address.to_canonical() {
            IpAddr::V4(v4) => self.v4.lookup(v4.to_bits(), usize::from((v4.to_bits() >> 16) as u16)),
            IpAddr::V6(v6) => self.v6.lookup(v6.to_bits(), (v6.to_bits() >> 112) as usize),
        }
    }

    /// How many ranges it was built from.
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether it holds nothing.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }
}

impl<T: Copy + Ord> Ranges<T> {
    /// `nets` are nested or disjoint, as prefixes always are.
    fn new(mut nets: Vec<Net<T>>, after: impl Fn(T) -> Option<T>, top: impl Fn(T) -> usize) -> Self {
        nets.sort_unstable_by_key(|net| (net.first, net.length, net.place));
        let mut ranges = Self { starts: Vec::new(), labels: Vec::new(), index: Vec::new() };
        let mut open: Vec<(T, u16)> = Vec::new();
        for Net { first, last, label, .. } in nets {
            while let Some((end, _)) = open.pop_if(|(end, _)| *end < first) {
                ranges.close(&open, end, &after);
            }
            ranges.begin(first, label);
            open.push((last, label));
        }
        while let Some((end, _)) = open.pop() {
            ranges.close(&open, end, &after);
        }
        if !ranges.starts.is_empty() {
            let mut at = 0;
            for value in 0..=0x1_0000 {
                while ranges.starts.get(at).is_some_and(|start| top(*start) < value) {
                    at += 1;
                }
                ranges.index.push(at as u32);
            }
        }
        ranges
    }

    /// After `end` the enclosing range goes on, or nothing does.
    fn close(&mut self, open: &[(T, u16)], end: T, after: impl Fn(T) -> Option<T>) {
        if let Some(next) = after(end) {
            self.begin(next, open.last().map_or(NO_LABEL, |(_, label)| *label));
        }
    }

    fn begin(&mut self, start: T, label: u16) {
        if self.starts.last() == Some(&start) {
            self.starts.pop();
            self.labels.pop();
        }
        self.starts.push(start);
        self.labels.push(label);
    }

    fn lookup(&self, address: T, top: usize) -> Option<u16> {
        let (low, high) = (*self.index.get(top)? as usize, *self.index.get(top + 1)? as usize);
        let within = self.starts.get(low..high)?.partition_point(|start| *start <= address);
        let at = (low + within).checked_sub(1)?;
        self.labels.get(at).copied().filter(|label| *label != NO_LABEL)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn net(text: &str) -> IpNet {
        text.parse().expect("a range")
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn the_longest_prefix_wins() {
        let set = AddressSet::new([
            (net("10.0.0.0/8"), 1),
            (net("10.1.0.0/16"), 2),
            (net("10.1.2.3/32"), 3),
            (net("255.255.255.255/32"), 4),
            (net("2001:db8::/32"), 5),
            (net("2001:db8:1::/48"), 6),
        ]);
        for (address, label) in [
            ("10.0.0.1", Some(1)),
            ("10.1.2.2", Some(2)),
            ("10.1.2.3", Some(3)),
            ("10.1.2.4", Some(2)),
            ("10.2.0.0", Some(1)),
            ("11.0.0.0", None),
            ("9.255.255.255", None),
            ("255.255.255.255", Some(4)),
            ("::ffff:10.1.2.3", Some(3)),
            ("2001:db8::1", Some(5)),
            ("2001:db8:1::1", Some(6)),
            ("2001:db9::", None),
        ] {
            assert_eq!(set.lookup(ip(address)), label, "{address}");
        }
        assert_eq!(AddressSet::default().lookup(ip("10.0.0.1")), None);
    }

    proptest! {
        #[test]
        fn agrees_with_trying_each(nets in prop::collection::vec((any::<u32>(), 0_u8..=32, 0_u16..9), 0..40), probes in prop::collection::vec(any::<u32>(), 20)) {
            let nets: Vec<(IpNet, u16)> = nets
                .into_iter()
                .map(|(bits, length, label)| (IpNet::new(IpAddr::from(bits.to_be_bytes()), length).expect("a range").trunc(), label))
                .collect();
            let set = AddressSet::new(nets.clone());
            let ends = nets.iter().flat_map(|(n, _)| [n.network(), n.broadcast()]);
            for address in probes.into_iter().map(|bits| IpAddr::from(bits.to_be_bytes())).chain(ends) {
                let best = nets.iter().enumerate().filter(|(_, (n, _))| n.contains(&address)).max_by_key(|(i, (n, _))| (n.prefix_len(), *i));
                prop_assert_eq!(set.lookup(address), best.map(|(_, (_, label))| *label));
            }
        }
    }
}
