//! How entries are shown, by the API and on the command line alike.

use serde::Serialize;
use utoipa::ToSchema;

use crate::models::time;
use crate::store::ListRow;

/// An entry.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct ListEntryView {
    /// Its id.
    pub id: String,
    /// `allow` or `deny`.
    pub action: &'static str,
    /// address, range, session, fingerprint, user_agent or path.
    pub kind: &'static str,
    /// Whom it names; a session or fingerprint as `hash:` and its keyed hash.
    pub value: String,
    /// Why.
    pub reason: String,
    /// Name of the token, or `command line`.
    pub author: String,
    /// When it was made, RFC 3339.
    pub created: Option<String>,
    /// When it was changed last, RFC 3339.
    pub updated: Option<String>,
    /// When it ends, RFC 3339; null for one that stays.
    pub expires: Option<String>,
}

impl From<ListRow> for ListEntryView {
    fn from(row: ListRow) -> Self {
        Self {
            id: row.id.to_string(),
            action: row.entry.action.name(),
            kind: row.entry.kind.name(),
            created: time(row.created_ms),
            updated: time(row.updated_ms),
            expires: time(row.entry.expires_ms),
            value: row.entry.value,
            reason: row.entry.reason,
            author: row.entry.author,
        }
    }
}
