//! Sessions with shared state that works and that does not, at given moments.

use sallyport_core::{Engine, HashKey, Model, Policy, PolicyConfig, Ranges};

use super::*;
use crate::shared::testing::{Fault, Faulty};

fn sessions(shared: Arc<dyn SharedState>) -> Sessions {
    let model = Model::built_in().expect("built-in model");
    let policy = Policy::compile(PolicyConfig::default()).expect("valid");
    let engine = Engine::new(policy, model, Ranges::default(), HashKey::from_bytes([1; 16]), 1);
    let config = LimitsConfig { sessions: 2048, ..LimitsConfig::default() };
    let detector = Arc::new(Detector::new(Arc::new(engine), &config));
    Sessions::new(shared, detector, Arc::new(Marks::new().expect("random bytes")), &config)
}

fn at(s: u64) -> Moment {
    Moment { steady_us: s * 1_000_000, unix_ms: 1_700_000_000_000 + s * 1000 }
}

/// Values of the marks told after number `seen`.
fn told(sessions: &Sessions, seen: u64) -> Vec<u8> {
    let origin = sessions.marks.since(0, 0).origin;
    sessions.marks.since(origin, seen).marks.iter().map(|mark| mark.value).collect()
}

#[tokio::test]
async fn actions_of_all_replicas_add_up() {
    let shared: Arc<dyn SharedState> = Arc::new(Faulty::new(None));
    let (a, b) = (sessions(Arc::clone(&shared)), sessions(Arc::clone(&shared)));
    let mut notices = shared.notices();
    a.suspect_at([(7, 1), (0, 5), (8, 0)].into_iter(), at(0));
    assert_eq!((a.count_at(7, at(0)), a.count_at(0, at(0))), (1, 0), "at once, and no session is none");
    a.merge(|| at(0)).await;
    assert!(told(&a, 0).is_empty(), "one of three is no news");
    b.suspect_at([(7, 1)].into_iter(), at(1));
    b.merge(|| at(1)).await;
    assert_eq!((b.count_at(7, at(1)), told(&b, 0)), (2, vec![2]));
    let Ok(Notice::Session { session, count, keep_s }) = notices.try_recv() else { panic!("no notice") };
    assert_eq!((session, count, keep_s), (7, 2, 3600));
    a.hear(session, count, keep_s, at(1));
    assert_eq!((a.count_at(7, at(1)), told(&a, 0)), (2, vec![2]));
    a.suspect_at([(7, 1)].into_iter(), at(2));
    assert_eq!(a.count_at(7, at(2)), 3, "before it is merged");
    a.merge(|| at(2)).await;
    assert_eq!(a.look(7).await.count, 3);
    assert_eq!(told(&a, 1), [3]);
}

#[tokio::test]
async fn what_takes_the_place_of_a_session_goes_on_with_what_was_suspicious_of_it() {
    let sessions = sessions(Arc::new(Faulty::new(None)));
    sessions.suspect([(7, 2), (9, 200)].into_iter());
    [(7, 8), (9, 10), (11, 12)].into_iter().for_each(|(from, to)| sessions.hand_on(from, to));
    let counts = [8, 10, 12].map(|session| sessions.count(session));
    assert_eq!(counts, [2, 3, 0], "and with no more than makes one suspicious");
}

#[tokio::test]
async fn who_goes_on_is_told_of_seldom_and_who_stops_is_forgotten() {
    let sessions = sessions(Arc::new(Faulty::new(None)));
    for second in 0..2000 {
        sessions.suspect_at([(7, 1)].into_iter(), at(second));
        sessions.merge(|| at(second)).await;
    }
    assert_eq!(told(&sessions, 0), [2, 3, 255], "the last after half of the hour that it is kept");
    assert_eq!(sessions.count_at(7, at(1999 + 3599)), 2000);
    assert_eq!(sessions.count_at(7, at(1999 + 3600)), 0);
}

#[tokio::test]
async fn what_is_forgiven_counts_nowhere() {
    let shared = Arc::new(Faulty::new(None));
    let sessions = sessions(Arc::clone(&shared) as _);
    let mut notices = shared.notices();
    assert_eq!(sessions.forgive(7).await, Ok(false));
    sessions.suspect_at([(7, 3)].into_iter(), at(0));
    sessions.merge(|| at(0)).await;
    // One more, which is not merged yet.
    sessions.suspect_at([(7, 1)].into_iter(), at(1));
    assert_eq!(sessions.forgive(7).await, Ok(true));
    sessions.merge(|| at(2)).await;
    assert_eq!((sessions.count_at(7, at(2)), sessions.look(7).await.count), (0, 0));
    assert_eq!(told(&sessions, 0), [0, 3, 0]);
    let counts: Vec<_> = std::iter::from_fn(|| match notices.try_recv() {
        Ok(Notice::Session { count, .. }) => Some(count),
        _ => None,
    })
    .collect();
    assert_eq!(counts, [0, 3, 0]);
    sessions.suspect_at([(7, 1)].into_iter(), at(3));
    sessions.merge(|| at(3)).await;
    assert_eq!(sessions.count_at(7, at(3)), 1);
    sessions.hear(7, 9, 60, at(4));
    sessions.hear(7, 0, 60, at(5));
    assert_eq!(sessions.count_at(7, at(5)), 0, "another replica forgave");
}

/// Redis is lost after a session was found suspicious; memory, which answers in its place, has not heard of it.
#[tokio::test]
async fn a_suspicious_session_stays_so_when_shared_state_is_lost() {
    let sessions = sessions(Arc::new(Faulty::new(None)));
    sessions.hear(7, 5, 3600, Moment::now());
    assert_eq!(sessions.look(7).await.count, 5);
    sessions.suspect([(7, 1)].into_iter());
    sessions.merge(Moment::now).await;
    assert_eq!((sessions.count(7), sessions.look(7).await.count), (6, 6));
}

#[tokio::test]
async fn whatever_shared_state_does_sessions_are_counted_here() {
    for fault in [Fault::Fails, Fault::Hangs, Fault::TooFew, Fault::TooMany, Fault::Absurd] {
        let sessions = sessions(Arc::new(Faulty::new(fault)));
        let round = sessions.suspect_at([(7, 3)].into_iter(), at(0));
        sessions.merge(|| at(0)).await;
        sessions.backlog.merged(round, Duration::from_secs(3600)).await;
        let absurd = fault == Fault::Absurd;
        let expected = if absurd { u32::MAX } else { 3 };
        assert_eq!(sessions.count_at(7, at(0)), expected, "{fault:?}");
        assert_eq!(told(&sessions, 0), [if absurd { 255 } else { 3 }], "{fault:?}");
        assert_eq!(sessions.health().failures, u64::from(!absurd), "{fault:?}");
        assert_eq!(sessions.forgive(7).await.is_err(), fault == Fault::Fails, "{fault:?}");
        assert_eq!(sessions.count_at(7, at(0)), 0, "{fault:?}");
    }
}

#[tokio::test]
async fn any_number_of_sessions_takes_no_more_memory_than_configured() {
    let sessions = sessions(Arc::new(Faulty::new(None)));
    for batch in 0..4_u64 {
        let keys = (1..=50_000).map(|n: u64| (batch * 50_000 + n).wrapping_mul(0x9E37_79B9_7F4A_7C15));
        sessions.suspect_at(keys.map(|key| (key, u32::MAX)), at(batch));
        sessions.merge(|| at(batch)).await;
    }
    let SessionsHealth { sessions, evicted, refused, failures, .. } = sessions.health();
    assert_eq!((sessions, refused, failures), (2048, 0, 0));
    assert!(evicted >= 200_000 - 2048, "{evicted}");
}
