//! What is held against a visitor, and what is not: what its address did, what other sites brought along, what it asked
//! for as an asset, and what the judge itself made of it.

use sallyport_core::{Action, Basis, BrowserHeaders, Check, ClientState, RequestFacts};

use crate::door::{Door, NOW, brought, browser, browsers, chrome, sign_in};

const OFFICE: &str = "198.51.100.7";
const TRAPS: &str = r#"{ "trap_paths": ["/trap"] }"#;

#[test]
fn whoever_changes_its_name_more_often_looks_no_better() {
    // Ten minutes of a new user agent with each request: one, ten and a hundred a second.
    let found = [600, 6_000, 60_000].map(|requests: u64| {
        let mut door = Door::new("{}");
        let mut last = 0.0;
        for number in 0..requests {
            let agent = chrome(number as usize);
            let page = browser(OFFICE, &agent, "/item");
            let decision = door.judge(&page, NOW + number * 600_000 / requests);
            if decision.basis == Basis::Score {
                last = decision.evidence.get(Check::AddressClients);
            }
        }
        last
    });
    assert!(found.iter().all(|strength| *strength > 0.9), "{found:?}");
    assert!(found.is_sorted(), "{found:?}");
}

#[test]
fn clients_that_prove_themselves_speak_for_those_that_come_after() {
    let mut door = Door::indifferent("");
    let strangers: Vec<_> = (0..40).map(chrome).collect();
    for (number, agent) in strangers.iter().enumerate() {
        let page = browser(OFFICE, agent, "/item");
        let found = door.judge(&page, NOW + 1_000 * number as u64).evidence.get(Check::AddressClients);
        assert!(number < 39 || found > 0.9, "{found}");
    }
    let known: Vec<_> = (100..130).map(chrome).collect();
    door.prove(&browsers(OFFICE, &known), NOW + 60_000);
    let newcomer = chrome(200);
    let page = browser(OFFICE, &newcomer, "/item");
    let found = door.judge(&page, NOW + 122_000).evidence.get(Check::AddressClients);
    assert!(found < 0.2, "{found}");
}

#[test]
fn where_nearly_all_sign_ins_fail_a_new_client_bears_the_failures() {
    let of_a_new_client = |failed_of_ten: usize, homes: &[String], address: &str| {
        let mut door = Door::indifferent("");
        let agents: Vec<_> = (0..40).map(chrome).collect();
        for (number, agent) in agents.iter().enumerate() {
            let status = if number % 10 < failed_of_ten { 401 } else { 302 };
            let home = &homes[number % homes.len()];
            door.visit(&sign_in(home, agent), (status, ""), NOW + 10_000 * number as u64);
        }
        let newcomer = chrome(99);
        let decision = door.judge(&sign_in(address, &newcomer), NOW + 400_000);
        decision.evidence.get(Check::FailedLogins)
    };
    let one = [OFFICE.to_owned()];
    let many: Vec<_> = (1..=40).map(|host| format!("198.51.100.{host}")).collect();
    assert!(of_a_new_client(10, &one, OFFICE) > 0.95, "all fail at its address");
    assert!(
        of_a_new_client(10, &many, "198.51.100.99") > 0.6,
        "all fail in its network, one at each address"
    );
    let mixed = of_a_new_client(5, &one, OFFICE);
    assert!(mixed <= 0.6, "where half get in it is somebody else's: {mixed}");
    assert!(of_a_new_client(0, &one, OFFICE) < 0.01);
    assert!(of_a_new_client(10, &one, "192.0.2.1") < 0.01, "elsewhere");
}

#[test]
fn a_misdeed_is_a_newcomers_third_failure() {
    let found = |failures: u64| {
        let mut door = Door::indifferent("");
        for (number, agent) in (0..8).map(chrome).enumerate() {
            for nth in 0..failures {
                door.visit(&sign_in(OFFICE, &agent), (401, ""), NOW + 9_000 * number as u64 + 1_000 * nth);
            }
        }
        let newcomer = chrome(99);
        let at = |door: &mut Door, s: u64| {
            door.judge(&browser(OFFICE, &newcomer, "/a"), NOW + s * 1_000).evidence.get(Check::AddressClients)
        };
        [at(&mut door, 100), at(&mut door, 700)]
    };
    let mistyped = found(2)[0];
    assert!(mistyped < 0.05, "people mistype a password: {mistyped}");
    let [soon, late] = found(3);
    assert!(soon > 0.9 && late < 0.5 * soon, "it fades as those who came do: {soon}, {late}");
    assert!(found(5)[0] <= soon, "once each");
}

#[test]
fn who_has_loaded_what_a_page_needs_is_not_kept_out_by_those_who_failed() {
    let mut door = Door::indifferent("");
    for (number, agent) in (0..30).map(chrome).enumerate() {
        door.visit(&sign_in(OFFICE, &agent), (401, ""), NOW + 2_000 * number as u64);
    }
    let agents = [98, 99].map(chrome);
    let [strength, of_a_reader] = [false, true].map(|reads| {
        let agent = &agents[usize::from(reads)];
        if reads {
            door.visit(&browser(OFFICE, agent, "/login"), (200, "text/html"), NOW + 71_000);
            door.visit(&browser(OFFICE, agent, "/site.css"), (200, "text/css"), NOW + 71_100);
        }
        let now_ms = NOW + if reads { 80_000 } else { 70_000 };
        door.judge(&sign_in(OFFICE, agent), now_ms).evidence.get(Check::FailedLogins)
    });
    assert!(strength > 0.95, "{strength}");
    assert!((0.5..=0.6).contains(&of_a_reader), "as to others at the address: {of_a_reader}");
}

#[test]
fn hidden_images_of_another_site_lock_nobody_out() {
    let mut door = Door::new(TRAPS);
    door.issue(b"s-1", NOW);
    let agent = chrome(0);
    let page = RequestFacts { session: b"s-1", ..browser(OFFICE, &agent, "/a") };
    let read = |door: &mut Door, path: &'static str, after_ms: u64| {
        let page = RequestFacts { path: path.as_bytes(), referer: b"https://site.example/", ..page };
        let decision = door.visit(&page, (200, "text/html"), NOW + after_ms);
        for file in ["/site.css", "/app.js", "/photo.jpg"] {
            door.visit(&RequestFacts { path: file.as_bytes(), ..page }, (200, ""), NOW + after_ms + 100);
        }
        decision
    };
    read(&mut door, "/a", 0);
    let probes = ["/.env", "/wp-login.php"].into_iter().cycle().take(8);
    for path in probes.chain(["/trap"]) {
        let decision = door.judge(&brought(RequestFacts { path: path.as_bytes(), ..page }), NOW + 5_000);
        assert!(decision.action.refuses(), "{path} is refused by itself: {decision:?}");
        assert!(decision.basis == Basis::CrossSite && !decision.is_suspicious, "{path}: {decision:?}");
        let points: f32 = decision.reasons.iter().map(|(_, points)| points).sum();
        assert!((50.0 + points - decision.score).abs() < 1.0, "{decision:?}");
        let route = door.engine.policy().route(b"", path.as_bytes());
        let client = ClientState::met(1, NOW);
        assert!(!door.engine.needs_consult(route, &decision, &client, NOW), "nobody is to say otherwise");
    }
    for (after_ms, path) in [(6_000, "/b"), (25_000, "/c"), (60_000, "/d"), (300_000, "/e")] {
        let decision = read(&mut door, path, after_ms);
        assert_eq!(decision.action, Action::Allow, "{path}: {decision:?}");
        assert_eq!(decision.evidence.get(Check::ProbePath) + decision.evidence.get(Check::TrapPath), 0.0);
    }
    let another = chrome(1);
    let beside = door.judge(&browser(OFFICE, &another, "/a"), NOW + 301_000);
    assert_eq!(beside.action, Action::Allow, "nor anybody beside");
}

#[test]
fn a_link_that_is_followed_from_another_site_hits_traps_like_any_other() {
    let mut door = Door::new(TRAPS);
    let agent = chrome(0);
    let linked = BrowserHeaders {
        sec_fetch_site: b"cross-site",
        sec_fetch_mode: b"navigate",
        sec_fetch_dest: b"document",
        ..browser(OFFICE, &agent, "/").headers.unwrap_or_default()
    };
    let trap = RequestFacts { headers: Some(linked), ..browser(OFFICE, &agent, "/trap") };
    door.judge(&trap, NOW);
    assert!(door.judge(&browser(OFFICE, &agent, "/a"), NOW + 9_000).evidence.get(Check::TrapPath) > 0.9);
}

/// A form that another site sends to the login: SAML, `form_post`, 3-D Secure.
fn posted<'a>(agent: &'a str, address: &str) -> RequestFacts<'a> {
    let facts = sign_in(address, agent);
    let headers = BrowserHeaders {
        sec_fetch_site: b"cross-site",
        sec_fetch_mode: b"navigate",
        sec_fetch_dest: b"document",
        ..facts.headers.unwrap_or_default()
    };
    RequestFacts { headers: Some(headers), ..facts }
}

#[test]
fn sign_ins_from_another_site_pass_unless_they_fail() {
    let mut door = Door::new("{}");
    for number in 0..50 {
        let agent = chrome(number);
        let decision = door.visit(&posted(&agent, OFFICE), (302, ""), NOW + 2_000 * number as u64);
        assert_eq!(decision.action, Action::Allow, "{number}: {decision:?}");
    }
    let mut door = Door::indifferent("");
    let agent = chrome(0);
    let tried = (0..100).filter(|number| {
        let decision = door.visit(&posted(&agent, OFFICE), (401, ""), NOW + 250 * number);
        !decision.action.refuses()
    });
    let tried = tried.count();
    assert!((5..=43).contains(&tried), "failures count at the address as always: {tried}");
    let elsewhere = "192.0.2.1";
    for number in 0..9 {
        door.visit(&posted(&agent, elsewhere), (401, ""), NOW + 40_000 + 1_000 * number);
    }
    let other = door.judge(&browser(elsewhere, &agent, "/a"), NOW + 60_000);
    assert!(other.evidence.get(Check::FailedLogins) < 0.01, "nobody accused the client: {other:?}");
}

#[test]
fn a_sign_in_that_another_site_sends_along_is_no_probe_but_for_where_it_lies() {
    let agent = chrome(0);
    let posted = |path: &'static str| RequestFacts { path: path.as_bytes(), ..posted(&agent, OFFICE) };
    let named = r#"{ "login": { "routes": [{ "path": "/owa/auth.owa" }] } }"#;
    let trap = r#"{ "trap_paths": ["/wp-login.php"] }"#;
    for (policy, path, passes) in [
        ("{}", "/wp-login.php", true),
        ("{}", "/blog/wp-login.php/", true),
        (named, "/owa/auth.owa", true),
        (trap, "/wp-login.php", false),
        ("{}", "/wp-login.php/x", false),
        ("{}", "/xmlrpc.php/login", false),
        ("{}", "/cgi-bin/login", false),
        ("{}", "/.env/../login", false),
        ("{}", "/owa/auth.owa", false),
    ] {
        let mut door = Door::new(policy);
        for day in 0..10 {
            let decision = door.visit(&posted(path), (302, ""), NOW + day * 86_400_000);
            assert_eq!(!decision.action.refuses(), passes, "{path}: {decision:?}");
        }
    }
    let mut door = Door::indifferent("");
    let tried = (0..100).filter(|number| {
        let decision = door.visit(&posted("/wp-login.php"), (200, "text/html"), NOW + 250 * number);
        !decision.action.refuses()
    });
    assert!((40..=43).contains(&tried.count()), "the form again is a failure");
    let mut door = Door::new("{}");
    let image = brought(browser(OFFICE, &agent, "/wp-login.php"));
    assert!(door.judge(&image, NOW).action.refuses(), "who only reads signs in nowhere");
}

#[test]
fn other_sites_bring_along_any_assets_and_sixty_others_at_once_of_the_newcomers_of_an_address() {
    let mut door = Door::indifferent("");
    let agents: Vec<_> = (0..100).map(chrome).collect();
    let session = |agent| RequestFacts { session: b"mine", ..browser(OFFICE, agent, "/a") };
    door.issue(b"mine", NOW);
    let known = session(&agents[0]);
    door.prove(&[known], NOW);
    let now_ms = NOW + 62_000;
    door.judge(&known, now_ms);
    let mut passes = |facts: RequestFacts<'_>| door.judge(&brought(facts), now_ms).basis != Basis::RateLimit;
    let post = |agent| RequestFacts { method: b"POST", ..browser(OFFICE, agent, "/return") };
    let newcomers = &agents[1..];
    assert!(newcomers.iter().all(|agent| passes(browser(OFFICE, agent, "/logo.png"))));
    assert_eq!(newcomers.iter().filter(|agent| passes(post(agent))).count(), 60);
    assert!(passes(post(&agents[0])), "who has proven itself has cells of its own");
    assert!(
        passes(RequestFacts { method: b"POST", ..session(&agents[99]) }),
        "nor whom a session vouches for"
    );
}

#[test]
fn an_asset_that_is_none_counts_as_what_it_is_and_against_its_client_from_the_third_on() {
    for (path, content_type, counts) in [
        ("/a.css", "text/html; charset=utf-8", true),
        ("/a.css", "TEXT/HTML", true),
        ("/data.js", "application/json", true),
        ("/a.css", "text/css", false),
        ("/app.js.map", "application/json", false),
        ("/site.webmanifest", "application/json", false),
        ("/a.css", "", false),
    ] {
        let mut door = Door::indifferent("");
        let agent = chrome(0);
        let asset = browser(OFFICE, &agent, path);
        let found: Vec<_> = (0..5)
            .map(|number| door.visit(&asset, (200, content_type), NOW + 9_000 * number))
            .map(|decision| decision.evidence.get(Check::HeadersMismatch))
            .collect();
        let expected = if counts { vec![0.0, 0.0, 0.0, 0.5, 1.0] } else { vec![0.0; 5] };
        assert_eq!(found, expected, "{path} is {content_type}");
        let later = door.judge(&asset, NOW + 40_000 + 31 * 60_000);
        assert_eq!(later.evidence.get(Check::HeadersMismatch), 0.0, "another visit");
    }
}

#[test]
fn what_is_asked_for_as_an_asset_spends_what_it_is() {
    let mut door = Door::indifferent("");
    let agents: Vec<_> = (0..400).map(chrome).collect();
    let read = agents.iter().filter(|agent| {
        let asset = browser(OFFICE, agent, "/item/a.css");
        door.visit(&asset, (200, "text/html"), NOW).basis != Basis::RateLimit
    });
    let read = read.count();
    assert!((60..=63).contains(&read), "what newcomers share, and the few until it shows: {read}");
    let agent = chrome(9_999);
    let page = browser(OFFICE, &agent, "/a");
    assert_eq!(door.judge(&page, NOW).basis, Basis::RateLimit, "it was their budget");
}

#[test]
fn what_is_refused_is_no_evidence() {
    let mut door = Door::indifferent(r#", "rate_limit": { "page": { "per_second": 0.001, "burst": 3 } }"#);
    let agent = chrome(0);
    let page = browser(OFFICE, &agent, "/a");
    let first: Vec<_> =
        (0..3).map(|number| door.visit(&page, (200, "text/html"), NOW + 9_000 * number)).collect();
    assert!(first.iter().all(|decision| decision.basis == Basis::Score));
    let refused: Vec<_> = (3..40).map(|number| door.judge(&page, NOW + 9_000 * number)).collect();
    assert!(refused.iter().all(|decision| decision.basis == Basis::RateLimit));
    let [one, last] = [0, 36].map(|number: usize| *refused[number].features.values());
    // Pages without assets and errors, timing, repetition, failed sign-ins.
    for place in 2..6 {
        assert!(last[place] <= one[place] + 0.01, "{place}: {one:?}, then {last:?}");
    }
    let after = door.judge(&RequestFacts { path: b"/site.css", ..page }, NOW + 400_000);
    assert!(after.features.values()[2] < 0.5 && after.action == Action::Allow, "{after:?}");
}
