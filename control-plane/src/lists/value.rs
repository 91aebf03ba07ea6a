//! What an entry may name: read in any spelling, kept in one. Sessions and fingerprints become keyed hashes here.

use std::net::{IpAddr, Ipv4Addr};

use ipnet::{IpNet, Ipv4Net};
use sallyport_core::{HashKey, plain};

use crate::store::ListKind;

/// Longest user agent, path, session or fingerprint, bytes.
const LONGEST: usize = 1024;

/// How the keyed hash of a session or fingerprint is written.
const HASH: &str = "hash:";

/// Reads a value, of a given kind or of the kind that it looks like, into the one spelling of its kind.
///
/// # Errors
/// What is wrong and what to write instead.
pub fn read(kind: Option<ListKind>, text: &str, key: &HashKey) -> Result<(ListKind, String), String> {
    let text = text.trim();
    if text.is_empty() {
        return Err("is empty; write what is to be listed, such as 203.0.113.7".to_owned());
    }
    if text.len() > LONGEST || text.contains(char::is_control) {
        return Err(format!("write at most {LONGEST} bytes without line breaks and control characters"));
    }
    match kind.unwrap_or_else(|| looks_like(text)) {
        // Whether it is one address or a range is plain to see.
        ListKind::Address | ListKind::Range => net(text).map(of_net),
        ListKind::Session => Ok((ListKind::Session, hashed(text, |text| session_hash(key, text)))),
        ListKind::Fingerprint => {
            Ok((ListKind::Fingerprint, hashed(text, |text| fingerprint_hash(key, &fingerprint(text)))))
        }
        ListKind::UserAgent => Ok((ListKind::UserAgent, pattern(text))),
        ListKind::Path => path(text).map(|text| (ListKind::Path, text)),
    }
}

/// The value of a session's entry.
pub fn session_hash(key: &HashKey, session: &str) -> String {
    format!("{HASH}{:016x}", key.text(b's', session.as_bytes()))
}

/// The value of a fingerprint's entry; of a fingerprint as `POST /check` takes it.
pub fn fingerprint_hash(key: &HashKey, fingerprint: &serde_json::Value) -> String {
    format!("{HASH}{:016x}", key.text(b'f', fingerprint.to_string().as_bytes()))
}

/// The keyed hash of a session's or fingerprint's entry.
pub fn parse_hash(value: &str) -> Option<u64> {
    let digits = value.strip_prefix(HASH).filter(|digits| digits.len() == 16)?;
    let plain = digits.bytes().all(|digit| digit.is_ascii_hexdigit());
    u64::from_str_radix(digits, 16).ok().filter(|_| plain)
}

/// The range of an address's or range's entry.
pub fn parse_net(value: &str) -> Option<IpNet> {
    value.parse().ok().or_else(|| value.parse::<IpAddr>().ok().map(IpNet::from))
}

/// The value of an address's or range's entry.
pub fn of_net(net: IpNet) -> (ListKind, String) {
    if net.prefix_len() == net.max_prefix_len() {
        (ListKind::Address, net.addr().to_string())
    } else {
        (ListKind::Range, net.to_string())
    }
}

/// The kind that a text looks like. What only address ranges are made of is meant to be one.
fn looks_like(text: &str) -> ListKind {
    // The zone of a link-local address is no part of it, but tells that one is meant.
    let digits = text.split('%').next().unwrap_or_default();
    let is_net = digits.bytes().all(|byte| byte.is_ascii_hexdigit() || b".:/".contains(&byte));
    match text.as_bytes() {
        [b'/', ..] => ListKind::Path,
        _ if is_net && digits.contains(['.', ':']) => ListKind::Address,
        _ => ListKind::UserAgent,
    }
}

fn net(text: &str) -> Result<IpNet, String> {
    let net = match text.split_once('/') {
        None => text.parse::<IpAddr>().map(IpNet::from).ok(),
        Some((address, length)) => {
            let address = address.parse::<IpAddr>();
            let length = length.parse::<u8>();
            address.ok().zip(length.ok()).and_then(|(address, length)| IpNet::new(address, length).ok())
        }
    };
    let net = unmapped(net.ok_or_else(|| {
        "is neither an address nor a range; write one such as 203.0.113.7, 203.0.113.0/24 or 2001:db8::/32"
            .to_owned()
    })?);
    if net.trunc() != net {
        return Err(format!(
            "has bits set behind the prefix; write {} for the range, or {} for the address",
            net.trunc(),
            net.addr()
        ));
    }
    Ok(net)
}

/// IPv4 in IPv6 (`::ffff:203.0.113.7`) as IPv4, which is how addresses are compared.
fn unmapped(net: IpNet) -> IpNet {
    let IpNet::V6(v6) = net else { return net };
    let mapped = v6.addr().to_ipv4_mapped();
    let v4 = mapped.zip(v6.prefix_len().checked_sub(96));
    let v4 = v4.and_then(|(address, length): (Ipv4Addr, u8)| Ipv4Net::new(address, length).ok());
    v4.map_or(net, IpNet::V4)
}

fn hashed(text: &str, hash: impl FnOnce(&str) -> String) -> String {
    let known = text.to_ascii_lowercase();
    if parse_hash(&known).is_some() { known } else { hash(text) }
}

/// An object as JSON, anything else as text.
pub(super) fn fingerprint(text: &str) -> serde_json::Value {
    let object = serde_json::from_str(text).ok().filter(serde_json::Value::is_object);
    object.unwrap_or_else(|| text.into())
}

fn pattern(text: &str) -> String {
    // Two stars mean what one means.
    let mut pattern = String::with_capacity(text.len());
    for letter in text.chars() {
        if letter != '*' || !pattern.ends_with('*') {
            pattern.push(letter);
        }
    }
    pattern
}

fn path(text: &str) -> Result<String, String> {
    let fault = |what: &str| Err(format!("{what}; write a plain path such as /private or /private/*"));
    let stem = text.strip_suffix('*').unwrap_or(text);
    if !stem.starts_with('/') {
        return fault("does not begin with /");
    }
    if stem.contains('*') {
        return fault("has a `*` that is not at its end");
    }
    // What may follow a prefix, so that a dot before it is no dot segment.
    let whole = if stem.len() < text.len() { format!("{stem}x") } else { stem.to_owned() };
    if *plain(whole.as_bytes()) != *whole.as_bytes() || stem.contains(['?', '#']) {
        return fault("never fits: it has %, ;, ?, #, // or dot segments");
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_as(kind: Option<ListKind>, text: &str) -> Result<(ListKind, String), String> {
        read(kind, text, &HashKey::from_bytes([7; 16]))
    }

    #[test]
    fn one_thing_has_one_spelling() {
        use ListKind::*;
        for (text, kind, value) in [
            (" 203.0.113.7 ", Address, "203.0.113.7"),
            ("203.0.113.7/32", Address, "203.0.113.7"),
            ("::ffff:203.0.113.7", Address, "203.0.113.7"),
            ("::ffff:203.0.113.0/120", Range, "203.0.113.0/24"),
            ("2001:DB8:0:0::/32", Range, "2001:db8::/32"),
            ("2001:db8::1/128", Address, "2001:db8::1"),
            ("0.0.0.0/0", Range, "0.0.0.0/0"),
            ("/private/*", Path, "/private/*"),
            ("/caf\u{e9}", Path, "/caf\u{e9}"),
            ("/", Path, "/"),
            ("/.*", Path, "/.*"),
            ("BadBot/**2", UserAgent, "BadBot/*2"),
            ("***", UserAgent, "*"),
            ("Mozilla/5.0 (x)", UserAgent, "Mozilla/5.0 (x)"),
            ("abc", UserAgent, "abc"),
        ] {
            assert_eq!(read_as(None, text), Ok((kind, value.to_owned())), "{text}");
        }
        assert_eq!(read_as(Some(Address), "203.0.113.0/24").map(|(kind, _)| kind), Ok(Range));
    }

    #[test]
    fn sessions_and_fingerprints_are_hashed_once() {
        for (kind, text) in [(ListKind::Session, "s3cret"), (ListKind::Fingerprint, r#"{"b":1,"a":2}"#)] {
            let (_, value) = read_as(Some(kind), text).expect("read");
            assert!(parse_hash(&value).is_some() && !value.contains("s3cret"), "{value}");
            assert_eq!(read_as(Some(kind), &value.to_uppercase().replace("HASH", "hash")), Ok((kind, value)));
        }
        let key = HashKey::from_bytes([7; 16]);
        let object = serde_json::json!({ "a": 2, "b": 1 });
        let (_, value) = read_as(Some(ListKind::Fingerprint), r#" {"b": 1, "a": 2} "#).expect("read");
        assert_eq!(value, fingerprint_hash(&key, &object), "the order of its keys means nothing");
        assert_ne!(session_hash(&key, "x"), fingerprint_hash(&key, &"x".into()));
    }

    #[test]
    fn faults_say_what_to_write_instead() {
        for (kind, text, told) in [
            (None, "203.0.113.7/24", "write 203.0.113.0/24"),
            (None, "::ffff:203.0.113.7/120", "write 203.0.113.0/24"),
            (None, "2001:db8::1/32", "write 2001:db8::/32"),
            (None, "203.0.113.300", "neither an address nor a range"),
            (None, "203.0.113.0/33", "neither an address nor a range"),
            (None, "203.0.113.0/", "neither an address nor a range"),
            (None, "fe80::1%eth0", "neither an address nor a range"),
            (Some(ListKind::Address), "localhost", "neither an address nor a range"),
            (Some(ListKind::Path), "private", "does not begin with /"),
            (None, "/a*b", "not at its end"),
            (None, "/a%20b", "never fits"),
            (None, "/a/../b", "never fits"),
            (None, "//", "never fits"),
            (None, "/a?b", "never fits"),
            (None, " ", "is empty"),
            (Some(ListKind::Session), "a\u{0}b", "control characters"),
            (None, &"x".repeat(1025), "at most 1024 bytes"),
        ] {
            let fault = read_as(kind, text).expect_err(text);
            assert!(fault.contains(told), "{text}: {fault}");
        }
    }
}
