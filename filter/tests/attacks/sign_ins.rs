//! Signing in: no spelling and no method makes it something else.

use std::net::{IpAddr, Ipv4Addr};

use crate::bounds::SIGN_INS;
use crate::site::{Password, Served};
use crate::visitor::{Ask, Browser};
use crate::world::World;

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
