//! Requests no browser sends. The filter judges them or lets them pass; it never crashes.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::time::Duration;

use sallyport_e2e::harness::{Gate, Plan};
use sallyport_e2e::http;
use sallyport_e2e::visitor::Visitor;
use serde_json::json;

/// Sends bytes and returns the first line that comes back; empty where the connection was just closed.
fn raw(gate: &Gate, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, gate.port)).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    stream.write_all(bytes).unwrap();
    let mut answer = [0; 64];
    let length = stream.read(&mut answer).unwrap();
    String::from_utf8_lossy(&answer[..length]).lines().next().unwrap_or_default().to_owned()
}

/// A request with this line and these further header bytes, from a visitor who is no bot.
fn request(line: &str, headers: &[u8]) -> Vec<u8> {
    let mut bytes = format!("{line}\r\nHost: site.test\r\nX-Forwarded-For: 198.51.100.77\r\n").into_bytes();
    bytes.extend_from_slice(headers);
    bytes.extend_from_slice(b"\r\n");
    bytes
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_a_client_sends_crashes_the_filter() {
    let gate = Plan::with_policy(json!({ "enforcement": "monitor", "consult": "never" })).start_alone().await;
    let repeat = |byte: u8, count: usize| vec![byte; count];
    let many: Vec<u8> = (0..200).flat_map(|number| format!("x-h{number}: v\r\n").into_bytes()).collect();
    let cookie = [b"Cookie: a=".to_vec(), repeat(b'c', 60 * 1024), b"\r\n".to_vec()].concat();
    let long_path = format!("GET /{} HTTP/1.1", "p".repeat(64 * 1024));
    let long_query = format!("GET /?{} HTTP/1.1", "q=1&".repeat(16 * 1024));
    let bad_utf8: Vec<u8> = [
        "user-agent",
        "accept",
        "accept-language",
        "accept-encoding",
        "referer",
        "cookie",
        "sec-fetch-mode",
        "sec-ch-ua",
        "x-sallyport",
        "x-sallyport-ja4",
        "x-request-id",
    ]
    .iter()
    .flat_map(|name| [name.as_bytes(), b": \xff\xfe\x80\xc3( \t\r\n"].concat())
    .collect();
    let cases: Vec<(&str, Vec<u8>)> = vec![
        ("no headers", b"GET / HTTP/1.1\r\nHost: a\r\n\r\n".to_vec()),
        ("bad UTF-8 in every header", request("GET / HTTP/1.1", &bad_utf8)),
        ("200 headers", request("GET / HTTP/1.1", &many)),
        ("a cookie of 60 KiB", request("GET / HTTP/1.1", &cookie)),
        ("a path of 64 KiB", request(&long_path, b"")),
        ("a query of 64 KiB", request(&long_query, b"")),
        ("%00", request("GET /%00%ff%2e%2e/%c0%ae HTTP/1.1", b"")),
        ("an empty user agent", request("GET / HTTP/1.1", b"User-Agent:\r\n")),
        ("repeated headers", request("GET / HTTP/1.1", b"User-Agent: a\r\nUser-Agent: b\r\nAccept: c\r\nAccept: d\r\n")),
        ("HTTP/1.0", request("GET / HTTP/1.0", b"")),
        ("HTTP/1.0 without a host", b"GET / HTTP/1.0\r\n\r\n".to_vec()),
        ("an unknown method", request("BREW /pot HTTP/1.1", b"")),
        ("OPTIONS *", request("OPTIONS * HTTP/1.1", b"")),
        ("an absolute target", request("GET http://site.test/about HTTP/1.1", b"")),
        ("CONNECT", b"CONNECT site.test:443 HTTP/1.1\r\nHost: site.test:443\r\n\r\n".to_vec()),
        ("WebSocket", request("GET /ws HTTP/1.1", b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n")),
        ("gRPC over HTTP/1.1", request("POST /a.B/C HTTP/1.1", b"content-type: application/grpc\r\nte: trailers\r\nContent-Length: 0\r\n")),
        ("an odd forwarded address", b"GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: not an address\r\n\r\n".to_vec()),
        ("an address with a zone", b"GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: fe80::1%eth0\r\n\r\n".to_vec()),
    ];
    for (name, bytes) in &cases {
        let line = raw(&gate, bytes);
        assert!(line.starts_with("HTTP/1."), "{name}: {line:?}");
        assert!(!line.contains(" 503"), "{name}: {line:?}");
    }
    let after = Visitor::chrome("198.51.100.1").get(&gate.client, &gate.url("/")).send().await.unwrap();
    assert_eq!(after.status(), 200);
    assert_eq!(gate.reloads(), 0);
    let judged: u64 = gate.envoy.stats("sallyport_decisions").values().sum();
    assert!(judged <= cases.len() as u64 * 2 + 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn http2_is_judged_like_http1() {
    let gate = Plan::with_policy(json!({ "enforcement": "enforce", "consult": "never" })).start_alone().await;
    let client = http::client_builder().http2_prior_knowledge().build().unwrap();
    let person = Visitor::chrome("198.51.100.1").get(&client, &gate.url("/")).send().await.unwrap();
    assert_eq!((person.version(), person.status().as_u16()), (reqwest::Version::HTTP_2, 200));
    let tool = Visitor::tool("203.0.113.1", "python-requests/2.28.0").get(&client, &gate.url("/"));
    assert_eq!(tool.send().await.unwrap().status(), 403);
    assert_eq!(gate.reloads(), 0);
}
