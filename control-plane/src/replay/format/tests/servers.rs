//! Lines as servers other than nginx, Apache and Envoy alone write them, what stands before them, and what clients write.

use super::*;

const FIREFOX: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0";

fn ip(text: &str) -> Option<std::net::IpAddr> {
    Some(text.parse().expect("an address"))
}

/// 2024-07-12T09:00:00Z.
const NINE_MS: u64 = 1_720_774_800_000;

#[test]
fn istio_names_the_peer_and_why_it_answered() {
    let line = |details: &str, status: u16, upstream: &str| {
        format!(
            r#"[2024-07-12T09:00:00.000Z] "GET /a?b HTTP/1.1" {status} - {details} - "-" 0 95 28 24 "203.0.113.9" "{FIREFOX}" "cc21d9b0" "shop.example" "{upstream}" outbound|80||shop 10.0.0.9:40000 10.0.0.1:8443 203.0.113.9:5123 shop.example default"#
        )
    };
    let text = line("via_upstream", 200, "10.0.0.5:8080");
    let passed = read(Format::Envoy, &text);
    assert_eq!((passed.address, passed.time_ms), (ip("203.0.113.9"), NINE_MS));
    assert_eq!((passed.path(), passed.user_agent.as_ref()), (b"/a".as_slice(), FIREFOX.as_bytes()));
    assert_eq!(passed.unknown, Unknown { user_agent: false, referer: true });
    assert!(!passed.by_gate && !read(Format::Envoy, &line("via_upstream", 403, "10.0.0.5:8080")).by_gate);
    assert!(read(Format::Envoy, &line("-", 403, "-")).by_gate);
    assert!(read(Format::Envoy, &line("", 403, "-")).by_gate, "a filter's answer without details");
    assert!(!read(Format::Envoy, &line("direct_response", 403, "-")).by_gate, "the operator's own route");
}

#[test]
fn envoy_gateway_json() {
    let text = format!(
        r#"{{"start_time":"2024-07-12T09:00:00.000Z","method":"GET","x-envoy-origin-path":"/a?b","protocol":"HTTP/2","response_code":"429","response_flags":"-","response_code_details":"-","upstream_host":"-","user-agent":"{FIREFOX}","x-forwarded-for":"198.51.100.7,203.0.113.9",":authority":"shop.example","downstream_remote_address":"203.0.113.9:5123","route_name":"x"}}"#
    );
    let line = read(Format::Json, &text);
    assert_eq!((line.address, line.time_ms, line.status), (ip("203.0.113.9"), NINE_MS, Some(429)));
    assert_eq!((line.path(), line.authority.as_ref()), (b"/a".as_slice(), b"shop.example".as_slice()));
    assert!(line.by_gate && line.unknown.referer && !line.unknown.user_agent);
    let behind = try_reading(Format::Json, &text, 1).expect("a line");
    assert_eq!(behind.address, ip("198.51.100.7"));
}

#[test]
fn what_sallyport_says_of_a_refusal_is_read_from_its_header() {
    let by_gate = |said: &str| {
        let said = said.replace('"', "\\\"");
        read(
            Format::Json,
            &format!(r#"{{"ts":1720774800,"method":"GET","path":"/","status":403,"x-sallyport":"{said}"}}"#),
        )
        .by_gate
    };
    assert!(by_gate("action=BLOCK, score=99, id=\"a\""));
    assert!(!by_gate("action=BLOCK, score=99, enforced=?0"), "the site answered");
    assert!(!by_gate("action=ALLOW, score=1"));
}

#[test]
fn gitlab_and_nextcloud_json() {
    let gitlab = read(
        Format::Json,
        r#"{"method":"GET","path":"/a/b","format":"html","controller":"x","status":200,"time":"2024-07-12T09:00:00.000Z","params":[{"key":"a","value":"b"}],"remote_ip":"192.0.2.7","ua":"curl/8","meta.caller_id":"x"}"#,
    );
    assert_eq!((gitlab.address, gitlab.user_agent.as_ref()), (ip("192.0.2.7"), b"curl/8".as_slice()));
    let nextcloud = read(
        Format::Json,
        r#"{"reqId":"a","level":2,"time":"2024-07-12T09:00:00+00:00","remoteAddr":"192.0.2.7","user":"--","app":"core","method":"POST","url":"/login","message":"Login failed","userAgent":"curl/8","version":"29"}"#,
    );
    assert_eq!(
        (nextcloud.path(), nextcloud.user_agent.as_ref()),
        (b"/login".as_slice(), b"curl/8".as_slice())
    );
}

#[test]
fn amazon_s_balancers() {
    let tail = format!(
        r#"192.0.2.7:2817 10.0.0.1:80 0.001 0.001 0.000 200 200 34 366 "GET https://shop.example:443/a?b HTTP/2.0" "{FIREFOX}" ECDHE-RSA-AES128-GCM-SHA256 TLSv1.2"#
    );
    let alb = format!(
        r#"h2 2024-07-12T09:00:00.000000Z app/lb/50dc6c495c0c9188 {tail} arn:aws:x "Root=1" "shop.example" "-" 0 2024-07-12T09:00:00.000000Z "forward" "-" "-" "10.0.0.1:80" "200" "-" "-""#
    );
    let elb = format!("2024-07-12T09:00:00.000000Z lb {tail}");
    for text in [alb, elb] {
        let line = read(Format::Aws, &text);
        assert_eq!((line.address, line.time_ms, line.status), (ip("192.0.2.7"), NINE_MS, Some(200)));
        assert_eq!(
            (line.path(), line.authority.as_ref()),
            (b"/a".as_slice(), b"shop.example:443".as_slice())
        );
        assert_eq!(line.user_agent.as_ref(), FIREFOX.as_bytes());
        assert!(line.unknown.referer);
        let v6 = text.replace("192.0.2.7:2817", "2001:db8::7:2817");
        assert_eq!(read(Format::Aws, &v6).address, ip("2001:db8::7"));
        assert_eq!(Format::detect(text.as_bytes(), &KeyMap::new(&[])), Some(Format::Aws));
    }
}

#[test]
fn iis_and_cloudfront_say_what_their_columns_are() {
    let keys = KeyMap::new(&[]);
    let iis = "#Software: Microsoft Internet Information Services 10.0\n#Fields: date time s-ip cs-method cs-uri-stem cs-uri-query s-port cs-username c-ip cs(User-Agent) cs(Referer) sc-status sc-substatus sc-win32-status time-taken\n2024-07-12 09:00:00 10.0.0.1 GET /a b=c 443 - 192.0.2.7 Mozilla/5.0+(X11;+Linux+x86_64) - 200 0 0 12\n#Fields: date time c-ip cs-method cs-uri-stem sc-status\n2024-07-12 09:00:00 192.0.2.8 GET /d 404";
    assert_eq!(Format::detect(iis.replace('\n', "\r\n").as_bytes(), &keys), Some(Format::W3c));
    let mut parser = Parser::new(Format::W3c, &keys, 0);
    let lines: Vec<_> = iis.lines().filter_map(|line| parser.parse(line.as_bytes()).expect(line)).collect();
    assert_eq!(lines.len(), 2);
    assert_eq!((lines[0].address, lines[0].time_ms), (ip("192.0.2.7"), NINE_MS));
    assert_eq!((lines[0].target.as_ref(), lines[0].referer.as_ref()), (b"/a?b=c".as_slice(), b"".as_slice()));
    assert_eq!(lines[0].user_agent.as_ref(), b"Mozilla/5.0 (X11; Linux x86_64)");
    assert_eq!(lines[0].unknown, Unknown::default());
    assert_eq!((lines[1].address, lines[1].status), (ip("192.0.2.8"), Some(404)));
    assert_eq!(lines[1].unknown, Unknown { user_agent: true, referer: true });

    let mut parser = Parser::new(Format::W3c, &keys, 0);
    assert_eq!(parser.parse(b"2024-07-12 09:00:00 192.0.2.7"), Err(LineError::Columns));
    let cloudfront = "#Version: 1.0\n#Fields: date time x-edge-location sc-bytes c-ip cs-method cs(Host) cs-uri-stem sc-status cs(Referer) cs(User-Agent) x-host-header\n2024-07-12\t09:00:00\tFRA\t99\t192.0.2.7\tGET\td1.cloudfront.net\t/a\t200\thttps://shop.example/\tMozilla/5.0%20(X11;%2520Linux)+1\tshop.example";
    let line = cloudfront.lines().filter_map(|line| parser.parse(line.as_bytes()).expect(line)).next();
    let line = line.expect("a request");
    assert_eq!(line.user_agent.as_ref(), b"Mozilla/5.0 (X11; Linux)+1");
    assert_eq!(line.referer.as_ref(), b"https://shop.example/");
    let more = "2024-07-12\t09:00:00\tFRA\t99\t192.0.2.7\tGET\tx\t/a\t200\t-\tM\tozilla\tshop.example";
    assert_eq!(parser.parse(more.as_bytes()), Err(LineError::Forged));
}

#[test]
fn haproxy_with_and_without_captured_headers() {
    let line = |captured: &str, request: &str| {
        format!(
            r#"Jul 12 09:00:01 lb haproxy[14389]: 192.0.2.7:33317 [12/Jul/2024:09:00:00.000] web~ static/srv1 10/0/30/69/109 200 2750 - - ---- 1/1/1/1/0 0/0 {captured}"{request}""#
        )
    };
    let plain = line("", "GET /a HTTP/1.1");
    let plain = read(Format::Haproxy, &plain);
    assert_eq!((plain.address, plain.time_ms, plain.status), (ip("192.0.2.7"), NINE_MS, Some(200)));
    assert_eq!(plain.unknown, Unknown { user_agent: true, referer: true });
    let own: Vec<Mapping> =
        ["authority=capture.1", "user_agent=capture.2"].map(|text| text.parse().unwrap()).into();
    let keys = KeyMap::new(&own);
    let text = line("{shop.example|Mozilla/5.0 #7Bx#22|} {} ", "GET /a HTTP/1.1");
    let named = Parser::new(Format::Haproxy, &keys, 0).parse(text.as_bytes()).unwrap().expect("a request");
    assert_eq!(
        (named.authority.as_ref(), named.user_agent.as_ref()),
        (b"shop.example".as_slice(), br#"Mozilla/5.0 {x""#.as_slice())
    );
    assert_eq!(named.unknown, Unknown { user_agent: false, referer: true });
    assert_eq!(refused(Format::Haproxy, &line("", "<BADREQ>")), LineError::Request);
    assert_eq!(Format::detect(line("", "<BADREQ>").as_bytes(), &KeyMap::new(&[])), Some(Format::Haproxy));
}

#[test]
fn nginx_proxy_manager() {
    for start in ["- 200 200 -", "200 -"] {
        let text = format!(
            r#"[12/Jul/2024:09:00:00 +0000] {start} GET https shop.example "/a?b" [Client 192.0.2.7] [Length 1256] [Gzip -] [Sent-to 10.0.0.5] "{FIREFOX}" "-""#
        );
        let line = read(Format::NginxProxyManager, &text);
        assert_eq!((line.address, line.time_ms, line.status), (ip("192.0.2.7"), NINE_MS, Some(200)));
        assert_eq!((line.method.as_ref(), line.path()), (b"GET".as_slice(), b"/a".as_slice()));
        assert_eq!(
            (line.authority.as_ref(), line.user_agent.as_ref()),
            (b"shop.example".as_slice(), FIREFOX.as_bytes())
        );
        assert_eq!(line.unknown, Unknown::default());
        assert_eq!(Format::detect(text.as_bytes(), &KeyMap::new(&[])), Some(Format::NginxProxyManager));
    }
}

#[test]
fn collectors_put_something_before_the_line() {
    let own = r#"192.0.2.7 - - [2024-07-12T09:00:00+00:00] "GET / HTTP/1.1" 200 1 "-" "curl/8""#;
    let prefixes = [
        "",
        "2024-07-12T09:00:01.123456789Z stdout F ",
        "Jul 12 09:00:01 web nginx[812]: ",
        "Jul  2 09:00:01 web nginx: ",
        "<190>Jul 12 09:00:01 web nginx: ",
        "<190>1 2024-07-12T09:00:01Z web nginx 812 - - ",
        "2024-07-12T09:00:01+0000 web nginx[812]: ",
        "\0\0\0",
    ];
    for prefix in prefixes {
        let text = format!("{prefix}{own}");
        let line = read(Format::Combined, &text);
        assert_eq!(
            (line.address, line.time_ms, line.user_agent.as_ref()),
            (ip("192.0.2.7"), NINE_MS, b"curl/8".as_slice())
        );
        assert_eq!(Format::detect(text.as_bytes(), &KeyMap::new(&[])), Some(Format::Combined), "{prefix}");
    }
}

#[test]
fn a_host_name_is_one_client_in_a_network_of_its_own() {
    let address = |host: &str| {
        let text = format!(r#"{host} - - [12/Jul/2024:09:00:00 +0000] "GET / HTTP/1.0" 200 1"#);
        let line = read(Format::Combined, &text);
        assert!(line.by_name, "{host}");
        line.address.expect("one made of the name").to_string()
    };
    assert_eq!(address("unicomp6.unicomp.net"), address("Unicomp6.unicomp.NET"));
    let (one, other) = (address("a.example"), address("b.example"));
    assert!(one.starts_with("fd") && one[..12] != other[..12], "{one} {other}");
}

#[test]
fn what_a_format_has_no_place_for_is_unknown() {
    let unknown = |format, text: &str| read(format, text).unknown;
    let combined = r#"192.0.2.7 - - [12/Jul/2024:09:00:00 +0000] "GET / HTTP/1.0" 200 1"#;
    let both = Unknown { user_agent: true, referer: true };
    assert_eq!(unknown(Format::Combined, combined), both);
    assert_eq!(unknown(Format::Combined, &format!(r#"{combined} "-" "-""#)), Unknown::default());
    assert_eq!(unknown(Format::Json, r#"{"ts":1,"method":"GET","path":"/"}"#), both);
    assert_eq!(
        unknown(Format::Json, r#"{"ts":1,"method":"GET","path":"/","user_agent":null,"referer":"-"}"#),
        Unknown::default()
    );
    assert_eq!(
        unknown(Format::Json, r#"{"ts":1,"request":{"method":"GET","uri":"/","headers":{}}}"#),
        Unknown::default()
    );
    let keys = KeyMap::new(&[]);
    let mut parser = Parser::new(Format::Json, &keys, 0);
    let mut tells =
        |text: &str| !parser.parse(text.as_bytes()).unwrap().expect("a request").unknown.user_agent;
    assert!(tells(r#"{"ts":1,"method":"GET","path":"/","ua":"curl/8"}"#));
    assert!(tells(r#"{"ts":1,"method":"GET","path":"/"}"#), "this writer leaves out what is empty");
}

#[test]
fn trusted_hops_count_from_the_server() {
    let address = |text: &str, hops| try_reading(Format::Combined, text, hops).expect(text).address;
    let tail = r#"- - [12/Jul/2024:09:00:00 +0000] "GET / HTTP/1.1" 200 1 "-" "curl/8""#;
    let column = format!(r#"10.0.0.1 {tail} "6.6.6.6, 192.0.2.7, 10.0.0.2""#);
    assert_eq!(address(&column, 0), ip("10.0.0.1"));
    assert_eq!(address(&column, 1), ip("10.0.0.2"));
    assert_eq!(address(&column, 2), ip("192.0.2.7"));
    assert_eq!(address(&column, 9), ip("6.6.6.6"), "the first of a way that is shorter");
    assert_eq!(address(&format!(r#"192.0.2.7 {tail} "-""#), 1), ip("192.0.2.7"));
    for list in [
        "6.6.6.6, 192.0.2.7, 10.0.0.2",
        "6.6.6.6,192.0.2.7,10.0.0.2",
        "shop.example 6.6.6.6, 192.0.2.7, 10.0.0.2",
    ] {
        let list = format!("{list} {tail}");
        assert_eq!(address(&list, 0), ip("10.0.0.2"), "{list}");
        assert_eq!(address(&list, 1), ip("192.0.2.7"), "{list}");
    }
}

#[test]
fn a_client_cannot_write_the_fields_after_its_own() {
    let envoy = |forwarded: &str, agent: &str| {
        format!(
            r#"[2024-07-12T09:00:00Z] "GET / HTTP/1.1" 200 - 0 0 4 3 "{forwarded}" "{agent}" "id" "shop.example" "10.0.0.5:80""#
        )
    };
    assert_eq!(
        refused(Format::Envoy, &envoy(r#"6.6.6.6" "Mozilla/5.0, 192.0.2.7"#, "curl/8")),
        LineError::Forged
    );
    assert_eq!(
        refused(Format::Envoy, &envoy("192.0.2.7", r#"a" "id" "other.example" "x"#)),
        LineError::Forged
    );
    let quoted = envoy(r#"x"y, 192.0.2.7"#, r#"a "b" c"#);
    assert_eq!(read(Format::Envoy, &quoted).address, ip("192.0.2.7"));
    let path = r#"[2024-07-12T09:00:00Z] "GET /a" HTTP/1.1" 404 - 0 0 4 3 "192.0.2.7" "curl/8" "id" "a" "b""#;
    assert_eq!(
        (read(Format::Envoy, path).status, read(Format::Envoy, path).path()),
        (Some(404), br#"/a""#.as_slice())
    );

    let user = r#"192.0.2.7 - a [01/Jan/2038:00:00:00 +0000] \x22GET /nice HTTP/1.1\x22 [x] [12/Jul/2024:09:00:00 +0000] "GET /.env HTTP/1.1" 404 1 "-" "curl/8""#;
    assert_eq!(
        (read(Format::Combined, user).time_ms, read(Format::Combined, user).path()),
        (NINE_MS, b"/.env".as_slice())
    );
    let tail = r#"[12/Jul/2024:09:00:00 +0000] "GET / HTTP/1.1" 200 1 "-""#;
    assert_eq!(refused(Format::Combined, &format!(r#"192.0.2.7 - - {tail} "a "b" c""#)), LineError::Forged);
    assert_eq!(
        refused(Format::Combined, &format!(r#"6.6.6.6 - x, 192.0.2.7 - - {tail} "a""#)),
        LineError::Forged
    );
    let host = format!(r#"198.51.100.1 192.0.2.7 - - {tail} "a""#);
    assert_eq!(read(Format::Combined, &host).address, ip("192.0.2.7"), "a Host that is an address");

    let twice = r#"{"ts":1,"ip":"192.0.2.7","method":"GET","path":"/","ua":"a","ip":"6.6.6.6"}"#;
    assert_eq!(refused(Format::Json, twice), LineError::Json("the key `ip` stands twice".to_owned()));
    let text = r#"{"ts":1,"ip":"192.0.2.7","method":"GET","path":"/","ua":"a\x22,\x22ip\x22:\x226.6.6.6 \x5C\xC3\xA9"}"#;
    let line = read(Format::Json, text);
    assert_eq!(
        (line.address, line.user_agent.as_ref()),
        (ip("192.0.2.7"), "a\",\"ip\":\"6.6.6.6 \\é".as_bytes())
    );
}

#[test]
fn the_format_is_found_behind_scans_by_other_protocols() {
    let scan = r#"192.0.2.9 - - [12/Jul/2024:09:00:00 +0000] "\x16\x03\x01" 400 157 "-" "-""#;
    let lines = [scan; 60].join("\r\n");
    assert_eq!(Format::detect(lines.as_bytes(), &KeyMap::new(&[])), Some(Format::Combined));
}
