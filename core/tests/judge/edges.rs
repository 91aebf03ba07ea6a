//! What nobody expects: networks at the edge, clocks that step back.

use sallyport_core::{Basis, HashKey, RequestFacts};

use crate::door::{Door, NOW, browser, chrome};
use crate::subjects::{OFFICE, WIDE, newcomers, passes};

#[test]
fn networks_at_the_edge_are_networks_like_others() {
    let key = HashKey::from_bytes([7; 16]);
    let network = |text: &str| key.network(Some(text.parse().expect("an address")));
    let address = |text: &str| key.address(Some(text.parse().expect("an address")));
    assert_eq!(network("::ffff:192.0.2.1"), network("192.0.2.200"));
    assert_eq!(address("::ffff:192.0.2.1"), address("192.0.2.1"));
    assert_eq!(network("::"), network("::1"));
    assert_eq!(network("fe80::1"), network("fe80::ffff:0:0:1"));
    let apart = [
        "::",
        "fe80::1",
        "ff02::1",
        "0.0.0.0",
        "127.0.0.1",
        "255.255.255.255",
        "2001:db8::1",
        "2001:db8:1::1",
    ];
    let mut keys: Vec<_> = apart.into_iter().map(network).chain([key.network(None)]).collect();
    keys.sort_unstable();
    keys.dedup();
    assert_eq!(keys.len(), apart.len() + 1);
    for address in apart {
        let mut door = Door::indifferent(&format!(r#", "rate_limit": {{ {WIDE} }}"#));
        assert_eq!(newcomers(&mut door, 0, address, NOW), 60, "{address}");
    }
    let mut door = Door::indifferent("");
    let agents: Vec<_> = (0..100).map(chrome).collect();
    let nowhere = agents.iter().map(|agent| RequestFacts { address: None, ..browser("::", agent, "/") });
    assert_eq!(nowhere.filter(|facts| passes(&mut door, facts, NOW)).count(), 60, "who has no address");
}

#[test]
fn no_clock_that_steps_back_freezes_a_cell() {
    const DAY_MS: u64 = 86_400_000;
    let mut door = Door::indifferent("");
    let agent = chrome(0);
    door.issue(b"s-1", NOW);
    let page = RequestFacts { session: b"s-1", ..browser(OFFICE, &agent, "/a") };
    let sign_in = RequestFacts { method: b"POST", path: b"/login", ..page };
    for back_ms in [0, DAY_MS, 30 * DAY_MS, 1_000 * DAY_MS] {
        let now_ms = NOW - back_ms;
        let pages = (0..200).filter(|_| passes(&mut door, &page, now_ms)).count();
        assert!(pages <= 60, "{back_ms}: {pages}");
        let tried = (0..200).filter(|_| door.visit(&sign_in, (401, ""), now_ms).basis != Basis::RateLimit);
        assert!(tried.count() <= 40, "{back_ms}");
        // A minute later there is room again, whatever was left from before.
        let later = (0..200).filter(|_| passes(&mut door, &page, now_ms + 60_000)).count();
        assert!(later >= 50, "{back_ms}: {later} a minute later");
    }
}
