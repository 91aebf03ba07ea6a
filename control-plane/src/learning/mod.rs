//! Learning from feedback as it comes: a working copy of the active network moves with every label, and judges
//! once a reserved set finds it no worse.
//!
//! What bounds it: [`influence`] (one client or token moves the model only so far), [`contradiction`] (labels that
//! contradict one another are shown, not learned), [`reserve`] (what it must get no worse on, against the model that
//! somebody chose, however many small steps lie between). A *generation* is the time from one such choice to the next.

pub mod contradiction;
pub mod influence;
mod learner;
mod rehearsal;
pub mod reserve;
#[cfg(test)]
mod testing;

use sallyport_core::Features;

use crate::store::{RequestId, TrainingRow};
use crate::training::Dataset;

pub use learner::{Counts, Examined, Learned, Learner};

/// One piece of feedback, as it is learned from.
#[derive(Clone, Debug, PartialEq)]
pub struct Label {
    /// Its number; grows with arrival.
    pub id: i64,
    /// The request.
    pub request_id: RequestId,
    /// When it was given, Unix ms.
    pub created_ms: u64,
    /// The features as they were when the request was judged.
    pub features: Features,
    /// What it says.
    pub is_bot: bool,
    /// Keyed hash of the client, where it is known.
    pub client: Option<u64>,
    /// Number of the token that says it, where it is known.
    pub token: Option<i64>,
}

/// Rows of every kind of visitor, to hold on to what was learned before.
#[derive(Clone, Debug)]
pub struct Base {
    /// To be learned again with every label.
    pub rehearsed: Dataset,
    /// To measure on; of other clients.
    pub reserved: Dataset,
}

impl Label {
    /// The label of a row; `None` where its features are damaged.
    pub fn of(row: &TrainingRow) -> Option<Self> {
        Some(Self {
            id: row.id,
            request_id: row.request_id.clone(),
            created_ms: row.created_ms,
            features: Features::new(row.features)?,
            is_bot: row.is_bot,
            client: row.client,
            token: row.token,
        })
    }
}
