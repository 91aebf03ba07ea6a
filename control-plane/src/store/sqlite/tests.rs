//! The contract, and what is SQLite's own: locks, file modes, retention, reopening.

use std::path::Path;

use rusqlite::Connection;
use sallyport_core::Action;
use tempfile::TempDir;

use super::*;
use crate::config::{BatchConfig, RetentionConfig};
use crate::store::contract::{self, record, row, said};
use crate::store::{FeedbackTarget, FingerprintRow, LoginFailureRow, RequestId, RequestRow, Standing};

/// A store that writes when it is told to, not by time or number.
fn config(folder: &Path) -> StoreConfig {
    StoreConfig {
        path: folder.join("test.db"),
        busy_timeout_ms: 0,
        readers: 2,
        batch: BatchConfig { rows: 1000, wait_ms: 600_000, buffer_rows: 1000 },
        retention: RetentionConfig { interval_s: 86_400, ..RetentionConfig::default() },
    }
}

fn fresh() -> (TempDir, SqliteStore) {
    let folder = TempDir::new().expect("a folder");
    let store = SqliteStore::open(&config(folder.path())).expect("opens");
    (folder, store)
}

macro_rules! contract {
    ($module:ident: $($name:ident),+ $(,)?) => {$(
        #[tokio::test]
        async fn $name() {
            let (_folder, store) = fresh();
            contract::$module::$name(&store).await;
        }
    )+};
    ($($name:ident),+ $(,)?) => {$(
        #[tokio::test]
        async fn $name() {
            let (_folder, store) = fresh();
            contract::$name(&store).await;
        }
    )+};
}

mod checkpoints;
mod events;
mod lists;
mod outage;

contract!(
    totals_are_exact,
    addresses_have_a_past,
    decisions_are_found,
    feedback_is_kept_once,
    any_request_id_works,
    labels_are_kept_with_their_request,
    tokens_are_kept,
    settings_are_kept,
);

contract!(events:
    events_are_found_by_what_they_are_about,
    pages_are_stable_while_others_write,
    violations_are_events,
    failed_logins_are_found,
);

#[tokio::test]
async fn a_full_buffer_drops_rows_not_counts() {
    let folder = TempDir::new().expect("a folder");
    let mut config = config(folder.path());
    config.batch.buffer_rows = 20;
    contract::a_full_buffer_drops_rows_not_counts(&SqliteStore::open(&config).expect("opens")).await;
}

#[tokio::test]
async fn a_locked_database_keeps_rows_and_refuses_feedback() {
    let (folder, store) = fresh();
    let other = Connection::open(folder.path().join("test.db")).expect("opens");
    other.execute_batch("BEGIN IMMEDIATE").expect("locks");
    record(&store, [row(1, Action::Block)]);
    let target = FeedbackTarget::Request(row(1, Action::Block).request_id);
    let refused = store.feedback(said(target.clone(), true), 1).await;
    assert!(matches!(refused, Err(StoreError::Unavailable(_))), "{refused:?}");
    let health = store.health();
    assert!(health.failing.is_some());
    assert_eq!((health.pending_rows, health.dropped_rows), (1, 0));
    assert_eq!(store.totals().await.expect("reading goes on").requests, 0);

    other.execute_batch("COMMIT").expect("unlocks");
    assert!(matches!(store.feedback(said(target, true), 1).await, Ok(FeedbackOutcome::Recorded(_))));
    let health = store.health();
    assert_eq!((health.failing, health.pending_rows, health.written_rows), (None, 0, 1));
    assert_eq!(store.totals().await.expect("readable").requests, 1);
}

#[tokio::test]
async fn what_was_acknowledged_survives_without_an_orderly_end() {
    let (folder, store) = fresh();
    record(&store, [row(1, Action::Allow)]);
    let target = FeedbackTarget::Request(row(1, Action::Allow).request_id);
    store.feedback(said(target, false), 1).await.expect("stored");
    // A copy of the files is what a killed process leaves behind.
    let after = TempDir::new().expect("a folder");
    for name in ["test.db", "test.db-wal"] {
        std::fs::copy(folder.path().join(name), after.path().join(name)).expect("copied");
    }
    let again = SqliteStore::open(&config(after.path())).expect("opens");
    assert_eq!(again.totals().await.expect("readable").training_examples, 1);
}

#[tokio::test]
async fn closing_writes_what_is_buffered() {
    let (folder, store) = fresh();
    record(&store, (0..10).map(|number| row(number, Action::Allow)));
    drop(store);
    let again = SqliteStore::open(&config(folder.path())).expect("opens");
    assert_eq!(again.totals().await.expect("readable").requests, 10);
}

#[cfg(unix)]
#[test]
fn only_the_owner_can_read_the_file() {
    use std::os::unix::fs::PermissionsExt;
    let (folder, store) = fresh();
    let mode =
        |name: &str| std::fs::metadata(folder.path().join(name)).expect("there").permissions().mode() & 0o777;
    assert_eq!((mode("test.db"), mode("test.db-wal")), (0o600, 0o600));
    drop(store);
}

#[test]
fn a_newer_schema_is_refused() {
    let (folder, store) = fresh();
    drop(store);
    let path = folder.path().join("test.db");
    Connection::open(&path).expect("opens").pragma_update(None, "user_version", 999).expect("set");
    let refused = SqliteStore::open(&config(folder.path())).err();
    let known = u32::try_from(migrate::MIGRATIONS.len()).expect("few");
    assert_eq!(refused, Some(StoreError::TooNew { found: 999, known }));
}

#[test]
fn a_path_that_cannot_be_is_named() {
    let folder = TempDir::new().expect("a folder");
    let mut config = config(folder.path());
    config.path = folder.path().join("no-such-folder/test.db");
    let refused = SqliteStore::open(&config).err().expect("refused").to_string();
    assert!(refused.contains("no-such-folder/test.db"), "{refused}");
}

/// Runs clean-ups on a connection of our own until there is nothing left to do.
fn clean_up(path: &Path, retention: &RetentionConfig, now_ms: u64) -> Connection {
    let store = StoreConfig { path: path.join("test.db"), ..config(path) };
    let mut connection = connection::open_writer(&store).expect("opens");
    while retention::step(&mut connection, retention, now_ms).expect("cleans up") == retention::Progress::More
    {
    }
    connection
}

fn count(connection: &Connection, table: &str) -> u64 {
    connection.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0)).expect("counted")
}

#[tokio::test]
async fn old_rows_leave_and_totals_stay() {
    let (folder, store) = fresh();
    let now_ms = row(0, Action::Allow).ts_ms;
    let old_ms = now_ms - 31 * 86_400_000;
    record(&store, (0..100).map(|n| RequestRow { ts_ms: old_ms, address: 5, ..row(n, Action::Block) }));
    record(&store, (100..110).map(|n| row(n, Action::Block)));
    store.flush().await.expect("written");
    let retention = RetentionConfig::default();
    let connection = clean_up(folder.path(), &retention, now_ms);
    assert_eq!(count(&connection, "requests"), 10);
    assert_eq!(count(&connection, "bot_detection_events"), 10);
    assert_eq!(count(&connection, "failed_checks"), 20, "two reasons each raised the score");
    assert_eq!(count(&connection, "ip_reputation"), 1);
    let totals = store.totals().await.expect("readable");
    assert_eq!((totals.requests, totals.addresses, totals.blocked_addresses), (110, 1, 1));
}

#[tokio::test]
async fn the_number_of_rows_and_addresses_is_bounded() {
    let (folder, store) = fresh();
    let now_ms = row(0, Action::Allow).ts_ms;
    let of = |n: u64| RequestRow { address: n, ts_ms: now_ms + n, ..row(n.into(), Action::Allow) };
    for chunk in 0..8 {
        record(&store, (chunk * 900..(chunk + 1) * 900).map(of));
        store.flush().await.expect("written");
    }
    let retention = RetentionConfig { max_rows: 1000, max_addresses: 2000, ..RetentionConfig::default() };
    let connection = clean_up(folder.path(), &retention, now_ms);
    assert_eq!(count(&connection, "requests"), 1000);
    let addresses = count(&connection, "ip_reputation");
    assert!((1700..=2000).contains(&addresses), "{addresses}");
    assert_eq!(store.totals().await.expect("readable").addresses, addresses);
    let target = FeedbackTarget::Request(RequestId::Uuid(uuid::Uuid::from_u128(7199)));
    assert!(matches!(store.feedback(said(target, false), 1).await, Ok(FeedbackOutcome::Recorded(_))));
}

#[tokio::test]
async fn the_size_of_the_file_is_bounded() {
    let (folder, store) = fresh();
    let long: Box<str> = "x".repeat(4096).into();
    for chunk in 0..6_u128 {
        let rows = (chunk * 1000..(chunk + 1) * 1000)
            .map(|n| RequestRow { user_agent: long.clone(), ..row(n, Action::Allow) });
        record(&store, rows);
        store.flush().await.expect("written");
    }
    let now_ms = row(0, Action::Allow).ts_ms;
    let retention = RetentionConfig { max_mib: 8, ..RetentionConfig::default() };
    let connection = clean_up(folder.path(), &retention, now_ms);
    connection.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)").expect("checkpointed");
    let bytes = std::fs::metadata(folder.path().join("test.db")).expect("there").len();
    assert!(bytes < 13 << 20, "{bytes} bytes are left");
    assert!(count(&connection, "requests") >= 1000, "not more than needed leaves");
}

/// What only a filter's failed logins or an application's devices fill is bounded too.
#[tokio::test]
async fn failed_logins_and_devices_are_bounded_by_number() {
    let (folder, store) = fresh();
    let now_ms = row(0, Action::Allow).ts_ms;
    for n in 0..7000_u64 {
        let login = LoginFailureRow {
            ts_ms: now_ms,
            address: 1,
            client: n,
            network: n / 8,
            account: n % 2,
            path: "/login".into(),
            outcome: Standing::default(),
        };
        let device = FingerprintRow { ts_ms: now_ms + n, fingerprint: n, client: n };
        let request = RequestRow { ts_ms: now_ms + n, ..row(n.into(), Action::Challenge) };
        store.record(
            &mut [Row::LoginFailure(login), Row::Fingerprint(device), Row::Request(request)].into_iter(),
        );
        if n % 300 == 299 {
            store.flush().await.expect("written");
        }
    }
    store.flush().await.expect("written");
    let retention = RetentionConfig { max_rows: 1000, ..RetentionConfig::default() };
    let connection = clean_up(folder.path(), &retention, now_ms);
    for table in ["requests", "bot_detection_events", "failed_logins", "device_fingerprints"] {
        assert_eq!(count(&connection, table), 1000, "{table}");
    }
    assert_eq!(count(&connection, "failed_checks"), 2000);
}

#[tokio::test]
async fn free_pages_go_back_to_the_file_system() {
    let (folder, store) = fresh();
    let long: Box<str> = "x".repeat(9000).into();
    for chunk in 0..3_u128 {
        let rows = (chunk * 900..(chunk + 1) * 900)
            .map(|n| RequestRow { user_agent: long.clone(), ..row(n, Action::Allow) });
        record(&store, rows);
        store.flush().await.expect("written");
    }
    let size = |connection: &Connection| {
        connection.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)").expect("checkpointed");
        std::fs::metadata(folder.path().join("test.db")).expect("there").len()
    };
    let path = folder.path().join("test.db");
    let before = size(&Connection::open(path).expect("opens"));
    let far = row(0, Action::Allow).ts_ms + 400 * 86_400_000;
    let after = size(&clean_up(folder.path(), &RetentionConfig::default(), far));
    assert!(before > 20 << 20 && after < 6 << 20, "{before} became {after}");
}
