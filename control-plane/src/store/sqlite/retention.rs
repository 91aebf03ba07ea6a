//! Bounded tables: rows leave by age, by number and by the size of the file, oldest first, in small steps so
//! that the writer is never held up for long.

use rusqlite::{Connection, OptionalExtension, TransactionBehavior, params};

use super::batch::add_to_counter;
use crate::config::RetentionConfig;

/// Rows deleted in one step.
const STEP_ROWS: i64 = 5_000;

/// Free pages given back to the file system in one step; 4 MiB.
const STEP_PAGES: i64 = 1_024;

const DAY_MS: u64 = 86_400_000;

/// Whether a step left more to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Progress {
    Done,
    More,
}

/// Deletes up to [`STEP_ROWS`] rows per table and gives pages back.
pub(super) fn step(
    connection: &mut Connection,
    config: &RetentionConfig,
    now_ms: u64,
) -> rusqlite::Result<Progress> {
    let cutoff_ms = now_ms.saturating_sub(u64::from(config.days) * DAY_MS);
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let mut deleted = 0;
    deleted += oldest_requests(&transaction, config, cutoff_ms)?;
    let oldest_ms = transaction
        .query_row("SELECT ts_ms FROM requests ORDER BY id LIMIT 1", [], |row| row.get::<_, u64>(0))
        .optional()?
        .unwrap_or(cutoff_ms)
        .max(cutoff_ms);
    let by_age = [
        ("bot_detection_events", "ts_ms", oldest_ms),
        ("failed_logins", "ts_ms", oldest_ms),
        ("device_fingerprints", "last_seen_ms", cutoff_ms),
        ("captcha_challenges", "expires_ms", cutoff_ms),
    ];
    for (table, column, before_ms) in by_age {
        let sql = match table {
            "bot_detection_events" | "failed_logins" => format!(
                "DELETE FROM {table} WHERE id IN (SELECT id FROM {table} WHERE {column} < ?1 LIMIT {STEP_ROWS})"
            ),
            _ => format!("DELETE FROM {table} WHERE {column} < ?1"),
        };
        deleted += transaction.execute(&sql, params![before_ms])?;
    }
    deleted += oldest_addresses(&transaction, config, cutoff_ms)?;
    transaction.commit()?;
    let vacuumed = give_back_pages(connection)?;
    Ok(if deleted >= STEP_ROWS as usize || vacuumed { Progress::More } else { Progress::Done })
}

/// Ids grow with arrival and rows leave from the low end, so the span of ids is the number of rows.
fn oldest_requests(
    transaction: &Connection,
    config: &RetentionConfig,
    cutoff_ms: u64,
) -> rusqlite::Result<usize> {
    let span = "SELECT min(id), max(id) FROM requests";
    let (first, last): (Option<i64>, Option<i64>) =
        transaction.query_row(span, [], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let (Some(first), Some(last)) = (first, last) else { return Ok(0) };
    let too_many = (last - first + 1) - i64::try_from(config.max_rows).unwrap_or(i64::MAX);
    let full = used_bytes(transaction)? > config.max_mib * 1024 * 1024;
    let over = if full { STEP_ROWS } else { too_many.clamp(0, STEP_ROWS) };
    transaction.execute(
        "DELETE FROM requests WHERE id < ?1 OR (id < ?2 AND ts_ms < ?3)",
        params![first + over, first + STEP_ROWS, cutoff_ms],
    )
}

fn oldest_addresses(
    transaction: &rusqlite::Transaction<'_>,
    config: &RetentionConfig,
    cutoff_ms: u64,
) -> rusqlite::Result<usize> {
    let count: u64 = transaction
        .query_row("SELECT value FROM counters WHERE name = 'addresses'", [], |row| row.get(0))
        .optional()?
        .unwrap_or(0);
    // A tenth below the bound, so that this does not run for every new address.
    let surplus = (count > config.max_addresses).then(|| count - config.max_addresses / 10 * 9);
    let surplus_ms: u64 = match surplus {
        Some(surplus) => transaction
            .query_row(
                "SELECT last_seen_ms FROM ip_reputation ORDER BY last_seen_ms LIMIT 1 OFFSET ?1",
                params![surplus],
                |row| row.get(0),
            )
            .optional()?
            .unwrap_or(0),
        None => 0,
    };
    let before_ms = cutoff_ms.max(surplus_ms);
    let blocked: i64 = transaction.query_row(
        "SELECT count(*) FROM ip_reputation WHERE last_seen_ms < ?1 AND blocked > 0",
        params![before_ms],
        |row| row.get(0),
    )?;
    let deleted =
        transaction.execute("DELETE FROM ip_reputation WHERE last_seen_ms < ?1", params![before_ms])?;
    add_to_counter(transaction, "addresses", -i64::try_from(deleted).unwrap_or(0))?;
    add_to_counter(transaction, "blocked_addresses", -blocked)?;
    Ok(deleted)
}

fn pragma(connection: &Connection, name: &str) -> rusqlite::Result<u64> {
    connection.query_row(&format!("PRAGMA {name}"), [], |row| row.get(0))
}

fn used_bytes(connection: &Connection) -> rusqlite::Result<u64> {
    let pages = pragma(connection, "page_count")?.saturating_sub(pragma(connection, "freelist_count")?);
    Ok(pages * pragma(connection, "page_size")?)
}

/// Answers whether more free pages are left than are worth keeping.
fn give_back_pages(connection: &Connection) -> rusqlite::Result<bool> {
    let free = || Ok::<i64, rusqlite::Error>(pragma(connection, "freelist_count")?.cast_signed());
    if free()? < STEP_PAGES {
        return Ok(false);
    }
    let mut statement = connection.prepare(&format!("PRAGMA incremental_vacuum({STEP_PAGES})"))?;
    let mut rows = statement.query([])?;
    while rows.next()?.is_some() {}
    drop(rows);
    Ok(free()? >= STEP_PAGES)
}
