//! What replicas cost and how exact they are: one client far over its limit at two Envoys with two workers each, two
//! control planes and a Redis; and how long requests wait while 50,000 list entries reach the filter.

use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::check::start_redis;
use super::load::{self, Load};
use super::servers::{ControlPlane, Envoy, Programs, Scratch, Server, start_plain};

/// The client's limit.
const PER_SECOND: f64 = 50.0;
const BURST: u32 = 60;
/// Long enough to spend the burst and to settle.
const WARM_UP_S: u32 = 4;
/// Entries of the list that changes.
const ENTRIES: u32 = 50_000;
/// So often it changes while requests are timed.
const CHANGES: u32 = 2;
/// A change reaches the filter long before.
const ARRIVES: Duration = Duration::from_secs(20);

/// What was measured.
pub(crate) struct Fleet {
    /// Requests let through per second, of [`PER_SECOND`]: by one Envoy alone, by two that share.
    alone: f64,
    shared: f64,
    /// Requests on an idle machine but for them; and while the list changes.
    quiet: Load,
    changing: Load,
    /// Milliseconds from the command that adds the entries to the filter's having them, per change.
    arrived_ms: Vec<f64>,
}

impl Fleet {
    pub(crate) fn to_json(&self) -> Value {
        let load = |load: &Load| json!({ "per_second": load.per_second, "p99_us": load.p99_us, "p999_us": load.p999_us, "max_us": load.max_us });
        json!({
            "limit_per_second": PER_SECOND,
            "admitted_alone": self.alone,
            "admitted_shared": self.shared,
            "quiet": load(&self.quiet),
            "changing": load(&self.changing),
            "arrived_ms": self.arrived_ms,
        })
    }

    pub(crate) fn table(&self) -> String {
        let mut text = String::new();
        let off = |admitted: f64| 100.0 * (admitted / PER_SECOND - 1.0);
        // Writing into a String cannot fail.
        let _ = writeln!(
            text,
            "\nA limit of {PER_SECOND}/s: {:.2}/s ({:+.1} %) by one Envoy with two workers, {:.2}/s ({:+.1} %) by two \
             Envoys with two workers each, two control planes and Redis",
            self.alone,
            off(self.alone),
            self.shared,
            off(self.shared),
        );
        for (when, load) in [("alone", &self.quiet), ("while the list changes", &self.changing)] {
            let _ = writeln!(
                text,
                "Requests {when}: p99 {:.0} µs, p99.9 {:.0} µs, longest {:.0} µs, {} failed",
                load.p99_us, load.p999_us, load.max_us, load.failed
            );
        }
        let _ = writeln!(text, "{ENTRIES} list entries at the filter after {:.0?} ms", self.arrived_ms);
        text
    }
}

/// Runs both.
pub(crate) fn run(programs: &Programs, seconds: u32) -> Result<Fleet> {
    let scratch = Scratch::new()?;
    let site = start_plain(&programs.site, &["--quiet"], &scratch)?;
    let alone = admitted(programs, &scratch, &site, None, seconds)?;
    let (_redis, url) = start_redis(programs, &scratch)?;
    let shared = admitted(programs, &scratch, &site, Some(&url), seconds)?;
    let (quiet, changing, arrived_ms) = while_lists_change(programs, &scratch, &site, seconds)?;
    Ok(Fleet { alone, shared, quiet, changing, arrived_ms })
}

/// A gate of its own: control plane and Envoy.
fn gate(
    programs: &Programs,
    scratch: &Scratch,
    site: &Server,
    name: &str,
    (workers, redis): (u32, Option<&str>),
) -> Result<(ControlPlane, Envoy)> {
    let policy = json!({
        "enforcement": "enforce", "consult": "never",
        // Only the limit refuses.
        "thresholds": { "monitor": 100, "challenge": 100, "block": 100 },
        "rate_limit": {
            "address": { "per_second": 1e6, "burst": 1_000_000 },
            "client": { "per_second": PER_SECOND, "burst": BURST },
        },
    });
    let mut sections = json!({ "policy": policy });
    if let Some(url) = redis {
        sections["redis"] = json!({ "url": url });
    }
    let control = ControlPlane::start_with(&programs.control_plane, scratch, name, sections)?;
    let values = vec![
        ("ORIGIN_PORT", site.port.to_string()),
        ("API_PORT", control.server.port.to_string()),
        ("FILTER_WASM", programs.filter.display().to_string()),
        ("FILTER_TOKEN", control.filter_token.clone()),
    ];
    let mut envoy = Envoy::start_with_workers(programs, scratch, name, "sallyport", values, workers)?;
    envoy.wait_for_snapshot()?;
    Ok((control, envoy))
}

/// Requests per second that pass once the burst is spent: at one gate, or with a Redis at two together.
fn admitted(
    programs: &Programs,
    scratch: &Scratch,
    site: &Server,
    redis: Option<&str>,
    seconds: u32,
) -> Result<f64> {
    let names: &[&str] = if redis.is_some() { &["shared-1", "shared-2"] } else { &["alone"] };
    let gates = names.iter().map(|name| gate(programs, scratch, site, name, (2, redis)));
    let gates = gates.collect::<Result<Vec<_>>>()?;
    let at_all = |seconds| -> Result<f64> {
        std::thread::scope(|scope| {
            let runs: Vec<_> = gates
                .iter()
                .map(|(_, envoy)| {
                    scope.spawn(|| load::run(&programs.wrk, load::ONE, envoy.server.port, seconds, &[]))
                })
                .collect();
            let mut passed = 0.0;
            for run in runs {
                let load = run.join().ok().context("a run of wrk panicked")??;
                passed += (load.requests - load.failed) / (load.requests / load.per_second);
            }
            Ok(passed)
        })
    };
    at_all(WARM_UP_S)?;
    let passed = at_all(seconds.max(10))?;
    eprintln!("xtask: {} of {PER_SECOND}/s passed at {} gates", passed, gates.len());
    Ok(passed)
}

/// Latencies without and with changes, and how long each change took.
fn while_lists_change(
    programs: &Programs,
    scratch: &Scratch,
    site: &Server,
    seconds: u32,
) -> Result<(Load, Load, Vec<f64>)> {
    let (control, envoy) = gate(programs, scratch, site, "lists", (1, None))?;
    let files = scratch.folder("entries")?;
    let seconds = seconds.max(10);
    let time = || load::run(&programs.wrk, load::FEW_BROWSERS, envoy.server.port, seconds, &[]);
    // Tables fill first.
    time()?;
    let quiet = time()?;
    let (changing, arrived) = std::thread::scope(|scope| {
        let timed = scope.spawn(time);
        let changes = (0..CHANGES).map(|number| {
            let file = files.join(format!("{number}.txt"));
            let network = |entry: u32| format!("10.{number}.{}.{}\n", entry / 250, entry % 250);
            std::fs::write(&file, (0..ENTRIES).map(network).collect::<String>())?;
            change(programs, &control, &envoy, &file)
        });
        let arrived = changes.collect::<Result<Vec<_>>>();
        (timed.join(), arrived)
    });
    Ok((quiet, changing.ok().context("a run of wrk panicked")??, arrived?))
}

/// Denies the addresses of a file too; milliseconds until the filter has the snapshot.
fn change(programs: &Programs, control: &ControlPlane, envoy: &Envoy, file: &Path) -> Result<f64> {
    let version = || envoy.stat("wasmcustom.sallyport_snapshot_version");
    let before = version()?;
    let start = Instant::now();
    let mut command = Command::new(&programs.control_plane);
    command.arg("--config").arg(&control.config).args(["list", "add", "deny", "--force", "--file"]).arg(file);
    let output = command.output().context("cannot start sallyport")?;
    ensure!(output.status.success(), "sallyport list add: {}", String::from_utf8_lossy(&output.stderr));
    while version()? <= before {
        ensure!(start.elapsed() < ARRIVES, "the list entries did not reach the filter");
        std::thread::park_timeout(Duration::from_millis(10));
    }
    Ok(start.elapsed().as_secs_f64() * 1000.0)
}
