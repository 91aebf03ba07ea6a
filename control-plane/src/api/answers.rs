//! `POST /v1/answers`: what the site answered to requests that `POST /check` judged, from doors that see answers.

use std::borrow::Cow;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use sallyport_core::LoginOutcome;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::body::{self, RawBody};
use super::error::{ApiError, Problem};
use crate::app::App;
use crate::clock::unix_ms;
use crate::detector::Told;
use crate::store::RequestId;

/// Most answers of a message.
const MOST: usize = 1_000;

/// Answers to requests that were judged with `answered: true`.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct AnswersRequest<'a> {
    /// At most 1,000.
    #[serde(borrow)]
    answers: Vec<AnswerOf<'a>>,
}

/// One answer.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct AnswerOf<'a> {
    /// The `request_id` of the verdict.
    #[serde(borrow)]
    #[schema(value_type = String)]
    request_id: Cow<'a, str>,
    /// HTTP status, 100 to 599.
    status: u16,
    /// `Content-Type`.
    #[serde(borrow, default)]
    #[schema(value_type = Option<String>, example = "text/html")]
    content_type: Option<Cow<'a, str>>,
    /// `Location`, with a redirect.
    #[serde(borrow, default)]
    #[schema(value_type = Option<String>)]
    location: Option<Cow<'a, str>>,
    /// The session that the site issued with the answer: it counts from now on.
    #[serde(borrow, default)]
    #[schema(value_type = Option<String>)]
    session_id: Option<Cow<'a, str>>,
}

/// What became of them.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct AnswersResponse {
    /// Answers that were counted.
    counted: u32,
    /// Those of requests that nobody waits for: not judged here with `answered: true`, over ten minutes ago, refused, or
    /// told before.
    unknown: u32,
}

/// Tell what the site answered.
#[utoipa::path(post, path = "/v1/answers", tag = "decisions", request_body = AnswersRequest, responses(
    (status = 202, description = "Counted", body = AnswersResponse),
    (status = 400, description = "Not JSON", body = Problem),
    (status = 422, description = "A field is not valid", body = Problem),
))]
pub(super) async fn answers(
    State(app): State<Arc<App>>,
    body: RawBody,
) -> Result<(StatusCode, Json<AnswersResponse>), ApiError> {
    let body = body::bytes(body, app.server.body_limit_kib)?;
    let AnswersRequest { answers } = body::json(&body)?;
    if answers.len() > MOST {
        let detail = format!("answers: at most {MOST} at once, not {}: send several messages", answers.len());
        return Err(ApiError::invalid("answers", detail));
    }
    if let Some(at) = answers.iter().position(|answer| !(100..600).contains(&answer.status)) {
        let field = format!("answers[{at}].status");
        let detail = format!("{field}: {} is not an HTTP status", answers[at].status);
        return Err(ApiError::invalid(field, detail));
    }
    let (now_ms, engine) = (unix_ms(), app.detector.engine());
    let (mut counted, mut unknown) = (0, 0);
    for answer in &answers {
        let text = |text: &Option<Cow<'_, str>>| text.as_deref().unwrap_or_default().as_bytes().to_vec();
        let (location, content_type) = (text(&answer.location), text(&answer.content_type));
        let session = text(&answer.session_id);
        let told = Told {
            status: answer.status,
            location: &location,
            content_type: &content_type,
            session: &session,
        };
        let Some(reported) = app.detector.answered(&RequestId::parse(&answer.request_id), told, now_ms)
        else {
            unknown += 1;
            continue;
        };
        counted += 1;
        app.issued.tell(reported.issued.as_slice());
        app.limits.charge(engine.policy(), reported.charges.iter());
        match reported.login {
            Some((LoginOutcome::Failed, network)) => {
                app.logins.failed(network, 0, now_ms);
                app.sessions.suspect(std::iter::once((reported.session, 1)));
            }
            Some((LoginOutcome::Passed, network)) => app.logins.passed(network, 0, now_ms),
            None => {}
        }
        if let (true, Some((session, _))) = (reported.succeeds, reported.issued) {
            app.sessions.hand_on(reported.session, session);
        }
    }
    Ok((StatusCode::ACCEPTED, Json(AnswersResponse { counted, unknown })))
}
