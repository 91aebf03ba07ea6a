//! `model:` — how models are trained, how they learn, and when they take turns by themselves.

use sallyport_core::ModelKind;
use serde::Deserialize;

use crate::training::Settings;

/// Models. Takes effect when the file changes.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ModelConfig {
    /// What is trained: `neural`, `random_forest` or `gradient_boosting`. Default: neural.
    pub kind: ModelKind,
    /// Whether a feature that looks more like a bot may never lower the score; for `neural`. Default: true.
    pub monotone: bool,
    /// How `POST /train` and `sallyport train` train where nothing else is asked for.
    pub train: TrainConfig,
    /// Learning from each piece of feedback.
    pub online: OnlineConfig,
    /// Whether the checkpoint in shadow is promoted by itself once it has shown to be better. Default: false.
    pub auto_promote: bool,
    /// Whether a promotion is undone by itself once feedback shows it to be worse. Default: false.
    pub auto_rollback: bool,
    /// Checkpoints of each source (training, learning, import) that are kept; what judges, looks on, or was promoted
    /// by hand stays besides. Default: 100.
    pub keep_checkpoints: u32,
}

/// Training.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TrainConfig {
    /// Passes over the rows, 1 to 1000. Default: 8.
    pub epochs: u32,
    /// Rows per step, 2 to 65536. Default: 256.
    pub batch_size: u32,
    /// Starts every choice left to chance. Default: 7.
    pub seed: u64,
    /// How much simulated traffic `POST /train` learns from besides feedback: 1 is about 120,000 requests, 0 none.
    /// Default: 1.
    pub simulated: f32,
    /// Share of all weight that simulated traffic has beside feedback, between 0 and 1. Default: 0.3.
    pub simulated_share: f32,
}

/// Learning online.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct OnlineConfig {
    /// Whether it learns. Default: true.
    pub enabled: bool,
    /// Least time between two publications of what was learnt, in seconds. Default: 5.
    pub publish_interval_s: u32,
}

impl Default for ModelConfig {
    fn default() -> Self {
        Self {
            kind: ModelKind::Neural,
            monotone: true,
            train: TrainConfig::default(),
            online: OnlineConfig::default(),
            auto_promote: false,
            auto_rollback: false,
            keep_checkpoints: 100,
        }
    }
}

impl Default for TrainConfig {
    fn default() -> Self {
        let Settings { epochs, batch_size, seed, .. } = Settings::default();
        Self { epochs, batch_size, seed, simulated: 1.0, simulated_share: 0.3 }
    }
}

impl Default for OnlineConfig {
    fn default() -> Self {
        Self { enabled: true, publish_interval_s: 5 }
    }
}

impl ModelConfig {
    pub(super) fn problems(&self) -> Vec<(&'static str, String)> {
        let checks = [
            ("model.train.epochs", self.train.epochs, 1..=1000),
            ("model.train.batch_size", self.train.batch_size, 2..=65_536),
            ("model.online.publish_interval_s", self.online.publish_interval_s, 1..=3600),
            ("model.keep_checkpoints", self.keep_checkpoints, 1..=10_000),
        ];
        let mut problems: Vec<_> = checks
            .into_iter()
            .filter(|(_, value, range)| !range.contains(value))
            .map(|(key, value, range)| (key, format!("{value}: write {} to {}", range.start(), range.end())))
            .collect();
        if !(0.0..=10.0).contains(&self.train.simulated) {
            problems.push(("model.train.simulated", format!("{}: write 0 to 10", self.train.simulated)));
        }
        if !(self.train.simulated_share > 0.0 && self.train.simulated_share < 1.0) {
            let message = format!("{}: write a number between 0 and 1", self.train.simulated_share);
            problems.push(("model.train.simulated_share", message));
        }
        problems
    }
}
