//! `POST /check`, asked directly, with every decision going to SQLite; with state in memory and in Redis.

use std::net::TcpStream;
use std::process::Command;
use std::time::Duration;

use anyhow::Result;
use serde_json::{Value, json};
use xtask::child::Guarded;
use xtask::{http, ports};

use super::contest::Policy;
use super::load::{self, Load};
use super::machine::{cpu_us, rss_mib};
use super::servers::{ControlPlane, Programs, Scratch};

/// Far longer than a row waits before it is written.
const SETTLE: Duration = Duration::from_secs(1);

/// Far longer than redis-server takes to start.
const START: Duration = Duration::from_secs(10);

/// What was measured.
pub(crate) struct Check {
    /// Where replicas would share state.
    pub(crate) state: &'static str,
    /// Load and the control plane's processor time per request, µs, per round.
    pub(crate) rounds: Vec<(Load, f64)>,
    /// The control plane's resident memory at the end.
    pub(crate) rss_mib: f64,
    /// Of all requests that were answered, those that `GET /stats` counts.
    pub(crate) counted_share: f64,
}

impl Check {
    pub(crate) fn to_json(&self) -> Value {
        let rounds: Vec<_> = self
            .rounds
            .iter()
            .map(|(load, cpu_us)| {
                json!({
                    "requests_per_s": load.per_second,
                    "p50_us": load.p50_us,
                    "p99_us": load.p99_us,
                    "failed": load.failed,
                    "cpu_us": cpu_us,
                })
            })
            .collect();
        json!({ "state": self.state, "rounds": rounds, "rss_mib": self.rss_mib, "counted_share": self.counted_share })
    }
}

/// Runs all rounds on one control plane that is alone, then on one with a Redis.
pub(crate) fn run(programs: &Programs, rounds: u32, seconds: u32) -> Result<[Check; 2]> {
    let scratch = Scratch::new()?;
    let (_redis, url) = start_redis(programs, &scratch)?;
    let measure = |state, redis| measure(programs, &scratch, state, redis, rounds, seconds);
    Ok([measure("memory", None)?, measure("redis", Some(&url))?])
}

/// A redis-server without persistence, and its URL.
pub(crate) fn start_redis(programs: &Programs, scratch: &Scratch) -> Result<(Guarded, String)> {
    let port = ports::unused()?;
    let mut command = Command::new(&programs.redis);
    command.args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]);
    let mut redis = Guarded::start("redis-server", command, &scratch.folder("redis")?.join("log"))?;
    redis.wait_until(START, || TcpStream::connect(("127.0.0.1", port)).is_ok())?;
    let url = format!("redis://127.0.0.1:{port}");
    Ok((redis, url))
}

fn measure(
    programs: &Programs,
    scratch: &Scratch,
    state: &'static str,
    redis: Option<&str>,
    rounds: u32,
    seconds: u32,
) -> Result<Check> {
    let policy = Policy { consult: "never", header: "always" };
    let name = format!("check-{state}");
    let control = ControlPlane::start_sharing(&programs.control_plane, scratch, &name, policy, redis)?;
    let pid = control.server.process.pid();
    let token = [("TOKEN", control.admin_token.clone())];
    let mut measured = Vec::new();
    let mut answered = 0.0;
    for round in 1..=rounds {
        let before = cpu_us(pid)?;
        let load = load::run(&programs.wrk, load::CHECK, control.server.port, seconds, &token)?;
        let cpu = (cpu_us(pid)? - before) / load.requests;
        eprintln!("xtask: round {round} /check, state in {state} {:>7.0}/s  {cpu:>6.1} µs", load.per_second);
        answered += load.requests;
        measured.push((load, cpu));
    }
    let rss_mib = rss_mib(pid)?;
    Ok(Check { state, rounds: measured, rss_mib, counted_share: counted(&control)? / answered })
}

/// What `GET /stats` counts once everything that waited has been written.
fn counted(control: &ControlPlane) -> Result<f64> {
    let mut last = -1.0;
    loop {
        let (_, stats) = http::get(control.server.port, "/stats", Some(&control.admin_token))?;
        let now = serde_json::from_str::<Value>(&stats)?["total_requests"].as_f64().unwrap_or(0.0);
        if now <= last {
            return Ok(now);
        }
        last = now;
        std::thread::park_timeout(SETTLE);
    }
}
