//! People who read page after page.

use super::super::visit::{Ask, From, Visit};

/// Reads a few pages, following links, going back now and then.
pub(super) fn at_a_desk(v: &mut Visit<'_>) {
    arrive(v);
    let pages = v.dice.geometric(4.0, 40);
    stroll(v, pages - 1, 28.0);
    if v.dice.chance(0.15) {
        v.think(20_000.0, 1.2);
        arrive(v);
        stroll(v, 2, 28.0);
    }
}

/// Shorter looks and slower lines than at a desk, and much going back.
pub(super) fn on_a_phone(v: &mut Visit<'_>) {
    arrive(v);
    for _ in 1..v.dice.geometric(3.5, 30) {
        v.think(20.0, 1.0);
        let before = v.page;
        let next = v.linked();
        v.read(next, From::Link);
        if v.dice.chance(0.4) {
            v.think(12.0, 0.9);
            // Half of the times the page comes from the browser's memory.
            if v.dice.chance(0.5) {
                v.read(before, From::Link);
            } else {
                v.show(before);
            }
        }
    }
}

/// Opens what looks good in tabs, seconds apart, and reads the tabs later without a request.
pub(super) fn in_tabs(v: &mut Visit<'_>) {
    arrive(v);
    for _ in 0..v.dice.between(1, 3) {
        v.think(25.0, 0.8);
        let overview = v.page;
        for _ in 0..v.dice.between(3, 10) {
            v.show(overview);
            let next = v.linked();
            v.read(next, From::Link);
            v.think(1.6, 0.9);
        }
        v.think(240.0, 0.8);
    }
}

/// Long pauses, over hours and days; most is cached.
pub(super) fn over_days(v: &mut Visit<'_>) {
    arrive(v);
    for _ in 0..v.dice.between(1, 6) {
        v.think(9_000.0, 1.4);
        if v.dice.chance(0.5) {
            arrive(v);
        }
        let pages = v.dice.between(1, 3);
        stroll(v, pages, 180.0);
    }
}

/// By screen reader or keyboard: page after page in order; some load no images, some neither scripts nor styles.
pub(super) fn with_assistance(v: &mut Visit<'_>) {
    let share = *v.dice.pick(&[0.97, 0.97, 0.97, 0.6, 0.35]);
    let mut page = v.entry();
    let from = v.arrival();
    v.open(page, from);
    v.load(share);
    for _ in 1..v.dice.geometric(5.0, 40) {
        v.think(70.0, 0.9);
        page = if v.dice.chance(0.6) { (page + 1) % v.site.pages.len() } else { v.linked() };
        v.open(page, From::Link);
        v.load(share);
    }
}

/// Reloads one page: by the key, or because it reloads itself.
pub(super) fn again_and_again(v: &mut Visit<'_>) {
    arrive(v);
    let page = v.page;
    let by_itself = v.dice.chance(0.3);
    let every_s = v.dice.real(30.0, 300.0);
    for _ in 0..v.dice.geometric(7.0, 60) {
        if by_itself {
            let seconds = every_s + v.dice.real(0.1, 2.5);
            v.wait(seconds);
        } else {
            v.think(50.0, 1.3);
        }
        let from = if v.dice.chance(0.6) { From::Link } else { From::Direct };
        v.read(page, from);
        if v.dice.chance(0.15) {
            v.think(8.0, 0.7);
            let next = v.linked();
            v.read(next, From::Link);
            v.think(40.0, 1.0);
        }
    }
}

/// Comes by bookmark, everything shared cached, and goes where it always goes.
pub(super) fn as_a_regular(v: &mut Visit<'_>) {
    v.knows_the_site();
    for _ in 0..v.dice.between(1, 4) {
        v.here.clear();
        v.read(0, From::Direct);
        let pages = v.dice.between(0, 4);
        stroll(v, pages, 35.0);
        v.think(12_000.0, 1.2);
    }
}

/// In a text browser: neither assets nor scripts.
pub(super) fn as_text(v: &mut Visit<'_>) {
    v.runs_scripts = false;
    let (page, from) = (v.entry(), v.arrival());
    v.open(page, from);
    for _ in 1..v.dice.geometric(5.0, 30) {
        v.think(45.0, 0.9);
        let next = v.linked();
        v.open(next, From::Link);
    }
}

/// With extensions that leave out much of what pages load, and all that follows visitors.
pub(super) fn with_extensions(v: &mut Visit<'_>) {
    v.runs_scripts = v.dice.chance(0.5);
    let share = v.dice.real(0.2, 0.9);
    let (mut page, mut from) = (v.entry(), v.arrival());
    for _ in 0..v.dice.geometric(4.0, 30) {
        v.open(page, from);
        v.load(share);
        v.think(28.0, 1.0);
        (page, from) = (v.linked(), From::Link);
    }
}

/// Comes to some page.
pub(super) fn arrive(v: &mut Visit<'_>) {
    let page = v.entry();
    let from = v.arrival();
    v.here.clear();
    v.read(page, from);
    // The same once more, where the first look did not load well.
    if v.dice.chance(0.05) {
        v.think(5.0, 0.8);
        v.read(page, From::Link);
    }
    if v.site.redirects && v.dice.chance(0.05) {
        let missing = Ask::get("/old/link.html", From::Link).answered(404);
        v.think(15.0, 0.8);
        v.send(missing);
    }
}

/// Follows links, with this median time on a page, seconds.
pub(super) fn stroll(v: &mut Visit<'_>, pages: usize, median_s: f64) {
    for _ in 0..pages {
        v.think(median_s, 1.1);
        let before = v.page;
        let next = v.linked();
        v.read(next, From::Link);
        if v.dice.chance(0.2) {
            v.think(10.0, 1.0);
            v.show(before);
            if v.dice.chance(0.4) {
                v.read(before, From::Link);
            }
        }
    }
}
