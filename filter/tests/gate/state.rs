//! Shared records: what workers see of one another.

use sallyport_core::ClientState;
use sallyport_filter::host::Host;
use sallyport_filter::house::House;
use sallyport_filter::state::{Held, Record};

use crate::fake::{Fake, START_MS};

type Client = Held<ClientState>;
const WAYS: usize = <ClientState as Record>::WAYS;

/// A record of `key` last seen at `seen_ms`.
fn record(key: u64, seen_ms: u64) -> ClientState {
    let mut bytes = ClientState::new(key).to_bytes();
    let at = 16;
    bytes[at..at + 8].copy_from_slice(&seen_ms.to_le_bytes());
    let record = ClientState::from_bytes(&bytes).expect("a record");
    assert_eq!(record.last_seen_ms(), seen_ms);
    record
}

fn store(host: &impl Host, key: u64, seen_ms: u64) -> bool {
    let mut held = Client::load(host, 1, key, seen_ms);
    let evicts = held.evicts;
    held.store(host, &record(key, seen_ms)).expect("stored");
    evicts
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
    let largest = WAYS * (ClientState::BYTES + 16);
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
fn tables_do_not_meet() {
    assert_ne!(ClientState::TABLE, House::TABLE);
}
