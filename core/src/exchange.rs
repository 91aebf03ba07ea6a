//! The exchange between a filter and the control plane: what was spent of rate limits, who was suspicious and which sessions
//! were issued goes up; how full the shared cells are, and marks, come down. Two versioned binaries, little-endian.
//!
//! Request: `SPEX`, format version u16, instance u64, origin u64, seen u64; charges (count u16; rule u8, key u64, cost u64,
//! least u64 each, µs); suspicions (count u16; session u64, actions u32 each); issued (count u16; session u64, address u64
//! each).
//! Reply: `SPEY`, format version u16, origin u64, sequence u64; cells (count u16; rule u8, key u64, ahead u64 each); marks
//! (count u16; kind u8, key u64, value u8, keep u32 each).

use crate::decision::Charge;
use crate::policy::LimitRule;
use crate::wire::Reader;

const REQUEST: &[u8] = b"SPEX";
const REPLY: &[u8] = b"SPEY";
/// Version of both formats; each side refuses any other.
pub const FORMAT_VERSION: u16 = 2;
/// Most charges, suspicions, cells or marks of a message.
pub const MOST: usize = 1000;
/// Most issued sessions of a message.
pub const MOST_ISSUED: usize = 250;
/// Larger messages are refused, in bytes.
pub const MAX_BYTES: usize = 64 << 10;

/// What a machine of a filter tells.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Request {
    /// Which machine, at random.
    pub instance: u64,
    /// The control plane whose marks were seen last; 0 for none.
    pub origin: u64,
    /// The number of the last mark that was seen of it.
    pub seen: u64,
    /// What rate cells took.
    pub charges: Vec<Charge>,
    /// Suspicious actions, by keyed hash of the session.
    pub suspicions: Vec<(u64, u32)>,
    /// Sessions that the site issued: keyed hashes of session and of the address that it issued it to.
    pub issued: Vec<(u64, u64)>,
}

/// What the control plane answers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reply {
    /// Which control plane, at random at each of its starts.
    pub origin: u64,
    /// The number of its newest mark.
    pub sequence: u64,
    /// How far the shared cells are ahead of now, µs.
    pub cells: Vec<(LimitRule, u64, u64)>,
    /// Marks that the filter has not seen, oldest first.
    pub marks: Vec<Mark>,
}

/// What a mark is about. The numbers are part of the wire format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum MarkKind {
    /// Suspicious actions of a session ([`crate::HashKey::session`]); 0 after they were forgiven.
    Session = 1,
    /// Failed logins from a network ([`crate::HashKey::network`]): the strength of the check `failed_logins`, 255 for 1.
    Network = 2,
    /// A session that the site issued; always 1.
    Issued = 3,
}

/// A small fact about a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    /// What it is about.
    pub kind: MarkKind,
    /// Keyed hash.
    pub key: u64,
    /// See [`MarkKind`].
    pub value: u8,
    /// How long it holds, seconds.
    pub keep_s: u32,
}

/// Why a message was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ExchangeError {
    /// Does not begin as the message does.
    #[error("not an exchange message")]
    Magic,
    /// Another format version.
    #[error("exchange format {0}, this build reads {FORMAT_VERSION}")]
    FormatVersion(u16),
    /// Over [`MAX_BYTES`].
    #[error("message is too large")]
    TooLarge,
    /// Cut short, too long, or with an impossible number or count.
    #[error("message is damaged")]
    Damaged,
}

impl Request {
    /// The binary form; beyond [`MOST`] charges or suspicions and [`MOST_ISSUED`] issued sessions the rest is left out.
    pub fn encode(&self) -> Vec<u8> {
        let bytes = 64 + 25 * self.charges.len() + 12 * self.suspicions.len() + 16 * self.issued.len();
        let mut out = Vec::with_capacity(bytes.min(MAX_BYTES));
        begin(&mut out, REQUEST, &[self.instance, self.origin, self.seen]);
        count(&mut out, self.charges.len());
        for Charge { rule, key, cost_us, least_us } in self.charges.iter().take(MOST) {
            out.push(*rule as u8);
            [key, cost_us, least_us].iter().for_each(|number| out.extend(number.to_le_bytes()));
        }
        count(&mut out, self.suspicions.len());
        for (session, actions) in self.suspicions.iter().take(MOST) {
            out.extend(session.to_le_bytes());
            out.extend(actions.to_le_bytes());
        }
        count(&mut out, self.issued.len().min(MOST_ISSUED));
        for (session, address) in self.issued.iter().take(MOST_ISSUED) {
            out.extend(session.to_le_bytes());
            out.extend(address.to_le_bytes());
        }
        out
    }

    /// Reads the binary form. Total: any bytes give a request or an error.
    ///
    /// # Errors
    /// See [`ExchangeError`].
    pub fn decode(bytes: &[u8]) -> Result<Self, ExchangeError> {
        let mut reader = open(bytes, REQUEST)?;
        let mut read = || {
            let r = &mut reader;
            let (instance, origin, seen) = (r.u64()?, r.u64()?, r.u64()?);
            let charges = items(r, MOST, read_charge)?;
            let suspicions = items(r, MOST, |r| Some((r.u64()?, r.u32()?)))?;
            let issued = items(r, MOST_ISSUED, |r| Some((r.u64()?, r.u64()?)))?;
            Some(Self { instance, origin, seen, charges, suspicions, issued })
        };
        let request = read().ok_or(ExchangeError::Damaged)?;
        if reader.0.is_empty() { Ok(request) } else { Err(ExchangeError::Damaged) }
    }
}

impl Reply {
    /// The binary form; beyond [`MOST`] cells or marks the rest is left out.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(64 + 17 * self.cells.len() + 14 * self.marks.len());
        begin(&mut out, REPLY, &[self.origin, self.sequence]);
        count(&mut out, self.cells.len());
        for (rule, key, ahead_us) in self.cells.iter().take(MOST) {
            out.push(*rule as u8);
            out.extend(key.to_le_bytes());
            out.extend(ahead_us.to_le_bytes());
        }
        count(&mut out, self.marks.len());
        for mark in self.marks.iter().take(MOST) {
            out.push(mark.kind as u8);
            out.extend(mark.key.to_le_bytes());
            out.push(mark.value);
            out.extend(mark.keep_s.to_le_bytes());
        }
        out
    }

    /// Reads the binary form. Total: any bytes give a reply or an error.
    ///
    /// # Errors
    /// See [`ExchangeError`].
    pub fn decode(bytes: &[u8]) -> Result<Self, ExchangeError> {
        let mut reader = open(bytes, REPLY)?;
        let mut read = || {
            let r = &mut reader;
            let (origin, sequence) = (r.u64()?, r.u64()?);
            let cells = items(r, MOST, |r| Some((LimitRule::from_u8(r.u8()?)?, r.u64()?, r.u64()?)))?;
            let marks = items(r, MOST, read_mark)?;
            Some(Self { origin, sequence, cells, marks })
        };
        let reply = read().ok_or(ExchangeError::Damaged)?;
        if reader.0.is_empty() { Ok(reply) } else { Err(ExchangeError::Damaged) }
    }
}

fn read_charge(r: &mut Reader<'_>) -> Option<Charge> {
    let rule = LimitRule::from_u8(r.u8()?)?;
    Some(Charge { rule, key: r.u64()?, cost_us: r.u64()?, least_us: r.u64()? })
}

fn read_mark(r: &mut Reader<'_>) -> Option<Mark> {
    let kind = match r.u8()? {
        1 => MarkKind::Session,
        2 => MarkKind::Network,
        3 => MarkKind::Issued,
        _ => return None,
    };
    Some(Mark { kind, key: r.u64()?, value: r.u8()?, keep_s: r.u32()? })
}

fn begin(out: &mut Vec<u8>, magic: &[u8], numbers: &[u64]) {
    out.extend(magic);
    out.extend(FORMAT_VERSION.to_le_bytes());
    numbers.iter().for_each(|number| out.extend(number.to_le_bytes()));
}

fn count(out: &mut Vec<u8>, items: usize) {
    out.extend((items.min(MOST) as u16).to_le_bytes());
}

fn open<'a>(bytes: &'a [u8], magic: &[u8]) -> Result<Reader<'a>, ExchangeError> {
    if bytes.len() > MAX_BYTES {
        return Err(ExchangeError::TooLarge);
    }
    let mut reader = Reader(bytes);
    if reader.bytes(magic.len()) != Some(magic) {
        return Err(ExchangeError::Magic);
    }
    match reader.u16() {
        Some(FORMAT_VERSION) => Ok(reader),
        other => Err(ExchangeError::FormatVersion(other.unwrap_or(0))),
    }
}

fn items<'a, T>(
    r: &mut Reader<'a>,
    most: usize,
    mut item: impl FnMut(&mut Reader<'a>) -> Option<T>,
) -> Option<Vec<T>> {
    let count = usize::from(r.u16()?);
    if count > most {
        return None;
    }
    (0..count).map(|_| item(r)).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn both_come_back_whole() {
        let request = Request {
            instance: 1,
            origin: 2,
            seen: 3,
            charges: vec![Charge { rule: LimitRule::Api, key: 4, cost_us: 5, least_us: u64::MAX }],
            suspicions: vec![(6, 7)],
            issued: vec![(8, 9), (u64::MAX, 0)],
        };
        assert_eq!(Request::decode(&request.encode()), Ok(request));
        let mark = |kind, value| Mark { kind, key: 8, value, keep_s: 60 };
        let reply = Reply {
            origin: 1,
            sequence: 2,
            cells: vec![(LimitRule::Address, 3, 4)],
            marks: vec![mark(MarkKind::Session, 3), mark(MarkKind::Network, 255), mark(MarkKind::Issued, 1)],
        };
        assert_eq!(Reply::decode(&reply.encode()), Ok(reply));
    }

    #[test]
    fn the_largest_message_fits() {
        let most = Reply {
            cells: vec![(LimitRule::Client, 1, 2); MOST + 1],
            marks: vec![Mark { kind: MarkKind::Session, key: 1, value: 1, keep_s: 1 }; MOST + 1],
            ..Reply::default()
        };
        let back = Reply::decode(&most.encode()).expect("fits");
        assert_eq!((back.cells.len(), back.marks.len()), (MOST, MOST));
        let most = Request {
            charges: vec![Charge { rule: LimitRule::Client, key: 1, cost_us: 2, least_us: 3 }; MOST + 1],
            suspicions: vec![(1, 2); MOST + 1],
            issued: vec![(1, 2); MOST_ISSUED + 1],
            ..Request::default()
        };
        let back = Request::decode(&most.encode()).expect("fits");
        assert_eq!((back.charges.len(), back.suspicions.len(), back.issued.len()), (MOST, MOST, MOST_ISSUED));
    }

    #[test]
    fn other_versions_counts_and_lengths_are_refused_as_a_whole() {
        let issued = vec![(1, 2); MOST_ISSUED];
        let good = Request { issued, ..Request::default() }.encode();
        let counted_at = good.len() - 16 * MOST_ISSUED - 2;
        for version in [0, FORMAT_VERSION - 1, FORMAT_VERSION + 1, u16::MAX] {
            let mut other = good.clone();
            other[4..6].copy_from_slice(&version.to_le_bytes());
            assert_eq!(Request::decode(&other), Err(ExchangeError::FormatVersion(version)));
            let mut reply = Reply::default().encode();
            reply[4..6].copy_from_slice(&version.to_le_bytes());
            assert_eq!(Reply::decode(&reply), Err(ExchangeError::FormatVersion(version)));
        }
        for count in [0, MOST_ISSUED - 1, MOST_ISSUED + 1, MOST, usize::from(u16::MAX)] {
            let mut other = good.clone();
            other[counted_at..counted_at + 2].copy_from_slice(&(count as u16).to_le_bytes());
            other.extend([0; 16]);
            assert_eq!(Request::decode(&other), Err(ExchangeError::Damaged), "{count}");
        }
        for length in 0..good.len() {
            assert!(Request::decode(&good[..length]).is_err(), "{length}");
        }
        assert_eq!(Request::decode(&[good, vec![0]].concat()), Err(ExchangeError::Damaged));
        assert_eq!(Request::decode(&vec![0; MAX_BYTES + 1]), Err(ExchangeError::TooLarge));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            for magic in [REQUEST, REPLY] {
                let framed = [magic, &FORMAT_VERSION.to_le_bytes(), &bytes].concat();
                let _ = Request::decode(&framed);
                let _ = Reply::decode(&framed);
            }
        }
    }
}
