//! Agents by purpose at the gate: who says what it is passes where that is its business, and gets nothing by it elsewhere.

use serde_json::{Value, json};

use crate::machine::Machine;

/// Name, preset, category, method, path, user agent.
const MACHINES: &str = include_str!("../../../core/tests/data/machines.txt");

struct Agent<'a> {
    name: &'a str,
    preset: &'a str,
    category: &'a str,
    method: &'a str,
    path: &'a str,
    user_agent: &'a str,
}

fn agents() -> impl Iterator<Item = Agent<'static>> {
    MACHINES.lines().filter(|line| !line.starts_with('#')).map(|line| {
        let columns: Vec<_> = line.split('\t').collect();
        let [name, preset, category, method, path, user_agent] = columns[..] else { panic!("{line}") };
        Agent { name, preset, category, method, path, user_agent }
    })
}

fn machine(agents: Value) -> Machine {
    Machine::start(&json!({ "policy": { "enforcement": "enforce", "consult": "never", "agents": agents } }))
}

/// The status that whoever calls itself so is refused with; `None` where it passes. Programs send little else.
fn refused(machine: &mut Machine, method: &str, path: &str, user_agent: &str) -> Option<u16> {
    let headers = [
        (":method", method),
        (":path", path),
        (":authority", "site.example"),
        (":scheme", "https"),
        ("user-agent", user_agent),
        ("accept", "*/*"),
    ];
    let (context, _) = machine.request("198.51.100.7:1000", &headers);
    let reply = machine.reply(context);
    machine.end(context);
    reply.map(|reply| reply.status)
}

#[test]
fn well_behaved_machines_pass_where_they_have_business() {
    assert!(agents().count() >= 40);
    for Agent { name, preset, method, path, user_agent, .. } in agents() {
        let mut machine = machine(json!({ "preset": preset }));
        for _ in 0..5 {
            assert_eq!(refused(&mut machine, method, path, user_agent), None, "{name}: {method} {path}");
        }
    }
}

#[test]
fn a_name_buys_nothing_elsewhere() {
    for Agent { name, preset, category, user_agent, .. } in agents().filter(|agent| agent.category != "-") {
        let (method, path) = if category == "preview" { ("GET", "/rest/items") } else { ("GET", "/about") };
        // An app's own calls give themselves away no more than those of any program that nobody knows.
        let is_quiet = user_agent.contains("CFNetwork") || user_agent.contains("Dalvik");
        let unknown = if is_quiet { "Frobnicator/1.0" } else { "curl/8.5.0" };
        let gets = |user_agent| {
            let mut machine = machine(json!({ "preset": preset }));
            [(); 5].map(|()| refused(&mut machine, method, path, user_agent))
        };
        assert_eq!(gets(user_agent), gets(unknown), "{name}: {method} {path}");
    }
}

#[test]
fn programs_and_scanners_are_refused_as_before() {
    for user_agent in [
        "python-requests/2.32.3",
        "Scrapy/2.12.0 (+https://scrapy.org)",
        "curl/8.5.0",
        "sqlmap/1.8.11#stable (https://sqlmap.org)",
        "Mozilla/5.0 zgrab/0.x",
        "Mozilla/5.00 (Nikto/2.5.0)",
    ] {
        let mut machine = machine(json!({}));
        for path in ["/about", "/feed", "/healthz", "/webhooks/stripe"] {
            assert_eq!(refused(&mut machine, "GET", path, user_agent), Some(403), "{user_agent}: {path}");
        }
    }
}

#[test]
fn a_budget_is_one_for_all_names_of_a_category_and_none_of_another() {
    let mut machine = machine(json!({}));
    let passed = |machine: &mut Machine, path: &str, name: &str, most: usize| {
        (0..most).filter(|number| refused(machine, "GET", path, &format!("{name}{number}")).is_none()).count()
    };
    assert_eq!(passed(&mut machine, "/feed", "Feedly/", 40), 30);
    assert_eq!(passed(&mut machine, "/feed", "Tiny Tiny RSS/", 40), 0, "another feed reader");
    assert_eq!(passed(&mut machine, "/healthz", "kube-probe/1.", 40), 40, "another category");
    assert_eq!(refused(&mut machine, "GET", "/feed", "Feedly/1.0"), Some(429));
}

#[test]
fn only_what_is_sent_as_it_is_written_is_well_known() {
    for path in [
        "/robots.txt/",
        "/Robots.txt",
        "/%72obots.txt",
        "/robots.txt;/../item/1",
        "/.well-known/acme-challenge/",
        "/.well-known/acme-challenge/a/b",
        "/.well-known/acme-challenge/..%2f..%2fitem",
        "/.well-known/acme-challenge/a.b",
    ] {
        let mut machine = machine(json!({}));
        assert_eq!(refused(&mut machine, "GET", path, "curl/8.5.0"), Some(403), "{path}");
    }
    for (method, path) in
        [("POST", "/robots.txt"), ("GET", "//feed"), ("GET", "/a/%2e%2e/feed"), ("GET", "/login/feed;x")]
    {
        let mut machine = machine(json!({}));
        assert_eq!(refused(&mut machine, method, path, "Feedly/1.0"), Some(403), "{method} {path}");
    }
}

#[test]
fn the_deny_list_wins_and_limits_hold() {
    let start = |policy: Value| {
        let mut all = json!({ "enforcement": "enforce", "consult": "never" });
        policy.as_object().expect("an object").iter().for_each(|(key, value)| all[key] = value.clone());
        Machine::start(&json!({ "policy": all }))
    };
    let mut denied = start(json!({ "lists": { "deny": ["198.51.100.0/24"] } }));
    assert_eq!(refused(&mut denied, "GET", "/robots.txt", "curl/8.5.0"), Some(403));
    let mut limited = start(json!({ "rate_limit": { "client": { "per_second": 0.01, "burst": 3 } } }));
    let statuses = [(); 4].map(|()| refused(&mut limited, "GET", "/robots.txt", "curl/8.5.0"));
    assert_eq!(statuses, [None, None, None, Some(429)]);
}

#[test]
fn the_policy_says_what_a_category_may_do() {
    for (may, path, expected) in [
        ("allow", "/feed", None),
        ("limit", "/feed", None),
        ("score", "/feed", Some(403)),
        ("challenge", "/feed", Some(403)),
        ("block", "/feed", Some(403)),
        ("allow", "/about", Some(403)),
        ("block", "/robots.txt", None),
    ] {
        let mut machine = machine(json!({ "may": { "feed": may } }));
        assert_eq!(refused(&mut machine, "GET", path, "Feedly/1.0"), expected, "{may} {path}");
    }
    let mut own = machine(json!({ "paths": { "webhook": ["/in/*"] } }));
    assert_eq!(refused(&mut own, "POST", "/in/stripe", "Stripe/1.0"), None);
}
