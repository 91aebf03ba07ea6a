//! `sallyport model`: checkpoints in the database, shown, promoted, and taken in and out. A running control plane
//! notices within a second or two.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::Subcommand;
use console::Alignment::{Left, Right};
use console::Term;
use serde::Serialize;

use super::registry::{promote, set_shadow};
use super::{ModelDetails, ModelLine, ModelsError, PromotionView, checkpoint, file, lines, ready};
use crate::clock::unix_ms;
use crate::config::Loaded;
use crate::lists::InForce;
use crate::snapshot;
use crate::store::{CheckpointContent, Promote, Promotion, SqliteStore, Store, StoreError};
use crate::table::Table;
use crate::training::Metrics;

/// Who is said to have made what the command line makes.
pub const BY: &str = "command line";

/// Promotions that `list` shows.
const SHOWN: u32 = 10;

/// What to do with checkpoints.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Show the checkpoints, and what was promoted last.
    List {
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Show all that is known of a checkpoint.
    Show {
        /// Its number, as `model list` shows it; 0 is the model that ships.
        id: i64,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Let a checkpoint judge.
    Promote {
        /// Its number.
        id: i64,
        /// Why, for the history.
        #[arg(long, default_value = "")]
        reason: String,
    },
    /// Go back to what judged before; once more goes back further.
    Rollback {
        /// Why, for the history.
        #[arg(long, default_value = "")]
        reason: String,
    },
    /// Write a checkpoint to a file.
    Export {
        /// Its number.
        id: i64,
        /// The file; `-` for standard output.
        file: PathBuf,
    },
    /// Store the checkpoint or the bare model of a file; it is not promoted.
    Import {
        /// The file.
        file: PathBuf,
        /// Anything that helps to tell it from others.
        #[arg(long)]
        note: Option<String>,
    },
    /// Let a checkpoint look on beside the one that judges, or none.
    Shadow {
        /// Its number.
        #[arg(required_unless_present = "off")]
        id: Option<i64>,
        /// Let none look on.
        #[arg(long, conflicts_with = "id")]
        off: bool,
    },
}

/// Carries a command out on the configured database.
///
/// # Errors
/// What the database says, or that there is no such checkpoint; what judged goes on judging.
pub async fn run(command: Command, loaded: &Loaded) -> anyhow::Result<()> {
    let store = SqliteStore::open(&loaded.config.store)?;
    match command {
        Command::List { json } => list(&store, json).await,
        Command::Show { id, json } => show(&store, id, json).await,
        Command::Promote { id, reason } => {
            let promotion = promote_by_hand(&store, loaded, id, reason).await?;
            told(&promotion);
            Ok(())
        }
        Command::Rollback { reason } => {
            let promotion = store.rollback(BY.to_owned(), reason, unix_ms()).await?;
            told(&promotion.ok_or(ModelsError::NothingBefore)?);
            Ok(())
        }
        Command::Export { id, file } => {
            let bytes = file::write(&checkpoint(&store, id).await?);
            write(&file, &bytes)
        }
        Command::Import { file, note } => {
            let bytes = read(&file)?;
            let mut content = file::read(&bytes, BY).with_context(|| file.display().to_string())?;
            content.note = note.unwrap_or(content.note);
            let id = save(&store, loaded, content).await?;
            println!("checkpoint {id}; promote it with `sallyport model promote {id}`");
            Ok(())
        }
        Command::Shadow { id, .. } => {
            set_shadow(&store, id).await?;
            match id {
                Some(id) => println!("checkpoint {id} looks on"),
                None => println!("no checkpoint looks on"),
            }
            Ok(())
        }
    }
}

/// Promotes a checkpoint on the command line: it must be sound, and fit into a snapshot.
///
/// # Errors
/// See [`ModelsError`].
pub async fn promote_by_hand(
    store: &dyn Store,
    loaded: &Loaded,
    id: i64,
    reason: String,
) -> Result<Promotion, ModelsError> {
    let model = ready(store, id).await?;
    let lists = InForce::read(store, unix_ms()).await?.lists;
    snapshot::try_with(loaded, lists, &model.model)?;
    promote(store, Promote { checkpoint: id, by: BY.to_owned(), reason, only_after: None }).await
}

/// Stores a checkpoint on the command line. Those beyond `model.keep_checkpoints` leave.
///
/// # Errors
/// When the database does not take it.
pub async fn save(store: &dyn Store, loaded: &Loaded, content: CheckpointContent) -> Result<i64, StoreError> {
    let id = store.save_checkpoint(content, unix_ms()).await?;
    store.prune_checkpoints(loaded.config.model.keep_checkpoints).await?;
    Ok(id)
}

#[derive(Serialize)]
struct Listed {
    models: Vec<ModelLine>,
    promotions: Vec<PromotionView>,
}

async fn list(store: &dyn Store, json: bool) -> anyhow::Result<()> {
    let in_force = store.in_force().await?;
    let models = lines(store, &in_force).await?;
    let promotions: Vec<_> = store.promotions(SHOWN).await?.into_iter().map(PromotionView::from).collect();
    if json {
        return print_json(&Listed { models, promotions });
    }
    let mut table = Table::new([Right, Left, Left, Left, Left, Right, Right, Right, Left, Left]);
    let head = ["", "", "made", "kind", "source", "ROC-AUC", "log loss", "people challenged", "by", "note"];
    table.row(head.map(str::to_owned));
    for model in models {
        let state = match (model.active, model.shadow) {
            (true, _) => "judges",
            (_, true) => "looks on",
            _ => "",
        };
        table.row([
            model.checkpoint.to_string(),
            state.to_owned(),
            minutes(model.created.as_deref()),
            model.kind.name().to_owned(),
            model.source.to_owned(),
            number(model.roc_auc),
            number(model.log_loss),
            model.false_positive_rate.map_or(String::new(), |rate| format!("{:.2} %", 100.0 * rate)),
            model.made_by,
            model.note,
        ]);
    }
    print(&table);
    if !promotions.is_empty() {
        println!("\nPromoted last");
        let mut table = Table::new([Left, Right, Left, Left, Left]);
        table.row(["when", "judges since", "instead of", "by", "why"].map(str::to_owned));
        for promotion in promotions {
            let back = if promotion.rollback { " (rollback)" } else { "" };
            table.row([
                minutes(promotion.time.as_deref()),
                promotion.checkpoint.to_string(),
                format!("{}{back}", promotion.previous),
                promotion.by,
                promotion.reason,
            ]);
        }
        print(&table);
    }
    Ok(())
}

async fn show(store: &dyn Store, id: i64, json: bool) -> anyhow::Result<()> {
    let details = ModelDetails::of(checkpoint(store, id).await?, &store.in_force().await?);
    if json {
        return print_json(&details);
    }
    let line = &details.line;
    let mut table = Table::new([Left, Left]);
    table.row([format!("Checkpoint {id}"), String::new()]);
    let state = match (line.active, line.shadow) {
        (true, _) => "judges",
        (_, true) => "looks on",
        _ => "waits",
    };
    let origins = details.data["origins"].as_array().into_iter().flatten();
    let origins: Vec<&str> = origins.filter_map(serde_json::Value::as_str).collect();
    for (name, value) in [
        ("state", state.to_owned()),
        ("kind", line.kind.name().to_owned()),
        ("made", format!("{} by {}", minutes(line.created.as_deref()), line.made_by)),
        ("source", format!("{}, from checkpoint {}", line.source, line.parent)),
        ("note", line.note.clone()),
        ("seed", details.seed.to_string()),
        ("rows", rows(&details.data).unwrap_or_default()),
        ("trained on", origins.join(", ")),
        ("data SHA-256", details.data_fingerprint.clone().unwrap_or_default()),
        ("bytes", line.bytes.to_string()),
    ] {
        table.row([name.to_owned(), value]);
    }
    print(&table);
    if let Ok(metrics) = serde_json::from_value::<Metrics>(details.metrics) {
        println!();
        print(&measured(&metrics));
    }
    Ok(())
}

fn rows(data: &serde_json::Value) -> Option<String> {
    Some(format!("{} ({} of bots)", data["rows"].as_u64()?, data["bots"].as_u64()?))
}

fn measured(metrics: &Metrics) -> Table {
    let mut table = Table::new([Left, Right, Right, Right, Right, Right]);
    let head = ["held-out clients", "rows", "ROC-AUC", "log loss", "people challenged", "bots challenged"];
    table.row(head.map(str::to_owned));
    let share = |rate: Option<f64>| rate.map_or(String::new(), |rate| format!("{:.2} %", 100.0 * rate));
    let challenged = metrics.at_challenge();
    table.row([
        "all".to_owned(),
        metrics.rows.to_string(),
        number(metrics.roc_auc),
        number(Some(metrics.log_loss)),
        share(challenged.false_positive_rate),
        share(challenged.recall),
    ]);
    for origin in &metrics.per_origin {
        table.row([
            origin.name.clone(),
            origin.rows.to_string(),
            number(origin.roc_auc),
            number(Some(origin.log_loss)),
            share(origin.at_challenge().false_positive_rate),
            share(origin.at_challenge().recall),
        ]);
    }
    table
}

fn told(promotion: &Promotion) {
    println!("checkpoint {} judges instead of {}", promotion.checkpoint, promotion.previous);
}

fn print(table: &Table) {
    let term = Term::stdout();
    let width = if term.is_term() { usize::from(term.size().1).max(40) } else { 200 };
    print!("{}", table.render(width, str::to_owned));
}

fn print_json(value: &impl Serialize) -> anyhow::Result<()> {
    println!("{}", serde_json::to_string_pretty(value)?);
    Ok(())
}

fn number(value: Option<f64>) -> String {
    value.map_or(String::new(), |value| format!("{value:.4}"))
}

/// `2026-11-22 10:15` of an RFC 3339 time.
fn minutes(time: Option<&str>) -> String {
    time.and_then(|time| time.get(..16)).unwrap_or_default().replace('T', " ")
}

fn read(path: &Path) -> anyhow::Result<Vec<u8>> {
    use std::io::Read as _;
    let mut bytes = Vec::new();
    let limit = file::MAX_BYTES as u64 + 1;
    let opened = std::fs::File::open(path).with_context(|| path.display().to_string())?;
    opened.take(limit).read_to_end(&mut bytes).with_context(|| path.display().to_string())?;
    Ok(bytes)
}

/// Writes beside the file first, so that no half of a checkpoint is ever found there.
fn write(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    if path == Path::new("-") {
        return Ok(std::io::stdout().lock().write_all(bytes)?);
    }
    let mut partial = path.as_os_str().to_owned();
    partial.push(".part");
    let result = std::fs::write(&partial, bytes).and_then(|()| std::fs::rename(&partial, path));
    if result.is_err() {
        // It may not even be there.
        let _ = std::fs::remove_file(&partial);
    }
    result.with_context(|| path.display().to_string())
}
