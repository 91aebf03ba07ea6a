//! The command line.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::auth::{Role, Token};
use crate::clock::unix_ms;
use crate::config::{Loaded, Problems, Sources};
use crate::store::{SqliteStore, Store};
use crate::{crawlers, eval, explain, lists, models, ranges, replay, serve, simulate, train};

/// Exit code of a faulty configuration or command line.
const EXIT_FAULTY: u8 = 2;

/// Self-hosted bot management for Envoy: the control plane.
#[derive(Debug, Parser)]
#[command(name = "sallyport", version)]
struct Cli {
    /// Configuration file; without it `config.yaml` is read where there is one.
    #[arg(long, global = true, value_name = "FILE", env = "SALLYPORT_CONFIG")]
    config: Option<PathBuf>,

    /// Sets one key over file and environment: `--set store.batch.rows=500`.
    #[arg(long, global = true, value_name = "KEY=VALUE", value_parser = key_and_value)]
    set: Vec<(String, String)>,

    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the control plane.
    Serve(ServeArgs),
    /// Make, show and revoke tokens.
    #[command(subcommand)]
    Token(TokenCommand),
    /// Allow and deny visitors while it runs.
    #[command(subcommand)]
    List(lists::command::Command),
    /// Show, promote and exchange models.
    #[command(subcommand)]
    Model(models::command::Command),
    /// Work on the configuration.
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Find out whether crawlers are who they claim to be.
    #[command(subcommand)]
    Crawlers(crawlers::command::Command),
    /// Tell why a decision on record, or any features, are judged as they are.
    Explain(explain::Args),
    /// Show whose addresses are whose, and fetch the lists that providers publish.
    #[command(subcommand)]
    Ranges(ranges::command::Command),
    /// Tell what would have happened with the traffic of access logs.
    Replay(replay::Args),
    /// Write made-up traffic of people and bots, with labels, as a log that `replay` reads.
    Simulate(simulate::Args),
    /// Train a model from tables of features, access logs, simulated traffic or feedback.
    Train(Box<train::Args>),
    /// Compare models on labelled rows: trained on the spot or stored.
    Eval(Box<eval::Args>),
    /// Print the version.
    Version,
}

#[derive(Debug, Args)]
struct ServeArgs {
    /// Address to listen on, over `server.host`.
    #[arg(long)]
    host: Option<String>,
    /// Port to listen on, over `server.port`; 0 takes a free one.
    #[arg(long)]
    port: Option<String>,
    /// Database file, over `store.path`.
    #[arg(long, value_name = "FILE")]
    db: Option<String>,
}

#[derive(Debug, Subcommand)]
enum TokenCommand {
    /// Make a token and print it, this once; only its hash is kept.
    Create {
        /// What it may do.
        #[arg(long, value_enum)]
        role: RoleName,
        /// Whose it is.
        #[arg(long, value_parser = token_name)]
        name: String,
    },
    /// Show the tokens: number, role, name, time, whether revoked.
    List,
    /// Revoke a token by its number; running control planes notice within seconds.
    Revoke {
        /// The number that `token list` shows.
        id: i64,
    },
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum RoleName {
    /// Asks for verdicts and snapshots, sends observations.
    Filter,
    /// Everything.
    Admin,
}

#[derive(Debug, Subcommand)]
enum ConfigCommand {
    /// Check file, environment and flags, and report every mistake.
    Check,
}

/// Runs the program.
pub fn run() -> ExitCode {
    let cli = Cli::parse();
    match execute(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if error.is::<Problems>() => {
            eprintln!("sallyport: {error}");
            ExitCode::from(EXIT_FAULTY)
        }
        Err(error) => {
            eprintln!("sallyport: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn execute(cli: Cli) -> anyhow::Result<()> {
    let flags = cli.set.into_iter().map(|(key, value)| ("--set".to_owned(), key, value)).collect();
    let mut sources = Sources { file: cli.config, environment: std::env::vars_os().collect(), flags };
    match cli.command {
        Command::Serve(args) => {
            for (flag, key, value) in [
                ("--host", "server.host", args.host),
                ("--port", "server.port", args.port),
                ("--db", "store.path", args.db),
            ] {
                sources.flags.extend(value.map(|value| (flag.to_owned(), key.to_owned(), value)));
            }
            let loaded = sources.load()?;
            serve::start_logging();
            let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
            runtime.block_on(serve::serve(sources, loaded))
        }
        Command::Token(command) => {
            let loaded = sources.load()?;
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(token(command, &loaded))
        }
        Command::List(command) => {
            let loaded = sources.load()?;
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(lists::command::run(command, &loaded))
        }
        Command::Model(command) => {
            let loaded = sources.load()?;
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(models::command::run(command, &loaded))
        }
        Command::Config(ConfigCommand::Check) => {
            sources.load()?;
            println!("{}: no mistakes", sources.path().display());
            Ok(())
        }
        Command::Crawlers(command) => {
            let loaded = sources.load()?;
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(crawlers::command::run(command, &loaded))
        }
        Command::Explain(args) => {
            let loaded = sources.load()?;
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(explain::run(args, &loaded))
        }
        Command::Ranges(command) => {
            let loaded = sources.load()?;
            let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
            runtime.block_on(ranges::command::run(command, &loaded))
        }
        Command::Replay(args) => replay::run(args, sources.load()?),
        Command::Simulate(args) => {
            let Loaded { config, ranges, .. } = sources.load()?;
            simulate::run(&args, config.policy, ranges.compile())
        }
        Command::Train(args) => {
            let loaded = sources.load()?;
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(train::run(&args, &loaded))
        }
        Command::Eval(args) => {
            let Loaded { config, ranges, .. } = sources.load()?;
            eval::run(&args, config, ranges.compile())
        }
        Command::Version => {
            println!("sallyport {}", env!("CARGO_PKG_VERSION"));
            Ok(())
        }
    }
}

async fn token(command: TokenCommand, loaded: &Loaded) -> anyhow::Result<()> {
    let store = SqliteStore::open(&loaded.config.store)?;
    match command {
        TokenCommand::Create { role, name } => {
            let role = match role {
                RoleName::Filter => Role::Filter,
                RoleName::Admin => Role::Admin,
            };
            let token = Token::generate(role)?;
            store.create_token(role, name, token.hash(), unix_ms()).await?;
            // Beside the token, so that standard output is nothing but it.
            let database = loaded.config.store.path.display();
            eprintln!("A token of role {role}, kept as a hash in {database}; it is shown this once:");
            println!("{}", token.reveal());
        }
        TokenCommand::List => {
            for row in store.tokens().await? {
                let created = i64::try_from(row.created_ms).ok().map(jiff::Timestamp::from_millisecond);
                let created = created.and_then(Result::ok).map(|time| time.to_string()).unwrap_or_default();
                let state = if row.revoked_ms.is_some() { "revoked" } else { "valid" };
                println!("{}\t{}\t{state}\t{created}\t{}", row.id, row.role, row.name);
            }
        }
        TokenCommand::Revoke { id } => {
            anyhow::ensure!(
                store.revoke_token(id, unix_ms()).await?,
                "there is no valid token {id}; `sallyport token list` shows them"
            );
            println!("token {id} is revoked");
        }
    }
    Ok(())
}

/// A name that keeps to its column in `token list`.
fn token_name(text: &str) -> Result<String, String> {
    match text.trim() {
        name if name.is_empty() || name.len() > 64 || name.contains(char::is_control) => {
            Err("write 1 to 64 bytes without tabs and line breaks, such as edge-1".to_owned())
        }
        name => Ok(name.to_owned()),
    }
}

fn key_and_value(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err("write KEY=VALUE, such as server.port=8001".to_owned()),
    }
}
