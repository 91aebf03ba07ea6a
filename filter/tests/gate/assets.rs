//! Assets have a limit of their own: a map, a video and a gallery are read through, and what only calls itself an asset
//! is none.

use sallyport_filter::unanswered::MOST;
use serde_json::json;

use crate::machine::Machine;

const READER: &str = "192.0.2.1:1000";

/// The default policy, in a process that has run for a while.
fn machine() -> Machine {
    let machine = Machine::start(&json!({ "policy": { "enforcement": "enforce" } }));
    machine.fake.pass_ms(sallyport_filter::worker::LOOKS_ON_MS);
    machine
}

/// A part of a page; whether it passed.
fn load(machine: &mut Machine, path: &str, (status, content_type): (u16, &str)) -> bool {
    let (context, _) = machine.browse(READER, path);
    let passes = machine.reply(context).is_none();
    if passes {
        machine.respond_with(context, status, &[("content-type", content_type)]);
    }
    passes
}

#[test]
fn a_gallery_of_300_pictures_is_shown_at_once() {
    let mut machine = machine();
    assert!(load(&mut machine, "/gallery", (200, "text/html")));
    for number in 0..300 {
        assert!(load(&mut machine, &format!("/pictures/{number}.jpg"), (200, "image/jpeg")), "{number}");
        machine.fake.pass_ms(3);
    }
    machine.fake.pass_ms(20_000);
    assert!(load(&mut machine, "/gallery/2", (200, "text/html")));
}

#[test]
fn a_map_is_moved_for_five_minutes() {
    let mut machine = machine();
    assert!(load(&mut machine, "/map", (200, "text/html")));
    // Forty tiles with each move, one move in two seconds.
    for tile in 0..150 * 40 {
        assert!(load(&mut machine, &format!("/tiles/12/{tile}.png"), (200, "image/png")), "{tile}");
        machine.fake.pass_ms(50);
    }
}

#[test]
fn a_video_is_watched_for_an_hour() {
    let mut machine = machine();
    assert!(load(&mut machine, "/watch", (200, "text/html")));
    // A segment in two seconds, in ranges; ten at once to begin with.
    for segment in 0..1_800 {
        let path = format!("/video/{segment}.ts");
        assert!(load(&mut machine, &path, (206, "video/mp2t")), "{segment}");
        machine.fake.pass_ms(if segment < 10 { 20 } else { 2_000 });
    }
}

#[test]
fn beyond_its_limit_an_asset_waits_like_anything_else() {
    let wide = json!({ "address": { "per_second": 1000, "burst": 1000 } });
    let mut machine = Machine::start(&json!({ "policy": { "enforcement": "enforce", "rate_limit": wide } }));
    assert!(load(&mut machine, "/map", (200, "text/html")));
    let at_once = (0..600).filter(|tile| load(&mut machine, &format!("/t/{tile}.png"), (200, "image/png")));
    assert_eq!(at_once.count(), 500);
    machine.fake.pass_ms(1_000);
    let later = (0..600).filter(|tile| load(&mut machine, &format!("/u/{tile}.png"), (200, "image/png")));
    assert_eq!(later.count(), 80);
}

#[test]
fn of_a_network_no_more_are_under_way_than_of_a_crowd() {
    let mut machine = Machine::start(&json!({ "policy": {
        "enforcement": "enforce", "thresholds": { "monitor": 99, "challenge": 99.9, "block": 100 } } }));
    machine.fake.pass_ms(sallyport_filter::worker::LOOKS_ON_MS);
    // Each /64 of a /48 asks for pages as if they were assets, and waits for no answer.
    let asks = |machine: &mut Machine, number: u32| {
        let (context, _) = machine
            .browse(&format!("[2001:db8:7:{:x}::1]:1", number % 200), &format!("/item/{number}/a.css"));
        machine.reply(context).is_none().then_some(context)
    };
    let passed: Vec<_> = (0..3_000).filter_map(|number| asks(&mut machine, number)).collect();
    assert_eq!(passed.len(), MOST as usize);
    // Some are answered, some given up: there is room for others.
    for context in &passed[..60] {
        machine.respond_with(*context, 200, &[("content-type", "text/css")]);
    }
    passed[60..100].iter().for_each(|context| machine.end(*context));
    assert_eq!((0..3_000).filter_map(|number| asks(&mut machine, number)).count(), 100);
    let (other, _) = machine.browse("192.0.2.1:1", "/a.css");
    assert!(machine.reply(other).is_none(), "another network's");
}
