//! What every backend must do. A backend's tests call each of these with a fresh store; none knows of SQL.

pub(super) mod events;
pub(super) mod lists;
pub(super) mod models;

use sallyport_core::{Action, Basis, Check};
use uuid::Uuid;

use super::*;

const NOW_MS: u64 = 1_795_000_000_000;
const DAY_MS: u64 = 86_400_000;

/// A row with an id of its own.
pub(super) fn row(number: u128, action: Action) -> RequestRow {
    RequestRow {
        ts_ms: NOW_MS,
        request_id: RequestId::Uuid(Uuid::from_u128(number)),
        address: 0xFFFF_0000_0000_0001,
        client: 0x8000_0000_0000_0002,
        action,
        enforced: true,
        basis: Basis::Score,
        source: Source::Filter,
        score: 42.5,
        ml_probability: 0.25,
        weight: 1,
        features: [0.0, 0.125, 0.25, 0.5, 0.75, 0.875, 1.0],
        method: "GET".into(),
        path: "/page".into(),
        user_agent: "Firefox".into(),
        reasons: [(Check::UserAgent, 12.5), (Check::TrapPath, 30.0), (Check::IpReputation, -3.0)].into(),
        outcome: Standing { good: 0.0, bad: 1.0 },
        checkpoint: Some(BUILT_IN),
        shadow_probability: Some(0.75),
        attributions: Some([0.5, -0.5, 0.0, 0.0, 0.0, 0.0, 1.0]),
        session: 0,
        limit: None,
    }
}

/// What a token says about a decision.
pub(super) fn said(target: FeedbackTarget, is_bot: bool) -> Feedback {
    Feedback { target, is_bot, token: Some(7) }
}

/// The request that a label was recorded for.
fn labelled(outcome: Result<FeedbackOutcome, StoreError>) -> RequestId {
    match outcome {
        Ok(FeedbackOutcome::Recorded(row)) => row.request_id,
        other => panic!("not recorded: {other:?}"),
    }
}

pub(super) fn record(store: &dyn Store, rows: impl IntoIterator<Item = RequestRow>) {
    store.record(&mut rows.into_iter().map(Row::Request));
}

/// Totals count every decision, sampled ones by their weight, and addresses once.
pub(super) async fn totals_are_exact(store: &dyn Store) {
    assert_eq!(store.totals().await, Ok(Totals::default()));
    let other = |number| RequestRow { address: 7, ..row(number, Action::Block) };
    record(
        store,
        [
            RequestRow { weight: 40, ..row(1, Action::Allow) },
            row(2, Action::Monitor),
            row(3, Action::Challenge),
            row(4, Action::RateLimit),
            other(5),
            other(6),
            RequestRow { ts_ms: NOW_MS + DAY_MS, ..row(7, Action::Allow) },
        ],
    );
    store.flush().await.expect("written");
    record(store, [other(8)]);
    store.flush().await.expect("written");
    let expected = Totals { requests: 47, bots: 5, addresses: 2, blocked_addresses: 1, training_examples: 0 };
    assert_eq!(store.totals().await, Ok(expected));
    let health = store.health();
    assert_eq!((health.written_rows, health.pending_rows, health.dropped_rows), (8, 0, 0));
}

/// An address's past adds up and fades; failed logins belong to it.
pub(super) async fn addresses_have_a_past(store: &dyn Store) {
    assert_eq!(store.address(9).await, Ok(None));
    let login = LoginFailureRow {
        ts_ms: NOW_MS,
        address: 9,
        client: 1,
        network: 0,
        account: 0,
        path: "/login".into(),
        outcome: Standing { good: 0.0, bad: 0.5 },
    };
    store.record(&mut std::iter::once(Row::LoginFailure(login)));
    record(store, [RequestRow { address: 9, ts_ms: NOW_MS + DAY_MS, ..row(1, Action::Block) }]);
    store.flush().await.expect("written");
    record(store, [RequestRow { address: 9, ts_ms: NOW_MS + 2 * DAY_MS, ..row(2, Action::Allow) }]);
    store.flush().await.expect("written");
    let past = store.address(9).await.expect("readable").expect("known");
    assert_eq!((past.requests, past.blocked, past.failed_logins), (2, 1, 1));
    assert_eq!((past.first_seen_ms, past.last_seen_ms), (NOW_MS + DAY_MS, NOW_MS + 2 * DAY_MS));
    let faded = 1.5 * (-1.0_f32).exp() + 1.0;
    assert!((past.standing.bad - faded).abs() < 1e-3, "{past:?}, expected {faded}");
    let recent = store.recent_addresses(10).await.expect("readable");
    assert_eq!(recent, [past]);
}

/// A decision comes back as it was told; of its reasons those that raised the score.
pub(super) async fn decisions_are_found(store: &dyn Store) {
    let id = |number| RequestId::Uuid(Uuid::from_u128(number));
    record(store, [row(1, Action::Allow), row(2, Action::Block), row(3, Action::Block)]);
    store.flush().await.expect("written");
    let mut expected = row(2, Action::Block);
    expected.reasons = [(Check::TrapPath, 30.0), (Check::UserAgent, 12.5)].into();
    expected.outcome = Standing::default();
    assert_eq!(store.request(id(2)).await, Ok(Some(expected)));
    assert_eq!(store.request(id(4)).await, Ok(None));
}

/// Feedback finds what was recorded a moment ago, is kept once, and does not change its mind.
pub(super) async fn feedback_is_kept_once(store: &dyn Store) {
    let id = |number| RequestId::Uuid(Uuid::from_u128(number));
    record(store, [row(1, Action::Allow), RequestRow { path: "/other".into(), ..row(2, Action::Allow) }]);
    let say = |target, is_bot| store.feedback(said(target, is_bot), NOW_MS);
    let of = |number| FeedbackTarget::Request(id(number));
    assert_eq!(labelled(say(of(1), true).await), id(1));
    assert_eq!(say(of(1), true).await, Ok(FeedbackOutcome::AlreadyRecorded(id(1))));
    let contradiction = FeedbackOutcome::Contradicts { request_id: id(1), recorded_is_bot: true };
    assert_eq!(say(of(1), false).await, Ok(contradiction));
    assert_eq!(say(of(3), true).await, Ok(FeedbackOutcome::UnknownRequest));
    let latest =
        |path: &str| FeedbackTarget::Latest { client: row(0, Action::Allow).client, path: path.into() };
    assert_eq!(labelled(say(latest("/other"), false).await), id(2));
    assert_eq!(say(latest("/nowhere"), false).await, Ok(FeedbackOutcome::UnknownRequest));
    assert_eq!(store.totals().await.expect("readable").training_examples, 2);
}

/// Labels come back with what was known of the request, in the order of arrival; contradictions are shown.
pub(super) async fn labels_are_kept_with_their_request(store: &dyn Store) {
    record(store, (1..=3).map(|number| row(number, Action::Allow)));
    let of = |number| FeedbackTarget::Request(row(number, Action::Allow).request_id);
    for number in 1..=3 {
        labelled(store.feedback(said(of(number), number == 2), NOW_MS + 5).await);
    }
    let rows = store.training_rows(0, 10).await.expect("readable");
    let request = row(2, Action::Allow);
    let expected = TrainingRow {
        id: rows[1].id,
        request_id: request.request_id.clone(),
        ts_ms: NOW_MS,
        created_ms: NOW_MS + 5,
        is_bot: true,
        score: request.score,
        ml_probability: request.ml_probability,
        features: request.features,
        client: Some(request.client),
        token: Some(7),
        path: Some(request.path),
    };
    assert_eq!((rows.len(), &rows[1]), (3, &expected));
    assert_eq!(store.training_rows(rows[0].id, 1).await.expect("readable"), [expected]);
    assert_eq!(store.labels_since(NOW_MS + 6, 10).await, Ok(Vec::new()));
    let newest = store.labels_since(NOW_MS + 5, 2).await.expect("readable");
    assert_eq!(newest, [rows[2].clone(), rows[1].clone()]);
    assert_eq!(store.label_conflicts(10).await, Ok(Vec::new()));
    for now_ms in [NOW_MS + 6, NOW_MS + 7] {
        let contradicts = store.feedback(said(of(2), false), now_ms).await;
        assert!(matches!(contradicts, Ok(FeedbackOutcome::Contradicts { .. })));
    }
    let unknown = Feedback { token: None, ..said(of(1), true) };
    assert!(store.feedback(unknown, NOW_MS + 8).await.is_ok());
    let conflict = |number, token, ts_ms, times, recorded_is_bot: bool| LabelConflict {
        request_id: row(number, Action::Allow).request_id,
        token,
        ts_ms,
        times,
        recorded_is_bot,
        said_is_bot: !recorded_is_bot,
    };
    let expected = [conflict(1, None, NOW_MS + 8, 1, false), conflict(2, Some(7), NOW_MS + 7, 2, true)];
    assert_eq!(store.label_conflicts(10).await.expect("readable"), expected);
    assert_eq!(store.training_rows(0, 10).await.expect("readable"), rows, "what was said first stays");
}

/// Ids that are no UUIDs work like those that are.
pub(super) async fn any_request_id_works(store: &dyn Store) {
    let odd = RequestId::parse("edge/4711 é");
    record(store, [RequestRow { request_id: odd.clone(), ..row(1, Action::Allow) }]);
    let outcome = store.feedback(said(FeedbackTarget::Request(odd.clone()), true), NOW_MS).await;
    assert_eq!(labelled(outcome), odd);
}

/// Tokens come back as stored, and are revoked once.
pub(super) async fn tokens_are_kept(store: &dyn Store) {
    let filter = store.create_token(Role::Filter, "edge".to_owned(), [1; 32], NOW_MS).await.expect("stored");
    let admin = store.create_token(Role::Admin, "op".to_owned(), [2; 32], NOW_MS).await.expect("stored");
    assert!(store.create_token(Role::Admin, "same".to_owned(), [2; 32], NOW_MS).await.is_err());
    assert_eq!(store.revoke_token(filter, NOW_MS + 1).await, Ok(true));
    assert_eq!(store.revoke_token(filter, NOW_MS + 2).await, Ok(false));
    assert_eq!(store.revoke_token(999, NOW_MS).await, Ok(false));
    let expected = [
        TokenRow {
            id: filter,
            role: Role::Filter,
            name: "edge".to_owned(),
            hash: [1; 32],
            created_ms: NOW_MS,
            revoked_ms: Some(NOW_MS + 1),
        },
        TokenRow {
            id: admin,
            role: Role::Admin,
            name: "op".to_owned(),
            hash: [2; 32],
            created_ms: NOW_MS,
            revoked_ms: None,
        },
    ];
    assert_eq!(store.tokens().await.expect("readable"), expected);
}

/// A claimed setting stays; a set one changes.
pub(super) async fn settings_are_kept(store: &dyn Store) {
    assert_eq!(store.setting("key").await, Ok(None));
    assert_eq!(store.claim_setting("key", vec![1]).await, Ok(vec![1]));
    assert_eq!(store.claim_setting("key", vec![2]).await, Ok(vec![1]));
    assert_eq!(store.set_setting("key", vec![3]).await, Ok(()));
    assert_eq!(store.setting("key").await, Ok(Some(vec![3])));
    assert_eq!(store.ping().await, Ok(()));
}

/// Beyond the buffer rows are dropped and counted, and their decisions still are in the totals. The store
/// has room for 20 rows and must not write by itself while this runs.
pub(super) async fn a_full_buffer_drops_rows_not_counts(store: &dyn Store) {
    record(store, (0..50).map(|number| row(number, Action::Allow)));
    let health = store.health();
    assert_eq!((health.pending_rows, health.dropped_rows), (20, 30));
    store.flush().await.expect("written");
    assert_eq!(store.health().written_rows, 20);
    assert_eq!(store.totals().await.expect("readable").requests, 50);
}
