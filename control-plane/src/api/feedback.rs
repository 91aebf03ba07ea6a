//! `POST /feedback`: somebody knows better, or confirms.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::extract::{ConnectInfo, State};
use axum::http::StatusCode;
use axum::{Extension, Json};
use sallyport_core::RequestFacts;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::body::{self, RawBody};
use super::check::stored_path;
use super::error::{ApiError, Problem};
use crate::app::App;
use crate::auth::Caller;
use crate::clock::unix_ms;
use crate::store::{Feedback, FeedbackOutcome, FeedbackTarget, RequestId};

/// What is said about a decision: named by `request_id`, or else the latest one about this visitor on this path.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct FeedbackRequest {
    /// Name of the decision, as `/check` answered or Envoy's `x-request-id`.
    request_id: Option<String>,
    /// The visitor's address; the caller's own where it is left out.
    #[schema(value_type = Option<String>)]
    ip: Option<IpAddr>,
    /// The visitor's `User-Agent`.
    user_agent: Option<String>,
    /// The path asked for.
    endpoint: Option<String>,
    /// The visitor's session, if one was given to `/check`.
    session_id: Option<String>,
    /// What it really was. Either this or `label`.
    is_bot: Option<bool>,
    /// The same in words.
    label: Option<Label>,
}

/// What a visitor really was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum Label {
    /// A program.
    Bot,
    /// A person.
    Human,
}

/// What became of it; it is on disk when this is answered.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct FeedbackResponse {
    /// `recorded`, or `already_recorded` when the same had been said before.
    status: &'static str,
    /// The decision it is about.
    request_id: String,
    /// What is on record.
    is_bot: bool,
}

/// Say what a visitor really was.
#[utoipa::path(post, path = "/feedback", tag = "decisions", request_body = FeedbackRequest, responses(
    (status = 201, description = "On disk", body = FeedbackResponse),
    (status = 200, description = "The same had been said before", body = FeedbackResponse),
    (status = 404, description = "No such decision", body = Problem),
    (status = 409, description = "The opposite had been said before", body = Problem),
    (status = 422, description = "A field is not valid", body = Problem),
    (status = 503, description = "Not stored: the database cannot be written", body = Problem),
))]
pub(super) async fn feedback(
    State(app): State<Arc<App>>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    Extension(caller): Extension<Caller>,
    body: RawBody,
) -> Result<(StatusCode, Json<FeedbackResponse>), ApiError> {
    let body = body::bytes(body, app.server.body_limit_kib)?;
    let request: FeedbackRequest = body::json(&body)?;
    let is_bot = request.verdict()?;
    let target = request.target(&app, peer.ip())?;
    let feedback = Feedback { target, is_bot, token: Some(caller.id) };
    let (code, status, id) = match app.store.feedback(feedback, unix_ms()).await? {
        FeedbackOutcome::Recorded(row) => {
            app.learning.wake();
            (StatusCode::CREATED, "recorded", row.request_id)
        }
        FeedbackOutcome::AlreadyRecorded(id) => (StatusCode::OK, "already_recorded", id),
        FeedbackOutcome::Contradicts { request_id, recorded_is_bot } => {
            let said = if recorded_is_bot { "bot" } else { "human" };
            return Err(ApiError::conflict(format!(
                "{request_id} is on record as {said}; nothing was changed"
            )));
        }
        FeedbackOutcome::UnknownRequest => {
            return Err(ApiError::not_found(
                "no such decision is on record; it may have been deleted by age",
            ));
        }
    };
    Ok((code, Json(FeedbackResponse { status, request_id: id.to_string(), is_bot })))
}

impl FeedbackRequest {
    fn verdict(&self) -> Result<bool, ApiError> {
        let label = self.label.map(|label| label == Label::Bot);
        match (self.is_bot, label) {
            (Some(is_bot), Some(label)) if is_bot != label => {
                Err(ApiError::invalid("label", "label: contradicts `is_bot`; send one of them"))
            }
            (Some(is_bot), _) => Ok(is_bot),
            (None, Some(label)) => Ok(label),
            (None, None) => Err(ApiError::invalid("is_bot", "is_bot: is missing; send true or false")),
        }
    }

    fn target(&self, app: &App, caller: IpAddr) -> Result<FeedbackTarget, ApiError> {
        if let Some(id) = &self.request_id {
            // Decisions without a name of their own have the empty one in common.
            if id.is_empty() {
                return Err(ApiError::invalid(
                    "request_id",
                    "request_id: is empty; send the decision's name",
                ));
            }
            return Ok(FeedbackTarget::Request(RequestId::parse(id)));
        }
        let missing = |field: &str| {
            ApiError::invalid(field, format!("{field}: is missing; send it, or `request_id` instead"))
        };
        let user_agent = self.user_agent.as_deref().ok_or_else(|| missing("user_agent"))?;
        let endpoint = self.endpoint.as_deref().ok_or_else(|| missing("endpoint"))?;
        let facts = RequestFacts {
            address: Some(self.ip.unwrap_or(caller).to_canonical()),
            user_agent: user_agent.as_bytes(),
            session: self.session_id.as_deref().unwrap_or_default().as_bytes(),
            ..RequestFacts::default()
        };
        let client = app.detector.engine().key().client(&facts);
        Ok(FeedbackTarget::Latest { client, path: stored_path(endpoint).into_string() })
    }
}
