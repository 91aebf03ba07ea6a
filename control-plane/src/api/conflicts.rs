//! `GET /v1/models/conflicts`: labels that contradict one another. None is averaged away: somebody should look.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use super::error::ApiError;
use crate::app::App;
use crate::learning::contradiction::Contradiction;
use crate::store::LabelConflict;

/// Refused labels that are listed.
const SHOWN: u32 = 100;

/// Where labels contradict one another, newest first.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ConflictsResponse {
    /// Feedback that was refused with 409, since the opposite is on record for the same request; at most 100.
    same_request: Vec<RefusedLabel>,
    /// Labels of different requests that are on record, and that learning leaves out both; the latest 100 since the
    /// model in force was chosen.
    other_requests: Vec<Contradiction>,
}

/// A label that was refused.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct RefusedLabel {
    /// The decision it is about.
    request_id: String,
    /// Number of the token that said it, as `sallyport token list` shows it.
    token: Option<i64>,
    /// When it was said last, Unix ms.
    ts_ms: u64,
    /// How often it was said.
    times: u64,
    /// What is on record, and stays.
    recorded_is_bot: bool,
    /// What was said.
    said_is_bot: bool,
}

/// Labels that contradict one another.
#[utoipa::path(get, path = "/v1/models/conflicts", tag = "models", responses(
    (status = 200, description = "The latest contradictions", body = ConflictsResponse),
))]
pub(super) async fn conflicts(State(app): State<Arc<App>>) -> Result<Json<ConflictsResponse>, ApiError> {
    let refused = app.store.label_conflicts(SHOWN).await?;
    let same_request = refused.into_iter().map(RefusedLabel::from).collect();
    Ok(Json(ConflictsResponse { same_request, other_requests: app.learning.contradictions() }))
}

impl From<LabelConflict> for RefusedLabel {
    fn from(row: LabelConflict) -> Self {
        Self {
            request_id: row.request_id.to_string(),
            token: row.token,
            ts_ms: row.ts_ms,
            times: row.times,
            recorded_is_bot: row.recorded_is_bot,
            said_is_bot: row.said_is_bot,
        }
    }
}
