//! What `sallyport train` says of the model it made.

use std::fmt::Write as _;
use std::path::PathBuf;

use sallyport_core::ModelKind;
use serde::Serialize;

use crate::training::drift::FeatureHistograms;
use crate::training::metrics::Metrics;
use crate::training::{DataSummary, Settings, Trained};

/// Where the model went.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Kept {
    /// Into the database, under this number.
    Checkpoint(i64),
    /// The same, and it judges.
    Promoted(i64),
    /// Into a file.
    File(PathBuf),
}

/// What was learned, from what, how, and how well.
#[derive(Serialize)]
pub(super) struct Report<'a> {
    kind: ModelKind,
    /// The checkpoint's number, if it became one.
    checkpoint: Option<i64>,
    /// Time of training alone, seconds.
    seconds: f64,
    epochs_run: u32,
    #[serde(flatten)]
    metrics: &'a Metrics,
    settings: &'a Settings,
    data: &'a DataSummary,
    histograms: &'a FeatureHistograms,
    #[serde(skip)]
    kept: Kept,
}

impl<'a> Report<'a> {
    /// The report of a trained model.
    pub(super) fn of(trained: &'a Trained, kept: Kept) -> Self {
        let Trained { metrics, settings, data, histograms, seconds, epochs_run, model, .. } = trained;
        let checkpoint = match kept {
            Kept::Checkpoint(id) | Kept::Promoted(id) => Some(id),
            Kept::File(_) => None,
        };
        let (seconds, epochs_run) = (*seconds, *epochs_run);
        Self {
            kind: model.kind(),
            checkpoint,
            seconds,
            epochs_run,
            metrics,
            settings,
            data,
            histograms,
            kept,
        }
    }

    /// All of it.
    ///
    /// # Errors
    /// None that numbers and names could cause.
    pub(super) fn json(&self) -> anyhow::Result<String> {
        Ok(serde_json::to_string_pretty(self)? + "\n")
    }

    /// What people want to know.
    pub(super) fn text(&self) -> String {
        let mut text = String::new();
        // Writing to a string cannot fail.
        let _ = self.write(&mut text);
        text
    }

    fn write(&self, text: &mut String) -> std::fmt::Result {
        let Self { metrics, data, .. } = self;
        let what = match (self.kind, self.settings.monotone) {
            (ModelKind::Neural, true) => "a monotone network",
            (ModelKind::Neural, false) => "an unconstrained network",
            (ModelKind::RandomForest, _) => "a random forest",
            (ModelKind::GradientBoosting, _) => "gradient-boosted trees",
        };
        let epochs =
            if self.epochs_run > 0 { format!(", {} epochs", self.epochs_run) } else { String::new() };
        writeln!(text, "Trained {what} in {:.2} s{epochs}.", self.seconds)?;
        let rows = [("rows", data.rows), ("of bots", data.bots), ("clients", data.groups)];
        let rows: Vec<_> = rows.into_iter().map(|(name, count)| format!("{count} {name}")).collect();
        let origins = match data.origins.as_slice() {
            origins if origins.len() <= 6 => origins.join(", "),
            origins => format!("{}, … ({} in all)", origins[..5].join(", "), origins.len()),
        };
        writeln!(text, "  learned from   {}: {origins}", rows.join(", "))?;
        let on = if data.held_out {
            "rows of clients it never saw"
        } else {
            "the same rows: too few to hold any out"
        };
        writeln!(text, "  measured on    {} {on}", metrics.rows)?;
        for (name, value) in [
            ("ROC-AUC", metrics.roc_auc),
            ("  per client", metrics.client_roc_auc),
            ("PR-AUC", metrics.pr_auc),
            ("log loss", Some(metrics.log_loss)),
            ("Brier score", Some(metrics.brier)),
            ("calibration", Some(metrics.calibration_error)),
        ] {
            let value = value.map_or("unknown: one class only".to_owned(), |value| format!("{value:.4}"));
            writeln!(text, "  {name:<14} {value}")?;
        }
        for threshold in &metrics.thresholds {
            let share = |share: Option<f64>| {
                share.map_or("–".to_owned(), |share| format!("{:.2} %", 100.0 * share))
            };
            writeln!(
                text,
                "  score {:<8} {} of bots' requests; of people {} of requests, {} of clients",
                format!("≥ {}", threshold.score),
                share(threshold.recall),
                share(threshold.false_positive_rate),
                share(threshold.client_false_positive_rate),
            )?;
        }
        match &self.kept {
            Kept::Checkpoint(id) => {
                writeln!(text, "Checkpoint {id}; it judges after `sallyport model promote {id}`.")
            }
            Kept::Promoted(id) => writeln!(text, "Checkpoint {id}; it judges now."),
            Kept::File(path) => writeln!(text, "Written to {}.", path.display()),
        }
    }
}
