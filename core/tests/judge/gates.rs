//! What decides before or beside the score: limits, lists, crawlers, suspicious sessions, networks.

use std::net::IpAddr;

use proptest::prelude::*;
use sallyport_core::policy::{
    CrawlerCategory, CrawlerPolicy, LimitMode, LimitRule, ListAction, ListEntry, ListTarget, Lists,
};
use sallyport_core::{
    Action, AddressState, AgentVerdict, Basis, BrowserHeaders, Charge, Check, ClientState, Decision, Engine,
    HashKey, Marks, Model, Policy, PolicyConfig, Ranges, RequestFacts,
};

use crate::door::engine;
use crate::records::Records;

const NOW: u64 = 1_795_000_000_000;
const CHROME: &[u8] = b"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0.0.0 Safari/537.36";
const GOOGLEBOT: &[u8] = b"Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)";

fn facts<'a>(method: &'a str, path: &'a str) -> RequestFacts<'a> {
    RequestFacts {
        address: Some(IpAddr::from([198, 51, 100, 7])),
        method: method.as_bytes(),
        authority: b"site.example",
        path: path.as_bytes(),
        user_agent: CHROME,
        headers: Some(BrowserHeaders {
            accept: b"text/html",
            accept_language: b"en",
            accept_encoding: b"gzip",
            ..Default::default()
        }),
        ..Default::default()
    }
}

fn points(decision: &Decision) -> f32 {
    decision.reasons.iter().map(|(_, points)| points).sum()
}

#[test]
fn each_limit_refuses_or_only_tells() {
    let session = RequestFacts { session: b"s-1", ..facts("GET", "/") };
    let elsewhere =
        BrowserHeaders { sec_fetch_site: b"cross-site", ..facts("GET", "/").headers.expect("some") };
    let brought = RequestFacts { headers: Some(elsewhere), ..facts("GET", "/a") };
    for (rule, facts) in [
        (LimitRule::Address, facts("GET", "/site.css")),
        (LimitRule::Client, facts("GET", "/")),
        (LimitRule::Session, session),
        (LimitRule::Page, facts("GET", "/a")),
        (LimitRule::Api, facts("GET", "/api/items")),
        (LimitRule::Login, facts("POST", "/login")),
        (LimitRule::Asset, facts("GET", "/site.css")),
        (LimitRule::Newcomers, facts("GET", "/a")),
        (LimitRule::Network, facts("GET", "/api/items")),
        (LimitRule::AddressPage, facts("GET", "/login")),
        (LimitRule::AddressLogin, facts("POST", "/login")),
        (LimitRule::NetworkLogin, facts("POST", "/login")),
        (LimitRule::CrossSite, brought),
    ] {
        for mode in ["enforce", "shadow"] {
            let limit =
                format!(r#""{}": {{ "per_second": 0.5, "burst": 4, "mode": "{mode}" }}"#, rule.name());
            let lenient = r#""thresholds": { "monitor": 99, "challenge": 99.9, "block": 100 }"#;
            let engine = engine(&format!(r#"{{ {lenient}, "rate_limit": {{ {limit} }} }}"#));
            let mut records = Records::of(&engine, &facts).issued(NOW);
            for request in 0..4 {
                let decision = records.judge(&engine, &facts, Marks::default(), NOW);
                assert_eq!(decision.limit, None, "{rule:?}, {request}");
            }
            let decision = records.judge(&engine, &facts, Marks::default(), NOW);
            let over = decision.limit.unwrap_or_else(|| panic!("{rule:?} {mode}: {decision:?}"));
            assert_eq!((over.rule, over.is_shadow), (rule, mode == "shadow"));
            let is_refused = decision.basis == Basis::RateLimit;
            assert_eq!(is_refused, mode == "enforce", "{rule:?}");
            assert_eq!(decision.retry_after_s, is_refused.then_some(2), "{rule:?}");
            let later = records.judge(&engine, &facts, Marks::default(), NOW + 2_000);
            assert_eq!(later.limit, None, "{rule:?}: one comes back in two seconds");
        }
    }
}

#[test]
fn over_a_limit_that_is_not_its_own_no_session_is_suspicious() {
    for (rule, path, is_suspicious) in [
        (LimitRule::Client, "/", true),
        (LimitRule::Session, "/", true),
        (LimitRule::Page, "/", true),
        (LimitRule::Asset, "/site.css", false),
        (LimitRule::Address, "/", false),
        (LimitRule::Newcomers, "/", false),
        (LimitRule::Network, "/", false),
    ] {
        let engine = engine(&format!(
            r#"{{ "rate_limit": {{ "{}": {{ "per_second": 0.5, "burst": 1 }} }} }}"#,
            rule.name()
        ));
        let facts = RequestFacts { session: b"s-1", ..facts("GET", path) };
        let mut records = Records::of(&engine, &facts).issued(NOW);
        records.judge(&engine, &facts, Marks::default(), NOW);
        let decision = records.judge(&engine, &facts, Marks::default(), NOW);
        assert_eq!(decision.limit.map(|over| over.rule), Some(rule));
        assert_eq!(decision.is_suspicious, is_suspicious, "{rule:?}");
    }
}

#[test]
fn a_limit_of_one_class_leaves_the_others_alone() {
    let engine = engine(r#"{ "rate_limit": { "api": { "per_second": 0.1, "burst": 1 } } }"#);
    let mut records = Records::of(&engine, &facts("GET", "/"));
    let mut over = |method, path| {
        let facts = facts(method, path);
        records.judge(&engine, &facts, Marks::default(), NOW).limit.map(|over| over.rule)
    };
    assert_eq!(over("GET", "/api/items"), None);
    assert_eq!(over("GET", "/api/items"), Some(LimitRule::Api));
    assert_eq!([over("GET", "/"), over("GET", "/site.css"), over("POST", "/login")], [None; 3]);
}

#[test]
fn light_cells_are_not_shared_and_what_took_a_request_is() {
    let engine = engine(r#"{ "rate_limit": { "client": { "per_second": 1, "burst": 9 } } }"#);
    let facts = facts("GET", "/");
    let mut records = Records::of(&engine, &facts);
    let charged: Vec<Vec<_>> = (0..11)
        .map(|_| records.judge(&engine, &facts, Marks::default(), NOW).charges.iter().collect())
        .collect();
    let (rule, key) = (LimitRule::Client, engine.key().client(&facts));
    let own = vec![Charge { rule, key, cost_us: 1_000_000, least_us: 1_000_000 }];
    assert_eq!(charged[..2], [vec![], vec![]]);
    assert!(charged[2..9].iter().all(|charges| *charges == own), "{charged:?}");
    assert_eq!(charged[9..], [vec![], vec![]], "what was refused is not charged");
}

#[test]
fn a_shared_cell_counts_where_it_is_fuller_than_the_own_one() {
    let engine = engine(r#"{ "rate_limit": { "client": { "per_second": 1, "burst": 9 } } }"#);
    let facts = facts("GET", "/");
    for (ahead_us, passing) in [(0, 8), (5_000_000, 4), (9_000_000, 0), (60_000_000, 0)] {
        let mut records = Records::of(&engine, &facts);
        records.judge(&engine, &facts, Marks::default(), NOW);
        let limit = engine.policy().limit(LimitRule::Client).expect("a limit");
        records.client.settle(LimitRule::Client, limit, ahead_us, NOW);
        let passes = (0..12)
            .filter(|_| records.judge(&engine, &facts, Marks::default(), NOW).basis != Basis::RateLimit);
        assert_eq!(passes.count(), passing, "{ahead_us}");
    }
}

/// A client's limit of so many requests per second and at once.
fn client_limit(per_second: f32, burst: u32) -> Engine {
    let limit = format!(r#"{{ "per_second": {per_second}, "burst": {burst} }}"#);
    engine(&format!(r#"{{ "rate_limit": {{ "client": {limit} }} }}"#))
}

#[test]
fn what_a_tighter_policy_left_is_cut_to_the_new_one_and_what_is_owed_under_it_stays() {
    let (tight, loose) = (client_limit(0.01, 4), client_limit(1.0, 9));
    let facts = facts("GET", "/");
    let mut records = Records::of(&tight, &facts);
    let waits = |records: &mut Records, engine: &Engine, now_ms| {
        records.judge(engine, &facts, Marks::default(), now_ms).retry_after_s
    };
    (0..4).for_each(|_| assert_eq!(waits(&mut records, &tight, NOW), None));
    assert_eq!(waits(&mut records, &tight, NOW), Some(100), "400 s ahead");
    assert_eq!(waits(&mut records.clone(), &loose, NOW), Some(1), "not 392 s");
    // Replicas tell of a debt by the old numbers: cut likewise. By the new ones it is paid back, but no more than any
    // number of replicas can owe.
    let limit = |engine: &Engine| engine.policy().limit(LimitRule::Client).expect("a limit");
    records.client.settle(LimitRule::Client, limit(&tight), 1_600_000_000, NOW);
    assert_eq!(waits(&mut records.clone(), &loose, NOW), Some(1));
    for (told_s, wait_s) in [(5, 1), (30, 22), (100_000, 16 * 9 - 8)] {
        let mut records = records.clone();
        records.client.settle(LimitRule::Client, limit(&loose), told_s * 1_000_000, NOW);
        assert_eq!(waits(&mut records, &loose, NOW), Some(wait_s as u32), "told {told_s} s");
    }
}

#[test]
fn records_are_worth_keeping_while_a_cell_is_over_a_quarter_full() {
    let engine = engine(
        r#"{ "thresholds": { "monitor": 99, "challenge": 99.9, "block": 100 },
            "rate_limit": { "client": { "per_second": 1, "burst": 8 }, "login": { "per_second": 0.01, "burst": 5 },
            "network_login": { "per_second": 10, "burst": 100 }, "address_login": { "per_second": 10, "burst": 100 },
            "newcomers": { "per_second": 100, "burst": 100 }, "address": { "per_second": 1, "burst": 16 } } }"#,
    );
    let mut records = Records::of(&engine, &facts("GET", "/"));
    assert_eq!((records.client.worth_until_ms(), records.address.worth_until_ms()), (0, 0));
    let mut request = |method, path| {
        let request = facts(method, path);
        records.judge(&engine, &request, Marks::default(), NOW);
        // Whole seconds, up: a cell knows its size by about 1/64.
        let left_s = |until: u64| until.saturating_sub(NOW).div_ceil(1_000);
        [left_s(records.client.worth_until_ms()), left_s(records.address.worth_until_ms())]
    };
    assert_eq!(request("GET", "/"), [0, 0]);
    assert_eq!(request("GET", "/"), [0, 0], "a quarter is not over a quarter");
    assert_eq!(request("GET", "/"), [1, 0]);
    assert_eq!(request("POST", "/login"), [2, 0]);
    let [client, address] = request("POST", "/login");
    assert_eq!(address, 1);
    assert!((73..=75).contains(&client), "the logins' cell, two of five: {client}");
}

#[test]
fn a_session_made_up_for_a_request_counts_for_the_clients_limit() {
    let engine = engine(
        r#"{ "rate_limit": { "client": { "per_second": 1, "burst": 1 }, "session": { "per_second": 1, "burst": 50 } } }"#,
    );
    let mut records = Records::of(&engine, &facts("GET", "/"));
    let made_up: Vec<_> = (0..3).map(|number| format!("s-{number}")).collect();
    let over = made_up.iter().map(|session| {
        let facts = RequestFacts { session: session.as_bytes(), ..facts("GET", "/") };
        records.judge(&engine, &facts, Marks::default(), NOW).limit.map(|over| over.rule)
    });
    assert_eq!(over.collect::<Vec<_>>(), [None, Some(LimitRule::Client), Some(LimitRule::Client)]);
}

#[test]
fn each_category_of_crawlers_has_what_the_policy_says() {
    for (policy, action, basis) in [
        (CrawlerPolicy::Allow, Action::Allow, Basis::Crawler),
        (CrawlerPolicy::Limit, Action::RateLimit, Basis::RateLimit),
        (CrawlerPolicy::Challenge, Action::Challenge, Basis::Crawler),
        (CrawlerPolicy::Block, Action::Block, Basis::Crawler),
    ] {
        for category in CrawlerCategory::ALL {
            let mut config = PolicyConfig::default();
            let crawlers = &mut config.crawlers;
            let (slot, name) = match category {
                CrawlerCategory::Search => (&mut crawlers.search, "search"),
                CrawlerCategory::AiTraining => (&mut crawlers.ai_training, "ai_training"),
                CrawlerCategory::AiSearch => (&mut crawlers.ai_search, "ai_search"),
                CrawlerCategory::Preview => (&mut crawlers.preview, "preview"),
                CrawlerCategory::Monitoring => (&mut crawlers.monitoring, "monitoring"),
                CrawlerCategory::Feed => (&mut crawlers.feed, "feed"),
                CrawlerCategory::Other => (&mut crawlers.other, "other"),
            };
            *slot = policy;
            assert_eq!(category.name(), name);
            let engine = engine(&serde_json::to_string(&config).expect("JSON"));
            let facts = RequestFacts { user_agent: GOOGLEBOT, ..facts("GET", "/.env") };
            let mut records = Records::of(&engine, &facts);
            engine.remember_agent(AgentVerdict::Verified(category), 60, &mut records.client, NOW);
            // Its 61st request at once.
            let last = (0..61).map(|_| records.judge(&engine, &facts, Marks::default(), NOW)).last();
            let last = last.expect("61 requests");
            assert_eq!((last.action, last.basis), (action, basis), "{name}");
        }
    }
}

#[test]
fn who_is_not_the_crawler_it_claims_to_be_is_blocked_until_somebody_looks_again() {
    let engine = engine("{}");
    let facts = RequestFacts { user_agent: GOOGLEBOT, ..facts("GET", "/") };
    let route = engine.policy().route(b"", b"/");
    let mut records = Records::of(&engine, &facts);
    let first = records.judge(&engine, &facts, Marks::default(), NOW);
    assert!(engine.needs_consult(route, &first, &records.client, NOW) && records.client.claims_crawler());
    engine.remember_agent(AgentVerdict::Failed, 300, &mut records.client, NOW);
    let failed = records.judge(&engine, &facts, Marks::default(), NOW + 1_000);
    assert_eq!((failed.action, failed.basis), (Action::Block, Basis::Crawler));
    assert!(!engine.needs_consult(route, &failed, &records.client, NOW + 1_000));
    let later = records.judge(&engine, &facts, Marks::default(), NOW + 300_000);
    assert_eq!(later.basis, Basis::Score);
    assert!(engine.needs_consult(route, &later, &records.client, NOW + 300_000));
    engine.remember_agent(AgentVerdict::Unverifiable, 300, &mut records.client, NOW + 300_000);
    assert_eq!(records.judge(&engine, &facts, Marks::default(), NOW + 301_000).basis, Basis::Score);
}

#[test]
fn a_claim_that_is_being_looked_into_is_spared_but_not_what_its_client_does() {
    let engine = engine(
        r#"{ "trap_paths": ["/trap"], "rate_limit": { "client": { "per_second": 1, "burst": 30 } } }"#,
    );
    let asks = |path, pending: bool| {
        let facts = RequestFacts { user_agent: GOOGLEBOT, ..facts("GET", path) };
        let mut records = Records::of(&engine, &facts);
        if pending {
            engine.remember_agent(AgentVerdict::Pending, 60, &mut records.client, NOW);
        }
        (0..31).map(|_| records.judge(&engine, &facts, Marks::default(), NOW).action).collect::<Vec<_>>()
    };
    let (named, spared) = (asks("/", false), asks("/", true));
    assert!(named[0].refuses() && !spared[0].refuses(), "{named:?} {spared:?}");
    let trapped = asks("/trap", true);
    assert!(
        trapped[..30].iter().all(|action| matches!(action, Action::Challenge | Action::Block)),
        "{trapped:?}"
    );
    assert_eq!((spared[30], trapped[30]), (Action::RateLimit, Action::RateLimit));
}

#[test]
fn a_suspicious_session_is_challenged_at_least_and_the_points_add_up() {
    let engine = engine(r#"{ "sessions": { "suspicious": 3 } }"#);
    let marks = |session| Marks { session, network: 0.0 };
    let facts = RequestFacts { session: b"s-1", ..facts("GET", "/") };
    for (count, action) in [(2, Action::Allow), (3, Action::Challenge), (255, Action::Challenge)] {
        let decision = Records::of(&engine, &facts).issued(NOW).judge(&engine, &facts, marks(count), NOW);
        assert_eq!(decision.action, action, "{count}");
        assert!((50.0 + points(&decision) - decision.score).abs() < 1.0, "{decision:?}");
        let tells = decision.reasons.iter().any(|(check, _)| check == Check::SuspiciousSession);
        assert_eq!(tells, action == Action::Challenge);
        assert!(!decision.is_suspicious, "being challenged for it is no further action");
    }
    let nameless = RequestFacts { session: b"", ..facts };
    let decision = Records::of(&engine, &nameless).judge(&engine, &nameless, marks(9), NOW);
    assert_eq!(decision.action, Action::Allow);
    let mut records = Records::of(&engine, &facts).issued(NOW);
    let scan = RequestFacts { path: b"/.env", user_agent: b"sqlmap/1.8", ..facts };
    let worse = (0..9).map(|_| records.judge(&engine, &scan, marks(9), NOW)).last().expect("nine");
    assert_eq!((worse.action, worse.basis), (Action::Block, Basis::Score), "nothing gets better by it");
}

#[test]
fn what_is_suspicious_of_a_session() {
    let engine = engine(
        r#"{ "trap_paths": ["/trap"], "rate_limit": { "address": { "per_second": 1, "burst": 3 }, "login": { "per_second": 1, "burst": 1 } } }"#,
    );
    let session = |method, path| RequestFacts { session: b"s-1", ..facts(method, path) };
    let mut records = Records::of(&engine, &session("GET", "/")).issued(NOW);
    let mut suspicious = |facts: RequestFacts<'_>| {
        let decision = records.judge(&engine, &facts, Marks::default(), NOW);
        (decision.limit.map(|over| over.rule), decision.is_suspicious)
    };
    assert_eq!(suspicious(session("POST", "/login")), (None, false));
    assert_eq!(suspicious(session("POST", "/login")), (Some(LimitRule::Login), true));
    assert_eq!(suspicious(session("GET", "/trap")), (None, true));
    assert_eq!(
        suspicious(session("GET", "/")),
        (Some(LimitRule::Address), false),
        "others share the address"
    );
    assert_eq!(suspicious(facts("GET", "/")), (Some(LimitRule::Address), false));
}

#[test]
fn a_network_of_failed_logins_counts_for_attempts_only() {
    let engine = engine("{}");
    let marks = Marks { session: 0, network: 1.0 };
    for (method, path, counts) in
        [("POST", "/login", true), ("GET", "/login", false), ("POST", "/cart", false)]
    {
        let facts = facts(method, path);
        let decision = Records::of(&engine, &facts).judge(&engine, &facts, marks, NOW);
        assert_eq!(decision.evidence.get(Check::FailedLogins) > 0.9, counts, "{method} {path}");
        assert_eq!(engine.ask(&facts).is_login_attempt(), counts);
    }
}

#[test]
fn lists_come_first_allowing_ones_before_all_and_they_end() {
    let deny = |target, expires_ms| ListEntry { action: ListAction::Deny, target, expires_ms };
    let entries = [
        deny(ListTarget::Network("198.51.100.0/24".parse().expect("a range")), NOW + 10),
        deny(ListTarget::UserAgent("googlebot".into()), 0),
        ListEntry {
            action: ListAction::Allow,
            target: ListTarget::Path("/open/*".into()),
            expires_ms: NOW + 20,
        },
    ];
    let engine =
        engine(r#"{ "lists": { "deny": ["203.0.113.0/24"] } }"#).with_lists(Lists::compile(&entries));
    let basis = |facts: &RequestFacts<'_>, now_ms| {
        let mut records = Records::of(&engine, facts);
        engine.remember_agent(AgentVerdict::Verified(CrawlerCategory::Search), 60, &mut records.client, NOW);
        records.judge(&engine, facts, Marks { session: 9, network: 1.0 }, now_ms).basis
    };
    let bingbot = |path| RequestFacts { user_agent: b"bingbot/2.0", ..facts("GET", path) };
    let (closed, open) = (bingbot("/"), bingbot("//open/./a"));
    assert_eq!([basis(&closed, NOW), basis(&closed, NOW + 10)], [Basis::DenyList, Basis::Crawler]);
    assert_eq!([basis(&open, NOW), basis(&open, NOW + 20)], [Basis::AllowList, Basis::Crawler]);
    let crawler = RequestFacts { user_agent: GOOGLEBOT, ..closed };
    assert_eq!(basis(&crawler, NOW + 30), Basis::DenyList, "a list comes before what was verified");
    let of_policy = RequestFacts { address: Some(IpAddr::from([203, 0, 113, 9])), ..closed };
    assert_eq!(basis(&of_policy, NOW + 30), Basis::DenyList, "the policy's own lists stay");
    assert_eq!(basis(&RequestFacts { path: b"/open/", ..of_policy }, NOW), Basis::AllowList);
}

fn any_policy() -> impl Strategy<Value = PolicyConfig> {
    let shadow = prop::bool::ANY;
    let limit = (0.001_f32..1e6, 1_u32..1_000_000, shadow).prop_map(|(per_second, burst, shadow)| {
        let mode = if shadow { LimitMode::Shadow } else { LimitMode::Enforce };
        sallyport_core::policy::Limit { per_second, burst, mode }
    });
    (limit, 1_u8..=255, 1_u32..=604_800).prop_map(|(limit, suspicious, keep_s)| {
        let mut config = PolicyConfig { trap_paths: vec!["/trap".into()], ..Default::default() };
        let limits = &mut config.rate_limit;
        (limits.address, limits.client, limits.crawler) = (limit, limit, limit);
        (limits.session, limits.page, limits.api) = (Some(limit), Some(limit), Some(limit));
        (limits.login, limits.asset, limits.newcomers, limits.network) = (limit, limit, limit, limit);
        (limits.address_page, limits.address_login, limits.network_login) = (limit, limit, limit);
        (config.sessions.suspicious, config.sessions.keep_s) = (suspicious, keep_s);
        config
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn whatever_is_known_of_it_a_request_is_judged(
        config in any_policy(),
        requests in prop::collection::vec((
            prop::sample::select(vec!["/", "/login", "/api/x", "/a.css", "/trap", "/.env"]),
            prop::sample::select(vec!["GET", "POST", "HEAD"]),
            any::<u8>(), prop::num::f32::ANY, any::<u8>(), any::<u64>(), any::<u64>(), any::<bool>(), any::<u32>(),
        ), 1..20),
    ) {
        let policy = Policy::compile(config).expect("a sound policy");
        let engine = Engine::new(policy, Model::built_in().expect("weights"), Ranges::default(), HashKey::from_bytes([7; 16]), 1);
        let mut records = Records::of(&engine, &facts("GET", "/"));
        for (path, method, session, network, verdict, now_ms, ahead_us, has_session, ttl_s) in requests {
            let user_agent = if verdict % 2 == 0 { GOOGLEBOT } else { CHROME };
            let session_id: &[u8] = if has_session { b"s-1" } else { b"" };
            let facts = RequestFacts { user_agent, session: session_id, ..facts(method, path) };
            if let Some(verdict) = AgentVerdict::from_u8(verdict % 12) {
                engine.remember_agent(verdict, ttl_s, &mut records.client, now_ms);
            }
            for rule in LimitRule::ALL {
                let Some(limit) = engine.policy().limit(rule) else { continue };
                records.client.settle(rule, limit, ahead_us, now_ms);
                records.address.settle(rule, limit, ahead_us, now_ms);
                records.network.settle(rule, limit, ahead_us, now_ms);
            }
            let decision = records.judge(&engine, &facts, Marks { session, network }, now_ms);
            prop_assert!((0.0..=100.0).contains(&decision.score), "{:?}", decision);
            prop_assert!(decision.is_suspicious <= has_session);
            prop_assert_eq!(decision.retry_after_s.is_some(), decision.action == Action::RateLimit);
            let over = decision.limit.is_some_and(|over| !over.is_shadow);
            prop_assert_eq!(over, decision.basis == Basis::RateLimit);
            let is_attempt = decision.watch.is_some_and(|watch| watch.is_login_attempt());
            prop_assert_eq!(engine.ask(&facts).is_login_attempt() && !decision.action.refuses(), is_attempt);
            if matches!(decision.basis, Basis::Score | Basis::Session) {
                let difference = 50.0 + points(&decision) - decision.score;
                prop_assert!(difference.abs() < 3.5, "{:?}", decision);
            }
            prop_assert_eq!(ClientState::from_bytes(&records.client.to_bytes()), Some(records.client.clone()));
            prop_assert_eq!(AddressState::from_bytes(&records.address.to_bytes()), Some(records.address.clone()));
        }
    }
}

#[test]
fn an_attempt_is_what_the_judge_takes_for_one() {
    let engine = engine(
        r#"{ "login": { "routes": [{ "path": "/enter", "method": "PUT" }] },
            "routes": [{ "prefix": "/open", "class": "ignore" }, { "prefix": "/sso", "class": "login" }] }"#,
    );
    for (method, path, expected) in [
        ("POST", "/login", true),
        ("POST", "/a/%6cogin", true),
        ("GET", "/login", false),
        ("POST", "/about", false),
        ("PUT", "/enter", true),
        ("POST", "/enter", false),
        ("POST", "/sso", true),
        ("POST", "/open/login", false),
    ] {
        let facts = facts(method, path);
        assert_eq!(engine.ask(&facts).is_login_attempt(), expected, "{method} {path}");
        let decision = Records::of(&engine, &facts).judge(&engine, &facts, Marks::default(), NOW);
        let watched = decision.watch.is_some_and(|watch| watch.is_login_attempt());
        assert_eq!(watched, expected, "{method} {path}");
    }
}
