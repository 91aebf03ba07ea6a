//! Taking turns by themselves, where the policy allows it: candidates that have shown to be better are promoted, and
//! promotions that have shown to be worse are undone. Both switches are off by default.
//!
//! The judge is feedback that came after the promotion in force (and after the candidate was made): the newest
//! `MOST_LABELS` labels, at least `LEAST_LABELS` of bots and as many of people. Measured are the log loss of each
//! model's probability and the share of people's requests that would be challenged, had the model judged in the place
//! of the one that did. The more one client or one token has said, the less its next word counts, as in learning.
//!
//! * `auto_promote`: the candidate in shadow has seen at least `LEAST_COMPARED` decisions, its log loss is at least
//!   `MARGIN` lower, and it would challenge no more people.
//! * `auto_rollback`: the log loss is at least `MARGIN` higher than that of the checkpoint that judged before, or at
//!   least `PEOPLE_MARGIN` more of people's requests are challenged. Steps of online learning since the promotion
//!   count as part of it.

use sallyport_core::{Engine, Features, Model};

use super::{ModelsError, Registry, ready};
use crate::learning::influence::Influence;
use crate::store::{Promote, Promotion, TrainingRow};

/// Labels of bots, and of people, without which nothing is decided.
const LEAST_LABELS: usize = 50;
/// Labels that are looked at.
const MOST_LABELS: u32 = 5_000;
/// Decisions that a candidate must have looked on at.
const LEAST_COMPARED: u64 = 1_000;
/// How much lower a log loss must be to be called lower.
const MARGIN: f64 = 0.02;
/// How many more of people's requests must be challenged to be called more.
const PEOPLE_MARGIN: f64 = 0.01;
/// Promotions among which the last one that is no step of online learning is looked for.
const WALK: u32 = 10_000;

/// Who is said to have made what these rules make.
pub const BY: &str = "automatic";
/// Who is said to have made steps of online learning.
pub const LEARNER: &str = "learner";

/// How a model does on labels.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Measured {
    /// Mean of −ln of the probability given to the truth.
    log_loss: f64,
    /// Share of people's requests that would be challenged, in [0, 1].
    challenged: f64,
}

impl Registry {
    /// Looks at the feedback and takes turns where the policy allows it and the rule says so.
    ///
    /// # Errors
    /// See [`ModelsError`]; what judged goes on judging.
    pub async fn take_turns(&self) -> Result<Option<Promotion>, ModelsError> {
        let config = self.config();
        if config.auto_rollback
            && let Some(promotion) = self.undo_if_worse().await?
        {
            return Ok(Some(promotion));
        }
        if config.auto_promote { self.promote_if_better().await } else { Ok(None) }
    }

    async fn promote_if_better(&self) -> Result<Option<Promotion>, ModelsError> {
        let judging = self.judging();
        let Some(shadow) = &judging.shadow else { return Ok(None) };
        if shadow.comparison().decisions < LEAST_COMPARED {
            return Ok(None);
        }
        let promoted_ms = self.last_decision().await?.map_or(0, |promotion| promotion.ts_ms);
        let since_ms = promoted_ms.max(shadow.candidate.created_ms);
        let labels = self.store().labels_since(since_ms, MOST_LABELS).await?;
        let engine = self.engine();
        let measure = |model: &Model| measure(&engine, model, &labels);
        let (Some(now), Some(then)) = (measure(&judging.active.model), measure(&shadow.candidate.model))
        else {
            return Ok(None);
        };
        if then.log_loss > now.log_loss * (1.0 - MARGIN) || then.challenged > now.challenged {
            return Ok(None);
        }
        let wanted = Promote {
            checkpoint: shadow.candidate.id,
            by: BY.to_owned(),
            reason: format!("better on {} labels: {then} instead of {now}", labels.len()),
            only_after: Some(judging.promotion_id()),
        };
        self.promote_unless_overtaken(wanted).await
    }

    async fn undo_if_worse(&self) -> Result<Option<Promotion>, ModelsError> {
        let Some(promotion) = self.last_decision().await? else { return Ok(None) };
        let judging = self.judging();
        if judging.active.id == promotion.previous {
            return Ok(None);
        }
        let before = match ready(self.store(), promotion.previous).await {
            Err(ModelsError::Unknown(_) | ModelsError::Damaged(..)) => return Ok(None),
            before => before?,
        };
        let labels = self.store().labels_since(promotion.ts_ms, MOST_LABELS).await?;
        let engine = self.engine();
        let measure = |model: &Model| measure(&engine, model, &labels);
        let (Some(now), Some(then)) = (measure(&judging.active.model), measure(&before.model)) else {
            return Ok(None);
        };
        if then.log_loss > now.log_loss * (1.0 - MARGIN) && now.challenged < then.challenged + PEOPLE_MARGIN {
            return Ok(None);
        }
        let wanted = Promote {
            checkpoint: before.id,
            by: BY.to_owned(),
            reason: format!("undone: worse on {} labels: {now}, before {then}", labels.len()),
            only_after: Some(judging.promotion_id()),
        };
        self.promote_unless_overtaken(wanted).await
    }

    /// The last promotion that is no step of online learning.
    async fn last_decision(&self) -> Result<Option<Promotion>, ModelsError> {
        let promotions = self.store().promotions(WALK).await?;
        Ok(promotions.into_iter().find(|promotion| promotion.by != LEARNER))
    }

    async fn promote_unless_overtaken(&self, wanted: Promote) -> Result<Option<Promotion>, ModelsError> {
        match self.promote(wanted).await {
            Ok(promotion) => {
                let (checkpoint, reason) = (promotion.checkpoint, &promotion.reason);
                tracing::warn!(checkpoint, reason, "promoted by the policy");
                Ok(Some(promotion))
            }
            Err(ModelsError::Overtaken | ModelsError::AlreadyActive(_)) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// How a model does on labels, newest first; `None` where those that are heard are too few.
fn measure(engine: &Engine, model: &Model, labels: &[TrainingRow]) -> Option<Measured> {
    let (mut bots, mut people, mut all, mut of_people) = (0, 0, 0.0, 0.0);
    let (mut challenged, mut loss) = (0.0, 0.0);
    let least = engine.policy().thresholds().challenge;
    let mut influence = Influence::default();
    for label in labels.iter().rev() {
        let Some(features) = Features::new(label.features) else { continue };
        let Some(weight) = influence.weigh(label.client, label.token).map(f64::from) else { continue };
        let probability = f64::from(model.probability(&features));
        all += weight;
        loss -= weight * if label.is_bot { probability } else { 1.0 - probability }.ln();
        if label.is_bot {
            bots += 1;
        } else {
            let (score, _) = engine.rescore(label.score, label.ml_probability, &features, model);
            people += 1;
            of_people += weight;
            challenged += if score >= least { weight } else { 0.0 };
        }
    }
    let enough = bots >= LEAST_LABELS && people >= LEAST_LABELS;
    enough.then(|| Measured { log_loss: loss / all, challenged: challenged / of_people })
}

impl std::fmt::Display for Measured {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "log loss {:.4}, {:.2} % of people challenged", self.log_loss, 100.0 * self.challenged)
    }
}

#[cfg(test)]
mod tests {
    use sallyport_core::{HashKey, Policy, Ranges};

    use super::*;
    use crate::store::RequestId;

    /// A label of what the built-in model has no doubts about.
    fn row(id: i64, client: u64, token: i64, is_bot: bool, value: f32) -> TrainingRow {
        TrainingRow {
            id,
            request_id: RequestId::parse(&id.to_string()),
            ts_ms: 1,
            created_ms: 2,
            is_bot,
            score: 50.0,
            ml_probability: 0.5,
            features: [value; 7],
            client: Some(client),
            token: Some(token),
            path: None,
        }
    }

    #[test]
    fn one_client_decides_nothing_alone_and_little_among_others() {
        let model = Model::built_in().expect("built-in model");
        let key = HashKey::from_bytes([1; 16]);
        let engine = Engine::new(Policy::default(), model.clone(), Ranges::default(), key, 0);
        let wrong = |id| row(id, 1, 1, id % 2 == 0, if id % 2 == 0 { 0.0 } else { 1.0 });
        let wrong: Vec<_> = (0..1_000).map(wrong).collect();
        assert_eq!(measure(&engine, &model, &wrong), None, "a thousand words of one client are too few");

        let right = |id: i64| {
            let is_bot = id % 2 == 0;
            row(id, id.cast_unsigned(), 2, is_bot, if is_bot { 1.0 } else { 0.0 })
        };
        let mut labels: Vec<_> = (1_000..1_200).map(right).collect();
        let before = measure(&engine, &model, &labels).expect("enough");
        assert!(before.log_loss < 0.2 && before.challenged == 0.0, "{before:?}");
        labels.extend(wrong);
        let after = measure(&engine, &model, &labels).expect("enough");
        assert!(after.challenged < 0.05, "{after:?}: 0.83 if every word counted the same");
    }
}
