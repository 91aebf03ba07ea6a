//! Learning from feedback as it comes: a working copy of the active network moves with every label, and judges
//! once a reserved set finds it no worse.
//!
//! What bounds it: [`influence`] (one client or token moves the model only so far), [`contradiction`] (labels that
//! contradict one another are shown, not learned), [`reserve`] (what it must get no worse on, against the model that
//! somebody chose, however many small steps lie between). A *generation* is the time from one such choice to the next.
//! Labels are read from the store, where they are durable before they are acknowledged: what a kill interrupted is
//! learned on the next start.

mod base;
pub mod contradiction;
pub mod influence;
mod learner;
mod rehearsal;
pub mod reserve;
mod session;
mod status;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;

use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use sallyport_core::Features;
use tokio::sync::{Mutex, Notify};

use self::contradiction::Contradiction;
use self::session::{Session, Work};
use crate::app::App;
use crate::models::{Judging, ModelsError};
use crate::store::{Promote, RequestId, StoreError, TrainingRow};

pub use base::Base;
pub use learner::{Counts, Examined, Learned, Learner};
pub use rehearsal::Recipe;
pub use reserve::Worse;
pub use session::{Generation, MADE_BY};
pub use status::{LearningState, LearningStatus};

/// Time between two looks for work, besides being woken.
const LOOK: Duration = Duration::from_secs(1);

/// Labels read at once.
const PAGE: u32 = 500;

/// One piece of feedback, as it is learned from.
#[derive(Clone, Debug, PartialEq)]
pub struct Label {
    /// Its number; grows with arrival.
    pub id: i64,
    /// The request.
    pub request_id: RequestId,
    /// When it was given, Unix ms.
    pub created_ms: u64,
    /// The features as they were when the request was judged.
    pub features: Features,
    /// What it says.
    pub is_bot: bool,
    /// Keyed hash of the client, where it is known.
    pub client: Option<u64>,
    /// Number of the token that says it, where it is known.
    pub token: Option<i64>,
}

impl Label {
    /// The label of a row; `None` where its features are damaged.
    pub fn of(row: &TrainingRow) -> Option<Self> {
        Some(Self {
            id: row.id,
            request_id: row.request_id.clone(),
            created_ms: row.created_ms,
            features: Features::new(row.features)?,
            is_bot: row.is_bot,
            client: row.client,
            token: row.token,
        })
    }
}

/// Learning in a running control plane.
#[derive(Default)]
pub struct Learning {
    woken: Notify,
    held: Mutex<Held>,
    status: RwLock<LearningStatus>,
}

/// What one pass hands to the next.
#[derive(Default)]
struct Held {
    session: Option<Session>,
    base: Option<&'static Base>,
    last_published: Option<Instant>,
    /// Since the start.
    totals: Work,
    was_reverted: bool,
}

/// When what was learned is published.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Publish {
    /// At once.
    Now,
    /// Not before `model.online.publish_interval_s` has passed since the last time.
    WhenDue,
}

impl Learning {
    /// A label was stored.
    pub fn wake(&self) {
        self.woken.notify_one();
    }

    /// How it goes.
    pub fn status(&self) -> LearningStatus {
        self.status.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The latest contradictions between labels of different requests, newest first.
    pub fn contradictions(&self) -> Vec<Contradiction> {
        self.status().listed
    }

    /// Learns from all labels that are stored and were not learned yet, and publishes what is fit.
    ///
    /// # Errors
    /// When the store does not answer or does not take the checkpoint; it is tried again with the next call.
    pub async fn catch_up(&self, app: &App, publish: Publish) -> Result<(), ModelsError> {
        let mut held = self.held.lock().await;
        let (config, judging) = (app.models.config().online, app.models.judging());
        let idle = if !config.enabled {
            Some(LearningState::Off)
        } else if judging.fault.is_some() {
            Some(LearningState::Fault)
        } else if judging.active.model.network().is_none() {
            Some(LearningState::NoNetwork)
        } else {
            None
        };
        if let Some(state) = idle {
            held.session = None;
            self.rest(state);
            return Ok(());
        }
        let mut session = match held.session.take() {
            Some(session) if session.promotion == judging.promotion_id() => session,
            _ => Session::start(&*app.store, &judging).await?,
        };
        let result = held.advance(&mut session, app, &judging).await;
        let interval = Duration::from_secs(config.publish_interval_s.into());
        let is_due = held.last_published.is_none_or(|last| last.elapsed() >= interval);
        let result = match result {
            Ok(()) if is_due || publish == Publish::Now => self.publish(&mut held, &mut session, app).await,
            other => other,
        };
        self.tell(|status| {
            status.take(&session);
            let Work { learned, took, contradicting } = held.totals;
            (status.learned, status.contradicted) = (learned, contradicting);
            status.mean_update_us = (learned > 0).then(|| took.as_secs_f64() * 1e6 / learned as f64);
        });
        held.session = Some(session);
        result
    }

    /// Examines what was learned; stores what is fit and lets it judge.
    async fn publish(&self, held: &mut Held, session: &mut Session, app: &App) -> Result<(), ModelsError> {
        if let Some(worse) = session.examine().await? {
            // Told once, however often it happens in a row.
            if !std::mem::replace(&mut held.was_reverted, true) {
                tracing::warn!(reason = %worse, "what was learned of late is reverted; the labels stay for training");
            }
            held.last_published = Some(Instant::now());
            self.tell(|status| {
                status.reverted += 1;
                status.last_reverted = Some(worse.to_string());
            });
        }
        let (Some(fit), Some(base)) = (session.fit.clone(), held.base) else { return Ok(()) };
        let content = session.content(&*app.store, &fit, base).await?;
        let reason = fit.reason();
        let checkpoint = app.models.save(content).await?;
        let only_after = Some(session.promotion);
        let wanted = Promote { checkpoint, by: MADE_BY.to_owned(), reason, only_after };
        match app.models.promote(wanted).await {
            Ok(promotion) => session.published(promotion.id, checkpoint),
            // Somebody chose another model meanwhile, or this one is promoted and judges a little later: the next pass
            // begins with that.
            Err(ModelsError::Overtaken | ModelsError::NotYet(..)) => {
                session.fit = None;
                return Ok(());
            }
            Err(error) => return Err(error),
        }
        held.last_published = Some(Instant::now());
        held.was_reverted = false;
        self.tell(|status| {
            status.published += 1;
            status.quality = Some(fit.quality);
        });
        Ok(())
    }

    /// Does nothing for now, and says why, once.
    fn rest(&self, state: LearningState) {
        let before = self.status().state;
        if before != state && state == LearningState::NoNetwork {
            tracing::info!("no network judges: labels wait for the next training");
        }
        self.tell(|status| status.state = state);
    }

    fn tell(&self, change: impl FnOnce(&mut LearningStatus)) {
        change(&mut self.status.write().unwrap_or_else(PoisonError::into_inner));
    }
}

impl Held {
    /// Learns from what was stored since.
    async fn advance(
        &mut self,
        session: &mut Session,
        app: &App,
        judging: &Judging,
    ) -> Result<(), ModelsError> {
        loop {
            let rows = app.store.training_rows(session.through, PAGE).await?;
            let is_last = rows.len() < PAGE as usize;
            if rows.iter().any(|row| session.takes(row)) {
                let base = self.base().await?;
                let challenge = app.detector.engine().policy().thresholds().challenge;
                session.prepare(&*app.store, judging, base, challenge).await?;
            }
            let work = session.learn(rows).await?;
            self.totals.learned += work.learned;
            self.totals.took += work.took;
            self.totals.contradicting += work.contradicting;
            if is_last {
                return Ok(());
            }
        }
    }

    /// The simulated rows, made when the first label comes.
    async fn base(&mut self) -> Result<&'static Base, ModelsError> {
        if let Some(base) = self.base {
            return Ok(base);
        }
        let made = tokio::task::spawn_blocking(Base::simulated).await;
        let made = made.map_err(|error| StoreError::Failed(format!("no rows to rehearse: {error}")))?;
        let base = made.map_err(|error| ModelsError::Damaged(crate::store::BUILT_IN, error))?;
        self.base = Some(base);
        Ok(base)
    }
}

/// Learns for ever, whenever there is something to learn.
pub async fn run(app: Arc<App>) {
    let mut ticks = tokio::time::interval(LOOK);
    let mut failure = None;
    loop {
        tokio::select! {
            () = app.learning.woken.notified() => {}
            _ = ticks.tick() => {}
        }
        let result = app.learning.catch_up(&app, Publish::WhenDue).await;
        let reason = result.err().map(|error| error.to_string());
        if let Some(reason) = reason.as_ref().filter(|_| reason != failure) {
            tracing::warn!(reason, "labels cannot be learned now; they wait in the database");
        }
        failure = reason;
    }
}
