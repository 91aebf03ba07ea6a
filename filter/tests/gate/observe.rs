//! What the control plane is told.

use sallyport_core::observation::{Batch, Record};
use sallyport_core::{Action, Basis};
use serde_json::json;

use crate::fake::Sent;
use crate::machine::{Machine, connected};

fn machine(policy: serde_json::Value) -> Machine {
    Machine::with_snapshot(&json!({}), policy)
}

fn enforcing() -> serde_json::Value {
    json!({ "enforcement": "enforce", "consult": "never", "lists": { "deny": ["203.0.113.0/24"] } })
}

fn posts(machine: &mut Machine) -> Vec<(Sent, Batch)> {
    machine.tick_after(1_000);
    let calls = machine.calls().into_iter().filter(|call| call.headers[":path"] == "/v1/observations");
    calls.map(|call| (call.clone(), Batch::decode(&call.body).expect("a batch"))).collect()
}

#[test]
fn every_decision_is_told_once_a_second() {
    let mut machine = machine(enforcing());
    machine.browse("192.0.2.1:1", "/a?secret=1");
    machine.browse("203.0.113.9:1", "/b");
    let (call, batch) = posts(&mut machine).remove(0);
    assert_eq!(call.headers["content-type"], "application/octet-stream");
    assert_eq!((batch.snapshot_version, batch.dropped, batch.records.len()), (7, 0, 2));
    let [Record::Decision(first), Record::Decision(second)] = &batch.records[..] else { panic!("{batch:?}") };
    assert_eq!((first.path.as_str(), first.method.as_str(), first.weight), ("/a", "GET", 1));
    assert_eq!((second.action, second.basis, second.enforced), (Action::Block, Basis::DenyList, true));
    assert_eq!(second.request_id, "id-1");
    machine.answer(&call, 202, &[], b"");
    assert_eq!(machine.metric("observations_sent"), 2);
    assert_eq!(posts(&mut machine).len(), 0);
}

#[test]
fn failed_logins_are_told() {
    let mut machine = machine(json!({ "consult": "never" }));
    let (context, _) = machine.browser("192.0.2.1:1", "POST", "/login");
    machine.respond(context, 401, None);
    let (_, batch) = posts(&mut machine).remove(0);
    assert!(
        matches!(&batch.records[..], [Record::Decision(_), Record::LoginFailure { path, .. }] if path == "/login")
    );
}

#[test]
fn a_failed_login_tells_of_account_and_network_but_the_client_hears_of_no_account() {
    let config = json!({ "account_header": "X-Account" });
    let mut machine = Machine::with_snapshot(&config, json!({ "consult": "never" }));
    let long = "a".repeat(5_000);
    for (source, name) in
        [("192.0.2.1:1", " Ada "), ("192.0.2.77:1", "ada"), ("192.0.3.1:1", &long), ("192.0.3.1:1", "")]
    {
        let (context, _) = machine.browser(source, "POST", "/login");
        let answer = machine.respond_with(context, 401, &[("x-account", name), ("x-other", "1")]);
        let names: Vec<_> = answer.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, [":status", "x-other"]);
    }
    let (context, _) = machine.browse("192.0.2.1:1", "/");
    assert_eq!(machine.respond_with(context, 200, &[("x-account", "ada")]).len(), 1);
    let (_, batch) = posts(&mut machine).remove(0);
    let logins = batch.records.iter().filter_map(|record| match record {
        Record::LoginFailure { network, account, .. } => Some((*network, *account)),
        Record::Decision(_) => None,
    });
    let logins: Vec<_> = logins.collect();
    assert_eq!(logins.len(), 4);
    assert!(logins[0] == logins[1] && logins[0].1 != 0, "{logins:?}");
    assert!(logins[2].0 != logins[0].0 && logins[2].1 != logins[0].1, "{logins:?}");
    assert_eq!(logins[3].1, 0);
}

#[test]
fn what_a_watching_limit_saw_is_never_sampled_away() {
    let policy = json!({ "consult": "never", "observe_allow_per_second": 1, "rate_limit": {
        "client": { "per_second": 0.01, "burst": 1, "mode": "shadow" } } });
    let mut machine = machine(policy);
    for _ in 0..30 {
        let (context, _) = machine.browse("192.0.2.1:1", "/site.html");
        assert!(machine.reply(context).is_none());
    }
    let (_, batch) = posts(&mut machine).remove(0);
    let over = batch.records.iter().filter(|record| {
        matches!(record, Record::Decision(decision) if decision.limit.is_some_and(|over| over.is_shadow))
    });
    assert_eq!(over.count(), 29);
    assert_eq!(machine.metric("rate_limit_shadow"), 29);
}

#[test]
fn nothing_is_told_before_the_first_snapshot() {
    let mut machine = Machine::start(&connected(json!({ "consult": "never" })));
    machine.browse("192.0.2.1:1", "/");
    assert_eq!(posts(&mut machine).len(), 0);
    assert_eq!(machine.metric("observations_dropped"), 1);
}

#[test]
fn a_busy_control_plane_gets_the_batch_again_a_broken_one_does_not() {
    let mut machine = machine(enforcing());
    machine.browse("192.0.2.1:1", "/");
    let (call, batch) = posts(&mut machine).remove(0);
    machine.answer(&call, 503, &[], b"");
    let (again, same) = posts(&mut machine).remove(0);
    assert_eq!(same, batch);
    machine.break_off(&again);
    assert_eq!(machine.metric("observations_dropped"), 1);
    machine.browse("192.0.2.1:1", "/c");
    assert_eq!(posts(&mut machine)[0].1.dropped, 1);
}

#[test]
fn without_a_listener_memory_is_bounded_and_losses_are_counted() {
    let mut machine = machine(enforcing());
    for _ in 0..8_000 {
        machine.browse("203.0.113.9:1", "/");
    }
    let dropped = machine.metric("observations_dropped");
    assert!((2_500..=4_000).contains(&dropped), "{dropped}");
}

#[test]
fn plain_traffic_is_sampled_and_the_weights_add_up() {
    let mut machine = machine(json!({ "consult": "never", "observe_allow_per_second": 20,
        "lists": { "allow": ["192.0.2.0/24"] } }));
    for _ in 0..400 {
        machine.browse("192.0.2.1:1", "/");
    }
    let (_, batch) = posts(&mut machine).remove(0);
    let weights: u32 = batch
        .records
        .iter()
        .map(|record| match record {
            Record::Decision(record) => record.weight,
            Record::LoginFailure { .. } => 0,
        })
        .sum();
    assert!(batch.records.len() < 150, "{} records", batch.records.len());
    assert!((380..=400).contains(&weights), "{weights}");
}
