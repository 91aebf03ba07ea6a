//! Client and address records in shared data, so that all workers see one client's whole behaviour.
//!
//! Shared data never forgets a key, so there is a fixed number of slots, chosen by the record's keyed hash.
//! A slot holds up to [`Record::WAYS`] records; when it is full, the one unseen for longest makes room, but none that is
//! worth keeping: where all are, a newcomer is judged and not kept. So a flood of made-up clients costs those nothing who
//! are heard of already, and nobody stays for ever. Writes are compare-and-swap: whoever lost against another worker
//! reads again.

use sallyport_core::{ClientState, NetworkState, SessionState};

use crate::host::{CasMismatch, Host};
use crate::metrics::{Counter, Metrics};

/// An evicted record counts as a loss when it was seen within this many milliseconds (10 minutes).
pub(crate) const STILL_USEFUL_MS: u64 = 600_000;
/// Who was not seen for so many milliseconds (24 hours) is worth keeping no more.
const LONGEST_WORTH_MS: u32 = 86_400_000;
/// Before each record: its key, when it was last seen (both 8 bytes) and for how many milliseconds from then on it is worth
/// keeping (4 bytes), so that a slot is searched without decoding.
pub const FRAME_HEAD: usize = 20;

/// A record with a fixed binary form.
pub trait Record: Clone + PartialEq {
    /// Length of the binary form, in bytes.
    const BYTES: usize;
    /// Records per slot.
    const WAYS: usize;
    /// Start of the shared-data keys. The number in it is the layout's: another layout is other slots.
    const TABLE: &'static str;
    /// A record of a client never seen.
    fn new(key: u64) -> Self;
    /// Reads the binary form.
    fn read(bytes: &[u8]) -> Option<Self>;
    /// Writes the binary form; `out` has [`Record::BYTES`] bytes.
    fn write(&self, out: &mut [u8]);
    /// Unix milliseconds.
    fn last_seen_ms(&self) -> u64;
    /// Until when it must not make room for a newcomer, Unix milliseconds; 0 where only idleness counts.
    fn worth_until_ms(&self) -> u64;
}

/// Core's records as they are, in these tables.
macro_rules! records {
    ($($record:ident in $table:literal),*) => { $(
        impl Record for $record {
            const BYTES: usize = Self::BYTES;
            const WAYS: usize = 8;
            const TABLE: &'static str = $table;

            fn new(key: u64) -> Self {
                Self::new(key)
            }

            fn read(bytes: &[u8]) -> Option<Self> {
                Self::from_bytes(bytes)
            }

            fn write(&self, out: &mut [u8]) {
                let bytes = self.to_bytes();
                if out.len() == bytes.len() {
                    out.copy_from_slice(&bytes);
                }
            }

            fn last_seen_ms(&self) -> u64 {
                Self::last_seen_ms(self)
            }

            fn worth_until_ms(&self) -> u64 {
                Self::worth_until_ms(self)
            }
        }
    )* };
}
records! {
    ClientState in "sallyport/4/client/",
    NetworkState in "sallyport/4/network/",
    SessionState in "sallyport/4/session/"
}

/// What comes of storing a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Storing {
    /// It has a place, or the one of a record that nobody misses.
    Free,
    /// It pushes out a record that was still useful.
    Evicts,
    /// It is not kept: all in its slot are worth more.
    TurnedAway,
}

impl Storing {
    /// Counts what was stored so.
    pub fn count(self, metrics: &Metrics) {
        match self {
            Self::Free => {}
            Self::Evicts => metrics.count(Counter::StateEvicted),
            Self::TurnedAway => metrics.count(Counter::StateTurnedAway),
        }
    }
}

/// A record taken out of its slot, to be changed and stored.
#[derive(Debug)]
pub struct Held<R> {
    /// The record as it was loaded.
    pub record: R,
    /// What comes of storing it.
    pub storing: Storing,
    key: u64,
    slot: SlotName,
    bytes: Vec<u8>,
    cas: Option<u32>,
    place: usize,
}

impl<R: Record> Held<R> {
    /// Loads the record of `key` from one of `slots` slots; a new one where there is none.
    pub fn load(host: &impl Host, slots: u32, key: u64, now_ms: u64) -> Self {
        let slot = SlotName::new(R::TABLE, key % u64::from(slots.max(1)));
        let shared = host.shared(slot.as_str());
        let mut bytes = shared.value;
        let frame = FRAME_HEAD + R::BYTES;
        if !bytes.len().is_multiple_of(frame) || bytes.len() > R::WAYS * frame {
            bytes.clear();
        }
        let (place, storing) = find(&bytes, (frame, R::WAYS), key, now_ms);
        let held = bytes
            .get(place..place + frame)
            .filter(|frame| Head::read(frame).is_some_and(|head| head.key == key));
        let record = held.and_then(|frame| frame.get(FRAME_HEAD..)).and_then(R::read);
        let record = record.unwrap_or_else(|| R::new(key));
        Self { record, storing, key, slot, bytes, cas: shared.cas, place }
    }

    /// Stores a changed record in its slot; one that is turned away is not, and that is no failure.
    ///
    /// # Errors
    /// [`CasMismatch`] where another worker wrote to the slot since it was loaded: load again.
    pub fn store(&mut self, host: &impl Host, record: &R) -> Result<(), CasMismatch> {
        if self.storing == Storing::TurnedAway {
            return Ok(());
        }
        let end = self.place + FRAME_HEAD + R::BYTES;
        if self.bytes.len() < end {
            self.bytes.resize(end, 0);
        }
        if let Some(frame) = self.bytes.get_mut(self.place..end) {
            let (head, body) = frame.split_at_mut(FRAME_HEAD);
            let seen_ms = record.last_seen_ms();
            let worth_ms = worth_ms(seen_ms, record.worth_until_ms());
            Head { key: self.key, seen_ms, worth_ms }.write(head);
            record.write(body);
        }
        host.set_shared(self.slot.as_str(), &self.bytes, self.cas)
    }
}

/// Where the record of `key` lies or belongs: its own place, else the end of a slot with room, else the place of the
/// record unseen for longest, or seen before the clock was set back, among those that are not worth keeping; and what
/// comes of storing it there.
fn find(bytes: &[u8], (frame, ways): (usize, usize), key: u64, now_ms: u64) -> (usize, Storing) {
    let mut oldest: Option<(u64, usize)> = None;
    for (index, bytes) in bytes.chunks_exact(frame).enumerate() {
        let Some(head) = Head::read(bytes) else { continue };
        if head.key == key {
            return (index * frame, Storing::Free);
        }
        if is_worthy(head.seen_ms, head.worth_ms, now_ms) {
            continue;
        }
        let is_from_later = head.seen_ms > now_ms.saturating_add(STILL_USEFUL_MS);
        let seen_ms = if is_from_later { 0 } else { head.seen_ms };
        oldest = Some(oldest.map_or((seen_ms, index), |oldest| oldest.min((seen_ms, index))));
    }
    if bytes.len() < ways * frame {
        return (bytes.len(), Storing::Free);
    }
    let Some((seen_ms, index)) = oldest else { return (bytes.len(), Storing::TurnedAway) };
    let is_missed = now_ms.saturating_sub(seen_ms) < STILL_USEFUL_MS;
    (index * frame, if is_missed { Storing::Evicts } else { Storing::Free })
}

/// For how many milliseconds after it was last seen a record is worth keeping.
pub(crate) fn worth_ms(seen_ms: u64, until_ms: u64) -> u32 {
    let worth_ms = until_ms.saturating_sub(seen_ms).min(LONGEST_WORTH_MS.into());
    u32::try_from(worth_ms).unwrap_or(LONGEST_WORTH_MS)
}

/// Whether a record still is worth keeping; one from before the clock was set back is not.
pub(crate) fn is_worthy(seen_ms: u64, worth_ms: u32, now_ms: u64) -> bool {
    let is_from_later = seen_ms > now_ms.saturating_add(STILL_USEFUL_MS);
    !is_from_later && now_ms < seen_ms.saturating_add(worth_ms.min(LONGEST_WORTH_MS).into())
}

/// What stands before a record.
struct Head {
    key: u64,
    seen_ms: u64,
    worth_ms: u32,
}

impl Head {
    fn read(frame: &[u8]) -> Option<Self> {
        let (key, rest) = frame.split_first_chunk()?;
        let (seen, rest) = rest.split_first_chunk()?;
        let (worth, _) = rest.split_first_chunk()?;
        Some(Self {
            key: u64::from_le_bytes(*key),
            seen_ms: u64::from_le_bytes(*seen),
            worth_ms: u32::from_le_bytes(*worth),
        })
    }

    fn write(&self, out: &mut [u8]) {
        let numbers = [self.key.to_le_bytes(), self.seen_ms.to_le_bytes()];
        let worth = self.worth_ms.to_le_bytes();
        out.iter_mut().zip(numbers.iter().flatten().chain(&worth)).for_each(|(to, from)| *to = *from);
    }
}

/// A slot's key in shared data, built without allocating: the table's prefix and eight hex digits.
#[derive(Debug)]
struct SlotName {
    bytes: [u8; Self::ROOM],
    length: usize,
}

impl SlotName {
    const ROOM: usize = 32;

    fn new(table: &str, number: u64) -> Self {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let mut name = Self { bytes: [0; Self::ROOM], length: 0 };
        let hex = (0..8u32).rev().map(|place| {
            let digit = (number >> (4 * place)) & 15;
            DIGITS.get(digit as usize).copied().unwrap_or(b'0')
        });
        for (to, from) in name.bytes.iter_mut().zip(table.bytes().chain(hex)) {
            *to = from;
            name.length += 1;
        }
        name
    }

    fn as_str(&self) -> &str {
        let bytes = self.bytes.get(..self.length).unwrap_or_default();
        std::str::from_utf8(bytes).unwrap_or_default()
    }
}
