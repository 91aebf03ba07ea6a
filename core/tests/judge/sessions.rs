//! What a session carries with it, and when it counts.

use std::net::IpAddr;

use sallyport_core::{HashKey, RequestFacts};

use crate::door::{Door, NOW, browser, browsers, chrome};
use crate::subjects::{OFFICE, passes};

#[test]
fn a_session_carries_its_proof_to_three_networks_in_an_hour() {
    let mut door = Door::indifferent("");
    let agent = chrome(0);
    let at = |network: u32, session: &'static [u8]| {
        let address = IpAddr::from([203, 0, network as u8, 9]);
        RequestFacts { session, address: Some(address), ..browser(OFFICE, &agent, "/a") }
    };
    door.issue(b"mine", NOW);
    door.prove(&[at(0, b"mine")], NOW);
    door.judge(&at(0, b"mine"), NOW + 62_000);
    let is_new = |door: &mut Door, facts: RequestFacts<'_>, after_s: u64| {
        door.judge(&facts, NOW + after_s * 1_000).is_newcomer
    };
    assert!(is_new(&mut door, at(1, b""), 70), "without its session");
    assert!(is_new(&mut door, at(1, b"made-up"), 70), "with one that nobody issued");
    let moves = [1, 2, 3, 4, 5].map(|network| is_new(&mut door, at(network, b"mine"), 70));
    assert_eq!(moves, [false, false, true, true, true]);
    assert!(!is_new(&mut door, at(2, b"mine"), 71), "where it came to last");
    assert!(!is_new(&mut door, at(0, b"mine"), 71), "the client that proved itself has not moved");
    assert!(is_new(&mut door, at(6, b"mine"), 70 + 3_590), "an hour for another");
    assert!(!is_new(&mut door, at(6, b"mine"), 70 + 3_610));
}

#[test]
fn a_session_comes_back_to_where_its_holder_is_known_without_it() {
    let mut door = Door::indifferent("");
    let agent = chrome(0);
    let [office, home] = [OFFICE, "203.0.113.9"]
        .map(|address| RequestFacts { session: b"mine", ..browser(address, &agent, "/a") });
    door.issue(b"mine", NOW);
    door.prove(&[office], NOW);
    for (after_s, here, there) in [(62, office, home), (70, home, office), (80, office, home)] {
        let now_ms = NOW + after_s * 1_000;
        door.judge(&here, now_ms);
        assert!(door.tells_apart(&here, now_ms) && !door.tells_apart(&there, now_ms), "after {after_s} s");
    }
}

#[test]
fn sessions_that_tell_apart_take_the_places_of_clients_that_prove_themselves_in_their_network() {
    let mut door = Door::indifferent("");
    let agents: Vec<_> = (0..8).map(chrome).collect();
    let homes = [1, 2, 3, 4, 5, 6].map(|host| format!("198.51.100.{host}"));
    let visitors: Vec<_> = homes.iter().flat_map(|home| browsers(home, &agents)).collect();
    door.prove(&visitors, NOW);
    let now_ms = NOW + 62_000;
    assert!(visitors.iter().all(|visitor| door.is_proven(visitor, now_ms)), "48 of 60 at once");
    let names: Vec<_> = (0..visitors.len()).map(|number| format!("s-{number}")).collect();
    let tells_apart = |(visitor, name): (&RequestFacts<'_>, &String)| {
        door.issue(name.as_bytes(), now_ms);
        let facts = RequestFacts { session: name.as_bytes(), ..*visitor };
        door.judge(&facts, now_ms);
        door.tells_apart(&facts, now_ms)
    };
    assert_eq!(visitors.iter().zip(&names).map(tells_apart).filter(|tells| *tells).count(), 12);
}

#[test]
fn a_session_counts_where_a_proven_client_was_answered_as_somebody_who_is_signed_in() {
    let routes = r#", "routes": [{ "prefix": "/account", "signed_in": true }]"#;
    let agent = chrome(0);
    let page = RequestFacts { session: b"s-1", ..browser(OFFICE, &agent, "/a") };
    let account = RequestFacts { path: b"/account", ..page };
    for (proven, facts, status, counts) in [
        (true, &account, 200, true),
        (false, &account, 200, false),
        (true, &account, 302, false),
        (true, &account, 401, false),
        (true, &page, 200, false),
    ] {
        let mut door = Door::indifferent(routes);
        if proven {
            door.prove(&[RequestFacts { session: b"", ..page }], NOW);
        }
        door.visit(facts, (status, "text/html"), NOW + 62_000);
        assert_eq!(door.is_issued(b"s-1"), counts, "proven: {proven}, {status}");
    }
}

#[test]
fn of_two_sessions_both_are_charged() {
    let mut door = Door::indifferent(r#", "rate_limit": { "session": { "per_second": 0.1, "burst": 4 } }"#);
    [&b"one"[..], b"other"].iter().for_each(|session| door.issue(session, NOW));
    let agent = chrome(0);
    let with =
        |session, other_session| RequestFacts { session, other_session, ..browser(OFFICE, &agent, "/") };
    assert!((0..4).all(|_| passes(&mut door, &with(b"one", b"other"), NOW)));
    for (session, other) in [(&b"one"[..], &b""[..]), (b"other", b""), (b"made-up", b"one")] {
        assert!(!passes(&mut door, &with(session, other), NOW), "{session:?}");
    }
    assert!(passes(&mut door, &with(b"made-up", b""), NOW));
}

#[test]
fn a_session_is_spelled_in_many_ways() {
    let key = HashKey::from_bytes([7; 16]);
    for spelling in [&b"\"a-b\""[..], b" a-b ", b"%61-b", b"\"a%2Db\"", b"%61%2d%62"] {
        assert_eq!(key.session(spelling), key.session(b"a-b"), "{}", String::from_utf8_lossy(spelling));
    }
    for other in [&b"%2561-b"[..], b"A-b", b"\"\"a-b\"\"", b"\"a-b", b"a%2"] {
        assert_ne!(key.session(other), key.session(b"a-b"), "{}", String::from_utf8_lossy(other));
    }
    assert_eq!([key.session(b""), key.session(b"  "), key.session(b"\"\"")], [0; 3]);
}
