//! The snapshot: all that a filter needs to judge, as one length-checked, versioned binary.
//!
//! `SPSN`, format version u16, feature version u16, snapshot version u64, created u64 (Unix ms), body length
//! u32, checksum of the body u64; then the body: sections of kind u16, length u32, bytes. Little-endian. Kinds:
//! 1 hash key (16 bytes), 2 policy (JSON), 3 model, 4 ranges, 5 lists. Each stands exactly once; another kind is another
//! format version. Ranges and lists are sorted already, so that a filter takes them over without work that would hold up
//! its requests.

use crate::engine::Engine;
use crate::features::FEATURE_VERSION;
use crate::keys::HashKey;
use crate::model::{Model, ModelError};
use crate::policy::{Lists, Policy, PolicyConfig};
use crate::ranges::Ranges;
use crate::wire::{Reader, word_checksum};

const MAGIC: &[u8] = b"SPSN";
/// Version of the format; a filter refuses any other.
pub const FORMAT_VERSION: u16 = 3;
/// Larger snapshots are refused, in bytes: the 3 MiB that Envoy was seen to deliver hold over 170,000 IPv6 or 500,000
/// IPv4 ranges without gaps between them, half as many with gaps.
pub const MAX_BYTES: usize = 3 << 20;
const HEADER: usize = 36;

/// What a snapshot is made of.
#[derive(Clone, Debug)]
pub struct Parts {
    /// Rises with every publication; 0 is none.
    pub version: u64,
    /// Unix milliseconds.
    pub created_ms: u64,
    /// The deployment's hash key.
    pub hash_key: HashKey,
    /// What to do with whom.
    pub policy: PolicyConfig,
    /// The model.
    pub model: Model,
    /// Whose the address ranges are.
    pub ranges: Ranges,
    /// Who is never and who is always refused, besides the policy's own lists.
    pub lists: Lists,
}

/// Why a snapshot was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SnapshotError {
    /// Does not begin as a snapshot does.
    #[error("not a snapshot")]
    Magic,
    /// Another format version.
    #[error("snapshot format {0}, this build reads {FORMAT_VERSION}")]
    FormatVersion(u16),
    /// Other feature formulas.
    #[error("snapshot has feature version {0}, this build {FEATURE_VERSION}")]
    FeatureVersion(u16),
    /// Over [`MAX_BYTES`].
    #[error("snapshot of {0} bytes, at most {MAX_BYTES} are read")]
    TooLarge(usize),
    /// Length, checksum or structure do not fit.
    #[error("snapshot is damaged: {0}")]
    Damaged(&'static str),
    /// The policy does not parse or is wrong.
    #[error("policy in snapshot: {0}")]
    Policy(String),
    /// The weights are wrong.
    #[error("weights in snapshot: {0}")]
    Model(#[from] ModelError),
}

/// The binary form.
///
/// # Errors
/// [`SnapshotError::TooLarge`] where a filter would refuse it; [`SnapshotError::Policy`] where it is wrong.
pub fn encode(parts: &Parts) -> Result<Vec<u8>, SnapshotError> {
    if let Some(problem) = parts.policy.problems().first() {
        return Err(SnapshotError::Policy(format!("{}: {}", problem.key, problem.message)));
    }
    let policy = serde_json::to_vec(&parts.policy).map_err(|e| SnapshotError::Policy(e.to_string()))?;
    let (mut ranges, mut lists) = (Vec::new(), Vec::new());
    parts.ranges.write(&mut ranges);
    parts.lists.write(&mut lists);
    let mut body = Vec::new();
    let sections = [
        (1, parts.hash_key.to_bytes().to_vec()),
        (2, policy),
        (3, parts.model.to_bytes()),
        (4, ranges),
        (5, lists),
    ];
    for (kind, section) in sections {
        body.extend(u16::to_le_bytes(kind));
        body.extend((section.len() as u32).to_le_bytes());
        body.extend(section);
    }
    let mut out = Vec::with_capacity(HEADER + body.len());
    out.extend(MAGIC);
    out.extend(FORMAT_VERSION.to_le_bytes());
    out.extend(FEATURE_VERSION.to_le_bytes());
    out.extend(parts.version.to_le_bytes());
    out.extend(parts.created_ms.to_le_bytes());
    out.extend((body.len() as u32).to_le_bytes());
    out.extend(word_checksum(&body).to_le_bytes());
    out.extend(body);
    if out.len() > MAX_BYTES { Err(SnapshotError::TooLarge(out.len())) } else { Ok(out) }
}

/// Reads the parts. Total: any bytes give parts or an error. Whether the policy makes sense is left to
/// [`Parts::into_engine`].
///
/// # Errors
/// See [`SnapshotError`].
pub fn decode(bytes: &[u8]) -> Result<Parts, SnapshotError> {
    if bytes.len() > MAX_BYTES {
        return Err(SnapshotError::TooLarge(bytes.len()));
    }
    let mut reader = Reader(bytes);
    if reader.bytes(MAGIC.len()) != Some(MAGIC) {
        return Err(SnapshotError::Magic);
    }
    let short = || SnapshotError::Damaged("cut short");
    match reader.u16().ok_or_else(short)? {
        FORMAT_VERSION => {}
        other => return Err(SnapshotError::FormatVersion(other)),
    }
    match reader.u16().ok_or_else(short)? {
        FEATURE_VERSION => {}
        other => return Err(SnapshotError::FeatureVersion(other)),
    }
    let version = reader.u64().ok_or_else(short)?;
    let created_ms = reader.u64().ok_or_else(short)?;
    let length = reader.u32().ok_or_else(short)? as usize;
    let sum = reader.u64().ok_or_else(short)?;
    if reader.0.len() != length {
        return Err(SnapshotError::Damaged("the length does not fit"));
    }
    if word_checksum(reader.0) != sum {
        return Err(SnapshotError::Damaged("the checksum does not fit"));
    }
    let key = section(&mut reader, 1)?.try_into().map_err(|_| SnapshotError::Damaged("hash key"))?;
    let policy = PolicyConfig::from_json(section(&mut reader, 2)?)
        .map_err(|e| SnapshotError::Policy(e.to_string()))?;
    let model = Model::from_bytes(section(&mut reader, 3)?)?;
    let ranges = Ranges::read(section(&mut reader, 4)?).ok_or(SnapshotError::Damaged("ranges"))?;
    let lists = Lists::read(section(&mut reader, 5)?).ok_or(SnapshotError::Damaged("lists"))?;
    if !reader.0.is_empty() {
        return Err(SnapshotError::Damaged("more than the known sections"));
    }
    Ok(Parts { version, created_ms, hash_key: HashKey::from_bytes(key), policy, model, ranges, lists })
}

fn section<'a>(reader: &mut Reader<'a>, kind: u16) -> Result<&'a [u8], SnapshotError> {
    let damaged = SnapshotError::Damaged("sections");
    if reader.u16() != Some(kind) {
        return Err(damaged);
    }
    let length = reader.u32().ok_or(SnapshotError::Damaged("sections"))? as usize;
    reader.bytes(length).ok_or(damaged)
}

impl Parts {
    /// The judge of this snapshot.
    ///
    /// # Errors
    /// [`SnapshotError::Policy`] where the policy is wrong.
    pub fn into_engine(self) -> Result<Engine, SnapshotError> {
        let policy = Policy::compile(self.policy).map_err(|problems| {
            SnapshotError::Policy(
                problems
                    .into_iter()
                    .map(|p| format!("{}: {}", p.key, p.message))
                    .collect::<Vec<_>>()
                    .join("; "),
            )
        })?;
        let engine = Engine::new(policy, self.model, self.ranges, self.hash_key, self.version);
        Ok(engine.with_lists(self.lists))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::policy::{ListAction, ListEntry, ListTarget};
    use crate::ranges::{Provider, RangeKind};

    fn parts() -> Parts {
        Parts {
            version: 7,
            created_ms: 1_795_000_000_000,
            hash_key: HashKey::from_bytes([3; 16]),
            policy: PolicyConfig::default(),
            model: Model::built_in().expect("built-in weights"),
            ranges: Ranges::new(
                [("192.0.2.0/24".parse().expect("range"), 0), ("2001:db8::/32".parse().expect("range"), 0)],
                vec![Provider { name: "cloud".into(), kind: RangeKind::Cloud }],
            ),
            lists: Lists::compile(&[ListEntry {
                action: ListAction::Deny,
                target: ListTarget::Path("/private".into()),
                expires_ms: 9,
            }]),
        }
    }

    #[test]
    fn comes_back_whole() {
        let back = decode(&encode(&parts()).expect("encodes")).expect("decodes");
        assert_eq!((back.version, back.created_ms, back.ranges), (7, 1_795_000_000_000, parts().ranges));
        assert_eq!(back.lists, parts().lists);
        assert_eq!(back.policy, parts().policy);
        assert!(back.hash_key == parts().hash_key && back.model == parts().model);
    }

    #[test]
    fn versions_from_the_future_are_refused() {
        let good = encode(&parts()).expect("encodes");
        let mut format = good.clone();
        format[4] = 9;
        assert_eq!(decode(&format).err(), Some(SnapshotError::FormatVersion(9)));
        let mut features = good;
        features[6] = 9;
        assert_eq!(decode(&features).err(), Some(SnapshotError::FeatureVersion(9)));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
            let _ = decode(&bytes);
            let mut framed = b"SPSN\x03\0\x02\0".to_vec();
            framed.extend(&bytes);
            prop_assert!(decode(&framed).is_err());
        }

        #[test]
        fn any_damage_is_noticed(at in 0_usize..13_000, bit in 0_u8..8, cut in 0_usize..13_000) {
            let good = encode(&parts()).expect("encodes");
            let mut flipped = good.clone();
            // Version and time of making, before it, are outside of the checksum.
            let at = 24 + at % (good.len() - 24);
            flipped[at] ^= 1 << bit;
            prop_assert!(decode(&flipped).is_err());
            prop_assert!(decode(&good[..cut % good.len()]).is_err());
        }
    }
}
