//! `cargo xtask up`: a sample site, the control plane and Envoy with the filter, until Ctrl-C.
//!
//! Everything of a run lies in `.run/<Envoy's port>/`, which starts empty: database, configs, logs.

mod stack;
mod stop;

use std::fs;
use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, bail};
use xtask::child::Guarded;
use xtask::workspace::{release_programs, root};
use xtask::{ports, tools};

use self::stack::{Programs, Stack};
use self::stop::Stop;
use crate::wasm;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Where visitors arrive
    #[arg(long, default_value_t = 10000)]
    pub(crate) envoy_port: u16,
    /// Where the control plane listens
    #[arg(long, default_value_t = 8000)]
    pub(crate) api_port: u16,
    /// Where the sample site listens
    #[arg(long, default_value_t = 9000)]
    pub(crate) origin_port: u16,
    /// Where Envoy's admin pages are
    #[arg(long, default_value_t = 9901)]
    pub(crate) admin_port: u16,
    /// Send a visible mix of people and bots once all is up
    #[arg(long)]
    demo: bool,
    /// Show the admin token of this run
    #[arg(long)]
    print_token: bool,
}

/// Builds, starts, waits for Ctrl-C (or SIGTERM), ends all.
pub(crate) fn run(args: &Args) -> Result<()> {
    ports::check_free(&[
        ("--envoy-port", args.envoy_port),
        ("--api-port", args.api_port),
        ("--origin-port", args.origin_port),
        ("--admin-port", args.admin_port),
    ])?;
    let programs = build()?;
    let folder = empty_folder(args.envoy_port)?;
    let stop = Stop::on_signals()?;
    let Some(mut stack) = Stack::start(&programs, &folder, args, &stop)? else { return Ok(()) };
    print_welcome(args, &stack);
    if args.demo {
        demo(args, &programs, &stack, &stop)?;
        println!("\nStill serving; Ctrl-C ends it.");
    }
    let ended = stop.wait(|| stack.first_ended());
    eprintln!("xtask: ending everything");
    drop(stack);
    match ended {
        Some(report) => bail!("{report}"),
        None => Ok(()),
    }
}

/// A folder of this run alone, since a second one may run on other ports; closed to others, for it holds tokens.
fn empty_folder(envoy_port: u16) -> Result<PathBuf> {
    let folder = root().join(".run").join(envoy_port.to_string());
    if folder.exists() {
        fs::remove_dir_all(&folder).with_context(|| format!("cannot empty {}", folder.display()))?;
    }
    let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(&folder);
    made.with_context(|| format!("cannot create {}", folder.display()))?;
    Ok(folder)
}

fn build() -> Result<Programs> {
    let envoy = tools::envoy()?;
    let filter = wasm::build()?;
    let release = release_programs()?;
    Ok(Programs {
        envoy,
        filter,
        control_plane: release.join("sallyport"),
        site: release.join("sample-site"),
        demo: release.join("demo-traffic"),
    })
}

fn print_welcome(args: &Args, stack: &Stack) {
    let (site, api) = (args.envoy_port, args.api_port);
    println!("\nSallyport is up.");
    println!("  the site, through Envoy   http://127.0.0.1:{site}/");
    println!("  the control plane         http://127.0.0.1:{api}/docs");
    println!("  Envoy's statistics        http://127.0.0.1:{}/stats?filter=sallyport", args.admin_port);
    println!("  logs, configs, database   .run/{site}/");
    if args.print_token {
        println!("  admin token               {}", stack.admin_token());
    } else {
        println!("  admin token               .run/{site}/admin-token; --print-token shows it");
    }
    println!("\nTry:");
    println!("  curl -i -A python-requests/2.28.0 http://127.0.0.1:{site}/");
    println!(
        "  for i in $(seq 100); do curl -s -o /dev/null -w '%{{http_code}} ' -H 'Accept-Language: en' \\"
    );
    println!("      -A 'Mozilla/5.0 (X11; Linux x86_64; rv:150.0) Gecko/20100101 Firefox/150.0' \\");
    println!("      --compressed http://127.0.0.1:{site}/; done");
    println!(
        "  curl -H \"Authorization: Bearer $(cat .run/{site}/admin-token)\" http://127.0.0.1:{api}/stats"
    );
    println!(
        "\nEnvoy trusts one X-Forwarded-For entry here, so that you can play visitors from other addresses."
    );
    println!("Ctrl-C ends everything.");
}

fn demo(args: &Args, programs: &Programs, stack: &Stack, stop: &Stop) -> Result<()> {
    println!();
    let mut command = Command::new(&programs.demo);
    command.args(["--site", &format!("http://127.0.0.1:{}", args.envoy_port)]);
    command.args(["--api", &format!("http://127.0.0.1:{}", args.api_port)]);
    // Not as an argument, where every user of the machine could read it.
    command.env("SALLYPORT_ADMIN_TOKEN", stack.admin_token());
    let mut traffic = Guarded::start_shown("the demo", command)?;
    match stop.wait(|| traffic.ended()) {
        Some(status) if !status.success() => bail!("the demo ended with {status}"),
        _ => Ok(()),
    }
}
