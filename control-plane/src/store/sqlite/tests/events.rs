//! Events: plans without a scan or a sort, and what earlier versions wrote.

use rusqlite::Connection;
use sallyport_core::Check;

use super::*;
use crate::store::sqlite::events::{self, LEADS};
use crate::store::sqlite::migrate;
use crate::store::{EventKey, EventQuery};

fn plan(connection: &Connection, sql: &str) -> String {
    let mut statement = connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).expect("a query");
    let values = vec![0; statement.parameter_count()];
    let steps = statement
        .query_map(rusqlite::params_from_iter(values), |row| row.get::<_, String>(3))
        .expect("explained");
    steps.map(|step| step.expect("a step")).collect::<Vec<_>>().join("; ")
}

#[tokio::test]
async fn every_condition_leads_through_its_index_without_sorting() {
    let (folder, store) = fresh();
    record(&store, (0..200).map(|n| row(n, Action::Block)));
    store.flush().await.expect("written");
    let connection = Connection::open(folder.path().join("test.db")).expect("opens");
    for lead in LEADS {
        let plan = plan(&connection, lead.sql());
        assert!(plan.starts_with("SEARCH ") && plan.contains("COVERING INDEX"), "{plan}");
        assert!(plan.contains("ts_ms"), "the index goes by time: {plan}");
        assert!(!plan.contains("SCAN") && !plan.contains("TEMP B-TREE"), "{plan}");
    }
    for column in ["account", "network"] {
        let plan = plan(&connection, &events::logins_sql(column));
        assert!(
            plan.starts_with(&format!("SEARCH failed_logins USING INDEX failed_logins_by_{column}")),
            "{plan}"
        );
        assert!(!plan.contains("TEMP B-TREE"), "{plan}");
    }
}

/// Two conditions that hardly ever fit together end a page before everything was looked at.
#[tokio::test]
async fn a_page_examines_a_bounded_number() {
    let (_folder, store) = fresh();
    let of = |n: u128, action| RequestRow { ts_ms: 1000 + n as u64, ..row(n, action) };
    for chunk in 0..12 {
        record(&store, (chunk * 1000..(chunk + 1) * 1000).map(|n| of(n, Action::Block)));
        store.flush().await.expect("written");
    }
    let oldest = of(20_000, Action::Challenge);
    record(&store, [RequestRow { ts_ms: 1, ..oldest.clone() }]);
    store.flush().await.expect("written");
    let query = EventQuery {
        client: Some(oldest.client),
        action: Some(Action::Challenge),
        limit: 10,
        ..EventQuery::default()
    };
    let first = store.events(query.clone()).await.expect("readable");
    assert_eq!(first.events, []);
    let after = first.next.expect("there is more to look at");
    let second = store.events(EventQuery { after: Some(after), ..query }).await.expect("readable");
    let found: Vec<_> = second.events.iter().map(|event| event.key.ts_ms).collect();
    assert_eq!((found.as_slice(), second.next), (&[1][..], None));
}

#[test]
fn what_an_earlier_version_wrote_is_found() {
    let folder = TempDir::new().expect("a folder");
    let config = config(folder.path());
    let mut connection = connection::open_writer(&config).expect("opens");
    for migration in &migrate::MIGRATIONS[..2] {
        connection.execute_batch(migration).expect("made");
    }
    let old = "INSERT INTO requests (id, ts_ms, request_id, address, client, action, enforced, basis, source, score,
            ml_probability, weight, features, method, path, user_agent)
        VALUES (7, 5, 'a', 3, 4, 4, 1, 0, 0, 99, 0.5, 1, zeroblob(28), 'GET', '/x', 'u'),
               (8, 6, 'b', 3, 4, 0, 1, 0, 0, 9, 0.5, 1, zeroblob(28), 'GET', '/y', 'u');
        INSERT INTO bot_detection_events VALUES (1, 7, 5, 4, 4, 99);
        INSERT INTO failed_checks VALUES (1, 'user_agent', 20), (1, 'trap_path', 30);
        INSERT INTO failed_logins VALUES (1, 5, 3, 4, '/login');
        PRAGMA user_version = 2;";
    connection.execute_batch(old).expect("written");
    migrate::up(&mut connection).expect("brought up to date");
    let query = EventQuery { check: Some(Check::UserAgent), limit: 10, ..EventQuery::default() };
    let page = events::page(&connection, &query).expect("readable");
    let [event] = page.events.as_slice() else { panic!("one event: {page:?}") };
    assert_eq!((event.key, event.address, event.client), (EventKey { ts_ms: 5, id: 7 }, 3, 4));
    assert_eq!(event.checks, [(Check::TrapPath, 30.0), (Check::UserAgent, 20.0)]);
    assert_eq!(count(&connection, "failed_logins WHERE network IS NULL AND account IS NULL"), 1);
}
