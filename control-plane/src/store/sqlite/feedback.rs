//! Feedback becomes training data: the request's features as they were when it was judged.

use rusqlite::{OptionalExtension, Transaction, params};

use super::{batch, signed};
use crate::store::{FeedbackOutcome, FeedbackTarget, RequestId};

/// Finds the request, then stores the label unless there is one.
pub(super) fn store(
    transaction: &Transaction<'_>,
    target: &FeedbackTarget,
    is_bot: bool,
    now_ms: u64,
) -> rusqlite::Result<FeedbackOutcome> {
    let Some((row, request_id)) = find(transaction, target)? else {
        // The request itself may be gone by age; what was said about it still counts as said.
        return Ok(match target {
            FeedbackTarget::Request(id) => recorded(transaction, id)?
                .map_or(FeedbackOutcome::UnknownRequest, |found| compared(id.clone(), found, is_bot)),
            FeedbackTarget::Latest { .. } => FeedbackOutcome::UnknownRequest,
        });
    };
    if let Some(found) = recorded(transaction, &request_id)? {
        return Ok(compared(request_id, found, is_bot));
    }
    transaction.execute(
        "INSERT INTO training_data (request_id, ts_ms, created_ms, is_bot, source, score, ml_probability, features)
         SELECT request_id, ts_ms, ?2, ?3, 'feedback', score, ml_probability, features FROM requests WHERE id = ?1",
        params![row, now_ms, is_bot],
    )?;
    batch::add_to_counter(transaction, "training_examples", 1)?;
    Ok(FeedbackOutcome::Recorded(request_id))
}

fn find(
    transaction: &Transaction<'_>,
    target: &FeedbackTarget,
) -> rusqlite::Result<Option<(i64, RequestId)>> {
    let row = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?));
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

fn compared(request_id: RequestId, recorded_is_bot: bool, is_bot: bool) -> FeedbackOutcome {
    if recorded_is_bot == is_bot {
        FeedbackOutcome::AlreadyRecorded(request_id)
    } else {
        FeedbackOutcome::Contradicts { request_id, recorded_is_bot }
    }
}
