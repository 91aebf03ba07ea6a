//! Sets of address ranges with labels: the most specific range wins, and a lookup costs nearly the same however
//! many there are.

use std::net::IpAddr;

use ipnet::IpNet;

use crate::wire::Reader;

/// Disjoint ranges, sorted by their start. A range without label ends the one before it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AddressSet {
    v4: Starts<u32>,
    v6: Starts<u128>,
    count: usize,
}

#[derive(Clone, Debug, Default, PartialEq)]
struct Starts<T> {
    starts: Vec<T>,
    labels: Vec<u16>,
    /// What lies between the first and the last start is cut into at most 65,536 equal parts; for each of them, how many
    /// starts lie below it. One entry more at the end; empty where there are no ranges.
    index: Vec<u32>,
    /// The first start.
    base: T,
    /// A part holds two to this power of addresses.
    shift: u32,
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
            v4: Starts::new(v4, |end| end.checked_add(1)),
            v6: Starts::new(v6, |end| end.checked_add(1)),
            count,
        }
    }

    /// The binary form, sorted already, so that whoever reads it need not: how many ranges it was built from u32; for
    /// IPv4, then IPv6: count u32, starts (u32 or u128), labels u16. Little-endian.
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        out.extend((self.count as u32).to_le_bytes());
        out.extend((self.v4.starts.len() as u32).to_le_bytes());
        self.v4.starts.iter().for_each(|start| out.extend(start.to_le_bytes()));
        self.v4.labels.iter().for_each(|label| out.extend(label.to_le_bytes()));
        out.extend((self.v6.starts.len() as u32).to_le_bytes());
        self.v6.starts.iter().for_each(|start| out.extend(start.to_le_bytes()));
        self.v6.labels.iter().for_each(|label| out.extend(label.to_le_bytes()));
    }

    /// Reads what [`AddressSet::write`] wrote; `None` where it is cut short or out of order.
    pub(crate) fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let count = reader.u32()? as usize;
        let v4 = Starts::read(reader, u32::from_le_bytes)?;
        let v6 = Starts::read(reader, u128::from_le_bytes)?;
        Some(Self { v4, v6, count })
    }

    /// The label of the most specific range that holds the address.
    pub fn lookup(&self, address: IpAddr) -> Option<u16> {
        match address.to_canonical() {
            IpAddr::V4(v4) => self.v4.lookup(v4.to_bits()),
            IpAddr::V6(v6) => self.v6.lookup(v6.to_bits()),
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

/// An address as a number.
trait Number: Copy + Ord + Default {
    /// By how many bits a distance is shifted to tell the part of an index, where the starts lie between these two.
    fn shift(first: Self, last: Self) -> u32;

    /// The part of an index in which `self` lies, the last one where it lies beyond; `None` below `base`.
    fn part(self, base: Self, shift: u32) -> Option<usize>;
}

/// Bits that tell the parts of an index apart.
const INDEX_BITS: u32 = 16;

impl Number for u32 {
    fn shift(first: Self, last: Self) -> u32 {
        (Self::BITS - last.saturating_sub(first).leading_zeros()).saturating_sub(INDEX_BITS)
    }

    fn part(self, base: Self, shift: u32) -> Option<usize> {
        Some(self.checked_sub(base)?.checked_shr(shift)?.min(0xffff) as usize)
    }
}

impl Number for u128 {
    fn shift(first: Self, last: Self) -> u32 {
        (Self::BITS - last.saturating_sub(first).leading_zeros()).saturating_sub(INDEX_BITS)
    }

    fn part(self, base: Self, shift: u32) -> Option<usize> {
        Some(self.checked_sub(base)?.checked_shr(shift)?.min(0xffff) as usize)
    }
}

impl<T: Number> Starts<T> {
    /// `nets` are nested or disjoint, as prefixes always are.
    fn new(mut nets: Vec<Net<T>>, after: impl Fn(T) -> Option<T>) -> Self {
        nets.sort_unstable_by_key(|net| (net.first, net.length, net.place));
        let mut ranges = Self::default();
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
        ranges.index();
        ranges
    }

    fn read<const N: usize>(reader: &mut Reader<'_>, number: impl Fn([u8; N]) -> T) -> Option<Self> {
        let count = reader.u32()? as usize;
        let starts = reader.bytes(count.checked_mul(N)?)?;
        let labels = reader.bytes(count.checked_mul(2)?)?;
        let starts: Vec<T> = starts.as_chunks().0.iter().map(|bytes| number(*bytes)).collect();
        let labels = labels.as_chunks().0.iter().map(|bytes| u16::from_le_bytes(*bytes)).collect();
        if !starts.is_sorted_by(|a, b| a < b) {
            return None;
        }
        let mut ranges = Self { starts, labels, ..Self::default() };
        ranges.index();
        Some(ranges)
    }

    fn index(&mut self) {
        let (Some(first), Some(last)) = (self.starts.first(), self.starts.last()) else { return };
        (self.base, self.shift) = (*first, T::shift(*first, *last));
        self.index = Vec::with_capacity(0x1_0001);
        for (at, start) in self.starts.iter().enumerate() {
            // All parts up to this start's own begin at or after it.
            let wanted = start.part(self.base, self.shift).unwrap_or(0) + 1;
            if self.index.len() < wanted {
                self.index.resize(wanted, at as u32);
            }
        }
        self.index.resize(0x1_0001, self.starts.len() as u32);
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

    fn lookup(&self, address: T) -> Option<u16> {
        let part = address.part(self.base, self.shift)?;
        let (low, high) = (*self.index.get(part)? as usize, *self.index.get(part + 1)? as usize);
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
        fn agrees_with_trying_each_of_ipv6(nets in prop::collection::vec((any::<u32>(), 8_u8..=128, 0_u16..9), 0..40), probes in prop::collection::vec(any::<u32>(), 20)) {
            // Close together, so that they are nested and neighbours.
            let address = |bits: u32| IpAddr::from((0x2a00_u128 << 112 | u128::from(bits & 0xfff) << 92 | u128::from(bits >> 12)).to_be_bytes());
            let nets: Vec<(IpNet, u16)> = nets
                .into_iter()
                .map(|(bits, length, label)| (IpNet::new(address(bits), length).expect("a range").trunc(), label))
                .collect();
            let set = AddressSet::new(nets.clone());
            let ends = nets.iter().flat_map(|(n, _)| [n.network(), n.broadcast()]);
            let far = ["::", "2000::", "2a01::", "ffff::"].map(ip);
            for address in probes.into_iter().map(address).chain(ends).chain(far) {
                let best = nets.iter().enumerate().filter(|(_, (n, _))| n.contains(&address)).max_by_key(|(i, (n, _))| (n.prefix_len(), *i));
                prop_assert_eq!(set.lookup(address), best.map(|(_, (_, label))| *label));
            }
        }

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
            let mut bytes = Vec::new();
            set.write(&mut bytes);
            prop_assert_eq!(AddressSet::read(&mut Reader(&bytes)), Some(set));
        }
    }
}
