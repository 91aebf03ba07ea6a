//! The one error of the HTTP boundary: a public reason for the caller, a private one for the log.
//!
//! Handlers return `Result<_, ApiError>`; it becomes RFC 9457 problem+json. Inside, modules have errors of
//! their own (thiserror); `anyhow` is for `main` and start-up only.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use crate::lists::Fault;
use crate::store::StoreError;

/// RFC 9457 problem details.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Problem {
    /// Stable name of the kind of problem.
    #[serde(rename = "type")]
    #[schema(example = "urn:sallyport:problem:invalid-body")]
    kind: String,
    /// The kind in words.
    title: &'static str,
    /// The HTTP status.
    status: u16,
    /// What was wrong with this request and what to send instead.
    detail: String,
    /// The field of the body, or the parameter, that it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    field: Option<String>,
    /// Of several faults, the first hundred; the first is in `field` and `detail` too.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    faults: Vec<Fault>,
}

/// A kind of problem: status, the end of its `type`, title.
#[derive(Clone, Copy, Debug)]
struct Kind(StatusCode, &'static str, &'static str);

const BAD_SYNTAX: Kind = Kind(StatusCode::BAD_REQUEST, "bad-syntax", "The body cannot be read");
const INVALID: Kind = Kind(StatusCode::UNPROCESSABLE_ENTITY, "invalid-field", "A field is not valid");
const TOO_LARGE: Kind = Kind(StatusCode::PAYLOAD_TOO_LARGE, "too-large", "The body is too large");
const UNAUTHORIZED: Kind = Kind(StatusCode::UNAUTHORIZED, "unauthorized", "A valid token is needed");
const FORBIDDEN: Kind = Kind(StatusCode::FORBIDDEN, "forbidden", "The token's role does not suffice");
const NOT_FOUND: Kind = Kind(StatusCode::NOT_FOUND, "not-found", "There is no such thing");
const METHOD: Kind = Kind(StatusCode::METHOD_NOT_ALLOWED, "method-not-allowed", "Another method is needed");
const CONFLICT: Kind = Kind(StatusCode::CONFLICT, "conflict", "It contradicts what is on record");
const TOO_MANY: Kind = Kind(StatusCode::TOO_MANY_REQUESTS, "rate-limited", "Too many requests");
const UNAVAILABLE: Kind = Kind(StatusCode::SERVICE_UNAVAILABLE, "unavailable", "Try again later");
const INTERNAL: Kind = Kind(StatusCode::INTERNAL_SERVER_ERROR, "internal", "Something went wrong here");

/// What a handler failed with.
#[derive(Debug)]
pub(super) struct ApiError {
    kind: Kind,
    detail: String,
    field: Option<String>,
    faults: Box<[Fault]>,
    private: Option<Box<str>>,
}

impl ApiError {
    fn new(kind: Kind, detail: impl Into<String>) -> Self {
        Self { kind, detail: detail.into(), field: None, faults: Box::default(), private: None }
    }

    /// 400: not JSON, or a damaged batch.
    pub(super) fn bad_syntax(detail: impl Into<String>) -> Self {
        Self::new(BAD_SYNTAX, detail)
    }

    /// 422: readable, but a field is wrong.
    pub(super) fn invalid(field: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { field: Some(field.into()), ..Self::new(INVALID, detail) }
    }

    /// 422: readable, but fields are wrong; `more` besides these.
    pub(super) fn faulty(faults: Vec<Fault>, more: usize) -> Self {
        let Some(Fault { field, detail }) = faults.first().cloned() else {
            return Self::new(INVALID, "something is wrong");
        };
        let others = faults.len() - 1 + more;
        let detail = match others {
            0 => detail,
            1 => format!("{detail}; 1 more fault"),
            others => format!("{detail}; {others} more faults"),
        };
        let faults = if others == 0 { Box::default() } else { faults.into() };
        Self { faults, ..Self::invalid(field, detail) }
    }

    /// Names the field of the body that it is about.
    pub(super) fn of(self, field: impl Into<String>) -> Self {
        Self { field: Some(field.into()), ..self }
    }

    /// 413.
    pub(super) fn too_large(limit_kib: u32) -> Self {
        Self::new(TOO_LARGE, format!("the body may have at most {limit_kib} KiB"))
    }

    /// 401; what to send stands in `WWW-Authenticate` too.
    pub(super) fn unauthorized(detail: impl Into<String>) -> Self {
        Self::new(UNAUTHORIZED, detail)
    }

    /// 403.
    pub(super) fn forbidden(detail: impl Into<String>) -> Self {
        Self::new(FORBIDDEN, detail)
    }

    /// 404.
    pub(super) fn not_found(detail: impl Into<String>) -> Self {
        Self::new(NOT_FOUND, detail)
    }

    /// 405.
    pub(super) fn method_not_allowed() -> Self {
        Self::new(METHOD, "the path exists, but not for this method; the header `Allow` names those it has")
    }

    /// 409.
    pub(super) fn conflict(detail: impl Into<String>) -> Self {
        Self::new(CONFLICT, detail)
    }

    /// 429; when to try again stands in `Retry-After`.
    pub(super) fn rate_limited(detail: impl Into<String>) -> Self {
        Self::new(TOO_MANY, detail)
    }

    /// 503.
    pub(super) fn unavailable(detail: impl Into<String>) -> Self {
        Self::new(UNAVAILABLE, detail)
    }

    /// 500; the reason goes to the log only.
    pub(super) fn internal(private: impl ToString) -> Self {
        let detail = "the log of the control plane tells more";
        Self { private: Some(private.to_string().into()), ..Self::new(INTERNAL, detail) }
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        let private = Some(error.to_string().into());
        match error {
            StoreError::Unavailable(_) => {
                let detail = "the database cannot be used at the moment; nothing was stored";
                Self { private, ..Self::new(UNAVAILABLE, detail) }
            }
            StoreError::Failed(_) | StoreError::TooNew { .. } => Self::internal(error),
        }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let Kind(status, name, title) = self.kind;
        if let Some(reason) = &self.private {
            tracing::warn!(status = status.as_u16(), reason, "request failed");
        }
        let problem = Problem {
            kind: format!("urn:sallyport:problem:{name}"),
            title,
            status: status.as_u16(),
            detail: self.detail,
            field: self.field,
            faults: self.faults.into(),
        };
        let body = serde_json::to_vec(&problem).unwrap_or_default();
        let mut response = (status, body).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if status == StatusCode::UNAUTHORIZED {
            let challenge = HeaderValue::from_static("Bearer realm=\"sallyport\"");
            headers.insert(header::WWW_AUTHENTICATE, challenge);
        }
        if status == StatusCode::SERVICE_UNAVAILABLE {
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        response
    }
}
