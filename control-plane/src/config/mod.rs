//! The configuration: `config.yaml` < environment < flags, checked as a whole.
//!
//! Loading is all or nothing: either a [`Loaded`] whose every value is valid, or [`Problems`] with every
//! mistake of the run, each with its line and key. Each section has a file of its own here, with unit and
//! default in the doc of each field; `config.example.yaml` shows them all.

mod crawlers;
mod environment;
mod fetch;
mod files;
mod limits;
mod lists;
mod model;
mod problem;
mod ranges;
mod rate_limits;
mod redis;
mod reputation;
mod secret;
mod server;
mod store;
#[cfg(test)]
mod tests;
mod tree;

use std::ffi::OsString;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use sallyport_core::PolicyConfig;
use serde::Deserialize;

pub use crawlers::CrawlersConfig;
pub use fetch::{FetchConfig, PrivateHost};
pub use files::Files;
pub use limits::LimitsConfig;
pub use lists::ListsConfig;
pub use model::{ModelConfig, OnlineConfig, TrainConfig};
use problem::plain;
pub use problem::{Origin, Problem, Problems};
pub use ranges::{RangeFile, RangesConfig, SourceConfig};
pub use rate_limits::{ApiLimit, RateLimitsConfig};
pub use redis::RedisConfig;
pub use reputation::{
    AbuseIpdbConfig, BreakerConfig, IpQualityScoreConfig, KeyPlace, Nets, ProviderName, ReputationConfig,
};
pub use secret::{Secret, Secrets};
pub use server::ServerConfig;
pub use store::{BatchConfig, RetentionConfig, StoreConfig};
use tree::Node;

use crate::ranges::{Assembly, Inputs};

/// The file that is read where none is named; it may be missing.
pub const DEFAULT_FILE: &str = "config.yaml";

/// The largest configuration file that is read, bytes.
const FILE_LIMIT: u64 = 4 * 1024 * 1024;

/// More mistakes than this are not looked for in one run.
const PROBLEM_LIMIT: usize = 200;

/// Every section.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Where the control plane listens.
    pub server: ServerConfig,
    /// Where rows are kept.
    pub store: StoreConfig,
    /// What is judged and how; snapshots carry it to the filters.
    pub policy: PolicyConfig,
    /// How models are trained and take turns.
    pub model: ModelConfig,
    /// Whose addresses are whose.
    pub ranges: RangesConfig,
    /// The server through which control planes share state.
    pub redis: RedisConfig,
    /// What the detector may keep in memory.
    pub limits: LimitsConfig,
    /// How claimed crawlers are verified.
    pub crawlers: CrawlersConfig,
    /// The lists that operators change while it runs.
    pub lists: ListsConfig,
    /// How the Internet is asked.
    pub fetch: FetchConfig,
    /// What providers are asked about addresses.
    pub reputation: ReputationConfig,
    /// Values that must not be shown.
    pub secrets: Secrets,
}

/// A valid configuration and what it names in other files.
#[derive(Clone, Debug, Default)]
pub struct Loaded {
    /// The sections.
    pub config: Config,
    /// The address ranges: those that ship, that were fetched, and of files.
    pub ranges: Assembly,
    /// The files it was read from.
    pub files: Files,
}

/// Where the configuration comes from; kept to load it again.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    /// The file that was asked for; `None` tries [`DEFAULT_FILE`] and does without.
    pub file: Option<PathBuf>,
    /// The environment, name and value.
    pub environment: Vec<(OsString, OsString)>,
    /// Flags as (flag, key, value), such as (`--port`, `server.port`, `8000`).
    pub flags: Vec<(String, String, String)>,
}

impl Sources {
    /// Reads and checks everything.
    ///
    /// # Errors
    /// All mistakes at once; nothing of a faulty configuration is used.
    pub fn load(&self) -> Result<Loaded, Problems> {
        let mut problems = Vec::new();
        let mut files = Files::default();
        files.note(&self.path());
        let mut tree = self.read_file().unwrap_or_else(|problem| {
            problems.push(problem);
            Node::empty(&self.file_name())
        });
        for (origin, key, value) in environment::settings(&self.environment) {
            let path: Vec<&str> = key.split('.').collect();
            match value.to_str() {
                Some(value) => tree.put(&path, Node::from_text(origin, &key, value)),
                None => problems.push(Problem::new(origin, key, "is not UTF-8")),
            }
        }
        for (flag, key, value) in &self.flags {
            let path: Vec<&str> = key.split('.').collect();
            tree.put(&path, Node::from_text(Origin::Flag(flag.clone()), key, value));
        }
        let mut config = typed(&mut tree, &mut problems);
        let mut faults: Vec<(String, String)> = Vec::new();
        let sections = [
            config.server.problems(),
            config.store.problems(),
            config.limits.problems(),
            config.crawlers.problems(),
            config.model.problems(),
            config.redis.settle(&self.folder()),
            config.fetch.problems(),
            config.reputation.problems(&config.secrets),
            config.secrets.problems(),
        ];
        faults.extend(sections.into_iter().flatten().map(|(key, message)| (key.to_owned(), message)));
        faults.extend(config.lists.problems(&config.policy.lists));
        faults.extend(config.policy.problems().into_iter().map(|p| (format!("policy.{}", p.key), p.message)));
        let read = config.ranges.read(&self.folder(), &config.store.path, &mut files);
        let ranges = read.unwrap_or_else(|found| {
            faults.extend(found);
            Inputs::default()
        });
        problems.extend(faults.into_iter().map(|(key, message)| {
            let (origin, key) = tree.locate(&key);
            Problem::new(origin, key, message)
        }));
        if problems.is_empty() {
            return Ok(Loaded { config, ranges: Assembly::new(ranges), files });
        }
        problems.sort_by_key(|problem| match problem.origin {
            Origin::Line { line, .. } => line,
            Origin::Environment(_) | Origin::Flag(_) => usize::MAX,
        });
        Err(Problems(problems))
    }

    /// The folder that relative paths of range files start from.
    fn folder(&self) -> PathBuf {
        self.file.as_deref().and_then(Path::parent).map(Path::to_owned).unwrap_or_default()
    }

    /// The file that is read, whether it exists or not.
    pub(crate) fn path(&self) -> PathBuf {
        self.file.clone().unwrap_or_else(|| PathBuf::from(DEFAULT_FILE))
    }

    fn file_name(&self) -> String {
        self.path().display().to_string()
    }

    fn read_file(&self) -> Result<Node, Problem> {
        let name = self.file_name();
        match read_limited(&self.path()) {
            Ok(text) => Node::from_yaml(&name, &text),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound && self.file.is_none() => {
                Ok(Node::empty(&name))
            }
            Err(error) => Err(Problem::new(Origin::line(&name, 1), "", format!("cannot be read: {error}"))),
        }
    }
}

/// Reads text of at most [`FILE_LIMIT`].
fn read_limited(path: &Path) -> std::io::Result<String> {
    let mut text = String::new();
    let read = std::fs::File::open(path)?.take(FILE_LIMIT + 1).read_to_string(&mut text)?;
    if read as u64 > FILE_LIMIT {
        return Err(std::io::Error::other(format!("it has more than {FILE_LIMIT} bytes")));
    }
    Ok(text)
}

/// Gives the tree its types. A value that does not fit is noted and taken out, and the rest tried again, so
/// that one run finds every mistake.
fn typed(tree: &mut Node, problems: &mut Vec<Problem>) -> Config {
    while problems.len() < PROBLEM_LIMIT {
        let error = match serde_path_to_error::deserialize(tree.to_json()) {
            Ok(config) => return config,
            Err(error) => error,
        };
        let Some((origin, key)) = tree.take(error.path()) else {
            problems.push(Problem::new(tree.origin.clone(), "", plain(&error.inner().to_string())));
            break;
        };
        problems.push(Problem::new(origin, key, plain(&error.inner().to_string())));
    }
    Config::default()
}
