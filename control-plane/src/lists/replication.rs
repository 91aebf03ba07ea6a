//! One set of entries on all replicas. Each has them in a store of its own; the shared set carries what changed.
//!
//! Whatever is lost on the way is found again: a set that was lost is filled from here, entries made while shared state
//! was away are pushed when it is back, and an older version that overwrote a newer one is put right by whoever knows it.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::broadcast::error::RecvError;

use super::OperatorLists;
use super::record::{from_record, to_record};
use crate::clock::unix_ms;
use crate::shared::{Notice, SetRecord, SharedError, SharedState};
use crate::store::{ListRow, StoreError};

/// The set's name.
const SET: &str = "lists";

/// After so many looks everything is compared anew.
const ANEW: u32 = 120;

/// Entries put, or merged, in one go.
const CHUNK: u32 = 1000;

/// Why replicas did not exchange their entries; the next look tries again.
#[derive(Debug, thiserror::Error)]
pub enum ReplicationError {
    /// Shared state did not answer.
    #[error(transparent)]
    Shared(#[from] SharedError),
    /// The own store did not.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What this replica has told and heard.
pub struct Replication {
    lists: Arc<OperatorLists>,
    shared: Arc<dyn SharedState>,
    /// The revision of the shared set that was heard.
    heard: u64,
    /// The revision of the own store that was told.
    told: u64,
}

impl Replication {
    /// Has told and heard nothing yet.
    pub fn new(lists: Arc<OperatorLists>, shared: Arc<dyn SharedState>) -> Self {
        Self { lists, shared, heard: 0, told: 0 }
    }

    /// Takes over what others changed, and tells them what changed here.
    ///
    /// # Errors
    /// See [`ReplicationError`]; what was exchanged until then stays.
    pub async fn sync(&mut self, now_ms: u64) -> Result<(), ReplicationError> {
        if !self.shared.health().is_shared {
            // Whoever was away begins anew.
            self.forget();
            return Ok(());
        }
        let (mut revision, mut records) = self.shared.records_since(SET, self.heard).await?;
        if revision < self.heard {
            tracing::warn!("the shared set of list entries was lost; it is filled again from here");
            self.forget();
            (revision, records) = self.shared.records_since(SET, 0).await?;
        }
        let mut put = self.merge(&records, now_ms).await?;
        self.heard = revision;
        let heard: HashMap<String, Vec<u8>> =
            records.into_iter().map(|record| (record.id, record.bytes)).collect();
        loop {
            let (told, rows) = self.lists.store().list_changes(self.told, CHUNK).await?;
            let is_last = rows.is_empty();
            let rows = rows.into_iter().filter(|row| !row.is_forgotten(now_ms));
            put.extend(rows.map(|row| to_record(&row)));
            put.retain(|record| heard.get(&record.id) != Some(&record.bytes));
            for records in put.chunks(CHUNK as usize) {
                if self.shared.put_records(SET, records).await? == 0 {
                    // Memory answered, which shares nothing.
                    self.forget();
                    return Ok(());
                }
            }
            if !put.is_empty() {
                self.shared.tell(Notice::Lists);
            }
            if is_last {
                return Ok(());
            }
            put.clear();
            self.told = told;
        }
    }

    /// Compares everything anew with the next look.
    pub fn forget(&mut self) {
        (self.heard, self.told) = (0, 0);
    }

    /// Merges what was heard; what is newer here is to be told.
    async fn merge(&self, records: &[SetRecord], now_ms: u64) -> Result<Vec<SetRecord>, ReplicationError> {
        let rows: Vec<ListRow> = records.iter().filter_map(from_record).collect();
        if rows.len() < records.len() {
            let number = records.len() - rows.len();
            tracing::warn!(number, "shared list entries that no replica writes were left out");
        }
        let mut newer_here = Vec::new();
        for rows in rows.chunks(CHUNK as usize) {
            let merge = self.lists.merge(rows.to_vec(), now_ms).await?;
            if merge.left_out > 0 {
                tracing::error!(number = merge.left_out, "list entries of other replicas find no room");
            }
            newer_here.extend(merge.newer_here.iter().map(to_record));
        }
        Ok(newer_here)
    }
}

/// Exchanges entries for ever: after each change here, on notices of others, and at every `interval`.
pub async fn replicate(lists: Arc<OperatorLists>, shared: Arc<dyn SharedState>, interval: Duration) {
    let mut replication = Replication::new(Arc::clone(&lists), Arc::clone(&shared));
    let mut notices = Some(shared.notices());
    let mut looks = tokio::time::interval(interval);
    let mut number = 0_u32;
    let mut failure = None;
    loop {
        tokio::select! {
            _ = looks.tick() => {
                number = number.wrapping_add(1);
                if number.is_multiple_of(ANEW) {
                    replication.forget();
                }
            }
            () = lists.changed() => {}
            () = heard_of(&mut notices) => {}
        }
        let failed = replication.sync(unix_ms()).await.err().map(|error| error.to_string());
        if let Some(reason) = failed.as_ref().filter(|_| failed != failure) {
            tracing::warn!(reason, "list entries are not exchanged with other replicas");
        }
        failure = failed;
    }
}

/// Waits for a notice that another replica changed its lists, or that notices were missed.
async fn heard_of(notices: &mut Option<tokio::sync::broadcast::Receiver<Notice>>) {
    while let Some(receiver) = notices {
        match receiver.recv().await {
            Ok(Notice::Lists) | Err(RecvError::Lagged(_)) => return,
            Ok(_) => {}
            Err(RecvError::Closed) => *notices = None,
        }
    }
    std::future::pending().await
}
