//! What the control plane is told.

use sallyport_core::observation::{Batch, Record};
use sallyport_core::{Action, Basis};
use serde_json::json;

use crate::fake::Sent;
use crate::machine::{Machine, connected, snapshot};

/// A machine that judges with snapshot 7.
fn machine(policy: serde_json::Value) -> Machine {
    let mut machine = Machine::start(&connected(json!({})));
    machine.tick_after(1_000);
    let call = machine.calls().remove(0);
    machine.answer(&call, 200, &[("etag", "\"7\"")], &snapshot(7, policy));
    machine
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
