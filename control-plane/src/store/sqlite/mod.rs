//! SQLite, the default store: one writer thread, a pool of readers, write-ahead log.

mod batch;
mod connection;
mod events;
mod feedback;
mod lists;
mod migrate;
mod models;
mod read;
mod requests;
mod retention;
#[cfg(test)]
mod tests;
mod write;
mod writer;

use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use rusqlite::Connection;
use tokio::sync::{Semaphore, oneshot};
use uuid::Uuid;

use super::buffer::Buffer;
use super::{
    AddressRow, Answer, Checkpoint, CheckpointContent, CheckpointSummary, EventPage, EventQuery, Feedback,
    FeedbackOutcome, Health, InForce, LabelConflict, ListAddition, ListCount, ListFilter, ListKind,
    ListMerge, ListRow, LoginFailureRow, LoginQuery, NewListEntry, Promote, PromoteOutcome, Promotion,
    RequestId, RequestRow, Row, Store, StoreError, TokenRow, Totals, TrainingRow,
};
use crate::auth::Role;
use crate::config::StoreConfig;

/// Work for the writer thread that somebody waits for; it gets the connection, or why there is none, and says
/// how it went before it answers who waits.
type Job = Box<dyn FnOnce(Result<&mut Connection, StoreError>, &mut dyn FnMut(Option<&StoreError>)) + Send>;

/// A SQLite file.
pub struct SqliteStore {
    buffer: Arc<Buffer<Job>>,
    writer: Mutex<Option<JoinHandle<()>>>,
    readers: Arc<Mutex<Vec<Connection>>>,
    permits: Arc<Semaphore>,
}

impl SqliteStore {
    /// Opens the file, makes it where it is missing (readable by the owner only), brings its schema up to
    /// date and starts the writer.
    ///
    /// # Errors
    /// What SQLite says, or that a newer version wrote the file.
    pub fn open(config: &StoreConfig) -> Result<Self, StoreError> {
        let mut connection = connection::open_writer(config)?;
        migrate::up(&mut connection)?;
        let count = config.readers.max(1) as usize;
        let readers = (0..count).map(|_| connection::open_reader(config)).collect::<Result<Vec<_>, _>>()?;
        let buffer = Arc::new(Buffer::new(
            config.batch.buffer_rows as usize,
            config.batch.rows as usize,
            Duration::from_millis(config.batch.wait_ms.into()),
        ));
        let writer = writer::Writer {
            connection,
            buffer: Arc::clone(&buffer),
            batch_rows: config.batch.rows as usize,
            retention: config.retention.clone(),
        };
        let thread = std::thread::Builder::new()
            .name("store-writer".to_owned())
            .spawn(move || writer.run())
            .map_err(|error| StoreError::Failed(format!("no writer thread: {error}")))?;
        Ok(Self {
            buffer,
            writer: Mutex::new(Some(thread)),
            readers: Arc::new(Mutex::new(readers)),
            permits: Arc::new(Semaphore::new(count)),
        })
    }

    /// Runs a query on a reader, on a thread that may block.
    fn read<T: Send + 'static>(
        &self,
        query: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Answer<'_, T> {
        Box::pin(async move {
            let closed = || StoreError::Unavailable("closing".to_owned());
            let permit = Arc::clone(&self.permits).acquire_owned().await.map_err(|_| closed())?;
            let pool = Arc::clone(&self.readers);
            let work = move || {
                let _permit = permit;
                let reader = pool.lock().unwrap_or_else(PoisonError::into_inner).pop();
                let reader = reader.ok_or_else(|| StoreError::Failed("no reader is left".to_owned()))?;
                let result = query(&reader);
                pool.lock().unwrap_or_else(PoisonError::into_inner).push(reader);
                Ok(result?)
            };
            tokio::task::spawn_blocking(work).await.map_err(|error| StoreError::Failed(error.to_string()))?
        })
    }

    /// Runs a change on the writer, in a transaction of its own after all rows recorded before; durable
    /// when it answers.
    fn write<T: Send + 'static>(
        &self,
        change: impl FnOnce(&rusqlite::Transaction<'_>) -> rusqlite::Result<T> + Send + 'static,
    ) -> Answer<'_, T> {
        let (sender, receiver) = oneshot::channel();
        let job: Job = Box::new(move |connection, tell| {
            let result = connection.and_then(|c| Ok(connection::durably(c, change)?));
            tell(result.as_ref().err());
            // The asker may have gone away; what was written stays written.
            drop(sender.send(result));
        });
        let queued = self.buffer.submit(job).is_ok();
        Box::pin(async move {
            if !queued {
                let reason = "the writer has stopped, or too many writes are waiting";
                return Err(StoreError::Unavailable(reason.to_owned()));
            }
            let stopped = |_| StoreError::Unavailable("the writer has stopped".to_owned());
            receiver.await.map_err(stopped)?
        })
    }
}

impl Drop for SqliteStore {
    /// Writes what is buffered and ends the writer.
    fn drop(&mut self) {
        self.buffer.close();
        let thread = self.writer.lock().unwrap_or_else(PoisonError::into_inner).take();
        if thread.is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the store's writer ended in a panic");
        }
    }
}

impl Store for SqliteStore {
    fn record(&self, rows: &mut dyn Iterator<Item = Row>) {
        self.buffer.record(rows);
    }

    fn flush(&self) -> Answer<'_, ()> {
        self.write(write::touch)
    }

    fn health(&self) -> Health {
        self.buffer.health()
    }

    fn ping(&self) -> Answer<'_, ()> {
        self.read(|reader| reader.query_row("SELECT 1 FROM settings LIMIT 1", [], |_| Ok(())).or_else(none))
    }

    fn feedback(&self, feedback: Feedback, now_ms: u64) -> Answer<'_, FeedbackOutcome> {
        self.write(move |transaction| feedback::store(transaction, &feedback, now_ms))
    }

    fn request(&self, id: RequestId) -> Answer<'_, Option<RequestRow>> {
        self.read(move |reader| requests::request(reader, &id))
    }

    fn events(&self, query: EventQuery) -> Answer<'_, EventPage> {
        self.read(move |reader| events::page(reader, &query))
    }

    fn login_failures(&self, query: LoginQuery, limit: u32) -> Answer<'_, Vec<LoginFailureRow>> {
        self.read(move |reader| events::login_failures(reader, query, limit))
    }

    fn training_rows(&self, after_id: i64, limit: u32) -> Answer<'_, Vec<TrainingRow>> {
        self.read(move |reader| feedback::rows(reader, after_id, limit))
    }

    fn labels_since(&self, created_ms: u64, limit: u32) -> Answer<'_, Vec<TrainingRow>> {
        self.read(move |reader| feedback::rows_since(reader, created_ms, limit))
    }

    fn label_conflicts(&self, limit: u32) -> Answer<'_, Vec<LabelConflict>> {
        self.read(move |reader| feedback::conflicts(reader, limit))
    }

    fn save_checkpoint(&self, content: CheckpointContent, now_ms: u64) -> Answer<'_, i64> {
        self.write(move |transaction| models::save(transaction, &content, now_ms))
    }

    fn checkpoint(&self, id: i64) -> Answer<'_, Option<Checkpoint>> {
        self.read(move |reader| models::checkpoint(reader, id))
    }

    fn checkpoints(&self) -> Answer<'_, Vec<CheckpointSummary>> {
        self.read(models::checkpoints)
    }

    fn prune_checkpoints(&self, keep: u32) -> Answer<'_, u64> {
        self.write(move |transaction| models::prune(transaction, keep))
    }

    fn in_force(&self) -> Answer<'_, InForce> {
        self.read(models::in_force)
    }

    fn promote(&self, promote: Promote, now_ms: u64) -> Answer<'_, PromoteOutcome> {
        self.write(move |transaction| models::promote(transaction, &promote, now_ms))
    }

    fn rollback(&self, by: String, reason: String, now_ms: u64) -> Answer<'_, Option<Promotion>> {
        self.write(move |transaction| models::rollback(transaction, &by, &reason, now_ms))
    }

    fn promotions(&self, limit: u32) -> Answer<'_, Vec<Promotion>> {
        self.read(move |reader| models::promotions(reader, limit))
    }

    fn set_shadow(&self, checkpoint: Option<i64>) -> Answer<'_, bool> {
        self.write(move |transaction| models::set_shadow(transaction, checkpoint))
    }

    fn add_list_entries(&self, entries: Vec<NewListEntry>, now_ms: u64) -> Answer<'_, ListAddition> {
        self.write(move |transaction| lists::add(transaction, &entries, now_ms))
    }

    fn remove_list_entries(&self, filter: ListFilter, now_ms: u64) -> Answer<'_, Vec<Uuid>> {
        self.write(move |transaction| lists::remove(transaction, &filter, now_ms))
    }

    fn list_entries(
        &self,
        filter: ListFilter,
        after: Option<Uuid>,
        limit: u32,
        now_ms: u64,
    ) -> Answer<'_, Vec<ListRow>> {
        self.read(move |reader| lists::page(reader, &filter, after, limit, now_ms))
    }

    fn list_entries_of(&self, values: Vec<(ListKind, String)>, now_ms: u64) -> Answer<'_, Vec<ListRow>> {
        self.read(move |reader| lists::of_values(reader, &values, now_ms))
    }

    fn list_changes(&self, after: u64, limit: u32) -> Answer<'_, (u64, Vec<ListRow>)> {
        self.read(move |reader| lists::changes(reader, after, limit))
    }

    fn list_revision(&self) -> Answer<'_, u64> {
        self.read(lists::revision)
    }

    fn merge_list_entries(&self, rows: Vec<ListRow>, now_ms: u64) -> Answer<'_, ListMerge> {
        self.write(move |transaction| lists::merge(transaction, rows, now_ms))
    }

    fn list_counts(&self, now_ms: u64) -> Answer<'_, Vec<ListCount>> {
        self.read(move |reader| lists::counts(reader, now_ms))
    }

    fn prune_list_entries(&self, now_ms: u64) -> Answer<'_, u64> {
        self.write(move |transaction| lists::prune(transaction, now_ms))
    }

    fn totals(&self) -> Answer<'_, Totals> {
        self.read(read::totals)
    }

    fn address(&self, address: u64) -> Answer<'_, Option<AddressRow>> {
        self.read(move |reader| read::address(reader, address))
    }

    fn recent_addresses(&self, limit: u32) -> Answer<'_, Vec<AddressRow>> {
        self.read(move |reader| read::recent_addresses(reader, limit))
    }

    fn tokens(&self) -> Answer<'_, Vec<TokenRow>> {
        self.read(read::tokens)
    }

    fn create_token(&self, role: Role, name: String, hash: [u8; 32], now_ms: u64) -> Answer<'_, i64> {
        self.write(move |transaction| write::create_token(transaction, role, &name, &hash, now_ms))
    }

    fn revoke_token(&self, id: i64, now_ms: u64) -> Answer<'_, bool> {
        self.write(move |transaction| write::revoke_token(transaction, id, now_ms))
    }

    fn setting(&self, name: &'static str) -> Answer<'_, Option<Vec<u8>>> {
        self.read(move |reader| read::setting(reader, name))
    }

    fn set_setting(&self, name: &'static str, value: Vec<u8>) -> Answer<'_, ()> {
        self.write(move |transaction| write::set_setting(transaction, name, &value))
    }

    fn claim_setting(&self, name: &'static str, value: Vec<u8>) -> Answer<'_, Vec<u8>> {
        self.write(move |transaction| write::claim_setting(transaction, name, &value))
    }
}

fn none(error: rusqlite::Error) -> rusqlite::Result<()> {
    if error == rusqlite::Error::QueryReturnedNoRows { Ok(()) } else { Err(error) }
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        if connection::may_pass(&error) {
            Self::Unavailable(error.to_string())
        } else {
            Self::Failed(error.to_string())
        }
    }
}

/// SQLite integers are signed: a hash keeps its bits.
fn signed(hash: u64) -> i64 {
    hash.cast_signed()
}
