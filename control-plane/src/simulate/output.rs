//! The traffic as a log: JSON lines that replay reads, and their labels.

use std::borrow::Cow;
use std::io::{self, Write};
use std::net::IpAddr;

use serde::Serialize;

use super::Request;
use crate::replay::decisions::timestamp;
use crate::replay::line::LoggedHeaders;

#[derive(Serialize)]
struct Row<'a> {
    ts: String,
    ip: Option<IpAddr>,
    method: Cow<'a, str>,
    path: Cow<'a, str>,
    authority: Cow<'a, str>,
    user_agent: Cow<'a, str>,
    referer: Cow<'a, str>,
    status: Option<u16>,
    #[serde(skip_serializing_if = "str::is_empty")]
    location: Cow<'a, str>,
    #[serde(skip_serializing_if = "str::is_empty")]
    ja4: Cow<'a, str>,
    #[serde(flatten)]
    headers: Option<Headers<'a>>,
    /// Not read by replay, as all that follows: a header that it does not judge, the truth about the visitor.
    #[serde(skip_serializing_if = "str::is_empty")]
    sec_purpose: &'static str,
    kind: &'static str,
    traits: &'static str,
    scenario: &'static str,
    visitor: u32,
}

#[derive(Serialize)]
struct Headers<'a> {
    scheme: &'static str,
    accept: Cow<'a, str>,
    accept_language: Cow<'a, str>,
    accept_encoding: Cow<'a, str>,
    sec_fetch_site: Cow<'a, str>,
    sec_fetch_mode: Cow<'a, str>,
    sec_fetch_dest: Cow<'a, str>,
    sec_ch_ua: Cow<'a, str>,
    sec_ch_ua_mobile: Cow<'a, str>,
    sec_ch_ua_platform: Cow<'a, str>,
    #[serde(skip_serializing_if = "str::is_empty")]
    origin: Cow<'a, str>,
    #[serde(skip_serializing_if = "str::is_empty")]
    upgrade: Cow<'a, str>,
    #[serde(rename = "http_content_type", skip_serializing_if = "str::is_empty")]
    content_type: Cow<'a, str>,
}

/// Writes a request as one line.
///
/// # Errors
/// If it cannot be written.
pub(super) fn request(out: &mut impl Write, request: &Request) -> io::Result<()> {
    let line = &request.line;
    let text = |bytes| String::from_utf8_lossy(bytes);
    let [(_, kind), (_, traits), _] = request.place.names();
    let row = Row {
        ts: timestamp(line.time_ms).to_string(),
        ip: line.address,
        method: text(&line.method),
        path: text(&line.target),
        authority: text(&line.authority),
        user_agent: text(&line.user_agent),
        referer: text(&line.referer),
        status: line.status,
        location: text(&line.location),
        ja4: text(&line.ja4),
        headers: line.headers.as_deref().map(headers),
        sec_purpose: if line.headers.is_some() { request.sec_purpose } else { "" },
        kind,
        traits,
        scenario: request.scenario.name(),
        visitor: request.visitor,
    };
    serde_json::to_writer(&mut *out, &row)?;
    out.write_all(b"\n")
}

fn headers<'a>(headers: &'a LoggedHeaders<'_>) -> Headers<'a> {
    let text = |bytes: &'a [u8]| String::from_utf8_lossy(bytes);
    Headers {
        scheme: if headers.secure { "https" } else { "http" },
        accept: text(&headers.accept),
        accept_language: text(&headers.accept_language),
        accept_encoding: text(&headers.accept_encoding),
        sec_fetch_site: text(&headers.sec_fetch_site),
        sec_fetch_mode: text(&headers.sec_fetch_mode),
        sec_fetch_dest: text(&headers.sec_fetch_dest),
        sec_ch_ua: text(&headers.sec_ch_ua),
        sec_ch_ua_mobile: text(&headers.sec_ch_ua_mobile),
        sec_ch_ua_platform: text(&headers.sec_ch_ua_platform),
        origin: text(&headers.origin),
        upgrade: text(&headers.upgrade),
        content_type: text(&headers.content_type),
    }
}

/// The first line of a file of labels.
pub(super) const LABELS: &str = "line\tlabel\n";

/// Writes the label of line `number`, from 1.
///
/// # Errors
/// If it cannot be written.
pub(super) fn label(out: &mut impl Write, number: u64, request: &Request) -> io::Result<()> {
    let label = if request.scenario.is_bot() { "bot" } else { "human" };
    writeln!(out, "{number}\t{label}")
}
