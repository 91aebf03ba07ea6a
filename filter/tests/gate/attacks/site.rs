//! The site behind the filter, and a browser's or a bot's request to it.

use sallyport_filter::request::Flow;
use serde_json::json;

use crate::machine::Machine;

/// A current browser.
pub(crate) const CHROME: &str =
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/143.0.0.0 Safari/537.36";

/// What a request is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    Page,
    Asset,
    Api,
    /// A sign-in, with a right password or a wrong one.
    SignIn(bool),
}

/// A request as the visitor chooses it.
#[derive(Clone, Debug)]
pub(crate) struct Ask {
    pub(crate) address: String,
    pub(crate) user_agent: String,
    pub(crate) ja4: String,
    pub(crate) path: String,
    pub(crate) purpose: Purpose,
    pub(crate) session: String,
    /// Whether a page of this site led here.
    pub(crate) within: bool,
    /// Says that it is an image of a page.
    pub(crate) as_image: bool,
    /// Says that another site brings it along.
    pub(crate) cross_site: bool,
}

impl Ask {
    pub(crate) fn new(address: impl Into<String>, path: impl Into<String>, purpose: Purpose) -> Self {
        Self {
            address: address.into(),
            user_agent: CHROME.into(),
            ja4: "t13d1516h2_8daaf6152771_b186095e22b6".into(),
            path: path.into(),
            purpose,
            session: String::new(),
            within: false,
            as_image: false,
            cross_site: false,
        }
    }
}

/// What came back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Got {
    /// The site's answer: its status and the session that came with it.
    Answer(u16, Option<String>),
    /// The filter's refusal: its status, and after how many seconds to try again.
    Refused(u16, Option<u64>),
}

impl Got {
    pub(crate) fn passed(&self) -> bool {
        matches!(self, Got::Answer(..))
    }
}

/// The filter with the site behind it.
pub(crate) struct Site {
    pub(crate) machine: Machine,
    sessions: u32,
}

impl Site {
    /// A filter that has run for a while.
    pub(crate) fn new() -> Self {
        let machine = Machine::start(&json!({
            "session_cookie": "sid", "ja4_header": "x-ja4", "policy": { "enforcement": "enforce" } }));
        machine.fake.pass_ms(700_000);
        Self { machine, sessions: 0 }
    }

    pub(crate) fn pass_ms(&mut self, ms: u64) {
        self.machine.fake.pass_ms(ms);
    }

    pub(crate) fn ask(&mut self, ask: &Ask) -> Got {
        let method = if matches!(ask.purpose, Purpose::SignIn(_)) { "POST" } else { "GET" };
        let (mut accept, mut dest, mut mode) = match ask.purpose {
            Purpose::Page | Purpose::SignIn(_) => ("text/html,*/*;q=0.8", "document", "navigate"),
            Purpose::Asset => ("*/*", "style", "no-cors"),
            Purpose::Api => ("application/json", "empty", "cors"),
        };
        if ask.as_image {
            (accept, dest, mode) = ("image/avif,image/webp,*/*;q=0.8", "image", "no-cors");
        }
        let from = if ask.cross_site {
            "cross-site"
        } else if ask.within {
            "same-origin"
        } else {
            "none"
        };
        if ask.cross_site && mode == "navigate" && method == "GET" {
            (dest, mode) = ("iframe", "no-cors");
        }
        let cookie = format!("sid={}", ask.session);
        let version = ask.user_agent.split("Chrome/").nth(1).and_then(|rest| rest.split('.').next());
        let hints = format!("\"Chromium\";v=\"{}\"", version.unwrap_or("143"));
        let mut headers = vec![
            (":method", method),
            (":path", ask.path.as_str()),
            (":authority", "site.example"),
            (":scheme", "https"),
            ("user-agent", ask.user_agent.as_str()),
            ("accept", accept),
            ("accept-language", "en"),
            ("accept-encoding", "gzip, br"),
            ("sec-fetch-site", from),
            ("sec-fetch-mode", mode),
            ("sec-fetch-dest", dest),
            ("sec-ch-ua", hints.as_str()),
            ("sec-ch-ua-mobile", "?0"),
            ("sec-ch-ua-platform", "\"Linux\""),
            ("x-ja4", ask.ja4.as_str()),
        ];
        if ask.within {
            headers.push(("referer", "https://site.example/"));
        }
        if !ask.session.is_empty() {
            headers.push(("cookie", &cookie));
        }
        let (context, flow) = self.machine.request(&ask.address, &headers);
        let got = match (flow, self.machine.reply(context)) {
            (Flow::Continue, None) => self.answer(context, ask),
            (_, Some(reply)) => {
                let after = reply.headers.get("retry-after").and_then(|after| after.parse().ok());
                Got::Refused(reply.status, after)
            }
            (flow, None) => panic!("{flow:?} without a reply"),
        };
        self.machine.end(context);
        self.machine.fake.process.read.borrow_mut().clear();
        got
    }

    /// What the site makes of a path, whatever it was asked for as: its framework knows neither case, nor parameters, nor
    /// what comes after an item's number.
    fn answer(&mut self, context: u32, ask: &Ask) -> Got {
        let mut issued = None;
        let lower = ask.path.to_ascii_lowercase().replace("%6c", "l").replace("//", "/");
        let (status, content_type) = if let Purpose::SignIn(is_right) = ask.purpose {
            if is_right {
                self.sessions += 1;
                issued = Some(format!("s-{}", self.sessions));
            }
            (if is_right { 302 } else { 401 }, "text/html")
        } else if lower.starts_with("/item/") || lower == "/" {
            (200, "text/html; charset=utf-8")
        } else if lower.starts_with("/assets/") {
            (200, "text/css")
        } else if lower.starts_with("/api/") {
            (200, "application/json")
        } else {
            (404, "text/html")
        };
        let cookie = issued.as_ref().map(|session| format!("sid={session}; Path=/; HttpOnly"));
        let mut headers = vec![("content-type", content_type)];
        headers.extend(cookie.as_ref().map(|cookie| ("set-cookie", cookie.as_str())));
        if status == 302 {
            headers.push(("location", "/account"));
        }
        self.machine.respond_with(context, status, &headers);
        Got::Answer(status, issued)
    }
}
