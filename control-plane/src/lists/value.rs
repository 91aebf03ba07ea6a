//! What an entry may name: read in any spelling, kept in one. Sessions and fingerprints become keyed hashes here.

use ipnet::IpNet;
use sallyport_core::{HashKey, RangeError, plain, read_range};

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
        ListKind::Address | ListKind::Range => read_range(text).map(of_net).map_err(|error| {
            // It was taken for one by its looks.
            let hint = "; of a user agent say the kind, `user_agent`";
            let is_odd = error == RangeError::NoAddress || text.contains(char::is_whitespace);
            let is_guess = kind.is_none() && is_odd;
            format!("{error}{}", if is_guess { hint } else { "" })
        }),
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

/// The value of an address's or range's entry.
pub fn of_net(net: IpNet) -> (ListKind, String) {
    if net.prefix_len() == net.max_prefix_len() {
        (ListKind::Address, net.addr().to_string())
    } else {
        (ListKind::Range, net.to_string())
    }
}

/// The kind that a text looks like. What only address ranges are made of is meant to be one, and what has an address in
/// it is not taken for a user agent unless it is said.
fn looks_like(text: &str) -> ListKind {
    // The zone of a link-local address is no part of it, but tells that one is meant.
    let digits = text.split('%').next().unwrap_or_default();
    let is_net = digits.bytes().all(|byte| byte.is_ascii_hexdigit() || b".:/".contains(&byte));
    match text.as_bytes() {
        [b'/', ..] => ListKind::Path,
        _ if is_net && digits.contains(['.', ':']) => ListKind::Address,
        _ if has_address(text) => ListKind::Address,
        _ => ListKind::UserAgent,
    }
}

/// Whether an address stands anywhere in it, such as in `deny 203.0.113.7;` or `203.0.113.0-203.0.113.255`.
fn has_address(text: &str) -> bool {
    let mut words = text.split([' ', '\t', ',', ';', '-', '"', '\'', '=']);
    words.any(|word| !matches!(read_range(word), Err(RangeError::NoAddress)))
}

/// The beginning of a text, for a message.
pub(super) fn shown(text: &str) -> String {
    text.chars().take(60).map(|letter| if letter.is_control() { ' ' } else { letter }).collect()
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
            ("Chrome/150.0.0.0 Safari", UserAgent, "Chrome/150.0.0.0 Safari"),
            ("Perl::LWP ::x", UserAgent, "Perl::LWP ::x"),
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
            (None, "203.0.113.0/33", "no prefix length"),
            (None, "203.0.113.0/", "no prefix length"),
            (None, "fe80::1%eth0", "write fe80::1"),
            (None, "010.0.0.1", "write 10.0.0.1"),
            (None, "::ffff:203.0.113.0/95", "shorter than /96"),
            (None, "203.0.113.0-203.0.113.255", "of a user agent say the kind"),
            (None, "203.0.113.0/24 ; SBL1", "of a user agent say the kind"),
            (None, "deny 203.0.113.7;", "of a user agent say the kind"),
            (None, "203.0.113.7,scans", "of a user agent say the kind"),
            (None, "x 203.0.113.7/33", "of a user agent say the kind"),
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
