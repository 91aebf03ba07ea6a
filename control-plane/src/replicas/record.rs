//! What replicas tell each other about the checkpoint that judges: one record, the newest decision of any of them.
//!
//! A line of JSON, then the checkpoint's file. Which of two records is newer is said by a number that grows with each
//! decision, not by clocks; where two replicas decide at once, the model's hash breaks the tie for all alike.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::models::file::hex;
use crate::shared::MOST_RECORD_BYTES;
use crate::store::Checkpoint;

/// The set of records, and the id of the only one in it.
pub(super) const SET: &str = "checkpoints";
pub(super) const ID: &str = "judging";

const VERSION: u32 = 1;

/// A decision about which checkpoint judges.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Decision {
    version: u32,
    /// Grows with each decision of any replica; from 1.
    pub(super) sequence: u64,
    /// SHA-256 of the model, hexadecimal.
    pub(super) model: String,
    /// Of a step of online learning: SHA-256 of the model that somebody chose and that it began with.
    pub(super) anchor: Option<String>,
    /// Name of the replica.
    pub(super) replica: String,
    /// Who decided there.
    pub(super) by: String,
    /// Why.
    pub(super) reason: String,
}

/// Orders decisions: by number, then by model.
pub(super) type Rank = (u64, String);

impl Decision {
    pub(super) fn new(sequence: u64, model: String, replica: String, by: String, reason: String) -> Self {
        Self { version: VERSION, sequence, model, anchor: None, replica, by, reason }
    }

    pub(super) fn rank(&self) -> Rank {
        (self.sequence, self.model.clone())
    }
}

/// A decision with the checkpoint's file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Record {
    pub(super) decision: Decision,
    pub(super) file: Vec<u8>,
}

/// Why a record cannot be used.
#[derive(Debug, thiserror::Error)]
pub(super) enum RecordError {
    /// Not what this version writes.
    #[error("what another replica promoted cannot be read; it may run another version")]
    Format,
    /// Too large to be shared.
    #[error(
        "checkpoint {0} is too large to be shared with other replicas: {1} bytes, at most {MOST_RECORD_BYTES}"
    )]
    TooLarge(i64, usize),
}

impl Record {
    /// The bytes of a decision with its checkpoint; without the state to go on training from where that would be too
    /// much.
    ///
    /// # Errors
    /// [`RecordError::TooLarge`].
    pub(super) fn write(decision: &Decision, checkpoint: &Checkpoint) -> Result<Vec<u8>, RecordError> {
        let with = |checkpoint: &Checkpoint| {
            let mut bytes = serde_json::to_vec(decision).unwrap_or_default();
            bytes.push(b'\n');
            bytes.extend(crate::models::file::write(checkpoint));
            bytes
        };
        let mut bytes = with(checkpoint);
        if bytes.len() > MOST_RECORD_BYTES {
            let mut bare = checkpoint.clone();
            bare.content.state = None;
            bytes = with(&bare);
        }
        if bytes.len() > MOST_RECORD_BYTES {
            return Err(RecordError::TooLarge(checkpoint.id, bytes.len()));
        }
        Ok(bytes)
    }

    /// Reads what [`Record::write`] wrote.
    ///
    /// # Errors
    /// [`RecordError::Format`]. Total: any bytes give a record or an error.
    pub(super) fn read(bytes: &[u8]) -> Result<Self, RecordError> {
        let end = bytes.iter().position(|byte| *byte == b'\n').ok_or(RecordError::Format)?;
        let (line, file) = bytes.split_at(end);
        let decision: Decision = serde_json::from_slice(line).map_err(|_| RecordError::Format)?;
        // So far a number can grow by one for every decision of the next 100 years.
        if decision.version != VERSION || !(1..1 << 52).contains(&decision.sequence) {
            return Err(RecordError::Format);
        }
        Ok(Self { decision, file: file.get(1..).unwrap_or_default().to_vec() })
    }
}

/// SHA-256 of a model, hexadecimal.
pub(super) fn digest(model: &[u8]) -> String {
    hex(&Sha256::digest(model))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::store::BUILT_IN;

    fn decision(sequence: u64, model: &str) -> Decision {
        let word = |text: &str| text.to_owned();
        Decision::new(sequence, word(model), word("a:8000"), word("op"), word("better"))
    }

    #[tokio::test]
    async fn a_record_comes_back() {
        let checkpoint =
            Checkpoint { id: BUILT_IN, created_ms: 0, content: crate::models::built_in_content() };
        let bytes = Record::write(&decision(3, "m"), &checkpoint).expect("small enough");
        let read = Record::read(&bytes).expect("sound");
        assert_eq!(read.decision, decision(3, "m"));
        let content = crate::models::file::read(&read.file, "x").expect("a checkpoint");
        assert_eq!(content.model, checkpoint.content.model);
    }

    #[test]
    fn a_state_too_large_stays_behind_and_a_model_too_large_is_refused() {
        let mut content = crate::models::built_in_content();
        content.state = Some(vec![0; MOST_RECORD_BYTES]);
        let mut checkpoint = Checkpoint { id: 5, created_ms: 0, content };
        let bytes = Record::write(&decision(3, "m"), &checkpoint).expect("small enough");
        assert!(bytes.len() < 1 << 20);
        checkpoint.content.model = vec![0; MOST_RECORD_BYTES];
        assert!(Record::write(&decision(3, "m"), &checkpoint).is_err());
    }

    #[test]
    fn the_later_decision_counts_and_ties_are_broken() {
        assert!(decision(2, "a").rank() > decision(1, "b").rank());
        assert!(decision(2, "b").rank() > decision(2, "a").rank());
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = Record::read(&bytes);
        }
    }
}
