//! One run of wrk, and what it measured.

use std::io::Write as _;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

/// What wrk plays.
#[derive(Clone, Copy)]
pub(crate) struct Visitors {
    script: &'static str,
    /// Kept open throughout.
    connections: u32,
}

/// Browsers; reads `UNCERTAIN_PERCENT`.
pub(crate) const BROWSERS: Visitors = Visitors { script: include_str!("browsers.lua"), connections: 32 };
/// The same on so few connections that their requests do not wait for one another.
pub(crate) const FEW_BROWSERS: Visitors = Visitors { script: include_str!("browsers.lua"), connections: 2 };
/// One client, far over any limit.
pub(crate) const ONE: Visitors = Visitors { script: include_str!("one.lua"), connections: 4 };
/// As many questions to `/check` as it takes; reads `TOKEN`.
pub(crate) const CHECK: Visitors = Visitors { script: include_str!("check.lua"), connections: 32 };
/// Questions to `/check` that leave the machine idle most of the time; reads `TOKEN` and `PAUSE_MS`.
pub(crate) const CHECK_NOW_AND_THEN: Visitors =
    Visitors { script: include_str!("check.lua"), connections: 4 };

/// What every script says at its end.
const DONE: &str = include_str!("done.lua");

/// What one run measured.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Load {
    pub(crate) requests: f64,
    pub(crate) per_second: f64,
    pub(crate) p50_us: f64,
    pub(crate) p99_us: f64,
    pub(crate) p999_us: f64,
    pub(crate) max_us: f64,
    /// Answers with a status over 399, and socket errors.
    pub(crate) failed: f64,
}

/// Runs a script against a loopback port. What it says at its end is one JSON line.
pub(crate) fn run(
    wrk: &Path,
    visitors: Visitors,
    port: u16,
    seconds: u32,
    environment: &[(&str, String)],
) -> Result<Load> {
    let file = std::env::temp_dir().join(format!("sallyport-bench-{}-{port}.lua", std::process::id()));
    std::fs::File::create(&file)?.write_all([visitors.script, DONE].join("\n").as_bytes())?;
    let mut command = Command::new(wrk);
    let (connections, duration) = (visitors.connections.to_string(), format!("{seconds}s"));
    command.args(["--threads", "1", "--connections", &connections, "--duration", &duration]);
    command.arg("--latency").arg("--script").arg(&file).arg(format!("http://127.0.0.1:{port}/"));
    command.envs(environment.iter().map(|(name, value)| (name, value)));
    let output = command.output().context("cannot start wrk")?;
    std::fs::remove_file(&file)?;
    let said = String::from_utf8_lossy(&output.stdout);
    ensure!(output.status.success(), "wrk: {said}{}", String::from_utf8_lossy(&output.stderr));
    let line = said.lines().find(|line| line.starts_with('{')).with_context(|| format!("wrk: {said}"))?;
    let value: Value = serde_json::from_str(line)?;
    let number =
        |key: &str| value[key].as_f64().with_context(|| format!("wrk said nothing of {key}: {line}"));
    let requests = number("requests")?;
    ensure!(requests > 0.0, "not one request was answered on port {port}: {said}");
    Ok(Load {
        requests,
        per_second: requests / (number("duration_us")? / 1e6),
        p50_us: number("p50_us")?,
        p99_us: number("p99_us")?,
        p999_us: number("p999_us")?,
        max_us: number("max_us")?,
        failed: number("failed")?,
    })
}
