//! What can be asked of events: which ones, from where on, and what comes back.

use sallyport_core::{Action, Check, OverLimit};

use super::RequestId;

/// Which events, newest first. What is `None` is not asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EventQuery {
    /// Those that this check made.
    pub check: Option<Check>,
    /// Those of a client (keyed hash).
    pub client: Option<u64>,
    /// Those of an address (keyed hash).
    pub address: Option<u64>,
    /// Those of one action.
    pub action: Option<Action>,
    /// Those of this time or later, Unix ms.
    pub from_ms: Option<u64>,
    /// Those before this time, Unix ms.
    pub to_ms: Option<u64>,
    /// Those that come after this one in the order of pages, which are older.
    pub after: Option<EventKey>,
    /// At most so many.
    pub limit: u32,
}

/// An event's place in the order of pages: by time, then by number. It never changes, so neither do pages that
/// begin at it, whatever is recorded meanwhile.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct EventKey {
    /// Unix ms.
    pub ts_ms: u64,
    /// The number of the request's row.
    pub id: i64,
}

/// Some events.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct EventPage {
    /// Newest first.
    pub events: Vec<EventRow>,
    /// Where to go on, while there may be more. Where two conditions together fit rarely, a page may have fewer
    /// events than were asked for, or none, and there may be more all the same.
    pub next: Option<EventKey>,
}

/// A decision above ALLOW, or one about a request that went over a rate limit.
#[derive(Clone, Debug, PartialEq)]
pub struct EventRow {
    /// Its place in the order of pages.
    pub key: EventKey,
    /// Name of the decision.
    pub request_id: RequestId,
    /// Keyed hash of the client.
    pub client: u64,
    /// Keyed hash of the address.
    pub address: u64,
    /// Keyed hash of the session; 0 where there was none.
    pub session: u64,
    /// The verdict.
    pub action: Action,
    /// Whether the verdict was carried out.
    pub enforced: bool,
    /// 0..=100.
    pub score: f32,
    /// The rate limit that it went over.
    pub limit: Option<OverLimit>,
    /// The checks that raised the score, strongest first, with their points.
    pub checks: Vec<(Check, f32)>,
    /// HTTP method.
    pub method: Box<str>,
    /// Path without query.
    pub path: Box<str>,
    /// User agent as sent.
    pub user_agent: Box<str>,
}

/// Which failed logins, newest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoginQuery {
    /// Those of an account (keyed hash).
    Account(u64),
    /// Those from a network (keyed hash).
    Network(u64),
}
