//! `GET /stats`: totals since the first start.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use super::error::ApiError;
use crate::app::App;

/// Totals, exact also where rows were sampled or deleted by age.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct StatsResponse {
    /// Decisions of filters and of `/check`.
    total_requests: u64,
    /// Those with CHALLENGE, RATE_LIMIT or BLOCK.
    bot_requests: u64,
    /// The others.
    human_requests: u64,
    /// Share of the former, 0 to 100.
    bot_percentage: f64,
    /// Addresses on record (IPv4, or IPv6 /64).
    unique_ips: u64,
    /// Those of them that were judged BLOCK at least once.
    blocked_ips: u64,
    /// Decisions that somebody gave feedback on.
    training_examples: u64,
    /// Whether the neural model takes part in decisions.
    deep_learning_enabled: bool,
}

/// Totals since the first start.
#[utoipa::path(get, path = "/stats", tag = "operation", responses(
    (status = 200, description = "Totals", body = StatsResponse),
))]
pub(super) async fn stats(State(app): State<Arc<App>>) -> Result<Json<StatsResponse>, ApiError> {
    let totals = app.store.totals().await?;
    let share = totals.bots as f64 / totals.requests.max(1) as f64;
    Ok(Json(StatsResponse {
        total_requests: totals.requests,
        bot_requests: totals.bots,
        human_requests: totals.requests.saturating_sub(totals.bots),
        bot_percentage: (share * 10_000.0).round() / 100.0,
        unique_ips: totals.addresses,
        blocked_ips: totals.blocked_addresses,
        training_examples: totals.training_examples,
        deep_learning_enabled: true,
    }))
}
