//! `POST /check`: the verdict on one request.

mod request;
mod response;

use std::net::SocketAddr;
use std::sync::Arc;

use axum::extract::rejection::QueryRejection;
use axum::extract::{ConnectInfo, Query, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use sallyport_core::{Basis, Check, Engine, Marks, RequestFacts, strip_query};
use serde::Deserialize;
use utoipa::IntoParams;
use uuid::Uuid;

use self::request::{CheckRequest, browser_headers, facts, measured};
use self::response::CheckResponse;
use super::body::{self, RawBody};
use super::crawlers::ClaimedAgent;
use super::error::{ApiError, Problem};
use crate::app::App;
use crate::clock::unix_ms;
use crate::detector::Verdict;
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
            let RequestFacts { authority, path, .. } = facts(&request, ip, None);
            let enforced = engine.policy().enforces(engine.policy().route(authority, path));
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
            let considered =
                app.providers.consider(ip, verdict.keys.address, &verdict.decision, now_ms).await;
            if considered == Considered::Learnt {
                verdict = app.detector.again(&facts, verdict, known_as, unix_ms());
            }
            share(&app, &facts, &verdict);
            if request.answered {
                app.detector.await_answer(&id, &verdict, &facts, now_ms);
            }
            app.metrics.decided(Source::Check, verdict.decision.action, 1);
            let response = CheckResponse::new(&verdict.decision, verdict.enforced, &id)
                .held(considered)
                .explained(explain.then_some(&*verdict.engine), &verdict.decision);
            record(&app, &request, &facts, verdict, id, now_ms);
            response
        }
    };
    response.agent = crawler.as_ref().map(ClaimedAgent::from);
    let json = serde_json::to_vec(&response).map_err(ApiError::internal)?;
    Ok(([(header::CONTENT_TYPE, "application/json"), (header::CACHE_CONTROL, "no-store")], json)
        .into_response())
}

/// How strongly the logins of the visitor's network and of the account speak about a login attempt; 0 for anything else.
fn logins(
    app: &App,
    engine: &Engine,
    request: &CheckRequest<'_>,
    facts: &RequestFacts<'_>,
    now_ms: u64,
) -> f32 {
    if !engine.ask(facts).is_login_attempt() {
        return 0.0;
    }
    let account = engine.key().account(request.account.as_deref().unwrap_or_default().as_bytes());
    app.logins.strength(engine.key().network(facts.address), account, now_ms)
}

/// What is known of a request's session and network besides their records.
fn marks(app: &App, request: &CheckRequest<'_>, facts: &RequestFacts<'_>, now_ms: u64) -> Marks {
    let engine = app.detector.engine();
    let session = engine.key().session(facts.session);
    let count = if app.detector.is_issued(session) { app.sessions.count(session) } else { 0 };
    let network = logins(app, &engine, request, facts, now_ms);
    Marks { session: u8::try_from(count).unwrap_or(u8::MAX), network }
}

/// Queues what other replicas should know of a verdict.
fn share(app: &App, facts: &RequestFacts<'_>, verdict: &Verdict) {
    let Verdict { decision, engine, .. } = verdict;
    app.limits.charge(engine.policy(), decision.charges.iter());
    // What is known of the address may have made a refusal of it since.
    let is_refused = decision.basis == Basis::Score && decision.action.refuses();
    let session = engine.key().session(facts.session);
    if decision.is_suspicious || (is_refused && app.detector.is_issued(session)) {
        app.sessions.suspect(std::iter::once((session, 1)));
    }
}

fn record(
    app: &App,
    request: &CheckRequest<'_>,
    facts: &RequestFacts<'_>,
    verdict: Verdict,
    id: RequestId,
    now_ms: u64,
) {
    let key = verdict.engine.key();
    let device = (!facts.fingerprint.is_empty()).then(|| {
        let fingerprint = key.fingerprint(facts.fingerprint);
        Row::Fingerprint(FingerprintRow { ts_ms: now_ms, fingerprint, client: verdict.keys.client })
    });
    let mut row = RequestRow {
        ts_ms: now_ms,
        request_id: id,
        address: verdict.keys.address,
        client: verdict.keys.client,
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
        session: key.session(facts.session),
        limit: verdict.decision.limit,
    };
    app.models.complete(&mut row, verdict.engine.version());
    app.store.record(&mut std::iter::once(Row::Request(row)).chain(device));
}

/// The path of an endpoint as it is stored.
pub(super) fn stored_path(endpoint: &str) -> Box<str> {
    stored(&String::from_utf8_lossy(strip_query(endpoint.as_bytes())), STORED_TEXT)
}

/// Text cut at a character's border.
fn stored(text: &str, limit: usize) -> Box<str> {
    text[..text.floor_char_boundary(limit)].into()
}
