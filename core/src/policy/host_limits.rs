//! The rate limits that differ for a host, as an operator writes them: `{ host: shop.example, client: { … } }`.

use std::fmt;

use serde::de::{Error, MapAccess, Visitor};
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::config::{Limit, RateLimitConfig};
use super::limits::LimitRule;

/// Limits that take the place of the others for requests to a host.
#[derive(Clone, Debug, PartialEq)]
pub struct HostLimits {
    /// As [`super::Route::host`].
    pub host: String,
    /// By rule, each once; what is not named counts as for all hosts.
    pub limits: Vec<(LimitRule, Limit)>,
}

impl HostLimits {
    /// What counts for a rule. Where no limit of sessions is written anywhere, it is the client's, as for all hosts.
    pub fn limit(&self, rule: LimitRule, everywhere: &RateLimitConfig) -> Option<Limit> {
        let own = |rule| self.limits.iter().find(|(other, _)| *other == rule).map(|(_, limit)| *limit);
        let as_client = rule == LimitRule::Session && everywhere.session.is_none();
        let of_client = if as_client { own(LimitRule::Client) } else { None };
        own(rule).or(of_client).or_else(|| everywhere.limit(rule))
    }
}

impl Serialize for HostLimits {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(1 + self.limits.len()))?;
        map.serialize_entry("host", &self.host)?;
        for (rule, limit) in &self.limits {
            map.serialize_entry(rule.name(), limit)?;
        }
        map.end()
    }
}

impl<'de> Deserialize<'de> for HostLimits {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Fields)
    }
}

struct Fields;

impl<'de> Visitor<'de> for Fields {
    type Value = HostLimits;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a host and its limits")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<HostLimits, A::Error> {
        let (mut host, mut limits) = (None, Vec::<(LimitRule, Limit)>::new());
        while let Some(key) = map.next_key::<String>()? {
            let rule = LimitRule::from_name(&key);
            let is_twice = match rule {
                Some(rule) => limits.iter().any(|(other, _)| *other == rule),
                None => host.is_some(),
            };
            match rule {
                None if key != "host" => {
                    return Err(A::Error::custom(format_args!(
                        "unknown field `{key}`, expected `host` or a limit"
                    )));
                }
                _ if is_twice => return Err(A::Error::custom(format_args!("duplicate field `{key}`"))),
                Some(rule) => limits.push((rule, map.next_value()?)),
                None => host = Some(map.next_value()?),
            }
        }
        Ok(HostLimits { host: host.ok_or_else(|| A::Error::missing_field("host"))?, limits })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::{Policy, PolicyConfig};

    const JSON: &str = r#"{ "rate_limit": {
        "client": { "per_second": 5.0, "burst": 60 }, "api": { "per_second": 1.0, "burst": 9 },
        "hosts": [
            { "host": "*.shop.example", "client": { "per_second": 50.0, "burst": 600 } },
            { "host": "A.shop.example", "api": { "per_second": 2.0, "burst": 4 }, "login": { "per_second": 1.0, "burst": 2 } },
            { "host": "a.shop.example.", "api": { "per_second": 3.0, "burst": 5 } }
        ] } }"#;

    fn config(json: &str) -> Result<PolicyConfig, String> {
        PolicyConfig::from_json(json.as_bytes()).map_err(|error| error.to_string())
    }

    #[test]
    fn the_limit_of_the_closest_host_counts_and_all_others_stay() {
        let policy = Policy::compile(config(JSON).expect("reads")).expect("valid");
        use LimitRule::{Address, Api, Client, Login, Session};
        let burst = |rule, host: &str| policy.limit_for(rule, host.as_bytes()).map_or(0, |limit| limit.burst);
        for (host, expected) in [
            ("", [500, 60, 60, 9, 40]),
            ("shop.example", [500, 60, 60, 9, 40]),
            ("b.shop.example", [500, 600, 600, 9, 40]),
            ("B.Shop.Example.:8443", [500, 600, 600, 9, 40]),
            ("a.shop.example:80", [500, 60, 60, 4, 2]),
        ] {
            assert_eq!(
                [Address, Client, Session, Api, Login].map(|rule| burst(rule, host)),
                expected,
                "{host}"
            );
        }
        assert_eq!(policy.limit(Client).map(|limit| limit.burst), Some(60));
        assert_eq!(policy.widest_limit(Login).map(|limit| limit.burst), Some(40));
        let full_us = |host: &str| policy.limit_for(Login, host.as_bytes()).map(|limit| limit.full_us());
        assert_eq!((full_us("a.shop.example"), full_us("")), (Some(800_000_000), Some(800_000_000)));
    }

    #[test]
    fn it_comes_back_as_it_was_written() {
        let policy = config(JSON).expect("reads");
        let text = serde_json::to_string(&policy).expect("JSON");
        assert_eq!(config(&text), Ok(policy));
        assert!(!serde_json::to_string(&PolicyConfig::default()).expect("JSON").contains("hosts"));
    }

    #[test]
    fn mistakes_are_named() {
        for (hosts, expected) in [
            (r#"{ "client": { "per_second": 1.0, "burst": 1 } }"#, "missing field `host`"),
            (
                r#"{ "host": "a.example", "pages": { "per_second": 1.0, "burst": 1 } }"#,
                "unknown field `pages`",
            ),
            (r#"{ "host": "a.example", "host": "b.example" }"#, "duplicate field `host`"),
            (
                r#"{ "host": "a", "api": { "per_second": 1, "burst": 1 }, "api": { "per_second": 1, "burst": 1 } }"#,
                "duplicate field `api`",
            ),
            (r#"{ "host": "a.example", "client": 5 }"#, "invalid type"),
            (r#""a.example""#, "a host and its limits"),
        ] {
            let told = config(&format!(r#"{{ "rate_limit": {{ "hosts": [{hosts}] }} }}"#)).expect_err(hosts);
            assert!(told.contains(expected), "{told}");
        }
        let hosts = r#"{ "rate_limit": { "hosts": [
            { "host": "a.example:80", "client": { "per_second": 0.0, "burst": 1 } },
            { "host": "b.example", "cross_site": { "per_second": 1.0, "burst": 0 } } ] } }"#;
        let keys: Vec<_> = config(hosts).expect("reads").problems().into_iter().map(|p| p.key).collect();
        let expected = ["hosts[0].host", "hosts[0].client.per_second", "hosts[1].cross_site.burst"];
        assert_eq!(keys, expected.map(|key| format!("rate_limit.{key}")));
        let many = HostLimits { host: String::new(), limits: Vec::new() };
        let mut config = PolicyConfig::default();
        config.rate_limit.hosts = vec![many; 100_000];
        assert!(config.problems().len() <= 257, "a list without end is one mistake");
    }
}
