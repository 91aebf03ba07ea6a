//! Control planes that share a Redis.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

use sallyport::clock::unix_ms;
use sallyport::lists::{Replication, replicate};
use serde_json::json;

use crate::harness::{ControlPlane, FIREFOX};
use crate::redis_server::RedisServer;

/// A control plane that exchanges its lists when it is told to.
struct Replica {
    plane: ControlPlane,
    replication: Replication,
}

impl Replica {
    async fn start(server: &RedisServer) -> Self {
        let plane = replica(server).await;
        let replication = Replication::new(Arc::clone(&plane.app.lists), Arc::clone(&plane.app.shared));
        Self { plane, replication }
    }

    async fn deny(&self, value: &str) {
        self.plane.enlist(json!({ "action": "deny", "value": value })).await.ok(201);
    }

    async fn sync(&mut self) {
        self.replication.sync(unix_ms()).await.expect("exchanged");
    }

    async fn listed(&self) -> Vec<String> {
        let mut values = self.plane.listed().await;
        values.sort_unstable();
        values
    }
}

async fn replica(server: &RedisServer) -> ControlPlane {
    // Waits long, so that a busy machine fails no test.
    let redis = format!(
        "redis: {{ url: '{}', connect_timeout_ms: 10000, response_timeout_ms: 10000 }}",
        server.url()
    );
    let plane = ControlPlane::with_config(&redis).await;
    assert!(plane.app.shared.health().is_shared, "{:?}", plane.app.shared.health());
    plane
}

/// Returns when all of them reach the server, or none does.
async fn until_shared(replicas: &[&Replica], wanted: bool) {
    let mut looks = tokio::time::interval(Duration::from_millis(20));
    while replicas.iter().any(|replica| replica.plane.app.shared.health().is_shared != wanted) {
        looks.tick().await;
    }
}

/// Loses everything that the server holds.
fn flush(server: &RedisServer) {
    let mut stream = TcpStream::connect(("127.0.0.1", server.port())).expect("it listens");
    stream.write_all(b"FLUSHALL\r\n").expect("sent");
    let mut answer = [0; 5];
    stream.read_exact(&mut answer).expect("answered");
    assert_eq!(&answer, b"+OK\r\n");
}

/// All keys that the server holds, as it tells them.
fn keys(server: &RedisServer) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", server.port())).expect("it listens");
    stream.write_all(b"KEYS *\r\nQUIT\r\n").expect("sent");
    let mut keys = String::new();
    stream.read_to_string(&mut keys).expect("answered");
    assert!(keys.contains("hash_key"), "{keys}");
    keys
}

#[tokio::test]
async fn replicas_have_the_same_lists() {
    let server = RedisServer::start();
    let (mut one, mut other) = (Replica::start(&server).await, Replica::start(&server).await);
    one.deny("192.0.2.1").await;
    other.deny("192.0.2.2").await;
    // The same on both.
    one.deny("192.0.2.3").await;
    other.deny("192.0.2.3").await;
    one.sync().await;
    other.sync().await;
    one.sync().await;
    let all = ["192.0.2.1", "192.0.2.2", "192.0.2.3"];
    assert_eq!(
        (one.listed().await, other.listed().await),
        (all.map(str::to_owned).into(), all.map(str::to_owned).into())
    );
    let ids = one.plane.get("/v1/lists").await.ok(200)["entries"].clone();
    assert_eq!(&other.plane.get("/v1/lists").await.ok(200)["entries"], &ids, "also by the same ids");
    other.plane.settle().await;
    assert_eq!(other.plane.judged(json!({ "ip": "192.0.2.1" })).await, "deny_list");

    let removed = format!("/v1/lists/{}", ids[0]["id"].as_str().expect("an id"));
    let delete = other.plane.request(reqwest::Method::DELETE, &removed, &other.plane.admin_token);
    crate::harness::send(delete).await.ok(200);
    other.sync().await;
    one.sync().await;
    assert_eq!(one.listed().await.len(), 2);
    let revision = one.plane.app.store.list_revision().await;
    for _ in 0..3 {
        one.sync().await;
        other.sync().await;
    }
    assert_eq!(one.plane.app.store.list_revision().await, revision, "nothing goes round");
    // A new replica, with nothing.
    let mut third = Replica::start(&server).await;
    third.sync().await;
    assert_eq!(third.listed().await, one.listed().await);
}

#[tokio::test]
async fn a_lost_set_is_filled_again_and_what_was_removed_stays_away() {
    let server = RedisServer::start();
    let (mut one, mut other) = (Replica::start(&server).await, Replica::start(&server).await);
    for value in ["192.0.2.1", "192.0.2.2"] {
        one.deny(value).await;
    }
    one.sync().await;
    other.sync().await;
    flush(&server);
    // Removed here while the other one still has it.
    let all = one.plane.get("/v1/lists").await.ok(200)["entries"].clone();
    let path = format!("/v1/lists/{}", all[0]["id"].as_str().expect("an id"));
    crate::harness::send(one.plane.request(reqwest::Method::DELETE, &path, &one.plane.admin_token))
        .await
        .ok(200);
    other.deny("192.0.2.3").await;
    other.sync().await;
    one.sync().await;
    other.sync().await;
    let left = ["192.0.2.1".to_owned(), "192.0.2.3".to_owned()];
    assert_eq!((one.listed().await, other.listed().await), (left.to_vec(), left.to_vec()));
    let mut third = Replica::start(&server).await;
    third.sync().await;
    assert_eq!(third.listed().await, left);
}

#[tokio::test]
async fn entries_made_while_redis_was_away_are_told_when_it_is_back() {
    let mut server = RedisServer::start();
    let (mut one, mut other) = (Replica::start(&server).await, Replica::start(&server).await);
    one.deny("192.0.2.1").await;
    one.sync().await;
    other.sync().await;
    server.kill();
    one.deny("192.0.2.2").await;
    other.deny("192.0.2.3").await;
    until_shared(&[&one, &other], false).await;
    one.sync().await;
    other.sync().await;
    assert_eq!(one.listed().await.len(), 2, "the own entries are in force");
    server.start_again();
    until_shared(&[&one, &other], true).await;
    one.sync().await;
    other.sync().await;
    one.sync().await;
    assert_eq!(one.listed().await, ["192.0.2.1", "192.0.2.2", "192.0.2.3"]);
    assert_eq!(other.listed().await, one.listed().await);
}

#[tokio::test]
async fn a_notice_brings_changes_at_once() {
    let server = RedisServer::start();
    let (one, other) = (replica(&server).await, replica(&server).await);
    let never = Duration::from_secs(3600);
    for plane in [&one, &other] {
        tokio::spawn(replicate(Arc::clone(&plane.app.lists), Arc::clone(&plane.app.shared), never));
    }
    one.enlist(json!({ "action": "deny", "value": "192.0.2.1" })).await.ok(201);
    let mut looks = tokio::time::interval(Duration::from_millis(20));
    while other.judged(json!({ "ip": "192.0.2.1" })).await.is_empty() {
        looks.tick().await;
    }
}

#[tokio::test]
async fn an_issued_session_is_told_to_the_filters_of_all_replicas_and_makes_no_key() {
    let server = RedisServer::start();
    let (one, other) = (replica(&server).await, replica(&server).await);
    // Issued, made up: only an exchange of who saw it issued tells of a session.
    one.app.issued.tell(&[(7, 1)]);
    one.check(json!({ "ip": "192.0.2.1", "user_agent": FIREFOX, "endpoint": "/", "session_id": "made-up" }))
        .await
        .ok(200);
    let mut looks = tokio::time::interval(Duration::from_millis(20));
    while !other.app.detector.is_issued(7) {
        looks.tick().await;
    }
    for plane in [&one, &other] {
        let told: Vec<_> = plane.app.marks.since(0, 0).marks.iter().map(|mark| mark.key).collect();
        assert_eq!(told, [7]);
    }
    let keys = keys(&server);
    let made_up = one.app.detector.engine().key().session(b"made-up");
    for session in [7, made_up] {
        assert!(!keys.contains(&format!("{session:016x}")), "{keys}");
    }
}

#[tokio::test]
async fn what_may_be_used_once_is_used_once_among_all_replicas() {
    let server = RedisServer::start();
    let (one, other) = (replica(&server).await, replica(&server).await);
    let claim =
        async |plane: &ControlPlane, name: &str| plane.app.shared.claim(name, 60).await.expect("answered");
    assert!(claim(&one, "nonce:1").await);
    assert!(!claim(&one, "nonce:1").await && !claim(&other, "nonce:1").await);
    // Both at the same time: one of them has it.
    for number in 2..20 {
        let name = format!("nonce:{number}");
        let (first, second) = tokio::join!(claim(&one, &name), claim(&other, &name));
        assert!(first != second, "{name}: {first} and {second}");
    }
    drop(one);
    assert!(!claim(&other, "nonce:1").await, "also when the replica that had it is gone");
}
