//! 28,000 address ranges as a control plane would carry: as many as the published lists of the large clouds.

use std::fmt::Write as _;

/// As many as the lists have.
pub(crate) const COUNT: u32 = 28_000;

/// One CIDR per line, spread over 11.0.0.0 to 74.255.255.0, all different; the load comes from elsewhere.
pub(crate) fn datacenter() -> String {
    let mut text = String::new();
    for number in 0..COUNT {
        // An odd multiplier visits each of the 2^22 /24 networks once before any comes again.
        let network = number.wrapping_mul(2_654_435_761) % (1 << 22);
        let (a, b, c) = (11 + (network >> 16), (network >> 8) & 0xff, network & 0xff);
        // Writing into a String cannot fail.
        let _ = writeln!(text, "{a}.{b}.{c}.0/24");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::{COUNT, datacenter};
    use std::collections::HashSet;

    #[test]
    fn all_ranges_differ_and_none_holds_a_visitor() {
        let text = datacenter();
        let ranges: HashSet<_> = text.lines().collect();
        assert_eq!(ranges.len(), COUNT as usize);
        assert!(!text.lines().any(|range| range.starts_with("101.") || range.starts_with("102.")));
    }
}
