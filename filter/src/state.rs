//! Client and address records in shared data, so that all workers see one client's whole behaviour.
//!
//! Shared data never forgets a key, so there is a fixed number of slots, chosen by the record's keyed hash.
//! A slot holds up to [`Record::WAYS`] records; when it is full, the one unseen for longest makes room. Writes are
//! compare-and-swap: whoever lost against another worker reads again.

use sallyport_core::{ClientState, NetworkState, SessionState};

use crate::host::{CasMismatch, Host};

/// An evicted record counts as a loss when it was seen within this many milliseconds (10 minutes).
pub(crate) const STILL_USEFUL_MS: u64 = 600_000;
/// Before each record: its key and when it was last seen, so that a slot is searched without decoding.
const FRAME_HEAD: usize = 16;

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
}

impl Record for ClientState {
    const BYTES: usize = Self::BYTES;
    const WAYS: usize = 8;
    const TABLE: &'static str = "sallyport/4/client/";

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
}

impl Record for NetworkState {
    const BYTES: usize = Self::BYTES;
    const WAYS: usize = 8;
    const TABLE: &'static str = "sallyport/4/network/";

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
}

impl Record for SessionState {
    const BYTES: usize = Self::BYTES;
    const WAYS: usize = 8;
    const TABLE: &'static str = "sallyport/4/session/";

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
}

/// A record taken out of its slot, to be changed and stored.
#[derive(Debug)]
pub struct Held<R> {
    /// The record as it was loaded.
    pub record: R,
    /// Its storing would push out a record that was still useful.
    pub evicts: bool,
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
        let (place, found) = find(&bytes, (frame, R::WAYS), key, now_ms);
        let record = if found {
            bytes.get(place + FRAME_HEAD..place + frame).and_then(R::read).unwrap_or_else(|| R::new(key))
        } else {
            R::new(key)
        };
        let pushed_out = if found { None } else { head(bytes.get(place..).unwrap_or_default()) };
        let evicts = pushed_out.is_some_and(|(_, seen)| now_ms.saturating_sub(seen) < STILL_USEFUL_MS);
        Self { record, evicts, key, slot, bytes, cas: shared.cas, place }
    }

    /// Stores a changed record in its slot.
    ///
    /// # Errors
    /// [`CasMismatch`] where another worker wrote to the slot since it was loaded: load again.
    pub fn store(&mut self, host: &impl Host, record: &R) -> Result<(), CasMismatch> {
        let end = self.place + FRAME_HEAD + R::BYTES;
        if self.bytes.len() < end {
            self.bytes.resize(end, 0);
        }
        if let Some(frame) = self.bytes.get_mut(self.place..end) {
            let (head, body) = frame.split_at_mut(FRAME_HEAD);
            let (key, seen) = head.split_at_mut(FRAME_HEAD / 2);
            key.copy_from_slice(&self.key.to_le_bytes());
            seen.copy_from_slice(&record.last_seen_ms().to_le_bytes());
            record.write(body);
        }
        host.set_shared(self.slot.as_str(), &self.bytes, self.cas)
    }
}

/// Where the record of `key` lies or belongs: its own place, else the end of a slot with room, else the place
/// of the record unseen for longest, or seen before the clock was set back.
fn find(bytes: &[u8], (frame, ways): (usize, usize), key: u64, now_ms: u64) -> (usize, bool) {
    let mut oldest = (u64::MAX, 0);
    for (index, bytes) in bytes.chunks_exact(frame).enumerate() {
        let Some((other, seen)) = head(bytes) else { continue };
        if other == key {
            return (index * frame, true);
        }
        let seen = if seen > now_ms.saturating_add(STILL_USEFUL_MS) { 0 } else { seen };
        oldest = oldest.min((seen, index));
    }
    let place = if bytes.len() < ways * frame { bytes.len() } else { oldest.1 * frame };
    (place, false)
}

fn head(frame: &[u8]) -> Option<(u64, u64)> {
    let (key, rest) = frame.split_first_chunk()?;
    let (seen, _) = rest.split_first_chunk()?;
    Some((u64::from_le_bytes(*key), u64::from_le_bytes(*seen)))
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
