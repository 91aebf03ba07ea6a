//! Bots that behave like people in what they ask for: with assets, with referers, with time to think.

use super::super::purpose::Purpose;
use super::super::visit::{Ask, From, Visit};

/// A scripted browser that loads all of a page and follows links, as fast as pages come.
pub(super) fn without_thinking(v: &mut Visit<'_>) {
    follow_links(v, |v| {
        let pause_s = v.dice.real(0.2, 2.0);
        v.wait(pause_s);
    });
}

/// The same with pauses as people make them.
pub(super) fn with_thinking(v: &mut Visit<'_>) {
    let median_s = v.dice.real(5.0, 30.0);
    follow_links(v, |v| v.think(median_s, 0.8));
}

fn follow_links(v: &mut Visit<'_>, pause: impl Fn(&mut Visit<'_>)) {
    let page = v.entry();
    let from = if v.dice.chance(0.2) { v.arrival() } else { From::Direct };
    v.read(page, from);
    for _ in 1..v.dice.geometric(14.0, 80) {
        pause(v);
        let next = v.linked();
        v.read(next, From::Link);
    }
}

/// No assets, but each page says that the one before led to it.
pub(super) fn with_a_referer(v: &mut Visit<'_>) {
    let pause_s = v.dice.log_normal(6.0, 1.2);
    let mut said = From::Direct;
    let mut page = v.entry();
    for _ in 0..v.dice.geometric(14.0, 150) {
        let path = v.site.pages[page].path.clone();
        v.send(Ask::get(path.clone(), said));
        said = From::Said(v.site.url(&path));
        v.page = page;
        page = v.linked();
        v.think(pause_s, 0.6);
    }
}

/// One page and one thing that it links to, so that it looks loaded; then the next, minutes or days later.
pub(super) fn with_one_asset(v: &mut Visit<'_>) {
    let pause_s = v.dice.log_normal(120.0, 1.8);
    for _ in 0..v.dice.geometric(7.0, 60) {
        let site = v.site;
        let page = v.dice.below(site.pages.len());
        let path = site.pages[page].path.clone();
        v.send(Ask::get(path.clone(), From::Direct));
        if let Some(asset) = site.shared.first().or(site.pages[page].images.first()) {
            v.wait(0.4);
            v.send(Ask::get(asset.path.clone(), From::Said(site.url(&path))).to(asset.purpose));
        }
        v.think(pause_s, 0.8);
    }
}

/// Every combination of a list's facets: each is a page, none is the same as another.
pub(super) fn through_facets(v: &mut Visit<'_>) {
    let pause_s = v.dice.log_normal(2.0, 1.0);
    for number in 0..v.dice.geometric(40.0, 250) {
        let (category, color, size) = (8 * (1 + number % 6), number % 11, number % 7);
        let path =
            format!("/category/{category}?color={color}&size={size}&sort=price&page={}", 1 + number % 4);
        v.send(Ask::get(path, From::Direct));
        v.think(pause_s, 0.4);
    }
}

/// Signs up or writes a comment: the form, and within two seconds what was to be sent, each with a referer.
pub(super) fn by_form(v: &mut Visit<'_>) {
    let signs_up = v.dice.chance(0.5);
    let pause_s = v.dice.log_normal(40.0, 1.5);
    for _ in 0..v.dice.geometric(3.0, 25) {
        let site = v.site;
        let page = v.dice.below(site.pages.len());
        let before = From::Said(site.url(&site.pages[page].path));
        let (form, target) = if signs_up {
            let form = *v.dice.pick(&["/register", "/signup", "/member.php?action=register"]);
            (form.to_owned(), form.to_owned())
        } else {
            (site.pages[page].path.clone(), "/wp-comments-post.php".to_owned())
        };
        v.send(Ask::get(form.clone(), before));
        let pause = v.dice.real(0.3, 2.0);
        v.wait(pause);
        let status = *v.dice.pick(&[302, 302, 200]);
        let sent = Ask::get(target, From::Said(site.url(&form))).by("POST").to(Purpose::Form);
        v.send(sent.answered(status).leading_to("/"));
        v.think(pause_s, 0.7);
    }
}
