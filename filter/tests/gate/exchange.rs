//! Settling limits with the control plane.

use sallyport_core::Charge;
use sallyport_core::exchange::{MOST, Mark, MarkKind, Reply, Request};
use sallyport_core::policy::LimitRule;
use serde_json::{Value, json};

use crate::fake::Sent;
use crate::machine::Machine;

/// Eight requests of a client at once, then one a second.
fn policy() -> Value {
    json!({ "enforcement": "enforce", "consult": "never",
        "thresholds": { "monitor": 99, "challenge": 99.9, "block": 100 },
        "rate_limit": { "client": { "per_second": 1, "burst": 8 }, "address": { "per_second": 1000, "burst": 100_000 } } })
}

fn machine() -> Machine {
    Machine::with_snapshot(&json!({}), policy())
}

/// How many of so many requests at once pass.
fn passing(machine: &mut Machine, source: &str, requests: usize) -> usize {
    let mut passes = || {
        let (context, _) = machine.browse(source, "/");
        machine.reply(context).is_none()
    };
    (0..requests).filter(|_| passes()).count()
}

/// The exchanges that begin within so many milliseconds, tick by tick.
fn exchanges(machine: &mut Machine, ms: u64) -> Vec<(Sent, Request)> {
    for _ in 0..ms / 25 {
        machine.tick_after(25);
    }
    let calls = machine.calls().into_iter().filter(|call| call.headers[":path"] == "/v1/exchange");
    calls.map(|call| (call.clone(), Request::decode(&call.body).expect("a request"))).collect()
}

/// Ends the exchange without anything to tell by which the polling machine begins.
fn begin(machine: &mut Machine) {
    for (call, _) in exchanges(machine, 200) {
        machine.answer(&call, 200, &[], &reply(&[]));
    }
}

fn reply(cells: &[(LimitRule, u64, u64)]) -> Vec<u8> {
    Reply { origin: 5, sequence: 9, cells: cells.to_vec(), marks: Vec::new() }.encode()
}

#[test]
fn what_a_nearly_full_cell_took_is_told_and_the_shared_cell_counts() {
    let mut machine = machine();
    begin(&mut machine);
    assert_eq!(passing(&mut machine, "192.0.2.1:1", 4), 4);
    let (call, request) = exchanges(&mut machine, 100).remove(0);
    assert_eq!(call.headers["content-type"], "application/octet-stream");
    assert_eq!((request.origin, request.seen), (5, 9));
    let [Charge { rule: LimitRule::Client, key, cost_us: 3_000_000, least_us: 750_000 }] =
        request.charges[..]
    else {
        panic!("{request:?}")
    };
    machine.answer(&call, 200, &[], &reply(&[(LimitRule::Client, key, 7_000_000)]));
    assert_eq!(passing(&mut machine, "192.0.2.1:1", 4), 1, "others have used up the rest");
    assert_eq!(machine.metric("exchange_sent"), 2);
}

#[test]
fn light_clients_cost_nothing_and_one_machine_asks_for_marks() {
    let mut machine = machine();
    let mut other = machine.start_after(&json!({}));
    begin(&mut machine);
    passing(&mut machine, "192.0.2.1:1", 1);
    passing(&mut other, "192.0.2.2:1", 1);
    assert_eq!(exchanges(&mut machine, 4_500).len(), 0);
    assert_eq!(exchanges(&mut machine, 1_000).len(), 1);
    assert_eq!(exchanges(&mut other, 6_000).len(), 0);
}

#[test]
fn one_is_under_way_at_a_time_and_never_more_than_ten_a_second() {
    let mut machine = machine();
    begin(&mut machine);
    passing(&mut machine, "192.0.2.1:1", 4);
    let (call, _) = exchanges(&mut machine, 100).remove(0);
    passing(&mut machine, "192.0.2.2:1", 4);
    assert_eq!(exchanges(&mut machine, 1_000).len(), 0, "one is under way");
    machine.answer(&call, 200, &[], &reply(&[]));
    let mut told = 0;
    for _ in 0..40 {
        passing(&mut machine, "192.0.2.3:1", 1);
        for (call, _) in exchanges(&mut machine, 25) {
            told += 1;
            machine.answer(&call, 200, &[], &reply(&[]));
        }
    }
    assert!((2..=10).contains(&told), "{told}");
}

#[test]
fn nothing_is_told_before_the_first_snapshot() {
    let mut machine = Machine::start(&crate::machine::connected(policy()));
    passing(&mut machine, "192.0.2.1:1", 8);
    assert_eq!(exchanges(&mut machine, 10_000).len(), 0);
}

#[test]
fn a_failure_loses_no_charge_and_is_logged_once() {
    for end in ["404", "503", "broken", "late", "refused"] {
        let mut machine = machine();
        begin(&mut machine);
        passing(&mut machine, "192.0.2.1:1", 4);
        if end == "refused" {
            machine.fake.refuse_calls.set(true);
            assert_eq!(exchanges(&mut machine, 100).len(), 0);
            machine.fake.refuse_calls.set(false);
        } else {
            let (call, _) = exchanges(&mut machine, 100).remove(0);
            match end {
                "404" => machine.answer(&call, 404, &[], b""),
                "503" => machine.answer(&call, 503, &[], b"busy"),
                "broken" => machine.break_off(&call),
                _ => {
                    machine.tick_after(4_000);
                    machine.answer(&call, 200, &[], &reply(&[]));
                }
            }
        }
        assert_eq!(exchanges(&mut machine, 900).len(), 0, "{end}: it rests");
        let (call, request) = exchanges(&mut machine, 5_000).remove(0);
        assert_eq!(request.charges[0].cost_us, 3_000_000, "{end}");
        machine.answer(&call, 500, &[], b"");
        assert_eq!(machine.metric("exchange_failed"), 2, "{end}");
        assert_eq!(machine.fake.logged("not shared for now"), 1, "{end}");
        let (call, _) = exchanges(&mut machine, 1_500).remove(0);
        machine.answer(&call, 200, &[], &reply(&[]));
        assert_eq!(machine.fake.logged("shared again"), 1, "{end}");
    }
}

#[test]
fn a_long_failure_does_not_pile_up_a_debt() {
    let mut machine = machine();
    begin(&mut machine);
    for _ in 0..60 {
        passing(&mut machine, "192.0.2.1:1", 8);
        for (call, _) in exchanges(&mut machine, 1_100) {
            machine.answer(&call, 503, &[], b"");
        }
    }
    let (_, request) = exchanges(&mut machine, 2_000).remove(0);
    assert!(request.charges[0].cost_us <= 10_000_000, "{request:?}");
}

#[test]
fn hostile_replies_change_nothing() {
    let huge = vec![0; 70_000];
    let truncated = reply(&[(LimitRule::Client, 1, 2)]);
    let truncated = &truncated[..truncated.len() - 3];
    let mut unknown_rule = reply(&[(LimitRule::Client, 1, 2)]);
    unknown_rule[24] = 99;
    for body in [&b""[..], b"<html>", b"SPEY\x09\0", &huge, truncated, &unknown_rule] {
        let mut machine = machine();
        begin(&mut machine);
        passing(&mut machine, "192.0.2.1:1", 4);
        let (call, _) = exchanges(&mut machine, 100).remove(0);
        machine.answer(&call, 200, &[], body);
        assert_eq!(machine.metric("exchange_failed"), 1);
        assert_eq!(passing(&mut machine, "192.0.2.1:1", 8), 4);
        let (_, request) = exchanges(&mut machine, 1_100).remove(0);
        assert_eq!(
            request.charges[0].cost_us, 4_000_000,
            "what may have been counted is not told again: {request:?}"
        );
    }
}

#[test]
fn cells_that_nobody_asked_about_are_ignored_and_no_cell_bans_for_ever() {
    let mut machine = machine();
    begin(&mut machine);
    let records = machine.fake.process.shared.borrow().len();
    passing(&mut machine, "192.0.2.1:1", 4);
    let (call, request) = exchanges(&mut machine, 100).remove(0);
    let key = request.charges[0].key;
    let strangers = (1..500).map(|stranger| (LimitRule::Client, stranger, u64::MAX));
    let cells: Vec<_> = strangers
        .chain([(LimitRule::Page, key, u64::MAX), (LimitRule::Address, key, u64::MAX)])
        .chain([(LimitRule::Client, key, u64::MAX)])
        .collect();
    machine.answer(&call, 200, &[], &reply(&cells));
    assert_eq!(
        machine.fake.process.shared.borrow().len(),
        records + 2,
        "of an address and its network, none of a stranger"
    );
    assert_eq!(passing(&mut machine, "192.0.2.1:1", 1), 0);
    machine.fake.pass_ms(16 * 8_000);
    assert_eq!(passing(&mut machine, "192.0.2.1:1", 1), 1);
}

#[test]
fn a_cell_whose_record_is_gone_makes_none() {
    let mut machine = machine();
    begin(&mut machine);
    passing(&mut machine, "192.0.2.1:1", 4);
    let (call, request) = exchanges(&mut machine, 100).remove(0);
    machine.fake.process.shared.borrow_mut().retain(|name, _| !name.contains("/address/"));
    let records = machine.fake.process.shared.borrow().len();
    machine.answer(&call, 200, &[], &reply(&[(LimitRule::Client, request.charges[0].key, 7_000_000)]));
    assert_eq!(machine.fake.process.shared.borrow().len(), records);
}

#[test]
fn a_settled_cell_survives_another_workers_write() {
    let mut machine = machine();
    begin(&mut machine);
    passing(&mut machine, "192.0.2.1:1", 4);
    let (call, request) = exchanges(&mut machine, 100).remove(0);
    machine.fake.process.lost_writes.set(1);
    machine.answer(&call, 200, &[], &reply(&[(LimitRule::Client, request.charges[0].key, 60_000_000)]));
    assert_eq!(passing(&mut machine, "192.0.2.1:1", 1), 0);
}

#[test]
fn the_room_for_charges_is_bounded_and_losses_are_counted() {
    let mut machine = machine();
    begin(&mut machine);
    for client in 0..MOST + 50 {
        passing(&mut machine, &format!("10.{}.{}.1:1", client / 250, client % 250), 3);
    }
    let (call, request) = exchanges(&mut machine, 100).remove(0);
    assert_eq!(request.charges.len(), MOST);
    machine.answer(&call, 503, &[], b"");
    assert_eq!(machine.metric("exchange_dropped"), 50 * 2);
}

#[test]
fn marks_that_one_machine_has_seen_no_other_asks_for() {
    let mut machine = machine();
    let mut other = machine.start_after(&json!({}));
    let (call, request) = exchanges(&mut machine, 200).remove(0);
    assert_eq!((request.origin, request.seen), (0, 0));
    let told = Reply {
        origin: 8,
        sequence: 1_234,
        cells: Vec::new(),
        marks: vec![Mark { kind: MarkKind::Session, key: 6, value: 3, keep_s: 60 }],
    };
    machine.answer(&call, 200, &[], &told.encode());
    passing(&mut other, "192.0.2.1:1", 4);
    let (call, request) = exchanges(&mut other, 200).remove(0);
    assert_eq!((request.origin, request.seen), (8, 1_234));
    // An answer that was overtaken takes nothing back; another control plane begins anew.
    other.answer(&call, 200, &[], &Reply { sequence: 1_000, ..told.clone() }.encode());
    passing(&mut machine, "192.0.2.2:1", 4);
    let (call, request) = exchanges(&mut machine, 200).remove(0);
    assert_eq!((request.origin, request.seen), (8, 1_234));
    machine.answer(&call, 200, &[], &Reply { origin: 9, sequence: 2, ..told }.encode());
    passing(&mut machine, "192.0.2.3:1", 4);
    let (_, request) = exchanges(&mut machine, 200).remove(0);
    assert_eq!((request.origin, request.seen), (9, 2));
}

#[test]
fn a_clock_that_is_set_back_stops_nothing() {
    let mut machine = machine();
    begin(&mut machine);
    passing(&mut machine, "192.0.2.1:1", 4);
    assert_eq!(exchanges(&mut machine, 100).len(), 1);
    machine.fake.process.now_ms.set(machine.fake.process.now_ms.get() - 86_400_000);
    passing(&mut machine, "192.0.2.2:1", 4);
    let again = exchanges(&mut machine, 3_000);
    assert_eq!(again.len(), 1, "what was under way is given up");
    assert_eq!(again[0].1.charges.len(), 2);
}

#[test]
fn times_from_a_header_are_nobodys_elses() {
    let mut machine = Machine::with_snapshot(&json!({ "time_header": "x-time" }), policy());
    passing(&mut machine, "192.0.2.1:1", 8);
    assert_eq!(exchanges(&mut machine, 6_000).len(), 0);
}
