//! The log formats: how a file's format is found, and what their parsers share. Every parser is total: any bytes give
//! a line or an error.

mod aws;
mod client;
mod combined;
mod envoy;
mod haproxy;
mod json;
mod keys;
mod prefix;
mod proxy_manager;
mod scan;
mod time;
mod w3c;

use std::borrow::Cow;

use sallyport_core::Unknown;

pub(crate) use keys::KeyMap;
pub use keys::Mapping;

use super::line::{LineError, LogLine, Text};

/// A format of access logs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// nginx's and Apache's default, and the common log format, which is the same without its last two fields.
    #[value(alias = "common", alias = "nginx", alias = "apache")]
    Combined,
    /// Envoy's default text format, and Istio's.
    #[value(alias = "istio")]
    Envoy,
    /// One JSON object a line, as nginx, Envoy, Caddy, Traefik, GitLab and Nextcloud write.
    #[value(alias = "jsonl", alias = "caddy")]
    Json,
    /// The W3C extended format of IIS and CloudFront, with its `#Fields:`.
    #[value(alias = "iis", alias = "cloudfront")]
    W3c,
    /// Amazon's load balancers, application and classic.
    #[value(alias = "alb", alias = "elb")]
    Aws,
    /// HAProxy's HTTP log.
    Haproxy,
    /// nginx-proxy-manager.
    #[value(alias = "npm")]
    NginxProxyManager,
}

impl Format {
    /// All of them; of two that fit as many lines the first is taken.
    const ALL: [Self; 7] = [
        Self::Combined,
        Self::Envoy,
        Self::Json,
        Self::W3c,
        Self::Aws,
        Self::Haproxy,
        Self::NginxProxyManager,
    ];

    /// The format that fits most of the first lines of a file, or `None` if none fits any. A line that is one of the format but
    /// for its request, as of a scan by another protocol, fits.
    pub(crate) fn detect(sample: &[u8], keys: &KeyMap) -> Option<Self> {
        let lines = || {
            sample
                .split(|&byte| byte == b'\n')
                .map(|line| line.strip_suffix(b"\r").unwrap_or(line))
                .filter(|line| !line.trim_ascii().is_empty())
                .take(SAMPLE_LINES)
        };
        let fits = |format: &Self| {
            let mut parser = Parser::new(*format, keys, 0);
            lines().filter(|line| matches!(parser.parse(line), Ok(Some(_)) | Err(LineError::Request))).count()
        };
        let (best, count) = Self::ALL
            .into_iter()
            .rev()
            .map(|format| (format, fits(&format)))
            .max_by_key(|(_, fits)| *fits)?;
        // JSON whose keys are not known is still JSON: each line will say which key it lacks.
        let looks_like_json = || lines().all(|line| prefix::strip(line).trim_ascii_start().starts_with(b"{"));
        match count {
            0 => (lines().next().is_some() && looks_like_json()).then_some(Self::Json),
            _ => Some(best),
        }
    }
}

/// How many lines the format is found from.
pub(crate) const SAMPLE_LINES: usize = 200;

/// Reads the lines of one file.
pub(crate) struct Parser<'k> {
    format: Format,
    keys: &'k KeyMap,
    trusted_hops: usize,
    columns: w3c::Columns,
    /// What no line had a key for so far: some writers leave out keys without a value.
    never_seen: Unknown,
}

impl<'k> Parser<'k> {
    /// A parser; the client is the address before this many trusted proxies.
    pub(crate) fn new(format: Format, keys: &'k KeyMap, trusted_hops: usize) -> Self {
        let never_seen = Unknown { user_agent: true, referer: true };
        Self { format, keys, trusted_hops, columns: w3c::Columns::default(), never_seen }
    }

    /// Reads one line without its line break; `None` for one that only says how to read those after it.
    ///
    /// # Errors
    /// Says which field is wrong.
    pub(crate) fn parse<'a>(&mut self, line: &'a [u8]) -> Result<Option<LogLine<'a>>, LineError> {
        let (line, hops) = (prefix::strip(line), self.trusted_hops);
        let parsed = match self.format {
            Format::Combined => combined::parse(line, hops),
            Format::Envoy => envoy::parse(line, hops),
            Format::Json => json::parse(line, self.keys, hops).map(|line| self.of_known_keys(line)),
            Format::W3c if self.columns.directive(line) => return Ok(None),
            Format::W3c => self.columns.parse(line, hops),
            Format::Aws => aws::parse(line, hops),
            Format::Haproxy => haproxy::parse(line, self.keys, hops),
            Format::NginxProxyManager => proxy_manager::parse(line, hops),
        };
        parsed.map(Some)
    }

    /// A key that another line had is empty where it is not there.
    fn of_known_keys<'a>(&mut self, mut line: LogLine<'a>) -> LogLine<'a> {
        self.never_seen.user_agent &= line.unknown.user_agent;
        self.never_seen.referer &= line.unknown.referer;
        line.unknown = self.never_seen;
        line
    }
}

/// Whether a gate before the site gave an answer: one of those that Sallyport gives, without an upstream and without a flag or a
/// detail of Envoy's own reasons.
fn is_of_gate(status: u16, flags: &[u8], details: &[u8], upstream: &[u8]) -> bool {
    matches!(status, 403 | 429 | 503) && dash(flags).is_empty() && details.is_empty() && upstream.is_empty()
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
