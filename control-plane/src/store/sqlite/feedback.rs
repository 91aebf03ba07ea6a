//! Feedback becomes training data: the request's features as they were when it was judged.

use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};

use super::{batch, signed};
use crate::store::{Feedback, FeedbackOutcome, FeedbackTarget, LabelConflict, RequestId, TrainingRow};

const COLUMNS: &str =
    "id, request_id, ts_ms, created_ms, is_bot, score, ml_probability, features, client, token, path";

/// Finds the request, then stores the label unless there is one. A contradiction is written down.
pub(super) fn store(
    transaction: &Transaction<'_>,
    feedback: &Feedback,
    now_ms: u64,
) -> rusqlite::Result<FeedbackOutcome> {
    let Some((row, request_id)) = find(transaction, &feedback.target)? else {
        // The request itself may be gone by age; what was said about it still counts as said.
        return match &feedback.target {
            FeedbackTarget::Request(id) => match recorded(transaction, id)? {
                Some(found) => compared(transaction, id.clone(), found, feedback, now_ms),
                None => Ok(FeedbackOutcome::UnknownRequest),
            },
            FeedbackTarget::Latest { .. } => Ok(FeedbackOutcome::UnknownRequest),
        };
    };
    if let Some(found) = recorded(transaction, &request_id)? {
        return compared(transaction, request_id, found, feedback, now_ms);
    }
    transaction.execute(
        "INSERT INTO training_data
             (request_id, ts_ms, created_ms, is_bot, source, score, ml_probability, features, client, token, path)
         SELECT request_id, ts_ms, ?2, ?3, 'feedback', score, ml_probability, features, client, ?4, path
         FROM requests WHERE id = ?1",
        params![row, now_ms, feedback.is_bot, feedback.token],
    )?;
    let id = transaction.last_insert_rowid();
    batch::add_to_counter(transaction, "training_examples", 1)?;
    let sql = format!("SELECT {COLUMNS} FROM training_data WHERE id = ?1");
    Ok(FeedbackOutcome::Recorded(Box::new(transaction.query_row(&sql, [id], training_row)?)))
}

/// Labels in the order of arrival.
pub(super) fn rows(reader: &Connection, after_id: i64, limit: u32) -> rusqlite::Result<Vec<TrainingRow>> {
    let sql = format!("SELECT {COLUMNS} FROM training_data WHERE id > ?1 ORDER BY id LIMIT ?2");
    reader.prepare_cached(&sql)?.query_map(params![after_id, limit], training_row)?.collect()
}

/// Labels made at a time or later, newest first.
pub(super) fn rows_since(
    reader: &Connection,
    created_ms: u64,
    limit: u32,
) -> rusqlite::Result<Vec<TrainingRow>> {
    let sql = format!("SELECT {COLUMNS} FROM training_data ORDER BY id DESC LIMIT ?1");
    let rows: rusqlite::Result<Vec<_>> =
        reader.prepare_cached(&sql)?.query_map([limit], training_row)?.collect();
    Ok(rows?.into_iter().take_while(|row| row.created_ms >= created_ms).collect())
}

/// Contradictions, newest first.
pub(super) fn conflicts(reader: &Connection, limit: u32) -> rusqlite::Result<Vec<LabelConflict>> {
    let sql = "SELECT request_id, token, ts_ms, times, recorded_is_bot, said_is_bot
               FROM label_conflicts ORDER BY ts_ms DESC LIMIT ?1";
    let row = |row: &Row<'_>| {
        Ok(LabelConflict {
            request_id: row.get(0)?,
            token: Some(row.get(1)?).filter(|token| *token != 0),
            ts_ms: row.get(2)?,
            times: row.get(3)?,
            recorded_is_bot: row.get(4)?,
            said_is_bot: row.get(5)?,
        })
    };
    reader.prepare_cached(sql)?.query_map([limit], row)?.collect()
}

fn find(
    transaction: &Transaction<'_>,
    target: &FeedbackTarget,
) -> rusqlite::Result<Option<(i64, RequestId)>> {
    let row = |row: &Row<'_>| Ok((row.get(0)?, row.get(1)?));
    match target {
        FeedbackTarget::Request(id) => transaction
            .query_row(
                "SELECT id, request_id FROM requests WHERE request_id = ?1 ORDER BY id DESC LIMIT 1",
                params![id],
                row,
            )
            .optional(),
        FeedbackTarget::Latest { client, path } => transaction
            .query_row(
                "SELECT id, request_id FROM requests WHERE client = ?1 AND path = ?2
                 ORDER BY id DESC LIMIT 1",
                params![signed(*client), path],
                row,
            )
            .optional(),
    }
}

fn recorded(transaction: &Transaction<'_>, id: &RequestId) -> rusqlite::Result<Option<bool>> {
    let sql = "SELECT is_bot FROM training_data WHERE request_id = ?1";
    transaction.query_row(sql, params![id], |row| row.get(0)).optional()
}

fn compared(
    transaction: &Transaction<'_>,
    request_id: RequestId,
    recorded_is_bot: bool,
    feedback: &Feedback,
    now_ms: u64,
) -> rusqlite::Result<FeedbackOutcome> {
    if recorded_is_bot == feedback.is_bot {
        return Ok(FeedbackOutcome::AlreadyRecorded(request_id));
    }
    let sql = "INSERT INTO label_conflicts (request_id, token, ts_ms, times, recorded_is_bot, said_is_bot)
               VALUES (?1, ?2, ?3, 1, ?4, ?5)
               ON CONFLICT (request_id, token) DO UPDATE SET ts_ms = ?3, times = times + 1, said_is_bot = ?5";
    let token = feedback.token.unwrap_or(0);
    transaction.execute(sql, params![request_id, token, now_ms, recorded_is_bot, feedback.is_bot])?;
    Ok(FeedbackOutcome::Contradicts { request_id, recorded_is_bot })
}

fn training_row(row: &Row<'_>) -> rusqlite::Result<TrainingRow> {
    Ok(TrainingRow {
        id: row.get(0)?,
        request_id: row.get(1)?,
        ts_ms: row.get(2)?,
        created_ms: row.get(3)?,
        is_bot: row.get(4)?,
        score: row.get(5)?,
        ml_probability: row.get(6)?,
        features: batch::floats(&row.get(7)?),
        client: row.get::<_, Option<i64>>(8)?.map(i64::cast_unsigned),
        token: row.get(9)?,
        path: row.get(10)?,
    })
}
