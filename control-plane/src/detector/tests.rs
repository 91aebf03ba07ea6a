//! Judging over a while: who bears what others at the same address do, and who is new.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use sallyport_core::policy::LimitRule;
use sallyport_core::{
    Action, Check, Engine, HashKey, LoginOutcome, Marks, Model, Policy, PolicyConfig, Ranges, RequestFacts,
};

use super::{Detector, Reported, Told};
use crate::config::LimitsConfig;
use crate::store::{RequestId, Standing};

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
        Self::with("{}")
    }

    /// With this policy, in JSON.
    fn with(policy: &str) -> Self {
        let policy = PolicyConfig::from_json(policy.as_bytes()).expect("a policy");
        let policy = Policy::compile(policy).expect("valid");
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

#[test]
fn a_good_past_lets_sign_ins_pass_within_their_budget_and_each_is_watched() {
    let mut world = World::with(r#"{ "thresholds": { "monitor": 40, "challenge": 50, "block": 90 } }"#);
    world.ask("/", "", 0, "");
    world.now_ms += 900_000;
    let assets = |world: &mut World, count: usize, after_ms| {
        (0..count).for_each(|_| {
            world.ask("/site.css", "", after_ms, "");
        });
    };
    assets(&mut world, 1_200, 50);
    let (mut passed, mut softened) = (0, 0);
    for n in 0..240 {
        assets(&mut world, 4, 10);
        world.now_ms += 85;
        let name = format!(
            "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0.{n}.0 Safari/537.36"
        );
        let facts = RequestFacts { method: b"POST", path: b"/login", user_agent: name.as_bytes(), ..facts() };
        let verdict = world.detector.check(&facts, Marks::default(), None, world.now_ms);
        if verdict.decision.action.refuses() {
            continue;
        }
        passed += 1;
        let mut evidence = verdict.decision.evidence;
        evidence.set(Check::IpReputation, 0.0);
        softened +=
            u32::from(world.detector.engine().score(&verdict.decision.features, &evidence).action.refuses());
        assert!(verdict.decision.watch.is_some());
        let id = RequestId::parse(&format!("{n:032x}"));
        world.detector.await_answer(&id, &verdict, &facts, world.now_ms);
        let told = Told { status: 401, location: b"", content_type: b"text/html", session: b"" };
        assert!(world.detector.answered(&id, told, world.now_ms).is_some());
    }
    assert!(softened > 0, "its past makes a difference");
    assert!((1..=43).contains(&passed), "{passed} in 30 s");
}

#[test]
fn what_passes_when_it_is_judged_again_is_charged_and_watched_then_and_only_once() {
    let judge = |world: &World| world.detector.check(&facts(), Marks::default(), None, world.now_ms);
    let score = judge(&World::new()).decision.score;
    let thresholds = format!(r#"{{ "monitor": 0, "challenge": {}, "block": 100 }}"#, score * 0.95);
    let newcomers = r#"{ "newcomers": { "per_second": 0.001, "burst": 1 } }"#;
    let policy = format!(r#"{{ "thresholds": {thresholds}, "rate_limit": {newcomers} }}"#);
    let mut world = World::with(&policy);
    judge(&world);
    world.now_ms += 900_000;
    let [first, second] = [judge(&world), judge(&world)];
    assert!(first.decision.action.refuses() && first.decision.watch.is_none());
    let address = first.keys.address;
    world.detector.pasts.with(address, |past| past.add(Standing { good: 500.0, bad: 0.0 }, world.now_ms));
    let first = world.detector.again(&facts(), first, None, world.now_ms);
    assert!(!first.decision.action.refuses() && first.decision.watch.is_some(), "{:?}", first.decision);
    let charges = first.decision.charges;
    world.detector.pasts.with(address, |past| past.add(Standing { good: 500.0, bad: 0.0 }, world.now_ms));
    let first = world.detector.again(&facts(), first, None, world.now_ms);
    assert_eq!((first.decision.action.refuses(), first.decision.charges), (false, charges));
    let second = world.detector.again(&facts(), second, None, world.now_ms).decision;
    assert_eq!(second.limit.map(|over| over.rule), Some(LimitRule::Newcomers), "there was room for one");
}

#[test]
fn a_told_redirect_back_to_the_referer_is_a_failure_where_the_form_is_shown_again() {
    let outcome = |same_page: bool, location: &str| {
        let world = World::with(&format!(
            r#"{{ "login": {{ "routes": [{{ "path": "/in", "same_page": {same_page} }}] }} }}"#
        ));
        let facts = RequestFacts { method: b"POST", path: b"/in.json", ..facts() };
        let verdict = world.detector.check(&facts, Marks::default(), None, world.now_ms);
        let id = RequestId::parse(&format!("{:032x}", 1));
        world.detector.await_answer(&id, &verdict, &facts, world.now_ms);
        let told = Told { status: 302, location: location.as_bytes(), content_type: b"", session: b"" };
        world.detector.answered(&id, told, world.now_ms)?.login.map(|(outcome, _)| outcome)
    };
    for (same_page, location, expected) in [
        (true, "/?error", LoginOutcome::Failed),
        (true, "/in", LoginOutcome::Failed),
        (true, "/account", LoginOutcome::Passed),
        (false, "/?error", LoginOutcome::Passed),
    ] {
        assert_eq!(outcome(same_page, location), Some(expected), "{same_page} {location}");
    }
}
