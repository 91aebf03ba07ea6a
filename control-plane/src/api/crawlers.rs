//! `GET /v1/crawlers`: whether a crawler is who it claims to be, and how that was found out.

use std::net::IpAddr;
use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::error::{ApiError, Problem};
use crate::app::App;
use crate::clock::unix_ms;
use crate::crawlers::{Finding, verdict_name};

/// The client in question.
#[derive(Debug, Deserialize, IntoParams)]
pub(super) struct CrawlerParameters {
    /// Its address.
    #[param(value_type = String, example = "66.249.66.1")]
    ip: Option<String>,
    /// Its user agent, or a part of it with the crawler's name.
    #[param(value_type = String, example = "Googlebot/2.1")]
    user_agent: Option<String>,
}

/// What came of verifying a claimed crawler.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ClaimedAgent {
    /// Whom the user agent claims to be.
    #[schema(example = "googlebot")]
    crawler: &'static str,
    /// What that crawler crawls for: search, ai_training, ai_search, preview, monitoring, feed or other.
    #[schema(example = "search")]
    category: &'static str,
    /// `verified`, `failed`, `pending` (ask again after `ttl_s`; until then its name does not count) or `unverifiable` (nobody can tell: judged like any client).
    #[schema(example = "verified")]
    verdict: &'static str,
    /// How long that holds, seconds.
    ttl_s: u32,
}

/// The same with the reason.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct CrawlerResponse {
    /// The address asked about, in its canonical form.
    ip: String,
    #[serde(flatten)]
    agent: ClaimedAgent,
    /// How that was found out, for people.
    why: String,
}

impl From<&Finding> for ClaimedAgent {
    fn from(finding: &Finding) -> Self {
        Self {
            crawler: finding.crawler.name,
            category: finding.crawler.category.name(),
            verdict: verdict_name(finding.verdict),
            ttl_s: finding.ttl_s,
        }
    }
}

/// Whether a crawler is who it claims to be. Waits until DNS has answered.
#[utoipa::path(get, path = "/v1/crawlers", tag = "operation", params(CrawlerParameters), responses(
    (status = 200, description = "What was found out", body = CrawlerResponse),
    (status = 404, description = "The user agent claims no crawler that can be verified", body = Problem),
    (status = 422, description = "A parameter is missing or not valid", body = Problem),
))]
pub(super) async fn crawler(
    State(app): State<Arc<App>>,
    parameters: Result<Query<CrawlerParameters>, QueryRejection>,
) -> Result<Json<CrawlerResponse>, ApiError> {
    let Query(CrawlerParameters { ip, user_agent }) = parameters.map_err(|_| ApiError::invalid("", HINT))?;
    let ip: Option<IpAddr> = ip.and_then(|text| text.parse().ok());
    let ip = ip.ok_or_else(|| ApiError::invalid("ip", format!("ip: is no address; {HINT}")))?.to_canonical();
    let user_agent = user_agent
        .ok_or_else(|| ApiError::invalid("user_agent", format!("user_agent: is missing; {HINT}")))?;
    let found = app.crawlers.find_out(user_agent.as_bytes(), ip, unix_ms()).await;
    let found = found.ok_or_else(|| {
        ApiError::not_found(
            "the user agent claims no crawler that can be verified; it is judged like any client",
        )
    })?;
    let why = found.why.to_string();
    Ok(Json(CrawlerResponse { ip: ip.to_string(), agent: ClaimedAgent::from(&found), why }))
}

const HINT: &str = "write such as /v1/crawlers?ip=66.249.66.1&user_agent=Googlebot/2.1";
