//! Small changes that somebody waits for, run on the writer.

use rusqlite::{Transaction, params};

use crate::auth::Role;

/// Writes a page with what is on it already: shows whether the database can be written.
pub(super) fn touch(transaction: &Transaction<'_>) -> rusqlite::Result<()> {
    transaction.execute("UPDATE counters SET value = value WHERE name = 'addresses'", [])?;
    Ok(())
}

pub(super) fn create_token(
    transaction: &Transaction<'_>,
    role: Role,
    name: &str,
    hash: &[u8; 32],
    now_ms: u64,
) -> rusqlite::Result<i64> {
    let sql = "INSERT INTO tokens (role, name, hash, created_ms) VALUES (?1, ?2, ?3, ?4)";
    transaction.execute(sql, params![role.name(), name, hash.as_slice(), now_ms])?;
    Ok(transaction.last_insert_rowid())
}

pub(super) fn revoke_token(transaction: &Transaction<'_>, id: i64, now_ms: u64) -> rusqlite::Result<bool> {
    let sql = "UPDATE tokens SET revoked_ms = ?2 WHERE id = ?1 AND revoked_ms IS NULL";
    Ok(transaction.execute(sql, params![id, now_ms])? > 0)
}

pub(super) fn set_setting(transaction: &Transaction<'_>, name: &str, value: &[u8]) -> rusqlite::Result<()> {
    let sql = "INSERT INTO settings (name, value) VALUES (?1, ?2)
               ON CONFLICT (name) DO UPDATE SET value = ?2";
    transaction.execute(sql, params![name, value])?;
    Ok(())
}

pub(super) fn claim_setting(
    transaction: &Transaction<'_>,
    name: &str,
    value: &[u8],
) -> rusqlite::Result<Vec<u8>> {
    let sql = "INSERT INTO settings (name, value) VALUES (?1, ?2) ON CONFLICT (name) DO NOTHING";
    transaction.execute(sql, params![name, value])?;
    transaction.query_row("SELECT value FROM settings WHERE name = ?1", [name], |row| row.get(0))
}
