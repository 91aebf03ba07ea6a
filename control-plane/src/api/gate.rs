//! Who passes: a bearer token of the right role.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, header};
use axum::middleware::Next;
use axum::response::Response;

use super::error::ApiError;
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

async fn pass(app: &App, needed: Role, request: Request, next: Next) -> Result<Response, ApiError> {
    let Some(token) = bearer(request.headers()) else {
        return Err(ApiError::unauthorized(
            "send `Authorization: Bearer <token>`; `sallyport token create` makes one",
        ));
    };
    match app.keyring.role_of(token).await {
        None => Err(ApiError::unauthorized("the token is unknown or revoked")),
        Some(role) if !role.allows(needed) => {
            Err(ApiError::forbidden(format!("this needs a token of role {needed}, not {role}")))
        }
        Some(_) => Ok(next.run(request).await),
    }
}

/// The token of an `Authorization: Bearer` header; the scheme's case does not matter.
fn bearer(headers: &HeaderMap) -> Option<&[u8]> {
    let value = headers.get(header::AUTHORIZATION)?.as_bytes();
    let (scheme, token) = value.split_at_checked(7)?;
    scheme.eq_ignore_ascii_case(b"bearer ").then(|| token.trim_ascii())
}
