//! What the system tells: processor time and memory of a process, and what machine this is.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};
use serde_json::{Value, json};

/// Clock ticks per second in `/proc/PID/stat`: 100 on every Linux that Envoy runs on.
const TICKS_PER_S: f64 = 100.0;

/// Processor time (user and system, all threads) a process has used, µs; resolution 10,000 µs.
pub(crate) fn cpu_us(pid: u32) -> Result<f64> {
    let stat =
        std::fs::read_to_string(format!("/proc/{pid}/stat")).context("a measured process has ended")?;
    // The second field is the name in parentheses, which may hold spaces; utime and stime are 14 and 15.
    let after_name = stat.rsplit_once(") ").context("/proc/PID/stat")?.1;
    let fields: Vec<&str> = after_name.split(' ').collect();
    let ticks = fields.get(11).and_then(|user| user.parse::<f64>().ok()).context("utime")?
        + fields.get(12).and_then(|system| system.parse::<f64>().ok()).context("stime")?;
    Ok(ticks / TICKS_PER_S * 1e6)
}

/// Resident memory of a process, MiB.
pub(crate) fn rss_mib(pid: u32) -> Result<f64> {
    let status =
        std::fs::read_to_string(format!("/proc/{pid}/status")).context("a measured process has ended")?;
    let kib = status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.trim().strip_suffix(" kB"));
    Ok(kib.context("VmRSS")?.trim().parse::<f64>()? / 1024.0)
}

/// Processor, cores, commit, and Envoy where it was part of what was measured.
pub(crate) fn describe(envoy: Option<&Path>) -> Value {
    let cpuinfo = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let processor = cpuinfo.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    json!({
        "processor": processor.map(|(_, name)| name),
        "cores": std::thread::available_parallelism().map_or(0, std::num::NonZero::get),
        "envoy": envoy.and_then(|envoy| said(Command::new(envoy).arg("--version"))),
        "commit": said(Command::new("git").args(["rev-parse", "--short", "HEAD"]).current_dir(xtask::workspace::root())),
    })
}

fn said(command: &mut Command) -> Option<String> {
    let output = command.output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout);
    text.lines().map(str::trim).find(|line| !line.is_empty()).map(str::to_owned)
}
