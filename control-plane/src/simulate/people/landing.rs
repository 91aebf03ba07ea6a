//! People who come for one thing and leave.

use super::super::purpose::Purpose;
use super::super::visit::{Ask, From, Visit};

/// From a search engine or a link elsewhere to one page; a few look further.
pub(super) fn from_a_search(v: &mut Visit<'_>) {
    let page = v.entry();
    let from = if v.dice.chance(0.8) { v.arrival() } else { From::Elsewhere("https://www.google.com/") };
    // A page seen before, or the reading mode of a phone: nothing else is loaded.
    if v.dice.chance(0.2) {
        v.open(page, from);
        return;
    }
    v.read(page, from);
    if v.dice.chance(0.12) {
        v.think(30.0, 1.0);
        let next = v.linked();
        v.read(next, From::Link);
    }
}

/// From a message or a post to the page that it links to, and sometimes on from there.
pub(super) fn from_an_app(v: &mut Visit<'_>) {
    let page = v.entry();
    let from = match v.dice.below(10) {
        0..6 => From::Direct,
        6..8 => From::Elsewhere("https://l.facebook.com/"),
        _ => v.arrival(),
    };
    v.read(page, from);
    for _ in 0..v.dice.geometric(1.6, 8) - 1 {
        v.think(40.0, 1.1);
        let next = v.linked();
        v.read(next, From::Link);
    }
}

/// A feed reader, a mail or a messenger opens articles in the browser, now and then; there is no referer.
pub(super) fn from_a_feed(v: &mut Visit<'_>) {
    for _ in 0..v.dice.geometric(3.0, 20) {
        let page = v.dice.below(v.site.pages.len());
        v.here.clear();
        v.read(page, From::Direct);
        v.think(6_000.0, 1.6);
    }
}

/// An image or file that another site shows, or a search for images; or only the icon, for a bookmark or a tab that
/// is restored.
pub(super) fn at_an_image(v: &mut Visit<'_>) {
    if v.dice.chance(0.2) {
        let status = *v.dice.pick(&[200, 304, v.site.icon_status]);
        v.send(Ask::get("/favicon.ico", From::Direct).to(Purpose::Image).answered(status));
        return;
    }
    const ELSEWHERE: [&str; 4] = [
        "https://www.google.com/",
        "https://forum.example/thread/881",
        "https://blog.example/2026/a-picture",
        "https://www.pinterest.com/",
    ];
    let site = v.site;
    let images: Vec<_> = site.pages.iter().flat_map(|page| &page.images).chain(&site.shared).collect();
    let elsewhere = *v.dice.pick(&ELSEWHERE);
    let from = if v.dice.chance(0.75) { From::Elsewhere(elsewhere) } else { From::Direct };
    let count = v.dice.geometric(1.25, 5);
    for _ in 0..count {
        let image = *v.dice.pick(&images);
        let ask = Ask::get(image.path.clone(), from.clone()).to(Purpose::Image);
        v.send(ask);
        v.think(4.0, 1.5);
    }
    if v.dice.chance(0.2) {
        let status = site.icon_status;
        v.send(Ask::get("/favicon.ico", From::Direct).to(Purpose::Image).answered(status));
    }
}

/// One file or a few: by a direct link, or from the page that lists them; large ones in pieces.
pub(super) fn at_a_file(v: &mut Visit<'_>) {
    let direct = v.dice.chance(0.35);
    if !direct {
        let page = v.dice.below(v.site.pages.len());
        let from = v.arrival();
        v.read(page, from);
        v.think(25.0, 1.0);
    }
    for _ in 0..v.dice.geometric(if direct { 1.2 } else { 2.2 }, 12) {
        let from = match v.dice.below(10) {
            _ if direct => v.arrival(),
            0..7 => From::Link,
            // By a download program, or from an https page to http.
            _ => From::Direct,
        };
        let file = v.dice.pick(&v.site.files).clone();
        v.send(Ask::get(file.clone(), from.clone()));
        if v.dice.chance(0.15) {
            for _ in 0..v.dice.geometric(5.0, 25) {
                v.think(1.5, 1.0);
                v.send(Ask::get(file.clone(), from.clone()).answered(206));
            }
        }
        v.think(20.0, 1.3);
    }
}
