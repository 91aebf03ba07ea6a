//! Training beside the same network in PyTorch, on the same rows, in alternating runs.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use xtask::tools;
use xtask::workspace::{root, shown};

use super::rows;
use crate::bench::report::Spread;

/// The rows of a set as large as the smaller one of the comparison; larger sets run less often, in proportion.
const SMALL: u32 = 10_000;
const LARGE: u32 = 100_000;
const TEST: u32 = 20_000;
const EPOCHS: &str = "10";
const BATCH: &str = "32";

/// Who trains.
#[derive(Clone, Copy, PartialEq)]
enum Trainer {
    PyTorch,
    /// The same network.
    Sallyport,
    /// The network that only ever rises with its features: what ships.
    Monotone,
}

/// One run.
struct Run {
    /// Of training alone: no start-up, no reading of files.
    seconds: f64,
    roc_auc: f64,
}

/// All runs on one set of rows.
pub(crate) struct Training {
    file: String,
    rows: u32,
    /// None where no Python has PyTorch.
    pytorch: Option<Vec<Run>>,
    sallyport: Vec<Run>,
    monotone: Vec<Run>,
}

/// Trains on each file and tests on `test`; on rows of its own where no files are given.
pub(crate) fn run(
    program: &Path,
    files: &[PathBuf],
    test: Option<&Path>,
    rounds: u32,
    folder: &Path,
) -> Result<Vec<Training>> {
    let python = tools::python_with_torch();
    if python.is_none() {
        eprintln!(
            "xtask: no PyTorch to compare with: set SALLYPORT_PYTHON to a Python that can import torch"
        );
    }
    let (files, test) = match (files, test) {
        ([], None) => own_rows(folder)?,
        (files, Some(test)) if !files.is_empty() => (files.to_vec(), test.to_path_buf()),
        _ => anyhow::bail!("--train-csv and --test-csv belong together: give both or neither"),
    };
    files.iter().map(|file| compare(program, python.as_deref(), file, &test, rounds, folder)).collect()
}

fn own_rows(folder: &Path) -> Result<(Vec<PathBuf>, PathBuf)> {
    let sets = [("train-10k.csv", SMALL, 1), ("train-100k.csv", LARGE, 1), ("test-20k.csv", TEST, 2)];
    let [small, large, test] = sets.map(|(name, count, seed)| {
        let file = folder.join(name);
        rows::write(&file, count, seed).map(|()| file)
    });
    Ok((vec![small?, large?], test?))
}

fn compare(
    program: &Path,
    python: Option<&Path>,
    file: &Path,
    test: &Path,
    rounds: u32,
    folder: &Path,
) -> Result<Training> {
    let text = std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    let rows = u32::try_from(text.lines().count().saturating_sub(1))?;
    let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let runs = (rounds * SMALL / rows.max(1)).clamp(1, rounds);
    let mut training = Training {
        file: name,
        rows,
        pytorch: python.map(|_| Vec::new()),
        sallyport: Vec::new(),
        monotone: Vec::new(),
    };
    for round in 1..=runs {
        for trainer in [Trainer::PyTorch, Trainer::Sallyport, Trainer::Monotone] {
            let command = match (trainer, python) {
                (Trainer::PyTorch, None) => continue,
                (Trainer::PyTorch, Some(python)) => reference(python, file, test),
                _ => ours(program, file, test, trainer, folder),
            };
            let run = said(command)?;
            eprintln!(
                "xtask: round {round} {} {:<20} {:>8.3} s  ROC-AUC {:.4}",
                training.file,
                trainer.name(),
                run.seconds,
                run.roc_auc
            );
            match (trainer, &mut training.pytorch) {
                (Trainer::PyTorch, Some(runs)) => runs.push(run),
                (Trainer::PyTorch, None) => {}
                (Trainer::Sallyport, _) => training.sallyport.push(run),
                (Trainer::Monotone, _) => training.monotone.push(run),
            }
        }
    }
    Ok(training)
}

fn reference(python: &Path, file: &Path, test: &Path) -> Command {
    let mut command = Command::new(python);
    command.arg(root().join("control-plane/training/reference.py")).arg("time");
    // On one thread: the network is far too small for more, and PyTorch is slower with them.
    command.args(["--epochs", EPOCHS, "--batch-size", BATCH]);
    command.arg("--csv").arg(file).arg("--test").arg(test);
    command
}

fn ours(program: &Path, file: &Path, test: &Path, trainer: Trainer, folder: &Path) -> Command {
    let mut command = Command::new(program);
    command.arg("train").arg("--csv").arg(file).arg("--test").arg(test);
    command.args(["--epochs", EPOCHS, "--batch-size", BATCH, "--json"]);
    command.arg("--out").arg(folder.join("trained.model")).current_dir(folder);
    command.arg(if trainer == Trainer::Monotone { "--monotone" } else { "--unconstrained" });
    command
}

/// Runs it; it prints one JSON object with `seconds` and `roc_auc`.
fn said(mut command: Command) -> Result<Run> {
    let shown = shown(&command);
    let output = command.output().with_context(|| format!("cannot start `{shown}`"))?;
    let text = String::from_utf8_lossy(&output.stdout);
    ensure!(output.status.success(), "`{shown}`: {text}{}", String::from_utf8_lossy(&output.stderr));
    let value: Value = serde_json::from_str(&text).with_context(|| format!("`{shown}` said {text}"))?;
    let number = |key: &str| value[key].as_f64().with_context(|| format!("`{shown}` said no {key}: {text}"));
    Ok(Run { seconds: number("seconds")?, roc_auc: number("roc_auc")? })
}

impl Trainer {
    fn name(self) -> &'static str {
        match self {
            Self::PyTorch => "PyTorch",
            Self::Sallyport => "Sallyport",
            Self::Monotone => "Sallyport, monotone",
        }
    }
}

impl Training {
    pub(crate) fn to_json(&self) -> Value {
        let runs = |runs: &[Run]| {
            let one = |run: &Run| json!({ "seconds": run.seconds, "roc_auc": run.roc_auc });
            runs.iter().map(one).collect::<Vec<_>>()
        };
        json!({
            "file": self.file,
            "rows": self.rows,
            "pytorch": self.pytorch.as_deref().map(runs),
            "sallyport": runs(&self.sallyport),
            "monotone": runs(&self.monotone),
        })
    }

    /// Lines of a Markdown table: rows, who, seconds, ROC-AUC, how many times as fast as PyTorch.
    pub(crate) fn lines(&self) -> String {
        let pytorch = self.pytorch.as_deref();
        let runs = [
            (Trainer::PyTorch, pytorch.unwrap_or_default()),
            (Trainer::Sallyport, &self.sallyport),
            (Trainer::Monotone, &self.monotone),
        ];
        let told = runs.into_iter().filter(|(_, runs)| !runs.is_empty());
        told.map(|(trainer, runs)| {
            let faster = pytorch.map_or_else(String::new, |pytorch| {
                let rounds = runs.iter().zip(pytorch);
                Spread::of(rounds.map(|(run, pytorch)| pytorch.seconds / run.seconds)).show(1)
            });
            format!(
                "| {} | {} | {} | {} | {faster} |\n",
                self.rows,
                trainer.name(),
                Spread::of(runs.iter().map(|run| run.seconds)).show(3),
                Spread::of(runs.iter().map(|run| run.roc_auc)).show(4),
            )
        })
        .collect()
    }
}
