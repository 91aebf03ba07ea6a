//! What the store's entries come to at a time: compiled lists, how many there are, and when the next one ends.

use sallyport_core::policy::Lists;

use super::target::entry;
use crate::store::{ListAction, ListCount, ListFilter, ListKind, ListRow, NewListEntry, Store, StoreError};

/// The entries that count at a time.
#[derive(Clone, Debug, Default)]
pub struct InForce {
    /// The revision of the store's lists.
    pub revision: u64,
    /// When it was read, Unix ms.
    pub read_ms: u64,
    /// As the judge runs them.
    pub lists: Lists,
    /// How many there are, of those lists and kinds that have any.
    pub counts: Vec<ListCount>,
}

impl InForce {
    /// Reads and compiles what counts at `now_ms`.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn read(store: &dyn Store, now_ms: u64) -> Result<Self, StoreError> {
        Self::with(store, Vec::new(), now_ms).await
    }

    /// The same, as it would be with more entries.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn with(store: &dyn Store, more: Vec<NewListEntry>, now_ms: u64) -> Result<Self, StoreError> {
        // First, so that what changes meanwhile is looked for again.
        let revision = store.list_revision().await?;
        let mut rows = store.list_entries(ListFilter::default(), None, u32::MAX, now_ms).await?;
        // The store gives the newest first, and of two about the same whom the last counts.
        rows.reverse();
        let compile = move || {
            let counts = counts(&rows);
            let more = more.into_iter().map(|entry| ListRow {
                id: uuid::Uuid::nil(),
                created_ms: now_ms,
                updated_ms: now_ms,
                deleted_ms: None,
                entry,
            });
            let entries: Vec<_> = rows.into_iter().chain(more).filter_map(|row| entry(&row)).collect();
            Self { revision, read_ms: now_ms, lists: Lists::compile(&entries), counts }
        };
        // Sorting a hundred thousand of them holds up a thread.
        tokio::task::spawn_blocking(compile).await.map_err(|error| StoreError::Failed(error.to_string()))
    }

    /// When the next entry ends, Unix ms.
    pub fn next_expiry_ms(&self) -> Option<u64> {
        self.counts.iter().filter_map(|count| count.next_expiry_ms).min()
    }
}

fn counts(rows: &[ListRow]) -> Vec<ListCount> {
    let pairs = ListAction::ALL.into_iter().flat_map(|action| ListKind::ALL.map(|kind| (action, kind)));
    let count = |(action, kind)| {
        let rows = rows.iter().filter(|row| (row.entry.action, row.entry.kind) == (action, kind));
        let (mut entries, mut next_expiry_ms) = (0, None);
        for expires_ms in rows.map(|row| row.entry.expires_ms) {
            entries += 1;
            if expires_ms > 0 {
                next_expiry_ms = Some(next_expiry_ms.map_or(expires_ms, |next| expires_ms.min(next)));
            }
        }
        ListCount { action, kind, entries, next_expiry_ms }
    };
    pairs.map(count).filter(|count| count.entries > 0).collect()
}
