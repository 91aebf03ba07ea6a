//! Attackers that change what they may choose about themselves, against a real Envoy with the default limits. The longer
//! suite stands in `filter/tests/attacks`.
//!
//! A header tells the filter the time, so that an attack takes as long as it says on any machine; a log has no first ten
//! minutes either, in which newcomers' budgets would look on only.

use reqwest::header::{HeaderName, HeaderValue};
use reqwest::{Method, Request};
use sallyport_e2e::harness::{Gate, Plan};
use sallyport_e2e::visitor::{CHROME, Visitor};
use serde_json::json;

const TIME_HEADER: &str = "x-attack-time";
/// When every attack begins: Unix milliseconds, in the days of the visitors' browsers.
const START_MS: u64 = 1_764_000_000_000;

/// Requests that one attacker makes, evenly.
#[derive(Clone, Copy)]
struct Pace {
    requests: u64,
    ms: u64,
}

/// 200 wrong passwords in ten seconds.
const PASSWORDS: Pace = Pace { requests: 200, ms: 10_000 };
/// 400 pages at 60 a second.
const PAGES: Pace = Pace { requests: 400, ms: 6_667 };

/// What newcomers share: so many at once, and one more in so many milliseconds.
#[derive(Clone, Copy)]
struct Budget {
    burst: u64,
    interval_ms: u64,
}

/// Sign-ins and pages of an address; a network has four times as much.
const SIGN_INS: Budget = Budget { burst: 40, interval_ms: 10_000 };
const READS: Budget = Budget { burst: 60, interval_ms: 200 };

/// What a free choice may get: half as much again as without it, or what newcomers have in that time at so many addresses.
fn most(pace: Pace, honest: u64, budget: Budget, addresses: u64) -> u64 {
    (honest + honest / 2).max(addresses * budget.burst + addresses * pace.ms / budget.interval_ms)
}

async fn gate() -> Gate {
    let plan = Plan::with_policy(json!({ "enforcement": "enforce", "consult": "never" }));
    plan.plugin("session_cookie", json!("sid")).plugin("time_header", json!(TIME_HEADER)).start_alone().await
}

/// How many of an attacker's requests reach the site; `dress` changes each before it is sent.
async fn reached(
    gate: &Gate,
    (method, address, pace): (Method, &str, Pace),
    dress: impl Fn(u64, &mut Request),
) -> u64 {
    let visitor = Visitor::chrome(address);
    let mut reached = 0;
    for number in 0..pace.requests {
        let asked = if method == Method::POST {
            visitor.sign_in(&gate.client, &gate.url("/login"), "ada", "wrong")
        } else {
            visitor.get(&gate.client, &gate.url(&format!("/articles/{}", number % 40 + 1)))
        };
        let mut request = asked.build().expect("a request");
        let now_ms = START_MS + number * pace.ms / pace.requests;
        put(&mut request, TIME_HEADER, &now_ms.to_string());
        dress(number, &mut request);
        let answer = gate.client.execute(request).await.expect("an answer");
        let status = answer.status().as_u16();
        answer.bytes().await.expect("a whole answer");
        assert!(matches!(status, 200 | 401 | 403 | 429), "{status}");
        reached += u64::from(!matches!(status, 403 | 429));
    }
    reached
}

/// Sets a header in the place of what was there.
fn put(request: &mut Request, name: &'static str, value: &str) {
    let value = HeaderValue::from_str(value).expect("a header's value");
    request.headers_mut().insert(HeaderName::from_static(name), value);
}

fn another_build(number: u64, request: &mut Request) {
    put(request, "user-agent", &CHROME.replace("142.0.0.0", &format!("142.0.{number}.0")));
}

/// Another /64 of a /48 of this number.
fn another_prefix(network: u64, number: u64, request: &mut Request) {
    put(request, "x-forwarded-for", &format!("2001:db8:{network:x}:{number:x}::7"));
}

fn made_up_session(number: u64, request: &mut Request) {
    put(request, "cookie", &format!("sid=made-up-{number}"));
}

#[tokio::test(flavor = "multi_thread")]
async fn of_200_wrong_passwords_no_choice_gets_more_to_the_site_than_newcomers_have() {
    let gate = gate().await;
    let attack = |address: &'static str| (Method::POST, address, PASSWORDS);
    let honest = reached(&gate, attack("203.0.113.7"), |_, _| {}).await;
    assert!((1..=6).contains(&honest), "6 of 200 before: {honest}");
    let builds = reached(&gate, attack("198.51.100.7"), another_build).await;
    assert!(builds <= most(PASSWORDS, honest, SIGN_INS, 1), "200 of 200 before: {builds}");
    let prefixes = reached(&gate, attack("::"), |number, request| another_prefix(7, number, request)).await;
    assert!(prefixes <= most(PASSWORDS, honest, SIGN_INS, 4), "200 of 200 before: {prefixes}");
    let sessions = reached(&gate, attack("192.0.2.7"), made_up_session).await;
    assert!(sessions <= honest, "a session that nobody issued is none: {sessions}");
    assert_eq!(gate.reloads(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_400_pages_no_choice_reads_more_than_newcomers_have() {
    let gate = gate().await;
    let attack = |address: &'static str| (Method::GET, address, PAGES);
    let honest = reached(&gate, attack("203.0.113.7"), |_, _| {}).await;
    // `Visitor::chrome` says that the site led here, so that only what newcomers have holds it for a while.
    assert!((1..=most(PAGES, 0, READS, 1)).contains(&honest), "{honest}");
    let images = reached(&gate, attack("203.0.114.7"), |_, request| {
        put(request, "accept", "image/avif,image/webp,*/*;q=0.8");
        put(request, "sec-fetch-mode", "no-cors");
        put(request, "sec-fetch-dest", "image");
    });
    let images = images.await;
    assert!(images <= most(PAGES, honest, READS, 1), "191 of 400 before: {images}");
    let builds = reached(&gate, attack("198.51.100.7"), another_build).await;
    assert!(builds <= most(PAGES, honest, READS, 1), "153 of 400 before: {builds}");
    let prefixes = reached(&gate, attack("::"), |number, request| another_prefix(8, number, request)).await;
    assert!(prefixes <= most(PAGES, honest, READS, 4), "400 of 400 before: {prefixes}");
    let both = reached(&gate, attack("::"), |number, request| {
        another_prefix(9, number, request);
        another_build(number, request);
    });
    let both = both.await;
    assert!(both <= most(PAGES, honest, READS, 4), "{both}");
    let sessions = reached(&gate, attack("192.0.2.7"), made_up_session).await;
    assert!(sessions <= honest, "a session that nobody issued is none: {sessions}");
    assert_eq!(gate.reloads(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn in_the_first_minutes_of_a_process_newcomers_budgets_refuse_nobody() {
    // By its own clock: the process has just begun, and everybody is new to it.
    let plan = Plan::with_policy(json!({ "enforcement": "enforce", "consult": "never" })).indifferent();
    let gate = plan.start_alone().await;
    for number in 0..100 {
        let visitor =
            Visitor::chrome("203.0.113.7").named(&CHROME.replace("142.0.0.0", &format!("142.0.{number}.0")));
        assert_eq!(gate.status(&visitor, "/about").await, 200, "{number}");
    }
}
