//! The store: what the control plane keeps beyond its own life, behind one interface.
//!
//! Rows of decisions are recorded without waiting: they go into a bounded buffer that one writer empties in
//! batches, so a slow or locked database never slows a decision. Everything that is acknowledged to somebody
//! (feedback, tokens, settings) is answered only once it is durable. Errors are [`StoreError`]; the API turns
//! them into problem+json.

mod buffer;
#[cfg(test)]
mod contract;
mod event;
mod list;
mod model;
mod row;
mod sqlite;

use std::future::Future;
use std::pin::Pin;

pub use event::{EventKey, EventPage, EventQuery, EventRow, LoginQuery};
pub use list::{
    ListAddition, ListCount, ListFilter, ListKind, ListMerge, ListRow, MOST_ENTRIES, MOST_PATTERNS,
    NewListEntry, TOMBSTONE_MS,
};
use model::SHADOW_SETTING;
pub use model::{
    BUILT_IN, Checkpoint, CheckpointContent, CheckpointSource, CheckpointSummary, InForce, LabelConflict,
    Promote, PromoteOutcome, Promotion, TrainingRow,
};
pub use row::{FingerprintRow, LoginFailureRow, RequestId, RequestRow, Row, Source, Standing};
pub use sallyport_core::policy::ListAction;
pub use sqlite::SqliteStore;

use uuid::Uuid;

use crate::auth::Role;

/// What a store answers, in time.
pub type Answer<'a, T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 'a>>;

/// Why a store could not do what it was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// Locked, full, read-only or unreachable: it may work later.
    #[error("the database cannot be used now: {0}")]
    Unavailable(String),
    /// Anything else: a damaged file, a fault of our own.
    #[error("the database failed: {0}")]
    Failed(String),
    /// Written by a newer version.
    #[error("the database has schema version {found}, this program knows {known}; start a newer version")]
    TooNew {
        /// The version in the file.
        found: u32,
        /// The newest version this program has migrations for.
        known: u32,
    },
}

/// Which decision a piece of feedback is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FeedbackTarget {
    /// The decision of this id.
    Request(RequestId),
    /// The newest decision on this path about this client (keyed hash).
    Latest {
        /// The client's keyed hash.
        client: u64,
        /// Path without query.
        path: String,
    },
}

/// What became of feedback.
#[derive(Clone, Debug, PartialEq)]
pub enum FeedbackOutcome {
    /// Stored, durably, with what was known of the request.
    Recorded(Box<TrainingRow>),
    /// The same had been said before; nothing changed.
    AlreadyRecorded(RequestId),
    /// The opposite had been said before; that stays, and the contradiction is on record.
    Contradicts {
        /// The request.
        request_id: RequestId,
        /// What is on record.
        recorded_is_bot: bool,
    },
    /// There is no such decision, or it was deleted by age.
    UnknownRequest,
}

/// What somebody says about a decision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Feedback {
    /// Which decision.
    pub target: FeedbackTarget,
    /// What it really was.
    pub is_bot: bool,
    /// Number of the token that says so.
    pub token: Option<i64>,
}

/// Totals since the first start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// All decisions.
    pub requests: u64,
    /// Decisions of CHALLENGE, RATE_LIMIT or BLOCK.
    pub bots: u64,
    /// Addresses on record.
    pub addresses: u64,
    /// Addresses on record that were blocked at least once.
    pub blocked_addresses: u64,
    /// Rows of training data.
    pub training_examples: u64,
}

/// What is on record about an address.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AddressRow {
    /// Keyed hash.
    pub address: u64,
    /// Decayed outcomes as of `last_seen_ms`.
    pub standing: Standing,
    /// Requests, refused ones too.
    pub requests: u64,
    /// Requests judged BLOCK.
    pub blocked: u64,
    /// Failed logins.
    pub failed_logins: u64,
    /// Unix ms.
    pub first_seen_ms: u64,
    /// Unix ms.
    pub last_seen_ms: u64,
}

/// A token as it is stored: the secret itself is not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenRow {
    /// Number to name it by.
    pub id: i64,
    /// What it may do.
    pub role: Role,
    /// Whose it is.
    pub name: String,
    /// SHA-256 of the token.
    pub hash: [u8; 32],
    /// Unix ms.
    pub created_ms: u64,
    /// Unix ms, once revoked.
    pub revoked_ms: Option<u64>,
}

/// How the store is doing; taken without touching the database.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Health {
    /// Why the last attempt to write failed, while it does.
    pub failing: Option<String>,
    /// Rows waiting to be written.
    pub pending_rows: u64,
    /// Rows written since the start.
    pub written_rows: u64,
    /// Rows dropped since the start because the buffer was full or the database refused them.
    pub dropped_rows: u64,
}

/// A storage backend. Every backend passes the same contract tests.
pub trait Store: Send + Sync + 'static {
    /// Takes rows to be written soon; never waits. Beyond the buffer they are dropped and counted, but
    /// their decisions stay in the totals.
    fn record(&self, rows: &mut dyn Iterator<Item = Row>);

    /// Writes what was recorded before, then answers.
    fn flush(&self) -> Answer<'_, ()>;

    /// How the store is doing.
    fn health(&self) -> Health;

    /// Asks the database for a trivial answer.
    fn ping(&self) -> Answer<'_, ()>;

    /// Stores what somebody said about a decision, with its features; durable when it answers.
    fn feedback(&self, feedback: Feedback, now_ms: u64) -> Answer<'_, FeedbackOutcome>;

    /// The newest decision of this name, with the reasons that raised its score.
    fn request(&self, id: RequestId) -> Answer<'_, Option<RequestRow>>;

    /// Events, newest first, by place in the order of pages.
    fn events(&self, query: EventQuery) -> Answer<'_, EventPage>;

    /// The newest failed logins of an account or a network, newest first, at most `limit`.
    fn login_failures(&self, query: LoginQuery, limit: u32) -> Answer<'_, Vec<LoginFailureRow>>;

    /// Labels in the order of arrival: those with a number above `after_id`, at most `limit`.
    fn training_rows(&self, after_id: i64, limit: u32) -> Answer<'_, Vec<TrainingRow>>;

    /// The newest labels made at `created_ms` (Unix ms) or later, newest first, at most `limit`.
    fn labels_since(&self, created_ms: u64, limit: u32) -> Answer<'_, Vec<TrainingRow>>;

    /// Labels that contradict what is on record, newest first, at most `limit`.
    fn label_conflicts(&self, limit: u32) -> Answer<'_, Vec<LabelConflict>>;

    /// Stores a checkpoint; durable when it answers its number.
    fn save_checkpoint(&self, content: CheckpointContent, now_ms: u64) -> Answer<'_, i64>;

    /// A checkpoint with all its parts.
    fn checkpoint(&self, id: i64) -> Answer<'_, Option<Checkpoint>>;

    /// All checkpoints, newest first.
    fn checkpoints(&self) -> Answer<'_, Vec<CheckpointSummary>>;

    /// Deletes checkpoints beyond the newest `keep` of each source and answers how many: steps of online learning
    /// that do not judge, and others that nobody ever promoted. What judges or looks on stays.
    fn prune_checkpoints(&self, keep: u32) -> Answer<'_, u64>;

    /// Which models look at traffic.
    fn in_force(&self) -> Answer<'_, InForce>;

    /// Lets a checkpoint judge; durable when it answers. It is out of the shadow then.
    fn promote(&self, promote: Promote, now_ms: u64) -> Answer<'_, PromoteOutcome>;

    /// Goes back to what judged before the promotion in force was made, and after a rollback further back; `None`
    /// where there is nothing to go back to. Durable when it answers.
    fn rollback(&self, by: String, reason: String, now_ms: u64) -> Answer<'_, Option<Promotion>>;

    /// Promotions, newest first, at most `limit`.
    fn promotions(&self, limit: u32) -> Answer<'_, Vec<Promotion>>;

    /// Lets a checkpoint look on, or none; durable when it answers whether there is such a checkpoint.
    fn set_shadow(&self, checkpoint: Option<i64>) -> Answer<'_, bool>;

    /// Puts entries on the lists, all or none; of one that is there already, reason, author and expiry are renewed.
    /// Durable when it answers.
    fn add_list_entries(&self, entries: Vec<NewListEntry>, now_ms: u64) -> Answer<'_, ListAddition>;

    /// Removes the entries that fit; durable when it answers their ids.
    fn remove_list_entries(&self, filter: ListFilter, now_ms: u64) -> Answer<'_, Vec<Uuid>>;

    /// The entries that fit and count at `now_ms`, newest first, at most `limit`, those older than `after` (an id).
    fn list_entries(
        &self,
        filter: ListFilter,
        after: Option<Uuid>,
        limit: u32,
        now_ms: u64,
    ) -> Answer<'_, Vec<ListRow>>;

    /// The entries of these values that count at `now_ms`, in the order of making.
    fn list_entries_of(&self, values: Vec<(ListKind, String)>, now_ms: u64) -> Answer<'_, Vec<ListRow>>;

    /// What the lists changed to after a revision (0: all of it, removed entries too), at most `limit` in the order of
    /// change, and the revision of the last of them.
    fn list_changes(&self, after: u64, limit: u32) -> Answer<'_, (u64, Vec<ListRow>)>;

    /// The revision of the lists: grows with every change, whoever makes it.
    fn list_revision(&self) -> Answer<'_, u64>;

    /// Takes another replica's entries where they are newer; durable when it answers.
    fn merge_list_entries(&self, rows: Vec<ListRow>, now_ms: u64) -> Answer<'_, ListMerge>;

    /// How many entries count at `now_ms`, of those lists and kinds that have any.
    fn list_counts(&self, now_ms: u64) -> Answer<'_, Vec<ListCount>>;

    /// Forgets entries that were removed or expired [`TOMBSTONE_MS`] ago or longer, and answers how many.
    fn prune_list_entries(&self, now_ms: u64) -> Answer<'_, u64>;

    /// Totals since the first start.
    fn totals(&self) -> Answer<'_, Totals>;

    /// What is on record about an address (keyed hash).
    fn address(&self, address: u64) -> Answer<'_, Option<AddressRow>>;

    /// The addresses seen last, newest first, at most `limit`.
    fn recent_addresses(&self, limit: u32) -> Answer<'_, Vec<AddressRow>>;

    /// All tokens, revoked ones too, by id.
    fn tokens(&self) -> Answer<'_, Vec<TokenRow>>;

    /// Stores a token's hash; durable when it answers its id.
    fn create_token(&self, role: Role, name: String, hash: [u8; 32], now_ms: u64) -> Answer<'_, i64>;

    /// Revokes a token; durable when it answers whether there was one to revoke.
    fn revoke_token(&self, id: i64, now_ms: u64) -> Answer<'_, bool>;

    /// A setting's value.
    fn setting(&self, name: &'static str) -> Answer<'_, Option<Vec<u8>>>;

    /// Stores a setting over what was there; durable when it answers.
    fn set_setting(&self, name: &'static str, value: Vec<u8>) -> Answer<'_, ()>;

    /// Stores a setting unless there is one, and answers the one that is there; durable when it answers.
    fn claim_setting(&self, name: &'static str, value: Vec<u8>) -> Answer<'_, Vec<u8>>;
}
