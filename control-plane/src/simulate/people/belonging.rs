//! People who sign in and do something: a site's owner, members of a forum, users of an app, who meet online.

use super::super::purpose::Purpose;
use super::super::visit::{Ask, From, Visit};

const SIGN_IN_ASSETS: [(&str, Purpose); 4] = [
    ("/wp-admin/load-styles.php?c=0&load=dashicons,buttons,forms,l10n,login", Purpose::Style),
    ("/wp-includes/js/dist/hooks.min.js?ver=6.9", Purpose::Script),
    ("/wp-admin/images/wordpress-logo.svg?ver=20131107", Purpose::Image),
    ("/wp-admin/js/password-toggle.min.js?ver=6.9", Purpose::Script),
];
const ADMIN_ASSETS: [(&str, Purpose); 7] = [
    ("/wp-admin/load-styles.php?c=0&load=dashicons,admin-bar,common,forms", Purpose::Style),
    ("/wp-includes/css/admin-bar.min.css?ver=6.9", Purpose::Style),
    ("/wp-admin/load-scripts.php?c=0&load=jquery-core,utils,common", Purpose::Script),
    ("/wp-includes/js/tinymce/tinymce.min.js?ver=6.9", Purpose::Script),
    ("/wp-includes/js/dist/editor.min.js?ver=6.9", Purpose::Script),
    ("/wp-includes/fonts/dashicons.woff2", Purpose::Font),
    ("/wp-admin/images/spinner-2x.gif", Purpose::Image),
];
const SCREENS: [&str; 8] = [
    "/wp-admin/edit.php",
    "/wp-admin/post-new.php",
    "/wp-admin/post.php?post=12&action=edit",
    "/wp-admin/upload.php",
    "/wp-admin/plugins.php",
    "/wp-admin/edit-comments.php",
    "/wp-admin/options-general.php",
    "/wp-admin/update-core.php",
];

/// Owns a WordPress site: signs in, looks after comments and plugins, writes.
pub(super) fn as_an_owner(v: &mut Visit<'_>) {
    for _ in 0..v.dice.between(1, 3) {
        v.here.clear();
        sign_in_to_wordpress(v);
        for _ in 0..v.dice.geometric(5.0, 25) {
            let screen = *v.dice.pick(&SCREENS);
            open(v, screen, &ADMIN_ASSETS);
            if screen.contains("post") {
                write(v);
            } else {
                v.think(30.0, 0.9);
            }
        }
        // A site without a clock of its own runs what is due by way of its visitors.
        if v.dice.chance(0.3) {
            v.send(Ask::get("/", From::Link).answered(302).leading_to("/?doing_wp_cron=1793577600.12"));
            v.send(Ask::get("/?doing_wp_cron=1793577600.12", From::Link));
            v.load(0.97);
        }
        v.think(80_000.0, 0.4);
    }
}

fn sign_in_to_wordpress(v: &mut Visit<'_>) {
    const FORM: &str = "/wp-login.php";
    if v.dice.chance(0.5) {
        v.send(Ask::get("/wp-admin/", From::Direct).answered(302).leading_to(FORM));
    }
    open(v, FORM, &SIGN_IN_ASSETS);
    let wrong = if v.dice.chance(0.2) { v.dice.geometric(1.4, 3) } else { 0 };
    for tries in 0..=wrong {
        v.think(8.0, 0.5);
        // WordPress shows the form again with 200.
        let status = if tries == wrong { 302 } else { 200 };
        let sent = Ask::get(FORM, From::Link).by("POST").to(Purpose::Form);
        v.send(sent.answered(status).leading_to(if status == 302 { "/wp-admin/" } else { "" }));
    }
    open(v, "/wp-admin/", &ADMIN_ASSETS);
}

/// Writes a post: the editor calls, saves, and has a heart that beats.
fn write(v: &mut Visit<'_>) {
    for _ in 0..v.dice.geometric(3.0, 12) {
        let beat = Ask::get("/wp-admin/admin-ajax.php", From::Link).by("POST").to(Purpose::Post);
        v.send(beat);
        match v.dice.below(4) {
            0 => v.send(Ask::get("/wp-json/wp/v2/posts/12", From::Link).by("POST").to(Purpose::Post)),
            1 => v.send(Ask::get("/wp-json/wp/v2/media?per_page=40", From::Link).to(Purpose::Call)),
            2 => v.send(Ask::get("/wp-admin/async-upload.php", From::Link).by("POST").to(Purpose::Post)),
            _ => {}
        }
        let late_s = v.dice.real(14.0, 61.0);
        v.wait(late_s);
    }
    if v.dice.chance(0.4) {
        v.send(Ask::get("/?p=12&preview=true", From::Link));
        v.load(0.97);
    }
}

/// Reads threads, answers some, with what they show.
pub(super) fn in_a_forum(v: &mut Visit<'_>) {
    v.knows_the_site();
    v.read(0, From::Direct);
    if v.dice.chance(0.6) {
        v.think(6.0, 0.6);
        let signed_in = Ask::get("/member.php", From::Link).by("POST").to(Purpose::Form).answered(302);
        v.send(signed_in.leading_to("/index.php"));
    }
    for _ in 0..v.dice.geometric(9.0, 50) {
        v.think(35.0, 1.0);
        let thread = v.linked();
        v.read(thread, From::Link);
        if v.dice.chance(0.15) {
            open(v, "/newreply.php?tid=12", &[("/assets/editor-2.js", Purpose::Script)]);
            v.think(90.0, 0.8);
            let posted = Ask::get("/newreply.php?tid=12&processed=1", From::Link).by("POST");
            v.send(posted.to(Purpose::Form).answered(302).leading_to("/showthread.php?tid=12&pid=99"));
            v.read(thread, From::Link);
        }
    }
}

/// Opens the site's own app some times a day: it refreshes its session, fetches what is new, sends what was done.
pub(super) fn by_app(v: &mut Visit<'_>) {
    v.sends_referer = false;
    for _ in 0..v.dice.between(3, 12) {
        v.send(Ask::get("/v1/session/refresh", From::Direct).by("POST").to(Purpose::Post));
        for _ in 0..v.dice.geometric(6.0, 30) {
            let path = v.dice.pick(&v.site.calls).clone();
            let sends = path == "/graphql" || v.dice.chance(0.15);
            let (method, purpose) = if sends { ("POST", Purpose::Post) } else { ("GET", Purpose::Call) };
            v.send(Ask::get(path, From::Direct).by(method).to(purpose));
            v.think(3.0, 1.4);
        }
        v.think(14_000.0, 1.0);
    }
}

/// Reads another site whose page asks this API: each kind of call is asked for before it is made.
pub(super) fn by_a_widget(v: &mut Visit<'_>) {
    let page = From::Elsewhere("https://partner.example/");
    for _ in 0..v.dice.geometric(2.5, 15) {
        let path = v.dice.pick(&v.site.calls).clone();
        if v.dice.chance(0.7) {
            let before = Ask::get(path.clone(), page.clone()).by("OPTIONS").to(Purpose::Preflight);
            v.send(before.answered(204));
        }
        let (method, purpose) =
            if v.dice.chance(0.4) { ("POST", Purpose::Post) } else { ("GET", Purpose::Call) };
        v.send(Ask::get(path, page.clone()).by(method).to(purpose));
        v.think(30.0, 1.3);
    }
}

/// In a meeting for half an hour: it asks again as soon as it was answered, as servers of meetings and chats want it.
pub(super) fn in_a_meeting(v: &mut Visit<'_>) {
    v.read(0, From::Direct);
    let (path, purpose, method) = *v.dice.pick(&[
        ("/http-bind?room=weekly", Purpose::Post, "POST"),
        ("/socket.io/?EIO=4&transport=polling&sid=ab12", Purpose::Call, "GET"),
        ("/poll/weekly", Purpose::Call, "GET"),
    ]);
    if v.dice.chance(0.3) {
        let handshake = Ask::get("/xmpp-websocket", From::Link).to(Purpose::Handshake);
        v.send(handshake.answered(101));
    }
    // What is said in the room arrives in bursts.
    let lively = v.dice.real(0.1, 0.7);
    for _ in 0..v.dice.between(30, 140) {
        v.send(Ask::get(path, From::Link).by(method).to(purpose));
        let pause_s = if v.dice.chance(lively) { v.dice.real(0.05, 4.0) } else { 25.0 };
        v.wait(pause_s);
    }
}

/// A page that is none of the site's pages, with what it loads.
fn open(v: &mut Visit<'_>, path: &str, assets: &[(&str, Purpose)]) {
    v.send(Ask::get(path, From::Link));
    v.here = v.site.url(path);
    v.fetch(assets);
}
