//! The log formats: how a file's format is found, and what their parsers share. Every parser is total: any bytes give
//! a line or an error.

mod combined;
mod envoy;
mod json;
mod keys;
mod scan;
mod time;

use std::borrow::Cow;
use std::net::IpAddr;

use sallyport_core::canonical;

pub(crate) use keys::KeyMap;
pub use keys::Mapping;

use super::line::{LineError, LogLine, Text};

/// A format of access logs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// nginx's and Apache's default, and the common log format, which is the same without its last two fields.
    #[value(alias = "common", alias = "nginx", alias = "apache")]
    Combined,
    /// Envoy's default text format.
    Envoy,
    /// One JSON object a line, as nginx, Envoy, Caddy and Traefik can write.
    #[value(alias = "jsonl", alias = "caddy")]
    Json,
}

impl Format {
    /// The format that fits most of the first lines of a file, or `None` if none fits any.
    pub(crate) fn detect(sample: &[u8], keys: &KeyMap) -> Option<Self> {
        let lines =
            || sample.split(|&byte| byte == b'\n').filter(|line| !line.trim_ascii().is_empty()).take(50);
        let fits = |format: &Self| lines().filter(|line| format.parse(line, keys).is_ok()).count();
        let best = [Self::Combined, Self::Envoy, Self::Json].into_iter().rev().max_by_key(fits)?;
        // JSON whose keys are not known is still JSON: each line will say which key it lacks.
        let looks_like_json = || lines().all(|line| line.trim_ascii_start().starts_with(b"{"));
        match fits(&best) {
            0 => (lines().next().is_some() && looks_like_json()).then_some(Self::Json),
            _ => Some(best),
        }
    }

    /// Reads one line without its line break.
    ///
    /// # Errors
    /// Says which field is wrong.
    pub(crate) fn parse<'a>(self, line: &'a [u8], keys: &KeyMap) -> Result<LogLine<'a>, LineError> {
        match self {
            Self::Combined => combined::parse(line),
            Self::Envoy => envoy::parse(line),
            Self::Json => json::parse(line, keys),
        }
    }
}

/// A request line, taken apart.
#[derive(Default)]
struct Request<'a> {
    method: Text<'a>,
    target: Text<'a>,
    /// From an absolute target such as a proxy gets; empty otherwise.
    authority: Text<'a>,
}

/// `METHOD TARGET [PROTOCOL]`.
fn request(text: Text<'_>) -> Result<Request<'_>, LineError> {
    let space = text.iter().position(|&byte| byte == b' ').ok_or(LineError::Request)?;
    let method = text.get(..space).unwrap_or_default();
    let of_a_method = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_".contains(byte);
    if !method.first().is_some_and(u8::is_ascii_alphabetic) || !method.iter().all(of_a_method) {
        return Err(LineError::Request);
    }
    let after = text.get(space + 1..).unwrap_or_default();
    let end = match after.iter().rposition(|&byte| byte == b' ') {
        Some(at) if after.get(at + 1..).is_some_and(|protocol| protocol.starts_with(b"HTTP/")) => at,
        _ => after.len(),
    };
    if end == 0 || after.starts_with(b"HTTP/") {
        return Err(LineError::Request);
    }
    let (authority, target) = absolute(slice(&text, space + 1..space + 1 + end));
    Ok(Request { method: slice(&text, 0..space), target, authority })
}

/// Authority and path of a target: only a request to a proxy names an authority, `http://host/path`.
fn absolute(target: Text<'_>) -> (Text<'_>, Text<'_>) {
    let scheme = [b"http://".as_slice(), b"https://"]
        .into_iter()
        .find(|scheme| target.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme)));
    let Some(start) = scheme.map(<[u8]>::len) else { return (Cow::Borrowed(b""), target) };
    let rest = target.get(start..).unwrap_or_default();
    let authority_len = rest.iter().position(|byte| b"/?".contains(byte)).unwrap_or(rest.len());
    let path = slice(&target, start + authority_len..target.len());
    (slice(&target, start..start + authority_len), if path.is_empty() { Cow::Borrowed(b"/") } else { path })
}

/// A part of a text, borrowed where the text is.
fn slice<'a>(text: &Text<'a>, range: std::ops::Range<usize>) -> Text<'a> {
    match text {
        Cow::Borrowed(bytes) => Cow::Borrowed(bytes.get(range).unwrap_or_default()),
        Cow::Owned(bytes) => Cow::Owned(bytes.get(range).unwrap_or_default().to_vec()),
    }
}

/// An address, with or without port, brackets or an IPv4 mapping.
fn address(text: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(text).ok()?;
    let bare =
        text.strip_prefix('[').and_then(|rest| rest.split_once(']')).map_or(text, |(inside, _)| inside);
    let parsed = bare.parse::<IpAddr>().ok().or_else(|| {
        bare.rsplit_once(':').and_then(|(host, _)| host.parse::<std::net::Ipv4Addr>().ok()).map(IpAddr::V4)
    });
    parsed.map(canonical)
}

/// A status of three digits.
fn status(text: &[u8]) -> Result<u16, LineError> {
    match text {
        [first @ b'1'..=b'9', second @ b'0'..=b'9', third @ b'0'..=b'9'] => {
            let digit = |byte: u8| u16::from(byte - b'0');
            Ok(digit(*first) * 100 + digit(*second) * 10 + digit(*third))
        }
        // A connection that ended before an answer: nginx and Envoy write these.
        b"0" | b"000" | b"-" => Ok(0),
        _ => Err(LineError::Status),
    }
}

/// A `-` alone stands for nothing.
fn dash(text: &[u8]) -> &[u8] {
    if text == b"-" { b"" } else { text }
}

#[cfg(test)]
mod tests;
