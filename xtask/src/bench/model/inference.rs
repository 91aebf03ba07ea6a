//! One evaluation of the model in V8, the machine in which Envoy runs the filter.

use std::process::Command;

use anyhow::{Context, Result, ensure};
use xtask::tools;
use xtask::workspace::{cargo, root, run as run_command, target_dir};

use crate::wasm::{RUSTFLAGS, TARGET, ensure_target};

/// Microseconds per evaluation, one per call of 100,000; `None` where there is no Node.
pub(crate) fn in_machine() -> Result<Option<Vec<f64>>> {
    let Some(node) = tools::node() else {
        eprintln!("xtask: no V8 to measure the model in: put `node` on PATH");
        return Ok(None);
    };
    ensure_target()?;
    let what = ["--package", "sallyport-core", "--bin", "model-in-wasm", "--features", "bench-wasm"];
    run_command(
        cargo()
            .arg("build")
            .args(what)
            .args(["--profile", "wasm", "--target", TARGET])
            .env(RUSTFLAGS.0, RUSTFLAGS.1),
    )?;
    let program = target_dir().join(TARGET).join("wasm/model-in-wasm.wasm");
    let script = root().join("xtask/src/bench/model/machine.js");
    let output = Command::new(node).arg(script).arg(program).output().context("cannot start node")?;
    ensure!(output.status.success(), "node: {}", String::from_utf8_lossy(&output.stderr));
    Ok(Some(serde_json::from_slice(&output.stdout).context("node did not print times")?))
}
