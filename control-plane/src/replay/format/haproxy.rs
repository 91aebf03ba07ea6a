//! HAProxy's HTTP log (`option httplog`).

use std::borrow::Cow;

use sallyport_core::Unknown;

use super::client::{Way, without_port};
use super::keys::{Field, KeyMap};
use super::scan::{Scan, unhash};
use super::{dash, request, status, time};
use crate::replay::line::{LineError, LogLine, Text};

/// `CLIENT:PORT [TIME] FRONTEND BACKEND/SERVER TIMERS STATUS BYTES COOKIE COOKIE STATE CONNECTIONS QUEUES [{REQUEST HEADERS}
/// [{RESPONSE HEADERS}]] "REQUEST"`. Which headers are captured only the operator knows: `--map user_agent=capture.2`.
pub(super) fn parse<'a>(
    line: &'a [u8],
    keys: &KeyMap,
    trusted_hops: usize,
) -> Result<LogLine<'a>, LineError> {
    let mut scan = Scan::new(line);
    let peer = without_port(scan.word("the client address")?);
    let time_ms = time::local(scan.bracketed("the time")?).ok_or(LineError::Time)?;
    for field in ["the frontend", "the backend", "the timers"] {
        scan.word(field)?;
    }
    let status = match scan.word("the status")? {
        b"-1" => 0,
        text => status(text)?,
    };
    for field in
        ["the size", "a request cookie", "a response cookie", "the state", "the connections", "the queues"]
    {
        scan.word(field)?;
    }
    let mut captured = Captured::default();
    let mut is_first = true;
    while scan.rest().trim_ascii_start().starts_with(b"{") {
        let text = scan.braced("the captured headers")?;
        if std::mem::take(&mut is_first) {
            captured.take(text, keys);
        }
    }
    let forwarded = captured.forwarded.unwrap_or_default();
    let client = Way { forwarded: &forwarded, peer }.client(trusted_hops)?;
    let request = request(unhash(scan.escaped_quote("the request")?))?;
    Ok(LogLine {
        address: client.address,
        time_ms,
        method: request.method,
        target: request.target,
        authority: captured.authority.filter(|_| request.authority.is_empty()).unwrap_or(request.authority),
        unknown: Unknown { user_agent: captured.user_agent.is_none(), referer: captured.referer.is_none() },
        user_agent: captured.user_agent.unwrap_or_default(),
        referer: captured.referer.unwrap_or_default(),
        status: Some(status),
        ..LogLine::default()
    })
}

/// The captured request headers that the operator has named.
#[derive(Default)]
struct Captured<'a> {
    user_agent: Option<Text<'a>>,
    referer: Option<Text<'a>>,
    authority: Option<Text<'a>>,
    forwarded: Option<Text<'a>>,
}

impl<'a> Captured<'a> {
    fn take(&mut self, text: &'a [u8], keys: &KeyMap) {
        for (value, number) in text.split(|&byte| byte == b'|').zip(1..=16) {
            let place = match keys.get(&format!("capture.{number}")) {
                Some((Field::UserAgent, _)) => &mut self.user_agent,
                Some((Field::Referer, _)) => &mut self.referer,
                Some((Field::Authority, _)) => &mut self.authority,
                Some((Field::ForwardedFor, _)) => &mut self.forwarded,
                _ => continue,
            };
            *place = Some(Cow::Owned(dash(&unhash(value)).to_vec()));
        }
    }
}
