//! Entries as core compiles them.

use sallyport_core::policy::{ListEntry, ListTarget};
use sallyport_core::read_range;

use super::value::parse_hash;
use crate::store::{ListKind, ListRow};

/// Expiries are published in whole seconds, rounded up: core tells only so many different ones apart.
const SECOND_MS: u64 = 1000;

/// An entry as core compiles it; `None` of a value that is not of its kind.
pub fn entry(row: &ListRow) -> Option<ListEntry> {
    let target = target(row.entry.kind, &row.entry.value)?;
    let expires_ms = row.entry.expires_ms.div_ceil(SECOND_MS).saturating_mul(SECOND_MS);
    Some(ListEntry { action: row.entry.action, target, expires_ms })
}

/// Whom an entry is about.
pub(super) fn target(kind: ListKind, value: &str) -> Option<ListTarget> {
    Some(match kind {
        ListKind::Address | ListKind::Range => ListTarget::Network(read_range(value).ok()?),
        ListKind::Session => ListTarget::Session(parse_hash(value)?),
        ListKind::Fingerprint => ListTarget::Fingerprint(parse_hash(value)?),
        ListKind::UserAgent => ListTarget::UserAgent(value.to_owned()),
        ListKind::Path => ListTarget::Path(value.to_owned()),
    })
}
