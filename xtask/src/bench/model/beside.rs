//! `POST /check` while a model is being trained beside it, and without, in alternating rounds.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use xtask::http;

use crate::bench::contest::Policy;
use crate::bench::load::{self, Load};
use crate::bench::report::Spread;
use crate::bench::servers::{ControlPlane, Scratch};

/// Each of four connections waits so long between its questions: the machine is idle most of the time.
const PAUSE_MS: &str = "2";
/// More epochs than fit into a round.
const TRAIN: &str = "/train?epochs=1000&batch_size=32";

/// How long a job may take to begin and to end.
const BOUND: Duration = Duration::from_secs(60);
/// Between two looks at it.
const LOOK: Duration = Duration::from_millis(20);

/// The rounds without a job, and those with one.
pub(crate) struct Beside {
    idle: Vec<Load>,
    training: Vec<Load>,
}

/// Runs all rounds on one control plane.
pub(crate) fn run(program: &Path, wrk: &Path, rounds: u32, seconds: u32) -> Result<Beside> {
    let scratch = Scratch::new()?;
    let policy = Policy { consult: "never", header: "always" };
    let control = ControlPlane::start(program, &scratch, "training", policy)?;
    let environment = [("TOKEN", control.admin_token.clone()), ("PAUSE_MS", PAUSE_MS.to_owned())];
    let load = || load::run(wrk, load::CHECK_NOW_AND_THEN, control.server.port, seconds, &environment);
    let mut beside = Beside { idle: Vec::new(), training: Vec::new() };
    load()?; // A warm-up: connections, caches, tables.
    for round in 1..=rounds {
        let idle = load()?;
        let job = Job::start(&control)?;
        let training = load()?;
        job.stop()?;
        eprintln!(
            "xtask: round {round} /check p99 {:>6.0} µs idle, {:>6.0} µs beside training",
            idle.p99_us, training.p99_us
        );
        beside.idle.push(idle);
        beside.training.push(training);
    }
    Ok(beside)
}

/// A training job.
struct Job<'a> {
    control: &'a ControlPlane,
    path: String,
}

impl<'a> Job<'a> {
    /// Starts one and waits until it takes steps, so that what is measured is training.
    fn start(control: &'a ControlPlane) -> Result<Self> {
        let (status, body) = http::ask("POST", control.server.port, TRAIN, Some(&control.admin_token))?;
        ensure!(status == 202, "POST {TRAIN}: {status} {body}");
        let id = serde_json::from_str::<Value>(&body)?["id"].clone();
        let job = Self { control, path: format!("/v1/models/jobs/{id}") };
        let start = Instant::now();
        while job.running()?["progress"].is_null() {
            ensure!(start.elapsed() < BOUND, "the job took no step within {} s", BOUND.as_secs());
            std::thread::park_timeout(LOOK);
        }
        Ok(job)
    }

    /// The job, which has to be running still.
    fn running(&self) -> Result<Value> {
        let (_, body) = http::get(self.control.server.port, &self.path, Some(&self.control.admin_token))?;
        let job: Value = serde_json::from_str(&body)?;
        ensure!(job["state"] == "running", "the job does not run throughout the round: {body}");
        Ok(job)
    }

    /// Cancels it, which makes room for the next.
    fn stop(self) -> Result<()> {
        self.running()?;
        let token = Some(self.control.admin_token.as_str());
        let (status, body) = http::ask("DELETE", self.control.server.port, &self.path, token)?;
        ensure!(status == 202, "DELETE {}: {status} {body}", self.path);
        let start = Instant::now();
        while self.running().is_ok() {
            ensure!(start.elapsed() < BOUND, "the job did not end within {} s", BOUND.as_secs());
            std::thread::park_timeout(LOOK);
        }
        Ok(())
    }
}

impl Beside {
    pub(crate) fn to_json(&self) -> Value {
        let rounds = |loads: &[Load]| {
            let one = |load: &Load| json!({ "requests_per_s": load.per_second, "p50_us": load.p50_us, "p99_us": load.p99_us, "failed": load.failed });
            loads.iter().map(one).collect::<Vec<_>>()
        };
        json!({ "idle": rounds(&self.idle), "training": rounds(&self.training) })
    }

    /// One line of the report.
    pub(crate) fn line(&self) -> String {
        let p99 = |loads: &[Load]| Spread::of(loads.iter().map(|load| load.p99_us)).show(0);
        let ratios =
            self.idle.iter().zip(&self.training).map(|(idle, training)| training.p99_us / idle.p99_us);
        format!(
            "`POST /check`, four connections: p99 {} µs idle, {} µs beside a training job, {} times",
            p99(&self.idle),
            p99(&self.training),
            Spread::of(ratios).show(2)
        )
    }
}
