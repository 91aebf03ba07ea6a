//! Bots that ask for the same again and again, walk through an API, or ask once.

use super::super::purpose::Purpose;
use super::super::visit::{Ask, From, Visit};

/// One page by the clock, for hours.
pub(super) fn watch(v: &mut Visit<'_>) {
    let every_s = *v.dice.pick(&[60.0, 60.0, 300.0, 300.0, 900.0]);
    let page = if v.dice.chance(0.7) { 0 } else { v.entry() };
    let method = if v.dice.chance(0.4) { "HEAD" } else { "GET" };
    let path = v.site.pages[page].path.clone();
    for _ in 0..v.dice.geometric(20.0, 90) {
        v.send(Ask::get(path.clone(), From::Direct).by(method));
        let late = v.dice.real(0.0, 1.5);
        v.wait(every_s + late);
    }
}

/// A feed, once or more an hour, mostly unchanged; the icon at the start.
pub(super) fn fetch_a_feed(v: &mut Visit<'_>) {
    let path = *v.dice.pick(&["/feed.xml", "/rss", "/atom.xml", "/?flav=rss20", "/index.rdf"]);
    let every_s = *v.dice.pick(&[900.0, 1800.0, 3600.0, 7200.0]);
    let late_s = v.dice.real(2.0, 400.0);
    if v.dice.chance(0.25) {
        let status = v.site.icon_status;
        v.send(Ask::get("/favicon.ico", From::Direct).to(Purpose::Image).answered(status));
    }
    for _ in 0..v.dice.geometric(10.0, 120) {
        let status = if v.dice.chance(0.75) { 304 } else { 200 };
        v.send(Ask::get(path, From::Direct).answered(status));
        let late = v.dice.real(0.0, late_s);
        v.wait(every_s + late);
    }
}

/// An API's items, page by page or one by one.
pub(super) fn harvest_an_api(v: &mut Visit<'_>) {
    let pause_s = v.dice.log_normal(0.9, 0.9);
    let by_page = v.dice.chance(0.6);
    let purpose = if v.dice.chance(0.5) { Purpose::Call } else { Purpose::Page };
    for number in 1..=v.dice.geometric(40.0, 300) {
        let target =
            if by_page { format!("/api/items?page={number}") } else { format!("/api/items/{number}") };
        let status = match v.dice.below(100) {
            0..3 => 429,
            3..6 => 404,
            _ => 200,
        };
        v.send(Ask::get(target, From::Direct).to(purpose).answered(status));
        v.think(pause_s, 0.35);
    }
}

/// One fetch: of the front page, of robots.txt, of a page deep inside, of an image or icon; where that moved, again.
pub(super) fn once(v: &mut Visit<'_>) {
    let site = v.site;
    let (path, purpose) = match v.dice.below(100) {
        0..25 => ("/", Purpose::Page),
        25..37 => ("/robots.txt", Purpose::Page),
        37..40 => ("/favicon.ico", Purpose::Image),
        40..46 if !site.shared.is_empty() => (&*v.dice.pick(&site.shared).path, Purpose::Image),
        46..60 if !site.files.is_empty() => (&**v.dice.pick(&site.files), Purpose::Page),
        _ => (&*v.dice.pick(&site.pages).path, Purpose::Page),
    };
    let method = if v.dice.chance(0.06) { "HEAD" } else { "GET" };
    // Some name the site itself or a site that they advertise.
    let from = match v.dice.below(100) {
        0..3 => From::Said(site.url("/")),
        3..6 => From::Elsewhere("https://cheap-seo.example/"),
        _ => From::Direct,
    };
    let ask = Ask::get(path, from).by(method).to(purpose);
    match v.dice.below(100) {
        0..14 => {
            v.send(ask.clone().answered(301).leading_to(site.url(path)));
            v.think(0.5, 0.8);
        }
        14..20 => {
            v.send(Ask::get("/robots.txt", From::Direct));
            v.think(4.0, 1.5);
        }
        _ => {}
    }
    let status = if v.dice.chance(0.08) { 404 } else { 200 };
    v.send(ask.clone().answered(status));
    if v.dice.chance(0.06) {
        v.send(Ask::get("/favicon.ico", From::Direct).to(Purpose::Image).answered(site.icon_status));
    }
    // And the next day, the same.
    if v.dice.chance(0.28) {
        for _ in 0..v.dice.between(1, 3) {
            v.think(30_000.0, 0.8);
            v.send(ask.clone());
        }
    }
}
