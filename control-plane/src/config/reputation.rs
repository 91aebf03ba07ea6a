//! `reputation:` — what providers are asked about addresses. Off where no provider is named.

use ipnet::IpNet;
use sallyport_core::read_range;
use serde::{Deserialize, Deserializer};

use super::Secrets;

/// Reputation providers. Takes effect on the next start.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ReputationConfig {
    /// Who is asked, in this order, until one answers: `ipqualityscore`, `abuseipdb`. Default: nobody.
    pub providers: Vec<ProviderName>,
    /// The only addresses that may be told, as ranges. Default: every public one. Those of private networks, of this
    /// machine, its link, carriers' shared space and documentation are never told.
    pub only: Nets,
    /// Addresses that are never told, as ranges. Default: none.
    pub never: Nets,
    /// How long an answer holds, in seconds. Default: 3600.
    pub cache_s: u32,
    /// How long an address is not looked up again after that failed, in seconds. Default: 300.
    pub negative_cache_s: u32,
    /// Addresses that are known in memory; the longest kept makes room. Default: 32768.
    pub addresses: u32,
    /// How long a provider may take to answer, in milliseconds. Default: 2000.
    pub timeout_ms: u32,
    /// Lookups at the same time. Default: 8.
    pub concurrency: u32,
    /// How long `POST /check` waits for a lookup that it began, in milliseconds; a filter's patience
    /// (`consult_deadline_ms`) is shorter than most providers' answers. Default: 0, the next request knows.
    pub wait_ms: u32,
    /// When a provider that fails is left alone.
    pub breaker: BreakerConfig,
    /// IPQualityScore.
    pub ipqualityscore: IpQualityScoreConfig,
    /// AbuseIPDB.
    pub abuseipdb: AbuseIpdbConfig,
}

/// A provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ProviderName {
    /// IPQualityScore.
    IpQualityScore,
    /// AbuseIPDB.
    AbuseIpdb,
}

/// A circuit breaker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct BreakerConfig {
    /// Failures in a row (no answer, a status of 5xx, an answer that is not understood) that open it. Default: 5.
    pub failures: u32,
    /// How long it stays open until one trial passes, in seconds. Default: 30.
    pub open_s: u32,
}

/// IPQualityScore; the key is `secrets.ipqualityscore_key`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct IpQualityScoreConfig {
    /// Where it is asked, without key and address. Default: https://ipqualityscore.com/api/json/ip.
    pub url: String,
    /// Where the key goes: `path`, as documented, or `header` (`IPQS-KEY`), which logs between here and there do not
    /// keep. Default: path.
    pub key_in: KeyPlace,
    /// 0 (fewest mistakes about people) to 3. Default: 0.
    pub strictness: u8,
    /// Whether hotels, campuses and the like are treated kindly. Default: true.
    pub allow_public_access_points: bool,
    /// Whether checks that take long are left out. Default: true.
    pub fast: bool,
    /// Whether mixed addresses get lower scores. Default: true.
    pub lighter_penalties: bool,
    /// Lookups per UTC day, of all replicas together. Default: 30, what a free plan of 1,000 a month allows.
    pub daily_quota: u32,
}

/// AbuseIPDB; the key is `secrets.abuseipdb_key`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AbuseIpdbConfig {
    /// Where it is asked. Default: https://api.abuseipdb.com/api/v2/check.
    pub url: String,
    /// How old reports may be, in days, 1 to 365. Default: 30.
    pub max_age_days: u16,
    /// Lookups per UTC day, of all replicas together. Default: 1000, what a free account allows.
    pub daily_quota: u32,
}

/// Where a key goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum KeyPlace {
    /// Into the path of the URL.
    Path,
    /// Into a header.
    Header,
}

/// Address ranges; an address alone is a range of one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Nets(pub Vec<IpNet>);

impl<'de> Deserialize<'de> for Nets {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let read = |text: String| {
            read_range(&text).map_err(|error| {
                let short: String = text.chars().take(60).collect();
                serde::de::Error::custom(format!("`{short}` {error}"))
            })
        };
        Vec::<String>::deserialize(deserializer)?.into_iter().map(read).collect::<Result<_, _>>().map(Self)
    }
}

impl Default for ReputationConfig {
    fn default() -> Self {
        Self {
            providers: Vec::new(),
            only: Nets::default(),
            never: Nets::default(),
            cache_s: 3600,
            negative_cache_s: 300,
            addresses: 32_768,
            timeout_ms: 2000,
            concurrency: 8,
            wait_ms: 0,
            breaker: BreakerConfig::default(),
            ipqualityscore: IpQualityScoreConfig::default(),
            abuseipdb: AbuseIpdbConfig::default(),
        }
    }
}

impl Default for BreakerConfig {
    fn default() -> Self {
        Self { failures: 5, open_s: 30 }
    }
}

impl Default for IpQualityScoreConfig {
    fn default() -> Self {
        Self {
            url: "https://ipqualityscore.com/api/json/ip".to_owned(),
            key_in: KeyPlace::Path,
            strictness: 0,
            allow_public_access_points: true,
            fast: true,
            lighter_penalties: true,
            daily_quota: 30,
        }
    }
}

impl Default for AbuseIpdbConfig {
    fn default() -> Self {
        Self { url: "https://api.abuseipdb.com/api/v2/check".to_owned(), max_age_days: 30, daily_quota: 1000 }
    }
}

impl ReputationConfig {
    pub(super) fn problems(&self, secrets: &Secrets) -> Vec<(&'static str, String)> {
        let Self { ipqualityscore, abuseipdb, .. } = self;
        let numbers = [
            ("reputation.cache_s", self.cache_s, 60..=604_800),
            ("reputation.negative_cache_s", self.negative_cache_s, 1..=86_400),
            ("reputation.addresses", self.addresses, 1024..=16_777_216),
            ("reputation.timeout_ms", self.timeout_ms, 50..=30_000),
            ("reputation.concurrency", self.concurrency, 1..=256),
            ("reputation.wait_ms", self.wait_ms, 0..=30_000),
            ("reputation.breaker.failures", self.breaker.failures, 1..=1000),
            ("reputation.breaker.open_s", self.breaker.open_s, 1..=86_400),
            ("reputation.ipqualityscore.strictness", ipqualityscore.strictness.into(), 0..=3),
            ("reputation.ipqualityscore.daily_quota", ipqualityscore.daily_quota, 1..=100_000_000),
            ("reputation.abuseipdb.max_age_days", abuseipdb.max_age_days.into(), 1..=365),
            ("reputation.abuseipdb.daily_quota", abuseipdb.daily_quota, 1..=100_000_000),
        ];
        let mut problems: Vec<(&'static str, String)> = numbers
            .into_iter()
            .filter(|(_, value, range)| !range.contains(value))
            .map(|(key, value, range)| (key, format!("{value}: write {} to {}", range.start(), range.end())))
            .collect();
        for (key, url) in [
            ("reputation.ipqualityscore.url", &ipqualityscore.url),
            ("reputation.abuseipdb.url", &abuseipdb.url),
        ] {
            if !is_plain(url) {
                let message = "write an http or https URL without key, query and password";
                problems.push((key, message.to_owned()));
            }
        }
        for (name, key, secret) in [
            (ProviderName::IpQualityScore, "secrets.ipqualityscore_key", &secrets.ipqualityscore_key),
            (ProviderName::AbuseIpdb, "secrets.abuseipdb_key", &secrets.abuseipdb_key),
        ] {
            let named = self.providers.iter().filter(|provider| **provider == name).count();
            if named > 1 {
                problems.push(("reputation.providers", "a provider stands here twice".to_owned()));
            }
            if named > 0 && secret.is_empty() {
                problems.push((key, "is needed by `reputation.providers`".to_owned()));
            }
            // It becomes part of a URL or a header; of what it is, nothing is told.
            let is_odd = |byte: u8| !byte.is_ascii_alphanumeric() && !matches!(byte, b'-' | b'_' | b'.');
            if secret.reveal().bytes().any(is_odd) {
                problems.push((key, "holds characters that no key has".to_owned()));
            }
        }
        problems
    }
}

fn is_plain(url: &str) -> bool {
    reqwest::Url::parse(url).is_ok_and(|url| {
        let is_web = matches!(url.scheme(), "http" | "https") && url.has_host();
        is_web && url.username().is_empty() && url.password().is_none() && url.query().is_none()
    })
}
