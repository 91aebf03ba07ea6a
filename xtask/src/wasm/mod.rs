//! `cargo xtask wasm`: the filter as Envoy loads it.

mod exports;

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, bail};
use xtask::workspace::{cargo, run as run_command, target_dir};

/// The one target that serves Envoy and, later, the browser.
pub(crate) const TARGET: &str = "wasm32-unknown-unknown";
/// Largest filter we ship, bytes.
const LIMIT: u64 = 768 * 1024;
/// Envoy's V8 has had SIMD switched on for years. The linker leaves five bytes for every number of a function or address
/// unless it is told to write them as short as they are: 6 % of the module.
pub(crate) const RUSTFLAGS: (&str, &str) = (
    "CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUSTFLAGS",
    "-Ctarget-feature=+simd128 -Clink-arg=--compress-relocations",
);

const NO_TARGET: &str = "the wasm32 target is missing and rustup cannot add it. Either make `rustup target add \
wasm32-unknown-unknown` work (rustup and a network), or use Debian's compiler: install rustc-web, cargo-web and \
rust-web-src, then build with `RUSTC_BOOTSTRAP=1 RUSTC=/usr/bin/rustc /usr/bin/cargo build -p sallyport-filter \
--profile wasm -Zbuild-std=std,panic_abort --target wasm32-unknown-unknown`, where \
CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER names the rust-lld of that sysroot";

/// Builds the filter and prints its path and size.
pub(crate) fn run() -> Result<()> {
    let path = build()?;
    let size = std::fs::metadata(&path)?.len();
    println!("{}  {:.1} KiB of {} KiB", path.display(), size as f64 / 1024.0, LIMIT / 1024);
    if size > LIMIT {
        bail!("the filter is larger than {} KiB: look for what came in (`twiggy top` tells)", LIMIT / 1024);
    }
    Ok(())
}

/// Builds the filter; returns the path of the `.wasm` file.
pub(crate) fn build() -> Result<PathBuf> {
    ensure_target()?;
    run_command(
        cargo()
            .args(["build", "--package", "sallyport-filter", "--profile", "wasm", "--target", TARGET])
            .env(RUSTFLAGS.0, RUSTFLAGS.1),
    )?;
    let folder = target_dir().join(TARGET).join("wasm");
    let built =
        std::fs::read(folder.join("sallyport_filter.wasm")).context("cannot read what cargo built")?;
    let path = folder.join("sallyport.wasm");
    // Written aside and renamed: an Envoy that starts meanwhile reads the old one or the new one.
    let aside = folder.join("sallyport.wasm.new");
    std::fs::write(&aside, exports::reduce(&built)?)?;
    std::fs::rename(&aside, &path)?;
    Ok(path)
}

/// Adds the target to the toolchain where it is not there yet.
pub(crate) fn ensure_target() -> Result<()> {
    let output = Command::new("rustc")
        .args(["--print", "sysroot"])
        .current_dir(xtask::workspace::root())
        .output()
        .context("cannot start rustc")?;
    let sysroot = PathBuf::from(String::from_utf8_lossy(&output.stdout).trim().to_owned());
    if sysroot.join("lib/rustlib").join(TARGET).is_dir() {
        return Ok(());
    }
    let mut rustup = Command::new("rustup");
    rustup.args(["target", "add", TARGET]).current_dir(xtask::workspace::root());
    run_command(&mut rustup).context(NO_TARGET)
}
