//! The access logs of Amazon's load balancers, application and classic.

use sallyport_core::Unknown;

use super::client::{Way, without_port};
use super::scan::{Scan, unescape};
use super::{dash, request, status, time};
use crate::replay::line::{LineError, LogLine};

/// `[TYPE] TIME BALANCER CLIENT:PORT TARGET:PORT T T T STATUS TARGET_STATUS RECEIVED SENT "REQUEST" "USER AGENT" CIPHER ...`.
pub(super) fn parse(line: &[u8], trusted_hops: usize) -> Result<LogLine<'_>, LineError> {
    let mut scan = Scan::new(line);
    let first = scan.word("the time")?;
    let is_typed = matches!(first, b"http" | b"https" | b"h2" | b"grpcs" | b"ws" | b"wss");
    let time = if is_typed { scan.word("the time")? } else { first };
    let time_ms = time::rfc3339(time).ok_or(LineError::Time)?;
    scan.word("the balancer")?;
    let peer = without_port(scan.word("the client address")?);
    for field in ["the target", "a time", "a time", "a time"] {
        scan.word(field)?;
    }
    let status = status(scan.word("the status")?)?;
    for field in ["the target's status", "the bytes received", "the bytes sent"] {
        scan.word(field)?;
    }
    let text = scan.escaped_quote("the request")?;
    let user_agent = scan.escaped_quote("the user agent")?;
    if scan.word("the cipher")?.starts_with(b"\"") {
        return Err(LineError::Forged);
    }
    let client = Way { forwarded: b"", peer }.client(trusted_hops)?;
    let request = request(unescape(text))?;
    Ok(LogLine {
        address: client.address,
        time_ms,
        method: request.method,
        target: request.target,
        authority: request.authority,
        user_agent: unescape(dash(user_agent)),
        unknown: Unknown { user_agent: false, referer: true },
        status: Some(status),
        ..LogLine::default()
    })
}
