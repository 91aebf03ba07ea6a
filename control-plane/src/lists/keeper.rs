//! The lists of a running control plane: what is added is durable, then published; what others wrote to the store, and
//! what expires, is noticed.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::{Duration, Instant};

use ipnet::IpNet;
use sallyport_core::snapshot::{MAX_BYTES, SnapshotError};
use tokio::sync::Notify;
use uuid::Uuid;

use super::InForce;
use crate::clock::unix_ms;
use crate::detector::Detector;
use crate::snapshot::{PublishError, Publisher};
use crate::store::{
    ListAddition, ListCount, ListFilter, ListKind, ListMerge, ListRow, NewListEntry, Store, StoreError,
};

/// Time between two looks at the store, which other processes write too.
const LOOK: Duration = Duration::from_secs(1);

/// Least time between two publications: changes that come faster share one.
const GAP: Duration = Duration::from_millis(200);

/// Looks between two rounds of forgetting what ended long ago; an hour.
const PRUNE_LOOKS: u32 = 3600;

/// A clock that was set back by more than this brings back entries that had expired, ms.
const SET_BACK_MS: u64 = 2_000;

/// A snapshot grows by at most so many bytes with an entry, besides its text: two borders of an IPv6 range with their
/// labels, and a time.
const ENTRY_BYTES: usize = 44;

/// Why entries were not added; nothing was stored.
#[derive(Debug, thiserror::Error)]
pub enum ListsError {
    /// The database did not answer or did not take them.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// There would be too many.
    #[error("there may be at most {most} entries{}; nothing was stored", of(.kind))]
    TooMany {
        /// Of which kind; `None` for all kinds together.
        kind: Option<ListKind>,
        /// How many there may be.
        most: u64,
    },
    /// Filters would refuse the snapshot.
    #[error(
        "the snapshot would have {0} bytes with them, and filters take at most {MAX_BYTES}; nothing was stored; remove entries or ranges first"
    )]
    TooLarge(usize),
    /// No snapshot can be made.
    #[error(transparent)]
    Publish(#[from] PublishError),
}

fn of(kind: &Option<ListKind>) -> String {
    kind.map(|kind| format!(" of kind {}", kind.name())).unwrap_or_default()
}

/// Entries that were stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Added {
    /// For each, in order, its id and whether it is new.
    pub entries: Vec<(Uuid, bool)>,
    /// Whether the snapshot with them is published; else it will be within a fraction of a second.
    pub in_force: bool,
}

/// The lists of a running control plane.
pub struct OperatorLists {
    store: Arc<dyn Store>,
    publisher: Arc<Publisher>,
    detector: Arc<Detector>,
    trusted_proxies: RwLock<Arc<[IpNet]>>,
    /// At most so many bytes the next snapshot is larger than the one in force. Whoever adds entries holds it.
    growth: tokio::sync::Mutex<usize>,
    /// Whoever publishes holds it.
    turn: tokio::sync::Mutex<()>,
    state: Mutex<State>,
    scheduled: AtomicBool,
    changed: Notify,
}

struct State {
    in_force: InForce,
    /// When the last publication began.
    begun: Option<Instant>,
    /// Why the last look failed.
    failure: Option<String>,
}

impl OperatorLists {
    /// Follows the store from what was read of it and is published.
    pub fn new(
        store: Arc<dyn Store>,
        publisher: Arc<Publisher>,
        detector: Arc<Detector>,
        in_force: InForce,
        trusted_proxies: Vec<IpNet>,
    ) -> Self {
        Self {
            store,
            publisher,
            detector,
            trusted_proxies: RwLock::new(trusted_proxies.into()),
            growth: tokio::sync::Mutex::default(),
            turn: tokio::sync::Mutex::default(),
            state: Mutex::new(State { in_force, begun: None, failure: None }),
            scheduled: AtomicBool::new(false),
            changed: Notify::new(),
        }
    }

    /// The proxies that are not denied without `force`.
    pub fn trusted_proxies(&self) -> Arc<[IpNet]> {
        Arc::clone(&self.trusted_proxies.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Puts changed `lists.trusted_proxies` in force.
    pub fn set_trusted_proxies(&self, proxies: Vec<IpNet>) {
        *self.trusted_proxies.write().unwrap_or_else(PoisonError::into_inner) = proxies.into();
    }

    /// Where the entries are kept.
    pub fn store(&self) -> &dyn Store {
        &*self.store
    }

    /// How many entries are in force, of those lists and kinds that have any.
    pub fn counts(&self) -> Vec<ListCount> {
        self.state().in_force.counts.clone()
    }

    /// What is wrong: entries that cannot be read or published.
    pub fn trouble(&self) -> Option<String> {
        self.state().failure.clone()
    }

    /// Waits for the next change.
    pub async fn changed(&self) {
        self.changed.notified().await;
    }

    /// Puts entries on the lists, all or none: durable when it answers.
    ///
    /// # Errors
    /// See [`ListsError`]; nothing changes then.
    pub async fn add(self: &Arc<Self>, entries: Vec<NewListEntry>, now_ms: u64) -> Result<Added, ListsError> {
        let mut growth = self.growth.lock().await;
        let bytes: usize = entries.iter().map(entry_bytes).sum();
        let in_force = self.publisher.current().bytes.len();
        let mut grown = *growth + bytes;
        if in_force + grown > MAX_BYTES {
            // Perhaps: most entries take less than the bound.
            let lists = InForce::with(&*self.store, entries.clone(), now_ms).await?.lists;
            grown = self.publisher.try_lists(lists).await.map_err(too_large)?.saturating_sub(in_force);
        }
        let entries = match self.store.add_list_entries(entries, now_ms).await? {
            ListAddition::Stored(entries) => entries,
            ListAddition::TooMany { kind, most } => return Err(ListsError::TooMany { kind, most }),
        };
        *growth = grown;
        drop(growth);
        self.changed.notify_one();
        Ok(Added { entries, in_force: self.publish_soon(now_ms).await })
    }

    /// Removes the entries that fit: durable when it answers their ids, and whether that is published.
    ///
    /// # Errors
    /// What the store says; nothing changes then.
    pub async fn remove(
        self: &Arc<Self>,
        filter: ListFilter,
        now_ms: u64,
    ) -> Result<(Vec<Uuid>, bool), StoreError> {
        let ids = self.store.remove_list_entries(filter, now_ms).await?;
        if ids.is_empty() {
            return Ok((ids, true));
        }
        self.changed.notify_one();
        let in_force = self.publish_soon(now_ms).await;
        Ok((ids, in_force))
    }

    /// Takes another replica's entries where they are newer.
    ///
    /// # Errors
    /// What the store says; nothing changes then.
    pub async fn merge(self: &Arc<Self>, rows: Vec<ListRow>, now_ms: u64) -> Result<ListMerge, StoreError> {
        let merge = self.store.merge_list_entries(rows, now_ms).await?;
        if merge.changed > 0 {
            self.publish_soon(now_ms).await;
        }
        Ok(merge)
    }

    /// Publishes what changed or expired since the last publication, and answers whether something had.
    ///
    /// # Errors
    /// When the store does not answer, or no snapshot can be made; what was in force stays.
    pub async fn refresh(&self, now_ms: u64) -> Result<bool, PublishError> {
        let _turn = self.turn.lock().await;
        let result = self.look(now_ms).await;
        let failure = result.as_ref().err().map(|error| format!("lists: {error}"));
        let mut state = self.state();
        if let Some(reason) = failure.as_ref().filter(|_| failure != state.failure) {
            tracing::error!(reason, "the latest list entries are not in force");
        }
        state.failure = failure;
        result
    }

    async fn look(&self, now_ms: u64) -> Result<bool, PublishError> {
        let revision = self.store.list_revision().await?;
        if !self.state().is_due(revision, now_ms) {
            return Ok(false);
        }
        let growth = *self.growth.lock().await;
        let next = InForce::read(&*self.store, now_ms).await?;
        let published = self.publisher.publish_lists(next.lists.clone(), now_ms).await?;
        self.detector.replace_engine(Arc::clone(&published.engine));
        let mut grown = self.growth.lock().await;
        *grown = grown.saturating_sub(growth);
        drop(grown);
        tracing::info!(
            entries = next.counts.iter().map(|count| count.entries).sum::<u64>(),
            version = published.version,
            "lists changed"
        );
        let mut state = self.state();
        state.in_force = next;
        drop(state);
        // Whoever wrote it: the other replicas should hear of it.
        self.changed.notify_one();
        Ok(true)
    }

    /// Publishes at once, or, shortly after another publication, in a moment; answers whether it did.
    async fn publish_soon(self: &Arc<Self>, now_ms: u64) -> bool {
        let wait = self.state().begin(Instant::now());
        if wait.is_zero() {
            return self.refresh(now_ms).await.is_ok();
        }
        if !self.scheduled.swap(true, Ordering::AcqRel) {
            let lists = Arc::clone(self);
            tokio::spawn(async move {
                tokio::time::sleep(wait).await;
                lists.scheduled.store(false, Ordering::Release);
                lists.state().begun = Some(Instant::now());
                // The failure is told by `refresh`, once; the next look tries again.
                let _ = lists.refresh(unix_ms()).await;
            });
        }
        false
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Begins a publication, unless one began less than [`GAP`] ago: then how long to wait.
    fn begin(&mut self, now: Instant) -> Duration {
        let since = self.begun.map_or(GAP, |begun| now.saturating_duration_since(begun));
        let wait = GAP.saturating_sub(since);
        if wait.is_zero() {
            self.begun = Some(now);
        }
        wait
    }

    /// Whether what is published is not what should be.
    fn is_due(&self, revision: u64, now_ms: u64) -> bool {
        let InForce { revision: known, read_ms, .. } = self.in_force;
        let expired = self.in_force.next_expiry_ms().is_some_and(|expiry_ms| expiry_ms <= now_ms);
        let set_back = now_ms.saturating_add(SET_BACK_MS) < read_ms;
        known != revision || expired || set_back || self.failure.is_some()
    }
}

/// Follows the store for ever, whoever writes to it.
pub async fn watch(lists: Arc<OperatorLists>) {
    let mut looks = tokio::time::interval(LOOK);
    let mut number = 0_u32;
    loop {
        looks.tick().await;
        // The failure is told by `refresh`, once.
        let _ = lists.refresh(unix_ms()).await;
        if number.is_multiple_of(PRUNE_LOOKS)
            && let Err(error) = lists.store.prune_list_entries(unix_ms()).await
        {
            tracing::warn!(%error, "list entries that ended long ago could not be deleted");
        }
        number = number.wrapping_add(1);
    }
}

/// By how much a snapshot grows with an entry, at most.
fn entry_bytes(entry: &NewListEntry) -> usize {
    let text = match entry.kind {
        ListKind::UserAgent | ListKind::Path => entry.value.len(),
        ListKind::Address | ListKind::Range | ListKind::Session | ListKind::Fingerprint => 0,
    };
    ENTRY_BYTES + text
}

fn too_large(error: PublishError) -> ListsError {
    match error {
        PublishError::Snapshot(SnapshotError::TooLarge(bytes)) => ListsError::TooLarge(bytes),
        other => other.into(),
    }
}
