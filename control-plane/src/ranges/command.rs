//! `sallyport ranges`: shows whose addresses are whose, and fetches what providers publish.

use std::collections::HashMap;
use std::io::IsTerminal as _;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use clap::Subcommand;
use console::{Alignment, style};
use indicatif::{ProgressBar, ProgressStyle};

use super::bundled::ATTRIBUTION;
use super::update::{Event, Report, Wanted, Watch, update};
use super::{Assembly, Provenance, is_datacenter};
use crate::clock::unix_ms;
use crate::config::Loaded;
use crate::fetch::Client;
use crate::table::Table;

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Fetch the lists that providers publish; a running control plane notices. Where one fails its old list stays.
    Update {
        /// Only these sources, enabled or not.
        #[arg(long, value_name = "NAME", num_args = 1..)]
        only: Vec<String>,
        /// Take lists that have shrunk by more than half.
        #[arg(long)]
        force: bool,
    },
    /// Show whose ranges there are, and the lists that can be fetched.
    Show,
    /// Tell whose an address is.
    Lookup {
        /// IPv4 or IPv6 address.
        ip: IpAddr,
    },
}

/// Carries it out.
///
/// # Errors
/// When an update fails as a whole or for any source; the message says how many.
pub async fn run(command: Command, loaded: &Loaded) -> anyhow::Result<()> {
    match command {
        Command::Update { only, force } => fetch(loaded, Wanted { only, force }).await,
        Command::Show => {
            print!("{}", shown(&loaded.ranges, width(), unix_ms()));
            Ok(())
        }
        Command::Lookup { ip } => {
            println!("{}", told(&loaded.ranges, ip));
            Ok(())
        }
    }
}

async fn fetch(loaded: &Loaded, wanted: Wanted) -> anyhow::Result<()> {
    let client = Client::new(&loaded.config.fetch)?;
    let inputs = &loaded.ranges.inputs;
    let count = if wanted.only.is_empty() {
        inputs.sources.iter().filter(|s| s.enabled).count()
    } else {
        wanted.only.len()
    };
    let bar = Bar::new(count);
    let reports = update(&client, inputs, &wanted, bar.watch()).await;
    bar.done();
    let reports = reports?;
    print!("{}", table(&reports, width()));
    let failed = reports.iter().filter(|report| report.error.is_some()).count();
    anyhow::ensure!(
        failed == 0,
        "{failed} of {} lists could not be fetched; what was there before stays",
        reports.len()
    );
    Ok(())
}

/// How far it is: a bar on a terminal, else a line for each source that is done.
struct Bar {
    bar: ProgressBar,
    /// Bytes of the lists that are under way.
    bytes: Arc<Mutex<HashMap<String, u64>>>,
}

impl Bar {
    fn new(sources: usize) -> Self {
        let bytes = Arc::default();
        if !std::io::stderr().is_terminal() {
            return Self { bar: ProgressBar::hidden(), bytes };
        }
        let bar = ProgressBar::new(sources as u64);
        if let Ok(style) = ProgressStyle::with_template("fetching {bar:32} {pos}/{len}  {elapsed}  {msg}") {
            bar.set_style(style.progress_chars("━╸─"));
        }
        bar.enable_steady_tick(Duration::from_millis(250));
        Self { bar, bytes }
    }

    fn watch(&self) -> Watch {
        let (bar, bytes) = (self.bar.clone(), Arc::clone(&self.bytes));
        Arc::new(move |source: &str, event: Event| {
            let mut bytes = bytes.lock().unwrap_or_else(PoisonError::into_inner);
            let line = match event {
                Event::Bytes(count) => {
                    bytes.insert(source.to_owned(), count);
                    bar.set_message(format!("{:.1} MiB", bytes.values().sum::<u64>() as f64 / 1_048_576.0));
                    return;
                }
                Event::Fetched { ranges } => format!("{source}: {ranges} ranges"),
                Event::Unchanged => format!("{source}: unchanged"),
                Event::Failed(error) => format!("{source}: failed: {error}"),
            };
            bar.inc(1);
            if bar.is_hidden() {
                eprintln!("{line}");
            }
        })
    }

    fn done(&self) {
        self.bar.finish_and_clear();
    }
}

fn width() -> usize {
    if std::io::stdout().is_terminal() { usize::from(console::Term::stdout().size().1) } else { 200 }
}

fn head(line: &str) -> String {
    style(line).bold().to_string()
}

/// What came of each source.
fn table(reports: &[Report], width: usize) -> String {
    use Alignment::{Left, Right};
    let mut table = Table::new([Left, Left, Right, Right, Left]);
    table.row(["source", "outcome", "ranges", "before", ""].map(str::to_owned));
    for report in reports {
        let count = |count: Option<usize>| count.map_or_else(String::new, |count| count.to_string());
        let remarks = [("cleared host bits of", report.cleared), ("left out duplicates:", report.duplicates)];
        let remarks =
            remarks.iter().filter(|(_, count)| *count > 0).map(|(what, count)| format!("{what} {count}"));
        let remark = report.error.clone().unwrap_or_else(|| remarks.collect::<Vec<_>>().join(", "));
        table.row([
            report.source.clone(),
            report.outcome.to_owned(),
            count(report.ranges),
            count(report.before),
            remark,
        ]);
    }
    table.render(width, head)
}

/// Providers and sources.
fn shown(assembly: &Assembly, width: usize, now_ms: u64) -> String {
    use Alignment::{Left, Right};
    let mut providers = Table::new([Left, Left, Right, Left, Right]);
    providers.row(["provider", "kind", "ranges", "from", "age"].map(str::to_owned));
    for origin in &assembly.providers {
        let from = match origin.from {
            Provenance::Bundled => "bundled",
            Provenance::Fetched => "fetched",
            Provenance::File => "file",
        };
        let age = if origin.as_of_ms == 0 { String::new() } else { age(origin.as_of_ms, now_ms) };
        let (name, kind) = (origin.provider.name.clone(), origin.provider.kind.name().to_owned());
        providers.row([name, kind, origin.ranges.to_string(), from.to_owned(), age]);
    }
    let mut sources = Table::new([Left, Left, Right, Right, Left]);
    sources.row(["source", "", "ranges", "age", "where, or what went wrong"].map(str::to_owned));
    for (source, state) in assembly.inputs.sources.iter().zip(&assembly.states) {
        let on = if source.enabled { "on" } else { "off" };
        let ranges = state.ranges.map_or_else(String::new, |ranges| ranges.to_string());
        let age = state.fetched_ms.map_or_else(String::new, |ms| age(ms, now_ms));
        let last = state.error.clone().unwrap_or_else(|| source.shown_url().to_owned());
        sources.row([source.name.clone(), on.to_owned(), ranges, age, last]);
    }
    let attribution = if assembly.inputs.bundled { format!("\n  {ATTRIBUTION}.\n") } else { String::new() };
    let total = format!("\n  {} ranges\n\n", assembly.nets.len());
    providers.render(width, head) + &total + &sources.render(width, head) + &attribution
}

/// How long ago, in the largest unit that fits.
fn age(then_ms: u64, now_ms: u64) -> String {
    let minutes = now_ms.saturating_sub(then_ms) / 60_000;
    match minutes {
        0..120 => format!("{minutes} min"),
        120..2880 => format!("{} h", minutes / 60),
        _ => format!("{} d", minutes / 1440),
    }
}

fn told(assembly: &Assembly, ip: IpAddr) -> String {
    let ip = ip.to_canonical();
    match assembly.find(ip) {
        None => format!("{ip}\tin no range"),
        Some((net, origin)) => {
            let datacenter = if is_datacenter(origin.provider.kind) { "datacenter" } else { "no datacenter" };
            format!("{ip}\t{}\t{}\t{net}\t{datacenter}", origin.provider.name, origin.provider.kind.name())
        }
    }
}
