//! `cargo xtask test`: formatting, lints, licences, then every test against a real Envoy.

use anyhow::Result;
use xtask::tools;
use xtask::workspace::{cargo, run as run_command, target_dir};

use crate::{licences, wasm};

/// Runs all checks and tests; stops at the first that fails. Cargo's own summary lines are left as they are.
pub(crate) fn run() -> Result<()> {
    run_command(cargo().args(["fmt", "--all", "--check"]))?;
    let envoy = tools::envoy()?;
    let filter = wasm::build()?;
    run_command(cargo().args(["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"]))?;
    run_command(cargo().args([
        "clippy",
        "--package",
        "sallyport-filter",
        "--target",
        wasm::TARGET,
        "--",
        "-D",
        "warnings",
    ]))?;
    licences::check()?;
    run_command(cargo().args(["build", "--package", "sallyport", "--bins"]))?;
    run_command(
        cargo()
            .args(["test", "--workspace"])
            .env("SALLYPORT_ENVOY", envoy)
            .env("SALLYPORT_WASM", filter)
            .env("SALLYPORT_BIN", target_dir().join("debug/sallyport")),
    )
}
