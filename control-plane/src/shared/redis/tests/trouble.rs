//! Redis that is not there, not itself, full, frozen, or not for us. Nobody waits longer than the timeout, and nobody
//! waits twice.

use std::path::Path;
use std::time::{Duration, Instant};

use crate::shared::redis::testing::{Parrot, RedisServer, join, joined, patient};
use crate::shared::{Charge, Fallback, Notice, Redis, SharedState, Suspicion};

const CHARGE: [Charge; 1] = [Charge { rule: 1, key: 1, cost_us: 1, least_us: 0, most_us: 1_000_000 }];

/// Why it cannot be used.
fn reason(redis: &Redis) -> String {
    let health = redis.health();
    assert!(!health.is_shared);
    health.degraded.expect("degraded")
}

/// Returns when the connection is there, or is not.
async fn until_up(redis: &Redis, wanted: bool) {
    redis.link.up().wait_for(|up| *up == wanted).await.expect("the link lives");
}

async fn reason_of(url: &str) -> String {
    let mut config = patient(url);
    (config.connect_timeout_ms, config.response_timeout_ms) = (200, 200);
    let redis = join(&config, "").await;
    let start = Instant::now();
    for _ in 0..1_000 {
        redis.charge(&CHARGE).await.expect_err("told at once");
    }
    assert!(start.elapsed() < Duration::from_secs(20), "a thousand operations waited");
    reason(&redis)
}

#[tokio::test]
async fn nobody_is_there() {
    let mut server = RedisServer::start();
    server.kill();
    let told = reason_of(&server.url()).await;
    assert!(told.contains(&format!("127.0.0.1:{}", server.port())) && told.contains("refused"), "{told}");
}

#[tokio::test]
async fn somebody_else_is_there() {
    for (says, expected) in [
        ("HTTP/1.1 400 Bad Request\r\n\r\n<html>no</html>", "does not speak Redis' protocol"),
        ("\0\u{1}\u{2}\r\n", "does not speak Redis' protocol"),
        ("+OK\r\n", "does not take scripts"),
        ("", "no answer in time"),
        ("-LOADING Redis is loading the dataset in memory\r\n", "still loading"),
        ("-NOAUTH Authentication required.\r\n", "wants a password"),
        ("-MOVED 3999 127.0.0.1:6381\r\n", "one node of a cluster"),
        ("*1\r\n", "no answer in time"),
        ("$999999999999999999999\r\n", ""),
        ("*-7\r\n", ""),
    ] {
        let told = reason_of(&Parrot::saying(says).await.url()).await;
        assert!(told.contains(expected), "{says:?}: {told}");
    }
}

#[tokio::test]
async fn the_password_is_wrong_or_missing() {
    let server = RedisServer::with(&[
        "--requirepass",
        "right-one",
        "--user",
        "shop",
        "on",
        ">its-own",
        "~*",
        "&*",
        "+@all",
    ]);
    let config = patient(&server.url());
    let missing = join(&config, "").await;
    assert!(reason(&missing).contains("wants a password"), "{}", reason(&missing));
    let wrong = join(&config, "wrong-one").await;
    let told = reason(&wrong);
    assert!(told.contains("refuses") && !told.contains("wrong-one"), "{told}");
    assert_eq!(join(&config, "right-one").await.health().degraded, None);
    let address = server.url().replace("redis://", "redis://shop:its-own@");
    let in_the_url = patient(&address);
    assert_eq!(join(&in_the_url, "").await.health().degraded, None);
    assert!(!format!("{in_the_url:?}").contains("its-own"));
    let over_it = join(&in_the_url, "wrong-one").await;
    assert!(!reason(&over_it).contains("its-own"), "{}", reason(&over_it));
}

#[tokio::test]
async fn an_account_without_rights_is_told() {
    let server =
        RedisServer::with(&["--user", "reader", "on", ">word", "~*", "&*", "+@all", "-eval", "-evalsha"]);
    let told = reason_of(&server.url().replace("redis://", "redis://reader:word@")).await;
    assert!(told.contains("not allowed what is needed: EVALSHA"), "{told}");
}

#[tokio::test]
async fn it_is_full() {
    let server = RedisServer::start();
    let redis = joined(&server).await;
    let set_limit = |limit: &'static str| {
        let mut set = ::redis::cmd("CONFIG");
        set.arg("SET").arg("maxmemory").arg(limit);
        set
    };
    redis.ask(set_limit("1")).await.expect("set");
    let told = redis.charge(&CHARGE).await.expect_err("full").to_string();
    assert!(told.contains("it is full"), "{told}");
    assert!(reason(&redis).contains("it is full"));
    let other = join(&patient(&server.url()), "").await;
    assert!(reason(&other).contains("it is full"), "{}", reason(&other));
    let client = ::redis::Client::open(server.url()).expect("an address");
    let mut console = client.get_multiplexed_async_connection().await.expect("connected");
    set_limit("0").query_async::<()>(&mut console).await.expect("set");
    until_up(&redis, true).await;
    assert_eq!(redis.charge(&CHARGE).await.map(|ahead| ahead.len()), Ok(1));
}

#[tokio::test]
async fn it_is_a_replica_that_nobody_may_write_to() {
    let server = RedisServer::with(&["--replicaof", "127.0.0.1", "1"]);
    let told = reason_of(&server.url()).await;
    assert!(told.contains("read-only replica"), "{told}");
}

#[tokio::test]
async fn it_is_killed_and_comes_back() {
    let mut server = RedisServer::start();
    let redis = joined(&server).await;
    let mut notices = redis.notices();
    server.kill();
    until_up(&redis, false).await;
    redis.charge(&CHARGE).await.expect_err("lost");
    server.start_again();
    until_up(&redis, true).await;
    assert_eq!(redis.charge(&CHARGE).await, Ok(vec![1]));
    // After a gap everything may have changed.
    assert_eq!((notices.recv().await, notices.recv().await), (Ok(Notice::Lists), Ok(Notice::Checkpoint)));
    let other = joined(&server).await;
    other.tell(Notice::Policy);
    assert_eq!(notices.recv().await, Ok(Notice::Policy));
    assert_eq!(redis.health().degraded, None);
}

#[tokio::test]
async fn it_freezes_and_thaws() {
    let server = RedisServer::start();
    let mut config = patient(&server.url());
    config.response_timeout_ms = 300;
    let redis = join(&config, "").await;
    until_up(&redis, true).await;
    server.freeze();
    let start = Instant::now();
    let told = redis.charge(&CHARGE).await.expect_err("no answer").to_string();
    assert!(told.contains("no answer in time (300 ms)"), "{told}");
    for _ in 0..1_000 {
        redis.charge(&CHARGE).await.expect_err("told at once");
    }
    redis.tell(Notice::Lists);
    assert!(start.elapsed() < Duration::from_secs(20), "a thousand operations waited");
    server.thaw();
    until_up(&redis, true).await;
    redis.charge(&CHARGE).await.expect("charged");
}

#[tokio::test]
async fn it_is_reached_by_tls_of_the_right_authority_only() {
    let tls = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/tls");
    let file = |name: &str| tls.join(name).display().to_string();
    let server = RedisServer::with(&[
        "--port",
        "0",
        "--tls-port",
        "PORT",
        "--tls-auth-clients",
        "no",
        "--tls-cert-file",
        &file("certificate.pem"),
        "--tls-key-file",
        &file("key.pem"),
        "--tls-ca-cert-file",
        &file("ca.pem"),
    ]);
    let mut config = patient(&format!("rediss://localhost:{}", server.port()));
    config.ca_file = tls.join("ca.pem");
    let redis = join(&config, "").await;
    assert_eq!(redis.health().degraded, None);
    redis.charge(&CHARGE).await.expect("charged");
    config.ca_file = tls.join("other-ca.pem");
    let stranger = join(&config, "").await;
    assert!(reason(&stranger).contains("certificate"), "{}", reason(&stranger));
    config.ca_file.clear();
    let unknown = join(&config, "").await;
    assert!(!unknown.health().is_shared, "the system does not trust it");
    let plain = join(&patient(&server.url()), "").await;
    assert!(!plain.health().is_shared, "no TLS");
}

#[tokio::test]
async fn memory_goes_on_and_forgets_no_claim() {
    let mut server = RedisServer::start();
    let fallback = Fallback::new(joined(&server).await);
    assert_eq!(fallback.claim("before", 60).await, Ok(true));
    assert_eq!(fallback.draw("q", 2, 0).await, Ok(true));
    fallback.keep("reputation:1", b"x".to_vec(), 60).await.expect("kept");
    server.kill();
    assert_eq!(fallback.charge(&CHARGE).await, Ok(vec![1]));
    assert_eq!(fallback.suspect(&[Suspicion { session: 1, by: 2 }], 60).await, Ok(vec![2]));
    assert_eq!(fallback.suspicion(1).await, Ok(2));
    assert_eq!(fallback.claim("before", 60).await, Ok(false));
    assert_eq!(fallback.claim("meanwhile", 60).await, Ok(true));
    assert_eq!((fallback.draw("q", 2, 0).await, fallback.draw("q", 2, 0).await), (Ok(true), Ok(false)));
    assert_eq!(fallback.cached("reputation:1").await, Ok(Some(b"x".to_vec())));
    assert!(fallback.health().degraded.is_some());
    server.start_again();
    until_up(fallback.redis(), true).await;
    assert_eq!(fallback.claim("meanwhile", 60).await, Ok(false));
    assert_eq!(fallback.suspicion(1).await, Ok(0), "what memory counted is not carried over");
}
