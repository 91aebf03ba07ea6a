//! Where labelled rows come from: tables of features, access logs with labels or by rules, simulated traffic.

pub mod csv;
pub mod log;
pub mod simulated;
pub mod weak;

use std::path::Path;

use sallyport_core::{Engine, HashKey, Model, Policy, PolicyConfig, Ranges};

/// Clients of logs and simulation are known by it within a run; the same run gives the same split every time.
const KEY: [u8; 16] = *b"sallyport  rows!";

/// The core that judges the requests of logs and simulation, and so computes their features.
///
/// # Errors
/// The mistakes of the policy.
pub fn engine(model: Model, policy: PolicyConfig, ranges: Ranges) -> anyhow::Result<Engine> {
    let policy = Policy::compile(policy).map_err(|problems| {
        let lines: Vec<_> = problems.iter().map(|p| format!("{}: {}", p.key, p.message)).collect();
        anyhow::anyhow!("the policy is invalid:\n{}", lines.join("\n"))
    })?;
    Ok(Engine::new(policy, model, ranges, HashKey::from_bytes(KEY), 0))
}

/// The name of the rows of a file.
pub(crate) fn name_of(path: &Path) -> String {
    path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned()
}
