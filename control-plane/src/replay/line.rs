//! One line of an access log, whatever format it was written in, and what can be wrong with it.

use std::borrow::Cow;
use std::net::IpAddr;

use sallyport_core::{BrowserHeaders, RequestFacts, Unknown, strip_query};

/// A field of a log line: borrowed where the log has it verbatim, owned where an escape was undone.
pub(crate) type Text<'a> = Cow<'a, [u8]>;

/// What a log line says about one request. Fields the format does not carry are empty; of the two that tell most, `unknown` says
/// whether it has a place for them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct LogLine<'a> {
    /// The client's address; `None` where the format carries none.
    pub(crate) address: Option<IpAddr>,
    /// When the request was logged, Unix milliseconds.
    pub(crate) time_ms: u64,
    /// The method, such as `GET`.
    pub(crate) method: Text<'a>,
    /// Whether the log names the client's host instead: then the address is made of the name.
    pub(crate) by_name: bool,
    /// Path and query.
    pub(crate) target: Text<'a>,
    /// Host name asked for.
    pub(crate) authority: Text<'a>,
    /// `User-Agent` header.
    pub(crate) user_agent: Text<'a>,
    /// `Referer` header.
    pub(crate) referer: Text<'a>,
    /// What the format has no place for, so that empty text says nothing.
    pub(crate) unknown: Unknown,
    /// JA4 fingerprint of the TLS hello.
    pub ja4: Text<'a>,
    /// `Location` header of the answer.
    pub(crate) location: Text<'a>,
    /// Status of the answer.
    pub(crate) status: Option<u16>,
    /// Whether a gate before the site gave the answer, as Sallyport does where it refuses.
    pub(crate) by_gate: bool,
    /// The headers that tell browsers from tools, where the log carries any of them.
    pub(crate) headers: Option<Box<LoggedHeaders<'a>>>,
}

/// The logged values of the headers that tell browsers from tools.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct LoggedHeaders<'a> {
    /// `Accept`.
    pub(crate) accept: Text<'a>,
    /// `Accept-Language`.
    pub(crate) accept_language: Text<'a>,
    /// `Accept-Encoding`.
    pub(crate) accept_encoding: Text<'a>,
    /// `Sec-Fetch-Site`.
    pub(crate) sec_fetch_site: Text<'a>,
    /// `Sec-Fetch-Mode`.
    pub(crate) sec_fetch_mode: Text<'a>,
    /// `Sec-Fetch-Dest`.
    pub(crate) sec_fetch_dest: Text<'a>,
    /// `Sec-CH-UA`.
    pub(crate) sec_ch_ua: Text<'a>,
    /// `Sec-CH-UA-Mobile`.
    pub(crate) sec_ch_ua_mobile: Text<'a>,
    /// `Sec-CH-UA-Platform`.
    pub(crate) sec_ch_ua_platform: Text<'a>,
    /// `Origin`.
    pub(crate) origin: Text<'a>,
    /// `Upgrade`.
    pub(crate) upgrade: Text<'a>,
    /// `Content-Type` of the request.
    pub(crate) content_type: Text<'a>,
    /// Whether the request came over TLS.
    pub(crate) secure: bool,
}

impl LogLine<'_> {
    /// The path without query, as core judges it.
    pub(crate) fn path(&self) -> &[u8] {
        strip_query(&self.target)
    }

    /// The facts core judges. Headers the log does not carry stay unknown, so nothing is concluded from them.
    pub(crate) fn facts(&self) -> RequestFacts<'_> {
        RequestFacts {
            address: self.address,
            method: &self.method,
            authority: &self.authority,
            path: self.path(),
            user_agent: &self.user_agent,
            referer: &self.referer,
            ja4: &self.ja4,
            session: b"",
            other_session: b"",
            unanswered: false,
            unknown: self.unknown,
            fingerprint: b"",
            headers: self.headers.as_deref().map(LoggedHeaders::borrow),
        }
    }
}

impl LoggedHeaders<'_> {
    fn borrow(&self) -> BrowserHeaders<'_> {
        BrowserHeaders {
            accept: &self.accept,
            accept_language: &self.accept_language,
            accept_encoding: &self.accept_encoding,
            sec_fetch_site: &self.sec_fetch_site,
            sec_fetch_mode: &self.sec_fetch_mode,
            sec_fetch_dest: &self.sec_fetch_dest,
            sec_ch_ua: &self.sec_ch_ua,
            sec_ch_ua_mobile: &self.sec_ch_ua_mobile,
            sec_ch_ua_platform: &self.sec_ch_ua_platform,
            origin: &self.origin,
            upgrade: &self.upgrade,
            content_type: &self.content_type,
            secure: self.secure,
        }
    }
}

/// Why a line could not be judged.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum LineError {
    /// Longer than the reader's bound.
    #[error("longer than {} KiB", super::input::MAX_LINE / 1024)]
    TooLong,
    /// A field the format promises is not there.
    #[error("{0} is missing")]
    Missing(&'static str),
    /// A quoted or bracketed field never ends.
    #[error("{0} has no end")]
    Unclosed(&'static str),
    /// A client wrote what ends a field, so that the fields after it cannot be told from its own text.
    #[error("a client wrote what ends a field: whose word the rest is cannot be told")]
    Forged,
    /// The log does not say which column is which.
    #[error("no `#Fields:` line before it says what the columns are")]
    Columns,
    /// The time is in none of the known forms.
    #[error("the time is not `15/Dec/2018:10:18:31 +0000`, RFC 3339, or seconds or milliseconds since 1970")]
    Time,
    /// The client is not an IP address, nor a host name where the log may have one.
    #[error("the client is neither an IP address nor a host name")]
    Address,
    /// The request line is not one: a scan with another protocol, or a connection without a request.
    #[error("not an HTTP request")]
    Request,
    /// The status is not a number of three digits.
    #[error("the status is not a number from 100 to 999")]
    Status,
    /// Not a JSON object.
    #[error("not a JSON object: {0}")]
    Json(String),
    /// A mapped JSON key holds something else than text or a number.
    #[error("`{0}` is neither text nor a number")]
    JsonType(String),
}
