//! `POST /v1/exchange`: what filters spent of rate limits, who was suspicious and which sessions were issued, for what all
//! replicas know.

use std::sync::Arc;

use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;
use sallyport_core::exchange::{MAX_BYTES, Reply, Request};

use super::body::{self, RawBody};
use super::error::{ApiError, Problem};
use crate::app::App;

/// Largest message, KiB.
pub(super) const LIMIT_KIB: u32 = (MAX_BYTES >> 10) as u32;

/// Take charges, suspicious actions and issued sessions, answer shared rate cells and marks. What is charged is merged with other
/// replicas before this answers, where that takes at most 20 ms; else the answer says what was known before.
#[utoipa::path(post, path = "/v1/exchange", tag = "filters",
    request_body(content = Vec<u8>, content_type = "application/octet-stream", description = "A request in the binary format of core"),
    responses(
    (status = 200, description = "A reply in the binary format of core", body = Vec<u8>, content_type = "application/octet-stream"),
    (status = 400, description = "No such message, damaged, or of an unknown version", body = Problem),
    (status = 413, description = "Too large", body = Problem),
))]
pub(super) async fn exchange(
    State(app): State<Arc<App>>,
    body: RawBody,
) -> Result<impl IntoResponse, ApiError> {
    let body = body::bytes(body, LIMIT_KIB)?;
    let request = Request::decode(&body).map_err(|error| ApiError::bad_syntax(error.to_string()))?;
    app.metrics.exchanges.inc();
    // Before the actions of a session that this tells of.
    app.issued.tell(&request.issued);
    let (cells, ()) =
        tokio::join!(app.limits.exchange(&request.charges), app.sessions.exchange(&request.suspicions));
    let news = app.marks.since(request.origin, request.seen);
    let reply = Reply { origin: news.origin, sequence: news.sequence, cells, marks: news.marks };
    let headers = [(header::CONTENT_TYPE, "application/octet-stream"), (header::CACHE_CONTROL, "no-store")];
    Ok((headers, reply.encode()))
}
