//! Replicated sets in Redis: put in and read in pages, so that no script holds Redis up and no answer is too large.

use redis::Value;

use super::{Call, Redis, reply, scripts};
use crate::shared::{MOST_RECORD_BYTES, SetRecord, SharedError};

/// A page of a set ends after so many records, or bytes.
const PAGE: (usize, usize) = (1_000, 1 << 20);

/// A set has at most so many bytes.
const SET_BYTES: usize = 256 << 20;

/// Largest record of a set, bytes, and longest id.
const RECORD: (usize, usize) = (MOST_RECORD_BYTES, 64);

impl Redis {
    /// See [`SharedState::put_records`](crate::shared::SharedState::put_records).
    pub(super) async fn put_into_set(&self, set: &str, records: &[SetRecord]) -> Result<u64, SharedError> {
        check_set(set)?;
        if let Some(record) = records.iter().find(|r| r.bytes.len() > RECORD.0 || r.id.len() > RECORD.1) {
            return Err(SharedError(format!("the record {:?} is too large for a shared set", record.id)));
        }
        let mut revision = 0;
        let mut call = Call { keys: self.keys.set(set).to_vec(), arguments: Vec::new() };
        let mut bytes = 0;
        for (n, record) in records.iter().enumerate() {
            call.arguments.extend([record.id.clone().into_bytes(), record.bytes.clone()]);
            bytes += record.bytes.len();
            if n + 1 == records.len() || bytes >= PAGE.1 || call.arguments.len() >= 2 * PAGE.0 {
                let keys = call.keys.clone();
                revision = reply::number(&self.run_one(&scripts::PUT, call).await?)?;
                call = Call { keys, arguments: Vec::new() };
                bytes = 0;
            }
        }
        Ok(revision)
    }

    /// See [`SharedState::records_since`](crate::shared::SharedState::records_since).
    pub(super) async fn read_set(
        &self,
        set: &str,
        revision: u64,
    ) -> Result<(u64, Vec<SetRecord>), SharedError> {
        check_set(set)?;
        let (mut since, mut records, mut bytes) = (revision, Vec::new(), 0);
        loop {
            let call = Call { keys: self.keys.set(set).to_vec(), arguments: Vec::new() };
            let page = self.run_one(&scripts::SINCE, call.with(since).with(PAGE.0).with(PAGE.1)).await?;
            let (now, upto) = page_of(&page, &mut records, &mut bytes)?;
            if now < since {
                return Ok((now, Vec::new()));
            }
            if upto >= now || upto <= since {
                return Ok((now, records));
            }
            since = upto;
        }
    }
}

/// Takes a page of a set apart: the revision now, and up to where the page goes.
fn page_of(page: &Value, records: &mut Vec<SetRecord>, bytes: &mut usize) -> Result<(u64, u64), SharedError> {
    let [now, upto, pairs @ ..] = reply::list(page)? else {
        return Err(SharedError("Redis answered no page of a set".to_owned()));
    };
    for pair in pairs.chunks(2) {
        let [id, value] = pair else { return Err(SharedError("half a record came from Redis".to_owned())) };
        let id = String::from_utf8(reply::bytes(id)?.to_vec())
            .map_err(|_| SharedError("a record's id in Redis is no text".to_owned()))?;
        let value = reply::bytes(value)?.to_vec();
        *bytes += value.len();
        if *bytes > SET_BYTES {
            return Err(SharedError(format!("a set in Redis has more than {SET_BYTES} bytes")));
        }
        records.push(SetRecord { id, bytes: value });
    }
    Ok((reply::number(now)?, reply::number(upto)?))
}

fn check_set(name: &str) -> Result<(), SharedError> {
    let is_plain = name.bytes().all(|byte| byte.is_ascii_lowercase() || matches!(byte, b'_' | b'-'));
    if is_plain && (1..=32).contains(&name.len()) {
        return Ok(());
    }
    Err(SharedError("a set is named by 1 to 32 lower-case letters".to_owned()))
}
