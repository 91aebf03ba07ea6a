//! AbuseIPDB's check of an address: `GET /api/v2/check?ipAddress=&maxAgeInDays=` with the header `Key`.
//!
//! Parameters, fields, errors and limits as documented at <https://docs.abuseipdb.com/#check-endpoint> and
//! <https://docs.abuseipdb.com/#api-daily-rate-limits>.

use std::net::IpAddr;

use reqwest::header::{ACCEPT, HeaderMap, HeaderName, HeaderValue};
use serde::Deserialize;

use super::http::{Failure, NoSuccess, get, of_status, read, score};
use super::provider::{Answer, Provider};
use super::{IpReputation, LookupError, Source};
use crate::config::{AbuseIpdbConfig, Secret};
use crate::fetch::Client;

/// Below this confidence reports are few or old: no recent abuse.
const REPORTED: f32 = 25.0;

/// The adapter.
pub struct AbuseIpdb {
    client: Client,
    config: AbuseIpdbConfig,
    key: Secret,
}

#[derive(Deserialize)]
struct Told {
    data: Data,
}

/// The fields that are read; `countryCode`, `isp`, `domain`, `hostnames` and reports are passed over.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Data {
    /// 0 to 100.
    #[serde(default)]
    abuse_confidence_score: Option<f32>,
    #[serde(default)]
    is_tor: Option<bool>,
    /// Null where it is not known.
    #[serde(default)]
    is_whitelisted: Option<bool>,
    /// "Data Center/Web Hosting/Transit", "Search Engine Spider", "Fixed Line ISP" and others.
    #[serde(default)]
    usage_type: Option<String>,
    #[serde(default)]
    total_reports: Option<u64>,
}

impl AbuseIpdb {
    /// An adapter that asks with this key.
    pub fn new(client: Client, config: AbuseIpdbConfig, key: Secret) -> Self {
        Self { client, config, key }
    }

    async fn ask(&self, ip: IpAddr, now_ms: u64) -> Result<IpReputation, LookupError> {
        let mut key = HeaderValue::from_str(self.key.reveal()).map_err(|_| LookupError::Unauthorized)?;
        key.set_sensitive(true);
        let headers = HeaderMap::from_iter([
            (HeaderName::from_static("key"), key),
            // Without it errors are pages of HTML.
            (ACCEPT, HeaderValue::from_static("application/json")),
        ]);
        let AbuseIpdbConfig { url, max_age_days, .. } = &self.config;
        let url = format!("{url}?ipAddress={ip}&maxAgeInDays={max_age_days}");
        match get(&self.client, &url, headers).await {
            Ok(bytes) => reputation(&read::<Told>(&bytes)?.data, now_ms),
            Err(Failure::Status(refusal)) => Err(refused(&refusal)),
            Err(Failure::Other(error)) => Err(error),
        }
    }
}

impl Provider for AbuseIpdb {
    fn source(&self) -> Source {
        Source::AbuseIpdb
    }

    fn look_up(&self, ip: IpAddr, now_ms: u64) -> Answer<'_> {
        Box::pin(self.ask(ip, now_ms))
    }
}

/// It knows of reports and of Tor, not of VPNs and proxies.
fn reputation(data: &Data, now_ms: u64) -> Result<IpReputation, LookupError> {
    let fraud_score = score("data.abuseConfidenceScore", data.abuse_confidence_score)?;
    let usage = data.usage_type.as_deref().unwrap_or_default();
    let is_whitelisted = data.is_whitelisted.unwrap_or(false);
    Ok(IpReputation {
        is_vpn: false,
        is_proxy: false,
        is_tor: data.is_tor.unwrap_or(false),
        is_datacenter: usage == "Data Center/Web Hosting/Transit",
        is_crawler: is_whitelisted && usage == "Search Engine Spider",
        recent_abuse: !is_whitelisted && fraud_score >= REPORTED && data.total_reports.is_none_or(|n| n > 0),
        fraud_score,
        source: Source::AbuseIpdb,
        fetched_at: now_ms,
    })
}

/// 422 is about the parameters, of which only the address can be wrong.
fn refused(refusal: &NoSuccess) -> LookupError {
    match refusal.status {
        422 => LookupError::Refused,
        _ => of_status(refusal),
    }
}
