//! `GET /v1/events`: what was found, by check, client, address, action and time, newest first, page by page.

use std::net::IpAddr;
use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sallyport_core::{Action, Check};
use serde::Serialize;
use utoipa::{IntoParams, ToSchema};

use super::error::{ApiError, Problem};
use crate::app::App;
use crate::store::{EventKey, EventQuery, EventRow};

/// Events of a page where none is said.
const DEFAULT_LIMIT: u32 = 100;

/// Most events of a page.
const MOST: u32 = 500;

/// Which events; what is left out is not asked for.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "only documents the parameters; `Wanted` reads them and tells which is wrong")]
pub(super) struct EventsParameters {
    /// Those that this check made, such as `failed_logins`.
    check: Option<String>,
    /// Those of a client, by its keyed hash as events tell it: 16 hexadecimal digits.
    client: Option<String>,
    /// Those of an address, by its keyed hash as events tell it.
    address: Option<String>,
    /// Those of an address itself; it is hashed like everywhere. An IPv6 address stands for its /64.
    ip: Option<String>,
    /// Those of one action: ALLOW (over a rate limit that only looks on), MONITOR, CHALLENGE, RATE_LIMIT or BLOCK.
    action: Option<String>,
    /// Those of this time or later: RFC 3339, or Unix milliseconds.
    from: Option<String>,
    /// Those before this time.
    to: Option<String>,
    /// At most so many, 1 to 500. Default 100.
    limit: Option<u32>,
    /// The `next_cursor` of the page before.
    cursor: Option<String>,
}

/// Some events.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct EventsResponse {
    /// Newest first.
    events: Vec<Event>,
    /// Where the next page begins, as `cursor` of the same question; null on the last page. Where two conditions
    /// together fit rarely, a page may have fewer events than `limit` and still not be the last.
    next_cursor: Option<String>,
}

/// A decision above ALLOW, or one about a request that went over a rate limit.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Event {
    /// Its number.
    id: i64,
    /// RFC 3339.
    #[schema(example = "2026-11-22T06:30:00.125Z")]
    ts: String,
    /// Name of the decision, for feedback.
    request_id: String,
    /// Keyed hash of the client.
    #[schema(example = "00c0ffee00c0ffee")]
    client: String,
    /// Keyed hash of the address (IPv4, or IPv6 /64).
    address: String,
    /// Keyed hash of the session, where there was one.
    #[serde(skip_serializing_if = "Option::is_none")]
    session: Option<String>,
    /// What was decided.
    #[schema(value_type = String, example = "CHALLENGE")]
    action: Action,
    /// Whether it was carried out.
    enforced: bool,
    /// 0 to 100.
    score: f32,
    /// What raised the score, strongest first.
    checks: Vec<FailedCheck>,
    /// The rate limit that the request went over.
    #[serde(skip_serializing_if = "Option::is_none")]
    limit: Option<Limit>,
    /// HTTP method.
    method: Box<str>,
    /// Path without query.
    path: Box<str>,
    /// User agent as sent.
    user_agent: Box<str>,
}

/// A check that raised the score.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct FailedCheck {
    /// Its name.
    check: &'static str,
    /// Its share of the score, in points; 0 for a rate limit.
    points: f32,
}

/// A rate limit.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Limit {
    /// Which one.
    #[schema(value_type = String, example = "login")]
    rule: &'static str,
    /// Whether it only looks on.
    shadow: bool,
}

/// Events, newest first.
#[utoipa::path(get, path = "/v1/events", tag = "operation", params(EventsParameters), responses(
    (status = 200, description = "A page of events", body = EventsResponse),
    (status = 422, description = "A parameter is not valid", body = Problem),
))]
pub(super) async fn events(
    State(app): State<Arc<App>>,
    parameters: Result<Query<Vec<(String, String)>>, QueryRejection>,
) -> Result<Json<EventsResponse>, ApiError> {
    let Query(parameters) =
        parameters.map_err(|_| ApiError::invalid("", "the query cannot be read; write ?name=value&…"))?;
    let mut query = EventQuery { limit: DEFAULT_LIMIT, ..EventQuery::default() };
    for (place, (name, value)) in parameters.iter().enumerate() {
        if parameters.iter().take(place).any(|(other, _)| other == name) {
            return Err(ApiError::invalid(name, format!("{name}: write it once")));
        }
        read(&app, &mut query, name, value)?;
    }
    let named = |wanted: &str| parameters.iter().any(|(name, _)| name == wanted);
    if named("ip") && named("address") {
        return Err(ApiError::invalid("ip", "ip: write either ip or address"));
    }
    let page = app.store.events(query).await?;
    let next_cursor = page.next.map(to_cursor);
    Ok(Json(EventsResponse { events: page.events.into_iter().map(Event::from).collect(), next_cursor }))
}

/// Reads one parameter.
fn read(app: &App, query: &mut EventQuery, name: &str, value: &str) -> Result<(), ApiError> {
    let wrong = |write: &str| ApiError::invalid(name, format!("{name}: {write}"));
    match name {
        "check" => {
            let known = || wrong("there is no check of this name; write one such as user_agent");
            query.check = Some(Check::from_name(value).ok_or_else(known)?);
        }
        "client" => query.client = Some(hash(name, value)?),
        "address" => query.address = Some(hash(name, value)?),
        "ip" => {
            let ip: IpAddr = value
                .parse()
                .map_err(|_| wrong("is no IPv4 or IPv6 address; write one such as 203.0.113.7"))?;
            query.address = Some(app.detector.engine().key().address(Some(ip.to_canonical())));
        }
        "action" => {
            let action = Action::ALL.into_iter().find(|action| action.as_str().eq_ignore_ascii_case(value));
            let write = || wrong("write ALLOW, MONITOR, CHALLENGE, RATE_LIMIT or BLOCK");
            query.action = Some(action.ok_or_else(write)?);
        }
        "from" => query.from_ms = Some(time(name, value)?),
        "to" => query.to_ms = Some(time(name, value)?),
        "limit" => {
            let limit = value.parse().ok().filter(|limit| (1..=MOST).contains(limit));
            query.limit = limit.ok_or_else(|| wrong("write a whole number from 1 to 500"))?;
        }
        "cursor" => {
            let after = from_cursor(value);
            query.after = Some(after.ok_or_else(|| wrong("write the next_cursor of the page before"))?);
        }
        _ => {
            let known = "check, client, address, ip, action, from, to, limit, cursor";
            return Err(wrong(&format!("there is no such parameter; there are {known}")));
        }
    }
    Ok(())
}

/// Reads a keyed hash as [`hex`] writes it.
pub(super) fn hash(name: &str, value: &str) -> Result<u64, ApiError> {
    let digits =
        Some(value).filter(|value| value.len() == 16 && value.bytes().all(|b| b.is_ascii_hexdigit()));
    digits.and_then(|digits| u64::from_str_radix(digits, 16).ok()).ok_or_else(|| {
        ApiError::invalid(
            name,
            format!("{name}: write a keyed hash as events tell it, 16 hexadecimal digits"),
        )
    })
}

/// A keyed hash as the API tells it: a number of 64 bits is more than JavaScript holds.
pub(super) fn hex(hash: u64) -> String {
    format!("{hash:016x}")
}

/// RFC 3339 with milliseconds.
pub(super) fn rfc3339(unix_ms: u64) -> String {
    let time = i64::try_from(unix_ms).ok().and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok());
    time.map(|time| format!("{time:.3}")).unwrap_or_default()
}

/// Reads a time, Unix ms.
fn time(name: &str, value: &str) -> Result<u64, ApiError> {
    let parsed = value.parse::<u64>().ok().or_else(|| {
        let time: jiff::Timestamp = value.parse().ok()?;
        u64::try_from(time.as_millisecond()).ok()
    });
    parsed.ok_or_else(|| {
        let write = "write a time such as 2026-11-22T06:30:00Z, or Unix milliseconds";
        ApiError::invalid(name, format!("{name}: {write}"))
    })
}

/// Version of cursors, so that an old one is refused rather than misread.
const CURSOR_VERSION: u8 = 1;

fn to_cursor(key: EventKey) -> String {
    let mut bytes = vec![CURSOR_VERSION];
    bytes.extend(key.ts_ms.to_be_bytes());
    bytes.extend(key.id.to_be_bytes());
    URL_SAFE_NO_PAD.encode(bytes)
}

fn from_cursor(text: &str) -> Option<EventKey> {
    let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
    let (version, rest) = bytes.split_first()?;
    let (ts_ms, rest) = rest.split_first_chunk()?;
    let key = EventKey { ts_ms: u64::from_be_bytes(*ts_ms), id: i64::from_be_bytes(rest.try_into().ok()?) };
    (*version == CURSOR_VERSION && i64::try_from(key.ts_ms).is_ok()).then_some(key)
}

impl From<EventRow> for Event {
    fn from(row: EventRow) -> Self {
        let limit = row.limit.map(|over| Limit { rule: over.rule.name(), shadow: over.is_shadow });
        Self {
            id: row.key.id,
            ts: rfc3339(row.key.ts_ms),
            request_id: row.request_id.to_string(),
            client: hex(row.client),
            address: hex(row.address),
            session: (row.session != 0).then(|| hex(row.session)),
            action: row.action,
            enforced: row.enforced,
            score: row.score,
            checks: row
                .checks
                .into_iter()
                .map(|(check, points)| FailedCheck { check: check.name(), points })
                .collect(),
            limit,
            method: row.method,
            path: row.path,
            user_agent: row.user_agent,
        }
    }
}
