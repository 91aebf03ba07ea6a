//! Signing in: no spelling and no method makes it something else, and a class that mistypes its passwords gets in.

use std::net::{IpAddr, Ipv4Addr};

use crate::bounds::SIGN_INS;
use crate::site::{Password, Served};
use crate::visitor::{Ask, Browser};
use crate::world::{Outcome, World};

const HOME: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 10));

fn own_browser(number: u64) -> Browser {
    Browser::chrome("windows", 143, &format!("0.{number}.0"))
}

#[test]
fn no_spelling_and_no_method_tries_more_passwords() {
    let mut ways = vec![("post", "/login"), ("PUT", "/login"), ("DELETE", "/login"), ("LOGIN", "/login")];
    let paths = [
        "/login",
        "/login/x/y",
        "/login.json",
        "/login.json/",
        "/login.php/x",
        "/login.php/a.css",
        "/login%20",
        "/login/%0a",
    ];
    ways.extend(paths.map(|path| ("POST", path)));
    for (method, path) in ways {
        let mut world = World::new();
        let mut tries = |number: u64| {
            world.pass_until(number * 50);
            let ask = Ask::sign_in(HOME, &own_browser(number), Password::Wrong);
            world.send(&Ask { method, path: path.to_owned(), ..ask }).served() == Some(Served::WrongPassword)
        };
        let tried = (0..200).filter(|number| tries(*number)).count() as u64;
        assert!((1..=SIGN_INS.within(10_000)).contains(&tried), "{method} {path}: {tried}");
    }
}

/// The login form, with its style.
fn open_form(world: &mut World, browser: &Browser) {
    world.send(&Ask::page(HOME, browser, "/login"));
    world.send(&Ask::asset(HOME, browser, "/static/site.css", "/login"));
}

#[test]
fn who_opens_the_form_under_each_new_name_tries_what_an_address_may() {
    let mut world = World::new();
    let mut tries = |number: u64| {
        world.pass_until(number * 250);
        open_form(&mut world, &own_browser(number));
        world.send(&Ask::sign_in(HOME, &own_browser(number), Password::Wrong)).passed()
    };
    let tried: Vec<_> = (0..2_400).filter(|number| tries(*number)).collect();
    let hasty = tried.iter().filter(|number| **number < 120).count() as u64;
    assert!(hasty <= SIGN_INS.within(30_000), "{hasty}");
    assert!(tried.len() as u64 <= SIGN_INS.within(600_000), "{}", tried.len());
}

/// Thirty with devices of their own at one address within a minute, each so often wrong before it is right. Who is told to
/// wait goes away. Gives how many signed in and how many were challenged.
fn class(wrong: u64) -> (usize, usize) {
    let mut world = World::new();
    let mut due: Vec<_> = (0..30_u64).map(|pupil| (pupil * 37 % 60 * 1_000, pupil, 0)).collect();
    let (mut signed_in, mut challenged) = (0, 0);
    while let Some(next) = due.iter().enumerate().min_by_key(|(_, due)| **due).map(|(place, _)| place) {
        let (now_ms, pupil, step) = due.swap_remove(next);
        world.pass_until(now_ms);
        let browser = own_browser(pupil);
        if step == 0 {
            open_form(&mut world, &browser);
        }
        let password = if step <= wrong { Password::Wrong } else { Password::Right };
        let is_tried = step == 0 || {
            let outcome = world.send(&Ask::sign_in(HOME, &browser, password));
            signed_in += usize::from(outcome.served() == Some(Served::SignedIn));
            challenged += usize::from(matches!(outcome, Outcome::Refused { status: 403, .. }));
            outcome.served() == Some(Served::WrongPassword)
        };
        if is_tried {
            due.push((now_ms + 8_000 + now_ms * 7 % 13_007, pupil, step + 1));
        }
    }
    (signed_in, challenged)
}

#[test]
fn a_class_that_mistypes_its_passwords_is_not_challenged() {
    assert_eq!(class(1), (30, 0));
    let (signed_in, challenged) = class(2);
    assert!(signed_in >= 10 && challenged == 0, "the address's limit alone: {signed_in}, {challenged}");
}
