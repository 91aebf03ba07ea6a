//! The common and combined log formats of nginx and Apache; `vhost_combined` and fields after the user agent are fine too.

use std::borrow::Cow;
use std::net::IpAddr;

use super::scan::{Scan, unescape};
use super::{address, dash, request, status, time};
use crate::replay::line::{LineError, LogLine};

/// `ADDRESS IDENT USER [TIME] "REQUEST" STATUS BYTES ["REFERER" "USER AGENT" ...]`.
pub(super) fn parse(line: &[u8]) -> Result<LogLine<'_>, LineError> {
    let mut scan = Scan::new(line);
    let (authority, address) = who(scan.until_bracket("the time")?)?;
    let time_ms = time::common(scan.bracketed("the time")?).ok_or(LineError::Time)?;
    let text = scan.escaped_quote("the request")?;
    let status = status(scan.word("the status")?)?;
    let referer = scan.word("the size").and_then(|_| scan.escaped_quote("the referer"));
    let user_agent = scan.escaped_quote("the user agent");
    let request = request(unescape(text))?;
    Ok(LogLine {
        address: Some(address),
        time_ms,
        method: request.method,
        target: request.target,
        authority: if request.authority.is_empty() { Cow::Borrowed(authority) } else { request.authority },
        user_agent: closed(user_agent)?,
        referer: closed(referer)?,
        status: Some(status),
        ..LogLine::default()
    })
}

/// The virtual host, where it comes first, and the client's address.
fn who(text: &[u8]) -> Result<(&[u8], IpAddr), LineError> {
    let mut words = text.split(|&byte| byte == b' ').filter(|word| !word.is_empty());
    let first = words.next().ok_or(LineError::Missing("the client address"))?;
    if let Some(address) = address(first) {
        return Ok((b"", address));
    }
    let second = words.next().and_then(address).ok_or(LineError::Address)?;
    Ok((first, second))
}

/// A field that may be missing, but must be whole where it is there.
fn closed(field: Result<&[u8], LineError>) -> Result<Cow<'_, [u8]>, LineError> {
    match field {
        Ok(text) => Ok(unescape(dash(text))),
        Err(LineError::Missing(_)) => Ok(Cow::Borrowed(b"")),
        Err(error) => Err(error),
    }
}
