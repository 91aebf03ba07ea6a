//! What `sallyport eval` is asked: rows to train on, rows to judge, who is compared, what is shown.

use std::path::PathBuf;

use anyhow::ensure;

use super::contestants::Kind;

/// Rows to train on and to judge, who judges them, and what is shown.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// Rows of features: `rate,ua,endpoint,regularity,entropy,failed_login,burst,label`.
    #[arg(long, value_name = "FILE", help_heading = "Rows")]
    pub csv: Vec<PathBuf>,

    /// Access logs with labels, one --labels for each.
    #[arg(long, value_name = "FILE", help_heading = "Rows")]
    pub log: Vec<PathBuf>,

    /// Labels of the lines of a log: tab-separated, a header `line label …`, then `bot` or `human`.
    #[arg(long, value_name = "FILE", help_heading = "Rows")]
    pub labels: Vec<PathBuf>,

    /// Label the access logs by rules instead, as `sallyport train --weak-labels` does.
    #[arg(long, help_heading = "Rows", conflicts_with = "labels")]
    pub weak_labels: bool,

    /// Simulated traffic of all scenarios.
    #[arg(long, help_heading = "Rows")]
    pub simulate: bool,

    /// Train on all rows above and judge these rows of features.
    #[arg(long = "test", value_name = "FILE", help_heading = "Rows to judge, if not a part of the above")]
    pub test_csv: Vec<PathBuf>,

    /// Train on all rows above and judge these access logs.
    #[arg(long, value_name = "FILE", help_heading = "Rows to judge, if not a part of the above")]
    pub test_log: Vec<PathBuf>,

    /// Their labels.
    #[arg(long, value_name = "FILE", help_heading = "Rows to judge, if not a part of the above")]
    pub test_labels: Vec<PathBuf>,

    /// Train on all rows above and judge simulated traffic.
    #[arg(long, help_heading = "Rows to judge, if not a part of the above")]
    pub test_simulate: bool,

    /// Share of the clients that is held out to be judged where no other rows are.
    #[arg(long, value_name = "SHARE", default_value_t = 0.3, value_parser = share)]
    pub held_out: f32,

    /// The column of labels to go by; the first if not given.
    #[arg(long, value_name = "NAME")]
    pub column: Option<String>,

    /// The simulated world. Not the one that `train --simulate` learns from by default.
    #[arg(long, value_name = "N", default_value_t = 1001)]
    pub world: u64,

    /// How many simulated visitors: 1 is about 120,000 requests.
    #[arg(long, value_name = "X", default_value_t = 1.0, value_parser = crate::simulate::scale)]
    pub scale: f32,

    /// How much of all weight simulated rows have beside others in training.
    #[arg(long, value_name = "SHARE", default_value_t = 0.3, value_parser = share)]
    pub simulated_share: f32,

    /// A stored model: `builtin`, a checkpoint's number, or a file. Nothing is trained then unless --kind says so.
    #[arg(long, value_name = "MODEL")]
    pub model: Vec<String>,

    /// Train only this; may be given several times. All if neither this nor --model is given.
    #[arg(long, value_enum)]
    pub kind: Vec<Kind>,

    /// Starts split and training.
    #[arg(long, value_name = "N", default_value_t = 7)]
    pub seed: u64,

    /// Passes over the rows in training a network; by default as `sallyport train` does.
    #[arg(long, value_name = "N")]
    pub epochs: Option<u32>,

    /// Rows per training step of a network; by default as `sallyport train` does.
    #[arg(long, value_name = "N")]
    pub batch_size: Option<u32>,

    /// Judge the rows once more with this feature put to 0; may be given several times: then with all of them at 0.
    #[arg(long, value_name = "FEATURE")]
    pub mask: Vec<String>,

    /// Show each scenario and log on its own, too.
    #[arg(long)]
    pub by_origin: bool,

    /// Write everything that was measured to standard output, as JSON.
    #[arg(long)]
    pub json: bool,
}

impl Args {
    /// Who is trained.
    pub(super) fn kinds(&self) -> &[Kind] {
        if self.kind.is_empty() && self.model.is_empty() { &Kind::ALL } else { &self.kind }
    }

    /// Whether nothing but tables of features is trained on.
    pub(super) fn is_table(&self) -> bool {
        self.log.is_empty() && !self.simulate
    }

    /// Whether the rows to judge are given apart from those to train on.
    pub(super) fn has_test(&self) -> bool {
        !self.test_csv.is_empty() || !self.test_log.is_empty() || self.test_simulate
    }

    /// Refuses what does not go together.
    pub(super) fn check(&self) -> anyhow::Result<()> {
        ensure!(
            self.simulate || !self.csv.is_empty() || !self.log.is_empty(),
            "no rows: write --csv FILE, --log FILE --labels FILE, or --simulate"
        );
        for (log, labels, given, wanted) in [
            ("--log", "--labels", self.labels.len(), if self.weak_labels { 0 } else { self.log.len() }),
            ("--test-log", "--test-labels", self.test_labels.len(), self.test_log.len()),
        ] {
            ensure!(given == wanted, "{labels} must be given once for each {log}: {given} for {wanted} logs");
        }
        ensure!(
            !self.has_test() || !self.kinds().is_empty(),
            "nothing is trained, so give the rows to judge by --csv, --log or --simulate"
        );
        Ok(())
    }
}

fn share(text: &str) -> Result<f32, String> {
    match text.parse() {
        Ok(share) if share > 0.0 && share < 1.0 => Ok(share),
        _ => Err("write a number between 0 and 1, such as 0.3".to_owned()),
    }
}
