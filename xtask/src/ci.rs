//! `cargo xtask ci`: everything a change must pass, cheapest first.

use anyhow::Result;

/// The whole of `test`, then the size of the filter.
pub(crate) fn run() -> Result<()> {
    crate::test::run(&crate::test::Args::default())?;
    crate::wasm::run()
}
