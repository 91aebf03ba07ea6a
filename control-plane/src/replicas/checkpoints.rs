//! The checkpoint that judges, the same in all replicas: what one of them decides, the others take over.
//!
//! Each replica remembers which decision it follows and which promotion of its own database that is. A newer promotion
//! of its own is a decision to tell; a decision of a higher rank is one to take over. So nothing goes back and forth:
//! what was taken over is known as what it is.

use serde::{Deserialize, Serialize};

use super::record::{Decision, ID, Rank, Record, RecordError, SET, digest};
use crate::app::App;
use crate::learning::{Generation, MADE_BY};
use crate::models::{ModelsError, checkpoint, file};
use crate::shared::{Notice, SetRecord, SharedError};
use crate::store::{BUILT_IN, CheckpointContent, CheckpointSource, Promote, Promotion, StoreError};

/// The setting that says which decision this replica follows.
const SETTING: &str = "replica_checkpoint";

/// Of so many promotions it is looked whether their checkpoint is the one to take over.
const WALK: u32 = 20;

/// Longest reason, in characters.
const REASON: usize = 500;

/// Why replicas do not agree on what judges.
#[derive(Debug, thiserror::Error)]
pub(super) enum FollowError {
    #[error(transparent)]
    Shared(#[from] SharedError),
    #[error("{0}")]
    Record(#[from] RecordError),
    #[error("what replica {0} promoted cannot judge here: {1}")]
    Refused(String, ModelsError),
    #[error(transparent)]
    Models(#[from] ModelsError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Which decision a replica follows.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Known {
    sequence: u64,
    model: String,
    /// The promotion in this database; 0 for none.
    promotion: i64,
}

impl Known {
    fn rank(&self) -> Rank {
        (self.sequence, self.model.clone())
    }
}

/// What has been read of the shared set.
#[derive(Default)]
pub(super) struct Followed {
    revision: u64,
    newest: Option<Record>,
    /// The newest is none that this version reads; then it is left as it is.
    is_unreadable: bool,
}

impl Followed {
    /// Looks what was decided here and elsewhere, and tells or takes over.
    ///
    /// # Errors
    /// See [`FollowError`]; what judges goes on.
    pub(super) async fn look(&mut self, app: &App, name: &str) -> Result<(), FollowError> {
        self.read(app).await?;
        let promotion = app.store.in_force().await?.promotion;
        let own = promotion.as_ref().map_or(0, |promotion| promotion.id);
        let known = match app.store.setting(SETTING).await? {
            Some(bytes) => serde_json::from_slice(&bytes).unwrap_or_default(),
            // The first time: what was decided before there were others to tell stands back behind theirs.
            None => {
                let known = Known { promotion: own, ..Known::default() };
                remember(app, known.clone()).await?;
                known
            }
        };
        let decided_here = own != known.promotion;
        let rank = self.newest.as_ref().map(|newest| newest.decision.rank());
        let (sequence, to_tell) = match &rank {
            Some((sequence, _)) if decided_here => (known.sequence.max(*sequence) + 1, true),
            None if decided_here => (known.sequence + 1, true),
            // Lost, or never told.
            None => (known.sequence.max(1), own != 0),
            Some(rank) => (known.sequence, *rank < known.rank()),
        };
        if to_tell {
            return self.tell(app, name, sequence, promotion).await;
        }
        match self.newest.clone() {
            Some(newest) if newest.decision.rank() > known.rank() => take_over(app, &newest, promotion).await,
            _ => Ok(()),
        }
    }

    /// Reads what changed in the set.
    async fn read(&mut self, app: &App) -> Result<(), FollowError> {
        let (mut revision, mut records) = app.shared.records_since(SET, self.revision).await?;
        if revision < self.revision {
            *self = Self::default();
            (revision, records) = app.shared.records_since(SET, 0).await?;
        }
        self.revision = revision;
        if let Some(record) = records.into_iter().rfind(|record| record.id == ID) {
            self.newest = Record::read(&record.bytes).ok();
            self.is_unreadable = self.newest.is_none();
        }
        if self.is_unreadable { Err(RecordError::Format.into()) } else { Ok(()) }
    }

    /// Tells the others what judges here.
    async fn tell(
        &mut self,
        app: &App,
        name: &str,
        sequence: u64,
        promotion: Option<Promotion>,
    ) -> Result<(), FollowError> {
        let id = promotion.as_ref().map_or(BUILT_IN, |promotion| promotion.checkpoint);
        let judging = app.models.judging();
        if judging.active.id != id {
            // It does not judge here either: it is damaged, or takes another moment.
            return Ok(());
        }
        let found = checkpoint(&*app.store, id).await?;
        let (by, reason) = promotion.as_ref().map(|p| (p.by.clone(), p.reason.clone())).unwrap_or_default();
        let model = digest(&found.content.model);
        let mut decision = Decision::new(sequence, model.clone(), name.to_owned(), by, reason);
        if decision.by == MADE_BY {
            decision.anchor = Some(anchor(app).await?.1);
        }
        let bytes = Record::write(&decision, &found)?;
        let record = Record::read(&bytes)?;
        app.shared.put_records(SET, &[SetRecord { id: ID.to_owned(), bytes }]).await?;
        self.newest = Some(record);
        let promotion = promotion.map_or(0, |promotion| promotion.id);
        remember(app, Known { sequence, model, promotion }).await?;
        app.shared.tell(Notice::Checkpoint);
        Ok(())
    }
}

/// Lets what another replica decided judge here too.
async fn take_over(app: &App, record: &Record, current: Option<Promotion>) -> Result<(), FollowError> {
    let Decision { sequence, model, replica, .. } = &record.decision;
    let refused = |error| FollowError::Refused(replica.clone(), error);
    let content = file::read(&record.file, &format!("replica {replica}"));
    let content = content.map_err(|error| refused(error.into()))?;
    if digest(&content.model) != *model {
        return Err(RecordError::Format.into());
    }
    let only_after = current.as_ref().map_or(0, |promotion| promotion.id);
    let active = current.map_or(BUILT_IN, |promotion| promotion.checkpoint);
    let known = |promotion| Known { sequence: *sequence, model: model.clone(), promotion };
    if digest(&checkpoint(&*app.store, active).await?.content.model) == *model {
        return remember(app, known(only_after)).await;
    }
    let (id, by) = prepare(app, &record.decision, content).await?;
    let reason: String = format!("{} ({} at replica {replica})", record.decision.reason, record.decision.by)
        .trim_start()
        .chars()
        .take(REASON)
        .collect();
    let promoted = app.models.promote(Promote { checkpoint: id, by, reason, only_after: Some(only_after) });
    match promoted.await {
        Ok(promotion) => {
            tracing::info!(replica, checkpoint = id, "another replica's decision is taken over");
            remember(app, known(promotion.id)).await
        }
        // Somebody decided here meanwhile, or it judges in a moment; the next look goes on from there.
        Err(ModelsError::Overtaken | ModelsError::NotYet(..)) => Ok(()),
        Err(error) => Err(refused(error)),
    }
}

/// The checkpoint to promote, and who is said to have promoted it.
async fn prepare(
    app: &App,
    decision: &Decision,
    mut content: CheckpointContent,
) -> Result<(i64, String), FollowError> {
    let by = format!("replica {}", decision.replica);
    let (generation, anchor) = anchor(app).await?;
    if decision.anchor.as_ref() == Some(&anchor) {
        // A step of learning from what judges here too: it goes on as a step here, measured against the same model.
        content.source = CheckpointSource::Online;
        let mut settings: serde_json::Map<_, _> = serde_json::from_str(&content.settings).unwrap_or_default();
        settings.insert("learning".to_owned(), serde_json::to_value(generation).unwrap_or_default());
        content.settings = serde_json::Value::Object(settings).to_string();
        return Ok((app.models.save(content).await?, MADE_BY.to_owned()));
    }
    let earlier = app.store.promotions(WALK).await?.into_iter().map(|promotion| promotion.checkpoint);
    let mut looked_at = Vec::new();
    for id in earlier.chain([BUILT_IN]) {
        if looked_at.contains(&id) {
            continue;
        }
        looked_at.push(id);
        match checkpoint(&*app.store, id).await {
            Ok(found) if found.content.model == content.model => return Ok((id, by)),
            Ok(_) | Err(ModelsError::Unknown(_)) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok((app.models.save(content).await?, by))
}

/// Where online learning stands here, and the hash of the model that it began with.
async fn anchor(app: &App) -> Result<(Generation, String), FollowError> {
    let generation = Generation::of(&*app.store, &app.models.judging()).await?;
    let model = match checkpoint(&*app.store, generation.anchor).await {
        Ok(found) => digest(&found.content.model),
        Err(ModelsError::Unknown(_)) => String::new(),
        Err(error) => return Err(error.into()),
    };
    Ok((generation, model))
}

async fn remember(app: &App, known: Known) -> Result<(), FollowError> {
    app.store.set_setting(SETTING, serde_json::to_vec(&known).unwrap_or_default()).await?;
    Ok(())
}
