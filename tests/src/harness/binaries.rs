//! Where the programs under test are.

use std::path::PathBuf;

use xtask::workspace::target_dir;

/// Envoy: `SALLYPORT_ENVOY`, else found (and fetched) as `cargo xtask` does.
///
/// # Panics
/// When there is none; the message says what to do.
#[must_use]
pub fn envoy_binary() -> PathBuf {
    match std::env::var_os("SALLYPORT_ENVOY") {
        Some(path) => path.into(),
        None => xtask::tools::envoy().expect("Envoy for the scenarios"),
    }
}

/// The filter: `SALLYPORT_WASM`, else what `cargo xtask wasm` built last.
///
/// # Panics
/// When it has not been built.
#[must_use]
pub fn filter_wasm() -> PathBuf {
    built("SALLYPORT_WASM", target_dir().join("wasm32-unknown-unknown/wasm/sallyport.wasm"))
}

/// The control plane: `SALLYPORT_BIN`, else what `cargo build` built last.
///
/// # Panics
/// When it has not been built.
#[must_use]
pub fn control_plane_binary() -> PathBuf {
    built("SALLYPORT_BIN", target_dir().join("debug/sallyport"))
}

/// redis-server: `SALLYPORT_REDIS_SERVER`, else found (and installed) as `cargo xtask` does.
///
/// # Panics
/// When there is none; the message says what to do.
#[must_use]
pub fn redis_binary() -> PathBuf {
    match std::env::var_os("SALLYPORT_REDIS_SERVER") {
        Some(path) => path.into(),
        None => xtask::tools::redis_server().expect("Redis for the scenarios"),
    }
}

fn built(variable: &str, usual: PathBuf) -> PathBuf {
    let path = std::env::var_os(variable).map_or(usual, PathBuf::from);
    assert!(path.is_file(), "{} is not there: run the scenarios by `cargo xtask test`", path.display());
    path
}
