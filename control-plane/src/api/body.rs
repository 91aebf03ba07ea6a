//! Reading bodies: within their limit, as JSON, with the faulty field named.

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::http::StatusCode;
use serde::Deserialize;

use super::error::ApiError;

/// A body as it came, or why it did not.
pub(super) type RawBody = Result<Bytes, BytesRejection>;

/// The bytes of a body of at most `limit_kib`.
pub(super) fn bytes(body: RawBody, limit_kib: u32) -> Result<Bytes, ApiError> {
    body.map_err(|rejection| match rejection.status() {
        StatusCode::PAYLOAD_TOO_LARGE => ApiError::too_large(limit_kib),
        _ => ApiError::bad_syntax("the body broke off"),
    })
}

/// Reads JSON that may borrow from the body. Only a body that does not fit is read again, to find out which
/// field it is.
pub(super) fn json<'de, T: Deserialize<'de>>(body: &'de [u8]) -> Result<T, ApiError> {
    // serde would take a list for a struct, field by field.
    if body.trim_ascii_start().first().is_some_and(|first| b"[\"0123456789-tfn".contains(first)) {
        return Err(ApiError::invalid("", "the body must be a JSON object: `{ … }`"));
    }
    serde_json::from_slice(body).map_err(|_| {
        let mut deserializer = serde_json::Deserializer::from_slice(body);
        let error = match serde_path_to_error::deserialize::<_, T>(&mut deserializer) {
            Ok(_) => return ApiError::bad_syntax("something follows after the end of the JSON value"),
            Err(error) => error,
        };
        let path = Some(error.path().to_string()).filter(|path| !matches!(path.as_str(), "." | "?"));
        let inner = error.into_inner();
        match (inner.is_data(), path) {
            (true, Some(field)) => ApiError::invalid(field.clone(), format!("{field}: {inner}")),
            (true, None) => ApiError::invalid(named_field(&inner.to_string()), inner.to_string()),
            (false, Some(field)) => ApiError::bad_syntax(format!("not JSON at `{field}`: {inner}")).of(field),
            (false, None) => ApiError::bad_syntax(format!("not JSON: {inner}")),
        }
    })
}

/// The field of such a message, or nothing: serde names a missing or repeated field in its message only.
pub(super) fn named_field(message: &str) -> String {
    let rest =
        ["missing field `", "duplicate field `"].into_iter().find_map(|start| message.strip_prefix(start));
    rest.and_then(|rest| rest.split('`').next()).unwrap_or("").to_owned()
}
