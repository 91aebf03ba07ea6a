//! One line's bounds: time, breaker, pauses, quota.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use futures_util::stream;

use super::stub::{NOON, Scripted, Stub, alone, ip, replica};
use crate::config::{AbuseIpdbConfig, BreakerConfig, ReputationConfig};
use crate::providers::{AbuseIpdb, Known, LookupError, Reputation};
use crate::shared::Memory;

fn config() -> ReputationConfig {
    let breaker = BreakerConfig { failures: 3, open_s: 30 };
    ReputationConfig { breaker, ..ReputationConfig::default() }
}

/// Asks anew at some second after noon.
async fn ask(reputation: &Reputation, address: u8, second: u64) -> Result<(), LookupError> {
    let now_ms = NOON + second * 1000;
    reputation.refresh(ip(address), address.into(), now_ms).await.map(drop)
}

fn breaker(reputation: &Reputation, second: u64) -> &'static str {
    reputation.status(NOON + second * 1000)[0].breaker
}

#[tokio::test(start_paused = true)]
async fn the_breaker_opens_tries_once_and_closes() {
    let failures =
        [LookupError::Status(500), LookupError::Timeout, LookupError::Status(502), LookupError::Timeout];
    let provider = Scripted::new(failures.clone());
    let reputation = alone(&config(), &provider);
    for (second, failure) in failures.iter().take(3).enumerate() {
        assert_eq!(breaker(&reputation, 0), "closed");
        assert_eq!(ask(&reputation, 1, second as u64).await, Err(failure.clone()));
    }
    assert_eq!((breaker(&reputation, 3), provider.calls()), ("open", 3));
    let open = Err(LookupError::BreakerOpen("ipqualityscore"));
    assert_eq!(ask(&reputation, 2, 31).await, open);
    assert_eq!(provider.calls(), 3, "left alone");
    assert_eq!(breaker(&reputation, 32), "half_open");
    assert_eq!(ask(&reputation, 2, 32).await, Err(LookupError::Timeout), "the trial fails");
    assert_eq!(ask(&reputation, 2, 61).await, open);
    let (trial, other) = tokio::join!(ask(&reputation, 2, 62), ask(&reputation, 3, 62));
    assert_eq!((trial, other), (Ok(()), Ok(())), "the second comes after the trial has closed it");
    assert_eq!(breaker(&reputation, 62), "closed");
    assert_eq!(provider.calls(), 6);
}

#[tokio::test(start_paused = true)]
async fn one_trial_passes_at_a_time() {
    let provider = Scripted::slow(Duration::from_millis(500), vec![LookupError::Status(500); 3]);
    let reputation = alone(&config(), &provider);
    for address in 1..=3 {
        ask(&reputation, address, 0).await.expect_err("fails");
    }
    let trials = tokio::join!(ask(&reputation, 4, 40), ask(&reputation, 5, 40), ask(&reputation, 6, 40));
    let passed = [trials.0, trials.1, trials.2].iter().filter(|trial| trial.is_ok()).count();
    assert_eq!((passed, provider.calls()), (1, 4));
}

#[tokio::test(start_paused = true)]
async fn a_pause_that_is_asked_for_is_kept_within_bounds() {
    let too_many = |retry_after_s| LookupError::TooManyRequests { retry_after_s };
    let cases = [
        (too_many(Some(120)), 120),
        (too_many(None), 60),
        (too_many(Some(0)), 1),
        (too_many(Some(u64::MAX)), 86_400),
        (LookupError::Unauthorized, 600),
        (LookupError::OutOfCredit, 600),
    ];
    for (refusal, pause_s) in cases {
        let provider = Scripted::new([refusal.clone()]);
        let reputation = alone(&config(), &provider);
        assert_eq!(ask(&reputation, 1, 0).await, Err(refusal.clone()));
        assert_eq!(breaker(&reputation, 0), "closed", "it works, it only does not want to");
        assert_eq!(reputation.status(NOON)[0].paused_s, pause_s);
        let told = ask(&reputation, 1, pause_s - 1).await.expect_err("too early").to_string();
        assert!(told.contains("is not asked for another 1 s"), "{told}");
        assert_eq!(provider.calls(), 1, "{refusal:?}");
        assert_eq!(ask(&reputation, 1, pause_s).await, Ok(()), "{refusal:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_quota_is_the_days_and_of_all_replicas() {
    let provider = Scripted::new([]);
    let shared = Arc::new(Memory::default());
    let replicas = [(); 2].map(|()| replica(&config(), &[(&provider, 3)], &shared));
    for address in 0..3 {
        assert_eq!(ask(&replicas[usize::from(address) % 2], address, 0).await, Ok(()));
    }
    let used_up = Err(LookupError::QuotaUsedUp("ipqualityscore"));
    for replica in &replicas {
        assert_eq!(ask(replica, 7, 43_199).await, used_up);
        assert_eq!(replica.status(NOON)[0].quota_left, 0);
    }
    assert_eq!(provider.calls(), 3);
    assert_eq!(ask(&replicas[0], 7, 43_200).await, Ok(()), "another day");
    assert_eq!(replicas[0].status(NOON + 43_200_000)[0].quota_left, 2);
}

#[tokio::test]
async fn a_slow_drip_ends_in_time() {
    let stub = Stub::answering(|| {
        let drops = stream::unfold((), |()| async {
            tokio::time::sleep(Duration::from_millis(10)).await;
            Some((Ok::<_, std::io::Error>(Bytes::from_static(b" ")), ()))
        });
        Body::from_stream(drops)
    })
    .await;
    let url = format!("{}/check", stub.base);
    let adapter = AbuseIpdb::new(
        stub.client(),
        AbuseIpdbConfig { url, ..AbuseIpdbConfig::default() },
        serde_json::from_value("k".into()).expect("text"),
    );
    let config = ReputationConfig { timeout_ms: 100, ..config() };
    let providers = vec![(Box::new(adapter) as Box<dyn crate::providers::Provider>, 10)];
    let known = Arc::new(Known::new(1024));
    let reputation = Reputation::with_providers(&config, providers, Arc::new(Memory::default()), known);
    assert_eq!(ask(&reputation, 1, 0).await, Err(LookupError::Timeout));
    assert_eq!(stub.asked().len(), 1);
}
