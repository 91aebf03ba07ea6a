//! What holds on each kind of site, for each trait: what its gate sees of everybody.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::LazyLock;

use super::site::{Kind, Trait, Traits};
use super::*;

static WORLD: LazyLock<Vec<Request>> =
    LazyLock::new(|| requests(&Settings { scale: 0.5, ..Settings::default() }).collect());

/// Requests of people on sites of these traits.
fn people(traits: &str) -> impl Iterator<Item = &'static Request> {
    WORLD.iter().filter(move |request| !request.scenario.is_bot() && request.place.traits.name == traits)
}

fn path(request: &Request) -> &str {
    std::str::from_utf8(request.line.path()).expect("text")
}

/// Whether the name tells that it is an asset.
fn is_named_asset(request: &Request) -> bool {
    let name = path(request).rsplit('/').next().unwrap_or_default();
    [".css", ".js", ".png", ".jpg", ".gif", ".webp", ".svg", ".woff2"].iter().any(|end| name.ends_with(end))
}

#[test]
fn no_kind_of_site_and_no_trait_is_visited_more_than_others() {
    let mut visitors: BTreeMap<_, HashSet<_>> = BTreeMap::new();
    for request in requests(&Settings::default()) {
        let who = (request.scenario, request.visitor);
        for named in request.place.names().into_iter().filter(|(sort, _)| *sort != "seen") {
            visitors.entry((named.0, request.scenario.is_bot(), named.1)).or_default().insert(who);
        }
    }
    for (sort, names) in [("kind", Kind::ALL.len()), ("traits", Traits::ALL.len())] {
        for is_bot in [false, true] {
            let counts: Vec<_> = visitors
                .iter()
                .filter(|((of, bot, _), _)| *of == sort && *bot == is_bot)
                .map(|((.., name), who)| (*name, who.len()))
                .collect();
            assert_eq!(counts.len(), names, "everything is visited");
            let mean = counts.iter().map(|(_, count)| count).sum::<usize>() / names;
            for (name, count) in counts {
                let share = count as f64 / mean as f64;
                assert!((0.6..1.5).contains(&share), "{name}, bots: {is_bot}: {count} of {mean} on average");
            }
        }
    }
}

#[test]
fn a_world_stays_small() {
    let count = requests(&Settings::default()).count();
    assert!((100_000..180_000).contains(&count), "{count}");
}

#[test]
fn assets_elsewhere_are_not_seen() {
    let shares = ["none", "cdn", "extensionless"].map(|traits| {
        // What owners load to look after their site comes from it.
        let all: Vec<_> = people(traits).filter(|r| r.scenario != Scenario::SiteOwner).collect();
        all.iter().filter(|request| is_named_asset(request)).count() as f64 / all.len() as f64
    });
    assert!(shares[0] > 0.4, "{shares:?}");
    assert!(shares[1] < 0.02 && shares[2] < 0.02, "{shares:?}");
}

#[test]
fn a_site_without_referrers_is_told_by_sec_fetch_site() {
    for request in people("no-referrer").chain(people("cdn, no-referrer")) {
        let from_here = request.line.referer.windows(8).any(|part| part == b".example");
        let own_host = String::from_utf8_lossy(&request.line.referer)
            .contains(&*String::from_utf8_lossy(&request.line.authority));
        assert!(!from_here || !own_host, "{}", path(request));
    }
    let followed = people("no-referrer").filter_map(|request| request.line.headers.as_ref());
    assert!(followed.filter(|headers| &*headers.sec_fetch_site == b"same-origin").count() > 500);
}

#[test]
fn each_trait_shows_itself() {
    let has = |traits: &str, purpose: fn(&Request) -> bool| people(traits).filter(|r| purpose(r)).count();
    assert!(has("telemetry", |r| &*r.line.method == b"POST" && r.line.status == Some(204)) > 300);
    assert!(has("socket", |r| r.line.status == Some(101)) > 200);
    assert!(has("polling", |r| path(r) == "/socket.io/") > 300);
    assert!(has("service-worker", |r| path(r).starts_with("/content/")) > 200);
    assert!(has("service-worker", |r| path(r) == "/sw.js") > 50);
    assert_eq!(has("none", |r| path(r) == "/sw.js" || path(r).starts_with("/content/")), 0);
    assert!(has("http-only", |r| r.line.headers.is_some()) > 500);
    for request in people("http-only") {
        assert!(request.line.headers.as_ref().is_none_or(|h| !h.secure && h.sec_fetch_mode.is_empty()));
    }
    assert!(Traits::ALL.iter().any(|traits| traits.contains(Trait::HttpOnly)));
}

#[test]
fn chromium_shakes_hands_without_accept_and_sec_fetch_but_with_origin() {
    let shakes = |request: &&Request| {
        request.line.headers.as_ref().is_some_and(|headers| &*headers.upgrade == b"websocket")
    };
    let mut seen = 0;
    for request in WORLD.iter().filter(shakes) {
        let headers = request.line.headers.as_ref().expect("headers");
        if String::from_utf8_lossy(&request.line.user_agent).contains("Chrome/") {
            assert!(headers.accept.is_empty() && headers.sec_fetch_mode.is_empty(), "{request:?}");
            assert!(headers.sec_ch_ua.is_empty() && request.line.referer.is_empty());
            assert!(headers.origin.ends_with(b".example"), "{request:?}");
            seen += 1;
        }
    }
    assert!(seen > 50, "{seen}");
}

#[test]
fn what_is_fetched_ahead_says_so() {
    let ahead: Vec<_> = WORLD.iter().filter(|request| request.sec_purpose == "prefetch").collect();
    assert!(ahead.len() > 200);
    assert!(ahead.iter().all(|request| request.scenario == Scenario::Prefetcher));
}

/// Requests by visitor.
fn visits(scenario: Scenario) -> HashMap<u32, Vec<&'static Request>> {
    let mut visits: HashMap<_, Vec<_>> = HashMap::new();
    for request in WORLD.iter().filter(|request| request.scenario == scenario) {
        visits.entry(request.visitor).or_default().push(request);
    }
    visits
}

#[test]
fn who_returns_with_a_warm_cache_asks_for_hardly_any_asset() {
    for scenario in [Scenario::WarmReturner, Scenario::TextBrowser] {
        let all: Vec<_> = visits(scenario).into_values().flatten().collect();
        let assets = all.iter().filter(|request| is_named_asset(request)).count();
        assert!(20 * assets < all.len(), "{}: {assets} of {}", scenario.name(), all.len());
    }
    let days = visits(Scenario::DailyReader).into_values().map(|visit| {
        visit
            .iter()
            .map(|request| (request.line.time_ms - START_MS) / 86_400_000)
            .collect::<HashSet<_>>()
            .len()
    });
    assert!(days.into_iter().all(|days| days >= 4), "daily is on most days of a week");
}

#[test]
fn form_spam_sends_within_two_seconds_and_names_the_form() {
    for visit in visits(Scenario::SignupSpammer).into_values() {
        let posts = visit.iter().filter(|request| &*request.line.method == b"POST");
        for post in posts {
            assert!(!post.line.referer.is_empty());
            let form = visit.iter().filter(|get| &*get.line.method == b"GET").any(|get| {
                let late_ms = post.line.time_ms.saturating_sub(get.line.time_ms);
                late_ms <= 3_000 && post.line.referer.ends_with(&get.line.target)
            });
            assert!(form, "{}", path(post));
        }
        assert!(!visit.iter().any(|request| is_named_asset(request)), "no assets");
    }
}
