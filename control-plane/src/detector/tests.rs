//! Judging over a while: who bears what others at the same address do, and who is new.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use sallyport_core::{Action, Engine, HashKey, Marks, Model, Policy, PolicyConfig, Ranges, RequestFacts};

use super::{Detector, Reported, Told};
use crate::config::LimitsConfig;
use crate::store::RequestId;

const FROM_MS: u64 = 1_795_000_000_000;

fn facts() -> RequestFacts<'static> {
    RequestFacts {
        address: Some(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1))),
        method: b"GET",
        authority: b"site.example",
        user_agent: b"Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:145.0) Gecko/20100101 Firefox/145.0",
        referer: b"https://site.example/",
        ..RequestFacts::default()
    }
}

struct World {
    detector: Detector,
    now_ms: u64,
    asked: u32,
    /// What came of the latest answer.
    reported: Option<Reported>,
}

impl World {
    fn new() -> Self {
        let policy = Policy::compile(PolicyConfig::default()).expect("valid");
        let model = Model::built_in().expect("weights");
        let engine = Engine::new(policy, model, Ranges::default(), HashKey::from_bytes([3; 16]), 1);
        let detector = Detector::new(Arc::new(engine), &LimitsConfig::default());
        Self { detector, now_ms: FROM_MS, asked: 0, reported: None }
    }

    /// Asks for a path with this session, `after_ms` later; its answer, which may issue a session, is told.
    fn ask(&mut self, path: &str, session: &str, after_ms: u64, issued: &str) -> Action {
        self.now_ms += after_ms;
        self.asked += 1;
        let facts = RequestFacts { path: path.as_bytes(), session: session.as_bytes(), ..facts() };
        let verdict = self.detector.check(&facts, Marks::default(), None, self.now_ms);
        let id = RequestId::parse(&format!("{:032x}", self.asked));
        self.detector.await_answer(&id, &verdict, &facts, self.now_ms);
        if !verdict.decision.action.refuses() {
            let content_type = if path.ends_with(".css") { b"text/css".as_slice() } else { b"text/html" };
            let told = Told { status: 200, location: b"", content_type, session: issued.as_bytes() };
            self.reported = self.detector.answered(&id, told, self.now_ms);
        }
        verdict.decision.action
    }

    /// Somebody new asks for a page, at the same moment.
    fn ask_as(&self, user_agent: &str) -> Action {
        let facts = RequestFacts { path: b"/", user_agent: user_agent.as_bytes(), ..facts() };
        self.detector.check(&facts, Marks::default(), None, self.now_ms).decision.action
    }

    /// A page and its style, as a browser reads it.
    fn read(&mut self, number: u32, session: &str, issued: &str) -> [Action; 2] {
        [
            self.ask(&format!("/page/{number}"), session, 20_000, issued),
            self.ask("/site.css", session, 50, ""),
        ]
    }
}

#[test]
fn whoever_has_proven_itself_with_a_session_does_not_bear_what_others_do_with_the_same_browser() {
    let mut world = World::new();
    world.read(0, "", "mine");
    for number in 1..8 {
        assert_eq!(world.read(number, "mine", ""), [Action::Allow; 2], "page {number}");
    }
    // The site issues another session in the place of the first, as at a sign-in.
    world.ask("/account", "mine", 5_000, "mine too");
    let key = |session: &str| world.detector.engine().key().session(session.as_bytes());
    let reported = world.reported.expect("an answer");
    assert_eq!(
        (reported.session, reported.succeeds),
        (key("mine"), true),
        "what was suspicious is handed on"
    );
    assert_eq!(reported.issued.map(|(session, _)| session), Some(key("mine too")));
    let probes: Vec<_> = (0..40).map(|n| world.ask(&format!("/{n}/.env"), "", 100, "")).collect();
    assert!(probes.iter().any(|action| action.refuses()), "{probes:?}");
    assert!(world.ask("/page/9", "", 1_000, "").refuses(), "who looks like the attacker and has no session");
    assert!(world.ask("/page/9", "made up", 1_000, "").refuses());
    assert_eq!(world.read(10, "mine too", ""), [Action::Allow; 2]);
    assert!(world.ask("/page/11", "mine", 1_000, "").refuses(), "its proof went to the next session");
}

#[test]
fn for_ten_minutes_newcomers_budgets_look_on_only() {
    let limited = |world: &World, from: u32| {
        let name = |n: u32| {
            format!(
                "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0.{n}.0 Safari/537.36"
            )
        };
        (from..from + 140).filter(|n| world.ask_as(&name(*n)) == Action::RateLimit).count()
    };
    let mut world = World::new();
    assert_eq!(limited(&world, 0), 0);
    world.now_ms += 600_000;
    assert_eq!(limited(&world, 1_000), 80, "of 140 at once 60 find room");
}
