//! From the arguments to the output: reads, judges, counts, writes.

use std::io::{self, BufWriter, IsTerminal as _, Write as _};
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use sallyport_core::{Engine, HashKey, Model, Policy, PolicyConfig, Ranges, claimed_crawler};

use super::accuracy::{Measure, Report};
use super::format::KeyMap;
use super::judge::Judge;
use super::labels::Labels;
use super::progress::Progress;
use super::reader::{Read, Reading};
use super::summary::Style;
use super::tally::Tally;
use super::verify::Verification;
use super::{Args, decisions, html, reader, summary};
use crate::config::Loaded;
use crate::crawlers::CrawlerRanges;

/// The key of a replay: nothing that is keyed by it leaves the process but as a name within one output, and the
/// same log gives the same output every time.
const KEY: [u8; 16] = *b"sallyport replay";

/// What one run found, for the writers.
pub(super) struct Outcome {
    pub(super) files: Vec<String>,
    pub(super) tally: Tally,
    pub(super) accuracy: Vec<Report>,
    /// Lines judged at a later time than their own.
    pub(super) late: u64,
    /// Lines far ahead of those around them.
    pub(super) astray: u64,
    /// Requests of claimed crawlers that there was no time to verify.
    pub(super) unasked: u64,
    /// Client records dropped for lack of room.
    pub(super) forgotten: u64,
    /// The whole run and core's part in it, seconds.
    pub(super) seconds: f64,
    pub(super) core_seconds: f64,
}

/// Replays the logs under a configuration's policy and address ranges, and writes what was asked for.
///
/// # Errors
/// If a file cannot be read or written, its format is not known, or labels or weights are malformed. Broken lines
/// are counted, not fatal; a reader that closes the pipe ends the run quietly.
pub fn run(args: Args, loaded: Loaded) -> anyhow::Result<()> {
    match replay(&args, loaded) {
        Err(error) if is_closed_pipe(&error) => Ok(()),
        result => result,
    }
}

fn is_closed_pipe(error: &anyhow::Error) -> bool {
    error
        .chain()
        .filter_map(|cause| cause.downcast_ref::<io::Error>())
        .any(|e| e.kind() == io::ErrorKind::BrokenPipe)
}

fn replay(args: &Args, loaded: Loaded) -> anyhow::Result<()> {
    ensure!(
        args.labels.is_empty() || args.labels.len() == args.files.len(),
        "--labels must be given once for each log: {} given for {} logs",
        args.labels.len(),
        args.files.len(),
    );
    let started = Instant::now();
    let verify = |seconds: u32| {
        let ranges = CrawlerRanges::new(loaded.ranges.crawlers());
        Verification::new(&loaded.config.crawlers, ranges, Duration::from_secs(seconds.into()))
    };
    let verification = args.verify.map(verify).transpose()?;
    let mut replay = Replay {
        verification,
        judge: Judge::new(engine(args, loaded.config.policy, loaded.ranges.compile())?, args.max_clients),
        tally: Tally::new(args.max_clients),
        measure: None,
        reading: Reading {
            format: args.format,
            keys: KeyMap::new(&args.map),
            trusted_hops: args.trusted_hops,
        },
        progress: Progress::over(args.files.iter().map(AsRef::as_ref)),
        decisions: args.json.then(|| BufWriter::new(io::stdout().lock())),
    };
    for (index, file) in args.files.iter().enumerate() {
        let labels = args.labels.get(index).map(|path| Labels::read(path)).transpose()?;
        replay.file(args, file, labels.as_ref())?;
    }
    replay.progress.done();
    if let Some(mut decisions) = replay.decisions.take() {
        decisions.flush()?;
    }
    let outcome = Outcome {
        files: args.files.iter().map(|file| file.display().to_string()).collect(),
        accuracy: replay.measure.map(Measure::reports).unwrap_or_default(),
        late: replay.judge.late(),
        astray: replay.judge.astray(),
        unasked: replay.verification.as_ref().map_or(0, Verification::unasked),
        forgotten: replay.judge.forgotten(),
        core_seconds: replay.judge.busy().as_secs_f64(),
        seconds: started.elapsed().as_secs_f64(),
        tally: replay.tally,
    };
    if let Some(path) = &args.html {
        let page = html::page(&outcome)?;
        std::fs::write(path, page).with_context(|| format!("cannot write {}", path.display()))?;
    }
    show(args, &outcome)
}

/// The summary goes to standard output; beside `--json`, to the terminal only.
fn show(args: &Args, outcome: &Outcome) -> anyhow::Result<()> {
    if !args.json {
        let text = summary::text(outcome, &Style::of(&console::Term::stdout()));
        io::stdout().lock().write_all(text.as_bytes())?;
    } else if io::stderr().is_terminal() {
        eprint!("{}", summary::text(outcome, &Style::of(&console::Term::stderr())));
    } else if outcome.tally.broken > 0 {
        eprintln!("{} lines could not be judged", outcome.tally.broken);
    }
    Ok(())
}

fn engine(args: &Args, policy: PolicyConfig, ranges: Ranges) -> anyhow::Result<Engine> {
    let model = match &args.model {
        None => Model::built_in()?,
        Some(path) => {
            let bytes = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
            Model::from_bytes(&bytes).with_context(|| format!("{}", path.display()))?
        }
    };
    let policy = Policy::compile(policy).map_err(|problems| {
        let lines: Vec<_> = problems.iter().map(|p| format!("{}: {}", p.key, p.message)).collect();
        anyhow::anyhow!("the policy is invalid:\n{}", lines.join("\n"))
    })?;
    Ok(Engine::new(policy, model, ranges, HashKey::from_bytes(KEY), 0))
}

/// One run in progress.
struct Replay {
    verification: Option<Verification>,
    judge: Judge,
    tally: Tally,
    measure: Option<Measure>,
    reading: Reading,
    progress: Progress,
    decisions: Option<BufWriter<io::StdoutLock<'static>>>,
}

impl Replay {
    fn file(&mut self, args: &Args, path: &Path, labels: Option<&Labels>) -> anyhow::Result<()> {
        if let (Some(labels), None) = (labels, &self.measure) {
            self.measure = Some(Measure::new(&labels.columns));
        }
        let name = (args.files.len() > 1).then(|| path.display().to_string());
        let name = name.as_deref();
        let Self { verification, judge, tally, measure, reading, progress, decisions } = self;
        let lines = reader::read(path, reading, progress, |number, read| {
            let line = match read {
                Read::Request(line) => line,
                Read::Broken(why, bytes) => {
                    tally.broken_line(name, number, &why, bytes);
                    return Ok(());
                }
                Read::Unreadable(error) => {
                    tally.unreadable(name, number, &error);
                    return Ok(());
                }
            };
            let crawler = claimed_crawler(&line.user_agent);
            let verdict = match (verification.as_mut(), crawler, line.address) {
                (Some(verification), Some(crawler), Some(address)) if !line.by_name => {
                    verification.verdict(crawler, &line.user_agent, address)
                }
                _ => None,
            };
            let mut judged = judge.judge_known(&line, verdict);
            judged.claim = crawler.map(|crawler| (crawler, verdict));
            tally.judged(&line, &judged);
            if let (Some(measure), Some(labels)) = (measure.as_mut(), labels) {
                measure.add(labels, number, &judged);
            }
            match decisions {
                Some(out) => decisions::write(out, name, number, &line, &judged).map_err(Into::into),
                None => Ok(()),
            }
        })?;
        match (labels, lines) {
            (Some(labels), Some(lines)) => labels.belong_to(path, lines),
            _ => Ok(()),
        }
    }
}
