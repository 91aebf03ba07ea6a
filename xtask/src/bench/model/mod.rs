//! What concerns the model: how long training takes beside PyTorch, one evaluation natively and in V8, one update
//! while it runs, and what a training job costs those who ask `/check` meanwhile.

mod beside;
mod inference;
mod rows;
mod training;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use anyhow::Result;
use serde_json::{Value, json};

use self::beside::Beside;
use self::training::Training;
use super::report::Spread;
use super::servers::Scratch;
use super::{Args, criterion};

/// The rows to compare training on.
#[derive(clap::Args)]
pub(crate) struct Rows {
    /// Train on these rows, several times over; made-up ones where there are none. PyTorch is compared with where
    /// `$SALLYPORT_PYTHON` or `python3` can import torch
    #[arg(long, value_name = "FILE", requires = "test_csv")]
    train_csv: Vec<PathBuf>,
    /// The rows to test on
    #[arg(long, value_name = "FILE", requires = "train_csv")]
    test_csv: Option<PathBuf>,
}

/// Everything that was measured.
pub(crate) struct Measured {
    training: Vec<Training>,
    /// As criterion says it.
    native: Vec<String>,
    /// Microseconds.
    machine: Option<Vec<f64>>,
    beside: Beside,
}

/// Runs all of it.
pub(crate) fn run(args: &Args, program: &Path, wrk: &Path) -> Result<Measured> {
    let rows = &args.rows;
    let scratch = Scratch::new()?;
    let folder = scratch.folder("training")?;
    let training = training::run(program, &rows.train_csv, rows.test_csv.as_deref(), args.rounds, &folder)?;
    drop(scratch);
    let machine = inference::in_machine()?;
    let beside = beside::run(program, wrk, args.rounds, args.seconds)?;
    let mut native = criterion::run("sallyport-core", "decision", "log-odds|Shapley")?;
    native.extend(criterion::run("sallyport", "learning", "")?);
    Ok(Measured { training, native, machine, beside })
}

impl Measured {
    pub(crate) fn to_json(&self) -> Value {
        json!({
            "training": self.training.iter().map(Training::to_json).collect::<Vec<_>>(),
            "native": self.native,
            "machine_us": self.machine,
            "check_beside_training": self.beside.to_json(),
        })
    }

    /// The report, in Markdown.
    pub(crate) fn table(&self) -> String {
        let mut text = String::from(
            "\n| rows | 10 epochs, batch 32 | seconds | ROC-AUC | times as fast as PyTorch |\n|---|---|---|---|---|\n",
        );
        text.extend(self.training.iter().map(Training::lines));
        let machine = match &self.machine {
            Some(times) => format!("{} µs", Spread::of(times.iter().copied()).show(2)),
            None => "not measured, no Node".to_owned(),
        };
        // Writing into a String cannot fail.
        let _ = writeln!(text, "\nOne evaluation in V8: {machine}\n{}", self.beside.line());
        for line in &self.native {
            let _ = writeln!(text, "{line}");
        }
        text
    }
}
