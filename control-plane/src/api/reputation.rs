//! `GET /reputation/{ip}`: what is on record about an address.

use std::net::IpAddr;
use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use serde::Serialize;
use utoipa::ToSchema;

use super::error::{ApiError, Problem};
use crate::app::App;
use crate::clock::unix_ms;
use crate::ranges::is_datacenter;
use crate::store::Standing;

/// An address's past. An IPv6 address stands for its /64.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ReputationResponse {
    /// The address asked for, in its canonical form.
    ip: String,
    /// Whether anything is on record.
    known: bool,
    /// What it adds to a decision: -0.5 (long clean) to 1 (bad), 0 where little is known.
    reputation: f32,
    /// Requests that looked human, fading with τ = 24 h.
    good: f32,
    /// Requests that looked automated and failed logins, fading likewise.
    bad: f32,
    /// Requests on record.
    requests: u64,
    /// Those judged BLOCK.
    blocked: u64,
    /// Failed logins on record.
    failed_logins: u64,
    /// RFC 3339.
    first_seen: Option<String>,
    /// RFC 3339.
    last_seen: Option<String>,
    /// Whether it lies in a configured range, such as a datacenter's.
    in_listed_range: bool,
    /// Whose the most specific such range is.
    #[schema(example = "aws")]
    provider: Option<String>,
    /// What that range is used for: `cloud`, `hosting`, `crawler`, `anonymizer`, `proxy` or `other`.
    #[schema(example = "cloud")]
    kind: Option<&'static str>,
    /// Whether that is a cloud or a hoster.
    is_datacenter_ip: bool,
}

/// What is on record about an address.
#[utoipa::path(get, path = "/reputation/{ip}", tag = "operation", params(
    ("ip" = String, Path, description = "IPv4 or IPv6 address", example = "203.0.113.7")), responses(
    (status = 200, description = "Its past", body = ReputationResponse),
    (status = 422, description = "Not an address", body = Problem),
))]
pub(super) async fn reputation(
    State(app): State<Arc<App>>,
    path: Result<Path<String>, PathRejection>,
) -> Result<Json<ReputationResponse>, ApiError> {
    let ip: Option<IpAddr> = path.ok().and_then(|Path(text)| text.parse().ok());
    let ip = ip.ok_or_else(|| {
        ApiError::invalid("ip", "ip: is no IPv4 or IPv6 address; write one such as /reputation/203.0.113.7")
    })?;
    let ip = ip.to_canonical();
    let now_ms = unix_ms();
    let engine = app.detector.engine();
    let address = engine.key().address(Some(ip));
    let row = app.store.address(address).await?;
    let Standing { good, bad } = app.detector.standing(address, now_ms);
    let provider = engine.ranges().lookup(ip);
    Ok(Json(ReputationResponse {
        ip: ip.to_string(),
        known: row.is_some(),
        reputation: app.detector.reputation(address, now_ms),
        good,
        bad,
        requests: row.map_or(0, |row| row.requests),
        blocked: row.map_or(0, |row| row.blocked),
        failed_logins: row.map_or(0, |row| row.failed_logins),
        first_seen: row.and_then(|row| rfc3339(row.first_seen_ms)),
        last_seen: row.and_then(|row| rfc3339(row.last_seen_ms)),
        in_listed_range: provider.is_some(),
        provider: provider.map(|provider| provider.name.clone()),
        kind: provider.map(|provider| provider.kind.name()),
        is_datacenter_ip: provider.is_some_and(|provider| is_datacenter(provider.kind)),
    }))
}

pub(super) fn rfc3339(unix_ms: u64) -> Option<String> {
    let ms = i64::try_from(unix_ms).ok()?;
    jiff::Timestamp::from_millisecond(ms).ok().map(|time| time.to_string())
}
