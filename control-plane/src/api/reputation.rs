//! `GET /reputation/{ip}`: what is on record about an address; `GET /v1/reputation`: how those who are asked are doing.

use std::net::IpAddr;
use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::error::{ApiError, Problem};
use crate::app::App;
use crate::clock::unix_ms;
use crate::providers::{IpReputation, LookupError, ProviderStatus, Source};
use crate::ranges::is_datacenter;
use crate::store::Standing;

/// Whether to ask.
#[derive(Debug, Default, Deserialize, IntoParams)]
pub(super) struct ReputationParameters {
    /// Ask a provider now, whatever is known; counts against its quota. Default false.
    #[serde(default)]
    refresh: bool,
}

/// An address's past. An IPv6 address stands for its /64.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ReputationResponse {
    /// The address asked for, in its canonical form.
    ip: String,
    /// Whether anything is on record.
    known: bool,
    /// What it adds to a decision: -0.5 (long clean) to 1 (bad), 0 where little is known; with what a provider says,
    /// where one has been asked lately.
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
    range_provider: Option<String>,
    /// What that range is used for: `cloud`, `hosting`, `crawler`, `anonymizer`, `proxy` or `other`.
    #[schema(example = "cloud")]
    range_kind: Option<&'static str>,
    /// Whether that is a cloud or a hoster.
    is_datacenter_ip: bool,
    /// What a provider says of it; `null` where none has been asked lately. For IPv6: of an address of its /64.
    provider: Option<ProviderWord>,
}

/// What a provider says of an address.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ProviderWord {
    /// Belongs to a VPN service; `false` also where the provider does not tell, as with all flags.
    is_vpn: bool,
    /// Is a proxy; IPQualityScore counts VPN and Tor as proxies too.
    is_proxy: bool,
    /// Is a Tor exit.
    is_tor: bool,
    /// Belongs to a datacenter.
    is_datacenter: bool,
    /// Belongs to a search engine.
    is_crawler: bool,
    /// Was used for abuse in the last days.
    recent_abuse: bool,
    /// 0 (clean) to 100 (certainly abusive).
    fraud_score: f32,
    /// How strongly this speaks against a request, 0 to 0.92.
    strength: f32,
    /// Who says so.
    source: Source,
    /// RFC 3339.
    fetched_at: Option<String>,
}

/// How the providers are doing.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ProvidersResponse {
    /// In the order in which they are asked; empty where none is configured.
    providers: Vec<ProviderStatus>,
}

impl From<IpReputation> for ProviderWord {
    fn from(said: IpReputation) -> Self {
        Self {
            is_vpn: said.is_vpn,
            is_proxy: said.is_proxy,
            is_tor: said.is_tor,
            is_datacenter: said.is_datacenter,
            is_crawler: said.is_crawler,
            recent_abuse: said.recent_abuse,
            fraud_score: said.fraud_score,
            strength: said.strength(),
            source: said.source,
            fetched_at: rfc3339(said.fetched_at),
        }
    }
}

/// What is on record about an address.
#[utoipa::path(get, path = "/reputation/{ip}", tag = "operation", params(
    ("ip" = String, Path, description = "IPv4 or IPv6 address", example = "203.0.113.7"), ReputationParameters), responses(
    (status = 200, description = "Its past", body = ReputationResponse),
    (status = 422, description = "Not an address, or one that no provider may be asked about", body = Problem),
    (status = 503, description = "With `refresh`: the provider cannot be asked now, or did not answer", body = Problem),
))]
pub(super) async fn reputation(
    State(app): State<Arc<App>>,
    path: Result<Path<String>, PathRejection>,
    parameters: Result<Query<ReputationParameters>, QueryRejection>,
) -> Result<Json<ReputationResponse>, ApiError> {
    let ip: Option<IpAddr> = path.ok().and_then(|Path(text)| text.parse().ok());
    let ip = ip.ok_or_else(|| {
        ApiError::invalid("ip", "ip: is no IPv4 or IPv6 address; write one such as /reputation/203.0.113.7")
    })?;
    let ip = ip.to_canonical();
    let Query(ReputationParameters { refresh }) = parameters
        .map_err(|_| ApiError::invalid("refresh", "refresh: write `?refresh=true` or `?refresh=false`"))?;
    let engine = app.detector.engine();
    let address = engine.key().address(Some(ip));
    let provider = match refresh {
        true => Some(app.providers.refresh(ip, address, unix_ms()).await.map_err(not_asked)?),
        false => app.providers.recall(address, unix_ms()).await,
    };
    let now_ms = unix_ms();
    let row = app.store.address(address).await?;
    let Standing { good, bad } = app.detector.standing(address, now_ms);
    let range = engine.ranges().lookup(ip);
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
        in_listed_range: range.is_some(),
        range_provider: range.map(|range| range.name.clone()),
        range_kind: range.map(|range| range.kind.name()),
        is_datacenter_ip: range.is_some_and(|range| is_datacenter(range.kind)),
        provider: provider.map(ProviderWord::from),
    }))
}

/// How those who are asked about addresses are doing.
#[utoipa::path(get, path = "/v1/reputation", tag = "operation", responses(
    (status = 200, description = "The providers", body = ProvidersResponse),
))]
pub(super) async fn providers(State(app): State<Arc<App>>) -> Json<ProvidersResponse> {
    Json(ProvidersResponse { providers: app.providers.status(unix_ms()) })
}

/// Why there is no fresh answer: what the configuration forbids, and what may work later.
fn not_asked(error: LookupError) -> ApiError {
    match error {
        LookupError::Disabled | LookupError::Kept => {
            ApiError::invalid("refresh", format!("refresh: {error}"))
        }
        error => ApiError::unavailable(format!("no provider could be asked: {error}; what was known stays")),
    }
}

pub(super) fn rfc3339(unix_ms: u64) -> Option<String> {
    let ms = i64::try_from(unix_ms).ok()?;
    jiff::Timestamp::from_millisecond(ms).ok().map(|time| time.to_string())
}
