//! `POST /v1/logins`: how a login attempt ended, from an application that no filter stands before; and
//! `GET /v1/logins/failed`: which networks and accounts are under attack.

use std::borrow::Cow;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{ConnectInfo, Query, State};
use axum::http::StatusCode;
use sallyport_core::{LoginOutcome, RequestFacts};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::body::{self, RawBody};
use super::check::stored_path;
use super::error::{ApiError, Problem};
use super::events::{hex, rfc3339};
use crate::app::App;
use crate::clock::unix_ms;
use crate::detector::{LOGIN_FAILURE, LoginEnded};
use crate::logins::Attacked;
use crate::store::{LoginFailureRow, LoginQuery, Row};

/// Networks and accounts that are listed.
const SHOWN: usize = 50;

/// Failed logins that are listed.
const RECENT: u32 = 100;

/// How a login attempt ended.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct LoginRequest<'a> {
    /// The visitor's address; the caller's own where it is left out.
    #[schema(value_type = Option<String>, example = "203.0.113.7")]
    ip: Option<IpAddr>,
    /// `User-Agent` as sent, as in `POST /check`; empty where there was none.
    #[serde(borrow)]
    #[schema(value_type = String)]
    user_agent: Cow<'a, str>,
    /// The visitor's session, where `POST /check` is told it. One that signs in is the site's from now on.
    #[serde(borrow, default)]
    #[schema(value_type = Option<String>)]
    session_id: Option<Cow<'a, str>>,
    /// The name that somebody tried to sign in with, whether there is such an account or not. It is hashed, not stored.
    #[serde(borrow, default)]
    #[schema(value_type = Option<String>, example = "ada@example.com")]
    account: Option<Cow<'a, str>>,
    /// The path of the login; a query is cut off.
    #[serde(borrow, default)]
    #[schema(value_type = Option<String>, example = "/login")]
    endpoint: Option<Cow<'a, str>>,
    /// Whether it was refused. Tell of those that passed too: failures among many that pass count less.
    failed: bool,
}

/// Say how a login attempt ended. It counts from now on; its row is queued for the store when this answers.
#[utoipa::path(post, path = "/v1/logins", tag = "decisions", request_body = LoginRequest, responses(
    (status = 202, description = "Counted"),
    (status = 400, description = "Not JSON", body = Problem),
    (status = 422, description = "A field is not valid", body = Problem),
))]
pub(super) async fn ended(
    State(app): State<Arc<App>>,
    ConnectInfo(caller): ConnectInfo<SocketAddr>,
    body: RawBody,
) -> Result<StatusCode, ApiError> {
    let body = body::bytes(body, app.server.body_limit_kib)?;
    let request: LoginRequest<'_> = body::json(&body)?;
    let ip = request.ip.unwrap_or(caller.ip()).to_canonical();
    let now_ms = unix_ms();
    let engine = app.detector.engine();
    let network = engine.key().network(Some(ip));
    let account = engine.key().account(request.account.as_deref().unwrap_or_default().as_bytes());
    let facts = RequestFacts {
        address: Some(ip),
        user_agent: request.user_agent.as_bytes(),
        session: request.session_id.as_deref().unwrap_or_default().as_bytes(),
        ..RequestFacts::default()
    };
    let outcome = if request.failed { LoginOutcome::Failed } else { LoginOutcome::Passed };
    let LoginEnded { address, client, session, charges } = app.detector.login_ended(&facts, outcome, now_ms);
    app.limits.charge(engine.policy(), charges.iter());
    match outcome {
        LoginOutcome::Passed => {
            app.issued.tell(&[(session, address)]);
            app.logins.passed(network, account, now_ms);
        }
        LoginOutcome::Failed => {
            app.logins.failed(network, account, now_ms);
            let path = stored_path(request.endpoint.as_deref().unwrap_or_default());
            let (ts_ms, outcome) = (now_ms, LOGIN_FAILURE);
            let row = LoginFailureRow { ts_ms, address, client, network, account, path, outcome };
            app.store.record(&mut std::iter::once(Row::LoginFailure(row)));
        }
    }
    Ok(StatusCode::ACCEPTED)
}

/// Whose failed logins; all that are under attack where neither is said.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct FailedParameters {
    /// The name that somebody signs in with; it is hashed like everywhere.
    account: Option<String>,
    /// An address, for its network: the IPv4 /24 or the IPv6 /48.
    #[param(value_type = Option<String>)]
    ip: Option<IpAddr>,
}

/// Failed logins, faded with τ = 900 s.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct FailedResponse {
    /// Networks, the most failures first; at most 50.
    networks: Vec<Target>,
    /// Accounts, the most failures first; at most 50.
    accounts: Vec<Target>,
    /// With `account` or `ip`: the failures on record, newest first; at most 100.
    #[serde(skip_serializing_if = "Option::is_none")]
    recent: Option<Vec<FailedLogin>>,
}

/// A network or an account.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Target {
    /// Keyed hash.
    hash: String,
    /// Failed logins.
    failed: f32,
    /// Passed logins, as far as they were told.
    passed: f32,
    /// The strength of the check `failed_logins` that they give to login attempts, 0 to 0.5.
    strength: f32,
}

/// A failed login on record.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct FailedLogin {
    /// RFC 3339.
    ts: String,
    /// Keyed hash of the address.
    address: String,
    /// Keyed hash of the client.
    client: String,
    /// Keyed hash of the network, where it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    network: Option<String>,
    /// Keyed hash of the account, where it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    account: Option<String>,
    /// The path of the login.
    path: Box<str>,
}

/// Which networks and accounts are under attack.
#[utoipa::path(get, path = "/v1/logins/failed", tag = "operation", params(FailedParameters), responses(
    (status = 200, description = "Failed logins", body = FailedResponse),
    (status = 422, description = "A parameter is not valid", body = Problem),
))]
pub(super) async fn failed(
    State(app): State<Arc<App>>,
    parameters: Result<Query<FailedParameters>, QueryRejection>,
) -> Result<Json<FailedResponse>, ApiError> {
    let Query(FailedParameters { account, ip }) = parameters.map_err(|_| {
        ApiError::invalid("", "write ?account=NAME or ?ip=ADDRESS, such as ?ip=203.0.113.7, or nothing")
    })?;
    let now_ms = unix_ms();
    let engine = app.detector.engine();
    let account = account.map(|name| engine.key().account(name.as_bytes()));
    let network = ip.map(|ip| engine.key().network(Some(ip)));
    let (networks, accounts, query) = match (network, account) {
        (None, None) => (app.logins.networks(SHOWN, now_ms), app.logins.accounts(SHOWN, now_ms), None),
        (Some(hash), None) => {
            (vec![app.logins.network(hash, now_ms)], vec![], Some(LoginQuery::Network(hash)))
        }
        (None, Some(0)) => return Err(ApiError::invalid("account", "account: write a name")),
        (None, Some(hash)) => {
            (vec![], vec![app.logins.account(hash, now_ms)], Some(LoginQuery::Account(hash)))
        }
        (Some(_), Some(_)) => return Err(ApiError::invalid("ip", "ip: write either ip or account")),
    };
    let recent = match query {
        Some(query) => Some(app.store.login_failures(query, RECENT).await?),
        None => None,
    };
    Ok(Json(FailedResponse {
        networks: networks.into_iter().map(Target::from).collect(),
        accounts: accounts.into_iter().map(Target::from).collect(),
        recent: recent.map(|rows| rows.into_iter().map(FailedLogin::from).collect()),
    }))
}

impl From<Attacked> for Target {
    fn from(Attacked { key, counts, strength }: Attacked) -> Self {
        Self { hash: hex(key), failed: counts.failed, passed: counts.passed, strength }
    }
}

impl From<LoginFailureRow> for FailedLogin {
    fn from(row: LoginFailureRow) -> Self {
        let known = |hash: u64| (hash != 0).then(|| hex(hash));
        Self {
            ts: rfc3339(row.ts_ms),
            address: hex(row.address),
            client: hex(row.client),
            network: known(row.network),
            account: known(row.account),
            path: row.path,
        }
    }
}
