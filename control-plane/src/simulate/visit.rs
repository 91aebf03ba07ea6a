//! One visitor at work: what it asks for, when, and what it says with each request.

use std::collections::HashSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::Request;
use super::dice::Dice;
use super::face::{Face, Origin, Purpose, Transport};
use super::scenario::Scenario;
use super::site::{Asset, Site};
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
    /// Whether it says where it comes from.
    pub(super) sends_referer: bool,
    /// Pages are logged when they are complete, later than what they load meanwhile.
    pub(super) pages_log_late: bool,
    /// The page that is shown: its number and address.
    pub(super) page: usize,
    pub(super) here: String,
    pub(super) out: Vec<Request>,
    cached: HashSet<String>,
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
    /// A visitor with an address of its own.
    pub(super) fn new(who: &Who, dice: Dice, site: &'w Site, face: Face, transport: Transport) -> Self {
        let mut visit = Self {
            dice,
            site,
            face,
            transport,
            address: IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            now_ms: who.start_ms,
            sends_referer: true,
            pages_log_late: false,
            page: 0,
            here: String::new(),
            out: Vec::new(),
            cached: HashSet::new(),
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
        let (referer, origin) = match ask.from {
            From::Link if self.here.is_empty() => (String::new(), Origin::Nowhere),
            From::Link => (self.here.clone(), Origin::SameSite),
            From::Direct => (String::new(), Origin::Nowhere),
            From::Elsewhere(url) => (url.to_owned(), Origin::Elsewhere),
            From::Said(url) => (url, Origin::SameSite),
        };
        let is_page = ask.purpose == Purpose::Page;
        let logged_ms = match self.transport {
            Transport::Log if is_page && self.pages_log_late => time_ms + self.dice.below(1_800) as u64,
            _ => time_ms,
        };
        let time_ms = if self.transport == Transport::Log { logged_ms / 1000 * 1000 } else { time_ms };
        let secure = self.transport == Transport::Https;
        let line = LogLine {
            address: Some(self.address),
            time_ms,
            method: ask.method.as_bytes().into(),
            target: ask.target.into_bytes().into(),
            authority: self.site.host.clone().into_bytes().into(),
            user_agent: self.face.user_agent.as_bytes().into(),
            referer: if self.sends_referer { referer.into_bytes().into() } else { b"".into() },
            ja4: if secure { self.face.ja4.as_bytes().into() } else { b"".into() },
            location: ask.location.into_bytes().into(),
            status: Some(ask.status),
            headers: self.face.headers(self.transport, ask.purpose, origin),
        };
        self.out.push(Request { line, scenario: self.scenario, visitor: self.number });
    }

    /// Goes to a page and shows it; where its address moved, by way of the redirect.
    pub(super) fn open(&mut self, page: usize, from: From) {
        let path = self.site.pages[page].path.clone();
        if self.site.redirects && page == 0 && self.here.is_empty() && self.dice.chance(0.5) {
            let moved = Ask::get(path.clone(), from.clone()).answered(301).leading_to(self.site.url(&path));
            self.send(moved);
            let delay = self.dice.real(0.03, 0.4);
            self.wait(delay);
        }
        self.send(Ask::get(path.clone(), from));
        self.here = self.site.url(&path);
        self.page = page;
    }

    /// Loads what the shown page needs and is not cached; `share` of it, where some is blocked or fails.
    pub(super) fn load(&mut self, share: f64) {
        let site = self.site;
        let latency = self.dice.log_normal(0.25, 0.6);
        let page = &site.pages[self.page];
        let mut at_ms = self.now_ms + (1000.0 * latency) as u64;
        for asset in site.shared.iter().chain(&page.images) {
            if !self.dice.chance(share) {
                continue;
            }
            if let Some(status) = self.fetched(asset) {
                let ask = Ask::get(asset.path.clone(), From::Link).to(purpose(&asset.path)).answered(status);
                self.send_at(at_ms, ask);
            }
            let pause_ms = if self.dice.chance(0.7) { 40 } else { 400 };
            at_ms += self.dice.below(pause_ms) as u64;
        }
        if self.dice.chance(0.6 * share) && self.cached.insert("icon".to_owned()) {
            // Many browsers ask for the icon by themselves, not for the page.
            let from = if self.dice.chance(0.6) { From::Direct } else { From::Link };
            let ask = Ask::get("/favicon.ico", from).to(Purpose::Image).answered(site.icon_status);
            self.send_at(at_ms + 100, ask);
        }
    }

    /// Goes to a page as browsers do, with all that it loads.
    pub(super) fn read(&mut self, page: usize, from: From) {
        self.open(page, from);
        self.load(0.97);
    }

    /// The status that an asset is answered; `None` where the browser has it and does not ask.
    fn fetched(&mut self, asset: &Asset) -> Option<u16> {
        if self.cached.contains(&asset.path) {
            return self.dice.chance(0.06).then_some(304);
        }
        if asset.status == 200 {
            self.cached.insert(asset.path.clone());
        }
        Some(asset.status)
    }

    /// As a browser that has been here before: all that pages share is cached.
    pub(super) fn knows_the_site(&mut self) {
        let site = self.site;
        self.cached.extend(site.shared.iter().map(|asset| asset.path.clone()));
        self.cached.insert("icon".to_owned());
    }

    /// A page that the shown one links to.
    pub(super) fn linked(&mut self) -> usize {
        let site = self.site;
        match site.pages[self.page].links.as_slice() {
            [] => 0,
            links => *self.dice.pick(links),
        }
    }

    /// Any page; the front page often, popular ones more often than others.
    pub(super) fn entry(&mut self) -> usize {
        if self.dice.chance(0.3) {
            return 0;
        }
        let most = self.dice.between(1, self.site.pages.len());
        self.dice.below(most)
    }

    /// Where visitors come from.
    pub(super) fn arrival(&mut self) -> From {
        const ELSEWHERE: [&str; 8] = [
            "https://www.google.com/",
            "https://www.google.com/",
            "https://www.google.com/",
            "https://www.bing.com/",
            "https://duckduckgo.com/",
            "https://news.aggregator.example/item?id=4411",
            "https://www.reddit.com/",
            "https://forum.example/thread/881",
        ];
        let elsewhere = *self.dice.pick(&ELSEWHERE);
        if self.dice.chance(0.6) { From::Elsewhere(elsewhere) } else { From::Direct }
    }
}

fn purpose(path: &str) -> Purpose {
    match path.rsplit('.').next() {
        Some("css") => Purpose::Style,
        Some("js") => Purpose::Script,
        Some("woff2") => Purpose::Font,
        _ => Purpose::Image,
    }
}
