//! Envoy's default text access log.

use std::borrow::Cow;
use std::net::IpAddr;

use super::scan::Scan;
use super::{address, dash, request, status, time};
use crate::replay::line::{LineError, LogLine};

/// `[TIME] "METHOD PATH PROTOCOL" STATUS FLAGS RECEIVED SENT DURATION UPSTREAM_TIME "X-FORWARDED-FOR" "USER AGENT"
/// "REQUEST ID" "AUTHORITY" "UPSTREAM"`.
pub(super) fn parse(line: &[u8]) -> Result<LogLine<'_>, LineError> {
    let mut scan = Scan::new(line);
    let time_ms = time::rfc3339(scan.bracketed("the time")?).ok_or(LineError::Time)?;
    let text = scan.plain_quote("the request")?;
    let status = status(scan.word("the status")?)?;
    for field in
        ["the response flags", "the bytes received", "the bytes sent", "the duration", "the upstream time"]
    {
        scan.word(field)?;
    }
    let forwarded = scan.plain_quote("x-forwarded-for")?;
    let user_agent = scan.plain_quote("the user agent")?;
    scan.plain_quote("the request id")?;
    let authority = scan.plain_quote("the authority")?;
    let request = request(Cow::Borrowed(text))?;
    Ok(LogLine {
        address: nearest(dash(forwarded))?,
        time_ms,
        method: request.method,
        target: request.target,
        authority: Cow::Borrowed(dash(authority)),
        user_agent: Cow::Borrowed(dash(user_agent)),
        status: Some(status),
        ..LogLine::default()
    })
}

/// The last entry of X-Forwarded-For is the peer Envoy itself added; those before it are the client's word.
/// `None` where Envoy does not use the header.
pub(super) fn nearest(forwarded: &[u8]) -> Result<Option<IpAddr>, LineError> {
    match forwarded.rsplit(|&byte| byte == b',').next().map(<[u8]>::trim_ascii) {
        None | Some(b"") => Ok(None),
        Some(entry) => address(entry).map(Some).ok_or(LineError::Address),
    }
}
