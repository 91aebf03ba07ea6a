//! The three processes of a run, each started when the one before is ready. Dropping ends them, Envoy first.

use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use xtask::child::Guarded;
use xtask::http;
use xtask::template::render;
use xtask::workspace::{root, shown};

use super::Args;
use super::stop::Stop;

/// How long each may take until it is ready.
const BOUND: Duration = Duration::from_secs(60);
/// The control plane's config of a run.
const CONFIG: &str = include_str!("config.yaml");
/// Settings of the caller's environment that would change the control plane's config.
const SETTINGS: [&str; 3] = ["DB_PATH", "API_HOST", "API_PORT"];

/// What is started, and with what.
pub(crate) struct Programs {
    pub(crate) envoy: PathBuf,
    pub(crate) filter: PathBuf,
    pub(crate) control_plane: PathBuf,
    pub(crate) site: PathBuf,
    pub(crate) demo: PathBuf,
}

/// The running processes; fields are dropped in this order.
pub(crate) struct Stack {
    envoy: Guarded,
    control_plane: Guarded,
    site: Guarded,
    admin_token: String,
}

impl Stack {
    /// Starts site, control plane and Envoy; `None` when a signal to end came meanwhile.
    pub(crate) fn start(
        programs: &Programs,
        folder: &Path,
        args: &Args,
        stop: &Stop,
    ) -> Result<Option<Self>> {
        let mut site = Command::new(&programs.site);
        site.args(["--port", &args.origin_port.to_string()]);
        let mut site = Guarded::start("the sample site", site, &folder.join("site.log"))?;
        site.wait_until(BOUND, || stop.asked() || answers(args.origin_port, "/"))?;

        let config = folder.join("config.yaml");
        std::fs::write(
            &config,
            render(
                CONFIG,
                &[
                    ("API_PORT", args.api_port.to_string()),
                    ("DATABASE", folder.join("sallyport.db").display().to_string()),
                ],
            )?,
        )?;
        let filter_token = create_token(&programs.control_plane, &config, "filter")?;
        let admin_token = create_token(&programs.control_plane, &config, "admin")?;
        write_closed(&folder.join("admin-token"), &admin_token)?;
        let mut serve = control_plane(&programs.control_plane, &config);
        serve.arg("serve");
        let mut control_plane =
            Guarded::start("the control plane", serve, &folder.join("control-plane.log"))?;
        control_plane.wait_until(BOUND, || stop.asked() || answers(args.api_port, "/health"))?;

        let mut envoy = start_envoy(programs, folder, args, filter_token)?;
        envoy.wait_until(BOUND, || {
            stop.asked() || (answers(args.admin_port, "/ready") && has_policy(args.envoy_port))
        })?;
        let stack = Self { envoy, control_plane, site, admin_token };
        Ok((!stop.asked()).then_some(stack))
    }

    /// The token that opens every path of the control plane.
    pub(crate) fn admin_token(&self) -> &str {
        &self.admin_token
    }

    /// The report of a process that has ended by itself, if one has.
    pub(crate) fn first_ended(&mut self) -> Option<String> {
        [&mut self.envoy, &mut self.control_plane, &mut self.site].into_iter().find_map(|process| {
            let status = process.ended()?;
            Some(format!("{} ended with {status}\n{}", process.name(), process.report()))
        })
    }
}

fn start_envoy(programs: &Programs, folder: &Path, args: &Args, filter_token: String) -> Result<Guarded> {
    let template =
        std::fs::read_to_string(root().join("envoy/sallyport.yaml")).context("envoy/sallyport.yaml")?;
    let config = folder.join("envoy.yaml");
    let values = [
        ("ENVOY_PORT", args.envoy_port.to_string()),
        ("ADMIN_PORT", args.admin_port.to_string()),
        ("ORIGIN_PORT", args.origin_port.to_string()),
        ("API_PORT", args.api_port.to_string()),
        ("FILTER_WASM", programs.filter.display().to_string()),
        ("FILTER_TOKEN", filter_token),
        ("TRUSTED_HOPS", "1".to_owned()),
    ];
    std::fs::write(&config, render(&template, &values)?)?;
    let mut command = Command::new(&programs.envoy);
    command.arg("-c").arg(&config);
    // Without hot restart two runs on one machine share nothing.
    command.args(["--disable-hot-restart", "--log-level", "warning", "--component-log-level", "wasm:info"]);
    Guarded::start("Envoy", command, &folder.join("envoy.log"))
}

fn control_plane(program: &Path, config: &Path) -> Command {
    let mut command = Command::new(program);
    SETTINGS.iter().for_each(|name| {
        command.env_remove(name);
    });
    command.arg("--config").arg(config);
    command
}

fn create_token(program: &Path, config: &Path, role: &str) -> Result<String> {
    let mut command = control_plane(program, config);
    command.args(["token", "create", "--role", role, "--name", "xtask-up"]);
    let output = command.output().with_context(|| format!("cannot start `{}`", shown(&command)))?;
    if !output.status.success() {
        bail!(
            "`{}` ended with {}\n{}",
            shown(&command),
            output.status,
            String::from_utf8_lossy(&output.stderr)
        );
    }
    Ok(String::from_utf8(output.stdout)?.trim().to_owned())
}

/// A file that only its owner can read.
fn write_closed(path: &Path, text: &str) -> Result<()> {
    let file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    file.and_then(|mut file| file.write_all(text.as_bytes()))
        .with_context(|| format!("cannot write {}", path.display()))
}

fn answers(port: u16, path: &str) -> bool {
    matches!(http::get(port, path, None), Ok((200, _)))
}

/// Whether Envoy's workers judge by the control plane's policy yet, not by the one in the plugin configuration:
/// the former ignores icons. New connections go to any worker, so several must agree.
fn has_policy(envoy_port: u16) -> bool {
    (0..20).all(|_| matches!(http::is_ignored(envoy_port, "/favicon.ico"), Ok(true)))
}
