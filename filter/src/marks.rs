//! Marks: what is known of a session or a network besides its records, in shared data beside them.
//!
//! A session's suspicious actions are counted here at once, and by the control plane for all filters; a network's failed
//! logins are counted by the control plane alone. A mark is read only where it can count.

use sallyport_core::exchange::{Mark, MarkKind};
use sallyport_core::{Asked, Engine, Marks};

use crate::clock::is_over;
use crate::host::Host;
use crate::judge::{Keys, hear_of};
use crate::metrics::Counter;
use crate::records::ATTEMPTS;
use crate::state::{Held, Record};
use crate::worker::Worker;

/// No mark holds longer than this many milliseconds (7 days).
const LONGEST_MS: u64 = 604_800_000;

/// A mark as it lies in shared data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MarkRecord {
    /// When it was written, Unix milliseconds.
    written_ms: u64,
    /// Until when it holds, Unix milliseconds.
    until_ms: u64,
    /// [`MarkKind`] as a number; 0 for none.
    kind: u8,
    value: u8,
}

impl MarkRecord {
    /// The value, where the mark is of this kind and still holds; else 0.
    fn value(&self, kind: MarkKind, now_ms: u64) -> u8 {
        let holds = self.kind == kind as u8 && !is_over(self.until_ms, LONGEST_MS, now_ms);
        if holds { self.value } else { 0 }
    }
}

impl Record for MarkRecord {
    const BYTES: usize = 18;
    const WAYS: usize = 8;
    const TABLE: &'static str = "sallyport/4/mark/";

    fn new(_: u64) -> Self {
        Self { written_ms: 0, until_ms: 0, kind: 0, value: 0 }
    }

    /// The fields in order, little-endian.
    fn read(bytes: &[u8]) -> Option<Self> {
        let (written, rest) = bytes.split_first_chunk()?;
        let (until, rest) = rest.split_first_chunk()?;
        let [kind, value] = rest else { return None };
        Some(Self {
            written_ms: u64::from_le_bytes(*written),
            until_ms: u64::from_le_bytes(*until),
            kind: *kind,
            value: *value,
        })
    }

    fn write(&self, out: &mut [u8]) {
        let fields = [self.written_ms.to_le_bytes(), self.until_ms.to_le_bytes()];
        let bytes = fields.iter().flatten().chain([&self.kind, &self.value]);
        out.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
    }

    fn last_seen_ms(&self) -> u64 {
        self.written_ms
    }

    /// Idleness decides: the control plane tells a mark that counts again.
    fn worth_until_ms(&self) -> u64 {
        0
    }
}

/// What is known of a request's session, where the site issued it, and of its network, where it tries to sign in.
pub fn find<H: Host>(worker: &Worker<H>, asked: &Asked<'_>, keys: &Keys, now_ms: u64) -> Marks {
    let value = |kind, key| load(worker, key, now_ms).record.value(kind, now_ms);
    let mut marks = Marks::default();
    if keys.session != 0 {
        marks.session = value(MarkKind::Session, keys.session);
    }
    if asked.is_login_attempt() {
        marks.network = f32::from(value(MarkKind::Network, keys.network)) / 255.0;
    }
    marks
}

/// Whether a mark tells of a session: only those that a site issued have any.
pub fn is_told_of<H: Host>(worker: &Worker<H>, session: u64, now_ms: u64) -> bool {
    load(worker, session, now_ms).record.value(MarkKind::Session, now_ms) > 0
}

/// Counts a suspicious action of a session, for as long as the policy keeps it, and lets the next exchange tell of it.
pub fn count_suspicious<H: Host>(worker: &Worker<H>, engine: &Engine, session: u64, now_ms: u64) {
    let keep_ms = u64::from(engine.policy().config().sessions.keep_s) * 1000;
    change(worker, session, now_ms, |before| MarkRecord {
        written_ms: now_ms,
        until_ms: now_ms + keep_ms.min(LONGEST_MS),
        kind: MarkKind::Session as u8,
        value: before.value(MarkKind::Session, now_ms).saturating_add(1),
    });
    if engine.version() > 0 {
        worker.exchange(|exchange, _| {
            if !exchange.suspect(session) {
                worker.metrics.count(Counter::ExchangeDropped);
            }
        });
    }
}

/// A session that the site issued in the place of another goes on with what was suspicious of it.
pub fn hand_on<H: Host>(worker: &Worker<H>, engine: &Engine, (from, to): (u64, u64), now_ms: u64) {
    let count = load(worker, from, now_ms).record.value(MarkKind::Session, now_ms);
    let enough = engine.policy().config().sessions.suspicious.max(1);
    (0..count.min(enough)).for_each(|_| count_suspicious(worker, engine, to, now_ms));
}

/// Lays down what the control plane told. It counts for all filters, so a session's own count does not lower it; only 0
/// does, which forgives. That a session was issued stands in its record.
pub fn lay<H: Host>(worker: &Worker<H>, mark: Mark, now_ms: u64) {
    if mark.kind == MarkKind::Issued {
        return hear_of(worker, mark.key, now_ms);
    }
    let until_ms = now_ms + (u64::from(mark.keep_s) * 1000).min(LONGEST_MS);
    change(worker, mark.key, now_ms, |before| {
        let held = before.value(mark.kind, now_ms);
        let value = match mark.kind {
            MarkKind::Session if mark.value > 0 => mark.value.max(held),
            _ => mark.value,
        };
        MarkRecord { written_ms: now_ms, until_ms, kind: mark.kind as u8, value }
    });
}

fn load<H: Host>(worker: &Worker<H>, key: u64, now_ms: u64) -> Held<MarkRecord> {
    Held::load(&worker.host, worker.config.state_slots, key, now_ms)
}

/// Stores a changed mark, anew on what another worker wrote; a value of 0 takes no place where there was none.
fn change<H: Host>(worker: &Worker<H>, key: u64, now_ms: u64, change: impl Fn(&MarkRecord) -> MarkRecord) {
    for _ in 0..ATTEMPTS {
        let mut held = load(worker, key, now_ms);
        let changed = change(&held.record);
        if changed.value == 0 && held.record.kind == 0 {
            return;
        }
        if held.store(&worker.host, &changed).is_ok() {
            held.storing.count(&worker.metrics);
            return;
        }
    }
    worker.metrics.count(Counter::StateConflict);
}
