//! Envoy's default text access log, and Istio's, which has more fields. Neither escapes anything.

use std::borrow::Cow;

use sallyport_core::Unknown;

use super::client::Way;
use super::scan::Scan;
use super::{dash, is_of_gate, request, status, time};
use crate::replay::line::{LineError, LogLine};

/// `[TIME] "METHOD PATH PROTOCOL" STATUS FLAGS [DETAILS TERMINATION "FAILURE"] RECEIVED SENT DURATION UPSTREAM_TIME
/// "X-FORWARDED-FOR" "USER AGENT" "REQUEST ID" "AUTHORITY" "UPSTREAM" [CLUSTER LOCAL DOWNSTREAM_LOCAL DOWNSTREAM_REMOTE ...]`.
pub(super) fn parse(line: &[u8], trusted_hops: usize) -> Result<LogLine<'_>, LineError> {
    let mut scan = Scan::new(line);
    let time_ms = time::rfc3339(scan.bracketed("the time")?).ok_or(LineError::Time)?;
    let text = scan.plain_request()?;
    let status = status(scan.word("the status")?)?;
    let flags = scan.word("the response flags")?;
    // A filter that answers without a reason leaves nothing between two spaces.
    let is_without = scan.rest().starts_with(b"  ");
    let next = if is_without { b"" } else { scan.word("the bytes received")? };
    let is_of_istio = is_without || !next.iter().all(u8::is_ascii_digit);
    let details = if is_of_istio { dash(next) } else { b"" };
    if is_of_istio {
        scan.word("the connection termination details")?;
        scan.plain_quote("the upstream transport failure")?;
        scan.word("the bytes received")?;
    }
    for field in ["the bytes sent", "the duration", "the upstream time"] {
        scan.word(field)?;
    }
    let ([forwarded, user_agent, authority, upstream], after) = quoted(scan.rest())?;
    let peer = after.split(|&byte| byte == b' ').filter(|word| !word.is_empty()).nth(3).unwrap_or_default();
    let client = Way { forwarded, peer }.client(trusted_hops)?;
    let request = request(Cow::Borrowed(text))?;
    Ok(LogLine {
        address: client.address,
        time_ms,
        method: request.method,
        target: request.target,
        authority: Cow::Borrowed(dash(authority)),
        user_agent: Cow::Borrowed(dash(user_agent)),
        unknown: Unknown { user_agent: false, referer: true },
        status: Some(status),
        by_gate: is_of_gate(status, flags, details, dash(upstream)),
        ..LogLine::default()
    })
}

/// X-Forwarded-For, user agent, authority and upstream of the five quoted fields, and what comes after them.
///
/// # Errors
/// If there are more: then a client wrote a quote and a space into one.
fn quoted(rest: &[u8]) -> Result<([&[u8]; 4], &[u8]), LineError> {
    let missing = LineError::Missing("a quoted field");
    let inside = rest.trim_ascii_start().strip_prefix(b"\"").ok_or(missing.clone())?;
    let end = inside.iter().rposition(|&byte| byte == b'"').ok_or(LineError::Unclosed("x-forwarded-for"))?;
    let (mut inside, after) = inside.split_at(end);
    let mut fields = Vec::with_capacity(5);
    while let Some(at) = inside.windows(3).position(|bytes| bytes == b"\" \"").filter(|_| fields.len() < 5) {
        fields.push(inside.get(..at).unwrap_or_default());
        inside = inside.get(at + 3..).unwrap_or_default();
    }
    match fields.as_slice() {
        [forwarded, user_agent, id, authority] if ![*id, authority, inside].concat().contains(&b'"') => {
            Ok(([forwarded, user_agent, authority, inside], after.get(1..).unwrap_or_default()))
        }
        [_, _, _, _, ..] => Err(LineError::Forged),
        _ => Err(missing),
    }
}
