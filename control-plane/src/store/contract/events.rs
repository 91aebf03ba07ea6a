//! Events are found by what they are about, page by page, whatever is written meanwhile.

use sallyport_core::policy::LimitRule;
use sallyport_core::{Action, Check, OverLimit};

use super::*;

fn ids(page: &EventPage) -> Vec<u64> {
    page.events.iter().map(|event| event.key.ts_ms - NOW_MS).collect()
}

/// Rows at `NOW_MS` + their number, ms, of three clients.
fn numbered(number: u64, action: Action) -> RequestRow {
    let reasons: Box<[(Check, f32)]> = match number % 2 {
        0 => [(Check::UserAgent, 12.5), (Check::TrapPath, 30.0), (Check::IpReputation, -3.0)].into(),
        _ => [(Check::ProbePath, 40.0)].into(),
    };
    let (client, address) = (number % 3, u64::MAX - number % 5);
    RequestRow { ts_ms: NOW_MS + number, client, address, reasons, ..row(number.into(), action) }
}

const ALL: EventQuery = EventQuery {
    check: None,
    client: None,
    address: None,
    action: None,
    from_ms: None,
    to_ms: None,
    after: None,
    limit: 100,
};

/// Each condition gives what fits it, and all together what fits all.
pub(in crate::store) async fn events_are_found_by_what_they_are_about(store: &dyn Store) {
    let action = |n| if n % 7 == 0 { Action::Block } else { Action::Monitor };
    record(store, (0..60).map(|n| numbered(n, action(n))));
    record(store, [numbered(60, Action::Allow)]);
    store.flush().await.expect("written");
    let fitting = |fits: &dyn Fn(u64) -> bool| (0..60).rev().filter(|n| fits(*n)).collect::<Vec<_>>();
    type Fits = Box<dyn Fn(u64) -> bool>;
    let cases: [(EventQuery, Fits); 8] = [
        (ALL, Box::new(|_| true)),
        (EventQuery { check: Some(Check::TrapPath), ..ALL }, Box::new(|n| n % 2 == 0)),
        (EventQuery { check: Some(Check::IpReputation), ..ALL }, Box::new(|_| false)),
        (EventQuery { client: Some(2), ..ALL }, Box::new(|n| n % 3 == 2)),
        (EventQuery { address: Some(u64::MAX - 1), ..ALL }, Box::new(|n| n % 5 == 1)),
        (EventQuery { action: Some(Action::Block), ..ALL }, Box::new(|n| n % 7 == 0)),
        (
            EventQuery { from_ms: Some(NOW_MS + 10), to_ms: Some(NOW_MS + 20), ..ALL },
            Box::new(|n| (10..20).contains(&n)),
        ),
        (
            EventQuery {
                check: Some(Check::ProbePath),
                client: Some(1),
                address: Some(u64::MAX - 2),
                action: Some(Action::Block),
                ..ALL
            },
            Box::new(|n| n % 2 == 1 && n % 3 == 1 && n % 5 == 2 && n % 7 == 0),
        ),
    ];
    for (query, fits) in cases {
        let page = store.events(query.clone()).await.expect("readable");
        assert_eq!((ids(&page), page.next), (fitting(&*fits), None), "{query:?}");
    }
}

/// Pages add up to the whole, also while others write; events of the same millisecond are told apart.
pub(in crate::store) async fn pages_are_stable_while_others_write(store: &dyn Store) {
    let at = |n: u64| RequestRow { ts_ms: NOW_MS + n / 10, ..numbered(n, Action::Challenge) };
    record(store, (0..95).map(at));
    store.flush().await.expect("written");
    for check in [None, Some(Check::UserAgent)] {
        let whole = store.events(EventQuery { check, limit: 500, ..ALL }).await.expect("readable").events;
        let (mut after, mut pages) = (None, Vec::new());
        loop {
            let query = EventQuery { check, after, limit: 10, ..ALL };
            let page = store.events(query).await.expect("readable");
            assert!(page.events.len() <= 10);
            pages.extend(page.events);
            record(store, [RequestRow { ts_ms: NOW_MS + 1000, ..numbered(1000, Action::Challenge) }]);
            store.flush().await.expect("written");
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        assert_eq!(pages, whole);
        assert!(pages.windows(2).all(|pair| pair[0].key > pair[1].key), "newest first");
    }
}

/// A request that only a limit in shadow would have stopped makes an event; an ALLOW without one does not.
pub(in crate::store) async fn violations_are_events(store: &dyn Store) {
    let shadow = OverLimit { rule: LimitRule::Login, is_shadow: true };
    let allowed = RequestRow { limit: Some(shadow), session: u64::MAX, ..numbered(1, Action::Allow) };
    record(store, [allowed.clone(), numbered(2, Action::Allow)]);
    store.flush().await.expect("written");
    let page = store.events(ALL).await.expect("readable");
    let [event] = page.events.as_slice() else { panic!("one event: {page:?}") };
    assert_eq!((event.limit, event.session, event.action), (Some(shadow), u64::MAX, Action::Allow));
    assert_eq!((event.request_id.clone(), &event.path), (allowed.request_id.clone(), &allowed.path));
    let found = store.request(allowed.request_id).await.expect("readable").expect("there");
    assert_eq!((found.limit, found.session), (Some(shadow), u64::MAX));
}

/// Failed logins are found by account and by network.
pub(in crate::store) async fn failed_logins_are_found(store: &dyn Store) {
    let login = |n: u64| LoginFailureRow {
        ts_ms: NOW_MS + n,
        address: n,
        client: n,
        network: 1 + n % 2,
        account: if n % 3 == 1 { u64::MAX } else { 0 },
        path: "/login".into(),
        outcome: Standing::default(),
    };
    store.record(&mut (0..12).map(|n| Row::LoginFailure(login(n))));
    store.flush().await.expect("written");
    let found = |query, limit| async move { store.login_failures(query, limit).await.expect("readable") };
    assert_eq!(found(LoginQuery::Account(u64::MAX), 10).await, [10, 7, 4, 1].map(login));
    assert_eq!(found(LoginQuery::Network(2), 3).await, [11, 9, 7].map(login));
    assert_eq!(found(LoginQuery::Network(9), 10).await, []);
}
