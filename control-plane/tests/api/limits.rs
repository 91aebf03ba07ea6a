//! Limits of the API itself: 429 with what to wait for, slow connections, too many of them.

use std::time::{Duration, Instant};

use reqwest::Method;
use sallyport::auth::{Role, Token};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::harness::{ControlPlane, Reply, send};

fn header<'a>(reply: &'a Reply, name: &str) -> &'a str {
    reply.headers.get(name).map_or("", |value| value.to_str().expect("text"))
}

#[tokio::test]
async fn a_token_over_its_limit_is_told_when_to_come_back() {
    let config = "server: { rate_limits: { reads: { per_second: 0.05, burst: 3 } } }";
    let plane = ControlPlane::with_config(config).await;
    for remaining in [2, 1, 0] {
        let reply = plane.get("/stats").await;
        reply.ok(200);
        assert_eq!(header(&reply, "ratelimit-policy"), "\"reads\";q=3;w=60");
        let limit = format!("\"reads\";r={remaining};t={}", 60 - 20 * remaining);
        assert_eq!(header(&reply, "ratelimit"), limit);
    }
    let refused = plane.get("/v1/events").await;
    let (kind, _, detail) = refused.problem(429);
    assert_eq!(kind, "rate-limited");
    assert!(detail.contains("server.rate_limits.reads") && detail.contains("0.05 per second"), "{detail}");
    assert_eq!(header(&refused, "retry-after"), "20");
    assert_eq!(header(&refused, "ratelimit"), "\"reads\";r=0;t=20");
    assert_eq!(header(&refused, "cache-control"), "no-store");

    let token = Token::generate(Role::Admin).expect("random bytes");
    plane.app.store.create_token(Role::Admin, "other".to_owned(), token.hash(), 1).await.expect("stored");
    send(plane.request(Method::GET, "/stats", token.reveal())).await.ok(200);
    plane.post("/v1/models/rollback", "{}").await.problem(409);
}

#[tokio::test]
async fn filters_are_not_limited_unless_somebody_says_so() {
    let plane = ControlPlane::start().await;
    let body = r#"{"user_agent": "x", "endpoint": "/"}"#;
    let ask =
        |plane: &ControlPlane| send(plane.request(Method::POST, "/check", &plane.filter_token).body(body));
    let free = ask(&plane).await;
    free.ok(200);
    assert_eq!(header(&free, "ratelimit-policy"), "");
    let config = "server: { rate_limits: { check: { per_second: 0.01, burst: 1 } } }";
    let plane = ControlPlane::with_config(config).await;
    ask(&plane).await.ok(200);
    assert_eq!(ask(&plane).await.problem(429).0, "rate-limited");
    let snapshot = send(plane.request(Method::GET, "/v1/snapshot", &plane.filter_token)).await;
    assert_eq!(snapshot.status.as_u16(), 200, "another group");
}

#[tokio::test]
async fn guessing_tokens_is_limited_and_keeps_nobody_else_out() {
    let config = "server: { rate_limits: { unknown: { per_second: 0.01, burst: 3 } } }";
    let plane = ControlPlane::with_config(config).await;
    let guess = || send(plane.request(Method::GET, "/stats", "sp_admin_0000"));
    send(plane.request(Method::GET, "/stats", "")).await.problem(401);
    for _ in 0..2 {
        guess().await.problem(401);
    }
    let refused = guess().await;
    let (kind, _, detail) = refused.problem(429);
    assert!(kind == "rate-limited" && detail.contains("without a valid token"), "{detail}");
    assert_eq!(header(&refused, "retry-after"), "100");
    plane.get("/stats").await.ok(200);
    send(plane.request(Method::GET, "/health", "")).await.ok(200);
    // A token that memory does not know yet waits its turn with the guesses.
    let token = Token::generate(Role::Admin).expect("random bytes");
    plane.app.store.create_token(Role::Admin, "new".to_owned(), token.hash(), 1).await.expect("stored");
    send(plane.request(Method::GET, "/stats", token.reveal())).await.problem(429);
    plane.app.keyring.refresh().await.expect("read again");
    send(plane.request(Method::GET, "/stats", token.reveal())).await.ok(200);
}

#[tokio::test]
async fn a_connection_that_says_nothing_whole_is_closed() {
    let plane = ControlPlane::with_config("server: { header_timeout_ms: 100 }").await;
    for said in [&b""[..], b"GET /health HTTP/1.1\r\nhost: x\r\nx-slow: "] {
        let mut slow = TcpStream::connect(plane.address()).await.expect("connects");
        slow.write_all(said).await.expect("sent");
        let mut answer = Vec::new();
        // Closed, with or without a word.
        drop(slow.read_to_end(&mut answer).await);
        assert!(!answer.starts_with(b"HTTP/1.1 200"), "{answer:?}");
    }
    send(plane.request(Method::GET, "/health", "")).await.ok(200);
}

#[tokio::test]
async fn beyond_the_most_connections_others_wait() {
    let plane = ControlPlane::with_config("server: { header_timeout_ms: 300, max_connections: 2 }").await;
    let begun = Instant::now();
    let mut idle = Vec::new();
    for _ in 0..2 {
        idle.push(TcpStream::connect(plane.address()).await.expect("connects"));
    }
    send(plane.request(Method::GET, "/health", "")).await.ok(200);
    assert!(begun.elapsed() >= Duration::from_millis(250), "served beside two others: {:?}", begun.elapsed());
}
