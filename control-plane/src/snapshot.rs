//! Publishing snapshots: what filters pull, and what this process judges with itself.

use std::sync::{Arc, PoisonError, RwLock};

use sallyport_core::snapshot::{self, Parts, SnapshotError};
use sallyport_core::{Engine, HashKey, Model, ModelError};
use sha2::{Digest, Sha256};

use crate::config::Loaded;
use crate::store::{Store, StoreError};

/// The setting that keeps the last version, so that a version number never means two contents.
const SETTING: &str = "snapshot";

/// Why no snapshot was published; the last one stays in force.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    /// The version could not be kept.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// It cannot be made from this policy and these ranges.
    #[error(transparent)]
    Snapshot(#[from] SnapshotError),
    /// The built-in weights do not fit this build.
    #[error(transparent)]
    Model(#[from] ModelError),
}

/// One published snapshot.
pub struct Published {
    /// Grows with every change.
    pub version: u64,
    /// When it was made, Unix ms.
    pub created_ms: u64,
    /// Its `ETag`: the version in hexadecimal, quoted.
    pub etag: String,
    /// The binary form.
    pub bytes: Arc<[u8]>,
    /// The same, ready to judge.
    pub engine: Arc<Engine>,
}

/// The snapshot in force.
pub struct Publisher {
    store: Arc<dyn Store>,
    key: HashKey,
    current: RwLock<Arc<Published>>,
}

impl Publisher {
    /// Publishes the first snapshot of this process; under the same version as before where nothing changed.
    ///
    /// # Errors
    /// See [`PublishError`].
    pub async fn start(
        store: Arc<dyn Store>,
        key: HashKey,
        loaded: &Loaded,
        now_ms: u64,
    ) -> Result<Self, PublishError> {
        let first = make(&*store, &key, loaded, now_ms).await?;
        Ok(Self { store, key, current: RwLock::new(Arc::new(first)) })
    }

    /// The snapshot in force.
    pub fn current(&self) -> Arc<Published> {
        Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Publishes a changed configuration and answers what is in force after it.
    ///
    /// # Errors
    /// See [`PublishError`]; what was in force stays.
    pub async fn publish(&self, loaded: &Loaded, now_ms: u64) -> Result<Arc<Published>, PublishError> {
        let next = Arc::new(make(&*self.store, &self.key, loaded, now_ms).await?);
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = Arc::clone(&next);
        Ok(next)
    }
}

/// Version, time and content digest of the last snapshot, as kept in the store.
struct Kept {
    version: u64,
    created_ms: u64,
    digest: [u8; 32],
}

impl Kept {
    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (version, rest) = bytes.split_first_chunk()?;
        let (created_ms, digest) = rest.split_first_chunk()?;
        Some(Self {
            version: u64::from_le_bytes(*version),
            created_ms: u64::from_le_bytes(*created_ms),
            digest: digest.try_into().ok()?,
        })
    }

    fn to_bytes(&self) -> Vec<u8> {
        [&self.version.to_le_bytes()[..], &self.created_ms.to_le_bytes(), &self.digest].concat()
    }
}

async fn make(
    store: &dyn Store,
    key: &HashKey,
    loaded: &Loaded,
    now_ms: u64,
) -> Result<Published, PublishError> {
    let mut parts = Parts {
        version: 0,
        created_ms: 0,
        hash_key: key.clone(),
        policy: loaded.config.policy.clone(),
        model: Model::built_in()?,
        ranges: loaded.ranges.nets.clone(),
    };
    let digest: [u8; 32] = Sha256::digest(snapshot::encode(&parts)?).into();
    let last = store.setting(SETTING).await?.and_then(|bytes| Kept::from_bytes(&bytes));
    let kept = match last {
        Some(last) if last.digest == digest => last,
        last => {
            let version = last.map_or(1, |last| last.version + 1);
            let next = Kept { version, created_ms: now_ms, digest };
            store.set_setting(SETTING, next.to_bytes()).await?;
            next
        }
    };
    (parts.version, parts.created_ms) = (kept.version, kept.created_ms);
    let bytes = snapshot::encode(&parts)?;
    Ok(Published {
        version: kept.version,
        created_ms: kept.created_ms,
        etag: format!("\"{:x}\"", kept.version),
        engine: Arc::new(parts.into_engine()?),
        bytes: bytes.into(),
    })
}
