//! Redis against a real redis-server: the contract, what replicas share, and trouble.

mod replicas;
mod trouble;

use super::testing::{RedisServer, joined};
use super::*;
use crate::shared::contract;

contract::tests!(async {
    let server = RedisServer::start();
    (joined(&server).await, server)
});

/// Nothing stays for ever, and rate cells a minute at least.
#[tokio::test]
async fn everything_runs_out() {
    let server = RedisServer::start();
    let redis = joined(&server).await;
    redis
        .charge(&[Charge { rule: 1, key: 1, cost_us: 1, least_us: 0, most_us: 1_000_000 }])
        .await
        .expect("charged");
    redis
        .charge(&[Charge { rule: 1, key: 2, cost_us: 100_000_000, least_us: 0, most_us: 1_000_000 }])
        .await
        .expect("charged");
    redis.suspect(&[Suspicion { session: 0xAB, by: 1 }], 3600).await.expect("counted");
    redis.fade(&[Fading { kind: b'n', key: 1, by: 1.0, tau_s: 60.0 }]).await.expect("counted");
    redis.keep("a", Vec::new(), 10).await.expect("kept");
    redis.claim("b", 20).await.expect("claimed");
    redis.draw("c", 1, 0).await.expect("drawn");
    for (key, seconds) in [
        ("rate:{1:0000000000000001}", 60),
        ("rate:{1:0000000000000002}", 100),
        ("suspicious:{00000000000000ab}", 3600),
        ("fading:{110:0000000000000001}", 1200),
        ("kept:{a}", 10),
        ("claim:{b}", 20),
        ("quota:{c}:0", 172_800),
    ] {
        let mut left = ::redis::cmd("PTTL");
        left.arg(format!("sallyport:{key}"));
        let left = redis.ask(left).await.expect("answered");
        let Value::Int(left_ms) = left else { panic!("{left:?}") };
        assert!(left_ms <= seconds * 1_000 && left_ms > (seconds - 9) * 1_000, "{key}: {left_ms} ms");
    }
}

/// A clock of the server that is ahead, and is set back, lengthens no limit.
#[tokio::test]
async fn a_cell_from_the_future_does_not_grow() {
    let server = RedisServer::start();
    let redis = joined(&server).await;
    // Versions before this one did not keep which limit left it: of that it is at most a full cell.
    for (kept, ahead_us) in
        [("5000000 9000000000000000 1000000", 5_000_010), ("5000000 9000000000000000", 1_000_010)]
    {
        let mut set = ::redis::cmd("SET");
        set.arg("sallyport:rate:{1:0000000000000001}").arg(kept);
        redis.ask(set).await.expect("set");
        let charge = [Charge { rule: 1, key: 1, cost_us: 10, least_us: 0, most_us: 1_000_000 }];
        assert_eq!(redis.charge(&charge).await, Ok(vec![ahead_us]), "{kept}");
    }
}

/// What lies under a key of ours but is not ours is an error of that operation, and spoils no other.
#[tokio::test]
async fn a_key_of_another_type_is_an_error() {
    let server = RedisServer::start();
    let redis = joined(&server).await;
    let names = [
        "rate:{1:0000000000000001}",
        "suspicious:{0000000000000001}",
        "kept:{x}",
        "{snapshot}",
        "quota:{q}:0",
    ];
    for name in names {
        let mut push = ::redis::cmd("LPUSH");
        push.arg(format!("sallyport:{name}")).arg("no");
        redis.ask(push).await.expect("pushed");
    }
    let bad = redis
        .charge(&[Charge { rule: 1, key: 1, cost_us: 1, least_us: 0, most_us: 1_000_000 }])
        .await
        .expect_err("refused");
    assert!(bad.to_string().contains("WRONGTYPE"), "{bad}");
    assert!(redis.suspect(&[Suspicion { session: 1, by: 1 }], 1).await.is_err());
    assert!(redis.suspicion(1).await.is_err());
    assert!(redis.cached("x").await.is_err());
    assert!(redis.draw("q", 1, 0).await.is_err());
    assert!(redis.latest_snapshot().await.is_err());
    assert!(redis.number_snapshot([0; 32], 0).await.is_err());
    let mut set = ::redis::cmd("SET");
    set.arg("sallyport:kept:{y}").arg("somebody else's");
    redis.ask(set).await.expect("set");
    assert!(redis.cached("y").await.is_err());
    assert_eq!(
        redis.charge(&[Charge { rule: 1, key: 2, cost_us: 1, least_us: 0, most_us: 1_000_000 }]).await,
        Ok(vec![1])
    );
    assert_eq!(redis.health().degraded, None);
}

/// Scripts that Redis was made to forget are loaded again.
#[tokio::test]
async fn forgotten_scripts_are_loaded_again() {
    let server = RedisServer::start();
    let redis = joined(&server).await;
    let charges: Vec<_> = (0..600)
        .map(|key| Charge { rule: 1, key, cost_us: key + 1, least_us: 0, most_us: 1_000_000 })
        .collect();
    for _ in 0..2 {
        let mut flush = ::redis::cmd("SCRIPT");
        flush.arg("FLUSH");
        redis.ask(flush).await.expect("flushed");
        assert_eq!(redis.charge(&charges).await.expect("charged").len(), 600);
    }
    assert_eq!(redis.claim("x", 1).await, Ok(true));
}
