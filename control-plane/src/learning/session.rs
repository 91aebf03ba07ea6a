//! One generation of learning: from the model that somebody chose to judge until the next choice.

use std::time::{Duration, Instant};

use sallyport_core::{FEATURE_VERSION, Model, ModelKind};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::reserve::Quality;
use super::{Base, Counts, Examined, Label, Learned, Learner, Worse};
use crate::models::{Judging, ModelsError, checkpoint, ready};
use crate::store::{CheckpointContent, CheckpointSource, Store, StoreError, TrainingRow};
use crate::training::metrics::measure;

/// Who makes and promotes what is learned.
pub const MADE_BY: &str = "learner";

/// Where a generation began and how far it has come; kept in the settings of its checkpoints.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Generation {
    /// The checkpoint that somebody chose.
    pub anchor: i64,
    /// When, Unix ms; labels given before are left to training.
    pub since_ms: u64,
    /// The last label that the model in force has seen.
    pub learnt_through: i64,
}

/// What of a checkpoint's settings is read again.
#[derive(Deserialize)]
struct Settings {
    learning: Generation,
}

impl Generation {
    /// The generation of what judges: what the learner promoted goes on with its own, everything else begins one.
    ///
    /// # Errors
    /// What the store says.
    pub async fn of(store: &dyn Store, judging: &Judging) -> Result<Self, ModelsError> {
        let Some(promotion) = &judging.wanted.promotion else {
            return Ok(Self { anchor: judging.active.id, since_ms: 0, learnt_through: 0 });
        };
        let fresh = Self { anchor: judging.active.id, since_ms: promotion.ts_ms, learnt_through: 0 };
        if promotion.by != MADE_BY {
            return Ok(fresh);
        }
        let content = checkpoint(store, judging.active.id).await?.content;
        let settings: Option<Settings> = serde_json::from_str(&content.settings).ok();
        Ok(settings.map_or(fresh, |settings| settings.learning))
    }
}

/// What is learned in a generation.
pub(super) struct Session {
    /// The newest promotion when it was last looked: another one ends the session.
    pub(super) promotion: i64,
    /// The checkpoint that judges.
    pub(super) active: i64,
    pub(super) generation: Generation,
    /// The last label that was looked at.
    pub(super) through: i64,
    /// Made with the first label.
    learner: Option<Box<Learner>>,
    /// What was found fit and is not stored yet.
    pub(super) fit: Option<Fit>,
}

/// What was done with some labels.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Work {
    /// Labels that moved the working copy.
    pub(super) learned: u64,
    /// The time that took.
    pub(super) took: Duration,
    /// Labels that contradicted an earlier one.
    pub(super) contradicting: u64,
}

/// A model that may judge.
#[derive(Clone)]
pub(super) struct Fit {
    model: Model,
    pub(super) quality: Quality,
    anchor: Quality,
    counts: Counts,
    through: i64,
}

impl Fit {
    /// Why it is to judge.
    pub(super) fn reason(&self) -> String {
        format!("{} labels learned", self.counts.learned)
    }
}

impl Session {
    pub(super) async fn start(store: &dyn Store, judging: &Judging) -> Result<Self, ModelsError> {
        let generation = Generation::of(store, judging).await?;
        let (promotion, active) = (judging.promotion_id(), judging.active.id);
        Ok(Self { promotion, active, generation, through: 0, learner: None, fit: None })
    }

    /// Whether a row is of this generation.
    pub(super) fn takes(&self, row: &TrainingRow) -> bool {
        row.created_ms >= self.generation.since_ms
    }

    /// Makes the learner, where there is none yet. What was learned before a restart is in the model that judges;
    /// what it is held against is the model that the generation began with.
    pub(super) async fn prepare(
        &mut self,
        store: &dyn Store,
        judging: &Judging,
        base: &Base,
        challenge: f32,
    ) -> Result<(), ModelsError> {
        if self.learner.is_none() {
            let anchor = match self.generation.anchor {
                id if id == judging.active.id => judging.active.model.clone(),
                id => match ready(store, id).await {
                    Ok(found) => found.model,
                    Err(ModelsError::Unknown(_)) => judging.active.model.clone(),
                    Err(error) => return Err(error),
                },
            };
            self.learner = Learner::new(&anchor, &judging.active.model, base, challenge).map(Box::new);
        }
        Ok(())
    }

    /// Learns from rows in their order; those that the model has seen before a restart are only remembered.
    pub(super) async fn learn(&mut self, rows: Vec<TrainingRow>) -> Result<Work, ModelsError> {
        let Some(last) = rows.last().map(|row| row.id) else { return Ok(Work::default()) };
        let Generation { since_ms, learnt_through, .. } = self.generation;
        let work = move |learner: &mut Learner| {
            let mut work = Work::default();
            for label in rows.iter().filter(|row| row.created_ms >= since_ms).filter_map(Label::of) {
                if label.id <= learnt_through {
                    learner.recall(&label);
                } else {
                    let started = Instant::now();
                    let learned = learner.learn(&label);
                    work.took += if learned == Learned::Step { started.elapsed() } else { Duration::ZERO };
                    work.learned += u64::from(learned == Learned::Step);
                    work.contradicting += u64::from(learned == Learned::Contradicts);
                }
            }
            work
        };
        let work = self.on_thread(work).await?;
        self.through = last;
        Ok(work.unwrap_or_default())
    }

    /// Holds the working copy against the reserved set; answers why it had to be reverted, if so.
    pub(super) async fn examine(&mut self) -> Result<Option<Worse>, ModelsError> {
        let examined = self
            .on_thread(|learner| (learner.examine(), learner.reserve().anchor_quality(), learner.counts()))
            .await?;
        Ok(match examined {
            None | Some((Examined::Unchanged, ..)) => None,
            Some((Examined::Fit(model, quality), anchor, counts)) => {
                self.fit = Some(Fit { model: *model, quality, anchor, counts, through: self.through });
                None
            }
            Some((Examined::Reverted(worse), ..)) => Some(worse),
        })
    }

    /// Lets the learner work where it holds nobody up; `None` without one.
    async fn on_thread<T: Send + 'static>(
        &mut self,
        work: impl FnOnce(&mut Learner) -> T + Send + 'static,
    ) -> Result<Option<T>, ModelsError> {
        let Some(mut learner) = self.learner.take() else { return Ok(None) };
        let done = tokio::task::spawn_blocking(move || {
            let result = work(&mut learner);
            (learner, result)
        });
        match done.await {
            Ok((learner, result)) => {
                self.learner = Some(learner);
                Ok(Some(result))
            }
            Err(error) => {
                // Begin anew.
                self.promotion = -1;
                Err(StoreError::Failed(format!("learning broke off: {error}")).into())
            }
        }
    }

    pub(super) fn learner(&self) -> Option<&Learner> {
        self.learner.as_deref()
    }

    /// The checkpoint of what was found fit.
    pub(super) async fn content(
        &self,
        store: &dyn Store,
        fit: &Fit,
        base: &Base,
    ) -> Result<CheckpointContent, ModelsError> {
        let parent = checkpoint(store, self.active).await?;
        let generation = Generation { learnt_through: fit.through, ..self.generation };
        let metrics = measure(&fit.model, &base.reserved);
        Ok(CheckpointContent {
            kind: ModelKind::Neural,
            features_version: FEATURE_VERSION,
            parent: self.active,
            seed: 0,
            source: CheckpointSource::Online,
            made_by: MADE_BY.to_owned(),
            // The reserved set is harder than what training measures on: only its own figures compare.
            note: format!(
                "{} labels learned since checkpoint {}, which on the same reserved set has ROC-AUC {:.4} and log loss {:.4}",
                fit.counts.learned, generation.anchor, fit.anchor.roc_auc, fit.anchor.log_loss
            ),
            data_fingerprint: None,
            data: json!({ "labels": fit.counts }).to_string(),
            settings: json!({ "learning": generation }).to_string(),
            metrics: serde_json::to_string(&metrics).unwrap_or_else(|_| "{}".to_owned()),
            // Drift is counted against what the model was trained on.
            histograms: parent.content.histograms,
            model: fit.model.to_bytes(),
            state: None,
        })
    }

    /// What was found fit judges now, by this promotion.
    pub(super) fn published(&mut self, promotion: i64, checkpoint: i64) {
        (self.promotion, self.active) = (promotion, checkpoint);
        if let Some(fit) = self.fit.take() {
            self.generation.learnt_through = fit.through;
        }
    }
}
