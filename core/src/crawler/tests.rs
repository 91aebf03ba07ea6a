//! What comes of claims and verdicts.

use proptest::prelude::*;

use super::*;
use crate::address::AddressState;
use crate::client::ClientState;
use crate::engine::Marks;
use crate::facts::RequestFacts;
use crate::keys::HashKey;
use crate::model::{Model, sigmoid};
use crate::network::NetworkState;
use crate::policy::{LimitRule, Policy, PolicyConfig, Route};
use crate::ranges::Ranges;

const NOW: u64 = 1_795_000_000_000;
const GOOGLEBOT: &[u8] = b"Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)";
const FIREFOX: &[u8] = b"Mozilla/5.0 (X11; Linux x86_64; rv:150.0) Gecko/20100101 Firefox/150.0";
const POLICIES: [CrawlerPolicy; 4] =
    [CrawlerPolicy::Allow, CrawlerPolicy::Limit, CrawlerPolicy::Challenge, CrawlerPolicy::Block];

fn engine(policy: &str) -> Engine {
    let config: PolicyConfig = serde_json::from_str(policy).expect("a policy");
    let policy = Policy::compile(config).expect("a valid policy");
    Engine::new(
        policy,
        Model::built_in().expect("weights"),
        Ranges::default(),
        HashKey::from_bytes([7; 16]),
        1,
    )
}

/// A client in front of the judge, and its address.
struct Visitor(ClientState, AddressState, NetworkState);

impl Visitor {
    fn new() -> Self {
        Self(ClientState::new(1), AddressState::new(2), NetworkState::new(3))
    }

    fn asks(&mut self, engine: &Engine, facts: &RequestFacts<'_>, now_ms: u64) -> Decision {
        let mut subjects = Subjects {
            client: &mut self.0,
            address: &mut self.1,
            network: Some(&mut self.2),
            sessions: &mut [],
            network_key: 3,
        };
        engine.decide(&engine.ask(facts), &mut subjects, (Marks::default(), false), now_ms)
    }
}

fn facts<'a>(user_agent: &'a [u8], path: &'a [u8]) -> RequestFacts<'a> {
    let address = "192.0.2.7".parse().ok();
    RequestFacts { address, method: b"GET", path, user_agent, ..Default::default() }
}

fn any_verdict() -> impl Strategy<Value = AgentVerdict> {
    (1_u8..VERIFIED + CrawlerCategory::ALL.len() as u8).prop_filter_map("a number", AgentVerdict::from_u8)
}

proptest! {
    #[test]
    fn the_record_decides_like_the_consult(
        verdict in any_verdict(),
        policy in 0_usize..4,
        paths in prop::collection::vec(prop::sample::select(vec!["/", "/a", "/.env", "/wp-login.php", "/x.css", "/api/1"]), 1..20),
    ) {
        let policy = serde_json::to_string(&POLICIES[policy]).expect("a name");
        let categories = CrawlerCategory::ALL.map(|category| format!("\"{}\": {policy}", category.name())).join(",");
        // What is refused leaves less behind than what passes: the two are compared as if everything passed.
        let engine = engine(&format!("{{\"crawlers\": {{ {categories} }} }}")).refusing_nobody();
        let (mut visitor, mut nobody) = (Visitor::new(), Visitor::new());
        engine.remember_agent(verdict, 3600, &mut visitor.0, NOW);
        for (number, path) in paths.iter().enumerate() {
            let now_ms = NOW + 1 + number as u64 * 500;
            let decision = visitor.asks(&engine, &facts(GOOGLEBOT, path.as_bytes()), now_ms);
            let plain = nobody.asks(&engine, &facts(GOOGLEBOT, path.as_bytes()), now_ms);
            let consulted = engine.score_crawler(&decision.features, &decision.evidence, verdict);
            prop_assert_eq!(decision.action, consulted.action);
            prop_assert_eq!(decision.basis, consulted.basis);
            prop_assert_eq!(decision.score, consulted.score);
            match verdict {
                AgentVerdict::Failed => prop_assert_eq!(decision.action, Action::Block),
                AgentVerdict::Pending => {
                    let mut evidence = plain.evidence;
                    evidence.set(Check::UserAgent, 0.0);
                    let nameless = engine.score(&plain.features.without_user_agent(), &evidence);
                    prop_assert_eq!((decision.action, decision.score), (nameless.action, nameless.score));
                    prop_assert!(decision.action as u8 <= plain.action as u8 && decision.score <= plain.score);
                    prop_assert_eq!(decision.ml_probability, sigmoid(engine.model().logit(&decision.features)));
                    prop_assert!(decision.reasons.iter().all(|(check, _)| check != Check::UserAgent));
                }
                AgentVerdict::Unverifiable => {
                    prop_assert_eq!((decision.action, decision.score), (plain.action, plain.score));
                }
                AgentVerdict::Verified(_) => prop_assert_eq!(decision.basis, Basis::Crawler),
            }
        }
    }
}

#[test]
fn lists_come_before_verdicts() {
    let engine = engine(r#"{ "lists": { "allow": ["192.0.2.7"] } }"#);
    let mut visitor = Visitor::new();
    engine.remember_agent(AgentVerdict::Failed, 300, &mut visitor.0, NOW);
    let decision = visitor.asks(&engine, &facts(GOOGLEBOT, b"/"), NOW);
    assert_eq!((decision.action, decision.basis), (Action::Allow, Basis::AllowList));
}

#[test]
fn a_limited_crawler_has_a_limit_of_its_own() {
    let engine = engine(
        r#"{ "rate_limit": { "client": { "per_second": 0.01, "burst": 1 }, "address": { "per_second": 0.01, "burst": 1 },
             "crawler": { "per_second": 0.1, "burst": 3 } } }"#,
    );
    let mut visitor = Visitor::new();
    let verdict = AgentVerdict::Verified(CrawlerCategory::AiTraining);
    engine.remember_agent(verdict, 3600, &mut visitor.0, NOW);
    let asked: Vec<_> = (0..4).map(|_| visitor.asks(&engine, &facts(GOOGLEBOT, b"/"), NOW)).collect();
    let actions: Vec<_> = asked.iter().map(|decision| decision.action).collect();
    assert_eq!(actions, [Action::Allow, Action::Allow, Action::Allow, Action::RateLimit]);
    assert_eq!(asked[3].limit.map(|over| over.rule), Some(LimitRule::Crawler));
    assert!(asked[3].retry_after_s.is_some_and(|s| (1..=10).contains(&s)));
    assert!(asked[2].charges.iter().any(|charge| charge.rule == LimitRule::Crawler), "others should know");
    assert_eq!(visitor.asks(&engine, &facts(GOOGLEBOT, b"/"), NOW + 11_000).action, Action::Allow);
}

#[test]
fn whoever_claims_to_be_a_crawler_is_asked_about_until_somebody_has_looked() {
    let engine = engine("{}");
    let mut visitor = Visitor::new();
    let asks = |visitor: &mut Visitor, user_agent, now_ms| {
        let decision = visitor.asks(&engine, &facts(user_agent, b"/"), now_ms);
        engine.needs_consult(&Route::default(), &decision, &visitor.0, now_ms)
    };
    assert!(asks(&mut visitor, GOOGLEBOT, NOW));
    for verdict in
        [AgentVerdict::Pending, AgentVerdict::Failed, AgentVerdict::Verified(CrawlerCategory::Search)]
    {
        let mut visitor = Visitor::new();
        engine.remember_agent(verdict, 2, &mut visitor.0, NOW);
        assert!(!asks(&mut visitor, GOOGLEBOT, NOW + 1999), "{verdict:?}");
        assert!(asks(&mut visitor, GOOGLEBOT, NOW + 2000), "{verdict:?}");
    }
}

#[test]
fn every_line_of_the_file_is_read() {
    let text = include_str!("../../data/known_crawlers.txt");
    let lines = text.lines().filter(|line| !line.split('#').next().unwrap_or_default().trim().is_empty());
    assert_eq!(lines.count(), known_crawlers().len());
}

#[test]
fn claims_are_found_whatever_their_case() {
    let name = |text: &[u8]| claimed_crawler(text).map(|crawler| crawler.name);
    let google = b"Mozilla/5.0 (compatible; GoogleBOT/2.1; +http://www.google.com/bot.html)";
    assert_eq!(name(google), Some("googlebot"));
    assert_eq!(name(b"Mozilla/5.0 (X11; Linux x86_64; rv:150.0) Gecko/20100101 Firefox/150.0"), None);
    assert_eq!(name(&[0xff; 5000]), None);
    assert_eq!(name(b""), None);
}

#[test]
fn verdicts_come_back_from_their_numbers() {
    for number in 0..=u8::MAX {
        match AgentVerdict::from_u8(number) {
            Some(verdict) => assert_eq!(verdict.to_u8(), number),
            None => assert!(number == 0 || number >= VERIFIED + CrawlerCategory::ALL.len() as u8),
        }
    }
}

#[test]
fn while_it_is_looked_into_a_name_is_spared_and_nothing_else() {
    let engine = engine("{}");
    let first = |path: &[u8], verdict| {
        let mut visitor = Visitor::new();
        engine.remember_agent(verdict, 2, &mut visitor.0, NOW);
        visitor.asks(&engine, &facts(GOOGLEBOT, path), NOW)
    };
    assert!(first(b"/", AgentVerdict::Unverifiable).action.refuses(), "refused for its name");
    assert_eq!(first(b"/", AgentVerdict::Pending).action, Action::Allow);
    for probe in [&b"/.env"[..], b"/.git/config", b"/backup.sql"] {
        let pending = first(probe, AgentVerdict::Pending);
        assert!(pending.action.refuses() && pending.basis == Basis::Score, "{pending:?}");
        let mut browser = Visitor::new();
        let browser = browser.asks(&engine, &facts(FIREFOX, probe), NOW);
        assert!(pending.score >= browser.score, "a borrowed name is worth no more than a browser's");
    }
}

#[test]
fn a_spared_name_still_adds_up_and_keeps_what_was_counted() {
    let engine = engine(r#"{ "rate_limit": { "client": { "per_second": 1, "burst": 2 } } }"#);
    let mut visitor = Visitor::new();
    engine.remember_agent(AgentVerdict::Pending, 60, &mut visitor.0, NOW);
    visitor.asks(&engine, &facts(GOOGLEBOT, b"/.env"), NOW);
    let decision = visitor.asks(&engine, &facts(GOOGLEBOT, b"/.env"), NOW);
    let points: f32 = decision.reasons.iter().map(|(_, points)| points).sum();
    assert!((50.0 + points - decision.score).abs() < 1.0, "{decision:?}");
    let told = engine.explain(&decision);
    let shares = told.features.iter().chain([&told.base]).chain(told.checks.iter().map(|(_, share)| share));
    let sum: f32 = shares.map(|share| share.points).sum();
    assert!((50.0 + sum - decision.score).abs() < 0.1, "{told:?}");
    assert!(decision.charges.iter().any(|charge| charge.rule == LimitRule::Client), "{decision:?}");
    let third = visitor.asks(&engine, &facts(GOOGLEBOT, b"/.env"), NOW);
    assert_eq!((third.action, third.basis), (Action::RateLimit, Basis::RateLimit));
}
