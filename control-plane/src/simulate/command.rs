//! `sallyport simulate`: writes simulated traffic as a log that `sallyport replay` reads.

use std::fs::File;
use std::io::{self, BufWriter, IsTerminal as _, Write};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use indicatif::{ProgressBar, ProgressStyle};
use sallyport_core::{Engine, HashKey, Model, Policy, PolicyConfig, Ranges};

use super::scenario::Scenario;
use super::{MOST_SCALE, Settings, census, output, requests};

/// After how many requests the bar moves.
const EVERY: u64 = 4096;

/// What to simulate, and where to write it.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// The same seed gives the same requests, on every platform.
    #[arg(long, value_name = "N", default_value_t = Settings::default().seed)]
    pub seed: u64,

    /// How many visitors: 1 is about 120,000 requests over all scenarios.
    #[arg(long, value_name = "X", default_value_t = 1.0, value_parser = scale)]
    pub scale: f32,

    /// Only this scenario; may be given several times. `--list` shows them.
    #[arg(long, value_name = "NAME", value_parser = scenario)]
    pub scenario: Vec<Scenario>,

    /// Show the scenarios and end.
    #[arg(long)]
    pub list: bool,

    /// Judge the traffic and show the mean features of each scenario and kind of site instead of writing it.
    #[arg(long)]
    pub census: bool,

    /// Write a label for each line, tab-separated, as `sallyport replay --labels` reads it.
    #[arg(long, value_name = "FILE")]
    pub labels: Option<PathBuf>,

    /// Write the log to this file; standard output if not given.
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
}

/// Writes the traffic, the list of scenarios or the census; the policy counts for the census only.
///
/// # Errors
/// If a file cannot be written or the policy is invalid; a reader that closes the pipe ends the run quietly.
pub fn run(args: &Args, policy: PolicyConfig, ranges: Ranges) -> anyhow::Result<()> {
    let settings = Settings {
        seed: args.seed,
        scale: args.scale,
        scenarios: args.scenario.clone(),
        ..Settings::default()
    };
    let text = if args.list {
        list()
    } else if args.census {
        let policy = Policy::compile(policy).map_err(|_| anyhow::anyhow!("the policy is invalid"))?;
        let key = HashKey::from_bytes(*b"sallyport census");
        census::count(&settings, &Engine::new(policy, Model::built_in()?, ranges, key, 0)).table()
    } else {
        return write(args, &settings).or_else(unless_pipe_closed);
    };
    io::stdout().lock().write_all(text.as_bytes()).map_err(Into::into).or_else(unless_pipe_closed)
}

fn unless_pipe_closed(error: anyhow::Error) -> anyhow::Result<()> {
    let closed = |cause: &io::Error| cause.kind() == io::ErrorKind::BrokenPipe;
    match error.chain().filter_map(|cause| cause.downcast_ref()).any(closed) {
        true => Ok(()),
        false => Err(error),
    }
}

fn list() -> String {
    let row = |scenario: Scenario| {
        let label = if scenario.is_bot() { "bot" } else { "human" };
        format!("{:<18} {label:<6} {}\n", scenario.name(), scenario.description())
    };
    Scenario::ALL.into_iter().map(row).collect()
}

fn write(args: &Args, settings: &Settings) -> anyhow::Result<()> {
    let mut out: Box<dyn Write> = match &args.out {
        Some(path) => Box::new(create(path)?),
        None => Box::new(BufWriter::new(io::stdout().lock())),
    };
    let mut labels = args.labels.as_deref().map(create).transpose()?;
    if let Some(labels) = &mut labels {
        labels.write_all(output::LABELS.as_bytes())?;
    }
    let bar = bar();
    for (number, request) in (1..).zip(requests(settings)) {
        output::request(&mut out, &request)?;
        if let Some(labels) = &mut labels {
            output::label(labels, number, &request)?;
        }
        if number.is_multiple_of(EVERY) {
            bar.set_position(number);
        }
    }
    bar.finish_and_clear();
    out.flush()?;
    labels.map_or(Ok(()), |mut labels| labels.flush())?;
    Ok(())
}

fn create(path: &Path) -> anyhow::Result<BufWriter<File>> {
    let file = File::create(path).with_context(|| format!("cannot write {}", path.display()))?;
    Ok(BufWriter::new(file))
}

/// How many requests were written so far; hidden unless standard error is a terminal.
fn bar() -> ProgressBar {
    if !io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new_spinner();
    if let Ok(style) = ProgressStyle::with_template("{spinner} {human_pos} requests  {per_sec}") {
        bar.set_style(style);
    }
    bar
}

pub(crate) fn scale(text: &str) -> Result<f32, String> {
    match text.parse() {
        Ok(scale) if scale > 0.0 && scale <= MOST_SCALE => Ok(scale),
        _ => Err(format!("write a number above 0 and up to {MOST_SCALE}, such as 0.5")),
    }
}

fn scenario(name: &str) -> Result<Scenario, String> {
    Scenario::from_name(name).ok_or_else(|| {
        let names: Vec<_> = Scenario::ALL.into_iter().map(Scenario::name).collect();
        format!("the scenarios are {}", names.join(", "))
    })
}
