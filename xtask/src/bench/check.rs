//! `POST /check`, asked directly, with every decision going to SQLite; with state in memory and in Redis.

use std::net::TcpStream;
use std::process::Command;
use std::time::Duration;

use anyhow::Result;
use serde_json::{Value, json};
use xtask::child::Guarded;
use xtask::{http, ports};

use super::contest::Policy;
use super::in_turns;
use super::load::{self, Load};
use super::machine::{cpu_us, rss_mib};
use super::servers::{ControlPlane, Programs, Scratch};

/// Far longer than a row waits before it is written.
const SETTLE: Duration = Duration::from_secs(1);

/// Far longer than redis-server takes to start.
const START: Duration = Duration::from_secs(10);

/// Where state lies that is not shared, and the same of another build.
pub(crate) const MEMORY: &str = "memory";
pub(crate) const OTHER_MEMORY: &str = "memory, the other build";

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

/// Runs all rounds on a control plane that is alone, beside one of another build, and on one with a Redis.
pub(crate) fn run(
    programs: &Programs,
    other: Option<&Programs>,
    (rounds, seconds): (u32, u32),
) -> Result<Vec<Check>> {
    let scratch = Scratch::new()?;
    let (_redis, url) = start_redis(programs, &scratch)?;
    let mut running = vec![Running::start(programs, &scratch, MEMORY, None)?];
    if let Some(other) = other {
        running.push(Running::start(other, &scratch, OTHER_MEMORY, None)?);
    }
    running.push(Running::start(programs, &scratch, "redis", Some(&url))?);
    for round in 1..=rounds {
        for running in in_turns(round, &mut running) {
            running.measure(programs, round, seconds)?;
        }
    }
    running.into_iter().map(Running::end).collect()
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

/// A control plane under load.
struct Running {
    state: &'static str,
    control: ControlPlane,
    rounds: Vec<(Load, f64)>,
}

impl Running {
    fn start(
        programs: &Programs,
        scratch: &Scratch,
        state: &'static str,
        redis: Option<&str>,
    ) -> Result<Self> {
        let policy = Policy { consult: "never", header: "always" };
        let name = format!("check-{state}");
        let control = ControlPlane::start_sharing(&programs.control_plane, scratch, &name, policy, redis)?;
        Ok(Self { state, control, rounds: Vec::new() })
    }

    fn measure(&mut self, programs: &Programs, round: u32, seconds: u32) -> Result<()> {
        let Self { state, control, rounds } = self;
        let pid = control.server.process.pid();
        let token = [("TOKEN", control.admin_token.clone())];
        let before = cpu_us(pid)?;
        let load = load::run(&programs.wrk, load::CHECK, control.server.port, seconds, &token)?;
        let cpu = (cpu_us(pid)? - before) / load.requests;
        eprintln!("xtask: round {round} /check, state in {state} {:>7.0}/s  {cpu:>6.1} µs", load.per_second);
        rounds.push((load, cpu));
        Ok(())
    }

    fn end(self) -> Result<Check> {
        let Self { state, control, rounds } = self;
        let rss_mib = rss_mib(control.server.process.pid())?;
        let answered: f64 = rounds.iter().map(|(load, _)| load.requests).sum();
        Ok(Check { state, rounds, rss_mib, counted_share: counted(&control)? / answered })
    }
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
