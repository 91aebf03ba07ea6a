//! IPQualityScore's proxy and VPN detection: `GET /api/json/ip/{key}/{ip}`.
//!
//! Parameters and fields as documented at <https://www.ipqualityscore.com/documentation/proxy-detection-api/overview>;
//! what a refusal says in `message`, and the header `IPQS-KEY`, as in the vendor's own clients (IPQSNodeSDK and its
//! connector for OpenCTI).

use std::net::IpAddr;

use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use serde::Deserialize;

use super::http::{Failure, NoSuccess, get, of_status, read, score};
use super::provider::{Answer, Provider};
use super::{IpReputation, LookupError, Source};
use crate::config::{IpQualityScoreConfig, KeyPlace, Secret};
use crate::fetch::Client;

/// The adapter.
pub struct IpQualityScore {
    client: Client,
    config: IpQualityScoreConfig,
    key: Secret,
}

/// The fields that are read, of about 30.
#[derive(Deserialize)]
struct Told {
    /// Whether the lookup worked; where not, `message` says why, with status 200 or another.
    success: bool,
    #[serde(default)]
    message: Option<String>,
    #[serde(default)]
    fraud_score: Option<f32>,
    /// Also for VPN and Tor.
    #[serde(default)]
    proxy: Option<bool>,
    #[serde(default)]
    vpn: Option<bool>,
    #[serde(default)]
    active_vpn: Option<bool>,
    #[serde(default)]
    tor: Option<bool>,
    #[serde(default)]
    active_tor: Option<bool>,
    #[serde(default)]
    recent_abuse: Option<bool>,
    /// Bots have used the address lately.
    #[serde(default)]
    bot_status: Option<bool>,
    #[serde(default)]
    is_crawler: Option<bool>,
    /// "Residential", "Corporate", "Education", "Mobile" or "Data Center".
    #[serde(default)]
    connection_type: Option<String>,
}

impl IpQualityScore {
    /// An adapter that asks with this key.
    pub fn new(client: Client, config: IpQualityScoreConfig, key: Secret) -> Self {
        Self { client, config, key }
    }

    async fn ask(&self, ip: IpAddr, now_ms: u64) -> Result<IpReputation, LookupError> {
        let mut headers = HeaderMap::new();
        if self.config.key_in == KeyPlace::Header {
            let mut key = HeaderValue::from_str(self.key.reveal()).map_err(|_| LookupError::Unauthorized)?;
            key.set_sensitive(true);
            headers.insert(HeaderName::from_static("ipqs-key"), key);
        }
        match get(&self.client, &self.url(ip), headers).await {
            Ok(bytes) => reputation(&read(&bytes)?, now_ms),
            Err(Failure::Status(refusal)) => Err(refused(&refusal)),
            Err(Failure::Other(error)) => Err(error),
        }
    }

    /// Where to ask; holds the key, and goes nowhere but into the request.
    fn url(&self, ip: IpAddr) -> String {
        let IpQualityScoreConfig { url, key_in, .. } = &self.config;
        let base = url.trim_end_matches('/');
        let (target, mark) = match key_in {
            KeyPlace::Path => (format!("{base}/{}/{ip}", self.key.reveal()), '?'),
            KeyPlace::Header => (format!("{base}?ip={ip}"), '&'),
        };
        let IpQualityScoreConfig { strictness, allow_public_access_points, fast, lighter_penalties, .. } =
            self.config;
        format!(
            "{target}{mark}strictness={strictness}&allow_public_access_points={allow_public_access_points}\
             &fast={fast}&lighter_penalties={lighter_penalties}"
        )
    }
}

impl Provider for IpQualityScore {
    fn source(&self) -> Source {
        Source::IpQualityScore
    }

    fn look_up(&self, ip: IpAddr, now_ms: u64) -> Answer<'_> {
        Box::pin(self.ask(ip, now_ms))
    }
}

fn reputation(told: &Told, now_ms: u64) -> Result<IpReputation, LookupError> {
    if !told.success {
        let unknown = || LookupError::Malformed("it says that it failed, but not why".to_owned());
        return Err(told.message.as_deref().and_then(of_message).unwrap_or_else(unknown));
    }
    let flag = |value: Option<bool>| value.unwrap_or(false);
    Ok(IpReputation {
        is_vpn: flag(told.vpn) || flag(told.active_vpn),
        is_proxy: flag(told.proxy),
        is_tor: flag(told.tor) || flag(told.active_tor),
        is_datacenter: told.connection_type.as_deref() == Some("Data Center"),
        is_crawler: flag(told.is_crawler),
        recent_abuse: flag(told.recent_abuse) || flag(told.bot_status),
        fraud_score: score("fraud_score", told.fraud_score)?,
        source: Source::IpQualityScore,
        fetched_at: now_ms,
    })
}

/// A status that is no success often comes with the same JSON.
fn refused(refusal: &NoSuccess) -> LookupError {
    let told: Option<Told> = read(&refusal.body).ok();
    let by_message = told.and_then(|told| told.message.as_deref().and_then(of_message));
    match (of_status(refusal), by_message) {
        (LookupError::Status(_), Some(error)) => error,
        (error, _) => error,
    }
}

/// What a refusal means, by the words that the vendor uses.
fn of_message(message: &str) -> Option<LookupError> {
    let message = message.to_ascii_lowercase();
    let says = |words: &str| message.contains(words);
    if says("unauthorized key") || says("invalid key") || says("api key") {
        Some(LookupError::Unauthorized)
    } else if says("insufficient credits") || says("upgrade your") {
        Some(LookupError::OutOfCredit)
    } else if says("request quota") || says("rate limit") || says("too many") {
        Some(LookupError::TooManyRequests { retry_after_s: None })
    } else if says("invalid ip") || says("valid ip") || says("ip address") {
        Some(LookupError::Refused)
    } else {
        None
    }
}
