//! Why something cannot be done with a checkpoint.

use sallyport_core::ModelError;

use super::file::FileError;
use crate::snapshot::PublishError;
use crate::store::StoreError;

/// Why something cannot be done with a checkpoint; what judged goes on judging.
#[derive(Debug, thiserror::Error)]
pub enum ModelsError {
    /// The database did not answer or did not take it.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// No checkpoint has this number.
    #[error("there is no checkpoint {0}")]
    Unknown(i64),
    /// Its model cannot be read.
    #[error("checkpoint {0} cannot be used: {1}")]
    Damaged(i64, ModelError),
    /// It judges already.
    #[error("checkpoint {0} judges already")]
    AlreadyActive(i64),
    /// Another one was promoted meanwhile.
    #[error("another checkpoint was promoted meanwhile")]
    Overtaken,
    /// What was promoted is stored, so it will judge, but the database or the snapshot does not let it now.
    #[error("checkpoint {0} is promoted, but does not judge yet: {1}; this is tried again every second")]
    NotYet(i64, String),
    /// There is no promotion to undo.
    #[error("there is no earlier checkpoint to go back to")]
    NothingBefore,
    /// No snapshot can be made with it.
    #[error("no snapshot can be made with this model: {0}")]
    Publish(#[from] PublishError),
    /// The file to import is not sound.
    #[error(transparent)]
    File(#[from] FileError),
}
