//! What `sallyport train` is asked: where rows come from, how to learn, where the model goes.

use std::path::PathBuf;

use anyhow::ensure;
use sallyport_core::ModelKind;

use crate::config::ModelConfig;
use crate::models::training;
use crate::training::Settings;

/// Where rows come from, how to learn from them, and where the model goes.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// Rows of features: `rate,ua,endpoint,regularity,entropy,failed_login,burst,label`. Alone, they are learned from
    /// plainly: every row counts the same, nothing is masked, and the network is unconstrained unless --monotone.
    #[arg(long, value_name = "FILE", help_heading = "Rows")]
    pub csv: Vec<PathBuf>,

    /// Such rows to measure on; else a part of all clients is held out.
    #[arg(long, value_name = "FILE", help_heading = "Rows")]
    pub test: Vec<PathBuf>,

    /// Access logs, with one --labels for each or with --weak-labels.
    #[arg(long, value_name = "FILE", help_heading = "Rows")]
    pub log: Vec<PathBuf>,

    /// Labels of the lines of a log: tab-separated, a header `line label …`, then `bot` or `human`.
    #[arg(long, value_name = "FILE", help_heading = "Rows", conflicts_with = "weak_labels")]
    pub labels: Vec<PathBuf>,

    /// The column of labels to go by; the first if not given.
    #[arg(long, value_name = "NAME", help_heading = "Rows")]
    pub column: Option<String>,

    /// Label the clients of the logs by rules: bots are who say so or probe, people load pages with their assets, who is in
    /// doubt stays out.
    #[arg(long, requires = "log", help_heading = "Rows")]
    pub weak_labels: bool,

    /// Simulated traffic of all scenarios.
    #[arg(long, help_heading = "Rows")]
    pub simulate: bool,

    /// The simulated world.
    #[arg(long, value_name = "N", default_value_t = 7, help_heading = "Rows")]
    pub world: u64,

    /// How many simulated visitors: 1 is about 120,000 requests.
    #[arg(long, value_name = "X", default_value_t = 1.0, value_parser = crate::simulate::scale, help_heading = "Rows")]
    pub scale: f32,

    /// How much of all weight simulated rows have beside others.
    #[arg(long, value_name = "SHARE", default_value_t = 0.3, value_parser = share, help_heading = "Rows")]
    pub simulated_share: f32,

    /// The labels of the database, from `POST /feedback`.
    #[arg(long, help_heading = "Rows")]
    pub feedback: bool,

    /// What to train; else `model.kind` of the configuration.
    #[arg(long, value_parser = kind, help_heading = "Recipe")]
    pub kind: Option<ModelKind>,

    /// A network in which a feature that looks more like a bot never lowers the score; else as `model.monotone` says.
    #[arg(long, conflicts_with = "unconstrained", help_heading = "Recipe")]
    pub monotone: bool,

    /// A network without that promise.
    #[arg(long, help_heading = "Recipe")]
    pub unconstrained: bool,

    /// Passes over the rows, 1 to 1000.
    #[arg(long, value_name = "N", help_heading = "Recipe")]
    pub epochs: Option<u32>,

    /// Rows per step, 2 to 65536.
    #[arg(long, value_name = "N", help_heading = "Recipe")]
    pub batch_size: Option<u32>,

    /// The same rows and seed give the same model, byte for byte.
    #[arg(long, value_name = "N", help_heading = "Recipe")]
    pub seed: Option<u64>,

    /// Adam's step at the start.
    #[arg(long, value_name = "RATE", help_heading = "Recipe")]
    pub learning_rate: Option<f32>,

    /// Share of rows whose feature `user_agent` is hidden, so that behaviour must carry weight.
    #[arg(long, value_name = "SHARE", help_heading = "Recipe")]
    pub masked: Option<f32>,

    /// Epochs without a lower loss on held-out clients after which training stops; 0 never stops early.
    #[arg(long, value_name = "N", help_heading = "Recipe")]
    pub patience: Option<u32>,

    /// Calibrate for traffic with so many people's requests for each bot's.
    #[arg(long, value_name = "N", help_heading = "Recipe")]
    pub people_per_bot: Option<f32>,

    /// Share of clients held out for calibration, and as many again to measure on.
    #[arg(long, value_name = "SHARE", help_heading = "Recipe")]
    pub held_out: Option<f32>,

    /// Write the model to this file, and what was measured beside it as FILE.json, instead of storing a checkpoint.
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,

    /// Let the checkpoint judge at once.
    #[arg(long, conflicts_with = "out")]
    pub promote: bool,

    /// Anything that helps to tell the checkpoint from others.
    #[arg(long, value_name = "TEXT", default_value = "", conflicts_with = "out")]
    pub note: String,

    /// Write what was measured to standard output, as JSON.
    #[arg(long)]
    pub json: bool,
}

impl Args {
    /// Refuses what does not go together.
    pub(super) fn check(&self) -> anyhow::Result<()> {
        ensure!(
            self.simulate || self.feedback || !self.csv.is_empty() || !self.log.is_empty(),
            "no rows: write --csv FILE, --log FILE with --labels FILE or --weak-labels, --simulate or --feedback"
        );
        ensure!(
            self.weak_labels || self.labels.len() == self.log.len(),
            "--labels must be given once for each --log: {} for {} logs; or --weak-labels for all",
            self.labels.len(),
            self.log.len()
        );
        Ok(())
    }

    /// The recipe: that of the configuration, or the plain one for tables of features alone, with what is asked for here.
    pub(super) fn settings(&self, config: &ModelConfig) -> Settings {
        let configured = training::settings(config);
        let mut settings = if self.is_plain() {
            let held_out = if self.test.is_empty() { configured.held_out } else { 0.0 };
            Settings { kind: configured.kind, seed: configured.seed, held_out, ..Settings::plain() }
        } else {
            configured
        };
        if self.simulate {
            settings = settings.beside_simulation();
        }
        settings.monotone = self.monotone || (settings.monotone && !self.unconstrained);
        settings.kind = self.kind.unwrap_or(settings.kind);
        settings.epochs = self.epochs.unwrap_or(settings.epochs);
        settings.batch_size = self.batch_size.unwrap_or(settings.batch_size);
        settings.seed = self.seed.unwrap_or(settings.seed);
        settings.learning_rate = self.learning_rate.unwrap_or(settings.learning_rate);
        settings.masked = self.masked.unwrap_or(settings.masked);
        settings.patience = self.patience.unwrap_or(settings.patience);
        settings.people_per_bot = self.people_per_bot.or(settings.people_per_bot);
        settings.held_out = self.held_out.unwrap_or(settings.held_out);
        settings
    }

    /// Whether tables of features are all there is.
    fn is_plain(&self) -> bool {
        self.log.is_empty() && !self.simulate && !self.feedback
    }
}

fn share(text: &str) -> Result<f32, String> {
    match text.parse() {
        Ok(share) if share > 0.0 && share < 1.0 => Ok(share),
        _ => Err("write a number between 0 and 1, such as 0.3".to_owned()),
    }
}

fn kind(text: &str) -> Result<ModelKind, String> {
    let names = ModelKind::ALL.map(ModelKind::name).join(", ");
    ModelKind::from_name(text).ok_or_else(|| format!("write one of {names}"))
}
