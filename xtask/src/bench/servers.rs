//! The processes of the benchmark: sample site, authz service, control planes, Envoys, each with its files in
//! one folder that goes away afterwards.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use serde_json::json;
use xtask::child::Guarded;
use xtask::template::render;
use xtask::workspace::root;
use xtask::{http, ports};

use super::contest::Policy;

const BOUND: Duration = Duration::from_secs(60);

/// What is started, and with what.
#[derive(Clone)]
pub(crate) struct Programs {
    pub(crate) envoy: PathBuf,
    pub(crate) wrk: PathBuf,
    pub(crate) redis: PathBuf,
    pub(crate) filter: PathBuf,
    pub(crate) control_plane: PathBuf,
    pub(crate) site: PathBuf,
    pub(crate) authz: PathBuf,
}

impl Programs {
    /// The same with filter and control plane of another build, from this folder.
    pub(crate) fn of(&self, folder: &Path) -> Result<Self> {
        let folder = std::path::absolute(folder)?;
        let (filter, control_plane) = (folder.join("sallyport.wasm"), folder.join("sallyport"));
        for program in [&filter, &control_plane] {
            ensure!(program.is_file(), "{} is missing", program.display());
        }
        Ok(Self { filter, control_plane, ..self.clone() })
    }
}

/// A folder for one benchmark's files; removed when dropped.
pub(crate) struct Scratch(PathBuf);

impl Scratch {
    pub(crate) fn new() -> Result<Self> {
        let path = std::env::temp_dir().join(format!("sallyport-bench-{}", std::process::id()));
        std::fs::create_dir_all(&path)?;
        Ok(Self(path))
    }

    /// A folder in it.
    pub(crate) fn folder(&self, name: &str) -> Result<PathBuf> {
        let path = self.0.join(name);
        std::fs::create_dir_all(&path)?;
        Ok(path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What is left behind lies in the system's folder for such things.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A server and where it listens on loopback.
pub(crate) struct Server {
    pub(crate) process: Guarded,
    pub(crate) port: u16,
}

/// A program that takes `--port`, and these further arguments.
pub(crate) fn start_plain(program: &Path, arguments: &[&str], scratch: &Scratch) -> Result<Server> {
    let port = ports::unused()?;
    let name = program.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let mut command = Command::new(program);
    command.args(["--port", &port.to_string()]).args(arguments);
    let mut process = Guarded::start(&name, command, &scratch.folder(&name)?.join("log"))?;
    process.wait_until(BOUND, || http::get(port, "/", None).is_ok())?;
    Ok(Server { process, port })
}

/// A control plane with tokens.
pub(crate) struct ControlPlane {
    pub(crate) server: Server,
    pub(crate) filter_token: String,
    pub(crate) admin_token: String,
    /// Its config file.
    pub(crate) config: PathBuf,
}

impl ControlPlane {
    /// Starts one with the ranges of [`super::ranges`] and this policy.
    pub(crate) fn start(program: &Path, scratch: &Scratch, name: &str, policy: Policy) -> Result<Self> {
        Self::start_sharing(program, scratch, name, policy, None)
    }

    /// The same with state in the Redis of this URL, if any; then with limits so low that nearly every visitor of
    /// `check.lua` is near them, since only such cells are shared.
    pub(crate) fn start_sharing(
        program: &Path,
        scratch: &Scratch,
        name: &str,
        policy: Policy,
        redis: Option<&str>,
    ) -> Result<Self> {
        let mut policy =
            json!({ "enforcement": "enforce", "consult": policy.consult, "header": policy.header });
        let mut sections = json!({});
        if let Some(url) = redis {
            sections["redis"] = json!({ "url": url });
            policy["rate_limit"] = json!({ "client": { "per_second": 1, "burst": 10 } });
        }
        sections["policy"] = policy;
        Self::start_with(program, scratch, name, sections)
    }

    /// Starts one with these sections of its config file, besides the ranges of [`super::ranges`].
    pub(crate) fn start_with(
        program: &Path,
        scratch: &Scratch,
        name: &str,
        sections: serde_json::Value,
    ) -> Result<Self> {
        let folder = scratch.folder(name)?;
        let port = ports::unused()?;
        std::fs::write(folder.join("datacenter.txt"), super::ranges::datacenter())?;
        let mut config = json!({
            "server": { "host": "127.0.0.1", "port": port },
            "store": { "path": folder.join("sallyport.db") },
            "ranges": { "bundled": false, "files": [{ "path": "datacenter.txt", "label": "datacenter" }] },
        });
        for (name, section) in sections.as_object().into_iter().flatten() {
            config[name] = section.clone();
        }
        std::fs::write(folder.join("config.yaml"), config.to_string())?;
        let command = || {
            let mut command = Command::new(program);
            ["DB_PATH", "API_HOST", "API_PORT"].iter().for_each(|name| {
                command.env_remove(name);
            });
            command.arg("--config").arg(folder.join("config.yaml"));
            command
        };
        let filter_token = token(command(), "filter")?;
        let admin_token = token(command(), "admin")?;
        let mut serve = command();
        serve.arg("serve");
        let mut process = Guarded::start("the control plane", serve, &folder.join("log"))?;
        process.wait_until(BOUND, || matches!(http::get(port, "/health", None), Ok((200, _))))?;
        let config = folder.join("config.yaml");
        Ok(Self { server: Server { process, port }, filter_token, admin_token, config })
    }
}

fn token(mut command: Command, role: &str) -> Result<String> {
    command.args(["token", "create", "--role", role, "--name", "bench"]);
    let output = command.output().context("cannot start sallyport")?;
    if !output.status.success() {
        bail!("sallyport token create: {}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(String::from_utf8(output.stdout)?.trim().to_owned())
}

/// One Envoy.
pub(crate) struct Envoy {
    pub(crate) server: Server,
    admin: u16,
}

impl Envoy {
    /// Starts `envoy/bench/{config}.yaml` with one worker.
    pub(crate) fn start(
        programs: &Programs,
        scratch: &Scratch,
        name: &str,
        config: &str,
        values: Vec<(&str, String)>,
    ) -> Result<Self> {
        Self::start_with_workers(programs, scratch, name, config, values, 1)
    }

    /// The same with this many workers.
    pub(crate) fn start_with_workers(
        programs: &Programs,
        scratch: &Scratch,
        name: &str,
        config: &str,
        mut values: Vec<(&str, String)>,
        workers: u32,
    ) -> Result<Self> {
        let folder = scratch.folder(&format!("envoy-{name}"))?;
        let template = std::fs::read_to_string(root().join(format!("envoy/bench/{config}.yaml")))?;
        let (port, admin) = (ports::unused()?, ports::unused()?);
        values.extend([("ENVOY_PORT", port.to_string()), ("ADMIN_PORT", admin.to_string())]);
        std::fs::write(folder.join("envoy.yaml"), render(&template, &values)?)?;
        let mut command = Command::new(&programs.envoy);
        command.arg("-c").arg(folder.join("envoy.yaml"));
        command.args([
            "--concurrency",
            &workers.to_string(),
            "--disable-hot-restart",
            "--log-level",
            "warning",
        ]);
        let mut process = Guarded::start("Envoy", command, &folder.join("log"))?;
        process.wait_until(BOUND, || matches!(http::get(admin, "/ready", None), Ok((200, _))))?;
        Ok(Self { server: Server { process, port }, admin })
    }

    /// Waits until the filter judges by a snapshot.
    pub(crate) fn wait_for_snapshot(&mut self) -> Result<()> {
        let admin = self.admin;
        let version = || stat(admin, "wasmcustom.sallyport_snapshot_version").unwrap_or(0.0);
        self.server.process.wait_until(BOUND, || version() > 0.0)
    }

    /// A counter or gauge; 0 where Envoy has none of that name.
    pub(crate) fn stat(&self, name: &str) -> Result<f64> {
        stat(self.admin, name)
    }
}

fn stat(admin: u16, name: &str) -> Result<f64> {
    let (_, text) = http::get(admin, &format!("/stats?filter={name}"), None)?;
    let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
    Ok(value.map(str::trim).map_or(Ok(0.0), str::parse)?)
}
