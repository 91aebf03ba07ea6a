//! Connections, their pragmas, and what SQLite's errors mean for us.

use std::fs::OpenOptions;
use std::time::Duration;

use rusqlite::functions::FunctionFlags;
use rusqlite::{Connection, ErrorCode, OpenFlags, Transaction, TransactionBehavior};

use crate::config::StoreConfig;
use crate::store::StoreError;

/// The writer. Commits are NORMAL (one fsync per checkpoint): after a power cut the last rows of traffic may
/// be missing, the file is sound. What is acknowledged goes through [`durably`].
pub(super) fn open_writer(config: &StoreConfig) -> Result<Connection, StoreError> {
    make_private(config)?;
    let connection = Connection::open(&config.path).map_err(|error| describe(config, error))?;
    connection.busy_timeout(Duration::from_millis(config.busy_timeout_ms.into()))?;
    // Only an empty file takes auto_vacuum, so it comes first. A log of up to 64 MiB: the pages of an index that
    // change with every batch reach the file once for many batches.
    let pragmas = "PRAGMA auto_vacuum = INCREMENTAL;
        PRAGMA journal_mode = WAL;
        PRAGMA synchronous = NORMAL;
        PRAGMA foreign_keys = ON;
        PRAGMA temp_store = MEMORY;
        PRAGMA cache_size = -8000;
        PRAGMA wal_autocheckpoint = 16384;
        PRAGMA journal_size_limit = 67108864;";
    connection.execute_batch(pragmas).map_err(|error| describe(config, error))?;
    connection.set_prepared_statement_cache_capacity(32);
    let flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC;
    connection.create_scalar_function("decayed", 2, flags, |context| {
        let (count, elapsed_ms) = (context.get::<f64>(0)?, context.get::<i64>(1)?);
        Ok(crate::detector::decayed(count, elapsed_ms))
    })?;
    Ok(connection)
}

/// A reader.
pub(super) fn open_reader(config: &StoreConfig) -> Result<Connection, StoreError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection =
        Connection::open_with_flags(&config.path, flags).map_err(|error| describe(config, error))?;
    connection.busy_timeout(Duration::from_millis(config.busy_timeout_ms.into()))?;
    connection.execute_batch("PRAGMA query_only = ON; PRAGMA cache_size = -1000;")?;
    Ok(connection)
}

/// Runs a change in a transaction that is on disk when this returns.
pub(super) fn durably<T>(
    connection: &mut Connection,
    change: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T>,
) -> rusqlite::Result<T> {
    connection.execute_batch("PRAGMA synchronous = FULL")?;
    let result = (|| {
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let value = change(&transaction)?;
        transaction.commit()?;
        Ok(value)
    })();
    connection.execute_batch("PRAGMA synchronous = NORMAL")?;
    result
}

/// Whether an error may pass by itself, so that it is worth keeping the rows and trying again.
pub(super) fn may_pass(error: &rusqlite::Error) -> bool {
    matches!(
        error.sqlite_error_code(),
        Some(
            ErrorCode::DatabaseBusy
                | ErrorCode::DatabaseLocked
                | ErrorCode::DiskFull
                | ErrorCode::ReadOnly
                | ErrorCode::SystemIoFailure
                | ErrorCode::CannotOpen
                | ErrorCode::PermissionDenied
                | ErrorCode::OutOfMemory
        )
    )
}

fn describe(config: &StoreConfig, error: rusqlite::Error) -> StoreError {
    let message = format!("{}: {error}", config.path.display());
    if may_pass(&error) { StoreError::Unavailable(message) } else { StoreError::Failed(message) }
}

/// Makes the file before SQLite does, so that nobody else can read it. SQLite gives the log the same mode.
fn make_private(config: &StoreConfig) -> Result<(), StoreError> {
    let mut options = OpenOptions::new();
    options.create_new(true).write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    match options.open(&config.path) {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(StoreError::Unavailable(format!("{}: {error}", config.path.display()))),
    }
}
