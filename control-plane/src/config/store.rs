//! `store:` — where rows are kept, how they are written and how long they stay.

use std::path::PathBuf;

use serde::Deserialize;

/// The database.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct StoreConfig {
    /// The SQLite file (environment: `DB_PATH`), made on first start, readable by its owner only.
    /// Default: `sallyport.db` in the working directory.
    pub path: PathBuf,
    /// How long to wait for a lock that another process holds, in milliseconds. Default: 2000.
    pub busy_timeout_ms: u32,
    /// Connections for reading. Default: 4.
    pub readers: u32,
    /// How rows are written.
    pub batch: BatchConfig,
    /// How long rows stay.
    pub retention: RetentionConfig,
}

/// The writer's batches.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct BatchConfig {
    /// Most rows in one transaction. Default: 10000.
    pub rows: u32,
    /// Longest time a row waits before it is written, in milliseconds. Default: 200.
    pub wait_ms: u32,
    /// Rows kept in memory while the database cannot be written; beyond this they are dropped and
    /// counted. Default: 20000.
    pub buffer_rows: u32,
}

/// Bounds of the tables that grow with traffic; whichever is reached first. Feedback, tokens, settings and
/// daily totals stay.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RetentionConfig {
    /// Oldest request, event or failed login, in days. Default: 30.
    pub days: u32,
    /// Most rows in `requests`. Default: 2000000.
    pub max_rows: u64,
    /// Largest file, in MiB; the oldest requests make room. Default: 1024.
    pub max_mib: u64,
    /// Most rows in `ip_reputation`. Default: 500000.
    pub max_addresses: u64,
    /// Time between two clean-ups, in seconds. Default: 60.
    pub interval_s: u32,
}

impl Default for StoreConfig {
    fn default() -> Self {
        Self {
            path: PathBuf::from("sallyport.db"),
            busy_timeout_ms: 2000,
            readers: 4,
            batch: BatchConfig::default(),
            retention: RetentionConfig::default(),
        }
    }
}

impl Default for BatchConfig {
    fn default() -> Self {
        Self { rows: 10_000, wait_ms: 200, buffer_rows: 20_000 }
    }
}

impl Default for RetentionConfig {
    fn default() -> Self {
        Self { days: 30, max_rows: 2_000_000, max_mib: 1024, max_addresses: 500_000, interval_s: 60 }
    }
}

impl StoreConfig {
    pub(super) fn problems(&self) -> Vec<(&'static str, String)> {
        let mut problems = Vec::new();
        if self.path.as_os_str().is_empty() {
            problems.push(("store.path", "is empty; name a file, such as `sallyport.db`".into()));
        }
        let mut within = |key, value: u64, least: u64, most: u64| {
            if !(least..=most).contains(&value) {
                problems.push((key, format!("{value}: write {least} to {most}")));
            }
        };
        within("store.busy_timeout_ms", self.busy_timeout_ms.into(), 0, 60_000);
        within("store.readers", self.readers.into(), 1, 64);
        within("store.batch.rows", self.batch.rows.into(), 1, 100_000);
        within("store.batch.wait_ms", self.batch.wait_ms.into(), 1, 10_000);
        within("store.batch.buffer_rows", self.batch.buffer_rows.into(), 1, 10_000_000);
        within("store.retention.days", self.retention.days.into(), 1, 3650);
        within("store.retention.max_rows", self.retention.max_rows, 1000, 1_000_000_000);
        within("store.retention.max_mib", self.retention.max_mib, 8, 1_000_000);
        within("store.retention.max_addresses", self.retention.max_addresses, 1000, 100_000_000);
        within("store.retention.interval_s", self.retention.interval_s.into(), 1, 86_400);
        if self.batch.buffer_rows < self.batch.rows {
            problems.push(("store.batch.buffer_rows", "must not be less than store.batch.rows".into()));
        }
        problems
    }
}
