//! Hosts: as routes and limits name them, and as a request names its own.

/// Longest name and longest part between two dots, in bytes (RFC 1035, section 2.3.4).
const NAME_BYTES: usize = 253;
const LABEL_BYTES: usize = 63;

/// The name in an `:authority` or `Host`: without user, port and one closing dot.
pub(super) fn name(authority: &[u8]) -> &[u8] {
    let host = authority.rsplit(|byte| *byte == b'@').next().unwrap_or_default();
    // The colons of an IPv6 address stand in brackets.
    let address = if host.starts_with(b"[") { host.iter().position(|byte| *byte == b']') } else { None };
    let port = host.iter().skip(address.unwrap_or(0)).position(|byte| *byte == b':');
    let end = port.map_or(host.len(), |at| address.unwrap_or(0) + at);
    let name = host.get(..end).unwrap_or(host);
    name.strip_suffix(b".").unwrap_or(name)
}

/// How closely a pattern names a host, by its [`name`]: 0 where there is no pattern, more for `*.shop.example`, the longer
/// the closer, and most for the name itself; `None` where it names another. ASCII case and a closing dot do not count.
pub(super) fn closeness(pattern: Option<&str>, name: &[u8]) -> Option<usize> {
    let Some(pattern) = pattern else { return Some(0) };
    let pattern = pattern.strip_suffix('.').unwrap_or(pattern).as_bytes();
    let Some(below) = pattern.strip_prefix(b"*") else {
        return pattern.eq_ignore_ascii_case(name).then_some(usize::MAX);
    };
    let at = name.len().checked_sub(below.len()).filter(|at| *at > 0)?;
    name.get(at..)?.eq_ignore_ascii_case(below).then_some(below.len())
}

/// What is wrong with a pattern.
pub(super) fn fault(pattern: &str) -> Option<&'static str> {
    let name = pattern.strip_prefix("*.").unwrap_or(pattern);
    let name = name.strip_suffix('.').unwrap_or(name);
    let is_label = |label: &str| {
        (1..=LABEL_BYTES).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    };
    Some(match pattern {
        "" => "is empty",
        _ if name.contains("://") => "has a scheme",
        _ if name.contains('/') => "has a path",
        _ if name.contains(':') => "has a port, or is an address and no name",
        _ if name.contains('*') => "has a * elsewhere than alone in front",
        _ if name.len() > NAME_BYTES || !name.split('.').all(is_label) => {
            "is no name in ASCII, with other letters as xn--"
        }
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_name_is_what_stands_before_the_port() {
        for (authority, expected) in [
            ("shop.example", "shop.example"),
            ("shop.example:8443", "shop.example"),
            ("shop.example.", "shop.example"),
            ("shop.example.:80", "shop.example"),
            ("me:secret@shop.example:80", "shop.example"),
            ("[2001:db8::1]:80", "[2001:db8::1]"),
            ("[2001:db8::1]", "[2001:db8::1]"),
            ("[2001:db8", "[2001"),
            (":80", ""),
            ("", ""),
        ] {
            assert_eq!(name(authority.as_bytes()), expected.as_bytes(), "{authority}");
        }
    }

    #[test]
    fn a_pattern_names_a_host_or_all_below_one() {
        for (pattern, host, fits) in [
            ("shop.example", "shop.example", true),
            ("Shop.Example.", "sHOP.example", true),
            ("shop.example", "a.shop.example", false),
            ("shop.example", "myshop.example", false),
            ("*.shop.example", "a.shop.example", true),
            ("*.shop.example.", "A.B.SHOP.example", true),
            ("*.shop.example", "shop.example", false),
            ("*.shop.example", ".shop.example", false),
            ("*.shop.example", "a.myshop.example", false),
            ("shop.example", "", false),
        ] {
            assert_eq!(closeness(Some(pattern), host.as_bytes()).is_some(), fits, "{pattern} {host}");
        }
        let of = |pattern| closeness(pattern, b"a.b.example");
        assert!(of(None) < of(Some("*.example")));
        assert!(of(Some("*.example")) < of(Some("*.b.example")));
        assert!(of(Some("*.b.example")) < of(Some("a.b.example")));
    }

    #[test]
    fn what_is_no_host_is_a_mistake() {
        for good in
            ["shop.example", "*.shop.example", "localhost", "xn--caf-dma.example.", "192.0.2.7", "a_b"]
        {
            assert_eq!(fault(good), None, "{good}");
        }
        let long = format!("{}.example", "a".repeat(64));
        for (bad, expected) in [
            ("", "empty"),
            ("https://shop.example", "scheme"),
            ("shop.example/cart", "path"),
            ("shop.example:443", "port"),
            ("[2001:db8::1]", "address"),
            ("*", "*"),
            ("*shop.example", "*"),
            ("a.*.example", "*"),
            ("*.*.example", "*"),
            ("*.", "name"),
            (".shop.example", "name"),
            ("shop..example", "name"),
            ("caf\u{e9}.example", "xn--"),
            ("shop example", "name"),
            (&long, "name"),
        ] {
            assert!(fault(bad).is_some_and(|fault| fault.contains(expected)), "{bad}: {:?}", fault(bad));
        }
    }

    proptest! {
        #[test]
        fn any_authority_has_a_name(authority in prop::collection::vec(prop::sample::select(b"a.:@[]\xff".to_vec()), 0..20)) {
            let name = name(&authority);
            prop_assert!(authority.windows(name.len().max(1)).any(|part| part == name) || name.is_empty());
        }

        #[test]
        fn no_spelling_of_a_host_is_another(host in "[a-z]{1,5}(\\.[a-z]{1,5}){1,3}", upper in any::<u32>(), dot in any::<bool>(), port in prop::option::of(1_u16..)) {
            let mut spelt: String = host.char_indices().map(|(i, c)| {
                if upper >> (i % 32) & 1 == 1 { c.to_ascii_uppercase() } else { c }
            }).collect();
            spelt.push_str(if dot { "." } else { "" });
            spelt.push_str(&port.map(|port| format!(":{port}")).unwrap_or_default());
            let below = host.split_once('.').map(|(_, parent)| format!("*.{parent}"));
            let name = name(spelt.as_bytes());
            prop_assert_eq!(closeness(Some(&host), name), Some(usize::MAX), "{}", spelt);
            prop_assert!(closeness(below.as_deref(), name).is_some(), "{}", spelt);
        }
    }
}
