//! Addresses and ranges as people write them: one reading for every door, so that no door takes for IPv6 what the judge
//! compares as IPv4, and none clears or guesses what another refuses.

use std::net::{IpAddr, Ipv4Addr};

use ipnet::{IpNet, Ipv4Net};

/// Why a text is not taken for an address or a range. Each says what to write instead; the text itself comes before.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RangeError {
    /// Something else.
    #[error(
        "is neither an address nor a range; write one such as 203.0.113.7, 203.0.113.0/24 or 2001:db8::/32"
    )]
    NoAddress,
    /// What stands behind the `/`.
    #[error("has no prefix length from 0 to {most} after its `/`; write one such as {address}/{most}")]
    PrefixLength {
        /// The address before it.
        address: IpAddr,
        /// The longest prefix of its family.
        most: u8,
    },
    /// 10.0.0.1/8: one of the two is a slip, and which one only the writer knows.
    #[error(
        "has bits set behind the prefix; write {range} for the range, or {} for the address",
        written.addr()
    )]
    HostBits {
        /// The range, with the bits of the address.
        written: IpNet,
        /// The range without them.
        range: IpNet,
    },
    /// The zone of `fe80::1%eth0` names an interface of one machine.
    #[error("has a zone (`%…`), which no client's address has; write {0}")]
    Zone(IpAddr),
    /// 010.0.0.1, which is 10.0.0.1 to some programs and 8.0.0.1 to others.
    #[error("has leading zeros, which some programs take for octal; write {0} if that is meant")]
    LeadingZeros(String),
    /// `::ffff:0.0.0.0/90`: no range of IPv4 is that wide.
    #[error(
        "is IPv4 within IPv6 with a prefix shorter than /96; write the IPv4 range, such as {0}/24, or /96 to /128"
    )]
    Mapped(Ipv4Addr),
}

/// Reads an address, which is a range of one, or a range in CIDR notation; blanks around it are passed over. IPv4 within
/// IPv6 (`::ffff:203.0.113.0/120`) is IPv4, as addresses of clients are compared. Host bits, zones and leading zeros are
/// refused. The range has no bits set behind its prefix.
///
/// # Errors
/// See [`RangeError`].
pub fn read_range(text: &str) -> Result<IpNet, RangeError> {
    let text = text.trim();
    let (address, length) = match text.split_once('/') {
        Some((address, length)) => (read_address(address, Some(length))?, Some(length)),
        None => (read_address(text, None)?, None),
    };
    let most = if address.is_ipv4() { 32 } else { 128 };
    let prefix = || RangeError::PrefixLength { address, most };
    let length = match length {
        None => most,
        // Neither `+8`, which the library takes, nor `08`.
        Some(digits) if !digits.bytes().all(|digit| digit.is_ascii_digit()) => return Err(prefix()),
        Some(digits) if digits.len() > 1 && digits.starts_with('0') => {
            let plain = digits.trim_start_matches('0');
            let plain = if plain.is_empty() { "0" } else { plain };
            return Err(RangeError::LeadingZeros(format!("{address}/{plain}")));
        }
        Some(digits) => digits.parse().map_err(|_| prefix())?,
    };
    let net = unmapped(IpNet::new(address, length).map_err(|_| prefix())?)?;
    let range = net.trunc();
    if range == net { Ok(net) } else { Err(RangeError::HostBits { written: net, range }) }
}

/// The address of a text, as it stands there; the prefix length behind it is only for what an error says.
fn read_address(text: &str, length: Option<&str>) -> Result<IpAddr, RangeError> {
    let refused = || {
        let bare = text.split_once('%').and_then(|(bare, _)| bare.parse::<IpAddr>().ok());
        if let Some(bare) = bare.filter(IpAddr::is_ipv6) {
            return RangeError::Zone(bare);
        }
        match without_zeros(text).filter(|plain| plain.parse::<IpAddr>().is_ok()) {
            Some(plain) => RangeError::LeadingZeros(match length {
                Some(length) => format!("{plain}/{length}"),
                None => plain,
            }),
            None => RangeError::NoAddress,
        }
    };
    text.parse().map_err(|_| refused())
}

/// The text with its IPv4 part in plain decimal; `None` where it has none or that has no leading zeros.
fn without_zeros(text: &str) -> Option<String> {
    let start = text.rfind(':').map_or(0, |colon| colon + 1);
    let (before, dotted) = text.split_at_checked(start)?;
    let parts: Vec<&str> = dotted.split('.').collect();
    let is_number = |part: &&str| !part.is_empty() && part.bytes().all(|digit| digit.is_ascii_digit());
    let is_padded = |part: &&str| part.len() > 1 && part.starts_with('0');
    if parts.len() != 4 || !parts.iter().all(is_number) || !parts.iter().any(is_padded) {
        return None;
    }
    let plain = |part: &str| part.trim_start_matches('0').to_owned();
    let plain = parts.into_iter().map(plain).map(|part| if part.is_empty() { "0".to_owned() } else { part });
    Some(format!("{before}{}", plain.collect::<Vec<_>>().join(".")))
}

/// IPv4 within IPv6 as IPv4.
fn unmapped(net: IpNet) -> Result<IpNet, RangeError> {
    let IpNet::V6(v6) = net else { return Ok(net) };
    let Some(v4) = v6.addr().to_ipv4_mapped() else { return Ok(net) };
    let mapped = v6.prefix_len().checked_sub(96).and_then(|length| Ipv4Net::new(v4, length).ok());
    mapped.map(IpNet::V4).ok_or(RangeError::Mapped(v4))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn one_range_has_one_reading() {
        for (text, range) in [
            ("203.0.113.7", "203.0.113.7/32"),
            (" 203.0.113.7\t", "203.0.113.7/32"),
            ("203.0.113.7/32", "203.0.113.7/32"),
            ("203.0.113.0/24", "203.0.113.0/24"),
            ("0.0.0.0/0", "0.0.0.0/0"),
            ("::ffff:203.0.113.7", "203.0.113.7/32"),
            ("::ffff:cb00:7107", "203.0.113.7/32"),
            ("::FFFF:8.8.8.0/120", "8.8.8.0/24"),
            ("::ffff:0:0/96", "0.0.0.0/0"),
            ("2001:0DB8:0:0::/32", "2001:db8::/32"),
            ("2001:db8::1", "2001:db8::1/128"),
            ("::/0", "::/0"),
            ("::1.2.3.4", "::102:304/128"),
            ("fe80::1", "fe80::1/128"),
        ] {
            assert_eq!(read_range(text).map(|net| net.to_string()), Ok(range.to_owned()), "{text}");
        }
    }

    #[test]
    fn what_is_refused_says_what_to_write_instead() {
        for (text, told) in [
            ("203.0.113.7/24", "write 203.0.113.0/24 for the range, or 203.0.113.7 for the address"),
            ("::ffff:203.0.113.7/120", "write 203.0.113.0/24 for the range"),
            ("2001:db8::1/32", "write 2001:db8::/32 for the range"),
            ("fe80::1%eth0", "has a zone (`%…`), which no client's address has; write fe80::1"),
            ("fe80::1%eth0/64", "has a zone"),
            ("010.0.0.1", "write 10.0.0.1 if that is meant"),
            ("203.000.113.07/32", "write 203.0.113.7/32 if that is meant"),
            ("::ffff:010.0.0.1", "write ::ffff:10.0.0.1 if that is meant"),
            ("10.0.0.0/08", "write 10.0.0.0/8 if that is meant"),
            ("10.0.0.0/00", "write 10.0.0.0/0 if that is meant"),
            (
                "203.0.113.0/33",
                "no prefix length from 0 to 32 after its `/`; write one such as 203.0.113.0/32",
            ),
            ("2001:db8::/129", "no prefix length from 0 to 128"),
            ("203.0.113.0/", "no prefix length"),
            ("203.0.113.0/+8", "no prefix length"),
            ("203.0.113.0/255.255.255.0", "no prefix length"),
            ("203.0.113.0/24/24", "no prefix length"),
            ("203.0.113.0/99999999999999999999", "no prefix length"),
            ("::ffff:8.8.8.0/95", "prefix shorter than /96; write the IPv4 range, such as 8.8.8.0/24"),
            ("203.0.113.300", "neither an address nor a range"),
            ("0300.0.0.1", "neither an address nor a range"),
            ("203.0.113", "neither an address nor a range"),
            ("203.0.113.7%eth0", "neither an address nor a range"),
            ("[::1]", "neither an address nor a range"),
            ("203.0.113.7:80", "neither an address nor a range"),
            ("localhost", "neither an address nor a range"),
            ("/24", "neither an address nor a range"),
            ("", "neither an address nor a range"),
        ] {
            let fault = read_range(text).expect_err(text).to_string();
            assert!(fault.contains(told), "{text}: {fault}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_a_range_without_host_bits_or_refused(text in "[0-9a-f.:/% +]{0,24}|\\PC{0,12}") {
            if let Ok(net) = read_range(&text) {
                prop_assert_eq!(net.trunc(), net);
                prop_assert_eq!(read_range(&net.to_string()), Ok(net), "its own spelling is read again");
                prop_assert_eq!(net.addr().to_canonical(), net.addr(), "never IPv4 within IPv6");
            }
        }

        #[test]
        fn ipv4_within_ipv6_is_the_same_range(bits in any::<u32>(), length in 0_u8..=32) {
            let net = Ipv4Net::new(bits.into(), length).expect("a range").trunc();
            let mapped = format!("{}/{}", net.addr().to_ipv6_mapped(), length + 96);
            prop_assert_eq!(read_range(&mapped), Ok(IpNet::V4(net)));
        }

        #[test]
        fn host_bits_are_refused_and_the_range_is_told(bits in any::<u128>(), length in 0_u8..=128) {
            let net = ipnet::Ipv6Net::new(bits.into(), length).expect("a range");
            prop_assume!(net.addr().to_ipv4_mapped().is_none() && net.trunc().addr().to_ipv4_mapped().is_none());
            let (written, range) = (IpNet::V6(net), IpNet::V6(net.trunc()));
            let expected = if written == range { Ok(range) } else { Err(RangeError::HostBits { written, range }) };
            prop_assert_eq!(read_range(&written.to_string()), expected);
        }
    }
}
