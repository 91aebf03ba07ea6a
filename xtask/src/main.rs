//! `cargo xtask`: every chore of the project. One file per command; anyhow throughout, since a chore
//! that fails has nothing better to do than to say why.

mod bench;
mod ci;
mod licences;
mod ranges;
mod test;
mod up;
mod wasm;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(name = "cargo xtask", about = "Set-up and chores of Sallyport")]
struct Cli {
    #[command(subcommand)]
    command: Chore,
}

#[derive(Subcommand)]
enum Chore {
    /// Start a sample site, the control plane and Envoy with the filter, until Ctrl-C
    Up(up::Args),
    /// Check formatting, lints and licences, then run every test, with a real Envoy
    Test(test::Args),
    /// Check licences, bans and duplicate versions of all dependencies, offline
    Licences,
    /// Make the ranges of clouds and hosters that ship anew, from a package of npm
    Ranges,
    /// Build the filter for Envoy and print its path and size
    Wasm,
    /// Measure what the filter costs, beside Envoy's own ways, and what the control plane can take
    Bench(bench::Args),
    /// What continuous integration runs
    Ci,
}

fn main() -> ExitCode {
    // The chain of causes, never a backtrace: it would hide them.
    match run(Cli::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(chore: Chore) -> anyhow::Result<()> {
    match chore {
        Chore::Up(args) => up::run(&args),
        Chore::Test(args) => test::run(&args),
        Chore::Licences => licences::check(),
        Chore::Ranges => ranges::run(),
        Chore::Wasm => wasm::run(),
        Chore::Bench(args) => bench::run(&args),
        Chore::Ci => ci::run(),
    }
}
