//! What every backend of shared state must do. A backend's tests call each of these with a fresh one; none knows of
//! Redis.

use super::*;

/// A test for each part of the contract, given an expression that brings up a fresh backend, and what it lives on.
macro_rules! tests {
    ($fresh:expr) => {
        $crate::shared::contract::tests!(@each $fresh,
            cells_add_up, cells_are_cut_to_the_limit_in_force, a_batch_goes_in_order, cells_are_bounded, suspicions_add_up, counts_are_kept_apart,
            odd_events_count_nothing, bytes_are_kept, names_and_sizes_are_checked, a_claim_is_won_once,
            a_quota_ends, one_claim_of_many_is_won,
        );
    };
    (@each $fresh:expr, $($name:ident),* $(,)?) => {$(
        #[tokio::test]
        async fn $name() {
            // Whatever the backend needs lives as long as the test.
            let (state, _alive) = $fresh.await;
            $crate::shared::contract::$name(&state).await;
        }
    )*};
}
pub(super) use tests;

fn charge(key: u64, cost_us: u64) -> Charge {
    Charge { rule: 1, key, cost_us, least_us: 0, most_us: 60_000_000 }
}

/// What is charged adds up, and drains with time only.
pub(super) async fn cells_add_up(state: &dyn SharedState) {
    let minute = 60_000_000;
    let first = state.charge(&[charge(1, minute)]).await.expect("charged")[0];
    assert_eq!(first, minute);
    let second = state.charge(&[charge(1, minute)]).await.expect("charged")[0];
    // The time between the two calls has passed, and nobody stops the machine for a minute.
    assert!(second <= 2 * minute && second > minute, "{second}");
    let read = state.charge(&[charge(1, 0)]).await.expect("charged")[0];
    assert!(read <= second && read > 0, "{read}");
    let other_rule = Charge { rule: 2, ..charge(1, 5) };
    assert_eq!(state.charge(&[other_rule, charge(2, 7)]).await, Ok(vec![5, 7]));
    let least = |cost_us| Charge { least_us: minute, ..charge(3, cost_us) };
    assert_eq!(
        state.charge(&[least(0), least(5)]).await,
        Ok(vec![0, minute + 5]),
        "lifted, but not by a look"
    );
    let again = state.charge(&[least(5)]).await.expect("charged")[0];
    assert!(again > minute && again <= minute + 10, "not lifted twice: {again}");
}

/// What a limit of other numbers left counts as a full cell at most; what one's own left is paid back whole.
pub(super) async fn cells_are_cut_to_the_limit_in_force(state: &dyn SharedState) {
    let second = 1_000_000;
    let under = |most_us, cost_us| [Charge { most_us, ..charge(1, cost_us) }];
    let (tight, loose) = (400 * second, 9 * second);
    assert_eq!(state.charge(&under(tight, 400 * second)).await, Ok(vec![400 * second]));
    let owed = state.charge(&under(tight, 400 * second)).await.expect("charged")[0];
    assert!(owed > 600 * second && owed <= 800 * second, "another replica's burst is owed too: {owed}");
    assert_eq!(state.charge(&under(loose, 0)).await, Ok(vec![loose]));
    let owed = state.charge(&under(tight, 0)).await.expect("read")[0];
    assert!(owed > 600 * second, "a look cuts nothing: {owed}");
    assert_eq!(state.charge(&under(loose, second)).await, Ok(vec![loose + second]));
    let owed = state.charge(&under(loose, 100 * second)).await.expect("charged")[0];
    assert!(owed > 100 * second && owed <= 110 * second, "{owed}");
    let owed = state.charge(&under(tight, 0)).await.expect("read")[0];
    assert!(owed > 50 * second && owed <= 110 * second, "a tighter limit takes over what is there: {owed}");
}

/// A batch is answered in order; a key twice in it is charged twice. Large batches are no different.
pub(super) async fn a_batch_goes_in_order(state: &dyn SharedState) {
    assert_eq!(state.charge(&[]).await, Ok(vec![]));
    let hour = 3_600_000_000;
    let charges: Vec<_> = (0..1_000).map(|n| charge(n % 999, hour + n)).collect();
    let ahead = state.charge(&charges).await.expect("charged");
    assert_eq!(ahead.len(), 1_000);
    for (n, ahead) in ahead.iter().enumerate().take(999) {
        assert_eq!(*ahead, hour + n as u64);
    }
    assert!(ahead[999] > 2 * hour - 60_000_000 && ahead[999] <= 2 * hour + 999, "{}", ahead[999]);
}

/// No charge takes a cell beyond the bound.
pub(super) async fn cells_are_bounded(state: &dyn SharedState) {
    let most = charge(u64::MAX, u64::MAX);
    assert_eq!(state.charge(&[most, most]).await, Ok(vec![MOST_AHEAD_US; 2]));
}

/// Suspicious actions add up until they are cleared.
pub(super) async fn suspicions_add_up(state: &dyn SharedState) {
    let by = |session, by| Suspicion { session, by };
    assert_eq!(state.suspicion(1).await, Ok(0));
    assert_eq!(state.clear_suspicion(1).await, Ok(false));
    assert_eq!(state.suspect(&[by(1, 2), by(u64::MAX, 1), by(1, 1)], 60).await, Ok(vec![2, 1, 3]));
    assert_eq!(state.suspicion(1).await, Ok(3));
    assert_eq!(state.clear_suspicion(1).await, Ok(true));
    assert_eq!(state.suspicion(1).await, Ok(0));
    assert_eq!(state.suspicion(u64::MAX).await, Ok(1));
    assert_eq!(state.suspect(&[by(3, u32::MAX), by(3, u32::MAX), by(4, 0)], 60).await, {
        Ok(vec![u32::MAX, u32::MAX, 0])
    });
}

/// Fading counts of different kinds have nothing to do with each other.
pub(super) async fn counts_are_kept_apart(state: &dyn SharedState) {
    let event = |kind, key, by| Fading { kind, key, by, tau_s: 36_000.0 };
    let events = [event(b'n', 1, 1.5), event(b'u', 1, 1.0), event(b'n', 2, 4.0), event(b'n', 1, 1.0)];
    let counts = state.fade(&events).await.expect("counted");
    for (count, expected) in counts.iter().zip([1.5, 1.0, 4.0, 2.5]) {
        assert!((count - expected).abs() < 0.01, "{counts:?}");
    }
}

/// Events that are no numbers count nothing and spoil nothing.
pub(super) async fn odd_events_count_nothing(state: &dyn SharedState) {
    let event = |by, tau_s| Fading { kind: 0, key: 9, by, tau_s };
    state.fade(&[event(1.0, 600.0)]).await.expect("counted");
    let odd = [event(f32::NAN, 600.0), event(-5.0, 600.0), event(f32::INFINITY, 600.0), event(0.0, f32::NAN)];
    let counts = state.fade(&odd).await.expect("counted");
    assert!(counts.iter().all(|count| (0.5..=1.0).contains(count)), "{counts:?}");
    let vast = [Fading { key: 10, ..event(f32::MAX, f32::MAX) }; 2];
    assert!(state.fade(&vast).await.expect("counted").iter().all(|count| count.is_finite()));
}

/// Bytes come back as they were.
pub(super) async fn bytes_are_kept(state: &dyn SharedState) {
    assert_eq!(state.cached("reputation:1").await, Ok(None));
    let all: Vec<u8> = (0..=255).cycle().take(64 << 10).collect();
    for bytes in [Vec::new(), b"one".to_vec(), all] {
        assert_eq!(state.keep("reputation:1", bytes.clone(), 60).await, Ok(()));
        assert_eq!(state.cached("reputation:1").await, Ok(Some(bytes)));
    }
    assert_eq!(state.cached("reputation:2").await, Ok(None));
}

/// What is too long is refused, and nothing odd in a name makes two of them one.
pub(super) async fn names_and_sizes_are_checked(state: &dyn SharedState) {
    assert!(state.keep("", Vec::new(), 1).await.is_err());
    assert!(state.keep(&"x".repeat(201), Vec::new(), 1).await.is_err());
    assert!(state.keep("x", vec![0; (64 << 10) + 1], 1).await.is_err());
    assert!(state.cached(&"x".repeat(201)).await.is_err());
    assert!(state.claim("", 1).await.is_err());
    assert!(state.draw("", 1, 0).await.is_err());
    for name in ["a}b", "{a}", "a b\r\n", "ä\0"] {
        assert_eq!(state.keep(name, name.into(), 60).await, Ok(()));
    }
    assert_eq!(state.cached("{a}").await, Ok(Some(b"{a}".to_vec())));
    assert_eq!(state.cached("a").await, Ok(None));
}

/// The first claim wins.
pub(super) async fn a_claim_is_won_once(state: &dyn SharedState) {
    assert_eq!(state.claim("challenge:1", 60).await, Ok(true));
    assert_eq!(state.claim("challenge:1", 60).await, Ok(false));
    assert_eq!(state.claim("challenge:2", 60).await, Ok(true));
    state.keep("challenge:3", Vec::new(), 60).await.expect("kept");
    assert_eq!(state.claim("challenge:3", 60).await, Ok(true), "a claim is no kept value");
}

/// Of many at once, one wins.
pub(super) async fn one_claim_of_many_is_won(state: &dyn SharedState) {
    let claims = (0..100).map(|_| state.claim("once", 60));
    let won = futures_util::future::join_all(claims).await;
    assert_eq!(won.iter().filter(|won| **won == Ok(true)).count(), 1);
}

/// A quota is for a day, and one day's does not count for another's.
pub(super) async fn a_quota_ends(state: &dyn SharedState) {
    let now_ms = 1_795_000_000_000;
    let draws = (0..20).map(|_| state.draw("provider", 7, now_ms));
    let drawn = futures_util::future::join_all(draws).await;
    assert_eq!(drawn.iter().filter(|drawn| **drawn == Ok(true)).count(), 7);
    assert_eq!(state.draw("other", 1, now_ms).await, Ok(true));
    assert_eq!(state.draw("provider", 7, now_ms + DAY_MS).await, Ok(true));
    assert_eq!(state.draw("provider", 7, now_ms).await, Ok(false), "the clock stepped back");
    assert_eq!(state.draw("none", 0, now_ms).await, Ok(false));
}
