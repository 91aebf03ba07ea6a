//! Whom a request belongs to: what newcomers share, and how a client proves itself.

use sallyport_core::policy::LimitRule;
use sallyport_core::{Answer, Basis, BrowserHeaders, Marks, RequestFacts};

use crate::door::{Door, NOW, browser, browsers, chrome, sign_in};
use crate::records::Records;

pub(crate) const OFFICE: &str = "198.51.100.7";
/// Only what is being looked at may be short.
pub(crate) const WIDE: &str = r#""address": { "per_second": 10000, "burst": 100000 }"#;

pub(crate) fn passes(door: &mut Door, facts: &RequestFacts<'_>, now_ms: u64) -> bool {
    door.judge(facts, now_ms).basis != Basis::RateLimit
}

/// How many pages of so many new browsers pass at once.
pub(crate) fn newcomers(door: &mut Door, from: usize, address: &str, now_ms: u64) -> usize {
    let new = (from..from + 700).map(chrome);
    new.filter(|agent| passes(door, &browser(address, agent, "/a"), now_ms)).count()
}

#[test]
fn what_pages_need_proves_a_client_over_a_minute_and_nothing_else_does() {
    let agent = chrome(0);
    let page = browser(OFFICE, &agent, "/a");
    let linked = RequestFacts { referer: b"https://site.example/", ..page };
    let elsewhere = RequestFacts { referer: b"https://search.example/", ..page };
    let file = browser(OFFICE, &agent, "/photo.jpg");
    let script = RequestFacts { path: b"/app.js", ..file };
    type Asked<'a> = Vec<(RequestFacts<'a>, (u16, &'static str))>;
    let html = (200, "text/html");
    let cases: [(&str, Asked<'_>, bool); 10] = [
        ("an asset", vec![(page, html), (file, (200, "image/jpeg"))], true),
        ("a part of one", vec![(page, html), (file, (206, "image/jpeg"))], true),
        ("an asset that is unchanged", vec![(page, html), (file, (304, ""))], true),
        ("a page that is unchanged", vec![(page, (304, ""))], true),
        ("where this site led to", vec![(linked, html)], true),
        ("where another led to", vec![(elsewhere, html)], false),
        ("a page alone", vec![(page, html)], false),
        ("a page asked for as an asset", vec![(page, html), (file, html)], false),
        ("an API call asked for as an asset", vec![(page, html), (script, (200, "application/json"))], false),
        ("an asset that is missing", vec![(page, html), (file, (404, "text/html"))], false),
    ];
    for (name, asked, proves) in cases {
        let mut door = Door::indifferent("");
        let mut read = |after_ms| {
            for (facts, answer) in &asked {
                door.visit(facts, *answer, NOW + after_ms);
            }
            door.is_proven(&page, NOW + after_ms)
        };
        assert!(![0, 20_000, 59_000].map(&mut read).contains(&true), "{name}: a minute");
        assert_eq!(read(61_000), proves, "{name}");
    }
}

#[test]
fn where_no_answer_is_seen_requests_of_this_site_prove_alone() {
    let agent = chrome(0);
    let page = RequestFacts { unanswered: true, ..browser(OFFICE, &agent, "/a") };
    let file = RequestFacts { path: b"/site.css", ..page };
    for (referer, proves) in
        [(&b"https://site.example/a"[..], true), (b"", false), (b"https://other.example/", false)]
    {
        let mut door = Door::indifferent("");
        for after_ms in [0, 61_000] {
            door.judge(&page, NOW + after_ms);
            door.judge(&RequestFacts { referer, ..file }, NOW + after_ms + 100);
        }
        assert_eq!(door.is_proven(&page, NOW + 62_000), proves, "{}", String::from_utf8_lossy(referer));
    }
}

#[test]
fn a_page_that_is_a_program_proves_a_client_by_its_calls() {
    let agent = chrome(0);
    let page = browser(OFFICE, &agent, "/");
    let file = RequestFacts { path: b"/app.js", ..page };
    let call = RequestFacts { path: b"/api/items", referer: b"https://site.example/", ..page };
    let foreign = RequestFacts { referer: b"https://elsewhere.example/", ..call };
    for (loads, call, status, after_s, proves) in [
        (true, &call, 200, 60, true),
        (true, &call, 200, 50, false),
        (true, &call, 401, 60, false),
        (true, &foreign, 200, 60, false),
        (false, &call, 200, 60, false),
    ] {
        let mut door = Door::indifferent("");
        door.visit(&page, (200, "text/html"), NOW);
        if loads {
            door.visit(&file, (200, "text/javascript"), NOW);
        }
        for number in 0..5 {
            door.visit(call, (status, "application/json"), NOW + after_s * 1_000 + number);
        }
        let now_ms = NOW + 61_000;
        assert_eq!(door.is_proven(&page, now_ms), proves, "loads {loads}, {status} after {after_s} s");
    }
}

#[test]
fn only_of_a_client_without_proof_assets_answers_are_read() {
    let agent = chrome(0);
    let mut door = Door::indifferent("");
    let page = browser(OFFICE, &agent, "/a");
    let file = RequestFacts { path: b"/site.css", ..page };
    let watch = door.judge(&file, NOW).watch.expect("of a newcomer");
    assert!(watch.reads_type());
    for (content_type, reads_status) in
        [("text/css", false), ("image/svg+xml", false), ("", true), ("text/html", true), ("text/plain", true)]
    {
        assert_eq!(watch.reads_status(content_type.as_bytes()), reads_status, "{content_type}");
    }
    door.judge(&page, NOW);
    let watch = door.judge(&file, NOW).watch.expect("of a newcomer");
    assert!(watch.reads_status(b"text/css"), "it may prove that the page was read");
    door.prove(&[page], NOW + 1_000);
    assert_eq!(door.judge(&file, NOW + 63_000).watch, None);
}

#[test]
fn an_attempt_to_sign_in_reserves_and_a_success_gives_back() {
    let agent = chrome(0);
    let sign_in = sign_in(OFFICE, &agent);
    let mut door = Door::indifferent("");
    assert_eq!((0..60).filter(|_| passes(&mut door, &sign_in, NOW)).count(), 40, "none is answered yet");
    let mut door = Door::indifferent("");
    let right = |number: u64| NOW + 250 * number;
    assert!((0..200).all(|number| !door.visit(&sign_in, (302, ""), right(number)).action.refuses()));
    assert_eq!((0..60).filter(|_| passes(&mut door, &sign_in, right(600))).count(), 40, "all of it is left");
}

#[test]
fn a_right_password_whose_answer_hangs_gives_back_only_what_it_still_weighs() {
    let wide = r#"{ "per_second": 1000, "burst": 1000 }"#;
    let door = Door::indifferent(&format!(
        r#", "rate_limit": {{ "login": {wide}, "network_login": {wide},
            "address_login": {{ "per_second": 0.1, "burst": 4 }} }}"#
    ));
    let agent = chrome(0);
    let facts = sign_in(OFFICE, &agent);
    for (answered_ms, gives_back) in
        [(0, true), (9_000, true), (10_000, true), (10_001, false), (300_000, false)]
    {
        let mut records = Records::of(&door.engine, &facts);
        let passes = |records: &mut Records, now_ms| {
            let decision = records.judge(&door.engine, &facts, Marks::default(), now_ms);
            decision.watch.filter(|_| decision.limit.is_none())
        };
        let watch = passes(&mut records, NOW).expect("the first passes");
        let now_ms = NOW + answered_ms;
        while passes(&mut records, now_ms).is_some() {}
        records.answer(&door.engine, watch, Answer { status: 302, ..Answer::default() }, now_ms);
        assert_eq!(passes(&mut records, now_ms).is_some(), gives_back, "after {answered_ms} ms");
    }
}

#[test]
fn records_of_different_hosts_are_one() {
    let agent = chrome(0);
    let mut door = Door::indifferent(r#", "rate_limit": { "client": { "per_second": 0.1, "burst": 4 } }"#);
    let hosts = [&b"shop.example"[..], b"www.shop.example", b"SHOP.example:443", b""];
    let mut passes =
        |host| passes(&mut door, &RequestFacts { authority: host, ..browser(OFFICE, &agent, "/") }, NOW);
    assert_eq!((0..3).flat_map(|_| hosts).filter(|host| passes(host)).count(), 4);
}

#[test]
fn a_client_that_probes_loses_its_proof() {
    let agent = chrome(0);
    let page = browser(OFFICE, &agent, "/a");
    let mut door = Door::indifferent("");
    door.prove(&[page], NOW);
    assert!(door.is_proven(&page, NOW + 61_000));
    for path in ["/.env", "/.git/config"] {
        door.visit(&browser(OFFICE, &agent, path), (404, "text/html"), NOW + 62_000);
    }
    assert!(!door.is_proven(&page, NOW + 62_000));
}

#[test]
fn an_address_lets_30_prove_themselves_in_ten_minutes_and_a_network_120() {
    let mut door = Door::indifferent(&format!(
        r#", "rate_limit": {{ {WIDE}, "newcomers": {{ "per_second": 1000, "burst": 10000 }},
            "network": {{ "per_second": 1000, "burst": 10000 }} }}"#
    ));
    let agents: Vec<_> = (0..40).map(chrome).collect();
    let homes = [1, 2, 3, 4, 5, 6].map(|host| format!("198.51.100.{host}"));
    let mut proven = |homes: &[&str], agents: &[String], now_ms: u64| {
        let visitors: Vec<_> = homes.iter().map(|home| browsers(home, agents)).collect();
        door.prove(&visitors.concat(), now_ms);
        let is_proven = |visitor: &&RequestFacts<'_>| door.is_proven(visitor, now_ms + 61_000);
        visitors.iter().map(|of_home| of_home.iter().filter(is_proven).count()).collect::<Vec<_>>()
    };
    let at_once = proven(&homes.each_ref().map(String::as_str), &agents, NOW);
    assert_eq!(at_once, [15, 15, 15, 15, 0, 0], "half of what they have in ten minutes");
    // From then on an address has one in 40 s, a network one in 10 s.
    let later: Vec<_> = (100..110).map(chrome).collect();
    assert_eq!(proven(&[&homes[0]], &later, NOW + 60_000), [1]);
    let far: Vec<_> = (200..205).map(chrome).collect();
    assert_eq!(proven(&["198.51.100.99"], &far, NOW + 130_000), [5], "the network has room again");
}

#[test]
fn newcomers_share_what_one_has_and_four_times_that_where_many_have_proven_themselves() {
    for (proven, expected) in [(0, 60), (4, 119), (12, 237), (30, 237)] {
        let mut door = Door::indifferent(&format!(r#", "rate_limit": {{ {WIDE} }}"#));
        let agents: Vec<_> = (0..proven).map(chrome).collect();
        door.prove(&browsers(OFFICE, &agents), NOW);
        // What these have spent has come back.
        let now_ms = NOW + 90_000;
        let passed = newcomers(&mut door, 1_000, OFFICE, now_ms);
        // Who proved itself counts a little less with every minute.
        assert!(passed.abs_diff(expected) <= 1, "{proven} proven: {passed}");
        let other = newcomers(&mut door, 5_000, "198.51.100.8", now_ms);
        assert_eq!(other, 60.min(240 - passed), "{proven} proven: what is left of the network's");
    }
}

#[test]
fn sign_ins_of_an_address_may_fail_four_times_as_often_where_many_have_proven_themselves() {
    for (proven, expected) in [(0, 40), (4, 77), (12, 155), (30, 156)] {
        let mut door = Door::indifferent(&format!(r#", "rate_limit": {{ {WIDE} }}"#));
        let agents: Vec<_> = (0..proven).map(chrome).collect();
        door.prove(&browsers(OFFICE, &agents), NOW);
        let now_ms = NOW + 90_000;
        // What succeeds is given back, however much it counts.
        let mut sign_ins = |status| {
            let new: Vec<_> = (1_000..1_200).map(chrome).collect();
            let passed = |agent: &&String| {
                door.visit(&sign_in(OFFICE, agent), (status, ""), now_ms).basis != Basis::RateLimit
            };
            new.iter().filter(passed).count()
        };
        assert_eq!(sign_ins(302), 200, "{proven} proven");
        let failed = sign_ins(401);
        assert!(failed.abs_diff(expected) <= 1, "{proven} proven: {failed}");
        let sign_in = agents.first().map(|agent| sign_in(OFFICE, agent));
        assert!(
            sign_in.is_none_or(|sign_in| passes(&mut door, &sign_in, now_ms)),
            "one place is left to them"
        );
    }
}

#[test]
fn a_network_has_four_times_what_an_address_has() {
    for address in ["198.51.100.", "2001:db8:7:"] {
        let mut door = Door::indifferent(&format!(r#", "rate_limit": {{ {WIDE} }}"#));
        let homes = (1..=9).map(|number| match address.contains(':') {
            true => format!("{address}{number}::1"),
            false => format!("{address}{number}"),
        });
        let homes: Vec<_> = homes.collect();
        let passed: Vec<_> = homes.iter().map(|home| newcomers(&mut door, 0, home, NOW)).collect();
        assert_eq!(passed, [60, 60, 60, 60, 0, 0, 0, 0, 0], "{address}");
    }
}

#[test]
fn all_clients_of_an_address_share_cells_whoever_has_proven_itself() {
    let mut door = Door::indifferent(&format!(r#", "rate_limit": {{ {WIDE} }}"#));
    let agents: Vec<_> = (0..15).map(chrome).collect();
    door.prove(&browsers(OFFICE, &agents), NOW);
    let now_ms = NOW + 300_000;
    let mut pages = 0;
    for agent in &agents {
        let page = browser(OFFICE, agent, "/a");
        assert!(door.is_proven(&page, now_ms));
        pages += (0..60).filter(|_| passes(&mut door, &page, now_ms)).count();
    }
    assert_eq!(pages, 600, "of 15 that have 60 each");
    let mut failed = 0;
    for agent in &agents {
        let sign_in = sign_in(OFFICE, agent);
        let tried = (0..20).filter(|_| !door.visit(&sign_in, (401, ""), now_ms + 120_000).action.refuses());
        failed += tried.count();
    }
    assert!((150..=157).contains(&failed), "of 15 that have 40 each: {failed}");
}

#[test]
fn who_is_over_what_it_shares_waits_ten_seconds_at_most() {
    let slow = r#"{ "per_second": 0.001, "burst": 1 }"#;
    let elsewhere = BrowserHeaders { sec_fetch_site: b"cross-site", ..Default::default() };
    let (agent, other) = (chrome(0), chrome(1));
    let page = browser(OFFICE, &agent, "/a");
    let sign_in = RequestFacts { method: b"POST", path: b"/login", ..page };
    for (rule, facts) in [
        (LimitRule::Newcomers, page),
        (LimitRule::Network, page),
        (LimitRule::AddressPage, page),
        (LimitRule::CrossSite, RequestFacts { headers: Some(elsewhere), ..page }),
        (LimitRule::Login, sign_in),
        (LimitRule::AddressLogin, sign_in),
        (LimitRule::NetworkLogin, sign_in),
    ] {
        let mut door = Door::indifferent(&format!(r#", "rate_limit": {{ "{}": {slow} }}"#, rule.name()));
        assert!(passes(&mut door, &facts, NOW));
        let again = if rule == LimitRule::Login { &agent } else { &other };
        let refused = door.judge(&RequestFacts { user_agent: again.as_bytes(), ..facts }, NOW);
        assert_eq!(refused.limit.map(|over| over.rule), Some(rule));
        assert_eq!(refused.retry_after_s, Some(10), "{rule:?}: not a thousand");
    }
}

#[test]
fn just_after_a_start_newcomers_budgets_only_look_on() {
    let mut door = Door::indifferent(&format!(r#", "rate_limit": {{ {WIDE} }}"#));
    door.looks_on = true;
    assert_eq!(newcomers(&mut door, 0, OFFICE, NOW), 600, "all clients of an address share a cell all along");
    let agent = chrome(9_999);
    let other = browser("198.51.100.8", &agent, "/a");
    assert_eq!(door.judge(&other, NOW).limit, None, "nobody is told to be over what only looks on");
    door.looks_on = false;
    assert!(!passes(&mut door, &other, NOW));
}

#[test]
fn where_there_is_nothing_to_sign_in_at_nobody_has_signed_in() {
    for (method, path, status) in
        [("POST", "/login/x/y", 404), ("PUT", "/login", 405), ("POST", "/sign_in", 501)]
    {
        let mut door = Door::indifferent("");
        let passes = |number: &usize| {
            let agent = chrome(*number);
            let facts = RequestFacts { method: method.as_bytes(), ..browser(OFFICE, &agent, path) };
            !door.visit(&facts, (status, "text/html"), NOW + 50 * *number as u64).action.refuses()
        };
        assert_eq!((0..200).filter(passes).count(), 40, "{method} {path}");
    }
}
