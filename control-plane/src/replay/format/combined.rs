//! The common and combined log formats of nginx and Apache; `vhost_combined`, times as in ISO 8601, a list of addresses or a host
//! name for the client, and fields after the user agent are fine too.

use std::borrow::Cow;

use sallyport_core::Unknown;

use super::client::{Way, address};
use super::scan::{Scan, unescape};
use super::{dash, request, status, time};
use crate::replay::line::{LineError, LogLine};

/// `ADDRESS IDENT USER [TIME] "REQUEST" STATUS BYTES ["REFERER" "USER AGENT" ["X-FORWARDED-FOR"] ...]`.
pub(super) fn parse(line: &[u8], trusted_hops: usize) -> Result<LogLine<'_>, LineError> {
    let mut scan = Scan::new(line);
    let (who, time_ms) = scan.until_time(|text| time::common(text).or_else(|| time::rfc3339(text)))?;
    let (authority, mut way) = way(who)?;
    let text = scan.escaped_quote("the request")?;
    let status = status(scan.word("the status")?)?;
    let referer = optional(scan.word("the size").and_then(|_| scan.escaped_quote("the referer")))?;
    let user_agent = optional(scan.escaped_quote("the user agent"))?;
    if trusted_hops > 0 && way.forwarded.is_empty() {
        way.forwarded = optional(scan.escaped_quote("x-forwarded-for"))?.unwrap_or_default();
    }
    let client = way.client(trusted_hops)?;
    let request = request(unescape(text))?;
    Ok(LogLine {
        address: client.address,
        by_name: client.by_name,
        time_ms,
        method: request.method,
        target: request.target,
        authority: if request.authority.is_empty() { Cow::Borrowed(authority) } else { request.authority },
        user_agent: unescape(dash(user_agent.unwrap_or_default())),
        referer: unescape(dash(referer.unwrap_or_default())),
        unknown: Unknown { user_agent: user_agent.is_none(), referer: referer.is_none() },
        status: Some(status),
        ..LogLine::default()
    })
}

/// The virtual host, where it comes first, and how the request came.
fn way(text: &[u8]) -> Result<(&[u8], Way<'_>), LineError> {
    let (first, rest) = list(text);
    let (second, after) = list(rest);
    let last = second.rsplit(|&byte| byte == b',').next().unwrap_or_default();
    let is_host_first = !first.contains(&b',') && address(last.trim_ascii()).is_some();
    let (host, entries, rest) =
        if is_host_first { (first, second, after) } else { (b"".as_slice(), first, rest) };
    if entries.is_empty() {
        return Err(LineError::Missing("the client address"));
    }
    // What looks like the end of a list after its end: a client wrote spaces into the list.
    let ends = |at: usize| {
        let next = rest.get(at + 2..).unwrap_or_default();
        address(next.split(|&byte| byte == b' ').next().unwrap_or_default()).is_some()
    };
    let mut commas = rest.windows(2).enumerate().filter(|(_, pair)| pair == b", ");
    if commas.any(|(at, _)| ends(at)) {
        return Err(LineError::Forged);
    }
    let way = match entries.contains(&b',') {
        true => Way { forwarded: entries, peer: b"" },
        false => Way { forwarded: b"", peer: entries },
    };
    Ok((host, way))
}

/// Words up to one that no comma ends, and what comes after them.
fn list(text: &[u8]) -> (&[u8], &[u8]) {
    let text = text.trim_ascii();
    let ends = |at: &usize| text.get(*at) == Some(&b' ') && text.get(at.wrapping_sub(1)) != Some(&b',');
    text.split_at((0..text.len()).find(ends).unwrap_or(text.len()))
}

/// A field that may be missing, but must be whole where it is there.
fn optional(field: Result<&[u8], LineError>) -> Result<Option<&[u8]>, LineError> {
    match field {
        Ok(text) => Ok(Some(text)),
        Err(LineError::Missing(_)) => Ok(None),
        Err(error) => Err(error),
    }
}
