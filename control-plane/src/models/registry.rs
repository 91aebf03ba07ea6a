//! What judges and what looks on: follows the store, whoever writes to it, and never lets a damaged checkpoint judge.

use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use sallyport_core::{Basis, Engine, FEATURE_COUNT, Features};
use tokio::sync::watch;

use super::{Judging, ModelsError, ready};
use crate::clock::unix_ms;
use crate::config::ModelConfig;
use crate::detector::Detector;
use crate::snapshot::Publisher;
use crate::store::{BUILT_IN, CheckpointContent, Promote, PromoteOutcome, Promotion, RequestRow, Store};
use crate::training::FeatureHistograms;
use crate::training::drift::psi;

/// Time between two looks at the promotions, which other processes write too.
const LOOK: Duration = Duration::from_secs(1);

/// Time between two looks at whether models are to take turns.
const TURN: Duration = Duration::from_secs(30);

/// The models of a running control plane.
pub struct Registry {
    store: Arc<dyn Store>,
    publisher: Arc<Publisher>,
    detector: Arc<Detector>,
    judging: RwLock<Arc<Judging>>,
    config: RwLock<ModelConfig>,
    /// The features of what was judged by its score since the start.
    observed: Mutex<FeatureHistograms>,
    /// Why the last look failed.
    failure: Mutex<Option<String>>,
    turn: tokio::sync::Mutex<()>,
    /// The newest promotion that judges.
    promoted: watch::Sender<i64>,
}

impl Registry {
    /// Follows the store from what was read of it.
    pub fn new(
        store: Arc<dyn Store>,
        publisher: Arc<Publisher>,
        detector: Arc<Detector>,
        judging: Judging,
        config: ModelConfig,
    ) -> Self {
        let promoted = watch::Sender::new(judging.promotion_id());
        let (judging, config) = (RwLock::new(Arc::new(judging)), RwLock::new(config));
        let (observed, failure, turn) = (Mutex::default(), Mutex::default(), tokio::sync::Mutex::default());
        Self { store, publisher, detector, judging, config, observed, failure, turn, promoted }
    }

    /// What judges and what looks on.
    pub fn judging(&self) -> Arc<Judging> {
        Arc::clone(&self.judging.read().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn store(&self) -> &dyn Store {
        &*self.store
    }

    pub(super) fn engine(&self) -> Arc<Engine> {
        self.detector.engine()
    }

    /// The section `model` of the configuration.
    pub fn config(&self) -> ModelConfig {
        self.config.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Puts a changed section `model` in force.
    pub fn set_config(&self, config: ModelConfig) {
        *self.config.write().unwrap_or_else(PoisonError::into_inner) = config;
    }

    /// The number of the newest promotion that judges, and when that changes.
    pub fn promoted(&self) -> watch::Receiver<i64> {
        self.promoted.subscribe()
    }

    /// What is wrong: a promoted checkpoint that cannot judge, promotions that cannot be read.
    pub fn trouble(&self) -> Option<String> {
        let failure = self.failure.lock().unwrap_or_else(PoisonError::into_inner).clone();
        failure.or_else(|| self.judging().fault.clone())
    }

    /// Looks whether something else is to judge or to look on, publishes it, and answers whether it was so.
    ///
    /// # Errors
    /// When the store does not answer, or no snapshot can be made; what was in force stays.
    pub async fn refresh(&self) -> Result<bool, ModelsError> {
        let _turn = self.turn.lock().await;
        let result = self.look().await;
        let failure = result.as_ref().err().map(|error| format!("models: {error}"));
        let mut known = self.failure.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(reason) = failure.as_ref().filter(|_| failure != *known) {
            tracing::error!(reason, "what was promoted is not in force");
        }
        *known = failure;
        result
    }

    /// Stores a checkpoint, durably, and answers its number. Those beyond `model.keep_checkpoints` leave.
    ///
    /// # Errors
    /// When the database does not take it.
    pub async fn save(&self, content: CheckpointContent) -> Result<i64, ModelsError> {
        let id = self.store.save_checkpoint(content, unix_ms()).await?;
        if let Err(error) = self.store.prune_checkpoints(self.config().keep_checkpoints).await {
            tracing::warn!(%error, "old checkpoints could not be deleted");
        }
        Ok(id)
    }

    /// Stores a trained checkpoint and answers its number. Under `model.auto_promote` it looks on from now on; it is
    /// promoted once it has shown to be better.
    ///
    /// # Errors
    /// When the database does not take it.
    pub async fn save_candidate(&self, content: CheckpointContent) -> Result<i64, ModelsError> {
        let id = self.save(content).await?;
        if self.config().auto_promote
            && let Err(error) = self.set_shadow(Some(id)).await
        {
            // It is stored all the same, and its maker must hear of that.
            tracing::warn!(%error, checkpoint = id, "the checkpoint does not look on");
        }
        Ok(id)
    }

    /// Stores a checkpoint and lets it judge, unless something was promoted after `only_after` (the number of the
    /// newest promotion that its maker knew, 0 for none). For steps of online learning.
    ///
    /// # Errors
    /// See [`ModelsError`]; what judged goes on judging.
    pub async fn adopt(
        &self,
        content: CheckpointContent,
        only_after: i64,
        reason: String,
    ) -> Result<Promotion, ModelsError> {
        if self.judging().promotion_id() != only_after {
            return Err(ModelsError::Overtaken);
        }
        let by = content.made_by.clone();
        let checkpoint = self.save(content).await?;
        self.promote(Promote { checkpoint, by, reason, only_after: Some(only_after) }).await
    }

    /// Lets a checkpoint judge: durable, and in force here, when it answers.
    ///
    /// # Errors
    /// See [`ModelsError`]; what judged goes on judging.
    pub async fn promote(&self, wanted: Promote) -> Result<Promotion, ModelsError> {
        let model = ready(&*self.store, wanted.checkpoint).await?;
        self.publisher.try_model(&model.model).await?;
        let promotion = promote(&*self.store, wanted).await?;
        self.in_force(promotion).await
    }

    /// Goes back to what judged before: durable, and in force here, when it answers.
    ///
    /// # Errors
    /// [`ModelsError::NothingBefore`], or what the store says.
    pub async fn rollback(&self, by: String, reason: String) -> Result<Promotion, ModelsError> {
        let promotion =
            self.store.rollback(by, reason, unix_ms()).await?.ok_or(ModelsError::NothingBefore)?;
        self.in_force(promotion).await
    }

    /// Lets a checkpoint look on, or none.
    ///
    /// # Errors
    /// See [`ModelsError`]; nothing changes then.
    pub async fn set_shadow(&self, id: Option<i64>) -> Result<(), ModelsError> {
        set_shadow(&*self.store, id).await?;
        self.refresh().await?;
        Ok(())
    }

    /// Completes a row that was judged under a version of the snapshot: who judged, what the candidate says. What
    /// rests on its score is counted for drift.
    pub fn complete(&self, row: &mut RequestRow, version: u64) {
        row.checkpoint = self.publisher.checkpoint_of(version);
        let Some(features) = Features::new(row.features).filter(|_| row.basis == Basis::Score) else {
            return;
        };
        let mut observed = self.observed.lock().unwrap_or_else(PoisonError::into_inner);
        observed.add_times(&features, row.weight.into());
        drop(observed);
        if let Some(shadow) = &self.judging().shadow {
            row.shadow_probability = Some(shadow.compare(&self.detector.engine(), row, &features));
        }
    }

    /// The features of what was judged by its score since the start.
    pub fn observed(&self) -> FeatureHistograms {
        self.observed.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// How far the features of today are from those that judge's model was trained on: the population stability
    /// index of each. `None` where either is unknown.
    pub fn drift(&self, training: Option<&FeatureHistograms>) -> Option<[f32; FEATURE_COUNT]> {
        let observed = self.observed();
        let training = training.filter(|training| training.rows() > 0 && observed.rows() > 0)?;
        Some(psi(training, &observed))
    }

    /// A promotion that is stored: a failure from here on must not read as if nothing had been done.
    async fn in_force(&self, promotion: Promotion) -> Result<Promotion, ModelsError> {
        match self.refresh().await {
            Ok(_) => Ok(promotion),
            Err(error) => Err(ModelsError::NotYet(promotion.checkpoint, error.to_string())),
        }
    }

    async fn look(&self) -> Result<bool, ModelsError> {
        let wanted = self.store.in_force().await?;
        let mut judging = self.judging();
        let changed = judging.wanted != wanted;
        if changed {
            judging = Arc::new(judging.next(&*self.store, wanted).await?);
            if let Some(fault) = &judging.fault {
                tracing::error!(fault, checkpoint = judging.active.id, "an earlier checkpoint judges");
            }
        }
        // Also without a change: an earlier attempt may have failed.
        let published = self.publisher.publish_model(&judging.active, unix_ms()).await?;
        self.detector.replace_engine(Arc::clone(&published.engine));
        if changed {
            let (checkpoint, version) = (judging.active.id, published.version);
            let shadow = judging.shadow.as_ref().map(|shadow| shadow.candidate.id);
            let promotion = judging.promotion_id();
            *self.judging.write().unwrap_or_else(PoisonError::into_inner) = judging;
            self.promoted.send_replace(promotion);
            tracing::info!(checkpoint, shadow, version, "models changed");
        }
        Ok(changed)
    }
}

/// Follows the promotions for ever, whoever makes them, and takes turns where the policy says so.
pub async fn watch(registry: Arc<Registry>) {
    let mut looks = tokio::time::interval(LOOK);
    let mut turns = tokio::time::interval(TURN);
    loop {
        tokio::select! {
            _ = looks.tick() => {
                // The failure is told by `refresh`, once.
                let _ = registry.refresh().await;
            }
            _ = turns.tick() => {
                if let Err(error) = registry.take_turns().await {
                    tracing::warn!(%error, "models take no turns");
                }
            }
        }
    }
}

/// Promotes a checkpoint that is known to be sound.
pub(super) async fn promote(store: &dyn Store, wanted: Promote) -> Result<Promotion, ModelsError> {
    let id = wanted.checkpoint;
    match store.promote(wanted, unix_ms()).await? {
        PromoteOutcome::Promoted(promotion) => Ok(promotion),
        PromoteOutcome::AlreadyActive => Err(ModelsError::AlreadyActive(id)),
        PromoteOutcome::UnknownCheckpoint => Err(ModelsError::Unknown(id)),
        PromoteOutcome::Overtaken => Err(ModelsError::Overtaken),
    }
}

pub(super) async fn set_shadow(store: &dyn Store, id: Option<i64>) -> Result<(), ModelsError> {
    if let Some(id) = id {
        ready(store, id).await?;
        let judges = store.in_force().await?.promotion.map_or(BUILT_IN, |promotion| promotion.checkpoint);
        if judges == id {
            return Err(ModelsError::AlreadyActive(id));
        }
    }
    match store.set_shadow(id).await? {
        true => Ok(()),
        false => Err(ModelsError::Unknown(id.unwrap_or(BUILT_IN))),
    }
}
