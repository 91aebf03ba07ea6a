//! The ranges that ship: `data/ranges.txt`, made by `cargo xtask ranges`, and `data/crawler-ranges.txt`.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::LazyLock;

use ipnet::IpNet;
use sallyport_core::{Provider, RangeKind};

/// Whose data it is; CC BY 4.0 wants it told where the data is shown.
pub const ATTRIBUTION: &str = "Bundled ranges: RouteViews (routeviews.org), NRO (nro.net) and IP Geolocation by DB-IP (db-ip.com), CC BY 4.0, changed";

/// When the ranges of networks were gathered, Unix ms: 2026-06-17, the date of the package.
const NETWORKS_MS: u64 = 1_781_654_400_000;

/// When the ranges of crawlers were published as they are, Unix ms: 2025-06-01.
const CRAWLERS_MS: u64 = 1_748_736_000_000;

/// A provider with its ranges.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bundled {
    /// Whose they are.
    pub provider: Provider,
    /// The ranges.
    pub nets: Vec<IpNet>,
    /// When they were gathered, Unix ms.
    pub as_of_ms: u64,
}

/// All that ships, crawlers last.
pub fn bundled() -> &'static [Bundled] {
    static ALL: LazyLock<Vec<Bundled>> = LazyLock::new(|| {
        let mut all = read(include_str!("../../data/ranges.txt"), NETWORKS_MS);
        all.extend(read(include_str!("../../data/crawler-ranges.txt"), CRAWLERS_MS));
        all
    });
    &ALL
}

/// Reads the form that the head of `data/ranges.txt` tells. What cannot be read is passed over; a test holds that there
/// is nothing such.
fn read(text: &str, as_of_ms: u64) -> Vec<Bundled> {
    let mut all: Vec<Bundled> = Vec::new();
    for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        if let Some(head) = line.strip_prefix("= ") {
            let (name, kind) = head.split_once(' ').unwrap_or_default();
            let kind = RangeKind::from_name(kind).unwrap_or(RangeKind::Other);
            all.push(Bundled {
                provider: Provider { name: name.to_owned(), kind },
                nets: Vec::new(),
                as_of_ms,
            });
        } else if let (Some(last), Some(net)) = (all.last_mut(), long(line)) {
            last.nets.push(net);
        }
    }
    all
}

/// A range from its short form.
fn long(text: &str) -> Option<IpNet> {
    let (address, length) =
        text.split_once('/').map_or((text, None), |(address, length)| (address, Some(length)));
    let (ip, full) = if address.contains(':') { long_v6(address)? } else { long_v4(address)? };
    let length = length.map_or(Some(full), |length| length.parse().ok())?;
    IpNet::new(ip, length).ok().filter(|net| net.trunc() == *net)
}

/// The address that begins with these parts, and how many bits they have.
fn long_v4(text: &str) -> Option<(IpAddr, u8)> {
    let (mut octets, mut bits) = ([0; 4], 0);
    for part in text.split('.') {
        *octets.get_mut(usize::from(bits / 8))? = part.parse().ok()?;
        bits += 8;
    }
    Some((Ipv4Addr::from(octets).into(), bits))
}

/// The same.
fn long_v6(text: &str) -> Option<(IpAddr, u8)> {
    let (mut segments, mut bits) = ([0; 8], 0);
    for part in text.strip_suffix(':').unwrap_or(text).split(':') {
        *segments.get_mut(usize::from(bits / 16))? = u16::from_str_radix(part, 16).ok()?;
        bits += 16;
    }
    Some((Ipv6Addr::from(segments).into(), bits))
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn short_ranges_are_read() {
        for (short, net) in [
            ("1.2.3", "1.2.3.0/24"),
            ("10", "10.0.0.0/8"),
            ("10/7", "10.0.0.0/7"),
            ("1.2.3.4", "1.2.3.4/32"),
            ("1.2.3.128/25", "1.2.3.128/25"),
            ("2a01:4f8", "2a01:4f8::/32"),
            ("2a01:4f8/29", "2a01:4f8::/29"),
            ("2000:", "2000::/16"),
            ("2606:4700:0:1", "2606:4700:0:1::/64"),
        ] {
            assert_eq!(long(short), net.parse().ok(), "{short}");
        }
        for bad in ["", "x", "1.2.3.4.5", "256", "1.2.3/20", "1/33", "1:2:3:4:5:6:7:8:9", "::", "10000:"] {
            assert_eq!(long(bad), None, "{bad}");
        }
    }

    #[test]
    fn every_line_of_what_ships_is_read_and_none_twice() {
        let all = bundled();
        let count: usize = all.iter().map(|bundled| bundled.nets.len()).sum();
        let texts = [include_str!("../../data/ranges.txt"), include_str!("../../data/crawler-ranges.txt")];
        let lines = texts
            .iter()
            .flat_map(|text| text.lines())
            .filter(|line| !line.is_empty() && !line.starts_with(['#', '=']));
        assert_eq!(count, lines.count());
        assert!(count > 20_000, "{count}");
        let names: HashSet<_> = all.iter().map(|bundled| &bundled.provider.name).collect();
        assert_eq!(names.len(), all.len());
        for Bundled { provider, nets, .. } in all {
            let name = provider.name.as_str();
            assert!(!nets.is_empty() && name.len() < 64, "{name}");
            assert!(name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-'), "{name}");
            assert_eq!(nets.iter().collect::<HashSet<_>>().len(), nets.len(), "{name}");
            assert!(nets.iter().all(|net| net.prefix_len() >= 8), "{name}");
            assert!(provider.kind != RangeKind::Other, "{name}");
        }
    }
}
