//! `sallyport train`: a model from tables of features, access logs, simulated traffic and feedback.
//!
//! [`args`] says from what and how, [`report`] what was measured. The model becomes a checkpoint, which is promoted only if
//! asked, or a file.

mod args;
mod report;
#[cfg(test)]
mod tests;

use std::io::{self, IsTerminal as _, Write as _};
use std::ops::ControlFlow;
use std::path::Path;

use anyhow::Context as _;
use indicatif::{ProgressBar, ProgressStyle};
use sallyport_core::{Engine, Model};

pub use args::Args;
use report::{Kept, Report};

use crate::config::Loaded;
use crate::models::command::{BY, promote_by_hand, save};
use crate::models::training::{content, feedback};
use crate::simulate;
use crate::store::{CheckpointSource, SqliteStore};
use crate::training::recipe::mix;
use crate::training::sources::{self, csv, log, simulated, weak};
use crate::training::{Dataset, Parts, Progress, Settings, Trained, train, train_on};

/// Trains, keeps the model and says how good it is.
///
/// # Errors
/// If a source cannot be read, nothing can be learned from it, or the model cannot be kept.
pub async fn run(args: &Args, loaded: &Loaded) -> anyhow::Result<()> {
    args.check()?;
    let settings = args.settings(&loaded.config.model);
    let (data, test) = rows(args, &settings, loaded).await?;
    let trained = learn(data, test, &settings)?;
    let report = Report::of(&trained, keep(args, &trained, loaded).await?);
    let text = if args.json { report.json()? } else { report.text() };
    match io::stdout().lock().write_all(text.as_bytes()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(()),
    }
}

/// What to learn from, and what to measure on if that is given apart.
async fn rows(
    args: &Args,
    settings: &Settings,
    loaded: &Loaded,
) -> anyhow::Result<(Dataset, Option<Dataset>)> {
    let ranges = loaded.ranges.compile();
    let engine = sources::engine(Model::built_in()?, loaded.config.policy.clone(), ranges)?.refusing_nobody();
    let mut data = tables(&args.csv)?;
    for (index, path) in args.log.iter().enumerate() {
        data.append(match args.labels.get(index) {
            Some(labels) => log::rows(path, labels, args.column.as_deref(), &engine)?,
            None => weak::rows(path, &engine)?,
        });
    }
    if args.feedback {
        data.append(feedback(&SqliteStore::open(&loaded.config.store)?).await?);
    }
    if args.simulate {
        data = mix(data, simulation(args, &engine), args.simulated_share, settings);
    }
    let test = if args.test.is_empty() { None } else { Some(tables(&args.test)?) };
    Ok((data, test))
}

fn tables(files: &[impl AsRef<Path>]) -> anyhow::Result<Dataset> {
    let mut data = Dataset::new();
    for file in files {
        data.append(csv::read(file.as_ref())?);
    }
    Ok(data)
}

fn simulation(args: &Args, engine: &Engine) -> Dataset {
    let world = simulate::Settings { seed: args.world, scale: args.scale, ..simulate::Settings::default() };
    simulated::rows(&world, engine)
}

fn learn(data: Dataset, test: Option<Dataset>, settings: &Settings) -> anyhow::Result<Trained> {
    let bar = bar();
    let watch = &mut |progress: &Progress| {
        bar.set_length(u64::from(progress.epochs) * u64::from(progress.steps));
        bar.set_position(
            u64::from(progress.epoch - 1) * u64::from(progress.steps) + u64::from(progress.step),
        );
        bar.set_message(format!("loss {:.4}", progress.held_out_loss.unwrap_or(progress.loss)));
        ControlFlow::Continue(())
    };
    let trained = match test {
        Some(test) => {
            data.check()?;
            train_on(&Parts { test, ..Parts::without_test(data, settings) }, settings, watch)
        }
        None => train(&data, settings, watch),
    };
    bar.finish_and_clear();
    Ok(trained?)
}

fn bar() -> ProgressBar {
    if !io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new(1);
    if let Ok(style) = ProgressStyle::with_template("training {bar:32} {percent:>3} %  {eta} left  {msg}") {
        bar.set_style(style.progress_chars("━╸─"));
    }
    bar
}

async fn keep(args: &Args, trained: &Trained, loaded: &Loaded) -> anyhow::Result<Kept> {
    let kept = content(trained.clone(), CheckpointSource::Train, BY, &args.note);
    let Some(path) = &args.out else {
        let store = SqliteStore::open(&loaded.config.store)?;
        let id = save(&store, loaded, kept).await?;
        if !args.promote {
            return Ok(Kept::Checkpoint(id));
        }
        promote_by_hand(&store, loaded, id, "trained".to_owned()).await?;
        return Ok(Kept::Promoted(id));
    };
    let write = |path: &Path, bytes: &[u8]| {
        std::fs::write(path, bytes).with_context(|| format!("cannot write {}", path.display()))
    };
    write(path, &kept.model)?;
    let mut beside = path.clone().into_os_string();
    beside.push(".json");
    write(Path::new(&beside), Report::of(trained, Kept::File(path.clone())).json()?.as_bytes())?;
    Ok(Kept::File(path.clone()))
}
