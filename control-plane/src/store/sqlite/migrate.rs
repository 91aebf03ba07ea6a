//! Forward-only migrations, embedded; `PRAGMA user_version` tells how many were done.

use rusqlite::{Connection, TransactionBehavior};

use crate::store::StoreError;

/// In order; what was released is never changed.
pub(super) const MIGRATIONS: [&str; 4] = [
    include_str!("../../../../migrations/0001_first_tables.sql"),
    include_str!("../../../../migrations/0002_models.sql"),
    include_str!("../../../../migrations/0003_lists.sql"),
    include_str!("../../../../migrations/0004_events.sql"),
];

/// Brings the schema up to date. Two processes may do so at once: the second finds it done.
///
/// # Errors
/// What SQLite says, or that a newer version wrote the file.
pub(super) fn up(connection: &mut Connection) -> Result<(), StoreError> {
    let known = u32::try_from(MIGRATIONS.len()).unwrap_or(u32::MAX);
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let found: u32 = transaction.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    if found > known {
        return Err(StoreError::TooNew { found, known });
    }
    for migration in MIGRATIONS.iter().skip(found as usize) {
        transaction.execute_batch(migration)?;
    }
    transaction.pragma_update(None, "user_version", known)?;
    transaction.commit()?;
    Ok(())
}
