//! One transaction of rows.

use std::collections::HashMap;

use rusqlite::{CachedStatement, Connection, Transaction, TransactionBehavior, params};
use sallyport_core::Action;

use super::signed;
use crate::store::buffer::DailyCounts;
use crate::store::{RequestId, RequestRow, Row, Standing};

/// Writes rows, what they mean for their addresses, and the day's totals: all or nothing.
pub(super) fn write(
    connection: &mut Connection,
    rows: &[Row],
    counts: Option<&DailyCounts>,
) -> rusqlite::Result<()> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    write_rows(&transaction, rows)?;
    write_addresses(&transaction, rows)?;
    if let Some(counts) = counts {
        write_totals(&transaction, counts)?;
    }
    transaction.commit()
}

fn write_rows(transaction: &Transaction<'_>, rows: &[Row]) -> rusqlite::Result<()> {
    let mut request = transaction.prepare_cached(
        "INSERT INTO requests (ts_ms, request_id, address, client, action, enforced, basis, source, score,
         ml_probability, weight, features, method, path, user_agent, checkpoint, shadow_probability, attributions)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18)",
    )?;
    let mut event = transaction.prepare_cached(
        "INSERT OR REPLACE INTO bot_detection_events
         (id, ts_ms, client, address, session, action, score, limit_rule, limit_shadow)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
    )?;
    let mut check = transaction.prepare_cached(
        "INSERT OR REPLACE INTO failed_checks (event, check_name, ts_ms, points) VALUES (?1, ?2, ?3, ?4)",
    )?;
    let mut login = transaction.prepare_cached(
        "INSERT INTO failed_logins (ts_ms, address, client, path, network, account)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    )?;
    let mut device = transaction.prepare_cached(
        "INSERT INTO device_fingerprints (fingerprint, client, requests, first_seen_ms, last_seen_ms)
         VALUES (?1, ?2, 1, ?3, ?3)
         ON CONFLICT (fingerprint, client) DO UPDATE SET
             requests = requests + 1, last_seen_ms = max(last_seen_ms, ?3)",
    )?;
    for row in rows {
        match row {
            Row::Request(row) => {
                let id = insert_request(transaction, &mut request, row)?;
                if row.is_event() {
                    insert_event(&mut event, &mut check, row, id)?;
                }
            }
            Row::LoginFailure(row) => {
                login.execute(params![
                    row.ts_ms,
                    signed(row.address),
                    signed(row.client),
                    row.path,
                    known(row.network),
                    known(row.account),
                ])?;
            }
            Row::Fingerprint(row) => {
                device.execute(params![signed(row.fingerprint), signed(row.client), row.ts_ms])?;
            }
        }
    }
    Ok(())
}

fn insert_request(
    transaction: &Transaction<'_>,
    statement: &mut CachedStatement<'_>,
    row: &RequestRow,
) -> rusqlite::Result<i64> {
    statement.execute(params![
        row.ts_ms,
        row.request_id,
        signed(row.address),
        signed(row.client),
        row.action as u8,
        row.enforced,
        row.basis as u8,
        row.source as u8,
        row.score,
        row.ml_probability,
        row.weight,
        float_bytes(&row.features).as_slice(),
        row.method,
        row.path,
        row.user_agent,
        row.checkpoint,
        row.shadow_probability,
        row.attributions.as_ref().map(float_bytes).as_ref().map(<[u8; 28]>::as_slice),
    ])?;
    Ok(transaction.last_insert_rowid())
}

/// An event has the number of its request.
fn insert_event(
    event: &mut CachedStatement<'_>,
    check: &mut CachedStatement<'_>,
    row: &RequestRow,
    id: i64,
) -> rusqlite::Result<()> {
    event.execute(params![
        id,
        row.ts_ms,
        signed(row.client),
        signed(row.address),
        known(row.session),
        row.action as u8,
        row.score,
        row.limit.map(|over| over.rule as u8),
        row.limit.map(|over| over.is_shadow),
    ])?;
    for (failed, points) in row.failed_checks() {
        check.execute(params![id, failed.name(), row.ts_ms, points])?;
    }
    Ok(())
}

/// A keyed hash that may be unknown: 0 is stored as NULL.
fn known(hash: u64) -> Option<i64> {
    (hash != 0).then(|| signed(hash))
}

/// What one batch adds to an address.
#[derive(Default)]
struct Addition {
    outcome: Standing,
    requests: u64,
    blocked: u64,
    failed_logins: u64,
    last_ms: u64,
}

fn additions(rows: &[Row]) -> HashMap<u64, Addition> {
    let mut additions: HashMap<u64, Addition> = HashMap::with_capacity(rows.len());
    for row in rows {
        let (address, outcome, ts_ms) = match row {
            Row::Request(row) => (row.address, row.outcome, row.ts_ms),
            Row::LoginFailure(row) => (row.address, row.outcome, row.ts_ms),
            Row::Fingerprint(_) => continue,
        };
        let addition = additions.entry(address).or_default();
        addition.outcome.good += outcome.good;
        addition.outcome.bad += outcome.bad;
        addition.last_ms = addition.last_ms.max(ts_ms);
        match row {
            Row::Request(row) => {
                addition.requests += u64::from(row.weight);
                addition.blocked += u64::from(row.weight) * u64::from(row.action == Action::Block);
            }
            Row::LoginFailure(_) => addition.failed_logins += 1,
            Row::Fingerprint(_) => {}
        }
    }
    additions
}

fn write_addresses(transaction: &Transaction<'_>, rows: &[Row]) -> rusqlite::Result<()> {
    // A row is new when it holds nothing but what was just added.
    let mut upsert = transaction.prepare_cached(
        "INSERT INTO ip_reputation (address, good, bad, requests, blocked, failed_logins, first_seen_ms, last_seen_ms)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?7)
         ON CONFLICT (address) DO UPDATE SET
             good = decayed(good, ?7 - last_seen_ms) + ?2,
             bad = decayed(bad, ?7 - last_seen_ms) + ?3,
             requests = requests + ?4,
             blocked = blocked + ?5,
             failed_logins = failed_logins + ?6,
             last_seen_ms = max(last_seen_ms, ?7)
         RETURNING requests + failed_logins = ?4 + ?6, ?5 > 0 AND blocked = ?5",
    )?;
    let (mut new, mut newly_blocked) = (0_i64, 0_i64);
    for (address, addition) in additions(rows) {
        let values = params![
            signed(address),
            addition.outcome.good,
            addition.outcome.bad,
            addition.requests,
            addition.blocked,
            addition.failed_logins,
            addition.last_ms,
        ];
        let (is_new, is_newly_blocked) =
            upsert.query_row(values, |row| Ok((row.get::<_, bool>(0)?, row.get::<_, bool>(1)?)))?;
        new += i64::from(is_new);
        newly_blocked += i64::from(is_newly_blocked);
    }
    add_to_counter(transaction, "addresses", new)?;
    add_to_counter(transaction, "blocked_addresses", newly_blocked)
}

fn write_totals(transaction: &Transaction<'_>, counts: &DailyCounts) -> rusqlite::Result<()> {
    let mut upsert = transaction.prepare_cached(
        "INSERT INTO daily_totals (day, action, requests) VALUES (?1, ?2, ?3)
         ON CONFLICT (day, action) DO UPDATE SET requests = requests + ?3",
    )?;
    for (day, action, count) in counts.iter() {
        upsert.execute(params![day, action as u8, count])?;
    }
    Ok(())
}

/// Adds to one of the counts that would be slow to take from the tables.
pub(super) fn add_to_counter(transaction: &Transaction<'_>, name: &str, change: i64) -> rusqlite::Result<()> {
    if change != 0 {
        let sql = "UPDATE counters SET value = max(0, value + ?2) WHERE name = ?1";
        transaction.prepare_cached(sql)?.execute(params![name, change])?;
    }
    Ok(())
}

/// Seven numbers, one per feature, as they are stored.
fn float_bytes(values: &[f32; 7]) -> [u8; 28] {
    let mut bytes = [0; 28];
    for (slot, value) in bytes.chunks_exact_mut(4).zip(values) {
        slot.copy_from_slice(&value.to_le_bytes());
    }
    bytes
}

/// Reads what [`float_bytes`] wrote.
pub(super) fn floats(bytes: &[u8; 28]) -> [f32; 7] {
    let mut values = [0.0; 7];
    for (value, slot) in values.iter_mut().zip(bytes.as_chunks().0) {
        *value = f32::from_le_bytes(*slot);
    }
    values
}

impl rusqlite::ToSql for RequestId {
    fn to_sql(&self) -> rusqlite::Result<rusqlite::types::ToSqlOutput<'_>> {
        match self {
            Self::Uuid(uuid) => uuid.as_bytes().as_slice().to_sql(),
            Self::Text(text) => text.to_sql(),
        }
    }
}

impl rusqlite::types::FromSql for RequestId {
    fn column_result(value: rusqlite::types::ValueRef<'_>) -> rusqlite::types::FromSqlResult<Self> {
        match value {
            rusqlite::types::ValueRef::Blob(bytes) => uuid::Uuid::from_slice(bytes)
                .map(Self::Uuid)
                .map_err(|error| rusqlite::types::FromSqlError::Other(Box::new(error))),
            other => other.as_str().map(|text| Self::Text(text.into())),
        }
    }
}
