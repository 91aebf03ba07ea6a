//! An entry as replicas exchange it: JSON under an id that all of them give the same entry.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::target::target;
use crate::shared::SetRecord;
use crate::store::{ListAction, ListKind, ListRow, NewListEntry};

/// Longest record that is read, bytes; the longest that is written has less than half of that.
const LONGEST: usize = 16 * 1024;

/// The latest time that is believed, Unix ms: the year 9999.
const LATEST_MS: u64 = 253_402_300_799_000;

#[derive(Serialize, Deserialize)]
struct Record {
    id: String,
    action: String,
    kind: String,
    value: String,
    reason: String,
    author: String,
    created_ms: u64,
    updated_ms: u64,
    expires_ms: u64,
    deleted_ms: Option<u64>,
}

/// A row as a record. Its id depends on what is listed only, so that a set holds one version of each entry.
pub(super) fn to_record(row: &ListRow) -> SetRecord {
    let ListRow { id, created_ms, updated_ms, deleted_ms, entry } = row;
    let NewListEntry { action, kind, value, reason, author, expires_ms } = entry.clone();
    let (action, kind) = (action.name().to_owned(), kind.name().to_owned());
    let digest = Sha256::digest(format!("{action} {kind} {value}"));
    let id_text: String = digest.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    let record = Record {
        id: id.to_string(),
        action,
        kind,
        value,
        reason,
        author,
        created_ms: *created_ms,
        updated_ms: *updated_ms,
        expires_ms,
        deleted_ms: *deleted_ms,
    };
    SetRecord { id: id_text, bytes: serde_json::to_vec(&record).unwrap_or_default() }
}

/// The row of a record; `None` of anything that no replica writes.
pub(super) fn from_record(record: &SetRecord) -> Option<ListRow> {
    if record.bytes.len() > LONGEST {
        return None;
    }
    let read: Record = serde_json::from_slice(&record.bytes).ok()?;
    let entry = NewListEntry {
        action: ListAction::from_name(&read.action)?,
        kind: ListKind::from_name(&read.kind)?,
        value: read.value,
        reason: read.reason,
        author: read.author,
        expires_ms: read.expires_ms,
    };
    let times = [read.created_ms, read.updated_ms, read.expires_ms, read.deleted_ms.unwrap_or(0)];
    target(entry.kind, &entry.value)?;
    let row = ListRow {
        id: read.id.parse().ok()?,
        created_ms: read.created_ms,
        updated_ms: read.updated_ms,
        deleted_ms: read.deleted_ms,
        entry,
    };
    let sound = times.into_iter().all(|time| time <= LATEST_MS) && to_record(&row).id == record.id;
    sound.then_some(row)
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn row() -> ListRow {
        let entry = NewListEntry {
            action: ListAction::Deny,
            kind: ListKind::Range,
            value: "203.0.113.0/24".to_owned(),
            reason: "scans \"x\"".to_owned(),
            author: "op".to_owned(),
            expires_ms: 0,
        };
        ListRow { id: Uuid::from_u128(7), created_ms: 1, updated_ms: 2, deleted_ms: Some(2), entry }
    }

    #[test]
    fn a_record_comes_back_as_it_went() {
        let record = to_record(&row());
        assert_eq!(from_record(&record), Some(row()));
        assert_eq!(record.id.len(), 32);
        let renewed = ListRow { id: Uuid::from_u128(8), updated_ms: 9, ..row() };
        assert_eq!(to_record(&renewed).id, record.id, "it is the same entry");
    }

    #[test]
    fn what_no_replica_writes_is_left_out() {
        let good = to_record(&row());
        let text = String::from_utf8(good.bytes.clone()).expect("JSON");
        for (from, to) in [
            ("deny", "maybe"),
            ("range", "place"),
            ("203.0.113.0/24", "203.0.113.0/99"),
            ("203.0.113.0/24", "203.0.114.0/24"),
            ("\"updated_ms\":2", "\"updated_ms\":-2"),
            ("\"updated_ms\":2", "\"updated_ms\":18446744073709551615"),
            ("{", "["),
        ] {
            let bytes = text.replacen(from, to, 1).into_bytes();
            assert_eq!(from_record(&SetRecord { id: good.id.clone(), bytes }), None, "{to}");
        }
        for length in 0..good.bytes.len() {
            let bytes = good.bytes[..length].to_vec();
            assert_eq!(from_record(&SetRecord { id: good.id.clone(), bytes }), None);
        }
    }
}
