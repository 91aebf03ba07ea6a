//! What newcomers share: from when on, at what cost, whichever worker charges it, and however many there are.

use std::cell::RefCell;
use std::rc::Rc;

use sallyport_core::exchange::Request;
use sallyport_core::{AddressState, HashKey, NetworkState, RequestFacts};
use sallyport_filter::gather::parse_address;
use sallyport_filter::house::House;
use sallyport_filter::state::{FRAME_HEAD, Held, Record};
use sallyport_filter::worker::LOOKS_ON_MS;
use serde_json::{Value, json};

use crate::fake::Fake;
use crate::machine::{CHROME, Machine};

const OFFICE: &str = "192.0.2.1:1000";
/// Few, so that tables are full soon.
const SLOTS: u32 = 64;

/// Refuses for rates alone.
fn indifferent() -> Value {
    json!({ "enforcement": "enforce", "consult": "never",
        "thresholds": { "monitor": 99, "challenge": 99.9, "block": 100 } })
}

fn machine() -> Machine {
    Machine::start(&json!({ "policy": indifferent() }))
}

/// One that judges by a snapshot, whose key is known.
fn small_machine() -> Machine {
    Machine::with_snapshot(&json!({ "state_slots": SLOTS }), indifferent())
}

/// The page of a browser that nobody has seen before.
fn newcomer(machine: &mut Machine, source: &str, number: usize) -> bool {
    let agent = format!("Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.{number}");
    let headers = [
        (":method", "GET"),
        (":path", "/"),
        (":authority", "site.example"),
        ("user-agent", agent.as_str()),
        ("accept", "text/html"),
        ("accept-language", "en"),
        ("accept-encoding", "gzip"),
    ];
    let (context, _) = machine.request(source, &headers);
    let passes = machine.reply(context).is_none();
    machine.end(context);
    passes
}

fn newcomers(machine: &mut Machine, source: &str, numbers: std::ops::Range<usize>) -> usize {
    numbers.filter(|number| newcomer(machine, source, *number)).count()
}

/// Chrome at this address loads what pages need, for a minute.
fn prove(machine: &mut Machine, source: &str) {
    for pause_ms in [61_000, 9_000, 30_000] {
        let (page, _) = machine.browse(source, "/");
        machine.respond_with(page, 200, &[("content-type", "text/html")]);
        let (file, _) = machine.browse(source, "/site.css");
        machine.respond_with(file, 200, &[("content-type", "text/css")]);
        machine.fake.pass_ms(pause_ms);
    }
    assert!(is_proven(machine, source));
}

/// Whether Chrome at this address has a record that says that it has proven itself.
fn is_proven(machine: &Machine, source: &str) -> bool {
    let (key, address) = (HashKey::from_bytes([9; 16]), parse_address(source.as_bytes()));
    let facts = RequestFacts { address, user_agent: CHROME.as_bytes(), ..Default::default() };
    let now_ms = machine.fake.process.now_ms.get();
    let house = Held::<House>::load(&machine.fake, SLOTS, key.address(address), now_ms).record;
    house.client(0, key.client(&facts)).is_proven(now_ms)
}

fn after_the_first_minutes(machine: &Machine) {
    machine.fake.pass_ms(LOOKS_ON_MS);
}

#[test]
fn budgets_look_on_for_ten_minutes_after_a_start() {
    let mut first = machine();
    assert_eq!(newcomers(&mut first, OFFICE, 0..200), 200, "everybody is new to it");
    assert_eq!(first.metric("rate_limit_shadow"), 0, "nobody is told to be over what only looks on");
    first.fake.pass_ms(LOOKS_ON_MS - 1);
    assert_eq!(newcomers(&mut first, OFFICE, 200..400), 200);
    first.fake.pass_ms(60_001);
    assert_eq!(newcomers(&mut first, OFFICE, 400..600), 60);
    let mut late = first.start_beside(&json!({ "policy": indifferent() }));
    assert_eq!(newcomers(&mut late, OFFICE, 600..700), 0, "a worker that starts later is no new process");
    let now_ms = first.fake.process.now_ms.get();
    first.fake.process.now_ms.set(now_ms - 86_400_000);
    assert_eq!(newcomers(&mut first, "192.0.3.1:1", 0..200), 60, "nor is a clock that is set back");
}

#[test]
fn where_a_header_tells_the_time_budgets_count_at_once() {
    let mut machine = Machine::start(&json!({ "policy": indifferent(), "time_header": "x-time" }));
    assert_eq!(newcomers(&mut machine, OFFICE, 0..200), 60);
}

#[test]
fn a_newcomers_page_takes_one_shared_read_and_write_more_and_a_proven_clients_none() {
    let mut machine = small_machine();
    prove(&mut machine, OFFICE);
    let mut calls = |source: &str, path: &str| {
        let written = |machine: &Machine| {
            machine.fake.process.shared.borrow().values().map(|(_, cas)| *cas).sum::<u32>()
        };
        machine.browse(source, path);
        machine.fake.process.read.borrow_mut().clear();
        let before = written(&machine);
        machine.browse(source, path);
        let read = machine.fake.process.read.borrow().len();
        (read, written(&machine) - before)
    };
    assert_eq!(calls(OFFICE, "/"), (1, 1));
    assert_eq!(calls(OFFICE, "/site.css"), (1, 1));
    assert_eq!(calls("198.51.100.1:1", "/"), (2, 2));
    assert_eq!(calls("198.51.100.1:1", "/site.css"), (1, 1), "an asset spends nothing that is shared");
}

#[test]
fn a_proven_clients_network_is_read_only_where_its_session_is_to_be_proven() {
    let mut machine =
        Machine::with_snapshot(&json!({ "state_slots": SLOTS, "session_cookie": "sid" }), indifferent());
    prove(&mut machine, OFFICE);
    let mut asked = |cookie: &str| {
        machine.fake.process.read.borrow_mut().clear();
        let (context, _) = machine.browse_as(OFFICE, ("cookie", cookie), "/");
        assert!(machine.reply(context).is_none());
        let read = machine.fake.asked_for(NetworkState::TABLE).len();
        machine.respond_with(context, 200, &[("content-type", "text/html"), ("set-cookie", "sid=mine")]);
        read
    };
    assert_eq!(asked("theme=dark"), 0);
    assert_eq!(asked("sid=mine"), 1);
    assert_eq!([asked("sid=mine"), asked("sid=made-up"), asked("theme=dark")], [0; 3]);
}

#[test]
fn two_hundred_right_passwords_spend_nothing() {
    let mut machine = Machine::with_snapshot(&json!({}), indifferent());
    after_the_first_minutes(&machine);
    let mut sign_in = |status| {
        let (context, _) = machine.browser(OFFICE, "POST", "/login");
        let passes = machine.reply(context).is_none();
        if passes {
            machine.respond(context, status, Some("/account"));
        }
        machine.fake.pass_ms(250);
        passes
    };
    assert!((0..200).all(|_| sign_in(302)));
    let wrong = (0..60).filter(|_| sign_in(401)).count();
    assert!((40..=42).contains(&wrong), "all of the burst is there still: {wrong}");
}

#[test]
fn others_hear_of_sign_ins_that_failed_only() {
    let logins = |status| {
        let mut machine = Machine::with_snapshot(&json!({}), indifferent());
        machine.calls();
        for _ in 0..30 {
            let (context, _) = machine.browser(OFFICE, "POST", "/login");
            machine.respond(context, status, Some("/account"));
        }
        machine.tick_after(200);
        let calls = machine.calls().into_iter().filter(|call| call.headers[":path"] == "/v1/exchange");
        let requests = calls.map(|call| Request::decode(&call.body).expect("a request"));
        requests.flat_map(|request| request.charges).filter(|charge| charge.rule.is_of_logins()).count()
    };
    assert_eq!((logins(302), logins(401)), (0, 2), "the client's and the address's cells");
}

#[test]
fn two_workers_that_charge_one_network_at_once_charge_it_exactly() {
    let mut one = machine();
    let other = Rc::new(RefCell::new(one.start_beside(&json!({ "policy": indifferent() }))));
    after_the_first_minutes(&one);
    let (passed, met) = (Rc::new(RefCell::new(0_usize)), Rc::new(RefCell::new(0_usize)));
    let source = |number: usize| format!("[2001:db8:7:{:x}::1]:1", number % 0x1_0000);
    let seconds = 60;
    for number in 0..seconds * 200 {
        // 400 a second: while one worker has read and not yet written, the other reads and writes.
        let (other, of_other, met) = (Rc::clone(&other), Rc::clone(&passed), Rc::clone(&met));
        one.fake.meanwhile(move || {
            let passes = newcomer(&mut other.borrow_mut(), &source(0x8000 + number), number);
            *of_other.borrow_mut() += usize::from(passes);
            *met.borrow_mut() += 1;
        });
        *passed.borrow_mut() += usize::from(newcomer(&mut one, &source(number), number));
        one.fake.pass_ms(5);
    }
    assert!(*met.borrow() > seconds * 150, "they meet");
    let (passed, exact) = (*passed.borrow(), 240 + seconds * 20);
    assert!(passed.abs_diff(exact) * 100 <= exact * 2, "{passed}, not {exact}");
}

#[test]
fn ten_thousand_new_clients_a_second_at_one_address_get_what_newcomers_share() {
    let mut machine = small_machine();
    prove(&mut machine, OFFICE);
    after_the_first_minutes(&machine);
    let mut passed = 0;
    for number in 0..20_000 {
        passed += usize::from(newcomer(&mut machine, OFFICE, number));
        if number % 10 == 9 {
            machine.fake.pass_ms(1);
        }
    }
    // 60 and 5 a second, and a quarter more for the one that has proven itself there.
    assert!((60..=88).contains(&passed), "{passed}");
    let shared = machine.fake.process.shared.borrow();
    let bytes: usize = shared.values().map(|(value, _)| value.len()).sum();
    assert!(shared.len() < 200 && bytes < 200_000, "{} keys, {bytes} bytes", shared.len());
    drop(shared);
    machine.fake.pass_ms(1_000);
    let (context, _) = machine.browse(OFFICE, "/");
    assert!(machine.reply(context).is_none(), "who has proven itself has its own");
}

#[test]
fn a_million_networks_cost_a_proven_client_nothing() {
    let mut machine = small_machine();
    prove(&mut machine, OFFICE);
    let (host, now_ms) = (&machine.fake, machine.fake.process.now_ms.get());
    let keys = HashKey::from_bytes([3; 16]);
    for number in 0..1_000_000_u64 {
        let key = keys.text(b'n', &number.to_le_bytes());
        let network = NetworkState::from_bytes(&seen(NetworkState::new(key).to_bytes(), now_ms));
        store(host, network.expect("a record"));
        if number % 8 == 0 {
            let mut house = House::new(key);
            let address = AddressState::from_bytes(&seen(AddressState::new(key).to_bytes(), now_ms));
            house.address = address.expect("a record");
            store(host, house);
        }
        host.process.read.borrow_mut().clear();
    }
    let shared = host.process.shared.borrow();
    for (table, bytes) in [
        (NetworkState::TABLE, <NetworkState as Record>::BYTES * NetworkState::WAYS),
        (House::TABLE, House::BYTES * House::WAYS),
    ] {
        let slots: Vec<_> = shared.iter().filter(|(name, _)| name.starts_with(table)).collect();
        assert_eq!(slots.len(), SLOTS as usize, "{table}");
        assert!(slots.iter().all(|(_, (value, _))| value.len() <= bytes + 8 * FRAME_HEAD), "{table}");
    }
    drop(shared);
    machine.fake.pass_ms(1_000);
    assert!(is_proven(&machine, OFFICE));
}

/// A record's bytes as of one seen at `now_ms`.
fn seen<const N: usize>(mut bytes: [u8; N], now_ms: u64) -> [u8; N] {
    bytes[8..16].copy_from_slice(&now_ms.to_le_bytes());
    bytes
}

/// Stores a record as a worker does; its first eight bytes are its key.
fn store<R: Record>(host: &Fake, record: R) {
    let mut bytes = vec![0; R::BYTES];
    record.write(&mut bytes);
    let key = u64::from_le_bytes(*bytes.first_chunk().expect("a key"));
    let mut held = Held::<R>::load(host, SLOTS, key, record.last_seen_ms());
    held.store(host, &record).expect("nobody else writes");
}
