//! Refusals that somebody who knows more softens after the judgement.

use sallyport_core::policy::LimitRule;
use sallyport_core::{Action, Basis, Decision, Engine, Marks};
use sallyport_core::{BrowserHeaders, RequestFacts};

use crate::door;
use crate::door::{NOW, browser, chrome, sign_in};
use crate::records::Records;

const REFUSES_ALL: &str = r#""monitor": 0, "challenge": 0, "block": 100"#;
const REFUSES_NOBODY: &str = r#""monitor": 100, "challenge": 100, "block": 100"#;
/// More sign-ins than the default lets a client begin.
const LIMITS: &str =
    r#""login": { "per_second": 0.5, "burst": 30 }, "newcomers": { "per_second": 1, "burst": 20 }"#;

fn engine(thresholds: &str) -> Engine {
    let json = format!(r#"{{ "thresholds": {{ {thresholds} }}, "rate_limit": {{ {LIMITS} }} }}"#);
    door::engine(&json)
}

/// Somebody says afterwards that the request passes.
fn soften(
    engine: &Engine,
    facts: &RequestFacts<'_>,
    records: &mut Records,
    decision: &mut Decision,
    now_ms: u64,
) {
    decision.action = Action::Allow;
    engine.soften(&engine.ask(facts), &mut records.lend(), decision, false, now_ms);
}

#[test]
fn whoever_passes_after_all_is_counted_charged_and_watched_like_whoever_passed_at_once() {
    let (strict, lenient) = (engine(REFUSES_ALL), engine(REFUSES_NOBODY));
    let agent = chrome(0);
    let page = browser("198.51.100.7", &agent, "/a");
    let elsewhere = BrowserHeaders { sec_fetch_site: b"cross-site", ..page.headers.unwrap_or_default() };
    for facts in [
        page,
        RequestFacts { path: b"/site.css", ..page },
        RequestFacts { path: b"/api/items", ..page },
        RequestFacts { path: b"/photo.jpg", headers: Some(elsewhere), ..page },
        RequestFacts { unanswered: true, referer: b"https://site.example/", ..page },
        sign_in("198.51.100.7", &agent),
    ] {
        let (mut late, mut early) = (Records::of(&strict, &facts), Records::of(&strict, &facts));
        for request in 0..16 {
            let now_ms = NOW + 700 * request;
            let mut softened = late.judge(&strict, &facts, Marks::default(), now_ms);
            assert!(softened.action.refuses() && softened.watch.is_none(), "{softened:?}");
            soften(&strict, &facts, &mut late, &mut softened, now_ms);
            let passed = early.judge(&lenient, &facts, Marks::default(), now_ms);
            assert!(!softened.action.refuses() && !passed.action.refuses(), "{request} {facts:?}");
            assert_eq!((softened.watch, softened.charges), (passed.watch, passed.charges), "{facts:?}");
            assert_eq!(late.client, early.client, "{facts:?}");
            assert_eq!((&late.address, &late.network), (&early.address, &early.network), "{facts:?}");
        }
    }
}

#[test]
fn whoever_waits_while_others_take_the_last_room_is_refused_for_that() {
    let engine = engine(REFUSES_ALL);
    let agent = chrome(0);
    for (facts, room, rule) in [
        (browser("198.51.100.7", &agent, "/a"), 20, LimitRule::Newcomers),
        (sign_in("198.51.100.7", &agent), 30, LimitRule::Login),
    ] {
        let mut records = Records::of(&engine, &facts);
        let waiting: Vec<_> =
            (0..40).map(|_| records.judge(&engine, &facts, Marks::default(), NOW)).collect();
        let ended: Vec<_> = waiting
            .into_iter()
            .map(|mut decision| {
                soften(&engine, &facts, &mut records, &mut decision, NOW);
                decision
            })
            .collect();
        let over: Vec<_> = ended.iter().filter(|decision| decision.action.refuses()).collect();
        assert_eq!(ended.len() - over.len(), room, "{rule:?}");
        for decision in over {
            assert_eq!((decision.action, decision.basis), (Action::RateLimit, Basis::RateLimit));
            assert_eq!(decision.limit.map(|over| over.rule), Some(rule));
            assert!(decision.retry_after_s.is_some() && decision.watch.is_none(), "{decision:?}");
        }
    }
}

#[test]
fn what_is_not_softened_changes_nothing() {
    let agent = chrome(0);
    let facts = sign_in("198.51.100.7", &agent);
    for (thresholds, action) in [
        (REFUSES_ALL, Action::Block),
        (REFUSES_ALL, Action::Challenge),
        (REFUSES_NOBODY, Action::Block),
        (REFUSES_NOBODY, Action::Monitor),
    ] {
        let engine = engine(thresholds);
        let mut records = Records::of(&engine, &facts);
        let mut decision = records.judge(&engine, &facts, Marks::default(), NOW);
        decision.action = action;
        let before = (records.clone(), decision.clone());
        engine.soften(&engine.ask(&facts), &mut records.lend(), &mut decision, false, NOW + 40);
        assert_eq!((records.client, records.address), (before.0.client, before.0.address));
        assert_eq!((records.network, decision.watch), (before.0.network, before.1.watch));
        assert_eq!((decision.action, decision.charges), (action, before.1.charges));
    }
}
