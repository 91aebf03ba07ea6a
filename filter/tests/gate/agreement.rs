//! Under `monitor` and `enforce` the same requests are judged alike: what is refused, or would be, is no evidence, so it
//! makes no difference whether the site has answered it.

use sallyport_core::observation::{Batch, DecisionRecord, Record};
use sallyport_core::{Action, Basis};
use serde_json::json;

use crate::machine::{CHROME, Machine};

const FIREFOX: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0";

/// One request of the sample and the site's answer to it.
#[derive(Clone, Copy)]
struct Line<'a> {
    /// Milliseconds after the one before.
    after_ms: u64,
    source: &'a str,
    agent: &'a str,
    method: &'a str,
    path: &'a str,
    more: &'a [(&'a str, &'a str)],
    status: u16,
    answer: &'a [(&'a str, &'a str)],
}

const HTML: &[(&str, &str)] = &[("content-type", "text/html")];
const CSS: &[(&str, &str)] = &[("content-type", "text/css")];
const SESSION: &[(&str, &str)] = &[("content-type", "text/html"), ("set-cookie", "sid=mine")];
const MINE: &[(&str, &str)] = &[("cookie", "sid=mine")];
const BROUGHT: &[(&str, &str)] =
    &[("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "no-cors"), ("sec-fetch-dest", "image")];

/// People, a scraper, a scan, stuffing, a tool, hidden images, names that change: some pass, some are refused, some both.
fn sample() -> Vec<Line<'static>> {
    let page = Line {
        after_ms: 700,
        source: "192.0.2.1:1",
        agent: CHROME,
        method: "GET",
        path: "/",
        more: &[],
        status: 200,
        answer: HTML,
    };
    let file = Line { after_ms: 40, path: "/site.css", answer: CSS, ..page };
    let sign_in = Line { method: "POST", path: "/login", status: 401, answer: &[], ..page };
    let mut lines = Vec::new();
    for number in 0..30 {
        let person = Line { after_ms: 4_000, source: "198.51.100.7:1", more: MINE, ..page };
        lines.push(Line { answer: if number == 0 { SESSION } else { HTML }, ..person });
        lines.push(Line { after_ms: 30, source: "198.51.100.7:1", ..file });
        lines.push(Line { path: ["/item", "/old", "/.env", "/missing"][number % 4], status: 404, ..page });
        lines.push(Line { source: "203.0.113.9:1", agent: "python-requests/2.28.0", ..page });
        lines.push(Line { source: "203.0.113.10:1", agent: FIREFOX, ..sign_in });
        lines.push(Line { source: "203.0.113.10:1", agent: FIREFOX, status: 302, ..sign_in });
        lines.push(Line { source: "203.0.113.10:1", ..sign_in });
        let images = Line { source: "203.0.113.11:1", more: BROUGHT, status: 404, ..page };
        lines.push(Line { path: "/wp-login.php", ..images });
        lines.push(Line { source: "203.0.113.11:1", path: "/item", ..page });
        lines.push(Line { source: "203.0.113.12:1", path: "/a.css", ..file });
        lines.push(Line { source: "203.0.113.12:1", path: "/b.css", answer: HTML, ..file });
    }
    // A burst beyond every limit, then as if nothing had been.
    lines.extend((0..400).map(|_| Line { after_ms: 5, source: "203.0.113.13:1", agent: FIREFOX, ..page }));
    lines.extend((0..40).map(|_| Line { after_ms: 9_000, source: "203.0.113.13:1", agent: FIREFOX, ..page }));
    let known = Line { source: "198.51.100.7:1", more: MINE, ..page };
    lines.extend((0..40).map(|_| Line { after_ms: 90, path: "/.git/config", ..known }));
    lines.extend((0..20).map(|_| Line { after_ms: 9_000, ..known }));
    lines.extend((0..20).map(|_| Line { after_ms: 9_000, source: "192.0.2.99:1", ..known }));
    lines
}

/// What is decided of each line; where it is refused, the site answers nothing.
fn judged(enforcement: &str, lines: &[Line<'_>]) -> Vec<DecisionRecord> {
    let policy =
        json!({ "enforcement": enforcement, "consult": "never", "observe_allow_per_second": 1_000_000 });
    let mut machine = Machine::with_snapshot(&json!({ "session_cookie": "sid" }), policy);
    machine.fake.pass_ms(sallyport_filter::worker::LOOKS_ON_MS);
    let mut decisions = Vec::new();
    for line in lines {
        machine.fake.pass_ms(line.after_ms);
        let mut headers = vec![
            (":method", line.method),
            (":path", line.path),
            (":authority", "site.example"),
            ("user-agent", line.agent),
            ("accept", "text/html"),
            ("accept-language", "en"),
            ("accept-encoding", "gzip"),
        ];
        headers.extend(line.more);
        let (context, _) = machine.request(line.source, &headers);
        if machine.reply(context).is_none() {
            machine.respond_with(context, line.status, line.answer);
        }
        machine.end(context);
        // Told once a second at the earliest: whatever has been told is collected at each step, at its own time.
        decisions.extend(told(&mut machine));
    }
    machine.fake.pass_ms(1_000);
    decisions.extend(told(&mut machine));
    decisions
}

/// The decisions that the machine has told of since last asked.
fn told(machine: &mut Machine) -> Vec<DecisionRecord> {
    machine.tick_after(0);
    let calls = machine.calls().into_iter().filter(|call| call.headers[":path"] == "/v1/observations");
    let batches: Vec<_> = calls.map(|call| (Batch::decode(&call.body).expect("a batch"), call)).collect();
    let mut decisions = Vec::new();
    for (batch, call) in batches {
        machine.answer(&call, 202, &[], b"");
        decisions.extend(batch.records.into_iter().filter_map(|record| match record {
            Record::Decision(decision) => Some(decision),
            Record::LoginFailure { .. } => None,
        }));
    }
    decisions
}

#[test]
fn monitor_and_enforce_judge_every_request_alike() {
    let lines = sample();
    let (watched, carried_out) = (judged("monitor", &lines), judged("enforce", &lines));
    assert_eq!((watched.len(), carried_out.len()), (lines.len(), lines.len()));
    for (number, (one, other)) in watched.iter().zip(&carried_out).enumerate() {
        assert_eq!((one.enforced, other.enforced), (false, true));
        let other = DecisionRecord { enforced: false, ..other.clone() };
        assert_eq!(*one, other, "request {number}: {} {}", lines[number].source, lines[number].path);
    }
    for action in [Action::Allow, Action::Monitor, Action::Challenge, Action::RateLimit, Action::Block] {
        assert!(watched.iter().any(|decision| decision.action == action), "the sample has no {action:?}");
    }
    assert!(watched.iter().any(|decision| decision.basis == Basis::Session), "nor a suspicious session");
}
