//! The access log of nginx-proxy-manager, escaped as nginx does.

use std::borrow::Cow;

use super::client::Way;
use super::scan::{Scan, unescape};
use super::{absolute, dash, status, time};
use crate::replay::line::{LineError, LogLine};

/// `[TIME] [CACHE UPSTREAM_STATUS] STATUS - METHOD SCHEME HOST "PATH" [Client ADDRESS] [Length N] [Gzip N] [Sent-to SERVER]
/// "USER AGENT" "REFERER"`.
pub(super) fn parse(line: &[u8], trusted_hops: usize) -> Result<LogLine<'_>, LineError> {
    let mut scan = Scan::new(line);
    let time_ms = time::common(scan.bracketed("the time")?).ok_or(LineError::Time)?;
    let words = scan.until_quote("the path")?;
    let mut words = words.rsplit(|&byte| byte == b' ').filter(|word| !word.is_empty());
    let mut word = |what| words.next().ok_or(LineError::Missing(what));
    let (host, _scheme, method) = (word("the host")?, word("the scheme")?, word("the method")?);
    if word("the status")? != b"-" {
        return Err(LineError::Missing("the status"));
    }
    let status = status(word("the status")?)?;
    let path = scan.escaped_quote("the path")?;
    let peer = scan.bracketed("the client address")?;
    let peer = peer.strip_prefix(b"Client ").ok_or(LineError::Missing("the client address"))?;
    while scan.rest().trim_ascii_start().starts_with(b"[") {
        scan.bracketed("a field")?;
    }
    let user_agent = scan.escaped_quote("the user agent")?;
    let referer = scan.escaped_quote("the referer")?;
    let client = Way { forwarded: b"", peer }.client(trusted_hops)?;
    if dash(path).is_empty() || dash(method).is_empty() {
        return Err(LineError::Request);
    }
    let (authority, target) = absolute(unescape(path));
    Ok(LogLine {
        address: client.address,
        time_ms,
        method: Cow::Borrowed(method),
        target,
        authority: if authority.is_empty() { Cow::Borrowed(dash(host)) } else { authority },
        user_agent: unescape(dash(user_agent)),
        referer: unescape(dash(referer)),
        status: Some(status),
        ..LogLine::default()
    })
}
