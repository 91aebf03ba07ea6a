//! What is known of sessions and networks beside their records.

use sallyport_core::HashKey;
use sallyport_core::exchange::{Mark, MarkKind, Reply, Request};
use sallyport_filter::marks::MarkRecord;
use sallyport_filter::state::{FRAME_HEAD, Held, Record};
use serde_json::{Value, json};

use crate::fake::{START_MS, Sent};
use crate::machine::Machine;

const SESSION: (&str, &str) = ("x-session", "s-1");

/// Judges by the session's marks and little else.
fn policy() -> Value {
    json!({ "enforcement": "enforce", "consult": "never", "trap_paths": ["/trap"], "weights": { "trap_path": 0 },
        "thresholds": { "monitor": 97, "challenge": 98, "block": 99 }, "sessions": { "suspicious": 3, "keep_s": 60 } })
}

fn machine() -> Machine {
    let mut machine = Machine::with_snapshot(&json!({ "session_header": "x-session" }), policy());
    machine.issue(SESSION);
    machine
}

/// Whether the session is challenged for what it did, seen from another address.
fn is_challenged(machine: &mut Machine) -> bool {
    let (context, _) = machine.browse_as("198.51.100.9:1", SESSION, "/");
    machine
        .reply(context)
        .is_some_and(|reply| reply.status == 403 && reply.body.contains("whether you are a person"))
}

fn act_suspiciously(machine: &mut Machine) {
    machine.fake.pass_ms(100);
    machine.browse_as("192.0.2.1:1", SESSION, "/trap");
}

fn exchange(machine: &mut Machine) -> Sent {
    machine.tick_after(100);
    let mut calls = machine.calls().into_iter().filter(|call| call.headers[":path"] == "/v1/exchange");
    calls.next_back().expect("an exchange")
}

fn tell(machine: &mut Machine, marks: Vec<Mark>) {
    machine.tick_after(5_000);
    let call = exchange(machine);
    let reply = Reply { origin: 1, sequence: marks.len() as u64, cells: Vec::new(), marks };
    machine.answer(&call, 200, &[], &reply.encode());
}

#[test]
fn three_suspicious_actions_challenge_the_session_without_anybody_else() {
    let mut machine = Machine::start(&json!({ "session_header": "x-session", "policy": policy() }));
    machine.issue(SESSION);
    for acted in 0..3 {
        assert!(!is_challenged(&mut machine), "{acted}");
        act_suspiciously(&mut machine);
    }
    assert!(is_challenged(&mut machine));
    let (context, _) = machine.browse_as("198.51.100.9:1", ("x-session", "s-2"), "/");
    assert!(machine.reply(context).is_none());
    machine.fake.pass_ms(60_001);
    assert!(!is_challenged(&mut machine), "it is forgotten");
}

#[test]
fn a_session_that_nobody_issued_leaves_nothing_behind() {
    let mut machine = Machine::with_snapshot(&json!({ "session_header": "x-session" }), policy());
    let made_up = |number: u32| format!("made-up-{number}");
    for number in 0..50 {
        machine.browse_as("192.0.2.1:1", ("x-session", &made_up(number)), "/trap");
        let (context, _) =
            machine.with_session("192.0.2.1:1", ("x-session", &made_up(number)), "POST", "/login");
        machine.respond(context, 401, None);
    }
    let shared = machine.fake.process.shared.borrow();
    assert!(
        !shared.keys().any(|name| name.contains("/mark/") || name.contains("/session/")),
        "{:?}",
        shared.keys()
    );
    drop(shared);
    let request = Request::decode(&exchange(&mut machine).body).expect("a request");
    assert_eq!(request.suspicions, []);
}

#[test]
fn failed_logins_of_a_session_count_and_are_told() {
    let mut machine = machine();
    for _ in 0..3 {
        let (context, _) = machine.with_session("192.0.2.1:1", SESSION, "POST", "/login");
        machine.respond(context, 401, None);
    }
    assert!(is_challenged(&mut machine));
    let call = exchange(&mut machine);
    let request = Request::decode(&call.body).expect("a request");
    assert_eq!(request.suspicions, [(HashKey::from_bytes([9; 16]).session(b"s-1"), 3)]);
}

#[test]
fn what_the_control_plane_knows_counts_for_all_and_it_can_forgive() {
    let mut machine = machine();
    let other_config = json!({ "session_header": "x-session" });
    let mut other = machine.start_after(&other_config);
    let key = HashKey::from_bytes([9; 16]).session(b"s-1");
    let mark = |value| Mark { kind: MarkKind::Session, key, value, keep_s: 600 };
    assert!(!is_challenged(&mut other));
    tell(&mut machine, vec![mark(3)]);
    assert!(is_challenged(&mut other) && is_challenged(&mut machine));
    tell(&mut machine, vec![mark(1)]);
    assert!(is_challenged(&mut machine), "what this process counted does not shrink");
    tell(&mut machine, vec![mark(1), mark(0)]);
    assert!(!is_challenged(&mut machine) && !is_challenged(&mut other));
}

#[test]
fn a_network_counts_for_attempts_to_sign_in_only() {
    let mut machine = machine();
    let key = HashKey::from_bytes([9; 16]).network(Some("192.0.2.0".parse().expect("an address")));
    let counts = |machine: &mut Machine, source, method| {
        let (context, _) = machine.browser(source, method, "/login");
        machine.verdict_header(context).expect("told").contains("failed_logins")
    };
    assert!(!counts(&mut machine, "192.0.2.5:1", "POST"));
    tell(&mut machine, vec![Mark { kind: MarkKind::Network, key, value: 255, keep_s: 600 }]);
    assert!(counts(&mut machine, "192.0.2.6:1", "POST"));
    assert!(!counts(&mut machine, "192.0.2.7:1", "GET"));
    assert!(!counts(&mut machine, "192.0.3.6:1", "POST"));
}

#[test]
fn marks_survive_lost_writes_and_a_clock_that_is_set_back() {
    let mut machine = machine();
    machine.browse_as("192.0.2.1:1", SESSION, "/");
    for _ in 0..3 {
        act_suspiciously(&mut machine);
    }
    assert!(is_challenged(&mut machine));
    let now_ms = machine.fake.process.now_ms.get();
    machine.fake.process.now_ms.set(now_ms - 30 * 86_400_000);
    assert!(!is_challenged(&mut machine), "a mark of next month is none");
    machine.fake.process.now_ms.set(now_ms);
    machine.fake.process.lost_writes.set(1_000);
    let (_, flow) = machine.browse_as("192.0.2.1:1", SESSION, "/trap");
    machine.fake.process.lost_writes.set(0);
    assert_eq!(flow, sallyport_filter::request::Flow::Pause, "still challenged");
}

#[test]
fn requests_without_a_session_read_no_mark() {
    let mut machine = machine();
    machine.browse("192.0.2.1:1", "/");
    machine.browser("192.0.2.1:1", "POST", "/cart");
    let names: Vec<_> = machine.fake.asked_for(MarkRecord::TABLE);
    assert_eq!(names, Vec::<String>::new());
    machine.browse_as("192.0.2.1:1", SESSION, "/");
    assert_eq!(machine.fake.asked_for(MarkRecord::TABLE).len(), 1);
}

#[test]
fn the_table_is_bounded_and_damage_is_empty() {
    let config = json!({ "session_header": "x-session", "state_slots": 16 });
    let mut machine = Machine::with_snapshot(&config, policy());
    let mark = |key| Mark { kind: MarkKind::Session, key, value: 3, keep_s: u32::MAX };
    machine.issue(SESSION);
    for round in 0..3 {
        tell(&mut machine, (0..900).map(|key| mark(round * 900 + key)).collect());
    }
    let shared = machine.fake.process.shared.borrow().clone();
    let slots: Vec<_> = shared.iter().filter(|(name, _)| name.starts_with(MarkRecord::TABLE)).collect();
    assert_eq!(slots.len(), 16);
    let largest = MarkRecord::WAYS * (MarkRecord::BYTES + FRAME_HEAD);
    assert!(slots.iter().all(|(_, (value, _))| value.len() <= largest));
    for (name, _) in slots {
        machine.fake.process.shared.borrow_mut().insert(name.clone(), (vec![255; largest], 9));
    }
    assert!(!is_challenged(&mut machine));
    let held = Held::<MarkRecord>::load(&machine.fake, 16, 2_650, START_MS);
    assert_eq!(held.record, MarkRecord::new(2_650));
}
