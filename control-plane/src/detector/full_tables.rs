//! Newcomers at full tables.

use sallyport_core::{Action, BrowserHeaders, HashKey, Model, Policy, PolicyConfig, Ranges};

use super::*;

const START_MS: u64 = 1_795_000_000_000;

/// A judge with room for 2,048 of each, and these limits; nobody is refused for the score.
fn detector(rate_limit: &str) -> Detector {
    detector_for(rate_limit, 2_048)
}

/// The same with room for so many addresses and networks.
fn detector_for(rate_limit: &str, addresses: u32) -> Detector {
    let policy = format!(
        r#"{{ "thresholds": {{ "monitor": 99, "challenge": 99.9, "block": 100 }}, "rate_limit": {{ {rate_limit} }} }}"#
    );
    let config = PolicyConfig::from_json(policy.as_bytes()).expect("a policy");
    let policy = Policy::compile(config).expect("a sound policy");
    let (model, key) = (Model::built_in().expect("built-in model"), HashKey::from_bytes([1; 16]));
    let engine = Engine::new(policy, model, Ranges::default(), key, 1);
    let limits = LimitsConfig { clients: 2_048, addresses, sessions: 2_048, ..LimitsConfig::default() };
    let detector = Detector::new(Arc::new(engine), &limits);
    // Budgets have begun to bind.
    detector.begun_ms.store(START_MS - LOOKS_ON_MS, Ordering::Relaxed);
    detector
}

/// What a browser's request is judged.
fn ask(detector: &Detector, ip: [u8; 4], path: &str, after_ms: u64) -> Decision {
    ask_as(detector, ip, (path, 0), after_ms)
}

/// The same of a browser that says it has this build.
fn ask_as(detector: &Detector, ip: [u8; 4], (path, build): (&str, u32), after_ms: u64) -> Decision {
    let user_agent = format!("Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.{build}");
    let headers = BrowserHeaders {
        accept: b"text/html",
        accept_language: b"en",
        accept_encoding: b"gzip",
        ..Default::default()
    };
    let facts = RequestFacts {
        address: Some(ip.into()),
        method: b"GET",
        authority: b"site.example",
        path: path.as_bytes(),
        user_agent: user_agent.as_bytes(),
        headers: Some(headers),
        ..Default::default()
    };
    detector.check(&facts, Marks::default(), None, START_MS + after_ms).decision
}

/// Newcomers from networks of their own, until all tables are full of those that are worth keeping.
fn fill(detector: &Detector) {
    for number in 0..20_000_u32 {
        let [_, a, b, c] = number.to_be_bytes();
        ask(detector, [10 + a, b, c, 1], "/", 0);
    }
    assert_eq!(detector.addresses.len(), 2_048);
    assert!(detector.addresses.turned_away() > 0);
}

#[test]
fn clients_that_find_no_place_draw_on_what_newcomers_of_their_address_share() {
    let limits =
        r#""newcomers": { "per_second": 0.001, "burst": 5 }, "client": { "per_second": 0.01, "burst": 2 }"#;
    let detector = detector_for(limits, 65_536);
    for number in 0..20_000_u32 {
        let [_, a, b, c] = (number / 5).to_be_bytes();
        ask_as(&detector, [10 + a, b, c, 1], ("/", number % 5), 0);
    }
    let before = detector.clients.turned_away();
    let page = |build: u32| ask_as(&detector, [192, 0, 2, 1], ("/", build), 1_000);
    assert_eq!((0..50).filter(|build| page(*build).action == Action::Allow).count(), 5);
    assert_eq!(detector.clients.turned_away() - before, 50, "each was new");
}

#[test]
fn who_has_no_place_at_its_address_is_charged_to_its_network() {
    let detector = detector(
        r#""newcomers": { "per_second": 0.01, "burst": 2 }, "network": { "per_second": 0.01, "burst": 40 }"#,
    );
    fill(&detector);
    let page = |host: u8| ask(&detector, [192, 0, 2, host], "/", 1_000);
    let passed = (1..=100).filter(|host| page(*host).action == Action::Allow).count();
    assert_eq!(passed, 40);
    assert_eq!(ask(&detector, [192, 0, 2, 1], "/site.css", 1_000).action, Action::Allow);
}

#[test]
fn who_has_no_place_at_all_is_refused_with_a_short_wait_until_there_is_one() {
    let detector = detector(
        r#""newcomers": { "per_second": 0.01, "burst": 2 }, "network": { "per_second": 0.01, "burst": 2 }"#,
    );
    fill(&detector);
    assert_eq!(detector.networks.len(), 2_048);
    let ask = |path: &str, after_ms| ask(&detector, [192, 0, 2, 1], path, after_ms);
    let refused = ask("/", 1_000);
    assert_eq!((refused.action, refused.retry_after_s), (Action::RateLimit, Some(1)));
    assert_eq!(refused.limit.map(|over| over.rule), Some(LimitRule::Newcomers));
    assert_eq!(ask("/site.css", 1_000).action, Action::Allow, "what is no page passes");
    assert_eq!(ask("/", 200_000).action, Action::Allow, "cells have drained");
}

#[test]
fn a_flood_of_new_addresses_refuses_nobody_who_is_new() {
    let detector = detector("");
    for number in 0..50_000_u32 {
        let [_, a, b, c] = number.to_be_bytes();
        // As many to each place as a million have at the default size.
        assert_eq!(ask(&detector, [10 + a, b, c, 1], "/", u64::from(number / 100)).action, Action::Allow);
        if number % 100 == 0 {
            let person = [192, 0, (number / 100 % 250) as u8, (number / 25_000) as u8];
            assert_eq!(
                ask(&detector, person, "/", u64::from(number / 100)).action,
                Action::Allow,
                "{number}"
            );
        }
    }
    assert_eq!((detector.addresses.turned_away(), detector.networks.turned_away()), (0, 0));
}
