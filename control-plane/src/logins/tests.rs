//! Counts of networks and accounts over time and over replicas.

use super::*;
use crate::shared::{Memory, SharedError, SharedState};

const NOW_MS: u64 = 1_795_000_000_000;

fn fail(logins: &Logins, times: u32, network: u64, account: u64) {
    for _ in 0..times {
        logins.failed(network, account, NOW_MS);
    }
}

#[test]
fn counts_fade_and_a_clock_set_back_changes_nothing() {
    let logins = Logins::default();
    fail(&logins, 100, 5, 0);
    let failed = |now_ms| logins.network(5, now_ms).counts.failed;
    assert!((failed(NOW_MS) - 100.0).abs() < 1e-3);
    assert!((failed(NOW_MS + 900_000) - 36.788).abs() < 0.01);
    assert!((failed(NOW_MS - 3_600_000) - 100.0).abs() < 1e-3);
    assert_eq!(logins.network(6, NOW_MS).counts, Counts::default());
}

#[test]
fn networks_and_accounts_are_counted_apart_and_the_strongest_speaks() {
    let logins = Logins::default();
    for account in 0..100 {
        logins.failed(5, 1_000 + account, NOW_MS);
    }
    assert!((logins.strength(5, 0, NOW_MS) - 0.5).abs() < 1e-3, "stuffing: each account once");
    assert_eq!(logins.strength(0, 1_000, NOW_MS), 0.0);
    fail(&logins, 40, 0, 77);
    assert!((logins.strength(5, 77, NOW_MS) - 0.5).abs() < 1e-3);
    let (networks, accounts) = (logins.networks(10, NOW_MS), logins.accounts(2, NOW_MS));
    assert_eq!((networks.len(), networks[0].key, accounts.len(), accounts[0].key), (1, 5, 2, 77));
    for _ in 0..1_000 {
        logins.passed(5, 0, NOW_MS);
    }
    assert!(logins.strength(5, 0, NOW_MS) < 0.05);
}

#[test]
fn a_mark_is_told_when_a_network_grows_louder_and_again_before_it_ends() {
    let logins = Logins::default();
    let mut marks = logins.marks();
    fail(&logins, 20, 5, 9);
    assert!(marks.try_recv().is_err(), "twenty are nothing to tell");
    fail(&logins, 80, 5, 9);
    let told: Vec<Mark> = std::iter::from_fn(|| marks.try_recv().ok()).collect();
    assert_eq!(told.len(), 8, "one for each step up to half");
    let last = Mark { kind: MarkKind::Network, key: 5, value: 128, keep_s: MARK_KEEP_S };
    assert_eq!(told.last(), Some(&last));
    fail(&logins, 50, 5, 9);
    assert!(marks.try_recv().is_err(), "nothing new");
    assert_eq!(logins.network_marks(10, NOW_MS), [last]);
    let later_ms = NOW_MS + 450_000;
    for _ in 0..60 {
        logins.failed(5, 0, later_ms);
    }
    let again: Vec<Mark> = std::iter::from_fn(|| marks.try_recv().ok()).collect();
    assert_eq!(again.last(), Some(&last), "half the time has passed");
    assert!(logins.network_marks(10, NOW_MS + 7_200_000).is_empty());
}

/// One round with shared state.
async fn share(logins: &Logins, shared: &Memory) {
    let round = logins.take();
    let answer = shared.fade(&round.events()).await;
    logins.settle(round, answer, NOW_MS);
}

#[tokio::test]
async fn replicas_add_up() {
    let shared = Memory::default();
    let (one, other) = (Logins::default(), Logins::default());
    fail(&one, 60, 5, 7);
    fail(&other, 40, 5, 7);
    for logins in [&one, &other, &one] {
        share(logins, &shared).await;
        logins.failed(5, 0, NOW_MS);
    }
    let failed = |logins: &Logins| logins.network(5, NOW_MS).counts.failed;
    assert!((failed(&other) - 101.0).abs() < 0.1, "{}", failed(&other));
    share(&one, &shared).await;
    share(&other, &shared).await;
    assert!((failed(&other) - 103.0).abs() < 0.1, "{}", failed(&other));

    let fresh = Logins::default();
    fresh.is_shared.store(true, Ordering::Relaxed);
    assert_eq!(fresh.strength(5, 7, NOW_MS), 0.0, "it does not wait");
    assert!(fresh.marks().try_recv().is_err());
    let mut marks = fresh.marks();
    share(&fresh, &shared).await;
    assert!((fresh.strength(5, 7, NOW_MS) - 0.5).abs() < 1e-3, "but knows the next time");
    assert_eq!(marks.try_recv().map(|mark| (mark.key, mark.value)), Ok((5, 128)), "and tells its filters");
    assert!(fresh.take().events().is_empty(), "what is fresh is not asked again");
}

#[tokio::test]
async fn an_outage_loses_no_count() {
    let shared = Memory::default();
    let logins = Logins::default();
    fail(&logins, 30, 5, 0);
    let round = logins.take();
    fail(&logins, 1, 5, 0);
    logins.settle(round, Err(SharedError("gone".to_owned())), NOW_MS);
    share(&logins, &shared).await;
    let other = Logins::default();
    other.failed(5, 0, NOW_MS);
    share(&other, &shared).await;
    assert!((other.network(5, NOW_MS).counts.failed - 32.0).abs() < 0.1);
}

#[test]
fn what_waits_to_be_shared_is_bounded() {
    let logins = Logins::default();
    for key in 1..=PENDING as u64 + 10 {
        logins.failed(key.wrapping_mul(0x9E37_79B9_7F4A_7C15), 0, NOW_MS);
    }
    assert_eq!((logins.lock().len(), logins.unshared()), (PENDING, 10));
}
