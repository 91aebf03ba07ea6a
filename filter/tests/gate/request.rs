//! A stream from its headers to its answer.

use proptest::prelude::*;
use sallyport_filter::house::House;
use sallyport_filter::request::Flow;
use sallyport_filter::state::{FRAME_HEAD, Record};
use serde_json::{Value, json};

use crate::machine::{CHROME, Machine};

fn enforcing() -> Machine {
    Machine::start(&json!({ "policy": { "enforcement": "enforce" } }))
}

/// Refuses nobody for the score alone.
fn lenient(rest: Value) -> Value {
    let mut policy = json!({
        "enforcement": "enforce", "thresholds": { "monitor": 99, "challenge": 99.9, "block": 100 } });
    for (key, value) in rest.as_object().expect("an object") {
        policy[key] = value.clone();
    }
    json!({ "policy": policy })
}

#[test]
fn a_browser_passes_and_the_origin_is_told() {
    let mut machine = enforcing();
    let (context, flow) = machine.browse("192.0.2.1:1000", "/");
    assert_eq!(flow, Flow::Continue);
    let header = machine.verdict_header(context).expect("a header");
    assert!(header.starts_with("action=ALLOW, score="), "{header}");
    assert!(header.contains(", id=\"id-1\""), "{header}");
    assert_eq!(machine.metric("decisions_allow"), 1);
}

#[test]
fn a_tool_gets_a_problem_and_a_navigation_a_page() {
    let mut machine = enforcing();
    let (context, _) = machine.tool("192.0.2.1:1000", "GET", "/.env");
    let reply = machine.reply(context).expect("refused");
    assert_eq!(reply.status, 403);
    assert_eq!(reply.headers["content-type"], "application/problem+json");
    let headers =
        [(":method", "GET"), (":path", "/.env"), ("user-agent", "curl/8.5.0"), ("accept", "text/html")];
    let (context, _) = machine.request("192.0.2.2:1000", &headers);
    let reply = machine.reply(context).expect("refused");
    assert_eq!(reply.headers["content-type"], "text/html; charset=utf-8");
    assert_eq!(
        machine.respond(context, 403, None).len(),
        1,
        "the filter's own reply is not an answer to learn from"
    );
}

#[test]
fn monitor_refuses_nobody_and_says_what_it_would_have_done() {
    let mut machine = Machine::start(&json!({}));
    let (context, flow) = machine.tool("192.0.2.1:1000", "GET", "/.env");
    assert_eq!(flow, Flow::Continue);
    assert!(machine.verdict_header(context).expect("told").contains("enforced=?0"));
    let response = machine.respond(context, 200, None);
    let would = response.iter().find(|(name, _)| name == "x-sallyport-would").expect("told");
    assert!([&b"CHALLENGE"[..], b"BLOCK"].contains(&would.1.as_slice()));
    let (context, _) = machine.browse("192.0.2.9:1000", "/");
    assert_eq!(machine.respond(context, 200, None).len(), 1);
    assert_eq!(machine.metric("not_enforced"), 1);
}

#[test]
fn a_spoofed_verdict_never_reaches_the_origin() {
    for policy in
        [json!({ "header": "always" }), json!({ "header": "flagged" }), json!({ "header": "never" })]
    {
        let mut machine = Machine::start(&json!({ "policy": policy }));
        let headers = [
            (":method", "GET"),
            (":path", "/"),
            ("user-agent", CHROME),
            ("x-sallyport", "action=ALLOW, score=0"),
            ("x-sallyport", "action=TRUSTED"),
            ("x_sallyport", "action=TRUSTED"),
        ];
        let (context, _) = machine.request("192.0.2.1:1000", &headers);
        let told = machine.verdict_header(context).unwrap_or_default();
        assert!(!told.contains("score=0,") && !told.contains("TRUSTED"), "{policy}: {told}");
        assert!(policy["header"] != "never" || told.is_empty());
        assert_eq!(machine.fake.request_header(context, "x_sallyport"), None);
    }
}

#[test]
fn an_ignored_route_is_left_alone() {
    let config = json!({ "policy": {
        "enforcement": "enforce", "routes": [{ "prefix": "/health", "class": "ignore" }] } });
    let mut machine = Machine::start(&config);
    let (context, flow) = machine.tool("192.0.2.1:1000", "GET", "/health");
    assert_eq!((flow, machine.verdict_header(context)), (Flow::Continue, None));
    assert_eq!(machine.metric("decisions_allow"), 0);
    assert!(!machine.fake.process.shared.borrow().keys().any(|key| key.contains("/client/")));
}

#[test]
fn a_burst_is_limited_with_a_time_to_wait() {
    let config = lenient(json!({ "rate_limit": { "client": { "per_second": 1, "burst": 5 } } }));
    let mut machine = Machine::start(&config);
    let refused = (0..10).filter_map(|_| {
        let (context, _) = machine.browse("192.0.2.1:1000", "/");
        machine.reply(context)
    });
    let refused: Vec<_> = refused.collect();
    assert_eq!(refused.len(), 5);
    assert_eq!((refused[0].status, refused[0].headers["retry-after"].as_str()), (429, "1"));
}

#[test]
fn failed_logins_count_against_the_client_and_passed_ones_do_not() {
    for (status, held_against) in [(401, true), (303, false)] {
        let mut machine = Machine::start(&lenient(json!({})));
        let mut last = String::new();
        for _ in 0..4 {
            let (context, flow) = machine.browser("192.0.2.1:1000", "POST", "/login");
            assert_eq!(flow, Flow::Continue);
            machine.respond(context, status, Some("/account"));
            machine.fake.pass_ms(10_000);
            last = machine.verdict_header(context).expect("told");
        }
        assert_eq!(last.contains("\"failed_logins\""), held_against, "{status}: {last}");
    }
}

#[test]
fn two_workers_count_one_client_together() {
    let config = lenient(json!({ "rate_limit": { "client": { "per_second": 1, "burst": 6 } } }));
    let mut one = Machine::start(&config);
    let mut other = one.start_beside(&config);
    let mut refused = 0;
    for _ in 0..5 {
        for machine in [&mut one, &mut other] {
            let (context, _) = machine.browse("192.0.2.1:1000", "/");
            refused += usize::from(machine.reply(context).is_some());
        }
    }
    assert_eq!(refused, 4);
}

#[test]
fn an_ipv6_network_is_one_address() {
    let mut machine = enforcing();
    for host in 1..9 {
        machine.browse(&format!("[2001:db8::{host}]:1000"), "/");
    }
    let shared = machine.fake.process.shared.borrow();
    let addresses: Vec<_> = shared.iter().filter(|(key, _)| key.contains("/address/")).collect();
    assert_eq!(addresses.len(), 1);
    assert_eq!(addresses[0].1.0.len(), House::BYTES + FRAME_HEAD);
}

#[test]
fn a_lost_write_is_tried_again_and_given_up_in_the_end() {
    let mut machine = Machine::start(&lenient(json!({})));
    machine.browse("192.0.2.1:1000", "/");
    machine.fake.process.lost_writes.set(4);
    machine.browse("192.0.2.1:1000", "/");
    assert_eq!(machine.metric("state_conflicts"), 0);
    machine.fake.process.lost_writes.set(100);
    assert_eq!(machine.browse("192.0.2.1:1000", "/").1, Flow::Pause, "a flood must not lose its own charges");
    assert_eq!(machine.metric("state_conflicts"), 1);
    assert!(machine.fake.process.lost_writes.get() >= 80, "it gives up");
    assert_eq!(
        machine.browse("192.0.2.1:1000", "/a.css").1,
        Flow::Continue,
        "what is no newcomer's page passes"
    );
}

const NAMES: [&str; 12] = [
    ":method",
    ":path",
    ":authority",
    ":scheme",
    "user-agent",
    "accept",
    "cookie",
    "referer",
    "sec-fetch-dest",
    "x-request-id",
    "x-sallyport",
    "x-forwarded-for",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn any_request_is_judged(
        requests in prop::collection::vec((
            prop::option::of(prop::collection::vec(any::<u8>(), 0..40)),
            prop::collection::vec((0usize..NAMES.len(), prop::collection::vec(any::<u8>(), 0..200)), 0..24),
            any::<u16>(),
        ), 1..12),
    ) {
        let mut machine = Machine::start(&json!({ "policy": { "enforcement": "enforce" }, "session_cookie": "a" }));
        for (source, headers, status) in &requests {
            let headers: Vec<_> = headers.iter().map(|(name, value)| (NAMES[*name], value.as_slice())).collect();
            let (context, flow) = machine.request_bytes(source.as_deref(), &headers);
            if flow == Flow::Continue {
                machine.respond(context, *status, Some("/"));
            }
        }
    }
}
