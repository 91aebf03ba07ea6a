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
use crate::shared::SharedState;
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
    /// SHA-256 of all but version and time.
    digest: [u8; 32],
    /// Whether all replicas give it this version.
    is_numbered: bool,
}

/// The snapshot in force.
pub struct Publisher {
    store: Arc<dyn Store>,
    shared: Arc<dyn SharedState>,
    key: HashKey,
    current: RwLock<Arc<Published>>,
    /// Whoever publishes holds it, so that no change is lost to another.
    inputs: Mutex<Contents>,
    /// (version, checkpoint), oldest first.
    judged: RwLock<VecDeque<(u64, i64)>>,
}

/// What a snapshot is made of, besides the deployment's key.
#[derive(Clone)]
pub struct Contents {
    policy: PolicyConfig,
    ranges: Ranges,
    lists: Lists,
    model: Arc<ReadyModel>,
}

impl Publisher {
    /// Publishes the first snapshot of this process; under the same version as before where nothing changed.
    ///
    /// # Errors
    /// See [`PublishError`].
    pub async fn start(
        store: Arc<dyn Store>,
        shared: Arc<dyn SharedState>,
        key: HashKey,
        inputs: Contents,
        now_ms: u64,
    ) -> Result<Self, PublishError> {
        let first = make(&*store, &*shared, &key, &inputs, now_ms).await?;
        let judged = RwLock::new(VecDeque::from([(first.version, first.checkpoint)]));
        let current = RwLock::new(Arc::new(first));
        Ok(Self { store, shared, key, current, inputs: Mutex::new(inputs), judged })
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
        let next = Contents {
            policy: loaded.config.policy.clone(),
            ranges: loaded.ranges.compile(),
            ..inputs.clone()
        };
        self.put_in_force(&mut inputs, next, now_ms).await
    }

    /// Publishes other lists of the operator and answers what is in force after it.
    ///
    /// # Errors
    /// See [`PublishError`]; what was in force stays.
    pub async fn publish_lists(&self, lists: Lists, now_ms: u64) -> Result<Arc<Published>, PublishError> {
        let mut inputs = self.inputs.lock().await;
        if inputs.lists == lists {
            return Ok(self.current());
        }
        let next = Contents { lists, ..inputs.clone() };
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
        let next = Contents { model: Arc::clone(model), ..inputs.clone() };
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
        let next = Contents { ranges, ..inputs.clone() };
        self.put_in_force(&mut inputs, next, now_ms).await
    }

    /// Gives the snapshot in force the number that other replicas gave the same content, where that is another one;
    /// answers what is in force then. So replicas agree also after Redis was gone, or was emptied.
    ///
    /// # Errors
    /// See [`PublishError`]; what was in force stays.
    pub async fn settle(&self, now_ms: u64) -> Result<Option<Arc<Published>>, PublishError> {
        let mut inputs = self.inputs.lock().await;
        let current = self.current();
        let agrees = match self.shared.latest_snapshot().await {
            Ok(Some(latest)) if latest.digest == current.digest => latest.number == current.version,
            Ok(Some(_)) => current.is_numbered,
            Ok(None) => !self.shared.health().is_shared,
            Err(_) => true,
        };
        if agrees {
            return Ok(None);
        }
        let same = inputs.clone();
        self.put_in_force(&mut inputs, same, now_ms).await.map(Some)
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

    /// How many bytes a snapshot with these lists has.
    ///
    /// # Errors
    /// [`PublishError::Snapshot`] where it would be too large.
    pub async fn try_lists(&self, lists: Lists) -> Result<usize, PublishError> {
        let inputs = Contents { lists, ..self.inputs.lock().await.clone() };
        Ok(snapshot::encode(&inputs.parts(&self.key, inputs.model.model.clone()))?.len())
    }

    /// The checkpoint that judged in a version of the snapshot, if it is remembered.
    pub fn checkpoint_of(&self, version: u64) -> Option<i64> {
        let judged = self.judged.read().unwrap_or_else(PoisonError::into_inner);
        judged.iter().rev().find(|(of, _)| *of == version).map(|(_, checkpoint)| *checkpoint)
    }

    async fn put_in_force(
        &self,
        inputs: &mut Contents,
        next: Contents,
        now_ms: u64,
    ) -> Result<Arc<Published>, PublishError> {
        let published = Arc::new(make(&*self.store, &*self.shared, &self.key, &next, now_ms).await?);
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

impl Contents {
    /// What the configuration says, with these lists and this model.
    pub fn of(loaded: &Loaded, lists: Lists, model: Arc<ReadyModel>) -> Self {
        Self { policy: loaded.config.policy.clone(), ranges: loaded.ranges.compile(), lists, model }
    }

    fn parts(&self, key: &HashKey, model: Model) -> Parts {
        Parts {
            version: 0,
            created_ms: 0,
            hash_key: key.clone(),
            policy: self.policy.clone(),
            model,
            ranges: self.ranges.clone(),
            lists: self.lists.clone(),
        }
    }
}

/// Whether a snapshot of this configuration can be made with these lists and this model.
///
/// # Errors
/// [`PublishError::Snapshot`] where it would be too large, or the policy is wrong.
pub fn try_with(loaded: &Loaded, lists: Lists, model: &Model) -> Result<(), PublishError> {
    let parts = Parts {
        version: 0,
        created_ms: 0,
        hash_key: HashKey::from_bytes([0; 16]),
        policy: loaded.config.policy.clone(),
        model: model.clone(),
        ranges: loaded.ranges.compile(),
        lists,
    };
    snapshot::encode(&parts)?;
    Ok(())
}

/// Version, time and content digest of the last snapshot, as kept in the store.
#[derive(Clone, PartialEq)]
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
    shared: &dyn SharedState,
    key: &HashKey,
    inputs: &Contents,
    now_ms: u64,
) -> Result<Published, PublishError> {
    let mut parts = inputs.parts(key, inputs.model.model.clone());
    let digest: [u8; 32] = Sha256::digest(snapshot::encode(&parts)?).into();
    let last = store.setting(SETTING).await?.and_then(|bytes| Kept::from_bytes(&bytes));
    let above = match &last {
        Some(last) if last.digest == digest => last.version.saturating_sub(1),
        Some(last) => last.version,
        None => 0,
    };
    // What all replicas call it; where they cannot be asked, what this one does, until `settle`.
    let numbered = shared.number_snapshot(digest, above).await.ok().flatten();
    let kept = match (numbered, &last) {
        (Some(numbered), _) => Kept { version: numbered.number, created_ms: numbered.created_ms, digest },
        (None, Some(last)) if last.digest == digest => last.clone(),
        (None, _) => Kept { version: above + 1, created_ms: now_ms, digest },
    };
    if last.as_ref() != Some(&kept) {
        store.set_setting(SETTING, kept.to_bytes()).await?;
    }
    (parts.version, parts.created_ms) = (kept.version, kept.created_ms);
    let bytes = snapshot::encode(&parts)?;
    Ok(Published {
        version: kept.version,
        created_ms: kept.created_ms,
        checkpoint: inputs.model.id,
        etag: format!("\"{:x}\"", kept.version),
        engine: Arc::new(parts.into_engine()?),
        bytes: bytes.into(),
        digest,
        is_numbered: numbered.is_some(),
    })
}
