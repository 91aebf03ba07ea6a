//! The valid tokens' hashes in memory, read again from the store now and then: tokens are made and revoked
//! by another process, the command line.

use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};

use subtle::{Choice, ConditionallySelectable, ConstantTimeEq};

use super::{Caller, token};
use crate::store::{Store, StoreError};

/// How long a revoked token may still work, at most.
pub const REFRESH_INTERVAL: Duration = Duration::from_secs(2);

/// An unknown token makes the ring look into the store at once, but not more often than this.
const EAGER_INTERVAL: Duration = Duration::from_millis(200);

/// The tokens that are valid now.
pub struct Keyring {
    store: Arc<dyn Store>,
    entries: RwLock<Arc<[Entry]>>,
    last_refresh: Mutex<Option<Instant>>,
}

struct Entry {
    hash: [u8; 32],
    caller: Caller,
}

impl Keyring {
    /// An empty ring; [`Keyring::refresh`] fills it.
    pub fn new(store: Arc<dyn Store>) -> Self {
        Self { store, entries: RwLock::new(Arc::new([])), last_refresh: Mutex::new(None) }
    }

    /// Reads the tokens again.
    ///
    /// # Errors
    /// When the store cannot be read; the ring stays as it was.
    pub async fn refresh(&self) -> Result<(), StoreError> {
        let rows = self.store.tokens().await?;
        let entries: Arc<[Entry]> = rows
            .into_iter()
            .filter(|row| row.revoked_ms.is_none())
            .map(|row| Entry {
                hash: row.hash,
                caller: Caller { id: row.id, role: row.role, name: row.name.into() },
            })
            .collect();
        *self.entries.write().unwrap_or_else(PoisonError::into_inner) = entries;
        Ok(())
    }

    /// Whether there is nobody who may ask.
    pub fn is_empty(&self) -> bool {
        self.entries.read().unwrap_or_else(PoisonError::into_inner).is_empty()
    }

    /// Whose token it is, as far as memory knows; never waits.
    pub fn known(&self, presented: &[u8]) -> Option<Caller> {
        self.find(&token::hash(presented))
    }

    /// Whose token it is, or `None` where it is not valid. One that is not known yet may have been made a
    /// moment ago, so the store is asked before it is refused.
    pub async fn identify(&self, presented: &[u8]) -> Option<Caller> {
        let hash = token::hash(presented);
        if let Some(caller) = self.find(&hash) {
            return Some(caller);
        }
        if !self.may_look_again() {
            return None;
        }
        if let Err(error) = self.refresh().await {
            tracing::warn!(%error, "tokens could not be read again");
            return None;
        }
        self.find(&hash)
    }

    /// Compares with every entry to the end, whichever fits, so that time tells nothing.
    fn find(&self, hash: &[u8; 32]) -> Option<Caller> {
        let entries = Arc::clone(&self.entries.read().unwrap_or_else(PoisonError::into_inner));
        let mut place = u64::MAX;
        for (number, entry) in (0_u64..).zip(entries.iter()) {
            let same: Choice = entry.hash.as_slice().ct_eq(hash.as_slice());
            place = u64::conditional_select(&place, &number, same);
        }
        let entry = usize::try_from(place).ok().and_then(|place| entries.get(place));
        entry.map(|entry| entry.caller.clone())
    }

    fn may_look_again(&self) -> bool {
        let mut last = self.last_refresh.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        if last.is_some_and(|last| now.duration_since(last) < EAGER_INTERVAL) {
            return false;
        }
        *last = Some(now);
        true
    }
}
