//! People who come again, or move while they read: what makes them look like crawlers is that little is asked for.

use super::super::purpose::Purpose;
use super::super::visit::{Ask, From, Visit};
use super::reading::{arrive, stroll};

/// One visit a day for a week, warm cache: the front page or what is new there, seldom more.
pub(super) fn every_day(v: &mut Visit<'_>) {
    v.has_seen(std::iter::once(0));
    for _ in 0..v.dice.between(5, 7) {
        v.here.clear();
        let page = if v.dice.chance(0.7) { 0 } else { v.entry() };
        v.read(page, From::Direct);
        if v.dice.chance(0.25) {
            v.think(25.0, 0.9);
            let next = v.linked();
            v.read(next, From::Link);
        }
        next_day(v);
    }
}

/// Read all of it yesterday, and reads it again: nothing but pages is asked for.
pub(super) fn with_a_warm_cache(v: &mut Visit<'_>) {
    v.has_seen(0..v.site.pages.len());
    arrive(v);
    let pages = v.dice.geometric(6.0, 25);
    stroll(v, pages, 25.0);
}

/// Three reloads, 6 s apart, for something that is late; the next days again.
pub(super) fn until_it_is_there(v: &mut Visit<'_>) {
    let page = if v.dice.chance(0.6) { 0 } else { v.entry() };
    for _ in 0..v.dice.between(1, 5) {
        v.here.clear();
        v.read(page, From::Direct);
        for _ in 0..3 {
            let pause_s = v.dice.real(5.0, 7.0);
            v.wait(pause_s);
            v.read(page, From::Direct);
        }
        next_day(v);
    }
}

/// From one network to another: at home, on the train, at work.
pub(super) fn under_way(v: &mut Visit<'_>) {
    arrive(v);
    for _ in 0..v.dice.between(2, 5) {
        let pages = v.dice.between(1, 4);
        stroll(v, pages, 30.0);
        v.move_on();
        v.think(120.0, 1.2);
    }
}

/// The browser or the site fetches ahead what may be opened next; what is opened then comes from memory.
pub(super) fn ahead(v: &mut Visit<'_>) {
    arrive(v);
    // Only Chromium follows speculation rules.
    let by_rules = v.dice.chance(0.5) && v.face.user_agent.contains("Chrome/");
    let purpose = if by_rules { Purpose::Speculation } else { Purpose::Prefetch };
    for _ in 0..v.dice.geometric(4.0, 20) {
        let links: Vec<_> = (0..v.dice.between(1, 5)).map(|_| v.linked()).collect();
        for link in &links {
            let path = v.site.pages[*link].path.clone();
            v.send(Ask::get(path, From::Link).to(purpose));
            let pause_s = v.dice.real(0.02, 0.5);
            v.wait(pause_s);
        }
        v.think(22.0, 0.9);
        if v.dice.chance(0.6) {
            v.show(links[0]);
            v.load(0.97);
        } else {
            let next = v.linked();
            v.read(next, From::Link);
        }
    }
}

/// A parent with a dozen tabs of one site: the browser starts and opens all of them at once, every day.
pub(super) fn with_all_tabs(v: &mut Visit<'_>) {
    let tabs: Vec<_> = (0..v.dice.between(4, 12)).map(|_| v.entry()).collect();
    for day in 0..v.dice.between(1, 4) {
        for tab in &tabs {
            v.here.clear();
            // What no cache answers: the rest was loaded yesterday.
            v.read(*tab, From::Direct);
            let pause_s = v.dice.real(0.05, 0.6);
            v.wait(pause_s);
        }
        let pages = v.dice.between(0, 3);
        stroll(v, pages, 60.0);
        if day == 0 {
            v.has_seen(tabs.iter().copied());
        }
        next_day(v);
    }
}

/// The same hour tomorrow, or nearly.
fn next_day(v: &mut Visit<'_>) {
    let hours = v.dice.real(22.0, 26.0);
    v.wait(hours * 3_600.0);
}
