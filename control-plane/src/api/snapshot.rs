//! `GET /v1/snapshot`: what a filter judges with.

use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::error::ApiError;
use crate::app::App;

/// The snapshot in force, or 304 where the filter has it.
#[utoipa::path(get, path = "/v1/snapshot", tag = "filters", params(
    ("If-None-Match" = Option<String>, Header, description = "The `ETag` of the snapshot at hand")), responses(
    (status = 200, description = "The binary snapshot, with its version as `ETag`", body = Vec<u8>, content_type = "application/octet-stream"),
    (status = 304, description = "Nothing new"),
))]
pub(super) async fn snapshot(State(app): State<Arc<App>>, headers: HeaderMap) -> Result<Response, ApiError> {
    let snapshot = app.publisher.current();
    let tags = [(header::ETAG, snapshot.etag.clone()), (header::CACHE_CONTROL, "no-cache".to_owned())];
    let at_hand = headers.get_all(header::IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    let is_this = |tag: &str| tag == "*" || tag.trim_start_matches("W/") == snapshot.etag;
    if at_hand.flat_map(|value| value.split(',')).any(|tag| is_this(tag.trim())) {
        return Ok((StatusCode::NOT_MODIFIED, tags).into_response());
    }
    app.metrics.snapshots_sent.inc();
    let body = Body::from(Bytes::from_owner(Arc::clone(&snapshot.bytes)));
    Ok((tags, [(header::CONTENT_TYPE, "application/octet-stream")], body).into_response())
}
