//! Bots that take many pages: scrapers, crawlers, collectors of images and files.

use super::super::purpose::Purpose;
use super::super::visit::{Ask, From, Visit};

/// How a crawler says where it comes from.
#[derive(Clone, Copy)]
enum Referers {
    None,
    /// The site's front page, always.
    Front,
    /// The page before.
    Previous,
}

/// Page after page, by the clock.
pub(super) fn at_a_fixed_interval(v: &mut Visit<'_>) {
    let every_s = *v.dice.pick(&[1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0]);
    let referers = manners(v);
    let pages = v.dice.geometric(22.0, 200);
    crawl(v, pages, referers, |v| {
        let late = v.dice.real(0.0, 0.15);
        v.wait(every_s + late);
    });
}

/// The same with a random pause, so that it does not look like the clock.
pub(super) fn at_a_jittered_interval(v: &mut Visit<'_>) {
    let every_s = v.dice.log_normal(15.0, 1.8);
    let sigma = v.dice.real(0.2, 0.9);
    let referers = manners(v);
    let pages = v.dice.geometric(12.0, 200);
    crawl(v, pages, referers, |v| v.think(every_s, sigma));
}

/// Several at once, from a few addresses, quickly; reads robots.txt first, mostly.
pub(super) fn for_a_model(v: &mut Visit<'_>) {
    let pause_s = v.dice.log_normal(5.0, 1.2);
    for _ in 0..v.dice.between(1, 8) {
        v.move_on();
        robots(v, 0.6);
        for _ in 0..v.dice.geometric(7.0, 60) {
            let first = v.dice.below(v.site.pages.len());
            for next in 0..v.dice.geometric(1.6, 6) {
                let page = (first + next) % v.site.pages.len();
                get(v, page, Referers::None);
                let pause = v.dice.real(0.0, 0.4);
                v.wait(pause);
            }
            v.think(pause_s, 0.7);
        }
    }
}

/// A crawl that takes a few pages from each of many addresses, with long pauses.
pub(super) fn low_and_slow(v: &mut Visit<'_>) {
    let referers = manners(v);
    for _ in 0..v.dice.between(9, 24) {
        v.move_on();
        for _ in 0..v.dice.geometric(2.2, 12) {
            let page = v.dice.below(v.site.pages.len());
            get(v, page, referers);
            v.think(400.0, 1.4);
        }
    }
}

/// Minutes between pages, a few for each address; pages, files, now and then what was there before.
pub(super) fn for_a_search_engine(v: &mut Visit<'_>) {
    let pause_s = v.dice.log_normal(600.0, 1.8);
    for _ in 0..v.dice.geometric(9.0, 40) {
        v.move_on();
        robots(v, 0.35);
        let mean = if v.dice.chance(0.12) { 20.0 } else { 1.6 };
        for _ in 0..v.dice.geometric(mean, 80) {
            match v.dice.below(100) {
                0..20 if !v.site.files.is_empty() => {
                    let file = v.dice.pick(&v.site.files).clone();
                    v.send(Ask::get(file, From::Direct));
                }
                20..26 => v.send(Ask::get("/gone/since-long.html", From::Direct).answered(404)),
                26..30 => v.send(Ask::get("/", From::Direct).answered(304)),
                _ => {
                    let page = v.dice.below(v.site.pages.len());
                    get(v, page, Referers::None);
                }
            }
            v.think(pause_s, 1.0);
        }
    }
}

/// Images, seconds apart or faster; half of them say that a page of the site shows them.
pub(super) fn for_images(v: &mut Visit<'_>) {
    let site = v.site;
    let pause_s = v.dice.log_normal(0.8, 1.0);
    let forges = v.dice.chance(0.4);
    robots(v, 0.3);
    for _ in 0..v.dice.geometric(10.0, 120) {
        let page = v.dice.below(site.pages.len());
        let from = if forges { From::Said(site.url(&site.pages[page].path)) } else { From::Direct };
        // The page is fetched to find its images.
        if v.dice.chance(0.6) {
            get(v, page, Referers::None);
            v.think(pause_s, 0.5);
        }
        for image in &site.pages[page].images {
            v.send(Ask::get(image.path.clone(), from.clone()).to(Purpose::Image));
            v.think(pause_s, 0.5);
        }
    }
}

/// The heads of all pages, some of which are gone.
pub(super) fn for_broken_links(v: &mut Visit<'_>) {
    let pause_s = v.dice.log_normal(0.7, 0.8);
    robots(v, 0.3);
    let start = v.dice.below(v.site.pages.len());
    for next in 0..v.dice.geometric(35.0, 200) {
        let path = v.site.pages[(start + next) % v.site.pages.len()].path.clone();
        let status = if v.dice.chance(0.06) { 404 } else { 200 };
        let method = if v.dice.chance(0.85) { "HEAD" } else { "GET" };
        v.send(Ask::get(path, From::Direct).by(method).answered(status));
        v.think(pause_s, 0.4);
    }
}

/// One data file after the other, perhaps after the page that lists them.
pub(super) fn for_files(v: &mut Visit<'_>) {
    let pause_s = v.dice.log_normal(5.0, 1.2);
    let referers = manners(v);
    if v.dice.chance(0.4) {
        get(v, 0, Referers::None);
        v.think(2.0, 0.5);
    }
    for _ in 0..v.dice.geometric(9.0, 150) {
        let file = v.dice.pick(&v.site.files).clone();
        let from = said(v, referers);
        v.send(Ask::get(file, from));
        v.think(pause_s, 0.6);
    }
}

/// Pages in the order of the site or of a queue.
fn crawl(v: &mut Visit<'_>, pages: usize, referers: Referers, pause: impl Fn(&mut Visit<'_>)) {
    robots(v, 0.2);
    let in_order = v.dice.chance(0.6);
    let mut page = v.entry();
    for _ in 0..pages {
        get(v, page, referers);
        pause(v);
        page = if in_order { (page + 1) % v.site.pages.len() } else { v.dice.below(v.site.pages.len()) };
    }
}

fn get(v: &mut Visit<'_>, page: usize, referers: Referers) {
    let path = v.site.pages[page].path.clone();
    let from = said(v, referers);
    v.here = v.site.url(&path);
    if v.dice.chance(0.03) {
        v.send(Ask::get(path.clone(), from.clone()).answered(301).leading_to(v.site.url(&path)));
    }
    v.send(Ask::get(path, from));
}

fn said(v: &Visit<'_>, referers: Referers) -> From {
    match referers {
        Referers::None => From::Direct,
        Referers::Front => From::Said(v.site.url("/")),
        Referers::Previous if v.here.is_empty() => From::Direct,
        Referers::Previous => From::Said(v.here.clone()),
    }
}

/// Most send no referer.
fn manners(v: &mut Visit<'_>) -> Referers {
    match v.dice.below(10) {
        0 => Referers::Front,
        1 | 2 => Referers::Previous,
        _ => Referers::None,
    }
}

fn robots(v: &mut Visit<'_>, probability: f64) {
    if v.dice.chance(probability) {
        v.send(Ask::get("/robots.txt", From::Direct));
        v.think(1.5, 1.0);
    }
}
