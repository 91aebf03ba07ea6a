//! The contract of list entries, and that they survive.

use super::*;
use crate::store::contract::lists::deny;
use crate::store::{ListFilter, ListKind};

contract!(lists:
    entries_are_kept_once,
    all_or_none_are_added,
    there_is_a_bound,
    pages_cover_everything_once,
    filters_are_exact,
    entries_expire_and_are_forgotten,
    changes_are_numbered,
    replicas_agree_on_the_newest,
    a_replica_cannot_bring_back_what_was_removed,
    merging_keeps_the_bound,
);

#[tokio::test]
async fn acknowledged_entries_survive_without_an_orderly_end() {
    let (folder, store) = fresh();
    let kept = deny(ListKind::Range, "198.51.100.0/24");
    store.add_list_entries(vec![kept.clone()], 1).await.expect("stored");
    // A copy of the files is what a killed process leaves behind.
    let after = TempDir::new().expect("a folder");
    for name in ["test.db", "test.db-wal"] {
        std::fs::copy(folder.path().join(name), after.path().join(name)).expect("copied");
    }
    let again = SqliteStore::open(&config(after.path())).expect("opens");
    let rows = again.list_entries(ListFilter::default(), None, 10, 2).await.expect("readable");
    assert_eq!(rows.into_iter().map(|row| row.entry).collect::<Vec<_>>(), [kept]);
}

#[tokio::test]
async fn a_locked_database_takes_no_entries() {
    let (folder, store) = fresh();
    let other = Connection::open(folder.path().join("test.db")).expect("opens");
    other.execute_batch("BEGIN IMMEDIATE").expect("locks");
    let refused = store.add_list_entries(vec![deny(ListKind::Path, "/x")], 1).await;
    assert!(matches!(refused, Err(StoreError::Unavailable(_))), "{refused:?}");
    other.execute_batch("COMMIT").expect("unlocks");
    assert_eq!(store.list_revision().await, Ok(0));
}
