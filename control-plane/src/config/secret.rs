//! Secrets that cannot be printed by accident.

use std::fmt;

use serde::{Deserialize, Deserializer};

/// A secret text. `Debug` and `Display` show only whether there is one; it is not `Serialize`.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Secret(String);

impl<'de> Deserialize<'de> for Secret {
    /// Takes a string; what serde says of anything else would quote it, so that is said here without.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match serde_json::Value::deserialize(deserializer)? {
            serde_json::Value::String(text) => Ok(Self(text)),
            _ => Err(serde::de::Error::custom("must be text; put it in quotes")),
        }
    }
}

impl From<&str> for Secret {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl Secret {
    /// The text itself, for the one place that needs it.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// Whether none was given.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.is_empty() { "Secret(none)" } else { "Secret(set)" })
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// `secrets:` — values that must never show up in a log or an answer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Secrets {
    /// Signs and checks captcha challenges (environment: `CAPTCHA_SECRET`). Default: none.
    pub captcha: Secret,
    /// The key of all keyed hashes, as 32 hexadecimal digits; a database keeps the key it was begun with. Default:
    /// that of the other replicas in Redis, else a new one.
    pub hash_key: Secret,
    /// Password for Redis (environment: `SALLYPORT_REDIS_PASSWORD`). Default: the one in `redis.url`, if any.
    pub redis_password: Secret,
    /// Key of the account at IPQualityScore (environment: `SALLYPORT_SECRETS__IPQUALITYSCORE_KEY`). Default: none.
    pub ipqualityscore_key: Secret,
    /// Key of the account at AbuseIPDB (environment: `SALLYPORT_SECRETS__ABUSEIPDB_KEY`). Default: none.
    pub abuseipdb_key: Secret,
}

impl Secrets {
    pub(super) fn problems(&self) -> Vec<(&'static str, String)> {
        let mut problems = Vec::new();
        let length = self.captcha.reveal().len();
        if (1..16).contains(&length) {
            let message = format!("{length} bytes are too short to be a secret; use at least 16 random ones");
            problems.push(("secrets.captcha", message));
        }
        if !self.hash_key.is_empty() && self.hash_key_bytes().is_none() {
            let message = "write 32 hexadecimal digits, such as `openssl rand -hex 16` makes them";
            problems.push(("secrets.hash_key", message.to_owned()));
        }
        problems
    }

    /// The hash key, if one is set.
    pub fn hash_key_bytes(&self) -> Option<[u8; 16]> {
        let text = self.hash_key.reveal();
        let is_hex = text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        is_hex.then(|| u128::from_str_radix(text, 16).ok().map(u128::to_be_bytes)).flatten()
    }
}
