//! What answers to assets teach: a page in an asset's place is charged, and accuses nobody where most get it.

use sallyport_filter::worker::LOOKS_ON_MS;
use serde_json::json;

use crate::machine::Machine;

const HTML: &str = "text/html; charset=utf-8";

/// Newcomers of an address have room for five pages.
fn machine() -> Machine {
    let mut machine = Machine::start(&json!({ "policy": {
        "enforcement": "enforce", "thresholds": { "monitor": 99, "challenge": 99.9, "block": 100 },
        "rate_limit": { "newcomers": { "per_second": 0.001, "burst": 5 } } } }));
    machine.tick_after(LOOKS_ON_MS);
    machine
}

/// Whether a newcomer's request passes; it is answered with 200 and this type then.
fn passes(machine: &mut Machine, address: &str, (path, content_type): (&str, &str)) -> bool {
    let (context, _) = machine.browse(&format!("{address}:1"), path);
    let passes = machine.reply(context).is_none();
    if passes {
        machine.respond_with(context, 200, &[("content-type", content_type)]);
    }
    passes
}

#[test]
fn a_page_in_an_assets_place_accuses_nobody_where_most_get_it() {
    let mut machine = machine();
    let missing = ("/img/gone.png", HTML);
    for network in 1..=2 {
        let address = format!("10.0.{network}.1");
        let passed = (0..20).filter(|_| passes(&mut machine, &address, missing)).count();
        assert_eq!(passed, 5, "alone: its assets wait for room among pages");
        assert!(!passes(&mut machine, &address, ("/site.css", "text/css")));
    }
    for network in 3..=9 {
        let address = format!("10.0.{network}.1");
        let passed = (0..20).filter(|_| passes(&mut machine, &address, missing)).count();
        assert_eq!(passed, 5, "it is charged as a page");
        assert!(passes(&mut machine, &address, ("/site.css", "text/css")), "most get it: other assets go on");
        assert!(!passes(&mut machine, &address, ("/", HTML)));
    }
}

#[test]
fn who_makes_up_paths_is_alone_with_them() {
    let mut machine = machine();
    for address in ["10.0.1.1", "10.0.1.2", "10.0.1.3", "10.0.1.4", "10.0.2.1"] {
        let mut item = |number: usize| passes(&mut machine, address, (&format!("/item/{number}.css"), HTML));
        assert_eq!((0..20).filter(|number| item(*number)).count(), 5, "{address}");
    }
}
