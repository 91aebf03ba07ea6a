//! The plugin's configuration: a JSON object or a Struct, checked as a whole so that one message names every mistake.

use std::fmt;

use sallyport_core::PolicyConfig;
use serde_json::{Map, Number, Value};

use crate::gather::Sources;
use crate::protobuf;

const KEYS: [&str; 11] = [
    "control_plane",
    "poll_interval_ms",
    "consult_deadline_ms",
    "policy",
    "state_slots",
    "address_header",
    "ja4_header",
    "session_cookie",
    "session_header",
    "account_header",
    "time_header",
];

/// What the operator configured in Envoy.
#[derive(Debug)]
pub struct Config {
    /// Where to fetch snapshots, consult and report; `None` to run on this configuration alone.
    pub control_plane: Option<ControlPlane>,
    /// Milliseconds between two polls for a snapshot; 100 to 3,600,000, default 5,000.
    pub poll_interval_ms: u32,
    /// Milliseconds a consult may take; 1 to 10,000, default 50.
    pub consult_deadline_ms: u32,
    /// The policy until the first snapshot arrives.
    pub policy: PolicyConfig,
    /// Slots of shared state for clients, and as many for addresses; 16 to 1,048,576, default 8,192.
    pub state_slots: u32,
    /// Where facts are found.
    pub sources: Sources,
}

/// The control plane as Envoy knows it.
#[derive(Clone, Debug)]
pub struct ControlPlane {
    /// Name of an Envoy cluster.
    pub cluster: String,
    /// `:authority` of the filter's calls, default `sallyport`.
    pub authority: String,
    /// The filter's token.
    pub token: Secret,
}

impl ControlPlane {
    /// The value of the `authorization` header.
    pub fn bearer(&self) -> String {
        format!("Bearer {}", self.token.0)
    }

    /// The headers of a POST; `bearer` is [`ControlPlane::bearer`].
    pub fn post<'a>(
        &'a self,
        path: &'a str,
        bearer: &'a str,
        content_type: &'a str,
    ) -> Vec<(&'a str, &'a str)> {
        vec![
            (":method", "POST"),
            (":path", path),
            (":authority", &self.authority),
            ("authorization", bearer),
            ("content-type", content_type),
        ]
    }
}

/// Text that does not print itself.
#[derive(Clone)]
pub struct Secret(String);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

impl Config {
    /// Reads and checks a configuration; no bytes at all are the defaults.
    ///
    /// # Errors
    /// Every mistake found, each with its key.
    pub fn parse(bytes: &[u8]) -> Result<Self, Vec<String>> {
        let mut keys = read_object(bytes)?;
        let mut problems = Vec::new();
        let config = Self {
            control_plane: control_plane(keys.remove("control_plane"), &mut problems),
            poll_interval_ms: number(&mut keys, "poll_interval_ms", 5_000, 100..=3_600_000, &mut problems),
            consult_deadline_ms: number(&mut keys, "consult_deadline_ms", 50, 1..=10_000, &mut problems),
            policy: policy(keys.remove("policy"), &mut problems),
            state_slots: number(&mut keys, "state_slots", 8_192, 16..=1_048_576, &mut problems),
            sources: Sources {
                address_header: token(&mut keys, "address_header", &mut problems).to_ascii_lowercase(),
                ja4_header: token(&mut keys, "ja4_header", &mut problems).to_ascii_lowercase(),
                session_cookie: token(&mut keys, "session_cookie", &mut problems),
                session_header: token(&mut keys, "session_header", &mut problems).to_ascii_lowercase(),
                account_header: token(&mut keys, "account_header", &mut problems).to_ascii_lowercase(),
                time_header: token(&mut keys, "time_header", &mut problems).to_ascii_lowercase(),
            },
        };
        let Sources { session_cookie, session_header, .. } = &config.sources;
        if !session_cookie.is_empty() && !session_header.is_empty() {
            problems
                .push("session_header: leave it out, or session_cookie: a session has one name".to_owned());
        }
        for key in keys.keys() {
            problems.push(format!("{key}: unknown key; known are {}", KEYS.join(", ")));
        }
        if problems.is_empty() { Ok(config) } else { Err(problems) }
    }
}

/// JSON text, or a Struct; nothing is an empty object.
fn read_object(bytes: &[u8]) -> Result<Map<String, Value>, Vec<String>> {
    if bytes.is_empty() {
        return Ok(Map::new());
    }
    serde_json::from_slice(bytes)
        .or_else(|error| protobuf::read_struct(bytes).ok_or(error))
        .map_err(|error| vec![format!("neither a google.protobuf.Struct nor a JSON object: {error}")])
}

fn control_plane(value: Option<Value>, problems: &mut Vec<String>) -> Option<ControlPlane> {
    let mut keys = match value? {
        Value::Null => return None,
        Value::Object(keys) => keys,
        _ => {
            problems.push("control_plane: must be an object with cluster and token".to_owned());
            return None;
        }
    };
    let mut text = |key: &str, default: Option<&str>| {
        let value = keys.remove(key).or_else(|| default.map(Value::from));
        let visible = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic());
        match value {
            Some(Value::String(text)) if visible(&text) => text,
            _ => {
                problems.push(format!("control_plane.{key}: must be visible ASCII text without spaces"));
                String::new()
            }
        }
    };
    let cluster = text("cluster", None);
    let authority = text("authority", Some("sallyport"));
    let token = Secret(text("token", None));
    for key in keys.keys() {
        problems.push(format!("control_plane.{key}: unknown key; known are cluster, authority, token"));
    }
    Some(ControlPlane { cluster, authority, token })
}

/// Reads the policy key by key, so that a mistake in one does not hide the next one's.
fn policy(value: Option<Value>, problems: &mut Vec<String>) -> PolicyConfig {
    let mut keys = match value {
        None => return PolicyConfig::default(),
        Some(Value::Object(keys)) => keys,
        Some(_) => {
            problems.push("policy: must be an object".to_owned());
            return PolicyConfig::default();
        }
    };
    let known = problems.len();
    for (key, value) in &mut keys {
        let alone = |value: Value| Value::Object(Map::from_iter([(key.clone(), value)]));
        let Err(problem) = parse_policy(&alone(value.clone())) else { continue };
        let respelled = with_numbers(value.clone());
        if parse_policy(&alone(respelled.clone())).is_ok() {
            *value = respelled;
        } else {
            problems.push(format!("policy.{key}: {problem}"));
        }
    }
    if problems.len() > known {
        return PolicyConfig::default();
    }
    let policy = match parse_policy(&Value::Object(keys)) {
        Ok(policy) => policy,
        Err(problem) => {
            problems.push(format!("policy: {problem}"));
            return PolicyConfig::default();
        }
    };
    problems.extend(
        policy.problems().iter().map(|problem| format!("policy.{}: {}", problem.key, problem.message)),
    );
    policy
}

/// Texts that are numbers as numbers: Envoy's YAML reader makes `99.5` in a Struct the text "99.5".
fn with_numbers(value: Value) -> Value {
    match value {
        Value::String(text) => match text.parse::<Number>().ok() {
            Some(number) => Value::Number(number),
            None => Value::String(text),
        },
        Value::Array(values) => Value::Array(values.into_iter().map(with_numbers).collect()),
        Value::Object(keys) => {
            Value::Object(keys.into_iter().map(|(key, value)| (key, with_numbers(value))).collect())
        }
        other => other,
    }
}

fn number(
    keys: &mut Map<String, Value>,
    key: &str,
    default: u32,
    range: std::ops::RangeInclusive<u32>,
    problems: &mut Vec<String>,
) -> u32 {
    let Some(value) = keys.remove(key) else { return default };
    match value.as_u64().and_then(|number| u32::try_from(number).ok()).filter(|number| range.contains(number))
    {
        Some(number) => number,
        None => {
            problems.push(format!("{key}: must be a whole number from {} to {}", range.start(), range.end()));
            default
        }
    }
}

/// A header or cookie name; empty where there is none.
fn token(keys: &mut Map<String, Value>, key: &str, problems: &mut Vec<String>) -> String {
    let Some(value) = keys.remove(key) else { return String::new() };
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    match value {
        Value::String(name) if name.bytes().all(allowed) => name,
        _ => {
            problems.push(format!("{key}: must be a name of letters, digits and -_. (or empty for none)"));
            String::new()
        }
    }
}

/// Reads a policy by way of its text: what reads text is in the filter anyway, for snapshots. The place of a
/// mistake in that text (`at line 1 column 9`) says nothing to anybody.
fn parse_policy(value: &Value) -> Result<PolicyConfig, String> {
    let result = serde_json::to_vec(value).and_then(|text| PolicyConfig::from_json(&text));
    result.map_err(|error| {
        let message = error.to_string();
        message.rsplit_once(" at line ").map_or(message.as_str(), |(message, _)| message).to_owned()
    })
}
