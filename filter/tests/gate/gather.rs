//! Facts from headers of any bytes.

use std::net::IpAddr;

use proptest::prelude::*;
use sallyport_filter::gather::{Sources, gather, parse_address};

fn headers(pairs: &[(&str, &str)]) -> Vec<(String, Vec<u8>)> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), value.as_bytes().to_vec())).collect()
}

fn ip(text: &str) -> Option<IpAddr> {
    Some(text.parse().expect("an address"))
}

#[test]
fn addresses_come_with_a_port() {
    assert_eq!(parse_address(b"192.0.2.7:443"), ip("192.0.2.7"));
    assert_eq!(parse_address(b"192.0.2.7:0"), ip("192.0.2.7"));
    assert_eq!(parse_address(b"[2001:db8::1]:443"), ip("2001:db8::1"));
    assert_eq!(parse_address(b"[fe80::1%eth0]:443"), ip("fe80::1"));
    assert_eq!(parse_address(b"[::ffff:192.0.2.7]:443"), ip("192.0.2.7"));
    for bad in
        ["", "pipe", "/run/socket", "192.0.2.7", "[::1]", "2001:db8::1:443:x", "1.2.3:80", "[1.2.3.4]:80"]
    {
        assert_eq!(parse_address(bad.as_bytes()), None, "{bad}");
    }
    assert_eq!(parse_address(b"\xff\xfe:80"), None);
}

#[test]
fn the_first_of_repeated_headers_counts() {
    let map = headers(&[("user-agent", "one"), ("user-agent", "two"), (":path", "/a?b=c")]);
    let gathered = gather(&map, None, &Sources::default());
    assert_eq!(gathered.facts.user_agent, b"one");
    assert_eq!(gathered.facts.path, b"/a");
    assert_eq!(gathered.facts.address, None);
}

#[test]
fn fingerprint_and_session_count_only_where_configured() {
    let map = headers(&[("x-ja4", "t13d"), ("cookie", "a=1; sid=abc;b=2"), ("cookie", "sid=late")]);
    let plain = gather(&map, None, &Sources::default()).facts;
    assert_eq!((plain.ja4, plain.session), (b"".as_slice(), b"".as_slice()));
    let by_header = Sources { session_header: "x-session".into(), ..Default::default() };
    let named = headers(&[("x-session", " s-1 "), ("cookie", "x-session=s-2"), ("x-session", "late")]);
    assert_eq!(gather(&named, None, &by_header).facts.session, b"s-1");
    let sources = Sources { ja4_header: "x-ja4".into(), session_cookie: "sid".into(), ..Default::default() };
    let told = gather(&map, None, &sources).facts;
    assert_eq!((told.ja4, told.session), (b"t13d".as_slice(), b"abc".as_slice()));
    assert_eq!(told.other_session, b"late", "which one the site reads cannot be told");
}

#[test]
fn https_is_what_the_proxy_says() {
    let secure = |pairs: &[(&str, &str)]| {
        let map = headers(pairs);
        gather(&map, None, &Sources::default()).facts.headers.expect("headers").secure
    };
    assert!(secure(&[(":scheme", "https")]));
    assert!(secure(&[("x-forwarded-proto", "https"), (":scheme", "http")]));
    assert!(!secure(&[("x-forwarded-proto", "http")]));
    assert!(!secure(&[]));
}

#[test]
fn a_navigation_accepts_html() {
    let navigates = |pairs: &[(&str, &str)]| {
        let map = headers(pairs);
        gather(&map, None, &Sources::default()).is_navigation()
    };
    assert!(navigates(&[(":method", "GET"), ("accept", "text/html,*/*")]));
    assert!(navigates(&[(":method", "GET"), ("accept", "text/html"), ("sec-fetch-mode", "navigate")]));
    assert!(!navigates(&[(":method", "GET"), ("accept", "text/html"), ("sec-fetch-mode", "cors")]));
    assert!(!navigates(&[(":method", "POST"), ("accept", "text/html")]));
    assert!(!navigates(&[(":method", "GET"), ("accept", "*/*")]));
    assert!(!navigates(&[]));
}

proptest! {
    #[test]
    fn any_bytes_are_facts(
        values in prop::collection::vec((0usize..NAMES.len(), prop::collection::vec(any::<u8>(), 0..64)), 0..40),
        source in prop::collection::vec(any::<u8>(), 0..64),
    ) {
        let map: Vec<_> = values.into_iter().map(|(name, value)| (NAMES[name].to_owned(), value)).collect();
        let sources = Sources { ja4_header: "x-ja4".into(), session_cookie: "sid".into(), ..Default::default() };
        let gathered = gather(&map, Some(&source), &sources);
        let first = map.iter().find(|(name, _)| name == "user-agent").map_or(&b""[..], |(_, value)| value);
        prop_assert_eq!(gathered.facts.user_agent, first);
    }
}

const NAMES: [&str; 9] =
    [":path", ":method", "user-agent", "accept", "cookie", "x-ja4", "x-request-id", "", "x-forwarded-proto"];

#[test]
fn the_address_may_come_from_a_header_that_the_proxy_owns() {
    let sources = Sources { address_header: "x-envoy-external-address".into(), ..Default::default() };
    let of = |value: &[u8]| {
        let headers = vec![("x-envoy-external-address".to_owned(), value.to_vec())];
        gather(&headers, Some(b"192.0.2.1:80"), &sources).facts.address
    };
    assert_eq!(of(b"198.51.100.7"), "198.51.100.7".parse().ok());
    assert_eq!(of(b"::ffff:198.51.100.7"), "198.51.100.7".parse().ok());
    assert_eq!(of(b"198.51.100.7:80"), None);
    assert_eq!(of(b"\xff"), None);
    assert_eq!(gather(&[], Some(b"192.0.2.1:80"), &sources).facts.address, None, "the header alone counts");
}
