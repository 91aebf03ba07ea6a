//! `GET /v1/ranges`: whose addresses are whose, and `POST /v1/ranges/update`: fetches what providers publish.

use std::net::IpAddr;
use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::error::{ApiError, Problem};
use super::reputation::rfc3339;
use crate::app::App;
use crate::ranges::bundled::ATTRIBUTION;
use crate::ranges::update::{Report, Wanted};
use crate::ranges::{Assembly, Provenance, UpdateError, is_datacenter, update_and_publish};

/// What to tell.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct RangesQuery {
    /// An address: then only whose it is.
    #[param(example = "203.0.113.7")]
    ip: Option<String>,
}

/// All ranges in short, or whose one address is.
#[derive(Debug, Serialize, ToSchema)]
#[serde(untagged)]
pub(super) enum RangesResponse {
    /// Without `ip`.
    All(AllRanges),
    /// With `ip`.
    One(OneAddress),
}

/// Whose an address is.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct OneAddress {
    /// The address asked for, in its canonical form.
    ip: String,
    /// The most specific range that holds it.
    #[schema(example = "3.5.140.0/22")]
    range: Option<String>,
    /// Whose that is.
    #[schema(example = "aws")]
    provider: Option<String>,
    /// What it is used for: `cloud`, `hosting`, `crawler`, `anonymizer`, `proxy` or `other`.
    #[schema(example = "cloud")]
    kind: Option<&'static str>,
    /// Whether that is a cloud or a hoster.
    is_datacenter_ip: bool,
}

/// All ranges in short.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct AllRanges {
    /// How many there are.
    ranges: usize,
    /// Whose data those that ship are.
    attribution: Option<&'static str>,
    /// How often lists are fetched, in hours; 0 for never.
    update_every_h: u32,
    /// Whose they are.
    providers: Vec<OneProvider>,
    /// The lists that can be fetched.
    sources: Vec<OneSource>,
}

/// Whose ranges are.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct OneProvider {
    /// The name.
    #[schema(example = "aws")]
    name: String,
    /// What they are used for.
    #[schema(example = "cloud")]
    kind: &'static str,
    /// How many there are.
    ranges: usize,
    /// Where they come from.
    from: Provenance,
    /// How old the oldest list of them is, RFC 3339.
    as_of: Option<String>,
}

/// A list that can be fetched.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct OneSource {
    /// The name.
    name: String,
    /// Whose ranges it holds.
    provider: String,
    /// Where it is, without its query.
    url: String,
    /// What the ranges are used for.
    kind: &'static str,
    /// Whether it is fetched.
    enabled: bool,
    /// How many ranges it had when it came last.
    ranges: Option<usize>,
    /// When that was, RFC 3339.
    fetched: Option<String>,
    /// When it was asked last, RFC 3339.
    asked: Option<String>,
    /// Why nothing came of that.
    error: Option<String>,
}

/// What to fetch; an empty body is all that is enabled.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct UpdateRequest {
    /// Only these sources, enabled or not.
    only: Vec<String>,
    /// Takes lists that have shrunk by more than half.
    force: bool,
}

/// What came of an update.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct UpdateResponse {
    /// The version of the snapshot in force after it.
    snapshot: u64,
    /// What came of each source.
    sources: Vec<Report>,
}

/// Whose addresses are whose, or whose one address is.
#[utoipa::path(get, path = "/v1/ranges", tag = "operation", params(RangesQuery), responses(
    (status = 200, description = "Providers and sources, or whose the address is", body = RangesResponse),
    (status = 422, description = "Not an address", body = Problem),
))]
pub(super) async fn ranges(
    State(app): State<Arc<App>>,
    query: Result<Query<RangesQuery>, QueryRejection>,
) -> Result<Json<RangesResponse>, ApiError> {
    let Query(RangesQuery { ip }) = query.map_err(|error| ApiError::invalid("ip", error.body_text()))?;
    let assembly = app.ranges.current();
    let Some(ip) = ip else { return Ok(Json(RangesResponse::All(all(&assembly)))) };
    let ip: IpAddr = ip.parse().map_err(|_| {
        ApiError::invalid("ip", "ip: is no IPv4 or IPv6 address; write one such as /v1/ranges?ip=203.0.113.7")
    })?;
    let found = assembly.find(ip);
    let provider = found.map(|(_, origin)| &origin.provider);
    Ok(Json(RangesResponse::One(OneAddress {
        ip: ip.to_canonical().to_string(),
        range: found.map(|(net, _)| net.to_string()),
        provider: provider.map(|provider| provider.name.clone()),
        kind: provider.map(|provider| provider.kind.name()),
        is_datacenter_ip: provider.is_some_and(|provider| is_datacenter(provider.kind)),
    })))
}

/// Fetches the lists that providers publish and puts them in force; answers when it is done.
#[utoipa::path(post, path = "/v1/ranges/update", tag = "operation", request_body = Option<UpdateRequest>, responses(
    (status = 200, description = "What came of each source; where one failed its old list stays", body = UpdateResponse),
    (status = 409, description = "An update runs already", body = Problem),
    (status = 422, description = "A source that is not known, or a faulty body", body = Problem),
))]
pub(super) async fn update(
    State(app): State<Arc<App>>,
    body: Bytes,
) -> Result<Json<UpdateResponse>, ApiError> {
    let UpdateRequest { only, force } = match body.trim_ascii().is_empty() {
        true => UpdateRequest::default(),
        false => serde_json::from_slice(&body).map_err(|error| ApiError::bad_syntax(error.to_string()))?,
    };
    // On a task of its own: who hangs up does not leave half an update.
    let updating = tokio::spawn(async move { update_and_publish(&app, &Wanted { only, force }).await });
    match updating.await.map_err(ApiError::internal)? {
        Ok((sources, snapshot)) => Ok(Json(UpdateResponse { snapshot, sources })),
        Err(error @ UpdateError::Busy) => Err(ApiError::conflict(error.to_string())),
        Err(error @ UpdateError::Unknown(_)) => Err(ApiError::invalid("only", error.to_string())),
        Err(error @ (UpdateError::Folder(_) | UpdateError::Publish(_))) => Err(ApiError::internal(error)),
    }
}

fn all(assembly: &Assembly) -> AllRanges {
    let providers = assembly.providers.iter().map(|origin| OneProvider {
        name: origin.provider.name.clone(),
        kind: origin.provider.kind.name(),
        ranges: origin.ranges,
        from: origin.from,
        as_of: Some(origin.as_of_ms).filter(|ms| *ms > 0).and_then(rfc3339),
    });
    let sources = assembly.inputs.sources.iter().zip(&assembly.states).map(|(source, state)| OneSource {
        name: source.name.clone(),
        provider: source.provider.clone(),
        url: source.shown_url().to_owned(),
        kind: source.kind.name(),
        enabled: source.enabled,
        ranges: state.ranges,
        fetched: state.fetched_ms.and_then(rfc3339),
        asked: state.asked_ms.and_then(rfc3339),
        error: state.error.clone(),
    });
    AllRanges {
        ranges: assembly.nets.len(),
        attribution: assembly.inputs.bundled.then_some(ATTRIBUTION),
        update_every_h: assembly.inputs.update_every_h,
        providers: providers.collect(),
        sources: sources.collect(),
    }
}
