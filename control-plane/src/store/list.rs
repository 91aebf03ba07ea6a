//! The rows of the allow and deny lists.

use sallyport_core::policy::ListAction;
use uuid::Uuid;

/// Most entries in force at once, over both lists.
pub const MOST_ENTRIES: u64 = 100_000;

/// Most entries in force at once of the kinds that are tried one after another: user agents, and as many paths.
pub const MOST_PATTERNS: u64 = 256;

/// How long a removed or expired entry stays known, ms: so long a replica may be away without bringing it back.
pub const TOMBSTONE_MS: u64 = 30 * 24 * 3_600_000;

/// What an entry names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ListKind {
    /// One address.
    Address,
    /// A range of addresses.
    Range,
    /// A session, by its keyed hash.
    Session,
    /// A device, by the keyed hash of its fingerprint.
    Fingerprint,
    /// A pattern of user agents.
    UserAgent,
    /// A path, or all that begin so.
    Path,
}

impl ListKind {
    /// All kinds.
    pub const ALL: [ListKind; 6] =
        [Self::Address, Self::Range, Self::Session, Self::Fingerprint, Self::UserAgent, Self::Path];

    /// The name in database and API.
    pub fn name(self) -> &'static str {
        match self {
            Self::Address => "address",
            Self::Range => "range",
            Self::Session => "session",
            Self::Fingerprint => "fingerprint",
            Self::UserAgent => "user_agent",
            Self::Path => "path",
        }
    }

    /// The kind of a name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// Most entries of this kind in force at once.
    pub fn most(self) -> u64 {
        match self {
            Self::UserAgent | Self::Path => MOST_PATTERNS,
            Self::Address | Self::Range | Self::Session | Self::Fingerprint => MOST_ENTRIES,
        }
    }
}

/// What somebody wants on a list. Of equal action, kind and value there is one entry; adding it again renews it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewListEntry {
    /// The list.
    pub action: ListAction,
    /// What it names.
    pub kind: ListKind,
    /// In the one spelling of its kind; a session or fingerprint as `hash:` and 16 hexadecimal digits.
    pub value: String,
    /// Why.
    pub reason: String,
    /// A token's name, or `command line`.
    pub author: String,
    /// Unix ms; 0: never.
    pub expires_ms: u64,
}

/// An entry, or what is left of one that was removed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListRow {
    /// UUIDv7, in the order of making.
    pub id: Uuid,
    /// Unix ms.
    pub created_ms: u64,
    /// Of the last change, Unix ms; see [`ListRow::is_newer_than`].
    pub updated_ms: u64,
    /// When it was removed, Unix ms.
    pub deleted_ms: Option<u64>,
    /// The rest.
    pub entry: NewListEntry,
}

impl ListRow {
    /// Whether it counts at `now_ms`.
    pub fn is_live(&self, now_ms: u64) -> bool {
        self.deleted_ms.is_none() && !self.has_expired(now_ms)
    }

    /// Whether nobody needs to know of it any more: removed or expired long ago.
    pub fn is_forgotten(&self, now_ms: u64) -> bool {
        let ended_ms = self.deleted_ms.or((self.entry.expires_ms > 0).then_some(self.entry.expires_ms));
        ended_ms.is_some_and(|ended_ms| ended_ms.saturating_add(TOMBSTONE_MS) <= now_ms)
    }

    /// Whether it counts rather than another version of the same entry: the later change does; of equal times the
    /// later id. The rest only makes all replicas choose the same one.
    pub fn is_newer_than(&self, other: &ListRow) -> bool {
        fn order(row: &ListRow) -> (u64, Uuid, Option<u64>, u64, &str, &str) {
            let NewListEntry { expires_ms, reason, author, .. } = &row.entry;
            (row.updated_ms, row.id, row.deleted_ms, *expires_ms, reason, author)
        }
        order(self) > order(other)
    }

    fn has_expired(&self, now_ms: u64) -> bool {
        self.entry.expires_ms > 0 && self.entry.expires_ms <= now_ms
    }
}

/// Which entries are meant: those that fit everything that is set.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListFilter {
    /// The one of this id.
    pub id: Option<Uuid>,
    /// On this list.
    pub action: Option<ListAction>,
    /// Of this kind.
    pub kind: Option<ListKind>,
    /// Of exactly this value.
    pub value: Option<String>,
    /// By this author.
    pub author: Option<String>,
    /// With this text in value or reason, whatever the case of its letters a to z.
    pub contains: Option<String>,
}

/// What became of entries that were to be added.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ListAddition {
    /// All are stored, durably: for each, in order, its id and whether it is new.
    Stored(Vec<(Uuid, bool)>),
    /// Nothing was stored: there would be more entries than there may be.
    TooMany {
        /// The kind there would be too many of; `None` for all kinds together.
        kind: Option<ListKind>,
        /// How many there may be.
        most: u64,
    },
}

/// What became of a replica's entries.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListMerge {
    /// How many were new or newer.
    pub changed: u64,
    /// What is on record where that is newer: the replica should hear of it.
    pub newer_here: Vec<ListRow>,
    /// How many were left out because there would be more than there may be.
    pub left_out: u64,
}

/// Entries that count, of one list and kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ListCount {
    /// The list.
    pub action: ListAction,
    /// What they name.
    pub kind: ListKind,
    /// How many.
    pub entries: u64,
    /// When the next of them expires, Unix ms.
    pub next_expiry_ms: Option<u64>,
}
