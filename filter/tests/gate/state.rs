//! Shared records: what workers see of one another.

use sallyport_core::policy::{CompiledLimit, LimitRule};
use sallyport_core::{ClientState, NetworkState, Policy, PolicyConfig, SessionState};
use sallyport_filter::host::Host;
use sallyport_filter::house::{Home, House};
use sallyport_filter::marks::MarkRecord;
use sallyport_filter::state::{FRAME_HEAD, Held, Record, Storing};
use serde_json::json;

use crate::fake::{Fake, START_MS};
use crate::machine::Machine;

type Client = Held<ClientState>;
const WAYS: usize = <ClientState as Record>::WAYS;
const DAY_MS: u64 = 86_400_000;

/// A record of `key` last seen at `seen_ms`.
fn record(key: u64, seen_ms: u64) -> ClientState {
    let mut bytes = ClientState::new(key).to_bytes();
    let at = 16;
    bytes[at..at + 8].copy_from_slice(&seen_ms.to_le_bytes());
    let record = ClientState::from_bytes(&bytes).expect("a record");
    assert_eq!(record.last_seen_ms(), seen_ms);
    record
}

/// The client's limit of so many requests per second and at once.
fn limit(per_second: f32, burst: u32) -> CompiledLimit {
    let mut config = PolicyConfig::default();
    (config.rate_limit.client.per_second, config.rate_limit.client.burst) = (per_second, burst);
    let policy = Policy::compile(config).expect("a sound policy");
    policy.limit(LimitRule::Client).expect("a limit")
}

/// A record of `key` whose cell is over a quarter full for about so many seconds, or 400 ms less.
fn worthy(key: u64, seen_ms: u64, for_s: u64) -> ClientState {
    let mut record = ClientState::met(key, seen_ms);
    // A full cell is 160 s ahead.
    record.settle(LimitRule::Client, limit(0.1, 16), (40 + for_s) * 1_000_000, seen_ms);
    record
}

fn store(host: &impl Host, key: u64, seen_ms: u64) -> bool {
    store_as(host, &record(key, seen_ms)) == Storing::Evicts
}

fn store_as(host: &impl Host, record: &ClientState) -> Storing {
    let mut held = Client::load(host, 1, record.key(), record.last_seen_ms());
    held.store(host, record).expect("stored");
    held.storing
}

fn seen(host: &impl Host, key: u64) -> u64 {
    Client::load(host, 1, key, START_MS).record.last_seen_ms()
}

#[test]
fn what_one_worker_stores_another_loads() {
    let one = Fake::new();
    let other = one.sibling();
    store(&one, 5, START_MS);
    assert_eq!(seen(&other, 5), START_MS);
    assert_eq!(seen(&other, 6), 0);
}

#[test]
fn a_full_slot_gives_up_the_record_unseen_for_longest() {
    let host = Fake::new();
    for key in 0..WAYS as u64 {
        assert!(!store(&host, key, START_MS + 10 - key));
    }
    assert!(store(&host, 77, START_MS + 20), "the one pushed out was still useful");
    assert_eq!(seen(&host, WAYS as u64 - 1), 0);
    assert_eq!(seen(&host, 0), START_MS + 10);
    assert_eq!(seen(&host, 77), START_MS + 20);
    assert!(!store(&host, 78, START_MS + 7_200_000), "nobody misses what was unseen for hours");
}

#[test]
fn records_from_before_the_clock_was_set_back_make_room_first() {
    let host = Fake::new();
    for key in 0..WAYS as u64 - 1 {
        store(&host, key, START_MS + 86_400_000);
    }
    store(&host, 50, START_MS);
    store(&host, 51, START_MS + 1);
    assert_eq!((seen(&host, 50), seen(&host, 51)), (START_MS, START_MS + 1));
}

#[test]
fn the_slower_of_two_writers_learns_of_it() {
    let one = Fake::new();
    let other = one.sibling();
    store(&one, 5, START_MS);
    let mut slow = Client::load(&one, 1, 5, START_MS);
    store(&other, 6, START_MS);
    assert!(slow.store(&one, &record(5, START_MS + 1)).is_err());
    assert_eq!(seen(&one, 5), START_MS);
}

#[test]
fn slots_are_bounded_and_damage_is_empty() {
    let host = Fake::new();
    for key in 0..1000 {
        let mut held = Client::load(&host, 16, key, START_MS);
        held.store(&host, &record(key, START_MS)).expect("stored");
    }
    let largest = WAYS * (ClientState::BYTES + FRAME_HEAD);
    let shared = host.process.shared.borrow().clone();
    assert_eq!(shared.len(), 16);
    assert!(shared.values().all(|(value, _)| value.len() <= largest));
    for name in shared.keys() {
        host.set_shared(name, &vec![255; largest - 1], None).expect("written");
    }
    assert_eq!(Client::load(&host, 16, 3, START_MS).record, ClientState::new(3));
    for name in shared.keys() {
        host.set_shared(name, &vec![255; largest], None).expect("written");
    }
    assert_eq!(Client::load(&host, 16, u64::MAX, START_MS).record, ClientState::new(u64::MAX));
}

#[test]
fn who_is_worth_keeping_makes_no_room_for_newcomers() {
    let host = Fake::new();
    for key in 0..WAYS as u64 - 1 {
        assert_eq!(store_as(&host, &worthy(key, START_MS, 60)), Storing::Free);
    }
    store(&host, 50, START_MS + 10);
    assert!(
        store(&host, 51, START_MS + 20),
        "the only one without worth makes room, however lately it was seen"
    );
    assert_eq!((seen(&host, 50), seen(&host, 51)), (0, START_MS + 20));
    assert_eq!(store_as(&host, &worthy(51, START_MS + 30, 60)), Storing::Free, "it is its own place");
    let full = host.process.shared.borrow().clone();
    assert_eq!(store_as(&host, &worthy(52, START_MS + 40, 60)), Storing::TurnedAway);
    assert_eq!(*host.process.shared.borrow(), full, "nothing was written");
    assert_eq!(store_as(&host, &record(53, START_MS + 60_000)), Storing::Evicts, "by now they have drained");
    assert_eq!(store_as(&host, &record(54, START_MS + 60_000)), Storing::Evicts);
    assert_eq!((seen(&host, 0), seen(&host, 1)), (0, 0), "the idlest first");
}

#[test]
fn nobody_is_worth_keeping_for_ever() {
    let host = Fake::new();
    // 1,000 s between requests: cells stay full for longer than a day.
    for key in 0..WAYS as u64 {
        let mut record = ClientState::met(key, START_MS + key);
        record.settle(LimitRule::Client, limit(0.001, 1000), u64::MAX, START_MS);
        store_as(&host, &record);
    }
    assert_eq!(store_as(&host, &record(70, START_MS + DAY_MS - 1)), Storing::TurnedAway);
    assert_eq!(store_as(&host, &record(70, START_MS + DAY_MS)), Storing::Free, "idle for a day");
    assert_eq!(seen(&host, 0), 0);
    assert_eq!(store_as(&host, &record(71, START_MS - DAY_MS)), Storing::Free, "the clock was set back");
}

#[test]
fn a_flood_of_newcomers_costs_who_is_worth_keeping_nothing() {
    const SLOTS: u32 = 64;
    let host = Fake::new();
    let key = |number: u64| number.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let known: Vec<_> = (0..100).map(|number| worthy(key(number), START_MS, 600)).collect();
    for record in &known {
        Client::load(&host, SLOTS, record.key(), START_MS).store(&host, record).expect("stored");
    }
    let mut evicting = 0;
    for number in 0..100_000 {
        // A hundred a millisecond.
        let now_ms = START_MS + 1 + number / 100;
        let newcomer = ClientState::met(key(1_000 + number), now_ms);
        let mut held = Client::load(&host, SLOTS, newcomer.key(), now_ms);
        held.store(&host, &newcomer).expect("stored");
        evicting += u32::from(held.storing == Storing::Evicts);
    }
    assert!(evicting > 99_000, "newcomers push out newcomers: {evicting}");
    for record in &known {
        assert_eq!(Client::load(&host, SLOTS, record.key(), START_MS + 2_000).record, *record);
    }
    let shared = host.process.shared.borrow();
    assert!(shared.len() <= SLOTS as usize);
    assert!(shared.values().all(|(slot, _)| slot.len() <= WAYS * (ClientState::BYTES + FRAME_HEAD)));
}

#[test]
fn a_newcomer_without_a_place_is_judged_all_the_same() {
    let limits =
        json!({ "client": { "per_second": 0.1, "burst": 2 }, "address": { "per_second": 0.1, "burst": 8 } });
    let policy = json!({ "enforcement": "enforce", "consult": "never", "rate_limit": limits,
        "thresholds": { "monitor": 98, "challenge": 99, "block": 100 } });
    let mut machine = Machine::start(&json!({ "state_slots": 16, "policy": policy }));
    let refused = |machine: &mut Machine, address: &str, requests: u64| {
        let before = machine.metric("state_turned_away");
        let mut is_refused = || {
            let (context, _) = machine.browse(&format!("{address}:1"), "/");
            machine.reply(context).is_some()
        };
        let refused = (0..requests).filter(|_| is_refused()).count();
        (refused, machine.metric("state_turned_away") - before)
    };
    let first = "10.0.0.0";
    assert_eq!(refused(&mut machine, first, 3), (1, 0));
    // 96 houses have a place; the others are new each time.
    let others = (1..800).map(|n| refused(&mut machine, &format!("10.0.{}.{}", n / 250, n % 250), 3));
    let placed = others.inspect(|outcome| assert!([(1, 0), (0, 3)].contains(outcome), "{outcome:?}"));
    assert_eq!(placed.filter(|outcome| outcome.1 == 0).count(), 16 * House::WAYS - 1);
    assert_eq!(refused(&mut machine, "192.0.2.1", 3), (0, 3));
    assert_eq!(refused(&mut machine, first, 1), (1, 0), "who was there is still over its limit");
    assert_eq!(machine.metric("state_conflicts"), 0);
    assert_eq!(machine.metric("state_evictions"), 0);
    machine.fake.pass_ms(60_000);
    assert_eq!(refused(&mut machine, "192.0.2.1", 3), (1, 0), "cells have drained: it has a place");
}

#[test]
fn a_client_worth_keeping_stays_in_its_room() {
    let mut house = House::new(9);
    house.settle(0, worthy(1, START_MS, 1200));
    assert_eq!(house.home(3, START_MS + 1_199_000), Home::Elsewhere(None));
    assert_eq!(house.home(3, START_MS + 1_200_000), Home::Room(0));
    assert!((START_MS + 1_199_000..=START_MS + 1_200_000).contains(&house.worth_until_ms()));
}

#[test]
fn bytes_of_another_layout_under_the_same_names_are_nobody() {
    fn refused<R: Record + std::fmt::Debug>() {
        let host = Fake::new();
        let name = format!("{}00000000", R::TABLE);
        let (body, frame) = (R::BYTES, FRAME_HEAD + R::BYTES);
        // The layout before had 16 bytes before each record; a field more or less is another length too.
        let others = (1..=R::WAYS).flat_map(|ways| [ways * (body + 16), ways * frame + 8, ways * frame - 4]);
        for length in others.chain([(R::WAYS + 1) * frame]) {
            let old: Vec<u8> = 5_u64.to_le_bytes().into_iter().cycle().take(length).collect();
            let cas = host.shared(&name).cas;
            host.set_shared(&name, &old, cas).expect("written");
            let mut held = Held::<R>::load(&host, 1, 5, START_MS);
            assert_eq!((&held.record, held.storing), (&R::new(5), Storing::Free), "{length} bytes");
            let record = held.record.clone();
            held.store(&host, &record).expect("stored");
            assert_eq!(host.shared(&name).value.len(), frame, "what was there is gone");
        }
    }
    refused::<ClientState>();
    refused::<House>();
    refused::<MarkRecord>();
    refused::<NetworkState>();
    refused::<SessionState>();
    let of_two = [NetworkState::TABLE, SessionState::TABLE];
    for table in [ClientState::TABLE, House::TABLE, <MarkRecord as Record>::TABLE].into_iter().chain(of_two) {
        assert!(table.starts_with("sallyport/4/"), "{table}");
    }
}

#[test]
fn tables_do_not_meet() {
    let mut tables = [
        ClientState::TABLE,
        House::TABLE,
        NetworkState::TABLE,
        SessionState::TABLE,
        <MarkRecord as Record>::TABLE,
    ];
    tables.sort_unstable();
    assert!(tables.is_sorted_by(|one, next| one < next), "{tables:?}");
}
