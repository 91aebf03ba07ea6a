//! `POST /v1/observations`: what filters did.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use sallyport_core::observation::Batch;

use super::body::{self, RawBody};
use super::error::{ApiError, Problem};
use crate::app::App;
use crate::clock::unix_ms;
use crate::store::{Row, Source};

/// Take a batch of observations. It is queued for the store, not yet on disk, when this answers.
#[utoipa::path(post, path = "/v1/observations", tag = "filters",
    request_body(content = Vec<u8>, content_type = "application/octet-stream", description = "A batch in the binary format of core"),
    responses(
    (status = 202, description = "Taken"),
    (status = 400, description = "Not a batch, damaged, or of an unknown version", body = Problem),
    (status = 413, description = "Too large", body = Problem),
))]
pub(super) async fn observations(State(app): State<Arc<App>>, body: RawBody) -> Result<StatusCode, ApiError> {
    let body = body::bytes(body, app.server.observations_limit_kib)?;
    let batch = Batch::decode(&body).map_err(|error| ApiError::bad_syntax(error.to_string()))?;
    app.metrics.batches.inc();
    app.metrics.dropped_by_filters.inc_by(batch.dropped.into());
    let version = batch.snapshot_version;
    let now_ms = unix_ms();
    let mut rows = app.detector.observe(batch, now_ms);
    for row in &mut rows {
        match row {
            Row::Request(row) => {
                app.models.complete(row, version);
                app.metrics.decided(Source::Filter, row.action, row.weight.into());
            }
            Row::LoginFailure(row) => app.logins.failed(row.network, row.account, now_ms),
            Row::Fingerprint(_) => {}
        }
    }
    app.store.record(&mut rows.into_iter());
    Ok(StatusCode::ACCEPTED)
}
