//! The judge as its users meet it: visitors, tools, scans, stuffing, lists, limits and verdicts.

use std::net::IpAddr;

use crate::records::Records;
use proptest::prelude::*;
use sallyport_core::policy::{ListsConfig, Route, Thresholds};
use sallyport_core::{
    Action, AddressState, Answer, Basis, BrowserHeaders, Check, ClientState, Decision, Engine, Evidence,
    Features, HashKey, LoginOutcome, Marks, Model, NetworkState, PathClass, Policy, PolicyConfig, Provider,
    RangeKind, Ranges, RequestFacts, SessionState, TreeNode, Trees,
};

const NOW: u64 = 1_795_000_000_000;
const CHROME: &str = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0.0.0 Safari/537.36";

fn engine(config: PolicyConfig) -> Engine {
    let policy = Policy::compile(config).expect("a valid policy");
    let ranges = Ranges::new(
        [("203.0.113.0/24".parse().expect("a range"), 0)],
        vec![Provider { name: "hosting".into(), kind: RangeKind::Hosting }],
    );
    Engine::new(policy, Model::built_in().expect("weights"), ranges, HashKey::from_bytes([7; 16]), 1)
}

/// Refuses nobody for the score.
fn lenient() -> Engine {
    let thresholds = Thresholds { monitor: 99.0, challenge: 99.9, block: 100.0 };
    engine(PolicyConfig { thresholds, ..Default::default() })
}

/// One client in front of the judge.
struct Visitor<'a> {
    engine: &'a Engine,
    user_agent: &'a str,
    ip: IpAddr,
    records: Records,
    now: u64,
    referer: &'a str,
}

impl<'a> Visitor<'a> {
    fn new(engine: &'a Engine, user_agent: &'a str) -> Self {
        let ip = "198.51.100.7".parse().expect("an address");
        let facts =
            RequestFacts { address: Some(ip), user_agent: user_agent.as_bytes(), ..Default::default() };
        Self { engine, user_agent, ip, records: Records::of(engine, &facts), now: NOW, referer: "" }
    }

    fn facts(&self, method: &'a str, path: &'a str) -> RequestFacts<'a> {
        let browser = BrowserHeaders {
            accept: b"text/html,*/*;q=0.8",
            accept_language: b"en",
            accept_encoding: b"gzip",
            ..Default::default()
        };
        RequestFacts {
            address: Some(self.ip),
            method: method.as_bytes(),
            authority: b"site.example",
            path: path.as_bytes(),
            user_agent: self.user_agent.as_bytes(),
            referer: self.referer.as_bytes(),
            headers: Some(browser),
            ..Default::default()
        }
    }

    fn send(
        &mut self,
        method: &'a str,
        path: &'a str,
        status: u16,
        after_ms: u64,
    ) -> (Decision, Option<LoginOutcome>) {
        self.now += after_ms;
        let engine = self.engine;
        let facts = RequestFacts { ..self.facts(method, path) };
        let mut records = self.records.clone();
        let decision = records.judge(engine, &facts, Marks::default(), self.now);
        let outcome = decision.watch.and_then(|watch| {
            let answer = Answer { path: path.as_bytes(), status, ..Default::default() };
            records.answer(engine, watch, answer, self.now).login
        });
        self.records = records;
        (decision, outcome)
    }

    fn get(&mut self, path: &'a str, after_ms: u64) -> Decision {
        self.send("GET", path, 200, after_ms).0
    }
}

#[test]
fn a_person_reading_is_allowed() {
    let engine = engine(PolicyConfig::default());
    let mut person = Visitor::new(&engine, CHROME);
    for (page, gap) in
        [("/", 0), ("/blog", 9_000), ("/blog/one", 31_000), ("/blog", 64_000), ("/about", 12_000)]
    {
        let decision = person.get(page, gap);
        assert_eq!(decision.action, Action::Allow, "{page}: {decision:?}");
        person.referer = "https://site.example/";
        for asset in ["/site.css", "/app.js", "/logo.png", "/photo.jpg"] {
            assert_eq!(person.get(asset, 40).action, Action::Allow);
        }
    }
}

#[test]
fn where_a_redirect_leads_is_no_further_page_but_redirects_alone_are_counted() {
    let engine = engine(PolicyConfig::default());
    let [entropy, timing] = [4, 3];
    let mut person = Visitor::new(&engine, CHROME);
    person.send("GET", "/", 301, 0);
    let (followed, _) = person.send("GET", "/", 200, 3_000);
    assert_eq!((followed.features.values()[entropy], followed.features.values()[timing]), (0.3, 0.0));

    let engine = lenient();
    let mut crawler = Visitor::new(&engine, CHROME);
    let last = (0..40).map(|_| crawler.send("GET", "/old", 301, 3_000).0.features).last();
    let last = last.expect("forty requests");
    assert!(last.values()[2] > 0.25 && last.values()[timing] > 0.5, "{last:?}");
}

#[test]
fn a_declared_tool_is_refused_with_its_reason() {
    let engine = engine(PolicyConfig::default());
    let decision = Visitor::new(&engine, "python-requests/2.28.0").get("/", 0);
    assert!(decision.action.refuses(), "{decision:?}");
    assert!(decision.reasons.iter().any(|(check, points)| check == Check::UserAgent && points > 0.0));
}

#[test]
fn a_name_alone_is_challenged_and_what_it_does_blocks_it() {
    let engine = engine(PolicyConfig::default());
    let mut tool = Visitor::new(&engine, "python-requests/2.28.0");
    assert_eq!(tool.get("/", 0).action, Action::Challenge);
    let last = (0..30).map(|_| tool.get("/item", 4_000).action).last();
    assert_eq!(last, Some(Action::Challenge), "being refused is nothing that it did");
    assert_eq!(tool.get("/.env", 4_000).action, Action::Block);
}

#[test]
fn the_points_add_up_to_the_score() {
    let engine = engine(PolicyConfig::default());
    for user_agent in [CHROME, "python-requests/2.28.0"] {
        let decision = Visitor::new(&engine, user_agent).get("/.env", 0);
        let points: f32 = decision.reasons.iter().map(|(_, points)| points).sum();
        assert!((50.0 + points - decision.score).abs() < 1.0, "{decision:?}");
    }
}

#[test]
fn a_scan_is_refused_from_its_first_secret_on() {
    let engine = engine(PolicyConfig::default());
    let mut scanner = Visitor::new(&engine, CHROME);
    let paths = [
        "/.env",
        "/wp-login.php",
        "/.git/config",
        "/phpmyadmin/",
        "/xmlrpc.php",
        "/.aws/credentials",
        "/admin.php",
    ];
    let actions = paths.map(|path| scanner.send("GET", path, 404, 300).0.action);
    assert!(actions.iter().all(|action| action.refuses()), "{actions:?}");
}

#[test]
fn stuffing_is_blocked_by_its_failures() {
    let engine = engine(PolicyConfig::default());
    let mut stuffer = Visitor::new(&engine, CHROME);
    let mut actions = Vec::new();
    for _ in 0..20 {
        let (decision, outcome) = stuffer.send("POST", "/login", 401, 700);
        assert!(decision.action.refuses() || outcome == Some(LoginOutcome::Failed));
        actions.push(decision.action);
    }
    assert_eq!(actions[0], Action::Allow);
    assert!(actions[8..].iter().any(|action| action.refuses()), "{actions:?}");
}

#[test]
fn one_mistyped_password_is_no_crime() {
    let engine = engine(PolicyConfig::default());
    let mut person = Visitor::new(&engine, CHROME);
    person.get("/login", 0);
    person.get("/site.css", 50);
    for _ in 0..2 {
        let (decision, outcome) = person.send("POST", "/login", 401, 12_000);
        assert!(!decision.action.refuses(), "{decision:?}");
        assert_eq!(outcome, Some(LoginOutcome::Failed));
    }
    assert_eq!(person.send("POST", "/login", 303, 12_000).1, Some(LoginOutcome::Passed));
}

#[test]
fn the_rate_limit_says_when_to_return() {
    let engine = engine(PolicyConfig {
        lists: ListsConfig::default(),
        rate_limit: serde_json::from_str(r#"{"client": {"per_second": 1, "burst": 3}}"#).expect("limits"),
        ..Default::default()
    });
    let mut visitor = Visitor::new(&engine, CHROME);
    let actions = [0; 5].map(|gap| visitor.get("/", gap).action);
    assert!(actions[..3].iter().all(|action| *action != Action::RateLimit));
    assert_eq!(actions[3..], [Action::RateLimit, Action::RateLimit]);
    let refused = visitor.get("/", 0);
    assert_eq!((refused.basis, refused.retry_after_s), (Basis::RateLimit, Some(1)));
    assert_ne!(visitor.get("/site.css", 0).basis, Basis::RateLimit, "assets are not the client's to count");
    assert_ne!(visitor.get("/", 1100).action, Action::RateLimit);
}

#[test]
fn lists_and_ignored_routes_decide_at_once() {
    let engine = engine(PolicyConfig {
        lists: ListsConfig {
            allow: vec!["198.51.100.7".into()],
            deny: vec!["198.51.100.0/24".into()],
            allow_user_agents: vec!["FriendlyBot".into()],
        },
        routes: vec![Route {
            prefix: "/healthz".into(),
            class: Some(PathClass::Ignore),
            ..Default::default()
        }],
        ..Default::default()
    });
    let mut listed = Visitor::new(&engine, "curl/8");
    assert_eq!(listed.get("/", 0).basis, Basis::AllowList, "allow comes before deny");
    listed.ip = "::ffff:198.51.100.9".parse().expect("an address");
    assert_eq!(listed.get("/", 0).action, Action::Block);
    listed.user_agent = "FriendlyBot/1.0";
    assert_eq!(listed.get("/", 0).action, Action::Allow);
    let before = listed.records.client.clone();
    assert_eq!(listed.get("/healthz", 5).basis, Basis::Ignored);
    assert_eq!(listed.records.client, before, "ignored is not counted");
}

#[test]
fn a_single_check_never_blocks() {
    let mut config = PolicyConfig::default();
    config.weights.insert("datacenter_ip".into(), 10.0);
    let engine = engine(config);
    let mut visitor = Visitor::new(&engine, CHROME);
    visitor.ip = "203.0.113.5".parse().expect("an address");
    let decision = visitor.get("/", 0);
    assert!(decision.score > 90.0);
    assert_eq!(decision.action, Action::Challenge);
}

#[test]
fn a_verdict_is_remembered_and_runs_out() {
    let engine = engine(PolicyConfig::default());
    let mut visitor = Visitor::new(&engine, CHROME);
    let first = visitor.get("/", 0);
    visitor.get("/site.css", 50);
    engine.remember_verdict(&first, 95.0, &mut visitor.records.client, visitor.now);
    let judged = visitor.get("/about", 3_000);
    assert!(judged.score > 85.0, "{judged:?}");
    assert!(judged.reasons.iter().any(|(check, _)| check == Check::ControlPlane));
    let route = engine.policy().route(b"site.example", b"/about");
    assert!(!engine.needs_consult(route, &judged, &visitor.records.client, visitor.now));
    assert!(visitor.get("/blog", 301_000).score < judged.score - 30.0);
}

#[test]
fn rotating_user_agents_show_at_the_address() {
    let engine = engine(PolicyConfig::default());
    let mut address = AddressState::new(1);
    // Also after so many that an estimate of distinct ones would have faded.
    for i in 0..2_000 {
        let user_agent = CHROME.replace("156", &format!("156.0.{i}"));
        let mut visitor = Visitor::new(&engine, &user_agent);
        visitor.records.address = address.clone();
        let decision = visitor.get("/item", 1_000 * i);
        let found = decision.evidence.get(Check::AddressClients);
        assert!(i < 40 || found > 0.9, "{i}: {:?}", decision.evidence);
        address = visitor.records.address;
    }
}

#[test]
fn who_is_refused_as_an_address_takes_no_place_as_a_client() {
    let engine = engine(PolicyConfig {
        lists: ListsConfig { deny: vec!["198.51.100.0/24".into()], ..Default::default() },
        rate_limit: serde_json::from_str(r#"{"address": {"per_second": 1, "burst": 1}}"#).expect("limits"),
        ..Default::default()
    });
    let mut denied = Visitor::new(&engine, CHROME);
    let before = denied.records.client.clone();
    assert_eq!((denied.get("/", 0).basis, &denied.records.client), (Basis::DenyList, &before));
    let mut many = Visitor::new(&engine, CHROME);
    many.ip = "192.0.2.1".parse().expect("an address");
    assert_eq!(many.get("/", 0).basis, Basis::Score);
    many.records.client = before.clone();
    assert_eq!((many.get("/", 0).basis, &many.records.client), (Basis::RateLimit, &before));
}

#[test]
fn an_answer_to_a_forgotten_client_does_not_make_it_known() {
    let engine = lenient();
    let mut stuffer = Visitor::new(&engine, "python-requests/2.28.0");
    let watch = stuffer.send("POST", "/login", 200, 0).0.watch.expect("watched");
    stuffer.records.client = ClientState::new(stuffer.records.client.key());
    let answer = Answer { path: b"/login", status: 401, ..Default::default() };
    stuffer.records.answer(&engine, watch, answer, stuffer.now);
    assert_eq!(stuffer.get("/", 1_000).evidence.get(Check::UserAgent), 1.0);
}

#[test]
fn a_clock_that_is_set_back_does_not_freeze_the_limits() {
    let engine = engine(PolicyConfig::default());
    let mut visitor = Visitor::new(&engine, CHROME);
    visitor.get("/", 86_400_000);
    visitor.now = NOW;
    let limited = (0..200).filter(|_| visitor.get("/", 1_000).basis == Basis::RateLimit).count();
    assert_eq!(limited, 0);
}

proptest! {
    #[test]
    fn another_model_takes_the_place_of_the_first(
        values in prop::array::uniform7(0.0_f32..=1.0),
        strength in 0.0_f32..=1.0,
        leaf in 0.05_f32..0.95,
    ) {
        let engine = engine(PolicyConfig::default());
        let features = Features::new(values).expect("in range");
        let mut evidence = Evidence::default();
        evidence.set(Check::FailedLogins, strength);
        let decision = engine.score(&features, &evidence);
        let told = |model: &Model| engine.rescore(decision.score, decision.ml_probability, &features, model);
        let (same, _) = told(engine.model());
        prop_assert!((same - decision.score).abs() < 0.05, "{same} for {}", decision.score);
        let trees = Trees::new([1.0, 0.0, 0.0], &[vec![TreeNode::leaf(leaf)]]).expect("a tree");
        let other = Model::random_forest(trees, Features::default());
        let policy = Policy::compile(PolicyConfig::default()).expect("valid");
        let of_other = Engine::new(policy, other.clone(), Ranges::default(), HashKey::from_bytes([7; 16]), 1)
            .score(&features, &evidence);
        let (score, action) = told(&other);
        prop_assert!((score - of_other.score).abs() < 0.5, "{score} for {}", of_other.score);
        let borders = [50.0, 70.0, 90.0].map(|border: f32| (score - border).abs());
        if of_other.action != Action::Challenge && borders.iter().all(|far| *far > 0.5) {
            prop_assert_eq!(action, of_other.action);
        }
    }

    #[test]
    fn any_request_is_judged(
        requests in prop::collection::vec((any::<Vec<u8>>(), any::<Vec<u8>>(), any::<Vec<u8>>(), any::<u64>(), any::<u16>()), 1..30),
        address in any::<Option<IpAddr>>(),
    ) {
        let engine = engine(PolicyConfig::default());
        let mut records = Records::of(&engine, &RequestFacts { session: b"s", ..Default::default() }).issued(1);
        for (path, user_agent, other, now, status) in &requests {
            let headers = BrowserHeaders { accept: other, sec_ch_ua: other, secure: true, ..Default::default() };
            let facts = RequestFacts { address, method: other, path, user_agent, session: other, ja4: other, headers: Some(headers), ..Default::default() };
            let decision = records.judge(&engine, &facts, Marks::default(), *now);
            prop_assert!((0.0..=100.0).contains(&decision.score));
            prop_assert!((0.0..=1.0).contains(&decision.ml_probability));
            prop_assert!(decision.features.values().iter().all(|value| (0.0..=1.0).contains(value)));
            if let Some(watch) = decision.watch {
                let answer = Answer { path, status: *status, location: other, referer: other, content_type: other, is_usual: *status % 2 == 0, type_unknown: *status % 3 == 0 };
                records.answer(&engine, watch, answer, *now);
            }
            let Records { client, address, network, sessions } = &records;
            prop_assert_eq!(ClientState::from_bytes(&client.to_bytes()), Some(client.clone()));
            prop_assert_eq!(AddressState::from_bytes(&address.to_bytes()), Some(address.clone()));
            prop_assert_eq!(NetworkState::from_bytes(&network.to_bytes()), Some(network.clone()));
            let read = sessions.iter().map(|session| SessionState::from_bytes(&session.to_bytes()));
            prop_assert_eq!(read.collect::<Option<Vec<_>>>(), Some(sessions.clone()));
        }
    }

    #[test]
    fn any_bytes_are_a_record_or_not(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let engine = engine(PolicyConfig::default());
        let _ = AddressState::from_bytes(&bytes);
        let mut exact = bytes;
        exact.resize(ClientState::BYTES, 0);
        if let Some(client) = ClientState::from_bytes(&exact) {
            let facts = RequestFacts { path: b"/", ..Default::default() };
            let mut records = Records { client, ..Records::of(&engine, &facts) };
            let decision = records.judge(&engine, &facts, Marks::default(), NOW);
            prop_assert!(decision.features.values().iter().all(|value| (0.0..=1.0).contains(value)), "{:?}", decision);
        }
    }
}

/// Records stay small: the design asks for well under 256 bytes.
const _: () = assert!(ClientState::BYTES < 256 && AddressState::BYTES < 192);
