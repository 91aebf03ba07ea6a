//! `cargo xtask bench`: what the filter costs a request, beside Envoy alone and Envoy's own ways of asking;
//! what `/check` can take; how large the filter is. Alternating rounds, so that whatever else the machine
//! does falls on all; medians with their spread; saved under `bench-results/`.

mod check;
mod contest;
mod load;
mod machine;
mod ranges;
mod report;
mod servers;

use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};
use serde_json::{Value, json};
use xtask::tools;
use xtask::workspace::{cargo, release_programs, root};

use self::servers::Programs;
use crate::wasm;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Rounds; every contestant runs once in each
    #[arg(long, default_value_t = 5)]
    rounds: u32,
    /// Seconds of load per contestant and round
    #[arg(long, default_value_t = 8)]
    seconds: u32,
    /// Measure this build of the filter instead of a fresh one
    #[arg(long)]
    filter: Option<PathBuf>,
    /// Only contestants whose names contain this, besides bare and ext_authz
    #[arg(long, default_value = "")]
    only: String,
    /// Leave out the criterion benchmark of the decision itself
    #[arg(long)]
    no_core: bool,
}

/// Builds in release, measures, prints, saves.
pub(crate) fn run(args: &Args) -> Result<()> {
    let programs = build(args.filter.as_deref())?;
    let folder = root().join("bench-results");
    std::fs::create_dir_all(&folder)?;
    let filter_bytes = std::fs::metadata(&programs.filter)?.len();

    let contest = contest::run(&programs, &args.only, args.rounds, args.seconds)?;
    let check = check::run(&programs, args.rounds, args.seconds)?;
    let table = report::table(&contest, &check, filter_bytes);
    println!("{table}");
    let decision = if args.no_core { Value::Null } else { core_bench()? };

    let now = SystemTime::now().duration_since(UNIX_EPOCH).context("the clock is before 1970")?.as_secs();
    let result = json!({
        "unix_time_s": now,
        "machine": machine::describe(&programs.envoy),
        "rounds": args.rounds,
        "seconds": args.seconds,
        "filter_bytes": filter_bytes,
        "contest": contest.iter().map(contest::Contestant::to_json).collect::<Vec<_>>(),
        "check": check.to_json(),
        "decision": decision,
    });
    let file = folder.join(format!("{now}.json"));
    std::fs::write(&file, serde_json::to_string_pretty(&result)?)?;
    println!("saved as bench-results/{now}.json");
    Ok(())
}

fn build(filter: Option<&Path>) -> Result<Programs> {
    let (envoy, wrk) = (tools::envoy()?, tools::wrk()?);
    let filter = match filter {
        Some(given) => std::path::absolute(given)?,
        None => wasm::build()?,
    };
    let release = release_programs()?;
    Ok(Programs {
        envoy,
        wrk,
        filter,
        control_plane: release.join("sallyport"),
        site: release.join("sample-site"),
        authz: release.join("trivial-authz"),
    })
}

/// The decision alone; criterion prints `name  time: [low median high]`.
fn core_bench() -> Result<Value> {
    let mut command = cargo();
    command.args(["bench", "--package", "sallyport-core"]);
    eprintln!("xtask: cargo bench --package sallyport-core");
    let output =
        command.stderr(std::process::Stdio::inherit()).output().context("cannot start cargo bench")?;
    anyhow::ensure!(output.status.success(), "cargo bench ended with {}", output.status);
    let text = String::from_utf8_lossy(&output.stdout);
    // A long name stands on a line of its own before its time.
    let mut name = "";
    let mut times = Vec::new();
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
        match line.find("time:") {
            Some(0) => times.push(format!("{name}  {line}")),
            Some(_) => times.push(line.to_owned()),
            None => name = line,
        }
    }
    for line in &times {
        println!("{line}");
    }
    Ok(json!(times))
}
