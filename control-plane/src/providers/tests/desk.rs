//! Caches, single flight, order, privacy: which requests reach a provider at all.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures_util::future::join_all;
use sallyport_core::{Action, Basis, Decision};
use tokio::sync::Semaphore;

use super::stub::{NOON, Scripted, Stub, alone, decision, ip, replica};
use crate::config::{AbuseIpdbConfig, Nets, ReputationConfig};
use crate::providers::{AbuseIpdb, Considered, Known, LookupError, Provider, Reputation, Source};
use crate::shared::Memory;

fn waiting() -> ReputationConfig {
    ReputationConfig { wait_ms: 5000, ..ReputationConfig::default() }
}

async fn consider(reputation: &Reputation, address: u8, now_ms: u64) -> Considered {
    reputation.consider(ip(address), address.into(), &decision(Action::Monitor), now_ms).await
}

#[tokio::test(start_paused = true)]
async fn only_an_open_question_is_asked() {
    let provider = Scripted::new([]);
    let reputation = alone(&waiting(), &provider);
    let limited = Decision { action: Action::Challenge, basis: Basis::RateLimit, ..Decision::default() };
    for decision in [decision(Action::Allow), decision(Action::Block), decision(Action::RateLimit), limited] {
        assert_eq!(reputation.consider(ip(1), 1, &decision, NOON).await, Considered::Settled);
    }
    assert_eq!(provider.calls(), 0);
    let suspect = decision(Action::Challenge);
    assert_eq!(reputation.consider(ip(1), 1, &suspect, NOON).await, Considered::Learnt);
    assert_eq!(reputation.consider(ip(1), 1, &suspect, NOON + 1).await, Considered::Settled);
    assert_eq!(provider.calls(), 1);
    assert!(reputation.known(1, NOON + 3_599_000).is_some_and(|known| known.is_vpn));
    assert_eq!(reputation.known(1, NOON + 3_600_000), None);
    assert_eq!(consider(&reputation, 1, NOON + 3_600_000).await, Considered::Learnt);
    assert_eq!(provider.calls(), 2);
}

#[tokio::test(start_paused = true)]
async fn an_answer_waits_no_longer_than_it_may() {
    let provider = Scripted::slow(Duration::from_millis(1500), []);
    let never = alone(&ReputationConfig::default(), &provider);
    let began = tokio::time::Instant::now();
    assert_eq!(consider(&never, 1, NOON).await, Considered::Pending(3));
    assert_eq!(began.elapsed(), Duration::ZERO);
    assert_eq!(never.known(1, NOON), None);
    // Asking anew joins the lookup that is under way.
    assert!(never.refresh(ip(1), 1, NOON).await.is_ok());
    assert_eq!(provider.calls(), 1);
    assert!(never.known(1, NOON + 1500).is_some());

    let some = alone(&ReputationConfig { wait_ms: 100, ..ReputationConfig::default() }, &provider);
    let began = tokio::time::Instant::now();
    assert_eq!(consider(&some, 2, NOON).await, Considered::Pending(3));
    assert_eq!(began.elapsed(), Duration::from_millis(100));
}

#[tokio::test(start_paused = true)]
async fn failures_are_not_repeated_for_a_while() {
    let provider = Scripted::new([LookupError::Status(500), LookupError::Refused]);
    let shared = Arc::new(Memory::default());
    let reputation = replica(&waiting(), &[(&provider, 100)], &shared);
    for address in [1, 2] {
        assert_eq!(consider(&reputation, address, NOON).await, Considered::Settled);
        assert_eq!(consider(&reputation, address, NOON + 299_000).await, Considered::Settled);
        assert_eq!(reputation.known(address.into(), NOON), None, "nothing is held against it");
    }
    assert_eq!(provider.calls(), 2);
    let other = replica(&waiting(), &[(&provider, 100)], &shared);
    assert_eq!(consider(&other, 1, NOON + 10_000).await, Considered::Settled);
    assert_eq!(provider.calls(), 2, "another replica does not repeat it either");
    assert_eq!(consider(&reputation, 1, NOON + 301_000).await, Considered::Learnt);
    assert_eq!(provider.calls(), 3);
}

#[tokio::test(start_paused = true)]
async fn where_nobody_can_be_asked_it_is_tried_again_soon() {
    let provider = Scripted::new([]);
    let reputation = replica(&waiting(), &[(&provider, 1)], &Arc::default());
    assert_eq!(consider(&reputation, 1, NOON).await, Considered::Learnt);
    assert_eq!(consider(&reputation, 2, NOON).await, Considered::Settled, "no quota left");
    let midnight = NOON + 43_200_000;
    assert_eq!(consider(&reputation, 2, midnight + 10_000).await, Considered::Learnt);
    assert_eq!(provider.calls(), 2);
}

#[tokio::test(start_paused = true)]
async fn replicas_share_what_they_know() {
    let provider = Scripted::new([]);
    let shared = Arc::new(Memory::default());
    let replicas = [(); 2].map(|()| replica(&waiting(), &[(&provider, 100)], &shared));
    assert_eq!(consider(&replicas[0], 1, NOON).await, Considered::Learnt);
    assert_eq!(replicas[1].known(1, NOON), None);
    assert_eq!(consider(&replicas[1], 1, NOON + 60_000).await, Considered::Learnt);
    assert_eq!(provider.calls(), 1);
    let told = replicas[1].known(1, NOON + 60_000).expect("known");
    assert_eq!(told.fetched_at, NOON);
    assert_eq!(
        replicas[1].known(1, NOON + 3_600_000),
        None,
        "not for longer than an hour since it was asked"
    );
    let third = replica(&waiting(), &[(&provider, 100)], &shared);
    assert_eq!(third.recall(1, NOON + 1).await.map(|told| told.fetched_at), Some(NOON));
    assert_eq!((third.recall(2, NOON).await, provider.calls()), (None, 1));
}

#[tokio::test(start_paused = true)]
async fn a_failed_refresh_leaves_what_was_known() {
    let provider = Scripted::new([]);
    let reputation = alone(&waiting(), &provider);
    assert_eq!(consider(&reputation, 1, NOON).await, Considered::Learnt);
    provider.script.lock().expect("not poisoned").push_back(LookupError::Timeout);
    assert_eq!(reputation.refresh(ip(1), 1, NOON + 5000).await, Err(LookupError::Timeout));
    assert_eq!(reputation.known(1, NOON + 5001).map(|known| known.fetched_at), Some(NOON));
    let fresh = reputation.refresh(ip(1), 1, NOON + 6000).await.expect("answered");
    assert_eq!(reputation.known(1, NOON + 6001), Some(fresh));
    assert_eq!(fresh.fetched_at, NOON + 6000);
}

#[tokio::test(start_paused = true)]
async fn the_next_provider_is_asked_where_one_fails() {
    let first = Scripted::new([LookupError::Status(500), LookupError::Unauthorized]);
    let second = Arc::new(Scripted {
        source: Source::AbuseIpdb,
        ..Arc::into_inner(Scripted::new([LookupError::Timeout])).expect("only one")
    });
    let reputation = replica(&waiting(), &[(&first, 100), (&second, 2)], &Arc::default());
    assert_eq!(reputation.refresh(ip(1), 1, NOON).await, Err(LookupError::Timeout), "both fail");
    let said = reputation.refresh(ip(1), 1, NOON).await.expect("the second answers");
    assert_eq!((said.source, first.calls(), second.calls()), (Source::AbuseIpdb, 2, 2));
    // The first is paused, the second's quota is used up.
    let told = reputation.refresh(ip(1), 1, NOON).await.expect_err("nobody can be asked").to_string();
    assert!(told.contains("quota") && told.contains("reputation.abuseipdb.daily_quota"), "{told}");
    assert_eq!((first.calls(), second.calls()), (2, 2));
}

#[tokio::test(start_paused = true)]
async fn what_must_not_leave_is_not_asked_about() {
    let provider = Scripted::new([]);
    let nets = |text: &str| Nets(vec![text.parse().expect("a range")]);
    let config = ReputationConfig { only: nets("9.0.0.0/8"), never: nets("9.9.9.200/32"), ..waiting() };
    let reputation = alone(&config, &provider);
    for ip in ["9.9.9.200", "8.8.8.8", "10.0.0.1", "192.0.2.1", "::1", "2606:4700::1111", "::ffff:10.0.0.1"] {
        let ip = ip.parse().expect("an address");
        let decision = decision(Action::Challenge);
        assert_eq!(reputation.consider(ip, 1, &decision, NOON).await, Considered::Settled);
        assert_eq!(reputation.refresh(ip, 1, NOON).await, Err(LookupError::Kept), "not even by hand");
    }
    assert_eq!(provider.calls(), 0);
    assert_eq!(consider(&reputation, 1, NOON).await, Considered::Learnt);
    let off = replica(&waiting(), &[], &Arc::default());
    assert_eq!(consider(&off, 1, NOON).await, Considered::Settled);
    assert_eq!(off.refresh(ip(1), 1, NOON).await, Err(LookupError::Disabled));
    assert_eq!((off.recall(1, NOON).await, off.status(NOON).len()), (None, 0));
}

#[tokio::test(start_paused = true)]
async fn only_so_many_lookups_run_and_wait() {
    let provider = Scripted::slow(Duration::from_millis(100), []);
    let config = ReputationConfig { concurrency: 4, ..ReputationConfig::default() };
    let reputation = replica(&config, &[(&provider, 100_000)], &Arc::default());
    let lookups: Vec<_> = join_all((0..1100_u64).map(|address| async move { (address, address) }))
        .await
        .into_iter()
        .map(|(address, _)| reputation.refresh(ip(1), address, NOON))
        .collect();
    let ended = join_all(lookups).await;
    let busy = ended.iter().filter(|end| **end == Err(LookupError::Busy)).count();
    assert_eq!((busy, provider.calls()), (1100 - 1024, 1024));
    assert_eq!(provider.most_at_once.load(Ordering::SeqCst), 4);
}

/// Over real HTTP, with the answer held back until all have asked.
#[tokio::test]
async fn a_hundred_at_once_make_one_request() {
    let gate = Arc::new(Semaphore::new(0));
    let held = Arc::clone(&gate);
    let stub = Stub::waiting(move || {
        let held = Arc::clone(&held);
        async move {
            drop(held.acquire().await);
            axum::Json(serde_json::json!({ "data": { "abuseConfidenceScore": 90 } }))
        }
    })
    .await;
    let of = AbuseIpdbConfig { url: format!("{}/check", stub.base), ..AbuseIpdbConfig::default() };
    let adapter = AbuseIpdb::new(stub.client(), of, serde_json::from_value("k".into()).expect("text"));
    let providers = vec![(Box::new(adapter) as Box<dyn Provider>, 100)];
    let config = ReputationConfig { timeout_ms: 30_000, wait_ms: 30_000, ..ReputationConfig::default() };
    let known = Arc::new(Known::new(1024));
    let reputation = Reputation::with_providers(&config, providers, Arc::new(Memory::default()), known);
    let asking = join_all((0..100).map(|_| consider(&reputation, 1, NOON)));
    let open = async {
        // The first request is there; by then all hundred wait, since nothing else can go on.
        while stub.asked().is_empty() {
            tokio::task::yield_now().await;
        }
        gate.add_permits(1);
    };
    let (ended, ()) = tokio::join!(asking, open);
    assert!(ended.iter().all(|end| *end == Considered::Learnt), "{ended:?}");
    assert_eq!(stub.asked().len(), 1);
}
