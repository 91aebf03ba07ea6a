//! What it costs to find whose an address is: `cargo bench -p sallyport-core --bench ranges`. Addresses are random, so
//! that nothing of the last lookup is in the processor's caches for the next.
#![expect(clippy::expect_used, reason = "a benchmark")]

use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use criterion::{Criterion, criterion_group, criterion_main};
use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use sallyport_core::{Provider, RangeKind, Ranges};

/// As many as the published lists of the large clouds have, and as many as any list may have.
const COUNTS: [u32; 2] = [28_000, 1_000_000];

/// An odd multiplier visits each number once before any comes again: the golden ratio of 32 bits.
const GOLDEN: u32 = 0x9E37_79B1;

/// So many different ranges of /24, spread over all of IPv4.
fn v4(count: u32) -> Ranges {
    ranges((0..count).map(|i| {
        let network = (i.wrapping_mul(GOLDEN) >> 8) << 8;
        Ipv4Net::new(Ipv4Addr::from_bits(network), 24).expect("a range").into()
    }))
}

/// So many different ranges of /48 within the sixteen /16 where most of IPv6 is in use.
fn v6(count: u32) -> Ranges {
    ranges(
        (0..count)
            .map(|i| Ipv6Net::new(address(i.wrapping_mul(GOLDEN)), 48).expect("a range").trunc().into()),
    )
}

/// An address of 2a00::/12.
fn address(bits: u32) -> Ipv6Addr {
    Ipv6Addr::from_bits(0x2a00_u128 << 112 | u128::from(bits) << 84)
}

fn ranges(nets: impl Iterator<Item = IpNet>) -> Ranges {
    let providers = (0..150).map(|i| Provider { name: format!("p{i}"), kind: RangeKind::Cloud }).collect();
    Ranges::new(nets.enumerate().map(|(i, net)| (net, (i % 150) as u16)), providers)
}

fn lookups(c: &mut Criterion) {
    let mut i = 0_u32;
    let mut random = move || {
        i = i.wrapping_add(1);
        i.wrapping_mul(0x85EB_CA6B)
    };
    for count in COUNTS {
        let (v4, v6) = (v4(count), v6(count));
        c.bench_function(&format!("IPv4 lookup in {count} ranges"), |b| {
            b.iter(|| black_box(v4.lookup(IpAddr::V4(Ipv4Addr::from_bits(random())))));
        });
        c.bench_function(&format!("IPv6 lookup in {count} ranges"), |b| {
            b.iter(|| black_box(v6.lookup(IpAddr::V6(address(random())))));
        });
    }
}

criterion_group!(benches, lookups);
criterion_main!(benches);
