//! Newcomers at full tables: what they do is charged all the same, and nobody is refused because others came.

use sallyport_core::policy::LimitRule;
use sallyport_core::{ClientState, Policy, PolicyConfig};
use sallyport_filter::state::{Held, Record};
use sallyport_filter::worker::LOOKS_ON_MS;
use serde_json::{Value, json};

use crate::fake::{Reply, START_MS};
use crate::machine::{CHROME, Machine};

const SLOTS: u32 = 16;

/// With these limits, and budgets that have begun to count; nobody is refused for the score.
fn limiting(limits: &Value) -> Machine {
    let mut machine = Machine::start(&json!({ "state_slots": SLOTS, "policy": {
        "enforcement": "enforce", "thresholds": { "monitor": 99, "challenge": 99.9, "block": 100 },
        "rate_limit": limits } }));
    machine.tick_after(LOOKS_ON_MS);
    machine
}

/// Fills the table of clients beside their addresses with ones whose cells stay over a quarter full for 20 minutes.
fn fill_clients(machine: &Machine) {
    let mut config = PolicyConfig::default();
    (config.rate_limit.client.per_second, config.rate_limit.client.burst) = (0.1, 16);
    let limit = Policy::compile(config).expect("a policy").limit(LimitRule::Client).expect("a limit");
    let now_ms = START_MS + LOOKS_ON_MS;
    for key in 0..u64::from(SLOTS) * <ClientState as Record>::WAYS as u64 {
        let mut client = ClientState::met(key, now_ms);
        client.settle(LimitRule::Client, limit, 1_240_000_000, now_ms);
        let mut held = Held::load(&machine.fake, SLOTS, key, now_ms);
        held.store(&machine.fake, &client).expect("stored");
    }
}

/// A browser's request that says it has this build; what refuses it. A sign-in that passes fails.
fn ask(machine: &mut Machine, source: &str, (method, path): (&str, &str), build: usize) -> Option<Reply> {
    let headers = [
        (":method", method),
        (":path", path),
        (":authority", "site.example"),
        ("user-agent", &CHROME.replace("0.0.0", &format!("0.{build}.0"))),
        ("accept", "text/html"),
        ("accept-language", "en"),
        ("accept-encoding", "gzip"),
    ];
    let (context, _) = machine.request(&format!("{source}:1"), &headers);
    let reply = machine.reply(context);
    if reply.is_none() && method == "POST" {
        machine.respond(context, 401, None);
    }
    machine.end(context);
    reply
}

#[test]
fn clients_that_find_no_place_draw_on_what_newcomers_of_their_address_share() {
    let tight = json!({ "per_second": 0.001, "burst": 5 });
    for (limit, what) in [("newcomers", ("GET", "/")), ("address_login", ("POST", "/login"))] {
        let mut machine = limiting(&json!({ limit: tight }));
        fill_clients(&machine);
        let refused = (0..20).filter_map(|build| ask(&mut machine, "192.0.2.1", what, build));
        let refused: Vec<_> = refused.map(|reply| reply.headers["ratelimit"].clone()).collect();
        assert_eq!(refused.len(), 15, "{limit}");
        assert!(refused.iter().all(|told| told.starts_with(&format!("\"{limit}\""))), "{refused:?}");
        assert!(
            machine.metric("state_turned_away") >= 4,
            "all that passed but the first, which lives with its address"
        );
    }
}

#[test]
fn clients_that_find_no_place_draw_on_what_newcomers_of_their_network_share() {
    let tight = json!({ "per_second": 0.001, "burst": 12 });
    for (limit, what) in [("network", ("GET", "/")), ("network_login", ("POST", "/login"))] {
        let mut machine = limiting(&json!({ limit: tight }));
        fill_clients(&machine);
        let asked: Vec<_> = (0..40).map(|build| (format!("192.0.2.{}", build % 4), build)).collect();
        let refused = asked.iter().filter_map(|(source, build)| ask(&mut machine, source, what, *build));
        assert_eq!(refused.count(), 28, "{limit}");
        assert!(
            machine.metric("state_turned_away") >= 8,
            "{limit}: all that passed but the first of each address"
        );
    }
}

/// Newcomers from networks of their own, until there is no place for an address that is not worth keeping.
fn fill_addresses(machine: &mut Machine) {
    for number in 0..2_000 {
        ask(machine, &format!("10.{}.{}.1", number / 250, number % 250), ("GET", "/"), 0);
    }
    assert!(machine.metric("state_turned_away") > 1_000);
}

#[test]
fn who_has_no_place_at_its_address_is_charged_to_its_network() {
    let limits = json!({ "newcomers": { "per_second": 0.01, "burst": 2 },
        "network": { "per_second": 0.001, "burst": 40 }, "network_login": { "per_second": 0.001, "burst": 30 } });
    for (what, room) in [(("GET", "/"), 40), (("POST", "/login"), 30)] {
        let mut machine = limiting(&limits);
        fill_addresses(&mut machine);
        let mut passes = |host: usize| ask(&mut machine, &format!("192.0.2.{host}"), what, 0).is_none();
        assert_eq!((1..100).filter(|host| passes(*host)).count(), room, "{what:?}");
        assert!(ask(&mut machine, "192.0.2.1", ("GET", "/site.css"), 0).is_none());
    }
}

#[test]
fn who_has_no_place_at_all_is_refused_with_a_short_wait_until_there_is_one() {
    let limits = json!({ "newcomers": { "per_second": 0.01, "burst": 2 }, "network": { "per_second": 0.01, "burst": 2 } });
    for what in [("GET", "/"), ("POST", "/login"), ("GET", "/api/items")] {
        let mut machine = limiting(&limits);
        fill_addresses(&mut machine);
        let reply = ask(&mut machine, "192.0.2.1", what, 0).expect("refused");
        assert_eq!((reply.status, reply.headers["retry-after"].as_str()), (429, "1"), "{what:?}");
        assert!(ask(&mut machine, "192.0.2.1", ("GET", "/site.css"), 0).is_none(), "what is no page passes");
        machine.fake.pass_ms(200_000);
        assert!(ask(&mut machine, "192.0.2.1", what, 0).is_none(), "cells have drained");
    }
}

#[test]
fn a_flood_of_new_addresses_refuses_nobody_who_is_new() {
    let mut machine = limiting(&json!({}));
    // 96 addresses have a place: as many to each as a million have at the default size.
    for number in 0..3_000 {
        let source = format!("10.{}.{}.1", number / 250, number % 250);
        for _ in 0..8 {
            assert!(ask(&mut machine, &source, ("GET", "/"), 0).is_none(), "{source}");
        }
        let person = format!("192.0.{}.{}", number % 250, number / 250);
        for path in ["/", "/site.css", "/about"] {
            assert!(ask(&mut machine, &person, ("GET", path), 1).is_none(), "{person} {path}");
        }
        machine.fake.pass_ms(1);
    }
    assert_eq!(machine.metric("state_turned_away"), 0);
}
