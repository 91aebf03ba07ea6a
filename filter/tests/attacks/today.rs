//! The attacks by which this was found, as they were made: what got through before, and what may now.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::bounds::{self, ADDRESSES_OF_NETWORK, Budget};
use crate::site::Password;
use crate::visitor::{Ask, Browser};
use crate::world::{World, read_page};

/// Requests that one attacker makes, evenly.
#[derive(Clone, Copy)]
struct Pace {
    requests: u64,
    ms: u64,
}

/// 200 wrong passwords in ten seconds.
const PASSWORDS: Pace = Pace { requests: 200, ms: 10_000 };
/// 400 pages at 60 a second.
const PAGES: Pace = Pace { requests: 400, ms: 6_667 };
fn home() -> IpAddr {
    Ipv4Addr::new(203, 0, 113, 7).into()
}

/// Another /64 of one /48 each time.
fn prefix(number: u64) -> IpAddr {
    Ipv6Addr::new(0x2001, 0xdb8, 7, number as u16, 0, 0, 0, 7).into()
}

fn build(number: u64) -> Browser {
    Browser::chrome("linux", 143, &format!("0.{number}.0"))
}

/// How many of the attacker's requests reach the site.
fn reached(pace: Pace, ask: impl Fn(u64) -> Ask) -> u64 {
    let mut world = World::new();
    let mut passes = |number: u64| {
        world.pass_until(number * pace.ms / pace.requests);
        world.send(&ask(number)).passed()
    };
    (0..pace.requests).filter(|number| passes(*number)).count() as u64
}

/// What a free choice may get: half as much again as without it, or what the newcomers of so many addresses have in
/// that time.
fn most(pace: Pace, honest: u64, budget: Budget, addresses: u64) -> u64 {
    (honest + honest / 2).max(budget.times(addresses).within(pace.ms))
}

#[test]
fn of_200_wrong_passwords_no_choice_gets_more_to_the_site_than_newcomers_have() {
    let sign_in = |address, browser: &Browser| Ask::sign_in(address, browser, Password::Wrong);
    let honest = reached(PASSWORDS, |_| sign_in(home(), &build(0)));
    assert!((1..=6).contains(&honest), "6 of 200 before: {honest}");
    let builds = reached(PASSWORDS, |number| sign_in(home(), &build(number)));
    assert!(builds <= most(PASSWORDS, honest, bounds::SIGN_INS, 1), "200 of 200 before: {builds}");
    let prefixes = reached(PASSWORDS, |number| sign_in(prefix(number), &build(0)));
    assert!(
        prefixes <= most(PASSWORDS, honest, bounds::SIGN_INS, ADDRESSES_OF_NETWORK),
        "200 of 200 before: {prefixes}"
    );
    let both = reached(PASSWORDS, |number| sign_in(prefix(number), &build(number)));
    assert!(both <= most(PASSWORDS, honest, bounds::SIGN_INS, ADDRESSES_OF_NETWORK), "{both}");
}

#[test]
fn of_400_pages_no_choice_reads_more_than_newcomers_have() {
    let page = |address, browser: &Browser, number| Ask::page(address, browser, format!("/item/{number}"));
    let honest = reached(PAGES, |number| page(home(), &build(0), number));
    assert!(
        (1..=24).contains(&honest),
        "it takes some pages to tell a crawler from a quiet reader: {honest}"
    );
    let images = reached(PAGES, |number| Ask {
        accept: "image/avif,image/webp,*/*;q=0.8",
        fetch_mode: "no-cors",
        fetch_dest: "image",
        ..page(home(), &build(0), number)
    });
    assert!(images <= most(PAGES, honest, bounds::PAGES, 1), "191 of 400 before: {images}");
    let builds = reached(PAGES, |number| page(home(), &build(number), number));
    assert!(builds <= most(PAGES, honest, bounds::PAGES, 1), "153 of 400 before: {builds}");
    let prefixes = reached(PAGES, |number| page(prefix(number), &build(0), number));
    assert!(
        prefixes <= most(PAGES, honest, bounds::PAGES, ADDRESSES_OF_NETWORK),
        "400 of 400 before: {prefixes}"
    );
    let sessions = reached(PAGES, |number| Ask {
        cookie: format!("sid=made-up-{number}"),
        ..page(home(), &build(0), number)
    });
    assert!(sessions <= honest, "a session that nobody issued is none: {sessions}");
}

#[test]
fn probes_that_another_site_is_said_to_bring_along_are_refused_as_well() {
    // Somebody who reads like anybody else, and probes now and then.
    let reached = |site: &'static str, mode: &'static str| {
        let (mut world, browser) = (World::new(), build(0));
        let mut probes = |number: u64| {
            world.pass_until(number * 20_000);
            read_page(&mut world, home(), &browser, number, "");
            world.pass_until(number * 20_000 + 5_000);
            let probe = Ask::page(home(), &browser, format!("/app{number}/.env"));
            let claimed = Ask { fetch_site: site, fetch_mode: mode, fetch_dest: "image", ..probe };
            world.send(&claimed).passed()
        };
        (0..60).filter(|number| probes(*number)).count()
    };
    let honest = reached("none", "navigate");
    for mode in ["no-cors", "cors", "navigate"] {
        let claimed = reached("cross-site", mode);
        assert!(claimed <= honest, "{mode}: {claimed}, honestly {honest}");
    }
    assert_eq!(reached("cross-site", "no-cors"), 0);
}
