//! The rows that traffic makes.

use std::fmt;

use sallyport_core::{Action, Basis, Check, FEATURE_COUNT, OverLimit};
use uuid::Uuid;

/// The name of a decision: a UUID of ours or of Envoy, or whatever else a proxy calls its requests.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum RequestId {
    /// The usual case.
    Uuid(Uuid),
    /// Any other text, at most 64 bytes.
    Text(Box<str>),
}

impl RequestId {
    /// Longest text that is kept, in bytes.
    pub const TEXT_LIMIT: usize = 64;

    /// Reads an id; longer texts are cut at a character's border.
    pub fn parse(text: &str) -> Self {
        match Uuid::try_parse(text) {
            Ok(uuid) => Self::Uuid(uuid),
            Err(_) => Self::Text(text[..text.floor_char_boundary(Self::TEXT_LIMIT)].into()),
        }
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Uuid(uuid) => write!(f, "{uuid}"),
            Self::Text(text) => f.write_str(text),
        }
    }
}

/// Who judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Source {
    /// A filter, told by an observation.
    Filter = 0,
    /// This control plane, asked by `POST /check`.
    Check = 1,
}

/// Outcomes of an address: counts, decayed.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Standing {
    /// Requests that looked human.
    pub good: f32,
    /// Requests that looked automated, and failed logins.
    pub bad: f32,
}

/// One decision.
#[derive(Clone, Debug, PartialEq)]
pub struct RequestRow {
    /// Unix ms.
    pub ts_ms: u64,
    /// Its name.
    pub request_id: RequestId,
    /// Keyed hash of the address.
    pub address: u64,
    /// Keyed hash of the client.
    pub client: u64,
    /// The verdict.
    pub action: Action,
    /// Whether the verdict was carried out; not in monitor mode.
    pub enforced: bool,
    /// What decided.
    pub basis: Basis,
    /// Who judged.
    pub source: Source,
    /// 0..=100.
    pub score: f32,
    /// 0..=1.
    pub ml_probability: f32,
    /// How many decisions the row stands for.
    pub weight: u32,
    /// The seven features.
    pub features: [f32; FEATURE_COUNT],
    /// HTTP method.
    pub method: Box<str>,
    /// Path without query.
    pub path: Box<str>,
    /// User agent as sent.
    pub user_agent: Box<str>,
    /// Checks that raised the score, with their points.
    pub reasons: Box<[(Check, f32)]>,
    /// What the decision adds to the address's standing.
    pub outcome: Standing,
    /// The checkpoint that judged, where it is known; 0 is the model that ships.
    pub checkpoint: Option<i64>,
    /// What the model in shadow says, 0..=1.
    pub shadow_probability: Option<f32>,
    /// What each feature adds to the model's log-odds, of a refused request.
    pub attributions: Option<[f32; FEATURE_COUNT]>,
    /// Keyed hash of the session; 0 where there was none.
    pub session: u64,
    /// The rate limit that it went over.
    pub limit: Option<OverLimit>,
}

impl RequestRow {
    /// Whether it makes an event: above ALLOW, or over a rate limit that only looks on.
    pub fn is_event(&self) -> bool {
        self.action != Action::Allow || self.limit.is_some()
    }

    /// What of its reasons an event tells: what raised the score, and the rate limit, which has no points; also one that
    /// only looks on.
    pub fn failed_checks(&self) -> impl Iterator<Item = (Check, f32)> + '_ {
        let raised = self.reasons.iter().copied();
        let raised = raised.filter(|(check, points)| *points > 0.0 && *check != Check::RateLimit);
        raised.chain(self.limit.map(|_| (Check::RateLimit, 0.0)))
    }
}

/// One failed login.
#[derive(Clone, Debug, PartialEq)]
pub struct LoginFailureRow {
    /// Unix ms.
    pub ts_ms: u64,
    /// Keyed hash of the address.
    pub address: u64,
    /// Keyed hash of the client.
    pub client: u64,
    /// Keyed hash of the network (IPv4 /24, IPv6 /48); 0 where it is not known.
    pub network: u64,
    /// Keyed hash of the account; 0 where it is not known.
    pub account: u64,
    /// Path without query.
    pub path: Box<str>,
    /// What it adds to the address's standing.
    pub outcome: Standing,
}

/// A device seen with a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FingerprintRow {
    /// Unix ms.
    pub ts_ms: u64,
    /// Keyed hash of what the browser told.
    pub fingerprint: u64,
    /// Keyed hash of the client.
    pub client: u64,
}

/// Anything that is recorded without waiting.
#[derive(Clone, Debug, PartialEq)]
pub enum Row {
    /// One decision.
    Request(RequestRow),
    /// One failed login.
    LoginFailure(LoginFailureRow),
    /// A device seen with a client.
    Fingerprint(FingerprintRow),
}
