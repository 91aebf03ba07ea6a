//! Queries, run on the readers.

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::signed;
use crate::auth::Role;
use crate::store::{AddressRow, Standing, TokenRow, Totals};

const ADDRESS_COLUMNS: &str =
    "address, good, bad, requests, blocked, failed_logins, first_seen_ms, last_seen_ms";

pub(super) fn totals(reader: &Connection) -> rusqlite::Result<Totals> {
    let counter = |name: &str| -> rusqlite::Result<u64> {
        let sql = "SELECT value FROM counters WHERE name = ?1";
        Ok(reader.prepare_cached(sql)?.query_row([name], |row| row.get(0)).optional()?.unwrap_or(0))
    };
    let sql = "SELECT coalesce(sum(total_requests), 0), coalesce(sum(bot_requests), 0) FROM daily_stats";
    let (requests, bots) = reader.prepare_cached(sql)?.query_row([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(Totals {
        requests,
        bots,
        addresses: counter("addresses")?,
        blocked_addresses: counter("blocked_addresses")?,
        training_examples: counter("training_examples")?,
    })
}

pub(super) fn address(reader: &Connection, address: u64) -> rusqlite::Result<Option<AddressRow>> {
    let sql = format!("SELECT {ADDRESS_COLUMNS} FROM ip_reputation WHERE address = ?1");
    reader.prepare_cached(&sql)?.query_row(params![signed(address)], address_row).optional()
}

pub(super) fn recent_addresses(reader: &Connection, limit: u32) -> rusqlite::Result<Vec<AddressRow>> {
    let sql = format!("SELECT {ADDRESS_COLUMNS} FROM ip_reputation ORDER BY last_seen_ms DESC LIMIT ?1");
    reader.prepare(&sql)?.query_map(params![limit], address_row)?.collect()
}

pub(super) fn tokens(reader: &Connection) -> rusqlite::Result<Vec<TokenRow>> {
    let sql = "SELECT id, role, name, hash, created_ms, revoked_ms FROM tokens ORDER BY id";
    let row = |row: &Row<'_>| {
        let role: String = row.get(1)?;
        let unknown =
            || rusqlite::Error::InvalidColumnType(1, "role".to_owned(), rusqlite::types::Type::Text);
        Ok(TokenRow {
            id: row.get(0)?,
            role: Role::from_name(&role).ok_or_else(unknown)?,
            name: row.get(2)?,
            hash: row.get(3)?,
            created_ms: row.get(4)?,
            revoked_ms: row.get(5)?,
        })
    };
    reader.prepare_cached(sql)?.query_map([], row)?.collect()
}

pub(super) fn setting(reader: &Connection, name: &str) -> rusqlite::Result<Option<Vec<u8>>> {
    let sql = "SELECT value FROM settings WHERE name = ?1";
    reader.prepare_cached(sql)?.query_row([name], |row| row.get(0)).optional()
}

fn address_row(row: &Row<'_>) -> rusqlite::Result<AddressRow> {
    Ok(AddressRow {
        address: row.get::<_, i64>(0)?.cast_unsigned(),
        standing: Standing { good: row.get(1)?, bad: row.get(2)? },
        requests: row.get(3)?,
        blocked: row.get(4)?,
        failed_logins: row.get(5)?,
        first_seen_ms: row.get(6)?,
        last_seen_ms: row.get(7)?,
    })
}
