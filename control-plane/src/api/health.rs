//! `GET /health`: the process lives. `GET /ready`: it can do all of its work.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

use crate::app::App;

/// The process lives.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct HealthResponse {
    /// Always `ok`.
    status: &'static str,
    /// Version of the program.
    version: &'static str,
}

/// Whether all of its work can be done.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ReadyResponse {
    /// `ready` or `degraded`: decisions go on in either.
    status: &'static str,
    /// What is wrong; empty when ready.
    reasons: Vec<String>,
    /// Version of the snapshot in force.
    snapshot_version: u64,
}

/// Whether the process lives; needs no token.
#[utoipa::path(get, path = "/health", tag = "operation", security(()), responses(
    (status = 200, description = "It lives", body = HealthResponse),
))]
pub(super) async fn health() -> Json<HealthResponse> {
    Json(HealthResponse { status: "ok", version: env!("CARGO_PKG_VERSION") })
}

/// Whether rows can be written and read, and the promoted checkpoint judges.
#[utoipa::path(get, path = "/ready", tag = "operation", responses(
    (status = 200, description = "Ready; or degraded, where only what replicas share is wrong: this one goes on alone", body = ReadyResponse),
    (status = 503, description = "Degraded: decisions go on, but rows are not stored, or not by the promoted checkpoint", body = ReadyResponse),
))]
pub(super) async fn ready(State(app): State<Arc<App>>) -> (StatusCode, Json<ReadyResponse>) {
    let mut reasons = Vec::new();
    if let Err(error) = app.store.ping().await {
        reasons.push(format!("reading: {error}"));
    }
    let health = app.store.health();
    if let Some(reason) = health.failing {
        let (waiting, dropped) = (health.pending_rows, health.dropped_rows);
        reasons
            .push(format!("writing: {reason}; {waiting} rows wait, {dropped} were dropped since the start"));
    }
    reasons.extend(app.models.trouble());
    reasons.extend(app.lists.trouble());
    let can_work = reasons.is_empty();
    // Without the others each replica does all of its work alone. All of them lose Redis at once: were they called
    // unavailable for that, nobody would be left to ask.
    reasons.extend(app.shared.health().degraded);
    reasons.extend(app.replicas.trouble());
    let code = if can_work { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let status = if reasons.is_empty() { "ready" } else { "degraded" };
    let snapshot_version = app.publisher.current().version;
    (code, Json(ReadyResponse { status, reasons, snapshot_version }))
}
