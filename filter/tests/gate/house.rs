//! An address and its clients: who lives with it, who elsewhere.

use proptest::prelude::*;
use sallyport_core::ClientState;
use sallyport_filter::house::{Home, House, ROOMS};
use sallyport_filter::state::Record;
use serde_json::json;

use crate::fake::START_MS;
use crate::machine::Machine;

fn settled(keys: &[u64], seen_ms: u64) -> House {
    let mut house = House::new(9);
    for (room, key) in keys.iter().enumerate() {
        house.settle(room, ClientState::met(*key, seen_ms));
    }
    house
}

#[test]
fn the_first_client_lives_with_its_address() {
    let house = settled(&[1], START_MS);
    assert_eq!(ROOMS, 1);
    assert_eq!(house.home(1, START_MS), Home::Room(0));
    assert_eq!(house.home(3, START_MS), Home::Elsewhere(None), "it is taken");
    assert_eq!(house.home(3, START_MS + 3_600_000), Home::Room(0), "whoever lived there is long gone");
    assert_eq!(House::new(9).home(3, START_MS), Home::Room(0));
}

#[test]
fn after_an_overflow_others_are_looked_for_first() {
    let mut house = settled(&[1], START_MS);
    house.overflow();
    assert_eq!(house.home(3, START_MS + 3_600_000), Home::Elsewhere(Some(0)));
}

#[test]
fn a_house_comes_back_whole() {
    let mut house = settled(&[1], START_MS);
    house.overflow();
    let mut bytes = vec![7; House::BYTES];
    house.write(&mut bytes);
    assert_eq!(House::read(&bytes), Some(house));
}

#[test]
fn every_client_of_a_busy_address_is_counted_apart() {
    let limit = json!({ "client": { "per_second": 0.001, "burst": 3 } });
    // Nothing but the limit is to refuse.
    let thresholds = json!({ "monitor": 98, "challenge": 99, "block": 100 });
    let policy = json!({ "enforcement": "enforce", "rate_limit": limit, "thresholds": thresholds });
    let mut machine = Machine::start(&json!({ "policy": policy }));
    let agents: Vec<_> =
        (0..6).map(|n| format!("Mozilla/5.0 (X11; rv:150.0) Gecko/20100101 Firefox/15{n}.0")).collect();
    for round in 1..=4 {
        for agent in &agents {
            let headers = [
                (":method", "GET"),
                (":path", "/"),
                ("user-agent", agent.as_str()),
                ("accept", "text/html"),
                ("accept-language", "en"),
                ("accept-encoding", "gzip"),
            ];
            let (context, _) = machine.request("192.0.2.1:1000", &headers);
            assert_eq!(machine.reply(context).is_some(), round > 3, "{agent} in round {round}");
        }
    }
}

proptest! {
    #[test]
    fn any_bytes_are_a_house_or_not(bytes in prop::collection::vec(any::<u8>(), House::BYTES), key in any::<u64>()) {
        if let Some(house) = House::read(&bytes) {
            house.home(key, START_MS);
        }
        prop_assert!(House::read(&bytes[1..]).is_none());
    }
}
