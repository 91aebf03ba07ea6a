//! How checkpoints are shown, by the API and on the command line alike.

use sallyport_core::{Action, FEATURE_COUNT, ModelKind};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::Comparison;
use super::file::hex;
use crate::store::{BUILT_IN, Checkpoint, CheckpointSummary, InForce, Promotion};
use crate::training::Metrics;

/// One line about a checkpoint.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct ModelLine {
    /// Its number; 0 is the model that ships.
    pub checkpoint: i64,
    /// Whether it is the one promoted last.
    pub active: bool,
    /// Whether it is the one that looks on.
    pub shadow: bool,
    /// neural, random_forest or gradient_boosting.
    #[schema(value_type = String)]
    pub kind: ModelKind,
    /// When it was made, RFC 3339.
    pub created: Option<String>,
    /// train, online or import; `built_in` for the model that ships.
    pub source: &'static str,
    /// The checkpoint it went on from.
    pub parent: i64,
    /// Who made it.
    pub made_by: String,
    /// Anything that helps to tell it from others.
    pub note: String,
    /// Size of the model, bytes.
    pub bytes: u64,
    /// Area under the ROC curve on held-out clients.
    pub roc_auc: Option<f64>,
    /// Log loss there.
    pub log_loss: Option<f64>,
    /// Share of people's requests there that the model alone would challenge.
    pub false_positive_rate: Option<f64>,
}

/// All about a checkpoint but its bytes.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct ModelDetails {
    #[serde(flatten)]
    #[schema(inline)]
    pub(crate) line: ModelLine,
    /// Version of the feature formulas it was trained on.
    pub features_version: u16,
    /// Seed of everything random in its training.
    pub seed: u64,
    /// SHA-256 of its data, hexadecimal.
    pub data_fingerprint: Option<String>,
    /// What it was trained on, in numbers.
    #[schema(value_type = Object)]
    pub data: Value,
    /// How it was trained.
    #[schema(value_type = Object)]
    pub settings: Value,
    /// How good it is on held-out clients.
    #[schema(value_type = Object)]
    pub metrics: Value,
    /// Population stability index of each feature: what was judged since the start against its training set. Under
    /// 0.1 hardly anything changed, over 0.25 much did.
    pub drift: Option<[f32; FEATURE_COUNT]>,
    /// What it would have said beside the model that judges, where it looks on.
    pub comparison: Option<ComparisonView>,
}

/// What a checkpoint in shadow would have said.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct ComparisonView {
    /// Decisions compared since it began to look on.
    pub decisions: u64,
    /// Mean difference of the two probabilities.
    pub mean_difference: f64,
    /// Decisions of which the action would have been another.
    pub changed: u64,
    /// Which actions would have been others, most frequent first.
    pub changes: Vec<Change>,
}

/// Decisions whose action would have been another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Change {
    /// The action taken.
    pub from: &'static str,
    /// What it would have been.
    pub to: &'static str,
    /// How many.
    pub decisions: u64,
}

/// One entry of the history.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct PromotionView {
    /// Its number.
    pub id: i64,
    /// RFC 3339.
    pub time: Option<String>,
    /// The checkpoint that judged from then on.
    pub checkpoint: i64,
    /// The one before.
    pub previous: i64,
    /// Whether it went back to an earlier promotion.
    pub rollback: bool,
    /// Who did it.
    pub by: String,
    /// Why.
    pub reason: String,
}

impl ModelLine {
    /// A stored checkpoint.
    pub fn of(summary: CheckpointSummary, in_force: &InForce) -> Self {
        let metrics: Option<Metrics> = serde_json::from_str(&summary.metrics).ok();
        let source = if summary.id == BUILT_IN { "built_in" } else { summary.source.name() };
        Self {
            checkpoint: summary.id,
            active: in_force.promotion.as_ref().map_or(BUILT_IN, |row| row.checkpoint) == summary.id,
            shadow: in_force.shadow == Some(summary.id),
            kind: summary.kind,
            created: time(summary.created_ms),
            source,
            parent: summary.parent,
            made_by: summary.made_by,
            note: summary.note,
            bytes: summary.model_bytes,
            roc_auc: metrics.as_ref().and_then(|metrics| metrics.roc_auc),
            log_loss: metrics.as_ref().map(|metrics| metrics.log_loss),
            false_positive_rate: metrics.and_then(|metrics| metrics.at_challenge().false_positive_rate),
        }
    }
}

impl ModelDetails {
    /// A checkpoint as far as the database tells.
    pub fn of(checkpoint: Checkpoint, in_force: &InForce) -> Self {
        let Checkpoint { id, created_ms, content } = checkpoint;
        let json = |text: &str| serde_json::from_str(text).unwrap_or_default();
        Self {
            features_version: content.features_version,
            seed: content.seed,
            data_fingerprint: content.data_fingerprint.as_ref().map(|bytes| hex(bytes)),
            data: json(&content.data),
            settings: json(&content.settings),
            metrics: json(&content.metrics),
            drift: None,
            comparison: None,
            line: ModelLine::of(
                CheckpointSummary {
                    id,
                    created_ms,
                    kind: content.kind,
                    parent: content.parent,
                    source: content.source,
                    made_by: content.made_by,
                    note: content.note,
                    metrics: content.metrics,
                    model_bytes: content.model.len() as u64,
                },
                in_force,
            ),
        }
    }
}

impl From<Comparison> for ComparisonView {
    fn from(comparison: Comparison) -> Self {
        let mut changes = Vec::new();
        for (from, row) in Action::ALL.into_iter().zip(comparison.actions) {
            for (to, decisions) in Action::ALL.into_iter().zip(row) {
                if from != to && decisions > 0 {
                    changes.push(Change { from: from.as_str(), to: to.as_str(), decisions });
                }
            }
        }
        changes.sort_by_key(|change| std::cmp::Reverse(change.decisions));
        let changed = changes.iter().map(|change| change.decisions).sum();
        let Comparison { decisions, mean_difference, .. } = comparison;
        Self { decisions, mean_difference, changed, changes }
    }
}

impl From<Promotion> for PromotionView {
    fn from(promotion: Promotion) -> Self {
        Self {
            id: promotion.id,
            time: time(promotion.ts_ms),
            checkpoint: promotion.checkpoint,
            previous: promotion.previous,
            rollback: promotion.restores.is_some(),
            by: promotion.by,
            reason: promotion.reason,
        }
    }
}

/// RFC 3339; `None` for 0, which is no time.
pub(crate) fn time(unix_ms: u64) -> Option<String> {
    let ms = i64::try_from(unix_ms).ok().filter(|ms| *ms > 0)?;
    Some(jiff::Timestamp::from_millisecond(ms).ok()?.to_string())
}
