//! Who passes: a token of the right role, as bearer or, so that browsers can ask for it, as password. Handlers
//! find whose it is as `Extension<Caller>`.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::error::ApiError;
use super::limits::{Group, Taken};
use crate::app::App;
use crate::auth::Role;

/// Lets filters, applications and operators pass.
pub(super) async fn filter(
    State(app): State<Arc<App>>,
    request: Request,
    next: Next,
) -> Result<Response, ApiError> {
    pass(&app, Role::Filter, request, next).await
}

/// Lets operators pass.
pub(super) async fn admin(
    State(app): State<Arc<App>>,
    request: Request,
    next: Next,
) -> Result<Response, ApiError> {
    pass(&app, Role::Admin, request, next).await
}

async fn pass(app: &App, needed: Role, mut request: Request, next: Next) -> Result<Response, ApiError> {
    let for_page = asks_for_page(request.headers());
    let refuse = |detail: &str| unauthorized(detail, for_page);
    let presented = Presented::of(request.headers());
    if presented.as_ref().is_some_and(|presented| presented.by_browser) && !is_own(&request) {
        return Err(ApiError::forbidden(
            "another site's page sent this; use `Authorization: Bearer <token>`",
        ));
    }
    let token = presented.map(|presented| presented.token);
    let caller = match token.as_deref().and_then(|token| app.keyring.known(token)) {
        Some(caller) => caller,
        // A valid token is never refused for what others at its address try, who are many behind a proxy. What they
        // try costs a comparison in memory; whether the token is new is asked of the store only within the limit.
        None => {
            if let Some(refusal) = app.api_limits.take_unknown(&request).and_then(Taken::refusal) {
                return Ok(refusal);
            }
            let Some(token) = token else {
                return Ok(refuse(
                    "send `Authorization: Bearer <token>`, or in a browser any user name and the token as password; \
                     `sallyport token create` makes one",
                ));
            };
            match app.keyring.identify(&token).await {
                Some(caller) => caller,
                None => return Ok(refuse("the token is unknown or revoked")),
            }
        }
    };
    let taken = app.api_limits.take(Group::of(&request), caller.id);
    if let Some(refusal) = taken.and_then(Taken::refusal) {
        return Ok(refusal);
    }
    let role = caller.role;
    let mut response = if role.allows(needed) {
        request.extensions_mut().insert(caller);
        next.run(request).await
    } else {
        ApiError::forbidden(format!("this needs a token of role {needed}, not {role}")).into_response()
    };
    if let Some(taken) = taken {
        taken.describe(&mut response);
    }
    Ok(response)
}

/// The token of a request.
struct Presented {
    token: Vec<u8>,
    /// It came as the password of `Basic`, which browsers repeat by themselves, whoever's page makes them.
    by_browser: bool,
}

impl Presented {
    /// Reads `Authorization`: `Bearer <token>`, or `Basic` with the token as password of any user. The
    /// scheme's case does not matter.
    fn of(headers: &HeaderMap) -> Option<Self> {
        let value = headers.get(header::AUTHORIZATION)?.as_bytes();
        let space = value.iter().position(|byte| *byte == b' ')?;
        let (scheme, rest) = (&value[..space], value[space..].trim_ascii());
        if scheme.eq_ignore_ascii_case(b"bearer") {
            return Some(Self { token: rest.to_vec(), by_browser: false });
        }
        if !scheme.eq_ignore_ascii_case(b"basic") {
            return None;
        }
        let pair = STANDARD.decode(rest).ok()?;
        let colon = pair.iter().position(|byte| *byte == b':')?;
        Some(Self { token: pair[colon + 1..].trim_ascii().to_vec(), by_browser: true })
    }
}

/// Whether a request changes nothing, or no browser sent it for another site's page: those name their origin.
fn is_own(request: &Request) -> bool {
    let header = |name| request.headers().get(name).and_then(|value| value.to_str().ok());
    match header(header::ORIGIN) {
        None => true,
        Some(_) if request.method().is_safe() => true,
        Some(origin) => origin.split_once("://").map(|(_, host)| host) == header(header::HOST),
    }
}

/// Whether a page would be shown, so that there is somebody to ask.
fn asks_for_page(headers: &HeaderMap) -> bool {
    let accept = headers.get(header::ACCEPT).map_or(&b""[..], HeaderValue::as_bytes);
    accept.windows(b"text/html".len()).any(|part| part.eq_ignore_ascii_case(b"text/html"))
}

/// 401; for a page, the browser is told to ask for the token.
fn unauthorized(detail: &str, for_page: bool) -> Response {
    let mut response = ApiError::unauthorized(detail).into_response();
    if for_page {
        let challenge = HeaderValue::from_static("Basic realm=\"Sallyport\", charset=\"UTF-8\"");
        response.headers_mut().append(header::WWW_AUTHENTICATE, challenge);
    }
    response
}
