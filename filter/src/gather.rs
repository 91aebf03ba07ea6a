//! From the header map and `source.address` to the facts a judgement rests on, in one pass and without copying.

use std::net::{IpAddr, Ipv6Addr};

use sallyport_core::{BrowserHeaders, RequestFacts, canonical, strip_query};

use crate::header;

/// What the configuration says about where to look.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    /// The request header that holds the client's address, lower case; empty for Envoy's `source.address`, which
    /// costs a call. Envoy must overwrite it on every request, as it does with `x-envoy-external-address` under
    /// `use_remote_address` without `internal_address_config`.
    pub address_header: String,
    /// The request header that holds the JA4 fingerprint, lower case; empty for none. Envoy must overwrite it
    /// on every request, or clients choose their own fingerprint.
    pub ja4_header: String,
    /// The cookie that names the session; empty for none. One counts once the site has issued it.
    pub session_cookie: String,
    /// In the cookie's place, the request header that names the session, lower case; empty for none.
    pub session_header: String,
    /// The response header by which the origin tells, with the answer to a login, which account was tried, lower case;
    /// empty for none. It is taken away from every answer.
    pub account_header: String,
    /// The request header that holds the request's time, in Unix milliseconds; empty for none. Only for sending a
    /// log through Envoy faster than it happened: whoever can send it chooses when they came.
    pub time_header: String,
}

/// The facts, and what acting on them needs.
#[derive(Clone, Copy, Debug, Default)]
pub struct Gathered<'a> {
    /// For the judge.
    pub facts: RequestFacts<'a>,
    /// `x-request-id`; empty where there is none.
    pub request_id: &'a [u8],
    /// When the request came, where a header says so: Unix milliseconds.
    pub time_ms: Option<u64>,
    /// The client sent an `x-sallyport` of its own.
    pub spoofed: bool,
    /// The client sent a header that some sites take for it.
    pub lookalike: bool,
}

impl Gathered<'_> {
    /// Whether a person looks at the answer: a GET or HEAD that navigates, or, where `Sec-Fetch-Mode` is absent,
    /// one that accepts HTML.
    pub fn is_navigation(&self) -> bool {
        let headers = self.facts.headers.unwrap_or_default();
        matches!(self.facts.method, b"GET" | b"HEAD")
            && contains(headers.accept, b"text/html")
            && matches!(headers.sec_fetch_mode, b"" | b"navigate")
    }
}

/// Reads the facts. Of repeated headers the first counts; what is absent is empty.
pub fn gather<'a>(
    headers: &'a [(String, Vec<u8>)],
    source: Option<&[u8]>,
    sources: &Sources,
) -> Gathered<'a> {
    let mut gathered = Gathered::default();
    let facts = &mut gathered.facts;
    let mut browser = BrowserHeaders::default();
    let (mut scheme, mut forwarded_proto): (&[u8], &[u8]) = (b"", b"");
    for (name, value) in headers.iter().rev() {
        let value = value.as_slice();
        match name.as_str() {
            ":method" => facts.method = value,
            ":authority" => facts.authority = value,
            ":path" => facts.path = strip_query(value),
            ":scheme" => scheme = value,
            "accept" => browser.accept = value,
            "accept-encoding" => browser.accept_encoding = value,
            "accept-language" => browser.accept_language = value,
            "content-type" => browser.content_type = value,
            "cookie" if !sources.session_cookie.is_empty() => {
                // Which of several the site reads cannot be told: the first two count.
                for session in cookies(value, sources.session_cookie.as_bytes()) {
                    if facts.session != session {
                        facts.other_session = facts.session;
                        facts.session = session;
                    }
                }
            }
            "origin" => browser.origin = value,
            "referer" => facts.referer = value,
            "sec-ch-ua" => browser.sec_ch_ua = value,
            "sec-ch-ua-mobile" => browser.sec_ch_ua_mobile = value,
            "sec-ch-ua-platform" => browser.sec_ch_ua_platform = value,
            "sec-fetch-dest" => browser.sec_fetch_dest = value,
            "sec-fetch-mode" => browser.sec_fetch_mode = value,
            "sec-fetch-site" => browser.sec_fetch_site = value,
            "upgrade" => browser.upgrade = value,
            "user-agent" => facts.user_agent = value,
            "x-forwarded-proto" => forwarded_proto = value,
            "x-request-id" => gathered.request_id = value,
            header::NAME => gathered.spoofed = true,
            header::LOOKALIKE => gathered.lookalike = true,
            other if other == sources.address_header => facts.address = parse_address_alone(value),
            other if other == sources.ja4_header => facts.ja4 = value,
            other if other == sources.session_header => facts.session = value.trim_ascii(),
            other if other == sources.time_header => gathered.time_ms = parse_ms(value),
            _ => {}
        }
    }
    browser.secure = if forwarded_proto.is_empty() { scheme } else { forwarded_proto } == b"https";
    facts.headers = Some(browser);
    if sources.address_header.is_empty() {
        facts.address = source.and_then(parse_address);
    }
    gathered
}

/// A header's address: `1.2.3.4` or `2001:db8::1`.
fn parse_address_alone(value: &[u8]) -> Option<IpAddr> {
    std::str::from_utf8(value).ok()?.parse().ok().map(canonical)
}

/// The address in `1.2.3.4:56` or `[2001:db8::1%scope]:56`, canonical. `None` for pipes and all else.
pub fn parse_address(source: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(source).ok()?;
    let (host, port) = text.rsplit_once(':')?;
    port.parse::<u16>().ok()?;
    let address = match host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        Some(inner) => {
            let unscoped = inner.split_once('%').map_or(inner, |(address, _)| address);
            IpAddr::V6(unscoped.parse::<Ipv6Addr>().ok()?)
        }
        None => IpAddr::V4(host.parse().ok()?),
    };
    Some(canonical(address))
}

fn parse_ms(value: &[u8]) -> Option<u64> {
    std::str::from_utf8(value).ok()?.parse().ok()
}

/// The values of a cookie in a `cookie` header, last first.
fn cookies<'a>(header: &'a [u8], name: &[u8]) -> impl Iterator<Item = &'a [u8]> {
    header.rsplit(|byte| *byte == b';').filter_map(move |pair| value_of(pair.trim_ascii(), name))
}

/// The value in `name=value`, where it is this name and there is one.
pub fn value_of<'a>(pair: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    pair.strip_prefix(name)?.strip_prefix(b"=").filter(|value| !value.is_empty())
}

/// In the first 1,024 bytes: a longer header is not longer work.
fn contains(text: &[u8], part: &[u8]) -> bool {
    let text = text.get(..1024).unwrap_or(text);
    text.windows(part.len()).any(|window| window == part)
}
