//! `POST /check`: the verdict on one request.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::extract::rejection::QueryRejection;
use axum::extract::{ConnectInfo, Query, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use sallyport_core::{
    Action, Basis, BrowserHeaders, Check, Decision, Engine, Evidence, FEATURE_COUNT, Features, Marks,
    RequestFacts, strip_query,
};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::body::{self, RawBody};
use super::crawlers::ClaimedAgent;
use super::error::{ApiError, Problem};
use crate::app::App;
use crate::clock::unix_ms;
use crate::detector::Verdict;
use crate::explain::Explained;
use crate::providers::Considered;
use crate::store::{FingerprintRow, RequestId, RequestRow, Row, Source};

/// Longest path and user agent that is stored, in bytes; what is judged is not cut.
const STORED_TEXT: usize = 256;

/// Longest method that is stored, in bytes.
const STORED_METHOD: usize = 16;

/// What else to answer.
#[derive(Debug, Default, Deserialize, IntoParams)]
pub(super) struct CheckParameters {
    /// Also tell what each feature and check adds to the score. Default false.
    #[serde(default)]
    explain: bool,
}

/// The request to judge.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct CheckRequest<'a> {
    /// The visitor's address; the caller's own where it is left out.
    #[schema(value_type = Option<String>, example = "203.0.113.7")]
    ip: Option<IpAddr>,
    /// `User-Agent` as sent; empty where there was none.
    #[serde(borrow)]
    #[schema(value_type = String, example = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0")]
    user_agent: Cow<'a, str>,
    /// The path asked for; a query is cut off.
    #[serde(borrow)]
    #[schema(value_type = String, example = "/products/42")]
    endpoint: Cow<'a, str>,
    /// HTTP method. Default GET.
    #[serde(borrow, default = "get")]
    #[schema(value_type = Option<String>, example = "GET")]
    method: Cow<'a, str>,
    /// The visitor's other headers; only those that tell browsers from tools are read. `x-forwarded-proto:
    /// https` says that the visitor came by https.
    #[serde(default)]
    #[schema(value_type = Option<BTreeMap<String, String>>)]
    headers: Option<BTreeMap<String, String>>,
    /// The visitor's session, if the site has one; its requests count as one client.
    #[serde(default)]
    session_id: Option<String>,
    /// With a login attempt: the name that somebody signs in with. It is hashed, not stored.
    #[serde(borrow, default)]
    #[schema(value_type = Option<String>)]
    account: Option<Cow<'a, str>>,
    /// What the page's script found out about the device: an id or an object.
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    fingerprint: Option<serde_json::Value>,
    /// Name of the decision, for feedback; a new UUIDv7 where it is left out or empty.
    #[serde(default)]
    request_id: Option<String>,
    /// From a filter: the seven features it measured, each 0 to 1. Then no client record is used here.
    #[serde(default)]
    features: Option<[f32; FEATURE_COUNT]>,
    /// From a filter, with `features`: the strength of each check, -1 to 1.
    #[serde(default)]
    #[schema(value_type = Option<BTreeMap<String, f32>>)]
    evidence: BTreeMap<String, f32>,
}

/// The verdict.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct CheckResponse {
    /// Whether the action is CHALLENGE, RATE_LIMIT or BLOCK.
    is_bot: bool,
    /// 0 (certainly a person) to 100 (certainly a bot).
    score: f32,
    /// The model's part alone, 0 to 100.
    ml_score: f32,
    /// The model's part alone, 0 to 1.
    ml_probability: f32,
    /// What to do.
    #[schema(value_type = String, example = "ALLOW")]
    action: Action,
    /// Whether the policy carries the action out; `false` in monitor mode.
    enforced: bool,
    /// request_rate, user_agent, endpoint_pattern, timing_regularity, request_entropy, failed_login_rate, burst;
    /// higher is more like a bot.
    features: [f32; FEATURE_COUNT],
    /// Why, strongest first.
    reasons: Vec<Reason>,
    /// Name of the decision, for feedback.
    request_id: String,
    /// With RATE_LIMIT: seconds until the next try.
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_after: Option<u32>,
    /// Where more about the address is being looked up: keep this verdict for at most so many seconds, then ask again.
    #[serde(skip_serializing_if = "Option::is_none")]
    hold_s: Option<u32>,
    /// Of a client that claims to be a known crawler: whether it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    agent: Option<ClaimedAgent>,
    /// The rate limit that the request was over, if any. The answer's own status stays 200: the limit is a verdict.
    #[serde(skip_serializing_if = "Option::is_none")]
    limit: Option<Limit>,
    /// With `?explain=true`: what the score consists of.
    #[serde(skip_serializing_if = "Option::is_none")]
    explanation: Option<Explained>,
}

/// A rate limit that a request was over.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Limit {
    /// Its name under `policy.rate_limit`.
    #[schema(example = "client")]
    rule: &'static str,
    /// Whether it is only told of (`mode: shadow`); then the action is what it would be without the limit.
    shadow: bool,
}

/// One reason.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Reason {
    /// The check's name.
    check: &'static str,
    /// Its share of the score, in points.
    points: f32,
}

fn get() -> Cow<'static, str> {
    Cow::Borrowed("GET")
}

/// Judge one request.
#[utoipa::path(post, path = "/check", tag = "decisions", params(CheckParameters), request_body = CheckRequest, responses(
    (status = 200, description = "The verdict", body = CheckResponse),
    (status = 400, description = "Not JSON", body = Problem),
    (status = 422, description = "A field is not valid", body = Problem),
))]
pub(super) async fn check(
    State(app): State<Arc<App>>,
    ConnectInfo(caller): ConnectInfo<SocketAddr>,
    parameters: Result<Query<CheckParameters>, QueryRejection>,
    body: RawBody,
) -> Result<Response, ApiError> {
    let Query(CheckParameters { explain }) = parameters
        .map_err(|_| ApiError::invalid("explain", "explain: write `?explain=true` or `?explain=false`"))?;
    let body = body::bytes(body, app.server.body_limit_kib)?;
    let request: CheckRequest<'_> = body::json(&body)?;
    let ip = request.ip.unwrap_or(caller.ip()).to_canonical();
    let id = match request.request_id.as_deref() {
        Some(text) if !text.is_empty() => RequestId::parse(text),
        _ => RequestId::Uuid(Uuid::now_v7()),
    };
    let now_ms = unix_ms();
    let crawler = app.crawlers.verify(request.user_agent.as_bytes(), ip, now_ms).await;
    let known_as = crawler.as_ref().map(|found| found.verdict);
    let mut response = match request.features {
        Some(features) => {
            let (features, mut evidence) = measured(features, &request.evidence)?;
            let engine = app.detector.engine();
            let held = evidence.get(Check::FailedLogins);
            let logins = logins(&app, &engine, &request, &facts(&request, ip, None), now_ms);
            evidence.set(Check::FailedLogins, held.max(logins));
            let consult = |now_ms| app.detector.consult(&engine, ip, &features, evidence, known_as, now_ms);
            let mut decision = consult(now_ms);
            let address = engine.key().address(Some(ip));
            let considered = app.providers.consider(ip, address, &decision, now_ms).await;
            if considered == Considered::Learnt {
                decision = consult(unix_ms());
            }
            app.metrics.consulted(decision.action);
            let path = strip_query(request.endpoint.as_bytes());
            let enforced = engine.policy().enforces(engine.policy().route(path));
            CheckResponse::new(&decision, enforced, &id)
                .held(considered)
                .explained(explain.then_some(&*engine), &decision)
        }
        None if !request.evidence.is_empty() => {
            return Err(ApiError::invalid("evidence", "evidence: only goes together with `features`"));
        }
        None => {
            let headers = request.headers.as_ref().map(browser_headers);
            let fingerprint = request.fingerprint.as_ref().filter(|value| !value.is_null());
            let fingerprint = fingerprint.map(serde_json::Value::to_string).unwrap_or_default();
            let facts = RequestFacts { fingerprint: fingerprint.as_bytes(), ..facts(&request, ip, headers) };
            let marks = marks(&app, &request, &facts, now_ms);
            let mut verdict = app.detector.check(&facts, marks, known_as, now_ms);
            let considered = app.providers.consider(ip, verdict.address, &verdict.decision, now_ms).await;
            if considered == Considered::Learnt {
                verdict = app.detector.again(verdict, known_as, unix_ms());
            }
            share(&app, &facts, &verdict);
            app.metrics.decided(Source::Check, verdict.decision.action, 1);
            let response = CheckResponse::new(&verdict.decision, verdict.enforced, &id)
                .held(considered)
                .explained(explain.then_some(&*verdict.engine), &verdict.decision);
            record(&app, &request, verdict, id, now_ms);
            response
        }
    };
    response.agent = crawler.as_ref().map(ClaimedAgent::from);
    let json = serde_json::to_vec(&response).map_err(ApiError::internal)?;
    Ok(([(header::CONTENT_TYPE, "application/json"), (header::CACHE_CONTROL, "no-store")], json)
        .into_response())
}

impl CheckResponse {
    fn new(decision: &Decision, enforced: bool, id: &RequestId) -> Self {
        Self {
            is_bot: decision.action.refuses(),
            score: decision.score,
            ml_score: decision.ml_probability * 100.0,
            ml_probability: decision.ml_probability,
            action: decision.action,
            enforced,
            features: *decision.features.values(),
            reasons: decision
                .reasons
                .iter()
                .map(|(check, points)| Reason { check: check.name(), points })
                .collect(),
            request_id: id.to_string(),
            retry_after: decision.retry_after_s,
            hold_s: None,
            agent: None,
            limit: decision.limit.map(|over| Limit { rule: over.rule.name(), shadow: over.is_shadow }),
            explanation: None,
        }
    }

    /// Says how long the verdict holds, where a lookup is under way.
    fn held(self, considered: Considered) -> Self {
        let hold_s = match considered {
            Considered::Pending(hold_s) => Some(hold_s),
            Considered::Settled | Considered::Learnt => None,
        };
        Self { hold_s, ..self }
    }

    /// Adds the explanation, where there is an engine to give it.
    fn explained(self, engine: Option<&Engine>, decision: &Decision) -> Self {
        Self { explanation: engine.map(|engine| Explained::of(engine, decision)), ..self }
    }
}

/// How strongly the logins of the visitor's network and of the account speak about a login attempt; 0 for anything else.
fn logins(
    app: &App,
    engine: &Engine,
    request: &CheckRequest<'_>,
    facts: &RequestFacts<'_>,
    now_ms: u64,
) -> f32 {
    if !engine.is_login_attempt(facts) {
        return 0.0;
    }
    let account = engine.key().account(request.account.as_deref().unwrap_or_default().as_bytes());
    app.logins.strength(engine.key().network(facts.address), account, now_ms)
}

fn facts<'a>(
    request: &'a CheckRequest<'_>,
    ip: IpAddr,
    headers: Option<BrowserHeaders<'a>>,
) -> RequestFacts<'a> {
    let header = |name| request.headers.as_ref().map_or(&b""[..], |headers| value(headers, name));
    RequestFacts {
        address: Some(ip),
        method: request.method.as_bytes(),
        authority: header("host"),
        path: strip_query(request.endpoint.as_bytes()),
        user_agent: request.user_agent.as_bytes(),
        referer: header("referer"),
        ja4: b"",
        session: request.session_id.as_deref().unwrap_or_default().as_bytes(),
        fingerprint: b"",
        headers,
    }
}

/// What is known of a request's session and network besides their records.
fn marks(app: &App, request: &CheckRequest<'_>, facts: &RequestFacts<'_>, now_ms: u64) -> Marks {
    let engine = app.detector.engine();
    let count = app.sessions.count(engine.key().session(facts.session));
    let network = logins(app, &engine, request, facts, now_ms);
    Marks { session: u8::try_from(count).unwrap_or(u8::MAX), network }
}

/// Queues what other replicas should know of a verdict.
fn share(app: &App, facts: &RequestFacts<'_>, verdict: &Verdict) {
    let Verdict { decision, engine, .. } = verdict;
    app.limits.charge(engine.policy(), decision.charges.iter().map(|(rule, key)| (rule, key, 1)));
    // What is known of the address may have made a refusal of it since.
    let is_refused = decision.basis == Basis::Score && decision.action.refuses();
    if decision.is_suspicious || (is_refused && !facts.session.is_empty()) {
        app.sessions.suspect(std::iter::once((engine.key().session(facts.session), 1)));
    }
}

fn browser_headers(headers: &BTreeMap<String, String>) -> BrowserHeaders<'_> {
    BrowserHeaders {
        accept: value(headers, "accept"),
        accept_language: value(headers, "accept-language"),
        accept_encoding: value(headers, "accept-encoding"),
        sec_fetch_site: value(headers, "sec-fetch-site"),
        sec_fetch_mode: value(headers, "sec-fetch-mode"),
        sec_fetch_dest: value(headers, "sec-fetch-dest"),
        sec_ch_ua: value(headers, "sec-ch-ua"),
        sec_ch_ua_mobile: value(headers, "sec-ch-ua-mobile"),
        sec_ch_ua_platform: value(headers, "sec-ch-ua-platform"),
        secure: value(headers, "x-forwarded-proto").eq_ignore_ascii_case(b"https"),
    }
}

/// A header's value whatever the case of its name; empty where there is none.
fn value<'a>(headers: &'a BTreeMap<String, String>, name: &str) -> &'a [u8] {
    headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map_or(b"", |(_, value)| value.as_bytes())
}

fn measured(
    features: [f32; FEATURE_COUNT],
    strengths: &BTreeMap<String, f32>,
) -> Result<(Features, Evidence), ApiError> {
    if let Some(index) = features.iter().position(|value| !(0.0..=1.0).contains(value)) {
        let field = format!("features[{index}]");
        let detail = format!("{field}: {} does not lie between 0 and 1", features[index]);
        return Err(ApiError::invalid(field, detail));
    }
    let features = Features::new(features)
        .ok_or_else(|| ApiError::invalid("features", "features: seven numbers between 0 and 1 are needed"))?;
    let mut evidence = Evidence::default();
    for (name, strength) in strengths {
        let field = format!("evidence.{name}");
        let Some(check) = Check::from_name(name) else {
            let detail = format!("{field}: there is no check of this name");
            return Err(ApiError::invalid(field, detail));
        };
        if !(-1.0..=1.0).contains(strength) {
            let detail = format!("{field}: {strength} does not lie between -1 and 1");
            return Err(ApiError::invalid(field, detail));
        }
        evidence.set(check, *strength);
    }
    Ok((features, evidence))
}

fn record(app: &App, request: &CheckRequest<'_>, verdict: Verdict, id: RequestId, now_ms: u64) {
    let fingerprint = request.fingerprint.as_ref().filter(|value| !value.is_null()).map(|value| {
        let text = value.to_string();
        let fingerprint = app.detector.engine().key().text(b'f', text.as_bytes());
        Row::Fingerprint(FingerprintRow { ts_ms: now_ms, fingerprint, client: verdict.client })
    });
    let session = request.session_id.as_deref().unwrap_or_default();
    let mut row = RequestRow {
        ts_ms: now_ms,
        request_id: id,
        address: verdict.address,
        client: verdict.client,
        action: verdict.decision.action,
        enforced: verdict.enforced,
        basis: verdict.decision.basis,
        source: Source::Check,
        score: verdict.decision.score,
        ml_probability: verdict.decision.ml_probability,
        weight: 1,
        features: *verdict.decision.features.values(),
        method: stored(&request.method, STORED_METHOD),
        path: stored_path(&request.endpoint),
        user_agent: stored(&request.user_agent, STORED_TEXT),
        reasons: verdict.decision.reasons.iter().collect(),
        outcome: verdict.outcome,
        checkpoint: None,
        shadow_probability: None,
        attributions: verdict.attributions,
        session: verdict.engine.key().session(session.as_bytes()),
        limit: verdict.decision.limit,
    };
    app.models.complete(&mut row, verdict.engine.version());
    app.store.record(&mut std::iter::once(Row::Request(row)).chain(fingerprint));
}

/// The path of an endpoint as it is stored.
pub(super) fn stored_path(endpoint: &str) -> Box<str> {
    stored(&String::from_utf8_lossy(strip_query(endpoint.as_bytes())), STORED_TEXT)
}

/// Text cut at a character's border.
fn stored(text: &str, limit: usize) -> Box<str> {
    text[..text.floor_char_boundary(limit)].into()
}
