//! Publishing snapshots: what filters pull, and what this process judges with itself.

use std::collections::VecDeque;
use std::sync::{Arc, PoisonError, RwLock};

use sallyport_core::policy::Lists;
use sallyport_core::snapshot::{self, Parts, SnapshotError};
use sallyport_core::{Engine, HashKey, Model, PolicyConfig, Ranges};
use sha2::{Digest, Sha256};
use tokio::sync::Mutex;

use crate::config::Loaded;
use crate::models::ReadyModel;
use crate::store::{Store, StoreError};

/// The setting that keeps the last version, so that a version number never means two contents.
const SETTING: &str = "snapshot";

/// Of so many versions it is remembered which checkpoint judged.
const REMEMBERED: usize = 256;

/// Why no snapshot was published; the last one stays in force.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    /// The version could not be kept.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// It cannot be made from this policy, these ranges and this model.
    #[error(transparent)]
    Snapshot(#[from] SnapshotError),
}

/// One published snapshot.
pub struct Published {
    /// Grows with every change.
    pub version: u64,
    /// When it was made, Unix ms.
    pub created_ms: u64,
    /// Its `ETag`: the version in hexadecimal, quoted.
    pub etag: String,
    /// The checkpoint that judges in it.
    pub checkpoint: i64,
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
    /// Whoever publishes holds it, so that no change is lost to another.
    inputs: Mutex<Inputs>,
    /// (version, checkpoint), oldest first.
    judged: RwLock<VecDeque<(u64, i64)>>,
}

/// What a snapshot is made of, besides the deployment's key.
struct Inputs {
    policy: PolicyConfig,
    ranges: Ranges,
    model: Arc<ReadyModel>,
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
        model: Arc<ReadyModel>,
        now_ms: u64,
    ) -> Result<Self, PublishError> {
        let inputs = Inputs { policy: loaded.config.policy.clone(), ranges: loaded.ranges.compile(), model };
        let first = make(&*store, &key, &inputs, now_ms).await?;
        let judged = RwLock::new(VecDeque::from([(first.version, first.checkpoint)]));
        let current = RwLock::new(Arc::new(first));
        Ok(Self { store, key, current, inputs: Mutex::new(inputs), judged })
    }

    /// The snapshot in force.
    pub fn current(&self) -> Arc<Published> {
        Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Publishes a changed configuration and answers what is in force after it.
    ///
    /// # Errors
    /// See [`PublishError`]; what was in force stays.
    pub async fn publish_config(&self, loaded: &Loaded, now_ms: u64) -> Result<Arc<Published>, PublishError> {
        let mut inputs = self.inputs.lock().await;
        let next = Inputs {
            policy: loaded.config.policy.clone(),
            ranges: loaded.ranges.compile(),
            model: Arc::clone(&inputs.model),
        };
        self.put_in_force(&mut inputs, next, now_ms).await
    }

    /// Publishes another model and answers what is in force after it.
    ///
    /// # Errors
    /// See [`PublishError`]; what was in force stays.
    pub async fn publish_model(
        &self,
        model: &Arc<ReadyModel>,
        now_ms: u64,
    ) -> Result<Arc<Published>, PublishError> {
        let mut inputs = self.inputs.lock().await;
        if Arc::ptr_eq(&inputs.model, model) {
            return Ok(self.current());
        }
        let next =
            Inputs { policy: inputs.policy.clone(), ranges: inputs.ranges.clone(), model: Arc::clone(model) };
        self.put_in_force(&mut inputs, next, now_ms).await
    }

    /// Publishes other ranges and answers what is in force after it.
    ///
    /// # Errors
    /// See [`PublishError`]; what was in force stays.
    pub async fn publish_ranges(&self, ranges: Ranges, now_ms: u64) -> Result<Arc<Published>, PublishError> {
        let mut inputs = self.inputs.lock().await;
        if inputs.ranges == ranges {
            return Ok(self.current());
        }
        let next = Inputs { policy: inputs.policy.clone(), ranges, model: Arc::clone(&inputs.model) };
        self.put_in_force(&mut inputs, next, now_ms).await
    }

    /// Whether a snapshot with this model can be made.
    ///
    /// # Errors
    /// [`PublishError::Snapshot`] where it would be too large.
    pub async fn try_model(&self, model: &Model) -> Result<(), PublishError> {
        let inputs = self.inputs.lock().await;
        snapshot::encode(&inputs.parts(&self.key, model.clone()))?;
        Ok(())
    }

    /// The checkpoint that judged in a version of the snapshot, if it is remembered.
    pub fn checkpoint_of(&self, version: u64) -> Option<i64> {
        let judged = self.judged.read().unwrap_or_else(PoisonError::into_inner);
        judged.iter().rev().find(|(of, _)| *of == version).map(|(_, checkpoint)| *checkpoint)
    }

    async fn put_in_force(
        &self,
        inputs: &mut Inputs,
        next: Inputs,
        now_ms: u64,
    ) -> Result<Arc<Published>, PublishError> {
        let published = Arc::new(make(&*self.store, &self.key, &next, now_ms).await?);
        let mut judged = self.judged.write().unwrap_or_else(PoisonError::into_inner);
        judged.push_back((published.version, published.checkpoint));
        if judged.len() > REMEMBERED {
            judged.pop_front();
        }
        drop(judged);
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = Arc::clone(&published);
        *inputs = next;
        Ok(published)
    }
}

impl Inputs {
    fn parts(&self, key: &HashKey, model: Model) -> Parts {
        Parts {
            version: 0,
            created_ms: 0,
            hash_key: key.clone(),
            policy: self.policy.clone(),
            model,
            ranges: self.ranges.clone(),
            lists: Lists::default(),
        }
    }
}

/// Whether a snapshot of this configuration can be made with this model.
///
/// # Errors
/// [`PublishError::Snapshot`] where it would be too large, or the policy is wrong.
pub fn try_with(loaded: &Loaded, model: &Model) -> Result<(), PublishError> {
    let parts = Parts {
        version: 0,
        created_ms: 0,
        hash_key: HashKey::from_bytes([0; 16]),
        policy: loaded.config.policy.clone(),
        model: model.clone(),
        ranges: loaded.ranges.compile(),
        lists: Lists::default(),
    };
    snapshot::encode(&parts)?;
    Ok(())
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
    inputs: &Inputs,
    now_ms: u64,
) -> Result<Published, PublishError> {
    let mut parts = inputs.parts(key, inputs.model.model.clone());
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
        checkpoint: inputs.model.id,
        etag: format!("\"{:x}\"", kept.version),
        engine: Arc::new(parts.into_engine()?),
        bytes: bytes.into(),
    })
}
