//! Control planes that share a real Redis ask once between them, within one quota.

use std::time::Duration;

use sallyport_core::Action;

use super::stub::{NOON, Scripted, decision, ip, sharing};
use crate::config::ReputationConfig;
use crate::providers::{Considered, LookupError, Reputation};
use crate::shared::open;
use crate::shared::redis_testing::{KEY, RedisServer, patient_config};

async fn consider(replica: &Reputation, address: u8, now_ms: u64) -> Considered {
    replica.consider(ip(address), address.into(), &decision(Action::Monitor), now_ms).await
}

#[tokio::test]
async fn they_ask_once_and_know_what_the_others_know() {
    let server = RedisServer::start();
    let provider = Scripted::slow(Duration::from_millis(100), []);
    let config = ReputationConfig { wait_ms: 10_000, timeout_ms: 10_000, ..ReputationConfig::default() };
    let mut replicas = Vec::new();
    for _ in 0..2 {
        let shared = open(&patient_config(&server.url()), KEY).await.expect("opened");
        assert!(shared.health().is_shared);
        replicas.push(sharing(&config, &[(&provider, 2)], shared));
    }
    let both = tokio::join!(consider(&replicas[0], 1, NOON), consider(&replicas[1], 1, NOON));
    assert_eq!(provider.calls(), 1, "{both:?}");
    for replica in &replicas {
        // Whoever did not ask has waited a second before it looks again.
        consider(replica, 1, NOON + 2000).await;
        assert!(replica.known(1, NOON + 2000).is_some_and(|known| known.is_vpn));
    }
    assert_eq!(provider.calls(), 1);

    assert_eq!(consider(&replicas[1], 2, NOON).await, Considered::Learnt);
    let used_up = Err(LookupError::QuotaUsedUp("ipqualityscore"));
    assert_eq!(replicas[0].refresh(ip(3), 3, NOON).await, used_up, "the other one drew the rest");
    assert_eq!(provider.calls(), 2);
}

#[tokio::test]
async fn without_redis_each_goes_on_alone() {
    let mut server = RedisServer::start();
    let provider = Scripted::new([]);
    let config = ReputationConfig { wait_ms: 10_000, timeout_ms: 10_000, ..ReputationConfig::default() };
    let shared = open(&patient_config(&server.url()), KEY).await.expect("opened");
    let replica = sharing(&config, &[(&provider, 100)], shared);
    assert_eq!(consider(&replica, 1, NOON).await, Considered::Learnt);
    server.kill();
    assert!(replica.known(1, NOON + 1000).is_some());
    assert_eq!(consider(&replica, 2, NOON).await, Considered::Learnt);
    assert_eq!(provider.calls(), 2);
}
