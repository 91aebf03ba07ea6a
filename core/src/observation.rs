//! Observations: what a filter tells the control plane about its decisions, in versioned batches.
//!
//! `SPOB`, format version u16, count u16, instance u64, snapshot version u64, dropped u32; then `count` records,
//! each a kind u8 and its fields in the order of the structs below. Little-endian; text is u16 length + bytes.

use crate::check::Check;
use crate::decision::{Action, Basis, Decision, OverLimit};
use crate::features::{FEATURE_COUNT, Features};
use crate::policy::LimitRule;
use crate::wire::{Reader, put_text};

const MAGIC: &[u8] = b"SPOB";
/// Version of the format; the control plane refuses any other.
pub const FORMAT_VERSION: u16 = 2;
/// Larger batches are refused, in bytes.
pub const MAX_BYTES: usize = 4 << 20;
/// Most records of a batch.
pub const MAX_RECORDS: usize = 1000;
const HEADER: usize = 28;
const COUNT_AT: usize = 6;
const DROPPED_AT: usize = 24;
const METHOD_BYTES: usize = 16;
const TEXT_BYTES: usize = 256;
const ID_BYTES: usize = 64;
const MOST_REASONS: usize = 16;
/// In the place of a rule: the request was over no limit.
const NO_LIMIT: u8 = u8::MAX;

/// A batch of one filter instance (one VM).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Batch {
    /// Which VM, at random: counts of different VMs add up.
    pub instance: u64,
    /// The snapshot that the decisions rest on.
    pub snapshot_version: u64,
    /// Records dropped since the batch before, because the buffer was full.
    pub dropped: u32,
    /// What happened, in order.
    pub records: Vec<Record>,
}

/// One thing that happened.
#[derive(Clone, Debug, PartialEq)]
pub enum Record {
    /// A request was judged.
    Decision(DecisionRecord),
    /// A login attempt failed.
    LoginFailure {
        /// Unix milliseconds.
        ts_ms: u64,
        /// Keyed hash of the address.
        address: u64,
        /// Keyed hash of the client.
        client: u64,
        /// Keyed hash of the network.
        network: u64,
        /// Keyed hash of the account; 0 where it is not known.
        account: u64,
        /// At most 256 bytes.
        path: String,
    },
}

/// A request that was judged.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DecisionRecord {
    /// Unix milliseconds.
    pub ts_ms: u64,
    /// Keyed hash of the address.
    pub address: u64,
    /// Keyed hash of the client.
    pub client: u64,
    /// Keyed hash of the session; 0 for none.
    pub session: u64,
    /// What was decided.
    pub action: Action,
    /// Whether it was carried out (not under `enforcement: monitor`).
    pub enforced: bool,
    /// What it rests on.
    pub basis: Basis,
    /// 0 to 100.
    pub score: f32,
    /// In [0, 1].
    pub ml_probability: f32,
    /// At the time of the decision.
    pub features: Features,
    /// How many requests the record stands for: above 1 where ALLOW is sampled.
    pub weight: u32,
    /// At most 16 bytes.
    pub method: String,
    /// Without query, at most 256 bytes.
    pub path: String,
    /// At most 256 bytes.
    pub user_agent: String,
    /// At most 64 bytes.
    pub request_id: String,
    /// The limit that the request was over.
    pub limit: Option<OverLimit>,
    /// Checks and points.
    pub reasons: Vec<(Check, f32)>,
}

/// A failed login attempt.
#[derive(Clone, Copy, Debug)]
#[expect(missing_docs, reason = "the fields are those of Record::LoginFailure")]
pub struct FailedLogin<'a> {
    pub ts_ms: u64,
    pub address: u64,
    pub client: u64,
    pub network: u64,
    pub account: u64,
    pub path: &'a [u8],
}

/// What the filter knows besides the decision; text is borrowed and cut to the record's lengths.
#[derive(Clone, Copy, Debug)]
#[expect(missing_docs, reason = "the fields are those of DecisionRecord")]
pub struct Seen<'a> {
    pub ts_ms: u64,
    pub address: u64,
    pub client: u64,
    pub session: u64,
    pub enforced: bool,
    pub weight: u32,
    pub method: &'a [u8],
    pub path: &'a [u8],
    pub user_agent: &'a [u8],
    pub request_id: &'a [u8],
}

/// Why a batch was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BatchError {
    /// Does not begin as a batch does.
    #[error("not a batch of observations")]
    Magic,
    /// Another format version.
    #[error("observation format {0}, this build reads {FORMAT_VERSION}")]
    FormatVersion(u16),
    /// Over [`MAX_BYTES`] or [`MAX_RECORDS`].
    #[error("batch is too large")]
    TooLarge,
    /// The record of this number is cut short or impossible.
    #[error("record {0} is damaged")]
    Damaged(usize),
}

/// Builds a batch in place, record by record, without an allocation for each.
#[derive(Clone, Debug)]
pub struct BatchBuilder {
    bytes: Vec<u8>,
    count: u16,
}

impl BatchBuilder {
    /// An empty batch.
    pub fn new(instance: u64, snapshot_version: u64) -> Self {
        let mut bytes = Vec::with_capacity(4096);
        bytes.extend(MAGIC);
        bytes.extend(FORMAT_VERSION.to_le_bytes());
        bytes.extend([0; 2]);
        bytes.extend(instance.to_le_bytes());
        bytes.extend(snapshot_version.to_le_bytes());
        bytes.extend([0; 4]);
        Self { bytes, count: 0 }
    }

    /// How many records it holds.
    pub fn len(&self) -> usize {
        usize::from(self.count)
    }

    /// Whether it holds none.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Adds a decision; `false` (and nothing is added) where the batch is full.
    #[must_use]
    pub fn decision(&mut self, decision: &Decision, seen: &Seen<'_>) -> bool {
        self.add(|out| {
            out.push(0);
            for number in [seen.ts_ms, seen.address, seen.client, seen.session] {
                out.extend(number.to_le_bytes());
            }
            out.extend([decision.action as u8, u8::from(seen.enforced), decision.basis as u8]);
            for number in [decision.score, decision.ml_probability].iter().chain(decision.features.values()) {
                out.extend(number.to_le_bytes());
            }
            out.extend(seen.weight.to_le_bytes());
            put_text(out, seen.method, METHOD_BYTES);
            put_text(out, seen.path, TEXT_BYTES);
            put_text(out, seen.user_agent, TEXT_BYTES);
            put_text(out, seen.request_id, ID_BYTES);
            out.push(decision.limit.map_or(NO_LIMIT, |over| over.rule as u8));
            out.push(u8::from(decision.limit.is_some_and(|over| over.is_shadow)));
            out.push(decision.reasons.iter().count() as u8);
            for (check, points) in decision.reasons.iter() {
                out.push(check as u8);
                out.extend(points.to_le_bytes());
            }
        })
    }

    /// Adds a failed login; `false` (and nothing is added) where the batch is full.
    #[must_use]
    pub fn login_failure(&mut self, login: &FailedLogin<'_>) -> bool {
        self.add(|out| {
            out.push(1);
            for number in [login.ts_ms, login.address, login.client, login.network, login.account] {
                out.extend(number.to_le_bytes());
            }
            put_text(out, login.path, TEXT_BYTES);
        })
    }

    fn add(&mut self, write: impl FnOnce(&mut Vec<u8>)) -> bool {
        if self.len() >= MAX_RECORDS {
            return false;
        }
        write(&mut self.bytes);
        self.count += 1;
        true
    }

    /// The finished batch; `dropped` records had no room since the last.
    pub fn finish(mut self, dropped: u32) -> Vec<u8> {
        if let Some(count) = self.bytes.get_mut(COUNT_AT..COUNT_AT + 2) {
            count.copy_from_slice(&self.count.to_le_bytes());
        }
        if let Some(field) = self.bytes.get_mut(DROPPED_AT..HEADER) {
            field.copy_from_slice(&dropped.to_le_bytes());
        }
        self.bytes
    }
}

impl Batch {
    /// Reads a batch. Total: any bytes give a batch or an error.
    ///
    /// # Errors
    /// See [`BatchError`].
    pub fn decode(bytes: &[u8]) -> Result<Self, BatchError> {
        if bytes.len() > MAX_BYTES {
            return Err(BatchError::TooLarge);
        }
        let mut reader = Reader(bytes);
        if reader.bytes(MAGIC.len()) != Some(MAGIC) {
            return Err(BatchError::Magic);
        }
        match reader.u16() {
            Some(FORMAT_VERSION) => {}
            other => return Err(BatchError::FormatVersion(other.unwrap_or(0))),
        }
        let mut head = || Some((reader.u16()?, reader.u64()?, reader.u64()?, reader.u32()?));
        let (count, instance, snapshot_version, dropped) = head().ok_or(BatchError::Damaged(0))?;
        if usize::from(count) > MAX_RECORDS {
            return Err(BatchError::TooLarge);
        }
        let mut records = Vec::with_capacity(usize::from(count));
        for number in 0..usize::from(count) {
            records.push(read_record(&mut reader).ok_or(BatchError::Damaged(number))?);
        }
        if !reader.0.is_empty() {
            return Err(BatchError::Damaged(usize::from(count)));
        }
        Ok(Self { instance, snapshot_version, dropped, records })
    }
}

fn read_record(r: &mut Reader<'_>) -> Option<Record> {
    let kind = r.u8()?;
    let (ts_ms, address, client) = (r.u64()?, r.u64()?, r.u64()?);
    match kind {
        0 => {}
        1 => {
            let (network, account, path) = (r.u64()?, r.u64()?, r.text(TEXT_BYTES)?);
            return Some(Record::LoginFailure { ts_ms, address, client, network, account, path });
        }
        _ => return None,
    }
    let session = r.u64()?;
    let action = Action::from_u8(r.u8()?)?;
    let enforced = match r.u8()? {
        0 => false,
        1 => true,
        _ => return None,
    };
    let basis = Basis::from_u8(r.u8()?)?;
    let score = r.f32().filter(|score| (0.0..=100.0).contains(score))?;
    let ml_probability = r.f32().filter(|p| (0.0..=1.0).contains(p))?;
    let mut features = [0.0; FEATURE_COUNT];
    for value in &mut features {
        *value = r.f32()?;
    }
    let mut record = DecisionRecord {
        ts_ms,
        address,
        client,
        session,
        action,
        enforced,
        basis,
        score,
        ml_probability,
        features: Features::new(features)?,
        weight: r.u32().filter(|weight| (1..=1_000_000).contains(weight))?,
        method: r.text(METHOD_BYTES)?,
        path: r.text(TEXT_BYTES)?,
        user_agent: r.text(TEXT_BYTES)?,
        request_id: r.text(ID_BYTES)?,
        limit: read_limit(r)?,
        reasons: Vec::new(),
    };
    for _ in 0..usize::from(r.u8().filter(|count| usize::from(*count) <= MOST_REASONS)?) {
        record.reasons.push((Check::from_u8(r.u8()?)?, r.f32()?));
    }
    Some(Record::Decision(record))
}

fn read_limit(r: &mut Reader<'_>) -> Option<Option<OverLimit>> {
    match (r.u8()?, r.u8()?) {
        (NO_LIMIT, 0) => Some(None),
        (rule, shadow @ (0 | 1)) => {
            Some(Some(OverLimit { rule: LimitRule::from_u8(rule)?, is_shadow: shadow == 1 }))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::decision::Reasons;

    const FAILED: FailedLogin<'_> =
        FailedLogin { ts_ms: 8, address: 9, client: 10, network: 11, account: 12, path: b"/login" };

    fn seen<'a>(path: &'a [u8]) -> Seen<'a> {
        Seen {
            ts_ms: 5,
            address: 6,
            client: 7,
            session: 8,
            enforced: true,
            weight: 1,
            method: b"GET",
            path,
            user_agent: b"curl/8 \xff",
            request_id: b"r-1",
        }
    }

    #[test]
    fn comes_back_whole() {
        let decision = Decision {
            action: Action::Challenge,
            score: 75.5,
            ml_probability: 0.5,
            reasons: Reasons::one(Check::UserAgent, 20.0),
            limit: Some(OverLimit { rule: LimitRule::Api, is_shadow: true }),
            ..Decision::default()
        };
        let mut builder = BatchBuilder::new(1, 2);
        assert!(builder.decision(&decision, &seen(b"/a")));
        assert!(builder.login_failure(&FAILED));
        let batch = Batch::decode(&builder.finish(3)).expect("decodes");
        assert_eq!(
            (batch.instance, batch.snapshot_version, batch.dropped, batch.records.len()),
            (1, 2, 3, 2)
        );
        let Record::Decision(record) = &batch.records[0] else { panic!("a decision") };
        assert_eq!((record.action, record.score, record.path.as_str()), (Action::Challenge, 75.5, "/a"));
        assert_eq!(record.reasons, [(Check::UserAgent, 20.0)]);
        assert_eq!((record.session, record.limit), (8, decision.limit));
        let login = Record::LoginFailure {
            ts_ms: 8,
            address: 9,
            client: 10,
            network: 11,
            account: 12,
            path: "/login".into(),
        };
        assert_eq!(batch.records[1], login);
        assert_eq!(record.user_agent, "curl/8 \u{fffd}");
    }

    #[test]
    fn a_full_batch_takes_no_more() {
        let mut builder = BatchBuilder::new(1, 2);
        let taken = (0..MAX_RECORDS + 5).filter(|_| builder.login_failure(&FAILED)).count();
        assert_eq!(taken, MAX_RECORDS);
        assert_eq!(Batch::decode(&builder.finish(0)).expect("decodes").records.len(), MAX_RECORDS);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
            let _ = Batch::decode(&bytes);
            let mut framed = BatchBuilder::new(1, 2).finish(0);
            framed[COUNT_AT] = 3;
            framed.extend(&bytes);
            let _ = Batch::decode(&framed);
        }

        #[test]
        fn any_text_survives(path in prop::collection::vec(any::<u8>(), 0..600)) {
            let mut builder = BatchBuilder::new(1, 2);
            prop_assert!(builder.decision(&Decision::default(), &seen(&path)));
            prop_assert!(Batch::decode(&builder.finish(0)).is_ok());
        }
    }
}
