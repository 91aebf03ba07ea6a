//! The writer thread: takes what was recorded, writes it in batches, answers jobs, cleans up.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rusqlite::Connection;

use super::{Job, batch, connection, retention};
use crate::config::RetentionConfig;
use crate::store::buffer::{Buffer, DailyCounts};
use crate::store::{Row, StoreError};

/// Time between two attempts while the database cannot be written.
const RETRY: Duration = Duration::from_millis(250);

/// Time between two steps of a clean-up that has more to do.
const CLEANUP_STEP: Duration = Duration::from_millis(20);

/// Everything the thread owns.
pub(super) struct Writer {
    pub(super) connection: Connection,
    pub(super) buffer: Arc<Buffer<Job>>,
    pub(super) batch_rows: usize,
    pub(super) retention: RetentionConfig,
}

impl Writer {
    /// Runs until the buffer is closed.
    pub(super) fn run(mut self) {
        let interval = Duration::from_secs(self.retention.interval_s.into());
        let mut next_cleanup = Instant::now() + interval;
        loop {
            let work = self.buffer.next_work(next_cleanup.saturating_duration_since(Instant::now()));
            let failure = self.write_all(work.rows, work.counts);
            for job in work.jobs {
                match &failure {
                    Some(reason) => job(Err(StoreError::Unavailable(reason.clone()))),
                    None => job(Ok(&mut self.connection)),
                }
            }
            if work.closing {
                // Best effort: the log is replayed on the next start otherwise.
                drop(self.connection.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)"));
                return;
            }
            if failure.is_some() {
                self.buffer.pause(RETRY);
            } else if Instant::now() >= next_cleanup {
                next_cleanup = Instant::now() + self.clean_up(interval);
            }
        }
    }

    /// Writes rows batch by batch. What cannot be written now goes back into the buffer, and the reason is
    /// answered; what never can be is dropped.
    fn write_all(&mut self, mut rows: Vec<Row>, counts: DailyCounts) -> Option<String> {
        let (mut written, mut refused) = (0, 0);
        let mut counts = Some(counts).filter(|counts| !counts.is_empty());
        let mut rest = rows.as_slice();
        while !rest.is_empty() || counts.is_some() {
            let (chunk, after) = rest.split_at(rest.len().min(self.batch_rows));
            match batch::write(&mut self.connection, chunk, counts.as_ref()) {
                Ok(()) => written += chunk.len() as u64,
                Err(error) if connection::may_pass(&error) => {
                    let reason = error.to_string();
                    tracing::warn!(%reason, waiting = rest.len(), "rows cannot be written now");
                    let done = rows.len() - rest.len();
                    rows.drain(..done);
                    self.buffer.give_back(rows, &counts.unwrap_or_default(), written, reason.clone());
                    return Some(reason);
                }
                Err(error) => {
                    tracing::error!(%error, rows = chunk.len(), "the database refuses rows; dropped");
                    refused += chunk.len() as u64;
                }
            }
            counts = None;
            rest = after;
        }
        self.buffer.settled(written, refused);
        None
    }

    /// One step of cleaning up; answers when the next is due.
    fn clean_up(&mut self, interval: Duration) -> Duration {
        let now_ms = crate::clock::unix_ms();
        match retention::step(&mut self.connection, &self.retention, now_ms) {
            Ok(retention::Progress::Done) => interval,
            Ok(retention::Progress::More) => CLEANUP_STEP,
            Err(error) => {
                tracing::warn!(%error, "old rows could not be deleted");
                interval
            }
        }
    }
}
