//! One visitor at work: what it asks for, when, and what it says with each request.

use std::collections::HashSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::Request;
use super::dice::Dice;
use super::face::{Face, Origin, Transport};
use super::place::Place;
use super::purpose::{NamesOrigin, Purpose};
use super::scenario::Scenario;
use super::site::{Site, Trait};
use crate::replay::line::LogLine;

/// No visitor asks for more.
const MOST_REQUESTS: usize = 4_000;

/// A visitor of a site.
pub(super) struct Visit<'w> {
    pub(super) dice: Dice,
    pub(super) site: &'w Site,
    pub(super) face: Face,
    pub(super) transport: Transport,
    pub(super) address: IpAddr,
    pub(super) now_ms: u64,
    /// Whether it says where it comes from, if the site lets it.
    pub(super) sends_referer: bool,
    /// Whether pages' scripts run.
    pub(super) runs_scripts: bool,
    /// The share of cached assets that it asks about nevertheless.
    pub(super) asks_again: f64,
    /// Pages are logged when they are complete, later than what they load meanwhile.
    pub(super) pages_log_late: bool,
    /// The page that is shown: its number and address.
    pub(super) page: usize,
    pub(super) here: String,
    pub(super) out: Vec<Request>,
    pub(super) cached: HashSet<String>,
    /// The site's service worker has been installed.
    pub(super) has_worker: bool,
    scenario: Scenario,
    number: u32,
}

/// Where a visitor comes from to a page.
#[derive(Clone, Debug)]
pub(super) enum From {
    /// A link of the page that is shown.
    Link,
    /// Typed, a bookmark, a mail, an app.
    Direct,
    /// Another site.
    Elsewhere(&'static str),
    /// What it says, true or not.
    Said(String),
}

/// One request, to be told in full.
#[derive(Clone, Debug)]
pub(super) struct Ask {
    pub(super) method: &'static str,
    pub(super) target: String,
    pub(super) purpose: Purpose,
    pub(super) from: From,
    pub(super) status: u16,
    pub(super) location: String,
}

impl Ask {
    /// A GET for a document that is there.
    pub(super) fn get(target: impl Into<String>, from: From) -> Self {
        Self {
            method: "GET",
            target: target.into(),
            purpose: Purpose::Page,
            from,
            status: 200,
            location: String::new(),
        }
    }

    pub(super) fn by(self, method: &'static str) -> Self {
        Self { method, ..self }
    }

    pub(super) fn answered(self, status: u16) -> Self {
        Self { status, ..self }
    }

    pub(super) fn to(self, purpose: Purpose) -> Self {
        Self { purpose, ..self }
    }

    pub(super) fn leading_to(self, location: impl Into<String>) -> Self {
        Self { location: location.into(), ..self }
    }
}

/// Who visits, in numbers.
pub(super) struct Who {
    pub(super) scenario: Scenario,
    pub(super) number: u32,
    pub(super) start_ms: u64,
}

impl<'w> Visit<'w> {
    /// A visitor with an address of its own. Headers come over what the site has, https or http.
    pub(super) fn new(who: &Who, dice: Dice, site: &'w Site, face: Face, transport: Transport) -> Self {
        let transport = match transport {
            Transport::Log => Transport::Log,
            _ if site.has(Trait::HttpOnly) => Transport::Http,
            _ => Transport::Https,
        };
        let mut visit = Self {
            dice,
            site,
            face,
            transport,
            address: IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            now_ms: who.start_ms,
            sends_referer: true,
            runs_scripts: true,
            asks_again: 0.06,
            pages_log_late: false,
            page: 0,
            here: String::new(),
            out: Vec::new(),
            cached: HashSet::new(),
            has_worker: false,
            scenario: who.scenario,
            number: who.number,
        };
        visit.pages_log_late = visit.dice.chance(0.45);
        let by_ipv6 = visit.dice.chance(0.25);
        visit.live_at(who.number, by_ipv6);
        visit
    }

    /// Takes the address of a number, each scenario's apart from all others': of 10.0.0.0/8, or a /64 of 2001:db8::/32.
    pub(super) fn live_at(&mut self, number: u32, by_ipv6: bool) {
        let scenario = self.scenario as u16;
        let [_, high, middle, low] = number.to_be_bytes();
        self.address = if by_ipv6 || high > 0 {
            let low = u16::from_be_bytes([middle, low]);
            Ipv6Addr::new(0x2001, 0xdb8, scenario << 8 | u16::from(high), low, 0, 0, 0, 1).into()
        } else {
            Ipv4Addr::new(10, scenario as u8, middle, low).into()
        };
    }

    /// Takes another address, as who has many.
    pub(super) fn move_on(&mut self) {
        let mut segment = || self.dice.below(1 << 16) as u16;
        let (network, host) = (segment(), segment());
        let scenario = self.scenario as u16;
        self.address =
            Ipv6Addr::new(0x2001, 0xdb8, 0x8000 | scenario << 8 | network >> 8, host, 0, 0, 0, 1).into();
    }

    /// Lets a time pass that is log-normal around a median, seconds.
    pub(super) fn think(&mut self, median_s: f64, sigma: f64) {
        let seconds = self.dice.log_normal(median_s, sigma);
        self.wait(seconds);
    }

    /// Lets a time pass, seconds; at most a month.
    pub(super) fn wait(&mut self, seconds: f64) {
        self.now_ms += (seconds.clamp(0.0, 2_592_000.0) * 1000.0) as u64;
    }

    /// Sends a request now.
    pub(super) fn send(&mut self, ask: Ask) {
        self.send_at(self.now_ms, ask);
    }

    /// Sends a request at another time, Unix milliseconds.
    pub(super) fn send_at(&mut self, time_ms: u64, ask: Ask) {
        if self.out.len() >= MOST_REQUESTS {
            return;
        }
        let (referer, origin) = match &ask.from {
            From::Link if self.here.is_empty() => (String::new(), Origin::Nowhere),
            From::Link => (self.here.clone(), Origin::SameSite),
            From::Direct => (String::new(), Origin::Nowhere),
            From::Elsewhere(url) => ((*url).to_owned(), Origin::Elsewhere),
            From::Said(url) => (url.clone(), Origin::SameSite),
        };
        let sent = self.face.sent(ask.purpose);
        let is_secret = self.site.has(Trait::NoReferrer) && matches!(ask.from, From::Link);
        // From https to http no browser says where it was.
        let is_weaker = self.site.has(Trait::HttpOnly) && origin == Origin::Elsewhere;
        let tells = self.sends_referer && !is_secret && !is_weaker && sent.referer;
        let named = match sent.origin {
            _ if !self.face.names_origin(ask.purpose, origin) => String::new(),
            NamesOrigin::UnlessSecret if is_secret => "null".to_owned(),
            _ if origin == Origin::Elsewhere => origin_of(&referer).to_owned(),
            _ => self.site.origin(),
        };
        let is_page = ask.purpose == Purpose::Page;
        let logged_ms = match self.transport {
            Transport::Log if is_page && self.pages_log_late => time_ms + self.dice.below(1_800) as u64,
            _ => time_ms,
        };
        let time_ms = if self.transport == Transport::Log { logged_ms / 1000 * 1000 } else { time_ms };
        let secure = self.transport == Transport::Https;
        let mut headers = self.face.headers(self.transport, ask.purpose, origin);
        if let Some(headers) = headers.as_deref_mut() {
            headers.origin = named.into_bytes().into();
            match ask.purpose {
                Purpose::Handshake => headers.upgrade = b"websocket".into(),
                Purpose::Report => headers.content_type = b"application/reports+json".into(),
                _ => {}
            }
        }
        let line = LogLine {
            address: Some(self.address),
            time_ms,
            method: ask.method.as_bytes().into(),
            target: ask.target.into_bytes().into(),
            authority: self.site.host.clone().into_bytes().into(),
            user_agent: self.face.user_agent.as_bytes().into(),
            referer: if tells { referer.into_bytes().into() } else { b"".into() },
            ja4: if secure { self.face.ja4.as_bytes().into() } else { b"".into() },
            location: ask.location.into_bytes().into(),
            status: Some(ask.status),
            headers,
            ..LogLine::default()
        };
        let place = Place { kind: self.site.kind, traits: self.site.traits, seen: self.transport };
        self.out.push(Request {
            line,
            sec_purpose: sent.sec_purpose,
            scenario: self.scenario,
            visitor: self.number,
            place,
        });
    }
}

/// Scheme and host of an address.
fn origin_of(url: &str) -> &str {
    let host = url.find("://").map_or(0, |at| at + 3);
    url[host..].find('/').map_or(url, |end| &url[..host + end])
}
