//! Sessions that the site issued, told to other filters.

use sallyport_core::HashKey;
use sallyport_core::exchange::{MOST, MOST_ISSUED, Mark, MarkKind, Reply, Request};
use serde_json::json;

use crate::fake::Sent;
use crate::machine::Machine;

/// A session may ask for two pages.
fn machine() -> Machine {
    let policy = json!({ "enforcement": "enforce", "consult": "never",
        "thresholds": { "monitor": 99, "challenge": 99.9, "block": 100 },
        "rate_limit": { "session": { "per_second": 0.01, "burst": 2 } } });
    Machine::with_snapshot(&json!({ "session_cookie": "sid" }), policy)
}

fn key(session: &str) -> u64 {
    HashKey::from_bytes([9; 16]).session(session.as_bytes())
}

fn address(of: &str) -> u64 {
    HashKey::from_bytes([9; 16]).address(Some(of.parse().expect("an address")))
}

/// The site issues sessions to somebody who brings none along.
fn issue(machine: &mut Machine, source: &str, sessions: impl Iterator<Item = String>) {
    for session in sessions {
        let (context, _) = machine.browse(&format!("{source}:1"), "/");
        machine.respond_with(context, 200, &[("set-cookie", &format!("sid={session}; Path=/; HttpOnly"))]);
    }
}

/// The next exchange that begins within 5 seconds.
fn exchange(machine: &mut Machine) -> (Sent, Request) {
    for _ in 0..50 {
        machine.tick_after(100);
        let mut calls = machine.calls().into_iter().filter(|call| call.headers[":path"] == "/v1/exchange");
        if let Some(call) = calls.next() {
            let request = Request::decode(&call.body).expect("a request");
            return (call, request);
        }
    }
    panic!("no exchange")
}

fn tell(machine: &mut Machine, marks: Vec<Mark>) {
    let (call, _) = exchange(machine);
    let reply = Reply { origin: 1, sequence: marks.len() as u64, cells: Vec::new(), marks };
    machine.answer(&call, 200, &[], &reply.encode());
}

fn mark(session: u64) -> Mark {
    Mark { kind: MarkKind::Issued, key: session, value: 1, keep_s: 60 }
}

/// How many of four pages pass, each from another address.
fn passing(machine: &mut Machine, session: &str) -> usize {
    let mut passes = |n: usize| {
        let cookie = format!("sid={session}");
        let (context, _) = machine.browse_as(&format!("198.51.100.{n}:1"), ("cookie", &cookie), "/");
        machine.reply(context).is_none()
    };
    (0..4).filter(|n| passes(*n)).count()
}

#[test]
fn what_one_process_saw_issued_counts_in_another() {
    let (mut one, mut other) = (machine(), machine());
    issue(&mut one, "192.0.2.1", ["mine".to_owned()].into_iter());
    let (_, request) = exchange(&mut one);
    assert_eq!(request.issued, [(key("mine"), address("192.0.2.1"))]);
    assert_eq!(passing(&mut other, "mine"), 4, "a session that nobody issued, as far as it knows");
    tell(&mut other, request.issued.iter().map(|(session, _)| mark(*session)).collect());
    assert_eq!((passing(&mut other, "mine"), passing(&mut other, "made-up")), (2, 4));
    let (_, request) = exchange(&mut other);
    assert_eq!(request.issued, [], "what it heard it does not tell");
}

#[test]
fn a_session_is_told_once_and_again_after_a_failure() {
    let mut machine = machine();
    tell(&mut machine, Vec::new());
    for _ in 0..5 {
        issue(&mut machine, "192.0.2.1", ["mine".to_owned()].into_iter());
    }
    let expected = [(key("mine"), address("192.0.2.1"))];
    let (call, request) = exchange(&mut machine);
    assert_eq!(request.issued, expected);
    machine.answer(&call, 503, &[], b"");
    let (call, request) = exchange(&mut machine);
    assert_eq!(request.issued, expected);
    machine.answer(&call, 200, &[], &Reply::default().encode());
    let (_, request) = exchange(&mut machine);
    assert_eq!(request.issued, []);
}

#[test]
fn one_address_leaves_room_for_others_and_an_exchange_is_bounded() {
    let mut machine = machine();
    tell(&mut machine, Vec::new());
    issue(&mut machine, "192.0.2.1", (0..50).map(|n| format!("first-{n}")));
    for n in 0..20 {
        issue(&mut machine, &format!("192.0.3.{n}"), (0..20).map(|session| format!("{n}-{session}")));
    }
    let (_, request) = exchange(&mut machine);
    let of_first = request.issued.iter().filter(|(_, of)| *of == address("192.0.2.1")).count();
    assert_eq!((of_first, request.issued.len()), (30, MOST_ISSUED));
    assert_eq!(machine.metric("exchange_dropped"), 50 + 400 - MOST_ISSUED as u64);
}

#[test]
fn a_session_that_nobody_issued_is_not_told() {
    let mut machine = machine();
    for n in 0..20 {
        let cookie = format!("sid=made-up-{n}");
        let (context, _) = machine.browse_as("192.0.2.1:1", ("cookie", &cookie), "/");
        machine.respond_with(context, 200, &[("set-cookie", "other=1")]);
    }
    assert_eq!(exchange(&mut machine).1.issued, []);
}

#[test]
fn nothing_is_told_of_before_the_first_snapshot() {
    let mut config = crate::machine::connected(json!({ "consult": "never" }));
    config["session_cookie"] = json!("sid");
    let mut machine = Machine::start(&config);
    issue(&mut machine, "192.0.2.1", ["mine".to_owned()].into_iter());
    for _ in 0..50 {
        machine.tick_after(100);
    }
    assert!(!machine.calls().iter().any(|call| call.headers[":path"] == "/v1/exchange"));
}

#[test]
fn a_full_answer_is_followed_by_the_next_at_once_and_the_table_is_bounded() {
    let config = json!({ "session_cookie": "sid", "state_slots": 16 });
    let mut machine = Machine::with_snapshot(&config, json!({ "consult": "never" }));
    for round in 0..3 {
        let before = machine.fake.process.now_ms.get();
        tell(&mut machine, (1..=MOST as u64).map(|n| mark(round * MOST as u64 + n)).collect());
        let waited = machine.fake.process.now_ms.get() - before;
        assert!(round == 0 || waited <= 200, "{waited}");
    }
    let shared = machine.fake.process.shared.borrow();
    let sessions: Vec<_> = shared.keys().filter(|name| name.contains("/session/")).collect();
    assert_eq!(sessions.len(), 16);
    assert!(!shared.keys().any(|name| name.contains("/mark/")));
}
