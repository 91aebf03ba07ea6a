//! Checkpoints and promotions: what is written in one transaction, and what is read.

use rusqlite::types::Type;
use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};
use sallyport_core::ModelKind;

use super::{read, signed, write};
use crate::store::{
    BUILT_IN, Checkpoint, CheckpointContent, CheckpointSource, CheckpointSummary, InForce, Promote,
    PromoteOutcome, Promotion, SHADOW_SETTING,
};

const PROMOTION_COLUMNS: &str = "id, ts_ms, checkpoint, previous, restores, made_by, reason";

pub(super) fn save(
    transaction: &Transaction<'_>,
    content: &CheckpointContent,
    now_ms: u64,
) -> rusqlite::Result<i64> {
    let sql = "INSERT INTO model_checkpoints (created_ms, kind, features_version, parent, seed, source, made_by, note,
               data_fingerprint, data, settings, metrics, histograms, model, state)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)";
    transaction.execute(
        sql,
        params![
            now_ms,
            content.kind.name(),
            content.features_version,
            content.parent,
            signed(content.seed),
            content.source.name(),
            content.made_by,
            content.note,
            content.data_fingerprint,
            content.data,
            content.settings,
            content.metrics,
            content.histograms,
            content.model,
            content.state,
        ],
    )?;
    Ok(transaction.last_insert_rowid())
}

pub(super) fn promote(
    transaction: &Transaction<'_>,
    promote: &Promote,
    now_ms: u64,
) -> rusqlite::Result<PromoteOutcome> {
    let newest = active(transaction)?;
    if promote.only_after.is_some_and(|expected| expected != newest.as_ref().map_or(0, |row| row.id)) {
        return Ok(PromoteOutcome::Overtaken);
    }
    if !exists(transaction, promote.checkpoint)? {
        return Ok(PromoteOutcome::UnknownCheckpoint);
    }
    if newest.as_ref().map_or(BUILT_IN, |row| row.checkpoint) == promote.checkpoint {
        return Ok(PromoteOutcome::AlreadyActive);
    }
    append(transaction, promote, newest.as_ref(), None, now_ms).map(PromoteOutcome::Promoted)
}

/// Goes back to what judged before the promotion in force was made; `None` where there was none. After a rollback
/// the next one goes back further. Steps of online learning that have left meanwhile are passed over.
pub(super) fn rollback(
    transaction: &Transaction<'_>,
    by: &str,
    reason: &str,
    now_ms: u64,
) -> rusqlite::Result<Option<Promotion>> {
    let newest = active(transaction)?;
    let in_force = |row: &Promotion| row.restores.unwrap_or(row.id);
    let mut position = newest.as_ref().map_or(0, in_force);
    while position > 0 {
        let sql =
            format!("SELECT {PROMOTION_COLUMNS} FROM promotions WHERE id < ?1 ORDER BY id DESC LIMIT 1");
        let before = transaction.query_row(&sql, [position], promotion_row).optional()?;
        position = before.as_ref().map_or(0, in_force);
        let checkpoint = match position {
            0 => BUILT_IN,
            id => transaction
                .query_row("SELECT checkpoint FROM promotions WHERE id = ?1", [id], |row| row.get(0))?,
        };
        let is_other = newest.as_ref().is_some_and(|row| row.checkpoint != checkpoint);
        if is_other && exists(transaction, checkpoint)? {
            let promote =
                Promote { checkpoint, by: by.to_owned(), reason: reason.to_owned(), only_after: None };
            return append(transaction, &promote, newest.as_ref(), Some(position), now_ms).map(Some);
        }
    }
    Ok(None)
}

/// Lets a checkpoint look on, or none; answers whether there is such a checkpoint.
pub(super) fn set_shadow(transaction: &Transaction<'_>, checkpoint: Option<i64>) -> rusqlite::Result<bool> {
    let Some(checkpoint) = checkpoint else {
        transaction.execute("DELETE FROM settings WHERE name = ?1", [SHADOW_SETTING])?;
        return Ok(true);
    };
    if !exists(transaction, checkpoint)? {
        return Ok(false);
    }
    write::set_setting(transaction, SHADOW_SETTING, &checkpoint.to_le_bytes())?;
    Ok(true)
}

/// Deletes checkpoints beyond the newest `keep` of each source: steps of online learning that do not judge, and
/// others that nobody ever promoted. The one in shadow stays.
pub(super) fn prune(transaction: &Transaction<'_>, keep: u32) -> rusqlite::Result<u64> {
    let shadow = shadow(transaction)?;
    let sql = "DELETE FROM model_checkpoints WHERE id IN (
                 SELECT id FROM (SELECT id, row_number() OVER (PARTITION BY source ORDER BY id DESC) AS place
                                 FROM model_checkpoints) WHERE place > ?1)
               AND id IS NOT ?2
               AND id IS NOT (SELECT checkpoint FROM promotions ORDER BY id DESC LIMIT 1)
               AND (source = 'online' OR id NOT IN (SELECT checkpoint FROM promotions))";
    Ok(transaction.execute(sql, params![keep, shadow])? as u64)
}

pub(super) fn checkpoint(reader: &Connection, id: i64) -> rusqlite::Result<Option<Checkpoint>> {
    let sql = "SELECT id, created_ms, kind, features_version, parent, seed, source, made_by, note, data_fingerprint,
               data, settings, metrics, histograms, model, state FROM model_checkpoints WHERE id = ?1";
    let row = |row: &Row<'_>| {
        Ok(Checkpoint {
            id: row.get(0)?,
            created_ms: row.get(1)?,
            content: CheckpointContent {
                kind: named(row, 2, ModelKind::from_name)?,
                features_version: row.get(3)?,
                parent: row.get(4)?,
                seed: row.get::<_, i64>(5)?.cast_unsigned(),
                source: named(row, 6, CheckpointSource::from_name)?,
                made_by: row.get(7)?,
                note: row.get(8)?,
                data_fingerprint: row.get(9)?,
                data: row.get(10)?,
                settings: row.get(11)?,
                metrics: row.get(12)?,
                histograms: row.get(13)?,
                model: row.get(14)?,
                state: row.get(15)?,
            },
        })
    };
    reader.prepare_cached(sql)?.query_row([id], row).optional()
}

/// Newest first; what cannot be read is left out.
pub(super) fn checkpoints(reader: &Connection) -> rusqlite::Result<Vec<CheckpointSummary>> {
    let sql = "SELECT id, created_ms, kind, parent, source, made_by, note, metrics, length(model)
               FROM model_checkpoints ORDER BY id DESC";
    let row = |row: &Row<'_>| {
        Ok(CheckpointSummary {
            id: row.get(0)?,
            created_ms: row.get(1)?,
            kind: named(row, 2, ModelKind::from_name)?,
            parent: row.get(3)?,
            source: named(row, 4, CheckpointSource::from_name)?,
            made_by: row.get(5)?,
            note: row.get(6)?,
            metrics: row.get(7)?,
            model_bytes: row.get(8)?,
        })
    };
    reader.prepare_cached(sql)?.query_map([], row)?.filter_map(readable).collect()
}

/// Leaves out a row that only its own damage makes unreadable: the others must stay in sight, above all when one of
/// them is to judge instead.
fn readable<T>(row: rusqlite::Result<T>) -> Option<rusqlite::Result<T>> {
    match row {
        Err(
            error @ (rusqlite::Error::InvalidColumnType(..)
            | rusqlite::Error::FromSqlConversionFailure(..)
            | rusqlite::Error::IntegralValueOutOfRange(..)),
        ) => {
            tracing::error!(%error, "a checkpoint that cannot be read is not listed");
            None
        }
        row => Some(row),
    }
}

pub(super) fn in_force(reader: &Connection) -> rusqlite::Result<InForce> {
    Ok(InForce { promotion: active(reader)?, shadow: shadow(reader)? })
}

/// Newest first.
pub(super) fn promotions(reader: &Connection, limit: u32) -> rusqlite::Result<Vec<Promotion>> {
    let sql = format!("SELECT {PROMOTION_COLUMNS} FROM promotions ORDER BY id DESC LIMIT ?1");
    reader.prepare_cached(&sql)?.query_map([limit], promotion_row)?.collect()
}

/// The newest promotion.
fn active(reader: &Connection) -> rusqlite::Result<Option<Promotion>> {
    let sql = format!("SELECT {PROMOTION_COLUMNS} FROM promotions ORDER BY id DESC LIMIT 1");
    reader.prepare_cached(&sql)?.query_row([], promotion_row).optional()
}

/// The checkpoint that looks on.
fn shadow(reader: &Connection) -> rusqlite::Result<Option<i64>> {
    let value = read::setting(reader, SHADOW_SETTING)?;
    Ok(value.and_then(|bytes| bytes.try_into().ok()).map(i64::from_le_bytes))
}

/// Writes a promotion. What is promoted needs no shadow any more, and must not come back into it by a rollback.
fn append(
    transaction: &Transaction<'_>,
    promote: &Promote,
    newest: Option<&Promotion>,
    restores: Option<i64>,
    now_ms: u64,
) -> rusqlite::Result<Promotion> {
    let previous = newest.map_or(BUILT_IN, |row| row.checkpoint);
    let sql = "INSERT INTO promotions (ts_ms, checkpoint, previous, restores, made_by, reason)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
    let (by, reason) = (&promote.by, &promote.reason);
    transaction.execute(sql, params![now_ms, promote.checkpoint, previous, restores, by, reason])?;
    let id = transaction.last_insert_rowid();
    let in_shadow = promote.checkpoint.to_le_bytes();
    let sql = "DELETE FROM settings WHERE name = ?1 AND value = ?2";
    transaction.execute(sql, params![SHADOW_SETTING, in_shadow.as_slice()])?;
    Ok(Promotion {
        id,
        ts_ms: now_ms,
        checkpoint: promote.checkpoint,
        previous,
        restores,
        by: by.clone(),
        reason: reason.clone(),
    })
}

fn exists(transaction: &Transaction<'_>, checkpoint: i64) -> rusqlite::Result<bool> {
    let sql = "SELECT EXISTS (SELECT 1 FROM model_checkpoints WHERE id = ?1)";
    Ok(checkpoint == BUILT_IN || transaction.query_row(sql, [checkpoint], |row| row.get(0))?)
}

fn promotion_row(row: &Row<'_>) -> rusqlite::Result<Promotion> {
    Ok(Promotion {
        id: row.get(0)?,
        ts_ms: row.get(1)?,
        checkpoint: row.get(2)?,
        previous: row.get(3)?,
        restores: row.get(4)?,
        by: row.get(5)?,
        reason: row.get(6)?,
    })
}

fn named<T>(row: &Row<'_>, column: usize, of: impl Fn(&str) -> Option<T>) -> rusqlite::Result<T> {
    let name: String = row.get(column)?;
    of(&name).ok_or(rusqlite::Error::InvalidColumnType(column, name, Type::Text))
}
