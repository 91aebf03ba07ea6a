//! One Envoy: its config rendered from a template, ports of its own, statistics by name.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;
use xtask::child::Guarded;
use xtask::{http, template};

use super::envoy_binary;

/// Envoy compiles the filter for every worker; two busy cores take their time.
const START: Duration = Duration::from_secs(30);
/// How long a statistic may take to reach what a scenario waits for.
const SETTLE: Duration = Duration::from_secs(20);

/// What to start: a template, the values of its placeholders, and the number of workers.
#[derive(Debug)]
pub struct EnvoyConfig<'a> {
    /// Text with `{{PLACEHOLDERS}}`.
    pub template: &'a str,
    /// Placeholder names and values.
    pub values: Vec<(&'a str, String)>,
    /// Worker threads.
    pub workers: u32,
}

/// A running Envoy; ends when dropped.
#[derive(Debug)]
pub struct Envoy {
    process: Guarded,
    admin: u16,
    config: String,
    _folder: TempDir,
}

impl Envoy {
    /// Starts Envoy and waits until it serves.
    ///
    /// # Panics
    /// When the template cannot be filled or Envoy does not start; with its command, config and log.
    #[must_use]
    pub fn start(wanted: &EnvoyConfig<'_>) -> Self {
        let config = template::render(wanted.template, &wanted.values).expect("the Envoy template");
        let folder = TempDir::with_prefix("sallyport-envoy-").expect("a folder for Envoy");
        let file = folder.path().join("envoy.yaml");
        std::fs::write(&file, &config).expect("the rendered Envoy config");
        let admin_file = folder.path().join("admin");
        let mut command = Command::new(envoy_binary());
        command.arg("-c").arg(file).arg("--admin-address-path").arg(&admin_file);
        command.args(["--concurrency", &wanted.workers.to_string(), "--disable-hot-restart"]);
        command.args(["--log-level", "warning", "--component-log-level", "wasm:info"]);
        let mut process =
            Guarded::start("Envoy", command, &folder.path().join("envoy.log")).expect("Envoy starts");
        let mut admin = 0;
        let ready = process.wait_until(START, || {
            admin = admin_port(&admin_file).unwrap_or(0);
            admin != 0 && matches!(http::get(admin, "/ready", None), Ok((200, _)))
        });
        if let Err(error) = ready {
            panic!("{error}\nconfig:\n{config}");
        }
        Self { process, admin, config, _folder: folder }
    }

    /// The port the named listener was given.
    ///
    /// # Panics
    /// When there is no such listener.
    #[must_use]
    pub fn port(&self, listener: &str) -> u16 {
        let listeners: Value =
            serde_json::from_str(&self.admin("/listeners?format=json")).expect("listeners in JSON");
        let found = listeners["listener_statuses"]
            .as_array()
            .and_then(|all| all.iter().find(|status| status["name"] == listener))
            .and_then(|status| status["local_address"]["socket_address"]["port_value"].as_u64())
            .and_then(|port| u16::try_from(port).ok());
        found.unwrap_or_else(|| panic!("no listener {listener} in {listeners}"))
    }

    /// All counters and gauges whose name contains `part`.
    #[must_use]
    pub fn stats(&self, part: &str) -> BTreeMap<String, u64> {
        let text = self.admin(&format!("/stats?filter={part}"));
        let pairs = text.lines().filter_map(|line| line.split_once(": "));
        pairs.filter_map(|(name, value)| Some((name.to_owned(), value.trim().parse().ok()?))).collect()
    }

    /// One counter or gauge; one that Envoy does not have yet is 0.
    #[must_use]
    pub fn stat(&self, name: &str) -> u64 {
        self.stats(name).get(name).copied().unwrap_or(0)
    }

    /// Waits until a counter or gauge is as wanted, at most 20 s; returns it.
    ///
    /// # Panics
    /// When it does not get there.
    pub fn wait_for_stat(&self, name: &str, wanted: impl Fn(u64) -> bool) -> u64 {
        let start = Instant::now();
        loop {
            let value = self.stat(name);
            if wanted(value) {
                return value;
            }
            assert!(start.elapsed() < SETTLE, "{name} stays at {value}");
            std::thread::park_timeout(Duration::from_millis(20));
        }
    }

    /// The process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// Command, config, log tail and the filter's statistics, for the report of a failure.
    #[must_use]
    pub fn report(&self) -> String {
        let stats: Vec<_> = self
            .stats("^wasm")
            .into_iter()
            .filter(|(_, value)| *value > 0)
            .map(|(n, v)| format!("{n}: {v}"))
            .collect();
        format!("{}\nconfig:\n{}\nstats:\n{}", self.process.report(), self.config, stats.join("\n"))
    }

    fn admin(&self, path: &str) -> String {
        match http::get(self.admin, path, None) {
            Ok((_, body)) => body,
            Err(error) => panic!("Envoy's admin page {path}: {error}\n{}", self.process.report()),
        }
    }
}

/// The port in Envoy's admin address file, `127.0.0.1:PORT`, once it is written.
fn admin_port(file: &PathBuf) -> Option<u16> {
    std::fs::read_to_string(file).ok()?.trim().rsplit(':').next()?.parse().ok()
}
