//! Each parser on lines as real servers write them, and on any bytes at all.

use proptest::prelude::*;

use super::*;

mod servers;

fn try_reading<'a>(format: Format, line: &'a str, trusted_hops: usize) -> Result<LogLine<'a>, LineError> {
    let keys = KeyMap::new(&[]);
    let line = Parser::new(format, &keys, trusted_hops).parse(line.as_bytes());
    line.map(|line| line.expect("a request"))
}

fn read<'a>(format: Format, line: &'a str) -> LogLine<'a> {
    try_reading(format, line, 0).unwrap_or_else(|error| panic!("{line}: {error}"))
}

fn refused(format: Format, line: &str) -> LineError {
    try_reading(format, line, 0).expect_err(line)
}

#[test]
fn combined_with_escapes_and_a_user_name_with_spaces() {
    let line = read(
        Format::Combined,
        r#"192.0.2.7 - Jane Roe [15/Dec/2018:10:18:31 +0000] "GET /a?b=\"c\" HTTP/1.1" 200 334 "-" "x \x22y\x22""#,
    );
    assert_eq!(line.address, Some("192.0.2.7".parse().unwrap()));
    assert_eq!(line.time_ms, 1_544_869_111_000);
    assert_eq!((line.method.as_ref(), line.path()), (b"GET".as_slice(), b"/a".as_slice()));
    assert_eq!(line.referer.as_ref(), b"");
    assert_eq!(line.user_agent.as_ref(), br#"x "y""#);
    assert_eq!(line.status, Some(200));
}

#[test]
fn common_virtual_host_and_extra_fields() {
    let common = read(
        Format::Combined,
        r#"::ffff:192.0.2.7 - - [15/Dec/2018:10:18:31 +0000] "HEAD / HTTP/1.0" 304 -"#,
    );
    assert_eq!(common.address, Some("192.0.2.7".parse().unwrap()));
    assert_eq!(common.user_agent.as_ref(), b"");
    let vhost = read(
        Format::Combined,
        r#"www.example.org:443 2001:db8::1 - - [15/Dec/2018:10:18:31 +0000] "GET / HTTP/2.0" 200 1 "-" "ua" "10.0.0.1""#,
    );
    assert_eq!(vhost.authority.as_ref(), b"www.example.org:443");
    assert_eq!(vhost.user_agent.as_ref(), b"ua");
}

#[test]
fn a_request_to_a_proxy_is_taken_apart() {
    let line = read(
        Format::Combined,
        r#"192.0.2.7 - - [15/Dec/2018:10:18:31 +0000] "GET http://example.org/x?y HTTP/1.1" 404 1 "-" "-""#,
    );
    assert_eq!((line.authority.as_ref(), line.path()), (b"example.org".as_slice(), b"/x".as_slice()));
}

#[test]
fn what_is_no_request_is_refused_with_its_reason() {
    let request =
        |text: &str| format!(r#"192.0.2.7 - - [15/Dec/2018:10:18:31 +0000] "{text}" 400 0 "-" "-""#);
    for text in ["", "-", r"\x16\x03\x01", "GET", "GET  HTTP/1.1", "GET HTTP/1.1"] {
        assert_eq!(refused(Format::Combined, &request(text)), LineError::Request, "{text}");
    }
    assert_eq!(refused(Format::Combined, "hello"), LineError::Missing("the time"));
    assert_eq!(
        refused(Format::Combined, r#"h*st - - [15/Dec/2018:10:18:31 +0000] "GET / HTTP/1.1" 200 1"#),
        LineError::Address
    );
    assert_eq!(
        refused(Format::Combined, r#"192.0.2.7 - - [15/Dec/2018:10:18:31 +0000] "GET / HTTP/1.1" 20x 1"#),
        LineError::Status
    );
    assert_eq!(
        refused(Format::Combined, r#"192.0.2.7 - - [15/Dec/2018:10:18:31 +0000] "GET / HTTP/1.1"#),
        LineError::Unclosed("the request")
    );
}

#[test]
fn envoy_takes_the_peer_it_added_itself() {
    let line = read(
        Format::Envoy,
        r#"[2016-04-15T20:17:00.310Z] "POST /api/v1/locations HTTP/2" 204 - 154 0 226 100 "203.0.113.9, 10.0.35.28" "nsq2http" "cc21d9b0" "locations" "tcp://10.0.2.1:80""#,
    );
    assert_eq!(line.address, Some("10.0.35.28".parse().unwrap()));
    assert_eq!(line.time_ms, 1_460_751_420_310);
    assert_eq!(line.authority.as_ref(), b"locations");
    let alone =
        read(Format::Envoy, r#"[2016-04-15T20:17:00Z] "GET / HTTP/2" 200 - 0 0 0 - "-" "-" "-" "a" "-""#);
    assert_eq!(alone.address, None);
}

#[test]
fn nginx_json() {
    let line = read(
        Format::Json,
        r#"{"msec":1544869111.25,"remote_addr":"192.0.2.7","request":"GET /x HTTP/1.1","status":"404","http_user_agent":"-","http_accept":"*/*"}"#,
    );
    assert_eq!(line.time_ms, 1_544_869_111_250);
    assert_eq!(line.user_agent.as_ref(), b"");
    assert_eq!(line.headers, None, "one logged header says nothing about those that are not logged");
}

#[test]
fn caddy_json_knows_all_headers() {
    let line = read(
        Format::Json,
        r#"{"ts":1646861401.5,"request":{"remote_ip":"192.0.2.1","client_ip":"2001:db8::2","method":"GET","host":"example.org","uri":"/a?b","headers":{"User-Agent":["curl/7.82.0"],"Accept":["*/*"]},"tls":{"version":772}},"status":200,"resp_headers":{"Location":["/login"]}}"#,
    );
    assert_eq!(line.address, Some("2001:db8::2".parse().unwrap()));
    assert_eq!(line.user_agent.as_ref(), b"curl/7.82.0");
    assert_eq!(line.location.as_ref(), b"/login");
    let headers = line.headers.expect("the log has them all");
    assert_eq!(headers.accept.as_ref(), b"*/*");
    assert!(headers.secure);
}

#[test]
fn own_keys_come_first() {
    let own: Vec<Mapping> = ["ip=edge.peer", "ts=when"].iter().map(|text| text.parse().unwrap()).collect();
    let text = br#"{"ip":"192.0.2.1","edge":{"peer":"192.0.2.2:443"},"when":"2018-12-15T10:18:31Z","method":"GET","path":"/"}"#;
    let keys = KeyMap::new(&own);
    let line = Parser::new(Format::Json, &keys, 0).parse(text).unwrap().expect("a request");
    assert_eq!(line.address, Some("192.0.2.2".parse().unwrap()));
    assert!("colour=x".parse::<Mapping>().unwrap_err().contains("user_agent"));
    assert!("ip".parse::<Mapping>().is_err());
}

#[test]
fn a_wrong_type_names_the_key() {
    let error = refused(Format::Json, r#"{"ts":1,"ip":true,"method":"GET","path":"/"}"#);
    assert_eq!(error, LineError::JsonType("ip".to_owned()));
    assert!(matches!(refused(Format::Json, "[1]"), LineError::Json(_)));
}

#[test]
fn the_format_is_found_from_the_first_lines() {
    let detect = |text: &str| Format::detect(text.as_bytes(), &KeyMap::new(&[]));
    let combined = "rubbish\n192.0.2.7 - - [15/Dec/2018:10:18:31 +0000] \"GET / HTTP/1.1\" 200 1\n";
    assert_eq!(detect(combined), Some(Format::Combined));
    let envoy = "[2016-04-15T20:17:00Z] \"GET / HTTP/2\" 200 - 0 0 0 - \"-\" \"-\" \"-\" \"a\" \"-\"";
    assert_eq!(detect(envoy), Some(Format::Envoy));
    assert_eq!(detect(r#"{"ts":1,"method":"GET","path":"/"}"#), Some(Format::Json));
    assert_eq!(detect(r#"{"when":1}"#), Some(Format::Json), "each line then says what it lacks");
    assert_eq!(detect("hello\nworld"), None);
    assert_eq!(detect("\n"), None);
}

/// Bytes that look enough like log lines to reach deep into the parsers.
fn lines() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        Just("192.0.2.7 - - ".to_owned()),
        Just("[15/Dec/2018:10:18:31 +0000] ".to_owned()),
        Just("[2016-04-15T20:17:00Z] ".to_owned()),
        Just("\"GET / HTTP/1.1\" ".to_owned()),
        Just("{\"ts\":".to_owned()),
        Just("\"".to_owned()),
        Just("\\".to_owned()),
        Just("200 ".to_owned()),
        Just("Jul 12 09:00:00 host nginx: ".to_owned()),
        Just("2024-07-12 09:00:00 192.0.2.7 GET /%20+ %2".to_owned()),
        Just("[15/Dec/2018:10:18:31.25] a b 1 200 2 - - ---- 1 0 {x|#2} ".to_owned()),
        Just(", ".to_owned()),
        Just("\\x2".to_owned()),
        "\\PC{0,8}",
    ];
    prop_oneof![
        proptest::collection::vec(any::<u8>(), 0..200),
        proptest::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat().into_bytes()),
    ]
}

proptest! {
    #[test]
    fn any_bytes_give_a_line_or_an_error(bytes in lines()) {
        let keys = KeyMap::new(&[]);
        for format in Format::ALL {
            let mut parser = Parser::new(format, &keys, 1);
            let _ = parser.parse(b"#Fields: date time c-ip cs-method cs-uri-stem cs(User-Agent)");
            if let Ok(Some(line)) = parser.parse(&bytes) {
                prop_assert!(line.path().len() <= line.target.len());
            }
        }
        Format::detect(&bytes, &keys);
    }

    #[test]
    fn what_is_written_is_read_back(agent in "[ -~]{1,60}", path in "/[!-~]{0,40}", status in 100u16..600) {
        let escape = |text: &str| text.replace('\\', r"\x5C").replace('"', r"\x22");
        let text = format!(
            r#"192.0.2.7 - - [15/Dec/2018:10:18:31 +0000] "GET {} HTTP/1.1" {status} 0 "-" "{}""#,
            escape(&path), escape(&agent),
        );
        let line = read(Format::Combined, &text);
        prop_assert_eq!(line.target.as_ref(), path.as_bytes());
        let expected = if agent == "-" { "" } else { &agent };
        prop_assert_eq!(line.user_agent.as_ref(), expected.as_bytes());
        prop_assert_eq!(line.status, Some(status));
    }
}
