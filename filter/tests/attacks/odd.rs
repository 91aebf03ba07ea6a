//! People with odd browsers on odd sites, each alone at an address: how often they are refused. What is refused to them
//! today is written down; nobody may fare worse.

use std::net::{IpAddr, Ipv4Addr};

use crate::site::Password;
use crate::visitor::{Ask, Browser, ORIGIN};
use crate::world::World;

const HOME: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 77));

/// Requests, each at so many milliseconds after the beginning.
type Visit = Vec<(u64, Ask)>;

fn chrome() -> Browser {
    Browser::chrome("windows", 143, "0.0.0")
}

fn page(path: String) -> Ask {
    Ask::page(HOME, &chrome(), path)
}

fn file(path: String) -> Ask {
    Ask::asset(HOME, &chrome(), path, "/")
}

/// So many pages, one each so many seconds and a little more or less, as people read.
fn pages(count: u64, each_s: u64, ask: impl Fn(u64) -> Vec<Ask>) -> Visit {
    let at = |number: u64| number * each_s * 1_000 + number * 7_919 % (each_s * 400);
    (0..count).flat_map(|number| ask(number).into_iter().map(move |ask| (at(number), ask))).collect()
}

/// Without what newer browsers say of where a request comes from.
fn reticent(ask: Ask) -> Ask {
    Ask { fetch_site: "", fetch_mode: "", fetch_dest: "", referer: String::new(), ..ask }
}

/// As another site asks for it.
fn elsewhere(ask: Ask) -> Ask {
    Ask { fetch_site: "cross-site", referer: "https://elsewhere.example/".into(), ..ask }
}

/// A page and so many files, each at so many milliseconds.
fn files(count: u64, at_ms: impl Fn(u64) -> u64) -> Visit {
    let files = (0..count).map(|number| (at_ms(number), file(format!("/static/{number}.png"))));
    std::iter::once((0, page("/".into()))).chain(files).collect()
}

/// One page, then so many people's calls, 30 in a row each 15 s.
fn programs(people: u64) -> Visit {
    let mut visit = Visit::new();
    for (view, person) in (0..20).flat_map(|view| (0..people).map(move |person| (view, person))) {
        let (at_ms, browser) =
            (view * 15_000 + person * 400, Browser::chrome("windows", 143, &format!("0.{person}.0")));
        if view == 0 {
            visit.push((at_ms, Ask::page(HOME, &browser, "/")));
            visit.push((at_ms, Ask::asset(HOME, &browser, "/static/app.js", "/")));
        }
        let call = |call| Ask::call(HOME, &browser, format!("/api/items/{}", view * 30 + call), "/");
        visit.extend((0..30).map(|number| (at_ms, call(number))));
    }
    visit
}

/// So many wrong passwords, 12 s apart, then the right one.
fn forgetful(wrong: u64) -> Visit {
    let sign_in = |number| {
        let password = if number == wrong { Password::Right } else { Password::Wrong };
        (12_000 * (number + 1), Ask::sign_in(HOME, &chrome(), password))
    };
    let form = vec![(0, page("/login".into())), (50, file("/static/a.css".into()))];
    form.into_iter().chain((0..=wrong).map(sign_in)).collect()
}

fn refused(visit: Visit) -> u64 {
    let mut world = World::new();
    let mut refused = 0;
    for (at_ms, ask) in visit {
        world.pass_until(at_ms);
        refused += u64::from(!world.send(&ask).passed());
    }
    refused
}

#[test]
fn whoever_browses_oddly_is_refused_no_more_than_today() {
    let item = |number: u64| format!("/item/{}", number * 13);
    let text =
        Browser { agent: "Lynx/2.9.0dev.12 libwww-FM/2.14 SSL-MM/1.4.1".into(), ..Browser::safari(18) };
    let visits: [(&str, Visit, u64); 17] = [
        ("a page that is a program", programs(1), 0),
        ("warm caches", pages(20, 20, |n| vec![page(item(n)), file("/static/a.css".into()).cached(true)]), 0),
        (
            "the same page again and again",
            pages(60, 6, |n| vec![page("/".into()), file("/static/a.css".into()).cached(n > 0)]),
            0,
        ),
        ("a password manager that sends twice", [forgetful(0), forgetful(0)].concat(), 0),
        ("150 images", pages(1, 20, |_| (0..150).map(|n| file(format!("/static/{n}.png"))).collect()), 0),
        (
            "300 tiles of a map a minute",
            (0..1_500).map(|n| (n * 200, file(format!("/static/{n}.png")))).collect(),
            0,
        ),
        ("1,500 thumbnails in 20 s", files(1_500, |n| n * 1_000 / 75), 0),
        ("150 tiles of a map each 2.5 s", files(3_600, |n| n / 150 * 2_500), 0),
        ("800 script modules", files(800, |n| n / 40 * 200), 0),
        (
            "60 pictures a page on another domain of the site",
            pages(10, 6, |page| {
                (0..60).map(|n| elsewhere(file(format!("/static/{page}-{n}.png")))).collect()
            }),
            0,
        ),
        (
            "an identity provider that posts to WordPress each morning",
            pages(10, 86_400, |_| {
                let form = Ask::sign_in(HOME, &chrome(), Password::Right);
                let form = elsewhere(Ask { path: "/wp-login.php".into(), ..form });
                vec![page("/".into()), file("/static/a.css".into()), file("/static/b.png".into()), form]
            }),
            0,
        ),
        ("three wrong passwords", forgetful(3), 0),
        // Still open: newcomers' calls count like pages.
        ("five at once whose pages are programs", programs(5), 340),
        // Still open: what a site does to all its visitors is taken for one visitor's trait.
        (
            "no referer, assets elsewhere",
            pages(20, 25, |n| vec![reticent(Ask::page(HOME, &Browser::safari(18), item(n)))]),
            18,
        ),
        (
            "no referer but Sec-Fetch-Site, assets elsewhere",
            pages(20, 20, |n| vec![Ask { referer: String::new(), ..page(item(n)).linked_on("/") }]),
            18,
        ),
        (
            "a text browser",
            pages(15, 20, |n| {
                vec![Ask { referer: format!("{ORIGIN}/"), ..reticent(Ask::page(HOME, &text, item(n))) }]
            }),
            13,
        ),
        // Still open: whoever has forgotten the password needs more than four tries in a minute.
        ("six wrong passwords", forgetful(6), 4),
    ];
    let worse = visits.into_iter().filter_map(|(name, visit, today)| {
        let refused = refused(visit);
        (refused > today).then(|| format!("{name}: {refused} requests, before {today}"))
    });
    let worse: Vec<_> = worse.collect();
    assert!(worse.is_empty(), "refused more often:\n{}", worse.join("\n"));
}
