//! Whose address ranges are, and what they are used for: clouds, hosting, crawlers, proxies.

use std::net::IpAddr;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use crate::address_set::AddressSet;
use crate::wire::{Reader, put_text};

/// What a range of addresses is used for. The numbers are part of the wire format.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[repr(u8)]
pub enum RangeKind {
    /// Virtual machines and functions of a cloud.
    #[default]
    Cloud = 0,
    /// Rented servers.
    Hosting = 1,
    /// Published by the operator of a crawler.
    Crawler = 2,
    /// VPNs and exits of anonymizing networks.
    Anonymizer = 3,
    /// Reverse proxies and content delivery: people come through some of them.
    Proxy = 4,
    /// What an operator listed without saying more.
    Other = 5,
}

impl RangeKind {
    /// All kinds, in the order of their numbers.
    pub const ALL: [RangeKind; 6] =
        [Self::Cloud, Self::Hosting, Self::Crawler, Self::Anonymizer, Self::Proxy, Self::Other];

    /// The name in configuration and API.
    pub fn name(self) -> &'static str {
        match self {
            Self::Cloud => "cloud",
            Self::Hosting => "hosting",
            Self::Crawler => "crawler",
            Self::Anonymizer => "anonymizer",
            Self::Proxy => "proxy",
            Self::Other => "other",
        }
    }

    /// The kind of a name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// The strength of the check `datacenter_ip`, in [0, 1]: people seldom come from servers, but through proxies, and
    /// a crawler's own addresses say nothing against it.
    pub fn strength(self) -> f32 {
        match self {
            Self::Cloud | Self::Hosting | Self::Anonymizer | Self::Other => 1.0,
            Self::Proxy => 0.3,
            Self::Crawler => 0.0,
        }
    }
}

/// Whose a range is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Provider {
    /// At most 64 bytes, such as `aws` or `googlebot`.
    pub name: String,
    /// What it is used for.
    pub kind: RangeKind,
}

/// Ranges of providers.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Ranges {
    set: AddressSet,
    providers: Vec<Provider>,
}

impl Ranges {
    /// Builds the ranges; a label is a place in `providers`. Where ranges overlap the longest prefix counts; of equal
    /// ones the last.
    pub fn new(nets: impl IntoIterator<Item = (IpNet, u16)>, providers: Vec<Provider>) -> Self {
        Self { set: AddressSet::new(nets), providers }
    }

    /// Whose the most specific range is that holds the address.
    pub fn lookup(&self, address: IpAddr) -> Option<&Provider> {
        self.set.lookup(address).and_then(|label| self.providers.get(usize::from(label)))
    }

    /// How many ranges it was built from.
    pub fn len(&self) -> usize {
        self.set.len()
    }

    /// Whether it holds nothing.
    pub fn is_empty(&self) -> bool {
        self.set.is_empty()
    }

    /// The providers, in the order of their labels.
    pub fn providers(&self) -> &[Provider] {
        &self.providers
    }

    /// The binary form: providers (count u16; kind u8 and name each), then the set.
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        out.extend((self.providers.len() as u16).to_le_bytes());
        for Provider { name, kind } in &self.providers {
            out.push(*kind as u8);
            put_text(out, name.as_bytes(), NAME_BYTES);
        }
        self.set.write(out);
    }

    /// Reads what [`Ranges::write`] wrote, and nothing after it.
    pub(crate) fn read(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader(bytes);
        let count = reader.u16()?;
        let mut providers = Vec::new();
        for _ in 0..count {
            let kind = *RangeKind::ALL.get(usize::from(reader.u8()?))?;
            providers.push(Provider { kind, name: reader.text(NAME_BYTES)? });
        }
        let set = AddressSet::read(&mut reader)?;
        reader.0.is_empty().then_some(Self { set, providers })
    }
}

/// Longest name of a provider, in bytes.
const NAME_BYTES: usize = 64;

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
    fn providers_come_back_whole() {
        let provider = |name: &str, kind| Provider { name: name.into(), kind };
        let ranges = Ranges::new(
            [(net("192.0.2.0/24"), 0), (net("192.0.2.64/26"), 1), (net("2001:db8::/32"), 1)],
            vec![provider("a", RangeKind::Cloud), provider("googlebot", RangeKind::Crawler)],
        );
        let mut bytes = Vec::new();
        ranges.write(&mut bytes);
        let back = Ranges::read(&bytes).expect("reads");
        assert_eq!(back, ranges);
        assert_eq!(back.lookup(ip("192.0.2.65")).map(|p| p.name.as_str()), Some("googlebot"));
        assert_eq!(back.lookup(ip("192.0.2.1")).map(|p| p.kind), Some(RangeKind::Cloud));
        for end in 0..bytes.len() {
            assert_eq!(Ranges::read(&bytes[..end]), None, "cut at {end}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            if let Some(ranges) = Ranges::read(&bytes) {
                let _ = ranges.lookup(ip("10.0.0.1"));
            }
        }
    }
}
