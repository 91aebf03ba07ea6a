//! What judges and what looks on, as read from the store: damaged checkpoints never judge.

use std::sync::Arc;

use super::{ModelsError, ReadyModel, Shadow, ready};
use crate::store::{BUILT_IN, InForce, Promotion, Store, StoreError};

/// So many promotions back a sound checkpoint is looked for.
const WALK: u32 = 1000;

/// What judges and what looks on.
#[derive(Debug)]
pub struct Judging {
    /// What the store says is to be in force.
    pub wanted: InForce,
    /// What judges.
    pub active: Arc<ReadyModel>,
    /// Why that is not what was promoted.
    pub fault: Option<String>,
    /// What looks on.
    pub shadow: Option<Arc<Shadow>>,
}

impl Judging {
    /// Reads what the newest promotion names. Where that cannot be used, the one before judges, and so on; at last
    /// the model that ships.
    ///
    /// # Errors
    /// When the store does not answer; what is damaged is none.
    pub async fn read(store: &dyn Store) -> Result<Self, ModelsError> {
        let wanted = store.in_force().await?;
        let (active, fault) = sound(store, wanted.promotion.as_ref()).await?;
        let shadow = candidate(store, &wanted, &active).await?;
        Ok(Self { wanted, active: Arc::new(active), fault, shadow })
    }

    /// Number of the newest promotion, 0 for none.
    pub fn promotion_id(&self) -> i64 {
        self.wanted.promotion.as_ref().map_or(0, |promotion| promotion.id)
    }

    /// What is to be in force; parts that stay the same go on counting.
    pub(super) async fn next(&self, store: &dyn Store, wanted: InForce) -> Result<Self, ModelsError> {
        let (active, fault) = if self.wanted.promotion == wanted.promotion {
            (Arc::clone(&self.active), self.fault.clone())
        } else {
            let (active, fault) = sound(store, wanted.promotion.as_ref()).await?;
            (Arc::new(active), fault)
        };
        let is_same = |shadow: &&Arc<Shadow>| {
            wanted.shadow == Some(shadow.candidate.id) && shadow.candidate.id != active.id
        };
        let shadow = match self.shadow.as_ref().filter(is_same) {
            Some(shadow) => Some(Arc::clone(shadow)),
            None => candidate(store, &wanted, &active).await?,
        };
        Ok(Self { wanted, active, fault, shadow })
    }
}

/// The promoted checkpoint, or the newest sound one before it with the reason.
async fn sound(
    store: &dyn Store,
    promotion: Option<&Promotion>,
) -> Result<(ReadyModel, Option<String>), ModelsError> {
    let Some(promotion) = promotion else { return Ok((ready(store, BUILT_IN).await?, None)) };
    let fault = match attempt(store, promotion.checkpoint).await? {
        Ok(model) => return Ok((model, None)),
        Err(fault) => fault,
    };
    for earlier in store.promotions(WALK).await? {
        if earlier.checkpoint != promotion.checkpoint
            && let Ok(model) = attempt(store, earlier.checkpoint).await?
        {
            return Ok((model, Some(fault)));
        }
    }
    Ok((ready(store, BUILT_IN).await?, Some(fault)))
}

/// A checkpoint, or why it cannot be used.
async fn attempt(store: &dyn Store, id: i64) -> Result<Result<ReadyModel, String>, ModelsError> {
    match ready(store, id).await {
        Ok(model) => Ok(Ok(model)),
        Err(ModelsError::Store(error @ StoreError::Unavailable(_))) => Err(error.into()),
        Err(error) => Ok(Err(error.to_string())),
    }
}

/// What is to look on; a damaged candidate is told and looks at nothing.
async fn candidate(
    store: &dyn Store,
    wanted: &InForce,
    active: &ReadyModel,
) -> Result<Option<Arc<Shadow>>, ModelsError> {
    let Some(id) = wanted.shadow.filter(|id| *id != active.id) else { return Ok(None) };
    match attempt(store, id).await? {
        Ok(model) => Ok(Some(Arc::new(Shadow::new(model)))),
        Err(reason) => {
            tracing::error!(reason, "the candidate cannot look on");
            Ok(None)
        }
    }
}
