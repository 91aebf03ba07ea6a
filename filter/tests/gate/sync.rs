//! Snapshots: who polls, what the others do, and what happens to bad ones.

use sallyport_core::{Features, Model, TreeNode, Trees};
use serde_json::json;

use crate::fake::Sent;
use crate::machine::{Machine, connected, snapshot, snapshot_with};

fn machine() -> Machine {
    Machine::start(&connected(json!({ "consult": "never" })))
}

fn polls(machine: &Machine) -> Vec<Sent> {
    machine.calls().into_iter().filter(|call| call.headers[":path"] == "/v1/snapshot").collect()
}

fn poll(machine: &mut Machine) -> Sent {
    machine.tick_after(5_000);
    let mut polls = polls(machine);
    assert_eq!(polls.len(), 1);
    polls.remove(0)
}

fn deliver(machine: &mut Machine, version: u64, policy: serde_json::Value) {
    let call = poll(machine);
    let etag = format!("\"{version:x}\"");
    machine.answer(&call, 200, &[("etag", &etag)], &snapshot(version, policy));
}

fn blocks(machine: &mut Machine) -> bool {
    let (context, _) = machine.browse("203.0.113.7:1", "/");
    machine.reply(context).is_some()
}

fn denying() -> serde_json::Value {
    json!({ "enforcement": "enforce", "consult": "never", "lists": { "deny": ["203.0.113.0/24"] } })
}

#[test]
fn a_new_snapshot_counts_at_once_here_and_at_the_next_tick_elsewhere() {
    let mut one = machine();
    let mut other = one.start_beside(&connected(json!({ "consult": "never" })));
    deliver(&mut one, 7, denying());
    assert!(blocks(&mut one));
    assert!(!blocks(&mut other));
    other.tick_after(25);
    assert!(blocks(&mut other));
    assert_eq!(polls(&other).len(), 0, "one machine of the process polls");
    let mut third = one.start_beside(&connected(json!({})));
    assert!(blocks(&mut third), "a machine that starts late takes what there is");
}

#[test]
fn a_snapshot_may_bring_a_model_of_another_kind() {
    let mut machine = machine();
    let policy = json!({ "enforcement": "enforce", "consult": "never" });
    for (version, share, is_refused) in [(7, 0.95, true), (8, 0.05, false)] {
        let trees = Trees::new([1.0, 0.0, 0.0], &[vec![TreeNode::leaf(share)]]).expect("a tree");
        let model = Model::random_forest(trees, Features::default());
        let call = poll(&mut machine);
        let etag = format!("\"{version:x}\"");
        machine.answer(&call, 200, &[("etag", &etag)], &snapshot_with(version, policy.clone(), model));
        let (context, _) = machine.browse("203.0.113.7:1", "/");
        assert_eq!(machine.reply(context).is_some(), is_refused, "a forest that says {share}");
    }
}

#[test]
fn the_next_poll_names_what_is_known() {
    let mut machine = machine();
    let first = poll(&mut machine);
    assert_eq!(
        (first.headers.get("if-none-match"), first.headers["authorization"].as_str()),
        (None, "Bearer secret")
    );
    machine.answer(&first, 200, &[("etag", "\"7\"")], &snapshot(7, json!({})));
    let second = poll(&mut machine);
    assert_eq!(second.headers["if-none-match"], "\"7\"");
    machine.answer(&second, 304, &[], b"");
    assert_eq!((machine.metric("polls_new"), machine.metric("polls_unchanged")), (1, 1));
    assert_eq!(machine.metric("snapshot_version"), 7);
}

#[test]
fn the_gauge_tells_of_a_snapshot_once_every_machine_had_a_tick_to_take_it() {
    let mut machine = machine();
    deliver(&mut machine, 7, json!({}));
    machine.tick_after(25);
    assert_eq!(machine.fake.metric("sallyport_snapshot_version"), 0);
    machine.tick_after(25);
    assert_eq!(machine.fake.metric("sallyport_snapshot_version"), 7);
}

#[test]
fn a_bad_snapshot_is_refused_and_the_old_one_stays() {
    let mut machine = machine();
    deliver(&mut machine, 7, denying());
    machine.tick_after(25);
    let good = snapshot(8, json!({}));
    let mut future = good.clone();
    future[4] = 99;
    let mut damaged = good.clone();
    *damaged.last_mut().expect("bytes") ^= 1;
    let cut = good[..good.len() - 9].to_vec();
    let huge = vec![0; 4 << 20];
    for (times, bad) in [future, damaged, cut, huge, Vec::new(), b"<html>".to_vec()].iter().enumerate() {
        let call = poll(&mut machine);
        machine.answer(&call, 200, &[("etag", "\"8\"")], bad);
        assert_eq!(machine.metric("snapshots_refused"), times as u64 + 1);
        assert_eq!(machine.metric("snapshot_version"), 7);
        assert!(blocks(&mut machine));
    }
    assert_eq!(poll(&mut machine).headers["if-none-match"], "\"7\", \"8\"");
    assert_eq!(machine.fake.logged("snapshot refused, version 7 stays"), 5, "told once per reason");
}

#[test]
fn an_unreachable_control_plane_is_told_once_and_its_return_too() {
    let mut machine = machine();
    for _ in 0..3 {
        let call = poll(&mut machine);
        machine.answer(&call, 503, &[], b"no healthy upstream");
    }
    let call = poll(&mut machine);
    machine.break_off(&call);
    assert_eq!(machine.fake.logged("no snapshot from the control plane"), 1);
    assert_eq!(machine.metric("polls_failed"), 4);
    deliver(&mut machine, 3, denying());
    assert_eq!(machine.fake.logged("the control plane answers"), 1);
    assert!(blocks(&mut machine));
}

#[test]
fn a_poll_without_any_answer_does_not_stop_polling() {
    let mut machine = machine();
    poll(&mut machine);
    machine.tick_after(5_000);
    assert_eq!(polls(&machine).len(), 0, "one at a time");
    machine.tick_after(5_000);
    assert_eq!(polls(&machine).len(), 1);
    machine.fake.refuse_calls.set(true);
    machine.tick_after(20_000);
    assert!(machine.metric("polls_failed") >= 2);
}

#[test]
fn another_machine_takes_over_when_the_polling_one_is_gone() {
    let mut one = machine();
    let mut other = one.start_beside(&connected(json!({})));
    poll(&mut one);
    drop(one);
    let mut taken = 0;
    for _ in 0..6 {
        other.tick_after(5_000);
        taken += polls(&other).len();
    }
    assert!(taken >= 1);
}

#[test]
fn before_the_first_snapshot_all_machines_share_one_key() {
    let mut one = Machine::start(&json!({}));
    one.browse("192.0.2.1:1", "/");
    let slots = |machine: &Machine| {
        machine.fake.process.shared.borrow().keys().filter(|k| k.contains("/address/")).count()
    };
    assert_eq!(slots(&one), 1);
    let mut other = one.start_beside(&json!({}));
    other.browse("192.0.2.1:1", "/");
    assert_eq!(slots(&one), 1);
}

#[test]
fn the_age_tells_how_long_nobody_confirmed_the_snapshot() {
    let mut machine = machine();
    deliver(&mut machine, 7, json!({}));
    for _ in 0..4 {
        let call = poll(&mut machine);
        machine.answer(&call, 503, &[], b"");
    }
    assert_eq!(machine.metric("snapshot_age_s"), 20);
}

#[test]
fn a_clock_that_is_set_back_stops_neither_polls_nor_observations() {
    let mut machine = machine();
    deliver(&mut machine, 7, json!({}));
    machine.browse("192.0.2.1:1", "/");
    machine.fake.process.now_ms.set(machine.fake.process.now_ms.get() - 86_400_000);
    let mut other = machine.start_beside(&connected(json!({})));
    other.tick_after(0);
    assert_eq!(polls(&other).len(), 1, "a lease from the future has run out");
    machine.tick_after(60_000);
    let paths: Vec<_> = machine.calls().iter().map(|call| call.headers[":path"].clone()).collect();
    assert!(paths.iter().any(|path| path == "/v1/observations"), "{paths:?}");
    assert!(paths.iter().any(|path| path == "/v1/snapshot"), "{paths:?}");
}

#[test]
fn a_refused_snapshot_confirms_nothing() {
    let mut machine = machine();
    deliver(&mut machine, 7, json!({}));
    let call = poll(&mut machine);
    machine.answer(&call, 200, &[("etag", "\"8\"")], b"damaged");
    for _ in 0..3 {
        let call = poll(&mut machine);
        machine.answer(&call, 304, &[("etag", "\"8\"")], b"");
    }
    poll(&mut machine);
    assert_eq!(machine.metric("snapshot_age_s"), 25);
    machine.tick_after(10_000);
    let call = polls(&machine).remove(0);
    machine.answer(&call, 304, &[("etag", "\"7\"")], b"");
    assert_eq!(machine.metric("snapshot_age_s"), 0, "the control plane went back to the one in use");
}
