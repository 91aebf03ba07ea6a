//! Requests that were judged here and whose answers somebody will tell: `POST /v1/answers` names them by request id.

use sallyport_core::{Answer, Charges, LoginOutcome, RequestFacts, Watch, strip_query};

use super::table::{Record, Table};
use super::{Detector, Keys, LOGIN_FAILURE, Verdict};
use crate::store::RequestId;

/// So many requests are remembered; the oldest are forgotten first.
const REMEMBERED: usize = 65_536;
/// An answer comes within this time, milliseconds (10 minutes).
const LONGEST_MS: u64 = 600_000;
/// The role of a request's id among keyed hashes.
const ID: u8 = b'q';
/// Of a login attempt's path, and of its referer, so many bytes are kept.
const KEPT_BYTES: usize = 1_024;

/// What is remembered of a request until its answer is told.
pub(super) struct Asked(Table<Waiting>);

struct Waiting {
    key: u64,
    asked_ms: u64,
    what: Option<Judged>,
}

struct Judged {
    keys: Keys,
    watch: Watch,
    /// Of a login attempt.
    path: Box<[u8]>,
    /// Of a login attempt, where it is needed.
    referer: Box<[u8]>,
}

/// An answer that somebody tells. Absent text is empty.
#[derive(Clone, Copy, Debug)]
pub struct Told<'a> {
    /// The status.
    pub status: u16,
    /// `location`.
    pub location: &'a [u8],
    /// `content-type`.
    pub content_type: &'a [u8],
    /// The session that the site issued with it.
    pub session: &'a [u8],
}

/// What came of an answer.
#[derive(Clone, Copy, Debug, Default)]
pub struct Reported {
    /// The session that the site issued with it, with the address: keyed hashes.
    pub issued: Option<(u64, u64)>,
    /// The request's session, where the site had issued it: keyed hash, 0 for none.
    pub session: u64,
    /// Whether the one that was issued takes its place.
    pub succeeds: bool,
    /// Of a login attempt: how it ended, and the keyed hash of its network.
    pub login: Option<(LoginOutcome, u64)>,
    /// The rate cells that were charged by it and that other replicas should know of.
    pub charges: Charges,
}

impl Default for Asked {
    fn default() -> Self {
        Self(Table::new(REMEMBERED))
    }
}

impl Detector {
    /// Remembers a judged request whose answer will be told.
    pub fn await_answer(&self, id: &RequestId, verdict: &Verdict, facts: &RequestFacts<'_>, now_ms: u64) {
        let Some(watch) = verdict.decision.watch else { return };
        let keys = verdict.keys;
        let kept = |is_needed: bool, text: &[u8]| {
            let text = if is_needed { text } else { b"" };
            text.get(..KEPT_BYTES).unwrap_or(text).into()
        };
        let path = kept(watch.is_login_attempt(), facts.path);
        let referer = kept(verdict.engine.reads_referer(watch), strip_query(facts.referer));
        self.asked.0.with(verdict.engine.key().text(ID, id.to_string().as_bytes()), |waiting| {
            (waiting.asked_ms, waiting.what) = (now_ms, Some(Judged { keys, watch, path, referer }));
        });
    }

    /// Takes an answer; `None` where no such request waits for one, or it was told before.
    pub fn answered(&self, id: &RequestId, told: Told<'_>, now_ms: u64) -> Option<Reported> {
        let engine = self.engine();
        let taken = self.asked.0.change(engine.key().text(ID, id.to_string().as_bytes()), |waiting| {
            let fresh = now_ms.saturating_sub(waiting.asked_ms) < LONGEST_MS;
            waiting.what.take().filter(|_| fresh)
        });
        let Judged { keys, watch, path, referer } = taken.flatten()?;
        let Told { status, location, content_type, session } = told;
        let (path, referer) = (&path, &referer);
        let answer =
            Answer { path, status, location, referer, content_type, is_usual: false, type_unknown: false };
        let answer = self.usual().note(watch, answer, keys.network, now_ms);
        let (answered, _) = self.subjects(keys, |subjects| engine.answered(watch, answer, subjects, now_ms));
        if answered.login == Some(LoginOutcome::Failed) {
            self.pasts.with(keys.address, |past| past.add(LOGIN_FAILURE, now_ms));
        }
        let login = answered.login.map(|outcome| (outcome, keys.network));
        let before = if self.is_issued(keys.session) { keys.session } else { 0 };
        // Last, so that a session that the site issues with a failure goes on with that too.
        let session = engine.key().session(session);
        let succeeds = self.issue_after(keys, session, now_ms);
        let issued = (session != 0).then_some((session, keys.address));
        Some(Reported { issued, session: before, succeeds, login, charges: answered.charges })
    }
}

impl Record for Waiting {
    fn new(key: u64) -> Self {
        Self { key, asked_ms: 0, what: None }
    }

    fn key(&self) -> u64 {
        self.key
    }

    fn last_seen_ms(&self) -> u64 {
        self.asked_ms
    }

    fn worth_until_ms(&self) -> u64 {
        0
    }
}
