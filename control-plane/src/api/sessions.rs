//! `/v1/sessions/{session_id}`: a session's suspicious actions, and forgiving them. The id is hashed at once; it is
//! neither kept nor logged.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use serde::Serialize;
use utoipa::ToSchema;

use super::error::{ApiError, Problem};
use crate::app::App;
use crate::sessions::Known;

/// A session's suspicious actions.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct SessionResponse {
    /// How many there were.
    suspicious: u32,
    /// From so many on the session is challenged, `policy.sessions.suspicious`.
    threshold: u8,
    /// Whether it is challenged now.
    challenged: bool,
    /// RFC 3339: when they are forgotten unless there is another; absent where only another replica saw them.
    #[serde(skip_serializing_if = "Option::is_none")]
    keeps_until: Option<String>,
}

/// What was forgiven.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ForgivenResponse {
    /// Whether there was anything to forgive.
    forgiven: bool,
}

type Id = Result<Path<String>, PathRejection>;

/// How many suspicious actions a session has.
#[utoipa::path(get, path = "/v1/sessions/{session_id}", tag = "operation",
    params(("session_id" = String, Path, description = "The session's cookie or id as the visitor sends it")), responses(
    (status = 200, description = "Its suspicious actions; 0 where nothing is known", body = SessionResponse),
    (status = 422, description = "Not UTF-8", body = Problem),
))]
pub(super) async fn show(State(app): State<Arc<App>>, id: Id) -> Result<Json<SessionResponse>, ApiError> {
    let Known { count, until_ms } = app.sessions.look(key(&app, id)?).await;
    let threshold = app.detector.engine().policy().config().sessions.suspicious;
    let until = until_ms.and_then(|ms| i64::try_from(ms).ok());
    let until = until.and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok());
    Ok(Json(SessionResponse {
        suspicious: count,
        threshold,
        challenged: count >= threshold.into(),
        keeps_until: until.map(|until| until.to_string()),
    }))
}

/// Forgive a session: its suspicious actions are forgotten here and by other replicas at once, by filters with their
/// next exchange.
#[utoipa::path(delete, path = "/v1/sessions/{session_id}", tag = "operation",
    params(("session_id" = String, Path, description = "The session's cookie or id as the visitor sends it")), responses(
    (status = 200, description = "It counts as new", body = ForgivenResponse),
    (status = 422, description = "Not UTF-8", body = Problem),
    (status = 503, description = "Forgotten here, but other replicas could not be told", body = Problem),
))]
pub(super) async fn forgive(State(app): State<Arc<App>>, id: Id) -> Result<Json<ForgivenResponse>, ApiError> {
    let forgiven = app.sessions.forgive(key(&app, id)?).await.map_err(|error| {
        ApiError::unavailable(format!("forgiven here, but not everywhere; try again ({error})"))
    })?;
    Ok(Json(ForgivenResponse { forgiven }))
}

fn key(app: &App, id: Id) -> Result<u64, ApiError> {
    let Path(id) = id.map_err(|_| {
        ApiError::invalid("session_id", "session_id: is not UTF-8; write its bytes percent-encoded")
    })?;
    Ok(app.detector.engine().key().session(id.as_bytes()))
}
