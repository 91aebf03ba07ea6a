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
    let full = used_bytes(&transaction)? > config.max_mib * 1024 * 1024;
    let bounds = Bounds { max_rows: config.max_rows, full, cutoff_ms };
    let mut deleted = oldest(&transaction, "requests", &bounds)?;
    deleted += oldest(&transaction, "failed_logins", &bounds)?;
    deleted += events_without_request(&transaction)?;
    deleted += devices_without_request(&transaction, cutoff_ms)?;
    deleted +=
        transaction.execute("DELETE FROM captcha_challenges WHERE expires_ms < ?1", params![cutoff_ms])?;
    deleted += oldest_addresses(&transaction, config, cutoff_ms)?;
    transaction.commit()?;
    let vacuumed = give_back_pages(connection)?;
    Ok(if deleted >= STEP_ROWS as usize || vacuumed { Progress::More } else { Progress::Done })
}

/// What a table of traffic must keep within.
struct Bounds {
    max_rows: u64,
    /// The file is too large: the oldest rows leave whatever their number and age.
    full: bool,
    cutoff_ms: u64,
}

/// Ids grow with arrival and rows leave from the low end, so the span of ids is the number of rows.
fn oldest(transaction: &Connection, table: &str, bounds: &Bounds) -> rusqlite::Result<usize> {
    let Some((first, last)) = span(transaction, table)? else { return Ok(0) };
    let too_many = (last - first + 1) - i64::try_from(bounds.max_rows).unwrap_or(i64::MAX);
    let over = if bounds.full { STEP_ROWS } else { too_many.clamp(0, STEP_ROWS) };
    transaction.execute(
        &format!("DELETE FROM {table} WHERE id < ?1 OR (id < ?2 AND ts_ms < ?3)"),
        params![first + over, first + STEP_ROWS, bounds.cutoff_ms],
    )
}

/// The first and last id of a table.
fn span(transaction: &Connection, table: &str) -> rusqlite::Result<Option<(i64, i64)>> {
    let sql = format!("SELECT min(id), max(id) FROM {table}");
    let (first, last): (Option<i64>, Option<i64>) =
        transaction.query_row(&sql, [], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(first.zip(last))
}

/// Events and their checks leave in the same step as their requests, which have the same numbers; so none is left
/// when numbers begin anew in an empty table.
fn events_without_request(transaction: &Connection) -> rusqlite::Result<usize> {
    let first_request = span(transaction, "requests")?.map_or(i64::MAX, |(first, _)| first);
    transaction.execute("DELETE FROM failed_checks WHERE event < ?1", params![first_request])?;
    transaction.execute("DELETE FROM bot_detection_events WHERE id < ?1", params![first_request])
}

/// A device is seen with a request, so devices not seen since the oldest request leave, and there are never
/// more than requests.
fn devices_without_request(transaction: &Connection, cutoff_ms: u64) -> rusqlite::Result<usize> {
    let oldest_ms = transaction
        .query_row("SELECT ts_ms FROM requests ORDER BY id LIMIT 1", [], |row| row.get::<_, u64>(0))
        .optional()?
        .unwrap_or(u64::MAX >> 1);
    transaction.execute(
        "DELETE FROM device_fingerprints WHERE (fingerprint, client) IN
         (SELECT fingerprint, client FROM device_fingerprints WHERE last_seen_ms < ?1 LIMIT ?2)",
        params![oldest_ms.max(cutoff_ms), STEP_ROWS],
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
