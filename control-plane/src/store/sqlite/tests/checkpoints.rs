//! Models in SQLite: files of the first schema, what never changes, and ends in the middle of something.

use super::*;
use crate::store::contract::models::{content, promotion_of};
use crate::store::{BUILT_IN, CheckpointSource, PromoteOutcome};

contract!(models:
    checkpoints_are_kept_whole,
    the_newest_promotion_counts,
    rollbacks_go_back_step_by_step,
    the_model_that_ships_can_be_promoted,
    a_shadow_ends_with_its_promotion,
    unused_checkpoints_leave_by_number,
);

/// A file of the first schema with rows of traffic and labels.
fn old_file(path: &Path) {
    let connection = Connection::open(path).expect("opens");
    connection.execute_batch(migrate::MIGRATIONS[0]).expect("the first tables");
    connection
        .execute_batch(
            "PRAGMA user_version = 1;
             INSERT INTO settings VALUES ('hash_key', x'00112233445566778899aabbccddeeff');
             INSERT INTO tokens VALUES (1, 'admin', 'op', zeroblob(32), 1, NULL);
             INSERT INTO requests VALUES (1, 10, 'one', 5, -6, 0, 1, 0, 1, 12.5, 0.25, 1, zeroblob(28), 'GET', '/a', 'x');
             INSERT INTO daily_totals VALUES (0, 0, 1);
             INSERT INTO training_data VALUES (1, 'one', 10, 20, 1, 'feedback', 12.5, 0.25, zeroblob(28));
             INSERT INTO training_data VALUES (2, 'gone', 11, 21, 0, 'feedback', 50.0, 0.5, zeroblob(28));
             UPDATE counters SET value = 2 WHERE name = 'training_examples';",
        )
        .expect("rows of the first schema");
}

#[tokio::test]
async fn a_file_of_the_first_schema_keeps_its_rows() {
    let folder = TempDir::new().expect("a folder");
    old_file(&folder.path().join("test.db"));
    let store = SqliteStore::open(&config(folder.path())).expect("brought up to date");
    let totals = store.totals().await.expect("readable");
    assert_eq!((totals.requests, totals.training_examples), (1, 2));
    assert_eq!(store.tokens().await.expect("readable").len(), 1);
    assert_eq!(store.setting("hash_key").await.expect("readable").map(|key| key.len()), Some(16));
    let rows = store.training_rows(0, 10).await.expect("readable");
    let told: Vec<_> =
        rows.iter().map(|row| (row.is_bot, row.client, row.path.as_deref(), row.token)).collect();
    let known = (true, Some((-6_i64).cast_unsigned()), Some("/a"), None);
    assert_eq!(
        told,
        [known, (false, None, None, None)],
        "client and path come from the request, where it is"
    );
    drop(store);
    let again = SqliteStore::open(&config(folder.path())).expect("opens a second time");
    assert_eq!(again.checkpoints().await, Ok(Vec::new()));
}

#[tokio::test]
async fn a_damaged_row_hides_no_other() {
    let (folder, store) = fresh();
    let sound = store.save_checkpoint(content("", CheckpointSource::Train), 1).await.expect("stored");
    let damaged = store.save_checkpoint(content("", CheckpointSource::Train), 2).await.expect("stored");
    let other = Connection::open(folder.path().join("test.db")).expect("opens");
    let damage = format!(
        "DROP TRIGGER model_checkpoints_are_immutable;
         UPDATE model_checkpoints SET kind = 'oracle' WHERE id = {damaged};"
    );
    other.execute_batch(&damage).expect("damaged");
    let listed = store.checkpoints().await.expect("the list can be read");
    assert_eq!(listed.iter().map(|line| line.id).collect::<Vec<_>>(), [sound]);
    assert!(matches!(store.checkpoint(damaged).await, Err(StoreError::Failed(_))));
}

#[tokio::test]
async fn checkpoints_and_promotions_cannot_be_changed() {
    let (folder, store) = fresh();
    let id = store.save_checkpoint(content("", CheckpointSource::Online), 1).await.expect("stored");
    store.promote(promotion_of(id), 1).await.expect("stored");
    let other = Connection::open(folder.path().join("test.db")).expect("opens");
    for change in [
        "UPDATE model_checkpoints SET note = 'better'",
        "UPDATE promotions SET checkpoint = 0",
        "DELETE FROM promotions",
        "DELETE FROM model_checkpoints",
    ] {
        assert!(other.execute(change, []).is_err(), "{change}");
    }
}

/// Whatever moment a process ends at, what it leaves behind holds the old promotion or the new one.
#[tokio::test]
async fn an_end_in_the_middle_of_a_promotion_leaves_the_old_one() {
    let (folder, store) = fresh();
    let mut ids = Vec::new();
    for note in ["old", "new"] {
        ids.push(store.save_checkpoint(content(note, CheckpointSource::Train), 1).await.expect("stored"));
    }
    store.promote(promotion_of(ids[0]), 1).await.expect("stored");
    store.set_shadow(Some(ids[1])).await.expect("stored");
    // The files as a killed process leaves them.
    let left_behind = |folder: &TempDir| {
        let after = TempDir::new().expect("a folder");
        for name in ["test.db", "test.db-wal"] {
            std::fs::copy(folder.path().join(name), after.path().join(name)).expect("copied");
        }
        after
    };
    let mut dying = connection::open_writer(&config(folder.path())).expect("opens");
    let transaction =
        dying.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate).expect("begins");
    assert!(matches!(
        models::promote(&transaction, &promotion_of(ids[1]), 2),
        Ok(PromoteOutcome::Promoted(_))
    ));
    transaction.cache_flush().expect("written, but not committed");
    let before = left_behind(&folder);
    transaction.commit().expect("commits");
    let after = left_behind(&folder);
    for (folder, checkpoint, shadow) in [(before, ids[0], Some(ids[1])), (after, ids[1], None)] {
        let again = SqliteStore::open(&config(folder.path())).expect("opens");
        let in_force = again.in_force().await.expect("readable");
        assert_eq!(in_force.promotion.map(|promotion| promotion.checkpoint), Some(checkpoint));
        assert_eq!(in_force.shadow, shadow);
    }
}

#[test]
fn a_full_disk_refuses_a_checkpoint_and_changes_nothing() {
    let folder = TempDir::new().expect("a folder");
    let mut connection = connection::open_writer(&config(folder.path())).expect("opens");
    migrate::up(&mut connection).expect("up to date");
    let small = content("", CheckpointSource::Train);
    let id = connection::durably(&mut connection, |t| models::save(t, &small, 1)).expect("stored");
    connection::durably(&mut connection, |t| models::promote(t, &promotion_of(id), 1)).expect("stored");
    connection.execute_batch("PRAGMA max_page_count = 1").expect("full");
    let large = CheckpointContent { model: vec![1; 1 << 20], ..small };
    let refused = connection::durably(&mut connection, |t| models::save(t, &large, 2)).expect_err("no room");
    assert!(matches!(StoreError::from(refused), StoreError::Unavailable(reason) if reason.contains("full")));
    assert_eq!(models::checkpoints(&connection).expect("readable").len(), 1);
    let in_force = models::in_force(&connection).expect("readable");
    assert_eq!(in_force.promotion.map_or(BUILT_IN, |promotion| promotion.checkpoint), id);
    connection.execute_batch("PRAGMA max_page_count = 1000000").expect("mended");
    connection::durably(&mut connection, |t| models::save(t, &large, 3)).expect("there is room again");
}
