//! People who use a site as a tool: apps, shops, searches, an office's intranet and news.

use super::super::purpose::Purpose;
use super::super::visit::{Ask, From, Visit};

/// A page or a few, at work: everything is cached that is shared.
pub(super) fn in_an_office(v: &mut Visit<'_>) {
    if v.dice.chance(0.6) {
        v.knows_the_site();
    }
    let page = v.entry();
    let from = v.arrival();
    v.read(page, from);
    for _ in 1..v.dice.geometric(4.0, 30) {
        v.think(40.0, 1.3);
        let next = v.linked();
        v.read(next, From::Link);
    }
}

/// Loads the app once, then clicks and lets it ask its API: on each view, and every few seconds for news.
pub(super) fn in_an_app(v: &mut Visit<'_>) {
    v.read(0, From::Direct);
    if v.dice.chance(0.5) {
        sign_in(v, "/login");
    }
    let every_s = *v.dice.pick(&[5.0, 10.0, 15.0, 30.0, 60.0]);
    for _ in 0..v.dice.geometric(7.0, 40) {
        for _ in 0..v.dice.between(1, 5) {
            call(v);
            let pause = v.dice.real(0.01, 0.2);
            v.wait(pause);
        }
        for _ in 0..v.dice.geometric(4.0, 30) {
            let late = v.dice.real(0.0, 0.3);
            v.wait(every_s + late);
            let status = if v.dice.chance(0.3) { 304 } else { 200 };
            let path = if v.has_worker { "/rpc/updates" } else { "/api/updates" };
            v.send(Ask::get(path, From::Link).to(Purpose::Call).answered(status));
        }
        v.think(8.0, 1.0);
        if v.dice.chance(0.08) {
            v.read(0, From::Link);
        }
    }
}

fn call(v: &mut Visit<'_>) {
    let path = v.dice.pick(&v.site.calls).clone();
    let (method, purpose) =
        if v.dice.chance(0.15) { ("POST", Purpose::Post) } else { ("GET", Purpose::Call) };
    v.send(Ask::get(path, From::Link).by(method).to(purpose));
}

/// Looks at goods, signs in, orders; passwords are mistyped as people do.
pub(super) fn in_a_shop(v: &mut Visit<'_>) {
    let page = v.entry();
    let from = v.arrival();
    v.read(page, from);
    let signs_in_after = v.dice.between(0, 6);
    for step in 0..v.dice.geometric(7.0, 40) {
        v.think(18.0, 1.0);
        if step == signs_in_after {
            sign_in(v, "/account/login");
        } else if v.dice.chance(0.2) {
            v.send(Ask::get("/api/cart", From::Link).by("POST").to(Purpose::Post));
        } else if v.dice.chance(0.2) {
            narrow_down(v);
        } else {
            let next = v.linked();
            v.read(next, From::Link);
        }
    }
}

/// One facet after the other of a list of goods: the same page with other images each time.
fn narrow_down(v: &mut Visit<'_>) {
    let list = 8 * v.dice.between(1, 10);
    let mut path = format!("/category/{list}");
    for facet in ["?color=red", "&size=m", "&sort=price"].iter().take(v.dice.between(1, 3)) {
        path.push_str(facet);
        v.send(Ask::get(path.clone(), From::Link));
        v.here = v.site.url(&path);
        v.page = list % v.site.pages.len();
        v.load(0.97);
        v.think(8.0, 0.8);
    }
}

/// Straight to the sign-in, by a bookmark or because the session has ended; what it loads is cached or mostly.
pub(super) fn as_a_member(v: &mut Visit<'_>) {
    if v.dice.chance(0.7) {
        v.knows_the_site();
    }
    let form = *v.dice.pick(&["/login", "/account/login", "/signin"]);
    let from = if v.dice.chance(0.7) { From::Direct } else { v.arrival() };
    sign_in_from(v, form, from);
    for _ in 1..v.dice.geometric(2.5, 12) {
        v.think(20.0, 1.0);
        let next = v.linked();
        v.read(next, From::Link);
    }
}

fn sign_in(v: &mut Visit<'_>, form: &'static str) {
    sign_in_from(v, form, From::Link);
}

/// The form, then tries until the password is right: most at once, hardly anybody more than four.
fn sign_in_from(v: &mut Visit<'_>, form: &'static str, from: From) {
    v.send(Ask::get(form, from));
    v.load(0.97);
    v.here = v.site.url(form);
    let mut wrong = if v.dice.chance(0.3) { v.dice.geometric(1.4, 5) } else { 0 };
    // A forgotten password is given up.
    let gives_up = v.dice.chance(0.06);
    loop {
        v.think(9.0, 0.6);
        let done = wrong == 0;
        let status = if done { 302 } else { v.site.refuses_with };
        let sent = Ask::get(form, From::Link).by("POST").to(Purpose::Form).answered(status);
        v.send(sent.leading_to(if done { "/account" } else { form }));
        if done {
            break;
        }
        wrong -= 1;
        if wrong == 0 && gives_up {
            return;
        }
    }
    v.send(Ask::get("/account", From::Link));
    v.load(0.97);
}

/// Searches, looks at what is found, searches again.
pub(super) fn at_the_search(v: &mut Visit<'_>) {
    let from = v.arrival();
    v.read(0, from);
    for number in 0..v.dice.geometric(3.0, 15) {
        v.think(9.0, 0.8);
        let query = format!("/search?q=word-{number}");
        v.send(Ask::get(query.clone(), From::Link));
        v.load(0.97);
        v.here = v.site.url(&query);
        for page in 2..=v.dice.geometric(1.5, 6) {
            v.think(10.0, 0.8);
            v.send(Ask::get(format!("{query}&page={page}"), From::Link));
            v.load(0.97);
        }
        for _ in 0..v.dice.between(0, 3) {
            v.think(15.0, 1.0);
            let found = v.dice.below(v.site.pages.len());
            v.read(found, From::Link);
        }
    }
}
