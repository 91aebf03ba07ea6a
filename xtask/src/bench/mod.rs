//! `cargo xtask bench`: what the filter costs a request, beside Envoy alone and Envoy's own ways of asking;
//! what `/check` can take; how large the filter is; and how fast the model is and learns. Alternating rounds, so
//! that whatever else the machine does falls on all; medians with their spread; saved under `bench-results/`.

mod check;
mod contest;
mod criterion;
mod fleet;
mod load;
mod machine;
mod model;
mod ranges;
mod report;
mod servers;

use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};
use serde_json::{Value, json};
use xtask::tools;
use xtask::workspace::{release_programs, root};

use self::servers::Programs;
use crate::wasm;

/// The parts of the benchmark.
#[derive(Clone, Copy, PartialEq, clap::ValueEnum)]
enum Part {
    /// The filter in Envoy beside Envoy's own ways, and the throughput of /check; needs wrk
    Gate,
    /// How exact limits are that replicas share, and what waits while lists change; needs wrk and redis-server
    Fleet,
    /// Training beside PyTorch, inference natively and in V8, online updates, /check beside a training job; needs wrk
    Model,
}

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Only this part
    part: Option<Part>,
    /// Rounds; every contestant runs once in each
    #[arg(long, default_value_t = 5)]
    rounds: u32,
    /// Seconds of load per contestant and round
    #[arg(long, default_value_t = 8)]
    seconds: u32,
    /// Measure this build of the filter instead of a fresh one
    #[arg(long)]
    filter: Option<PathBuf>,
    /// Compare with another build: a folder with its `sallyport` and `sallyport.wasm`
    #[arg(long, value_name = "FOLDER")]
    against: Option<PathBuf>,
    /// Only contestants whose names contain this, besides bare and ext_authz
    #[arg(long, default_value = "")]
    only: String,
    /// Leave out the criterion benchmark of the decision itself
    #[arg(long)]
    no_core: bool,
    #[command(flatten)]
    rows: model::Rows,
}

/// Builds in release, measures, prints, saves.
pub(crate) fn run(args: &Args) -> Result<()> {
    let mut result = json!({ "rounds": args.rounds, "seconds": args.seconds });
    let mut envoy = None;
    let is_asked = |part| args.part.is_none_or(|asked| asked == part);
    if is_asked(Part::Gate) || is_asked(Part::Fleet) {
        let programs = build(args.filter.as_deref())?;
        if is_asked(Part::Gate) {
            measure_gate(args, &programs, &mut result)?;
        }
        if is_asked(Part::Fleet) {
            let measured = fleet::run(&programs, args.seconds)?;
            println!("{}", measured.table());
            result["fleet"] = measured.to_json();
        }
        envoy = Some(programs.envoy);
    }
    if is_asked(Part::Model) {
        let release = release_programs()?;
        let measured = model::run(args, &release.join("sallyport"), &tools::wrk()?)?;
        println!("{}", measured.table());
        result["model"] = measured.to_json();
    }
    result["machine"] = machine::describe(envoy.as_deref());
    save(&mut result)
}

/// The contestants of a round, forth and back by turns: what one leaves behind falls on both of its neighbours.
fn in_turns<T>(round: u32, contestants: impl IntoIterator<Item = T>) -> Vec<T> {
    let mut contestants: Vec<T> = contestants.into_iter().collect();
    if round % 2 == 1 {
        contestants.reverse();
    }
    contestants
}

fn measure_gate(args: &Args, programs: &Programs, result: &mut Value) -> Result<()> {
    let filter_bytes = std::fs::metadata(&programs.filter)?.len();
    let other = args.against.as_deref().map(|folder| programs.of(folder)).transpose()?;
    let contest = contest::run(programs, other.as_ref(), (&args.only, args.rounds, args.seconds))?;
    let checks = check::run(programs, other.as_ref(), (args.rounds, args.seconds))?;
    println!("{}", report::table(&contest, &checks, filter_bytes));
    let mut decision = Vec::new();
    if !args.no_core {
        decision = criterion::run("sallyport-core", "decision", "")?;
        decision.extend(criterion::run("sallyport-core", "ranges", "")?);
    }
    decision.iter().for_each(|line| println!("{line}"));
    result["filter_bytes"] = json!(filter_bytes);
    result["contest"] = contest.iter().map(contest::Contestant::to_json).collect();
    result["check"] = checks.iter().map(check::Check::to_json).collect();
    result["decision"] = json!(decision);
    Ok(())
}

/// Writes `bench-results/{unix time}.json`.
fn save(result: &mut Value) -> Result<()> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).context("the clock is before 1970")?.as_secs();
    result["unix_time_s"] = json!(now);
    let folder = root().join("bench-results");
    std::fs::create_dir_all(&folder)?;
    std::fs::write(folder.join(format!("{now}.json")), serde_json::to_string_pretty(result)?)?;
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
        redis: tools::redis_server()?,
        filter,
        control_plane: release.join("sallyport"),
        site: release.join("sample-site"),
        authz: release.join("trivial-authz"),
    })
}
