//! What a refused client is told of its limit.

use serde_json::{Value, json};

use crate::fake::Reply;
use crate::machine::Machine;

/// Refuses for rates only.
fn limiting(limits: &Value) -> Machine {
    Machine::start(&json!({ "session_header": "x-session", "policy": {
        "enforcement": "enforce", "thresholds": { "monitor": 99, "challenge": 99.9, "block": 100 },
        "rate_limit": limits } }))
}

/// The first refusal among so many requests.
fn refused(machine: &mut Machine, method: &str, path: &str, requests: usize) -> Option<Reply> {
    (0..requests).find_map(|_| {
        let (context, _) = machine.browser("192.0.2.1:1000", method, path);
        machine.reply(context)
    })
}

#[test]
fn each_limit_names_itself() {
    let tight = json!({ "per_second": 0.25, "burst": 3 });
    for (rule, method, path) in [
        ("address", "GET", "/"),
        ("client", "GET", "/"),
        ("page", "GET", "/"),
        ("api", "GET", "/api/items"),
        ("login", "POST", "/login"),
        ("asset", "GET", "/site.css"),
    ] {
        let mut machine = limiting(&json!({ rule: tight }));
        let reply = refused(&mut machine, method, path, 4).expect(rule);
        assert_eq!(reply.status, 429, "{rule}");
        assert_eq!(reply.headers["retry-after"], "4", "{rule}");
        assert_eq!(reply.headers["ratelimit-policy"], format!("\"{rule}\";q=3;w=12"));
        assert_eq!(reply.headers["ratelimit"], format!("\"{rule}\";r=0;t=4"));
    }
}

#[test]
fn a_host_tells_of_its_own_limit() {
    let mut machine = limiting(&json!({ "client": { "per_second": 1, "burst": 9 },
        "hosts": [{ "host": "site.example", "client": { "per_second": 0.25, "burst": 3 } }] }));
    let reply = refused(&mut machine, "GET", "/", 4).expect("three at once");
    assert_eq!(reply.headers["ratelimit-policy"], "\"client\";q=3;w=12");
}

#[test]
fn only_a_429_tells_of_limits() {
    let mut machine = limiting(&json!({}));
    let (context, _) = machine.browse("192.0.2.1:1000", "/");
    assert_eq!(machine.respond(context, 200, None).len(), 1);
    let mut machine = Machine::start(
        &json!({ "policy": { "enforcement": "enforce", "lists": { "deny": ["192.0.2.0/24"] } } }),
    );
    let reply = refused(&mut machine, "GET", "/", 1).expect("denied");
    assert_eq!(reply.status, 403);
    assert!(!reply.headers.keys().any(|name| name.starts_with("ratelimit") || name == "retry-after"));
}

#[test]
fn a_watching_limit_refuses_nobody_and_is_counted() {
    let mut machine = limiting(&json!({ "api": { "per_second": 1, "burst": 1, "mode": "shadow" } }));
    assert!(refused(&mut machine, "GET", "/api/items", 20).is_none());
    assert_eq!(machine.metric("rate_limit_shadow"), 19);
    assert_eq!(machine.metric("decisions_rate_limit"), 0);
}

#[test]
fn a_session_is_charged_besides_its_client_and_made_up_ones_are_not() {
    let limits =
        json!({ "client": { "per_second": 0.1, "burst": 6 }, "session": { "per_second": 0.1, "burst": 2 } });
    let mut machine = limiting(&limits);
    machine.issue(("x-session", "mine"));
    let passed = |machine: &mut Machine, address: u32, session: &str| {
        let source = format!("192.0.2.{address}:1000");
        let (context, _) = machine.browse_as(&source, ("x-session", session), "/");
        machine.reply(context).is_none()
    };
    // From many addresses: what it may is the session's.
    assert_eq!((1..10).filter(|address| passed(&mut machine, *address, "mine")).count(), 2);
    let made_up = (0..10).filter(|number| passed(&mut machine, 99, &format!("made-up-{number}")));
    assert_eq!(made_up.count(), 6, "as without");
}
