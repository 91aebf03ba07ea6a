//! Who is compared: models trained on the spot, stored models, and what judges without a model.

use std::ops::ControlFlow;

use anyhow::Context as _;
use clap::ValueEnum;
use sallyport_core::{Model, ModelKind};

use super::rows::{Rows, Verdict};
use crate::training::metrics::{Metrics, measure, measure_by, measure_scored};
use crate::training::{Dataset, Parts, Settings, train_on};

/// What can be trained for the comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Kind {
    /// The network that never scores more bot-like behaviour lower.
    Monotone,
    /// The same network without that promise.
    Unconstrained,
    /// A random forest.
    RandomForest,
    /// Gradient boosting.
    GradientBoosting,
}

impl Kind {
    /// All kinds, as they are listed.
    pub const ALL: [Kind; 4] =
        [Self::Monotone, Self::Unconstrained, Self::RandomForest, Self::GradientBoosting];

    fn name(self) -> &'static str {
        match self {
            Self::Monotone => "network, monotone",
            Self::Unconstrained => "network, unconstrained",
            Self::RandomForest => "random forest",
            Self::GradientBoosting => "gradient boosting",
        }
    }

    /// The settings that train it, all else being equal.
    fn settings(self, settings: &Settings) -> Settings {
        let kind = match self {
            Self::Monotone | Self::Unconstrained => ModelKind::Neural,
            Self::RandomForest => ModelKind::RandomForest,
            Self::GradientBoosting => ModelKind::GradientBoosting,
        };
        Settings { kind, monotone: self == Self::Monotone, ..settings.clone() }
    }
}

/// How the name of core with model, checks and policy begins.
pub(super) const WHOLE_JUDGE: &str = "whole judge with";

/// One line of the comparison.
pub(super) struct Contestant {
    /// Its name in the tables.
    pub(super) name: String,
    /// How long it was trained here, seconds.
    pub(super) seconds: Option<f64>,
    means: Means,
}

/// What it judges by.
enum Means {
    Model(Box<Model>),
    UserAgent,
    WholeJudge,
}

impl Contestant {
    /// The rules about user agents alone: the feature `user_agent` is the probability.
    pub(super) fn user_agent_rules() -> Self {
        Self { name: "user-agent rules alone".to_owned(), seconds: None, means: Means::UserAgent }
    }

    /// Core with a stored model, else the built-in one, with checks and policy, as the filter has it.
    pub(super) fn whole_judge(stored: Option<&Self>) -> Self {
        let model = stored.map_or("builtin", |stored| &stored.name);
        Self { name: format!("{WHOLE_JUDGE} {model}"), seconds: None, means: Means::WholeJudge }
    }

    /// A stored model.
    pub(super) fn stored(name: &str, model: Model) -> Self {
        Self { name: name.to_owned(), seconds: None, means: Means::Model(Box::new(model)) }
    }

    /// Trains one of a kind; `step` is told how far it is, in [0, 1].
    ///
    /// # Errors
    /// If nothing can be learned from the data.
    pub(super) fn trained(
        kind: Kind,
        parts: &Parts,
        settings: &Settings,
        step: impl Fn(f64),
    ) -> anyhow::Result<Self> {
        let trained = train_on(parts, &kind.settings(settings), &mut |progress| {
            let within = f64::from(progress.step) / f64::from(progress.steps.max(1));
            step((f64::from(progress.epoch) - 1.0 + within) / f64::from(progress.epochs.max(1)));
            ControlFlow::Continue(())
        });
        let trained = trained.with_context(|| format!("{}: cannot be trained", kind.name()))?;
        Ok(Self {
            name: kind.name().to_owned(),
            seconds: Some(trained.seconds),
            means: Means::Model(Box::new(trained.model)),
        })
    }

    /// The model, where it judges by one.
    pub(super) fn model(&self) -> Option<&Model> {
        match &self.means {
            Means::Model(model) => Some(model),
            Means::UserAgent | Means::WholeJudge => None,
        }
    }

    /// Its quality on rows; `None` where it cannot judge them: the whole judge looks at requests, of which masked rows
    /// and rows of a table of features have none.
    pub(super) fn measure(&self, rows: &Rows) -> Option<Metrics> {
        Some(match &self.means {
            Means::Model(model) => measure(model, &rows.data),
            Means::UserAgent => measure_by(|features| features.values()[1], &rows.data),
            Means::WholeJudge => whole(rows.judged.as_deref()?, &rows.data),
        })
    }
}

/// Ranked by score, flagged by action.
fn whole(verdicts: &[Verdict], data: &Dataset) -> Metrics {
    let by =
        |number: fn(&Verdict) -> f32| measure_scored(&verdicts.iter().map(number).collect::<Vec<_>>(), data);
    let (mut metrics, acted) = (by(|verdict| verdict.probability), by(|verdict| verdict.acted));
    metrics.thresholds = acted.thresholds;
    for (origin, acted) in metrics.per_origin.iter_mut().zip(acted.per_origin) {
        origin.thresholds = acted.thresholds;
    }
    metrics
}
