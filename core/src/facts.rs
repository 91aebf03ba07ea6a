//! What is known of one request: borrowed bytes, never assumed to be UTF-8.

use std::net::IpAddr;

use crate::path::{PathClass, classify};
use crate::plain::plain;

/// The facts a judgement rests on. Absent text is empty.
#[derive(Clone, Copy, Debug, Default)]
pub struct RequestFacts<'a> {
    /// The client's address as Envoy resolved it, canonical (see [`canonical`]); `None` where unknown.
    pub address: Option<IpAddr>,
    /// `:method`.
    pub method: &'a [u8],
    /// `:authority`.
    pub authority: &'a [u8],
    /// `:path` without the query (see [`strip_query`]).
    pub path: &'a [u8],
    /// `user-agent`.
    pub user_agent: &'a [u8],
    /// `referer`.
    pub referer: &'a [u8],
    /// The JA4 TLS fingerprint, from a header that Envoy itself has set.
    pub ja4: &'a [u8],
    /// The configured session cookie or header.
    pub session: &'a [u8],
    /// Another value of the same cookie: which of them the site reads cannot be told.
    pub other_session: &'a [u8],
    /// Whether the door sees no answers: then what would be confirmed by them rests on requests alone.
    pub unanswered: bool,
    /// What the door cannot tell: not known is not empty, and says nothing.
    pub unknown: Unknown,
    /// What the page's script found out about the device, as text.
    pub fingerprint: &'a [u8],
    /// `None` where the headers are not known, as in most access logs: then nothing is judged from them.
    pub headers: Option<BrowserHeaders<'a>>,
}

impl RequestFacts<'_> {
    /// What is asked for, by the path and by what browsers say of it. A policy's routes may say otherwise.
    pub fn class(&self) -> PathClass {
        classify(self, &plain(self.path))
    }
}

/// Which headers a door does not see, as logs that have no column for them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Unknown {
    /// `user-agent`.
    pub user_agent: bool,
    /// `referer`.
    pub referer: bool,
}

/// The request headers that tell browsers from tools.
#[derive(Clone, Copy, Debug, Default)]
#[expect(missing_docs, reason = "each field is the header of its name")]
pub struct BrowserHeaders<'a> {
    pub accept: &'a [u8],
    pub accept_language: &'a [u8],
    pub accept_encoding: &'a [u8],
    pub sec_fetch_site: &'a [u8],
    pub sec_fetch_mode: &'a [u8],
    pub sec_fetch_dest: &'a [u8],
    pub sec_ch_ua: &'a [u8],
    pub sec_ch_ua_mobile: &'a [u8],
    pub sec_ch_ua_platform: &'a [u8],
    pub origin: &'a [u8],
    pub upgrade: &'a [u8],
    pub content_type: &'a [u8],
    /// Whether the client spoke https: browsers send Sec-Fetch-* and Sec-CH-UA only to trustworthy origins.
    pub secure: bool,
}

impl BrowserHeaders<'_> {
    /// What a browser's network stack sends by itself, a WebSocket's handshake or a report: it says little of itself there
    /// (Chromium 156 sends neither `Accept` nor `Sec-Fetch-*`).
    pub(crate) fn is_by_itself(&self) -> bool {
        self.upgrade.eq_ignore_ascii_case(b"websocket")
            || self.content_type.starts_with(b"application/reports+json")
    }
}

/// The address with an IPv4-mapped IPv6 one (`::ffff:192.0.2.1`) turned into its IPv4 form.
pub fn canonical(address: IpAddr) -> IpAddr {
    address.to_canonical()
}

/// `:path` up to the first `?` or `#`.
pub fn strip_query(path: &[u8]) -> &[u8] {
    let end = path.iter().position(|b| matches!(b, b'?' | b'#')).unwrap_or(path.len());
    path.get(..end).unwrap_or(path)
}
