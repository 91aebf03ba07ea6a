//! The writer thread: takes what was recorded, writes it in batches, answers jobs, cleans up.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rusqlite::Connection;

use super::{Job, batch, connection, retention, write};
use crate::config::RetentionConfig;
use crate::store::buffer::{Buffer, DailyCounts, Work};
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

impl Drop for Writer {
    /// After a panic too, nobody must wait for ever.
    fn drop(&mut self) {
        self.buffer.stopped();
    }
}

impl Writer {
    /// Runs until the buffer is closed.
    pub(super) fn run(mut self) {
        let interval = Duration::from_secs(self.retention.interval_s.into());
        let mut next_cleanup = Instant::now() + interval;
        let mut was_failing = false;
        loop {
            let idle = if was_failing {
                Duration::ZERO
            } else {
                next_cleanup.saturating_duration_since(Instant::now())
            };
            let work = self.buffer.next_work(idle);
            let closing = work.closing;
            let failure = self.carry_out(work, was_failing);
            match &failure {
                Some(reason) if !was_failing => {
                    tracing::warn!(%reason, "the database cannot be written; rows wait in memory");
                }
                None if was_failing => tracing::info!("the database can be written again"),
                _ => {}
            }
            was_failing = failure.is_some();
            if closing {
                if let Some(reason) = failure {
                    let rows = self.buffer.health().pending_rows;
                    tracing::error!(%reason, rows, "closing without having written these rows");
                }
                // Best effort: the log is replayed on the next start otherwise.
                drop(self.connection.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)"));
                return;
            }
            // Also while failing: what is too full may be emptied.
            if Instant::now() >= next_cleanup {
                next_cleanup = Instant::now() + self.clean_up(interval);
            }
            if was_failing {
                self.buffer.pause(RETRY);
            }
        }
    }

    /// Writes rows, then does the jobs; answers why the database cannot be written, if so. Where it could not
    /// before and there is nothing to write, it is tried all the same, so that its state is told truly.
    pub(super) fn carry_out(&mut self, work: Work<Job>, was_failing: bool) -> Option<String> {
        if was_failing && work.is_empty() {
            let tried = connection::durably(&mut self.connection, write::touch);
            let failure = tried.err().map(|error| error.to_string());
            self.buffer.writable(failure.clone());
            return failure;
        }
        let mut failure = self.write_all(work.rows, work.counts);
        for job in work.jobs {
            let connection = match &failure {
                Some(reason) => Err(StoreError::Unavailable(reason.clone())),
                None => Ok(&mut self.connection),
            };
            job(connection, &mut |error| match error {
                Some(StoreError::Unavailable(reason)) => {
                    self.buffer.writable(Some(reason.clone()));
                    failure = Some(reason.clone());
                }
                // The change itself was refused.
                Some(_) => {}
                None => self.buffer.writable(None),
            });
        }
        failure
    }

    /// Writes rows batch by batch. What cannot be written now goes back into the buffer, and the reason is
    /// answered; what never can be is dropped, but for its counts.
    fn write_all(&mut self, mut rows: Vec<Row>, counts: DailyCounts) -> Option<String> {
        let (mut written, mut refused, mut succeeded) = (0, 0, false);
        let mut counts = Some(counts).filter(|counts| !counts.is_empty());
        let mut rest = rows.as_slice();
        while !rest.is_empty() || counts.is_some() {
            let (chunk, after) = rest.split_at(rest.len().min(self.batch_rows));
            match batch::write(&mut self.connection, chunk, counts.as_ref()) {
                Ok(()) => {
                    written += chunk.len() as u64;
                    counts = None;
                    succeeded = true;
                }
                Err(error) if connection::may_pass(&error) => {
                    let reason = error.to_string();
                    let done = rows.len() - rest.len();
                    rows.drain(..done);
                    self.buffer.give_back(
                        rows,
                        &counts.unwrap_or_default(),
                        written,
                        refused,
                        reason.clone(),
                    );
                    return Some(reason);
                }
                Err(error) => {
                    tracing::error!(%error, rows = chunk.len(), "the database refuses rows; dropped");
                    refused += chunk.len() as u64;
                    if chunk.is_empty() {
                        counts = None;
                    }
                }
            }
            rest = after;
        }
        self.buffer.settled(written, refused);
        if succeeded {
            self.buffer.writable(None);
        }
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
