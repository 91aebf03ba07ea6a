//! The lists that operators change while it runs: in force in Envoy within two polls, whoever changes them.

use reqwest::Method;
use sallyport_e2e::harness::{Gate, Plan, Tap, eventually};
use sallyport_e2e::visitor::{FIREFOX, Visitor};
use serde_json::{Value, json};

use crate::visits::Visits;

/// Between two polls, in milliseconds: longer than the control plane gathers changes for.
const POLL_MS: u32 = 500;

fn plan() -> Plan {
    let policy = json!({ "enforcement": "enforce", "consult": "never" });
    let plan = Plan::with_policy(policy).indifferent().plugin("poll_interval_ms", json!(POLL_MS));
    let proxies = json!({ "trusted_proxies": ["203.0.113.16/28"] });
    plan.plugin("session_cookie", json!("sid")).section("lists", proxies)
}

/// One visitor for each kind of entry, and one whom none of them means.
async fn answers(gate: &Gate) -> [u16; 6] {
    let visits = [
        (Visitor::chrome("192.0.2.1"), "/about", ""),
        (Visitor::chrome("198.51.100.99"), "/about", ""),
        (Visitor::chrome("192.0.2.2"), "/about", "stolen"),
        (Visitor::firefox("192.0.2.3").named(&format!("{FIREFOX} Harvester/3")), "/about", ""),
        (Visitor::chrome("192.0.2.4"), "/articles/13", ""),
        (Visitor::chrome("192.0.2.5"), "/about", "mine"),
    ];
    let mut statuses = [0; 6];
    for ((visitor, path, session), status) in visits.iter().zip(&mut statuses) {
        let request = visitor.get(&gate.client, &gate.url(path)).header("cookie", format!("sid={session}"));
        *status = request.send().await.expect("an answer").status().as_u16();
    }
    statuses
}

/// Waits until Envoy has the snapshot that a poll brought.
async fn until_answers(gate: &Gate, wanted: [u16; 6]) {
    let runtime = tokio::runtime::Handle::current();
    eventually("the lists in Envoy", || {
        let seen = tokio::task::block_in_place(|| runtime.block_on(answers(gate)));
        if seen == wanted { Ok(()) } else { Err(format!("{seen:?}, not {wanted:?}")) }
    })
    .await;
}

async fn polls_until(gate: &Gate, tap: &Tap, method: Method, path: &str, body: &Value) -> usize {
    tap.polls_until_snapshot(async {
        let (status, told) = gate.control().send(&gate.client, method, path, body).await;
        assert!(matches!(status, 200 | 201), "{status} {told}");
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn every_kind_of_entry_is_in_force_within_two_polls_and_removed_as_quickly() {
    let (gate, tap) = plan().start_with_tap().await;
    assert_eq!(answers(&gate).await, [200; 6]);
    let entries = json!({ "action": "deny", "reason": "a scenario", "expires_in": "1h", "entries": [
        { "value": "192.0.2.1" },
        { "value": "198.51.100.0/24" },
        { "kind": "session", "value": "stolen" },
        { "kind": "user_agent", "value": "Harvester/" },
        { "kind": "path", "value": "/articles/13" },
    ]});
    let polls = polls_until(&gate, &tap, Method::POST, "/v1/lists", &entries).await;
    assert!(polls <= 2, "{polls} polls until the entries arrived");
    until_answers(&gate, [403, 403, 403, 403, 403, 200]).await;
    let event = gate.control().event("check=deny_list&ip=198.51.100.99", |_| true).await;
    assert_eq!((&event["action"], &event["enforced"]), (&json!("BLOCK"), &json!(true)), "{event}");

    let allow = json!({ "action": "allow", "value": "192.0.2.1" });
    polls_until(&gate, &tap, Method::POST, "/v1/lists", &allow).await;
    until_answers(&gate, [200, 403, 403, 403, 403, 200]).await;

    let polls = polls_until(&gate, &tap, Method::DELETE, "/v1/lists?action=deny", &Value::Null).await;
    assert!(polls <= 2, "{polls} polls until the entries were gone");
    until_answers(&gate, [200; 6]).await;
    assert_eq!(gate.reloads(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_entry_ends_by_itself() {
    let gate = plan().start_with_control_plane().await;
    let entry = json!({ "action": "deny", "value": "192.0.2.1", "expires_in_s": 2 });
    let (status, told) = gate.control().send(&gate.client, Method::POST, "/v1/lists", &entry).await;
    assert_eq!(status, 201, "{told}");
    until_answers(&gate, [403, 200, 200, 200, 200, 200]).await;
    until_answers(&gate, [200; 6]).await;
    assert_eq!(gate.control().get("/v1/lists")["entries"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_line_changes_the_lists_of_a_running_control_plane() {
    let gate = plan().start_with_control_plane().await;
    let control = gate.control();
    control.command(&[
        "list",
        "add",
        "deny",
        "192.0.2.1",
        "/articles/13",
        "--for",
        "2h",
        "--reason",
        "a scenario",
    ]);
    until_answers(&gate, [403, 200, 200, 200, 403, 200]).await;
    let shown = control.get("/v1/lists");
    assert_eq!(shown["entries"][0]["author"], "command line", "{shown}");
    control.command(&["list", "remove", "192.0.2.1"]);
    until_answers(&gate, [200, 200, 200, 200, 403, 200]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trusted_proxy_and_the_whole_internet_are_not_denied_by_mistake() {
    let gate = plan().start_with_control_plane().await;
    for (value, why) in [
        ("203.0.113.20", "trusted proxy 203.0.113.16/28"),
        ("203.0.113.0/24", "trusted proxy"),
        ("::/0", "whole Internet"),
    ] {
        let entry = json!({ "action": "deny", "value": value });
        let (status, told) = gate.control().send(&gate.client, Method::POST, "/v1/lists", &entry).await;
        assert_eq!(status, 422, "{value}: {told}");
        assert!(told.to_string().contains(why), "{value}: {told}");
    }
    assert_eq!(gate.control().get("/v1/lists")["entries"], json!([]));
    assert_eq!(answers(&gate).await, [200; 6]);
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_thousand_entries_arrive_within_two_polls_and_no_request_is_lost() {
    let (gate, tap) = plan().start_with_tap().await;
    let entry = |number: u32| {
        let [_, second, third, fourth] = number.to_be_bytes();
        json!({ "value": format!("100.{second}.{third}.{fourth}") })
    };
    let mut entries: Vec<_> = (0..49_999).map(entry).collect();
    entries.push(json!({ "value": "192.0.2.1" }));
    let entries = json!({ "action": "deny", "entries": entries });
    let visits = Visits::start(&gate, &[200]);
    let polls = polls_until(&gate, &tap, Method::POST, "/v1/lists", &entries).await;
    assert!(polls <= 2, "{polls} polls until the entries arrived");
    until_answers(&gate, [403, 200, 200, 200, 200, 200]).await;
    let listed = Visitor::chrome("100.0.195.78");
    assert_eq!(gate.status(&listed, "/about").await, 403);
    visits.end().await;
    assert_eq!(gate.reloads(), 0);
    assert_eq!(gate.envoy.stat("wasmcustom.sallyport_snapshots_refused"), 0);
}
