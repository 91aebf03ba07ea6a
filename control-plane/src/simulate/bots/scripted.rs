//! Bots that come near to browsers: scripted ones, copiers of sites, fetchers of previews, and such that change names.

use super::super::agents::Role;
use super::super::face::{Disguise, Face};
use super::super::purpose::Purpose;
use super::super::visit::{Ask, From, Visit};

/// A real browser on a script: assets and referers, but one pace through many pages, again and again.
pub(super) fn in_a_browser(v: &mut Visit<'_>) {
    let share = *v.dice.pick(&[0.97, 0.97, 0.6, 0.3]);
    let pause_s = v.dice.log_normal(2.5, 0.7);
    let sigma = v.dice.real(0.05, 0.4);
    // Each page in a browser that was just started: nothing is cached, nothing was shown before.
    let starts_anew = v.dice.chance(0.5);
    let mut page = v.entry();
    for _ in 0..v.dice.geometric(18.0, 120) {
        v.has_worker &= !starts_anew;
        v.open(page, if starts_anew { From::Direct } else { From::Link });
        v.load(share);
        v.think(pause_s, sigma);
        page = if v.dice.chance(0.5) {
            (page + 1) % v.site.pages.len()
        } else {
            v.dice.below(v.site.pages.len())
        };
    }
}

/// Another user agent every few requests, from the same address.
pub(super) fn under_many_names(v: &mut Visit<'_>, disguise: Disguise) {
    let pause_s = v.dice.log_normal(5.0, 0.8);
    let each = v.dice.between(1, 4);
    for number in 0..v.dice.between(24, 60) {
        if number % each == 0 {
            v.face = Face::bot(&mut v.dice, Role::Library, disguise);
        }
        let page = v.dice.below(v.site.pages.len());
        let path = v.site.pages[page].path.clone();
        let from = if v.dice.chance(0.15) { From::Said(v.site.url("/")) } else { From::Direct };
        v.send(Ask::get(path, from));
        v.think(pause_s, 0.6);
    }
}

/// Page, assets, next page, as fast as the answers come; the referer is the page.
pub(super) fn copy(v: &mut Visit<'_>) {
    v.runs_scripts = false;
    let pause_s = v.dice.log_normal(0.6, 0.7);
    let start = v.dice.below(v.site.pages.len());
    if v.dice.chance(0.5) {
        v.send(Ask::get("/robots.txt", From::Direct));
        v.wait(pause_s);
    }
    for next in 0..v.dice.geometric(20.0, 150) {
        v.open((start + next) % v.site.pages.len(), From::Link);
        v.load(0.95);
        v.think(pause_s, 0.5);
    }
}

/// One page and perhaps its image, for whoever posted the link; some ask again for each reader.
pub(super) fn preview(v: &mut Visit<'_>) {
    let site = v.site;
    let page = v.entry();
    let path = site.pages[page].path.clone();
    for _ in 0..v.dice.geometric(1.4, 10) {
        if v.dice.chance(0.12) {
            v.send(Ask::get("/robots.txt", From::Direct));
            v.think(0.4, 0.5);
        }
        let method = if v.dice.chance(0.1) { "HEAD" } else { "GET" };
        v.send(Ask::get(path.clone(), From::Direct).by(method));
        v.think(0.5, 0.6);
        if let Some(image) = site.pages[page].images.first().filter(|_| v.dice.chance(0.4)) {
            v.send(Ask::get(image.path.clone(), From::Direct).to(Purpose::Image));
        }
        v.think(120.0, 1.5);
    }
}
