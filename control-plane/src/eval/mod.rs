//! `sallyport eval`: networks, forest, boosting, user-agent rules and stored models, measured on the same rows.
//!
//! [`sources`] reads the rows, [`rows`] splits and masks them, [`contestants`] judge, [`report`] shows what was measured.
//! Simulated rows are told by [`sites`], too, the worst first: a mean hides the site whose visitors are refused.
//! The rows judged are of clients that no contestant trained here has seen.

mod args;
mod contestants;
mod report;
mod rows;
mod sites;
mod sources;
mod stored;
#[cfg(test)]
mod tests;

use std::io::{self, IsTerminal as _, Write as _};

use anyhow::ensure;
use indicatif::{ProgressBar, ProgressStyle};
use sallyport_core::{Engine, Model, PolicyConfig, Ranges};

pub use args::Args;
use contestants::Contestant;
pub use contestants::Kind;
use report::{Outcome, Standing, View};
use rows::{Mask, Rows};
use sources::Sources;

use crate::config::Config;
use crate::training::{Dataset, Parts, Settings};

/// Trains, judges, measures and shows.
///
/// # Errors
/// If a source cannot be read, nothing can be learned from it, or there is nothing to judge.
pub fn run(args: &Args, config: Config, ranges: Ranges) -> anyhow::Result<()> {
    let outcome = measure(args, config, ranges)?;
    let text = match args.json {
        true => serde_json::to_string_pretty(&outcome)? + "\n",
        false => outcome.text(args.by_origin),
    };
    match io::stdout().lock().write_all(text.as_bytes()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(()),
    }
}

fn measure(args: &Args, config: Config, ranges: Ranges) -> anyhow::Result<Outcome> {
    args.check()?;
    let mask = Mask::new(&args.mask)?;
    let stored = stored::models(&args.model, &config.store)?;
    let engine = engine(stored.first(), config.policy, ranges)?;
    let (train, test) = rows(args, &engine)?;
    ensure!(!test.data.is_empty(), "there are no labelled rows to judge");
    let mut contestants = trained(args, &train)?;
    contestants.push(Contestant::user_agent_rules());
    contestants.push(Contestant::whole_judge(stored.first()));
    contestants.extend(stored);
    Ok(Outcome {
        trained_on: (!args.kinds().is_empty()).then_some(train.len()),
        judged: test.data.len(),
        clients: test.data.group_sizes().len(),
        views: views(&contestants, &test, &mask),
    })
}

/// The whole judge: the first stored model, else the built-in one, under the policy.
fn engine(stored: Option<&Contestant>, policy: PolicyConfig, ranges: Ranges) -> anyhow::Result<Engine> {
    let model = match stored.and_then(Contestant::model) {
        Some(model) => model.clone(),
        None => Model::built_in()?,
    };
    crate::training::sources::engine(model, policy, ranges)
}

/// What is trained on, and what is judged. Where nothing is trained, everything is judged.
fn rows(args: &Args, engine: &Engine) -> anyhow::Result<(Dataset, Rows)> {
    let first = Sources::first(args).read(args, engine)?;
    if args.kinds().is_empty() {
        Ok((Dataset::new(), first))
    } else if args.has_test() {
        Ok((first.data, Sources::test(args).read(args, engine)?))
    } else {
        Ok(first.split(args.held_out, args.seed))
    }
}

/// The contestants that are trained here, all on the same parts of the rows.
fn trained(args: &Args, train: &Dataset) -> anyhow::Result<Vec<Contestant>> {
    // Tables of features are compared as other programs would: no clients to weigh, no user agents to mask.
    let recipe = if args.is_table() { Settings::plain() } else { Settings::default() };
    let mut settings = Settings { seed: args.seed, ..recipe };
    settings.epochs = args.epochs.unwrap_or(settings.epochs);
    settings.batch_size = args.batch_size.unwrap_or(settings.batch_size);
    let kinds = args.kinds();
    if kinds.is_empty() {
        return Ok(Vec::new());
    }
    let parts = Parts::without_test(train.clone(), &settings);
    let bar = bar(kinds.len() as u64);
    let train = |(index, kind): (usize, &Kind)| {
        let step = |share: f64| bar.set_position(index as u64 * PER_KIND + (share * PER_KIND as f64) as u64);
        Contestant::trained(*kind, &parts, &settings, step)
    };
    let trained = kinds.iter().enumerate().map(train).collect();
    bar.finish_and_clear();
    trained
}

/// Positions of the bar for each model.
const PER_KIND: u64 = 1000;

fn bar(kinds: u64) -> ProgressBar {
    if !io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new(kinds * PER_KIND);
    if let Ok(style) = ProgressStyle::with_template("training {bar:32} {percent:>3} %  {eta} left") {
        bar.set_style(style.progress_chars("━╸─"));
    }
    bar
}

/// The rows as they are, and masked where that is asked for.
fn views(contestants: &[Contestant], test: &Rows, mask: &Mask) -> Vec<View> {
    let view = |masked: Vec<&'static str>, rows: &Rows| View {
        masked,
        standings: contestants
            .iter()
            .filter_map(|contestant| {
                let metrics = contestant.measure(rows)?;
                Some(Standing {
                    name: contestant.name.clone(),
                    seconds: contestant.seconds,
                    metrics,
                    sites: sites::figures(contestant, rows),
                })
            })
            .collect(),
    };
    let mut views = vec![view(Vec::new(), test)];
    if !mask.is_empty() {
        views.push(view(mask.names(), &test.masked(mask)));
    }
    views
}
