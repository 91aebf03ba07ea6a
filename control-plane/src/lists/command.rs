//! `sallyport list`: the allow and deny lists in the database, shown and changed. A running control plane notices within
//! a second or two.

use std::io::Read as _;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::{Args, Subcommand, ValueEnum};
use console::Alignment::Left;
use console::Term;
use sallyport_core::HashKey;
use uuid::Uuid;

use super::{AddRequest, Asked, EntryRequest, Faults, InForce, ListEntryView, Visitor, verdict};
use super::{file, value};
use crate::app::hash_key;
use crate::clock::unix_ms;
use crate::config::Loaded;
use crate::models::Judging;
use crate::models::command::BY;
use crate::snapshot;
use crate::store::{ListAction, ListAddition, ListFilter, ListKind, SqliteStore, Store};
use crate::table::Table;

/// The largest file that is read, bytes.
const FILE_LIMIT: u64 = 16 * 1024 * 1024;

/// What to do with the lists.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Put addresses, ranges, paths … on a list; what is there already is renewed.
    Add(AddArgs),
    /// Remove entries, by id or value or by what they have in common.
    Remove {
        /// Ids or values.
        what: Vec<String>,
        /// Which entries.
        #[command(flatten)]
        filter: FilterArgs,
    },
    /// Show the entries, newest first.
    Show {
        /// Which entries.
        #[command(flatten)]
        filter: FilterArgs,
        /// Show at most so many.
        #[arg(long, default_value_t = 1000)]
        limit: u32,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Tell whether a visitor is on a list, and by which entry.
    Check {
        /// The address.
        #[arg(long)]
        ip: Option<IpAddr>,
        /// `User-Agent` as sent.
        #[arg(long)]
        user_agent: Option<String>,
        /// The path asked for.
        #[arg(long)]
        path: Option<String>,
        /// The session's id.
        #[arg(long)]
        session: Option<String>,
        /// The fingerprint: an id, or an object as JSON.
        #[arg(long)]
        fingerprint: Option<String>,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
}

/// What to add.
#[derive(Debug, Args)]
pub struct AddArgs {
    /// The list.
    #[arg(value_enum)]
    action: ActionName,
    /// What to list: 203.0.113.7, 203.0.113.0/24, /private/*, a part of a user agent …
    #[arg(required_unless_present = "file")]
    values: Vec<String>,
    /// What the values are; what they look like where it is left out.
    #[arg(long, value_enum)]
    kind: Option<KindName>,
    /// Why.
    #[arg(long, default_value = "")]
    reason: String,
    /// How long it holds: 90s, 15m, 2h, 7d, 4w. For ever where it is left out.
    #[arg(long = "for", value_name = "DURATION", conflicts_with = "until")]
    duration: Option<String>,
    /// Until when it holds, RFC 3339.
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
    /// Also what would shut out everybody, a trusted proxy or private addresses.
    #[arg(long)]
    force: bool,
    /// Also the values of a file, one a line: addresses and ranges as feeds, tables and servers write them
    /// (203.0.113.0/24 ; SBL1, {"cidr":"203.0.113.0/24"}, 203.0.113.7,scans, 203.0.113.0-203.0.113.255, deny 203.0.113.7;)
    /// and paths; with --kind, whatever else. `#` begins a comment. What cannot be read is refused with its line, and nothing is added then.
    #[arg(long)]
    file: Option<PathBuf>,
}

/// Which entries.
#[derive(Clone, Debug, Args)]
pub struct FilterArgs {
    /// Only of this list.
    #[arg(long, value_enum)]
    action: Option<ActionName>,
    /// Only of this kind.
    #[arg(long, value_enum)]
    kind: Option<KindName>,
    /// Only by this author: a token's name, or `command line`.
    #[arg(long)]
    author: Option<String>,
    /// Only with this text in value or reason.
    #[arg(long, value_name = "TEXT")]
    contains: Option<String>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
#[expect(missing_docs, reason = "they are called as the lists are")]
pub enum ActionName {
    Allow,
    Deny,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
#[value(rename_all = "snake_case")]
#[expect(missing_docs, reason = "they are called as the kinds are")]
pub enum KindName {
    Address,
    Range,
    Session,
    Fingerprint,
    UserAgent,
    Path,
}

/// Carries a command out on the configured database.
///
/// # Errors
/// What is wrong with the entries, or what the database says; nothing changes then.
pub async fn run(command: Command, loaded: &Loaded) -> anyhow::Result<()> {
    let store = SqliteStore::open(&loaded.config.store)?;
    let key = hash_key(&store, &loaded.config).await?;
    match command {
        Command::Add(args) => add(&store, loaded, &key, args).await,
        Command::Remove { what, filter } => remove(&store, &key, what, filter).await,
        Command::Show { filter, limit, json } => show(&store, filter, limit, json).await,
        Command::Check { ip, user_agent, path, session, fingerprint, json } => {
            let fingerprint = fingerprint.as_deref().map(value::fingerprint);
            let visitor = Visitor { ip, user_agent, path, session, fingerprint };
            check(&store, loaded, &key, &visitor, json).await
        }
    }
}

async fn add(store: &dyn Store, loaded: &Loaded, key: &HashKey, args: AddArgs) -> anyhow::Result<()> {
    let mut values = args.values;
    let mut origins = Origins { before: values.len(), lines: Vec::new(), file: String::new() };
    if let Some(path) = &args.file {
        origins.file = path.display().to_string();
        let read = file::read(&read(path)?, args.action.action(), args.kind.map(KindName::kind));
        let read = read.map_err(|faults| anyhow::anyhow!(origins.refused(faults)))?;
        for file::FileValue { line, value } in read {
            origins.lines.push(line);
            values.push(value);
        }
        anyhow::ensure!(!values.is_empty(), "{}: no line has a value", origins.file);
    }
    let names = values.clone();
    let entry = |value: String| EntryRequest { value: Some(value.into()), ..EntryRequest::default() };
    let request = AddRequest {
        action: Some(args.action.action().name().to_owned()),
        kind: args.kind.map(|kind| kind.kind().name().to_owned()),
        reason: Some(args.reason),
        expires_in: args.duration,
        expires_at: args.until,
        force: args.force,
        entries: Some(values.into_iter().map(entry).collect()),
        ..AddRequest::default()
    };
    let now_ms = unix_ms();
    let trusted_proxies = &loaded.config.lists.proxies();
    let entries = request
        .read(Asked { author: BY, key, trusted_proxies, now_ms })
        .map_err(|faults| anyhow::anyhow!(origins.told(&faults)))?;
    let lists = InForce::with(store, entries.clone(), now_ms).await?.lists;
    let judging = Judging::read(store).await?;
    snapshot::try_with(loaded, lists, &judging.active.model)
        .context("filters would not take the lists; nothing was stored")?;
    match store.add_list_entries(entries, now_ms).await? {
        ListAddition::TooMany { kind, most } => {
            let kind = kind.map(|kind| format!(" of kind {}", kind.name())).unwrap_or_default();
            anyhow::bail!("there may be at most {most} entries{kind}; nothing was stored")
        }
        ListAddition::Stored(stored) if stored.len() > 20 => {
            let new = stored.iter().filter(|(_, is_new)| *is_new).count();
            println!("{new} entries added, {} renewed", stored.len() - new);
        }
        ListAddition::Stored(stored) => {
            for ((id, is_new), name) in stored.into_iter().zip(names) {
                println!("{id}\t{}\t{name}", if is_new { "added" } else { "renewed" });
            }
        }
    }
    Ok(())
}

async fn remove(
    store: &dyn Store,
    key: &HashKey,
    what: Vec<String>,
    filter: FilterArgs,
) -> anyhow::Result<()> {
    let common = filter.clone().filter();
    anyhow::ensure!(
        !what.is_empty() || common != ListFilter::default(),
        "say which entries: an id or value, --action, --kind, --author or --contains"
    );
    let mut filters = Vec::new();
    for name in &what {
        filters.push(match name.parse::<Uuid>() {
            Ok(id) => ListFilter { id: Some(id), ..common.clone() },
            Err(_) => {
                let read = value::read(filter.kind.map(KindName::kind), name, key);
                let (kind, value) = read.map_err(|fault| anyhow::anyhow!("`{name}` {fault}"))?;
                ListFilter { kind: Some(kind), value: Some(value), ..common.clone() }
            }
        });
    }
    if what.is_empty() {
        filters.push(common);
    }
    let mut removed = 0;
    for (index, filter) in filters.into_iter().enumerate() {
        let ids = store.remove_list_entries(filter, unix_ms()).await?;
        if let Some(name) = what.get(index).filter(|_| ids.is_empty()) {
            anyhow::bail!(
                "`{name}` is on no list ({removed} removed before); `sallyport list show` shows what is"
            );
        }
        removed += ids.len();
    }
    println!("{removed} removed");
    Ok(())
}

async fn show(store: &dyn Store, filter: FilterArgs, limit: u32, json: bool) -> anyhow::Result<()> {
    let rows = store.list_entries(filter.filter(), None, limit, unix_ms()).await?;
    let entries: Vec<_> = rows.into_iter().map(ListEntryView::from).collect();
    if json {
        println!("{}", serde_json::to_string_pretty(&entries)?);
    } else {
        print(entries);
    }
    Ok(())
}

async fn check(
    store: &dyn Store,
    loaded: &Loaded,
    key: &HashKey,
    visitor: &Visitor,
    json: bool,
) -> anyhow::Result<()> {
    let listed = verdict(store, &loaded.config.policy.lists, key, visitor, unix_ms()).await?;
    if json {
        println!("{}", serde_json::to_string_pretty(&listed)?);
        return Ok(());
    }
    println!("{}", listed.action.unwrap_or("on no list"));
    for entry in &listed.configured {
        println!("  {}\t{}\t{}", entry.action, entry.value, entry.key);
    }
    if !listed.entries.is_empty() {
        print(listed.entries);
    }
    Ok(())
}

impl FilterArgs {
    fn filter(self) -> ListFilter {
        ListFilter {
            action: self.action.map(ActionName::action),
            kind: self.kind.map(KindName::kind),
            author: self.author,
            contains: self.contains,
            ..ListFilter::default()
        }
    }
}

impl ActionName {
    fn action(self) -> ListAction {
        match self {
            Self::Allow => ListAction::Allow,
            Self::Deny => ListAction::Deny,
        }
    }
}

impl KindName {
    fn kind(self) -> ListKind {
        match self {
            Self::Address => ListKind::Address,
            Self::Range => ListKind::Range,
            Self::Session => ListKind::Session,
            Self::Fingerprint => ListKind::Fingerprint,
            Self::UserAgent => ListKind::UserAgent,
            Self::Path => ListKind::Path,
        }
    }
}

fn print(entries: Vec<ListEntryView>) {
    let mut table = Table::new([Left, Left, Left, Left, Left, Left, Left]);
    table.row(["id", "list", "kind", "value", "ends", "by", "why"].map(str::to_owned));
    for entry in entries {
        let ends = entry.expires.as_deref().and_then(|time| time.get(..16));
        table.row([
            entry.id,
            entry.action.to_owned(),
            entry.kind.to_owned(),
            entry.value,
            ends.unwrap_or_default().replace('T', " "),
            entry.author,
            entry.reason,
        ]);
    }
    let term = Term::stdout();
    let width = if term.is_term() { usize::from(term.size().1).max(40) } else { 400 };
    print!("{}", table.render(width, str::to_owned));
}

/// Where the values come from: so many from the command line, then these lines of a file.
struct Origins {
    before: usize,
    lines: Vec<usize>,
    file: String,
}

impl Origins {
    fn told(&self, Faults { told, more }: &Faults) -> String {
        let mut text: Vec<_> = told.iter().map(|fault| self.place(&fault.field, &fault.detail)).collect();
        text.extend((*more > 0).then(|| format!("{more} more")));
        text.push(NOTHING.to_owned());
        text.join("\n")
    }

    /// A fault, with the line in place of the entry's number where it is of the file.
    fn place(&self, field: &str, detail: &str) -> String {
        let number = field.strip_prefix("entries[").and_then(|rest| rest.split_once(']'));
        let index = number.and_then(|(index, _)| index.parse::<usize>().ok());
        let line = index.and_then(|index| self.lines.get(index.checked_sub(self.before)?));
        let Some(line) = line else { return detail.to_owned() };
        let what = detail.strip_prefix(field).and_then(|rest| rest.strip_prefix(": ")).unwrap_or(detail);
        format!("{}:{line}: {what}", self.file)
    }

    /// Faults that begin with their lines.
    fn refused(&self, faults: Vec<String>) -> String {
        let faults = faults.into_iter().map(|fault| format!("{}:{fault}", self.file));
        faults.chain([NOTHING.to_owned()]).collect::<Vec<_>>().join("\n")
    }
}

/// How a refusal ends.
const NOTHING: &str = "nothing was stored";

fn read(path: &Path) -> anyhow::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let opened = std::fs::File::open(path).with_context(|| path.display().to_string())?;
    opened.take(FILE_LIMIT + 1).read_to_end(&mut bytes).with_context(|| path.display().to_string())?;
    anyhow::ensure!(bytes.len() as u64 <= FILE_LIMIT, "{} has more than {FILE_LIMIT} bytes", path.display());
    Ok(bytes)
}
