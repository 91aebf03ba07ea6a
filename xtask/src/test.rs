//! `cargo xtask test`: formatting, lints, licences, then every test against a real Envoy and Redis.

use anyhow::Result;
use xtask::tools;
use xtask::workspace::{cargo, run as run_command, target_dir};

use crate::{licences, wasm};

#[derive(clap::Args, Default)]
pub(crate) struct Args {
    /// Only run tests: no formatting, lints or licences
    #[arg(long)]
    no_checks: bool,
    /// Handed to `cargo test` in place of `--workspace`, such as `-p sallyport-e2e consult`
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    cargo_test: Vec<String>,
}

/// Runs all checks and tests; stops at the first that fails. Cargo's own summary lines are left as they are.
pub(crate) fn run(args: &Args) -> Result<()> {
    if !args.no_checks {
        run_command(cargo().args(["fmt", "--all", "--check"]))?;
    }
    let envoy = tools::envoy()?;
    let redis = tools::redis_server()?;
    let filter = wasm::build()?;
    if !args.no_checks {
        lint()?;
        licences::check()?;
    }
    run_command(cargo().args(["build", "--package", "sallyport", "--bins"]))?;
    let mut test = cargo();
    test.arg("test");
    if args.cargo_test.is_empty() {
        test.arg("--workspace");
    } else {
        test.args(&args.cargo_test);
    }
    run_command(
        test.env("SALLYPORT_ENVOY", envoy)
            .env("SALLYPORT_REDIS_SERVER", redis)
            .env("SALLYPORT_WASM", filter)
            .env("SALLYPORT_BIN", target_dir().join("debug/sallyport")),
    )
}

/// Clippy for this machine, and for the target the filter really runs on.
fn lint() -> Result<()> {
    run_command(cargo().args(["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"]))?;
    let filter =
        ["clippy", "--package", "sallyport-filter", "--target", wasm::TARGET, "--", "-D", "warnings"];
    run_command(cargo().args(filter))
}
