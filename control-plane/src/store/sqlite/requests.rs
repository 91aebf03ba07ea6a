//! One decision on record, with its reasons.

use rusqlite::types::Type;
use rusqlite::{Connection, OptionalExtension, Row, params};
use sallyport_core::{Action, Basis};

use super::{batch, events};
use crate::store::{RequestId, RequestRow, Source, Standing};

/// The newest decision of this name. Of its reasons those that raised the score, strongest first; what it added
/// to its address's standing is not on record.
pub(super) fn request(reader: &Connection, id: &RequestId) -> rusqlite::Result<Option<RequestRow>> {
    let sql = "SELECT r.id, r.ts_ms, request_id, r.address, r.client, r.action, enforced, basis, source, r.score,
                      ml_probability, weight, features, method, path, user_agent, checkpoint, shadow_probability,
                      attributions, session, limit_rule, limit_shadow
               FROM (SELECT * FROM requests WHERE request_id = ?1 ORDER BY id DESC LIMIT 1) r
               LEFT JOIN bot_detection_events e ON e.id = r.id";
    let found = reader
        .prepare_cached(sql)?
        .query_row(params![id], |row| Ok((row.get::<_, i64>(0)?, request_row(row)?)))
        .optional()?;
    let Some((number, mut row)) = found else { return Ok(None) };
    row.reasons = events::checks(reader, number)?.into();
    Ok(Some(row))
}

fn request_row(row: &Row<'_>) -> rusqlite::Result<RequestRow> {
    let number = |index: usize| row.get::<_, u8>(index);
    let unknown =
        |index: usize, name: &str| rusqlite::Error::InvalidColumnType(index, name.to_owned(), Type::Integer);
    Ok(RequestRow {
        ts_ms: row.get(1)?,
        request_id: row.get(2)?,
        address: row.get::<_, i64>(3)?.cast_unsigned(),
        client: row.get::<_, i64>(4)?.cast_unsigned(),
        action: Action::from_u8(number(5)?).ok_or_else(|| unknown(5, "action"))?,
        enforced: row.get(6)?,
        basis: Basis::from_u8(number(7)?).ok_or_else(|| unknown(7, "basis"))?,
        source: if number(8)? == Source::Filter as u8 { Source::Filter } else { Source::Check },
        score: row.get(9)?,
        ml_probability: row.get(10)?,
        weight: row.get(11)?,
        features: batch::floats(&row.get(12)?),
        method: row.get(13)?,
        path: row.get(14)?,
        user_agent: row.get(15)?,
        checkpoint: row.get(16)?,
        shadow_probability: row.get(17)?,
        attributions: row.get::<_, Option<[u8; 28]>>(18)?.as_ref().map(batch::floats),
        session: row.get::<_, Option<i64>>(19)?.unwrap_or(0).cast_unsigned(),
        limit: events::over_limit(row, 20)?,
        reasons: [].into(),
        outcome: Standing::default(),
    })
}
