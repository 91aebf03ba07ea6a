//! The form in which a checkpoint leaves and enters: one file, any damage of which is noticed.
//!
//! First line: a JSON object with format, version, the lengths of what follows and the SHA-256 of it. Then the
//! checkpoint's record as one line of JSON, its model, and the state to go on training from. Import takes a bare
//! model, too, as `sallyport train --out` writes it.

use std::fmt::Write as _;

use sallyport_core::{FEATURE_VERSION, Model, ModelError, ModelKind};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use crate::store::{BUILT_IN, Checkpoint, CheckpointContent, CheckpointSource};
use crate::training::Trainable;

/// Larger files are not read, in bytes.
pub const MAX_BYTES: usize = 8 << 20;

/// Longest record, in bytes: lists of checkpoints hold all of them. What is trained here has about 50 KB.
const MAX_RECORD: usize = 1 << 20;

const FORMAT: &str = "sallyport-checkpoint";
const VERSION: u32 = 1;

/// Why a file was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FileError {
    /// Neither a checkpoint nor a model.
    #[error("this is no checkpoint; `sallyport model export` writes one")]
    Format,
    /// Written by a newer version.
    #[error("the file has version {0}, this program reads {VERSION}")]
    Version(u32),
    /// Over [`MAX_BYTES`].
    #[error("the file has {0} bytes, at most {MAX_BYTES} are read")]
    TooLarge(usize),
    /// Cut short or changed.
    #[error("the file is damaged: {0}")]
    Damaged(&'static str),
    /// The model in it.
    #[error("the model in the file cannot be used: {0}")]
    Model(#[from] ModelError),
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    format: String,
    version: u32,
    record_bytes: usize,
    model_bytes: usize,
    state_bytes: Option<usize>,
    sha256: String,
}

/// What is written of a checkpoint besides its model.
#[derive(Serialize, Deserialize)]
struct Record {
    id: i64,
    created_ms: u64,
    kind: ModelKind,
    features_version: u16,
    parent: i64,
    seed: u64,
    source: String,
    made_by: String,
    note: String,
    data_fingerprint: Option<String>,
    data: Map<String, Value>,
    settings: Map<String, Value>,
    metrics: Map<String, Value>,
    histograms: Map<String, Value>,
}

/// The file of a checkpoint.
pub fn write(checkpoint: &Checkpoint) -> Vec<u8> {
    let Checkpoint { id, created_ms, content } = checkpoint;
    let object = |json: &str| serde_json::from_str(json).unwrap_or_default();
    let record = Record {
        id: *id,
        created_ms: *created_ms,
        kind: content.kind,
        features_version: content.features_version,
        parent: content.parent,
        seed: content.seed,
        source: content.source.name().to_owned(),
        made_by: content.made_by.clone(),
        note: content.note.clone(),
        data_fingerprint: content.data_fingerprint.as_ref().map(|bytes| hex(bytes)),
        data: object(&content.data),
        settings: object(&content.settings),
        metrics: object(&content.metrics),
        histograms: object(&content.histograms),
    };
    let mut rest = serde_json::to_vec(&record).unwrap_or_default();
    rest.push(b'\n');
    let record_bytes = rest.len();
    rest.extend(&content.model);
    rest.extend(content.state.iter().flatten());
    let header = Header {
        format: FORMAT.to_owned(),
        version: VERSION,
        record_bytes,
        model_bytes: content.model.len(),
        state_bytes: content.state.as_ref().map(Vec::len),
        sha256: hex(&Sha256::digest(&rest)),
    };
    let mut file = serde_json::to_vec(&header).unwrap_or_default();
    file.push(b'\n');
    file.append(&mut rest);
    file
}

/// Reads a file as a checkpoint to be stored by `made_by`. Numbers and names of other databases mean nothing here,
/// so they go into the note.
///
/// # Errors
/// See [`FileError`]. Total: any bytes give a checkpoint or an error.
pub fn read(bytes: &[u8], made_by: &str) -> Result<CheckpointContent, FileError> {
    if bytes.len() > MAX_BYTES {
        return Err(FileError::TooLarge(bytes.len()));
    }
    match Model::from_bytes(bytes) {
        Err(ModelError::Magic) => exported(bytes, made_by),
        Err(error) => Err(error.into()),
        Ok(model) => Ok(bare(&model, bytes, made_by)),
    }
}

fn exported(bytes: &[u8], made_by: &str) -> Result<CheckpointContent, FileError> {
    let end = bytes.iter().position(|byte| *byte == b'\n').ok_or(FileError::Format)?;
    let (line, rest) = (&bytes[..end], &bytes[end + 1..]);
    let header: Header = serde_json::from_slice(line).map_err(|_| FileError::Format)?;
    if header.format != FORMAT {
        return Err(FileError::Format);
    }
    if header.version != VERSION {
        return Err(FileError::Version(header.version));
    }
    if header.sha256 != hex(&Sha256::digest(rest)) {
        return Err(FileError::Damaged("its content does not fit its checksum"));
    }
    if header.record_bytes > MAX_RECORD {
        return Err(FileError::Damaged("its record is too long"));
    }
    let (record, rest) =
        rest.split_at_checked(header.record_bytes).ok_or(FileError::Damaged("the lengths do not fit"))?;
    let (model, state) =
        rest.split_at_checked(header.model_bytes).ok_or(FileError::Damaged("the lengths do not fit"))?;
    if state.len() != header.state_bytes.unwrap_or(0) {
        return Err(FileError::Damaged("the lengths do not fit"));
    }
    let record: Record = serde_json::from_slice(record).map_err(|_| FileError::Damaged("its record"))?;
    let read = Model::from_bytes(model)?;
    if read.kind() != record.kind || record.features_version != FEATURE_VERSION {
        return Err(FileError::Damaged("record and model contradict each other"));
    }
    let state = header.state_bytes.map(|_| state.to_vec());
    if state.as_ref().is_some_and(|state| Trainable::from_state(state).is_err()) {
        return Err(FileError::Damaged("the state to go on from"));
    }
    let data_fingerprint = record.data_fingerprint.map(|text| unhex(&text)).transpose()?;
    let json = |object: Map<String, Value>| Value::Object(object).to_string();
    let note = format!("{} ({} {} by {})", record.note, record.source, record.id, record.made_by);
    Ok(CheckpointContent {
        kind: record.kind,
        features_version: record.features_version,
        parent: BUILT_IN,
        seed: record.seed,
        source: CheckpointSource::Import,
        made_by: made_by.to_owned(),
        note: note.trim().chars().take(1000).collect(),
        data_fingerprint,
        data: json(record.data),
        settings: json(record.settings),
        metrics: json(record.metrics),
        histograms: json(record.histograms),
        model: model.to_vec(),
        state,
    })
}

fn bare(model: &Model, bytes: &[u8], made_by: &str) -> CheckpointContent {
    let empty = || "{}".to_owned();
    CheckpointContent {
        kind: model.kind(),
        features_version: FEATURE_VERSION,
        parent: BUILT_IN,
        seed: 0,
        source: CheckpointSource::Import,
        made_by: made_by.to_owned(),
        note: "a model alone".to_owned(),
        data_fingerprint: None,
        data: empty(),
        settings: empty(),
        metrics: empty(),
        histograms: empty(),
        model: bytes.to_vec(),
        state: None,
    }
}

/// Bytes in lower-case hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Reads what [`hex`] wrote of 32 bytes.
///
/// # Errors
/// [`FileError::Damaged`].
pub(super) fn unhex(text: &str) -> Result<[u8; 32], FileError> {
    let mut bytes = [0; 32];
    for (byte, digits) in bytes.iter_mut().zip(text.as_bytes().chunks(2)) {
        let digits = std::str::from_utf8(digits).unwrap_or_default();
        *byte = u8::from_str_radix(digits, 16).map_err(|_| FileError::Damaged("its record"))?;
    }
    if hex(&bytes) == text { Ok(bytes) } else { Err(FileError::Damaged("its record")) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::training::network::Start;

    fn checkpoint() -> Checkpoint {
        let model = Model::built_in().expect("built-in model");
        Checkpoint {
            id: 7,
            created_ms: 12,
            content: CheckpointContent {
                seed: u64::MAX,
                source: CheckpointSource::Train,
                note: "of the shop".to_owned(),
                data_fingerprint: Some([0xAB; 32]),
                metrics: r#"{"roc_auc":0.97}"#.to_owned(),
                state: Some(Trainable::new(Start::MONOTONE, 1).to_state()),
                ..bare(&model, &model.to_bytes(), "op")
            },
        }
    }

    #[test]
    fn a_checkpoint_comes_back_whole() {
        let written = checkpoint();
        let back = read(&write(&written), "importer").expect("sound");
        let expected = CheckpointContent {
            source: CheckpointSource::Import,
            made_by: "importer".to_owned(),
            note: "of the shop (train 7 by op)".to_owned(),
            ..written.content
        };
        assert_eq!(back, expected);
    }

    #[test]
    fn a_bare_model_is_taken_and_a_damaged_one_named() {
        let model = Model::built_in().expect("built-in model").to_bytes();
        assert_eq!(read(&model, "op").expect("sound").model, model);
        let other_version: Vec<u8> =
            model.iter().enumerate().map(|(i, b)| if i == 4 { 99 } else { *b }).collect();
        let refused = read(&other_version, "op").expect_err("refused").to_string();
        assert!(refused.contains("trained on feature version 99"), "{refused}");
        assert_eq!(read(b"hello\nworld", "op"), Err(FileError::Format));
        assert_eq!(read(b"", "op"), Err(FileError::Format));
    }

    #[test]
    fn an_overlong_record_is_refused() {
        let mut long = checkpoint();
        long.content.metrics = format!("{{\"padding\":\"{}\"}}", "x".repeat(MAX_RECORD));
        assert_eq!(read(&write(&long), "op"), Err(FileError::Damaged("its record is too long")));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = read(&bytes, "op");
        }

        #[test]
        fn any_damage_is_noticed(at in 0_usize..40_000, bit in 0_u8..8, cut in 0_usize..40_000) {
            let good = write(&checkpoint());
            let mut flipped = good.clone();
            flipped[at % good.len()] ^= 1 << bit;
            prop_assert!(read(&flipped, "op").is_err());
            prop_assert!(read(&good[..cut % good.len()], "op").is_err());
        }
    }
}
