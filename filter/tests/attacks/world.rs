//! One site behind one filter, and a clock.

use std::net::IpAddr;

use sallyport_filter::request::Flow;
use serde_json::json;

use crate::fake::START_MS as PROCESS_BEGINS_MS;
use crate::machine::Machine;
use crate::site::{Served, Site};
use crate::visitor::{Ask, Browser};

pub(crate) struct World {
    machine: Machine,
    site: Site,
    ticked_ms: u64,
}

/// What came of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It has reached the site.
    Passed { served: Served, session: Option<String> },
    /// It has not: the filter's status, and the seconds that it says to wait; 0 for none.
    Refused { status: u16, wait_s: u64 },
}

impl Outcome {
    pub(crate) fn passed(&self) -> bool {
        matches!(self, Self::Passed { .. })
    }

    pub(crate) fn served(&self) -> Option<Served> {
        match self {
            Self::Passed { served, .. } => Some(*served),
            Self::Refused { .. } => None,
        }
    }

    /// The session that began.
    pub(crate) fn session(&self) -> Option<&str> {
        match self {
            Self::Passed { session, .. } => session.as_deref(),
            Self::Refused { .. } => None,
        }
    }
}

/// When the world begins, Unix ms: the process has run for a quarter of an hour, so that not everybody is new to it.
const START_MS: u64 = PROCESS_BEGINS_MS + 900_000;

impl World {
    pub(crate) fn new() -> Self {
        let config = json!({
            "session_cookie": "sid", "ja4_header": "x-ja4", "policy": { "enforcement": "enforce" }
        });
        let machine = Machine::start(&config);
        machine.fake.process.now_ms.set(START_MS);
        Self { machine, site: Site::default(), ticked_ms: START_MS }
    }

    /// Milliseconds since the world began.
    pub(crate) fn now_ms(&self) -> u64 {
        self.machine.fake.process.now_ms.get() - START_MS
    }

    /// Lets time pass until so many milliseconds after the beginning; never back.
    pub(crate) fn pass_until(&mut self, ms: u64) {
        self.machine.fake.pass_ms(ms.saturating_sub(self.now_ms()));
        let now_ms = START_MS + self.now_ms();
        if now_ms - self.ticked_ms >= 1_000 {
            self.ticked_ms = now_ms;
            self.machine.tick_after(0);
        }
    }

    /// Sends a request now and, where it passes, lets the site answer.
    pub(crate) fn send(&mut self, ask: &Ask) -> Outcome {
        let source = match ask.address {
            IpAddr::V4(address) => format!("{address}:50000"),
            IpAddr::V6(address) => format!("[{address}]:50000"),
        };
        let (context, flow) = self.machine.request(&source, &ask.headers());
        let outcome = match (self.machine.reply(context), flow) {
            (Some(reply), _) => {
                let wait_s = reply.headers.get("retry-after").and_then(|seconds| seconds.parse().ok());
                Outcome::Refused { status: reply.status, wait_s: wait_s.unwrap_or(0) }
            }
            (None, Flow::Continue) => self.answer(context, ask),
            (None, Flow::Pause) => panic!("nobody is there to be asked"),
        };
        self.machine.end(context);
        // It only grows.
        self.machine.fake.process.read.borrow_mut().clear();
        outcome
    }

    fn answer(&mut self, context: u32, ask: &Ask) -> Outcome {
        let answer = self.site.answer(ask.sent(), &ask.path);
        let headers: Vec<_> = answer.headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        self.machine.respond_with(context, answer.status, &headers);
        let cookie = headers.iter().find(|(name, _)| *name == "set-cookie").map(|(_, value)| *value);
        let session = cookie.and_then(|cookie| cookie.strip_prefix("sid=")?.split(';').next());
        Outcome::Passed { served: answer.served, session: session.map(str::to_owned) }
    }
}

/// How many requests [`read_page`] makes.
pub(crate) const PAGE_REQUESTS: u64 = 3;

/// A page as a browser reads it: with two files of the page, from the page before. Gives how many of these requests were
/// refused.
pub(crate) fn read_page(
    world: &mut World,
    address: IpAddr,
    browser: &Browser,
    number: u64,
    session: &str,
) -> u64 {
    let path = |number: u64| format!("/item/{}", number * 7 % 1_000);
    let mut page = Ask::page(address, browser, path(number)).with_session(session);
    if number > 0 {
        page = page.linked_on(&path(number - 1));
    }
    let files = [("/static/site.css".to_owned(), number > 0), (format!("/static/{number}.png"), false)];
    let files = files.map(|(file, is_cached)| {
        Ask::asset(address, browser, file, &path(number)).cached(is_cached).with_session(session)
    });
    [page].iter().chain(&files).filter(|ask| !world.send(ask).passed()).count() as u64
}
