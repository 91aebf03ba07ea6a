//! What holds for all simulated traffic, and what each scenario is like.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::LazyLock;

use proptest::prelude::*;
use sallyport_core::{HashKey, Model, Policy, PolicyConfig, Ranges};

use super::census::Count;
use super::*;
use crate::replay::Format;
use crate::replay::format::{KeyMap, Parser};

fn settings(seed: u64, scale: f32) -> Settings {
    Settings { seed, scale, ..Settings::default() }
}

fn log(settings: &Settings) -> Vec<u8> {
    let mut log = Vec::new();
    for request in requests(settings) {
        output::request(&mut log, &request).unwrap();
    }
    log
}

fn engine() -> Engine {
    let policy = Policy::compile(PolicyConfig::default()).unwrap();
    Engine::new(policy, Model::built_in().unwrap(), Ranges::default(), HashKey::from_bytes([7; 16]), 0)
        .refusing_nobody()
}

#[test]
fn a_seed_gives_the_same_bytes() {
    let once = log(&settings(3, 0.01));
    assert_eq!(once, log(&settings(3, 0.01)));
    assert_ne!(once, log(&settings(4, 0.01)));
}

/// The first bytes are written down, so that another platform or version of a crate that gives others is noticed.
#[test]
fn the_first_request_stays_what_it_is() {
    let first = requests(&settings(7, 0.05)).next().unwrap();
    let line = &first.line;
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    let told = format!("{} {} {} {}", first.scenario.name(), first.visitor, line.time_ms, text(&line.target));
    assert_eq!(told, FIRST);
}

const FIRST: &str = "office 6 1793577671000 /showthread.php?tid=13";

#[test]
fn a_scenario_does_not_depend_on_the_others() {
    let alone = Settings { scenarios: vec![Scenario::OneShot], ..settings(5, 0.05) };
    let alone: Vec<_> = requests(&alone).map(|request| request.line).collect();
    let among = requests(&settings(5, 0.05)).filter(|request| request.scenario == Scenario::OneShot);
    assert!(!alone.is_empty());
    assert_eq!(alone, among.map(|request| request.line).collect::<Vec<_>>());
}

#[test]
fn requests_come_in_order_of_time_and_are_bounded() {
    let mut last_ms = START_MS - 1000;
    let mut by_visitor: HashMap<_, usize> = HashMap::new();
    for request in requests(&settings(1, 0.2)) {
        assert!(request.line.time_ms >= last_ms);
        last_ms = request.line.time_ms;
        *by_visitor.entry((request.scenario, request.visitor)).or_default() += 1;
    }
    assert!(by_visitor.values().all(|count| *count <= 4_000));
    let scenarios: HashSet<_> = by_visitor.keys().map(|(scenario, _)| *scenario).collect();
    assert_eq!(scenarios.len(), Scenario::ALL.len(), "everybody comes");
}

#[test]
fn scenarios_are_known_by_name() {
    let names: HashSet<_> = Scenario::ALL.into_iter().map(Scenario::name).collect();
    assert_eq!(names.len(), Scenario::ALL.len());
    for (place, scenario) in Scenario::ALL.into_iter().enumerate() {
        assert_eq!(scenario as usize, place, "the list has the order of the enum");
        assert_eq!(Scenario::from_name(scenario.name()), Some(scenario));
        assert!(!scenario.description().is_empty());
    }
    assert_eq!(Scenario::from_name("nobody"), None);
    assert!(Scenario::FixedScraper.is_bot() && !Scenario::Searcher.is_bot());
}

#[test]
fn labels_name_the_line() {
    let mut labels = Vec::new();
    let bots = Settings { scenarios: vec![Scenario::Scanner], ..settings(1, 0.01) };
    for (number, request) in (1..).zip(requests(&bots)).take(2) {
        output::label(&mut labels, number, &request).unwrap();
    }
    assert_eq!(String::from_utf8(labels).unwrap(), "1\tbot\n2\tbot\n");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(6))]

    #[test]
    fn any_seed_gives_requests_that_a_log_can_hold(seed in any::<u64>(), scale in 0.001_f32..0.02) {
        let keys = KeyMap::new(&[]);
        let mut parser = Parser::new(Format::Json, &keys, 0);
        for request in requests(&settings(seed, scale)) {
            let line = &request.line;
            prop_assert!(line.target.starts_with(b"/"));
            prop_assert!(matches!(&*line.method, b"GET" | b"HEAD" | b"POST" | b"OPTIONS"));
            prop_assert!(line.status.is_some_and(|status| (100..600).contains(&status)));
            let mut row = Vec::new();
            output::request(&mut row, &request).unwrap();
            let read = parser.parse(row.trim_ascii_end()).unwrap();
            prop_assert_eq!(read.as_ref(), Some(line));
        }
    }
}

static CENSUS: LazyLock<BTreeMap<Scenario, Count>> =
    LazyLock::new(|| census::count(&settings(11, 0.25), &engine()).by_scenario);

const RATE: usize = 0;
const AGENT: usize = 1;
const ENDPOINT: usize = 2;
const TIMING: usize = 3;
const ENTROPY: usize = 4;
const LOGINS: usize = 5;
const BURST: usize = 6;

#[test]
fn scenarios_behave_as_described() {
    let expected = [
        (Scenario::DesktopReader, ENDPOINT, 0.0..0.3),
        (Scenario::DesktopReader, TIMING, 0.0..0.2),
        (Scenario::SearchLander, ENDPOINT, 0.05..0.4),
        (Scenario::TabOpener, BURST, 0.03..0.3),
        (Scenario::HotLinkViewer, RATE, 0.0..0.01),
        (Scenario::Reloader, ENTROPY, 0.4..1.0),
        (Scenario::Shopper, LOGINS, 0.005..0.2),
        (Scenario::SinglePageApp, ENDPOINT, 0.2..0.6),
        (Scenario::FixedScraper, TIMING, 0.6..1.0),
        (Scenario::JitteredScraper, TIMING, 0.2..0.8),
        (Scenario::JitteredScraper, ENDPOINT, 0.5..1.0),
        (Scenario::HeadlessBrowser, ENDPOINT, 0.05..0.6),
        (Scenario::Scanner, ENDPOINT, 0.7..1.0),
        (Scenario::CredentialStuffer, LOGINS, 0.25..1.0),
        (Scenario::Flood, BURST, 0.5..1.0),
        (Scenario::Flood, RATE, 0.6..1.0),
        (Scenario::LowAndSlow, RATE, 0.0..0.25),
        (Scenario::UptimeMonitor, TIMING, 0.6..1.0),
        (Scenario::UptimeMonitor, ENTROPY, 0.6..1.0),
        (Scenario::FeedFetcher, TIMING, 0.0..0.5),
        (Scenario::LinkChecker, ENDPOINT, 0.8..1.0),
        (Scenario::OneShot, TIMING, 0.0..0.1),
    ];
    let wrong = expected.into_iter().filter_map(|(scenario, feature, range)| {
        let mean = CENSUS[&scenario].means()[feature];
        let told = format!("{}: feature {feature} is {mean:.3}, not in {range:?}", scenario.name());
        (!range.contains(&mean)).then_some(told)
    });
    let wrong: Vec<_> = wrong.collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn people_differ_from_bots_by_behaviour() {
    let (bots, people): (Vec<_>, Vec<_>) = CENSUS.iter().partition(|(scenario, _)| scenario.is_bot());
    let mean = |group: &[(&Scenario, &Count)], feature: usize| {
        group.iter().map(|(_, count)| count.means()[feature]).sum::<f64>() / group.len() as f64
    };
    for feature in [RATE, ENDPOINT, TIMING, BURST] {
        assert!(mean(&bots, feature) > mean(&people, feature) + 0.05, "feature {feature}");
    }
    for (scenario, count) in people {
        let tells_little = matches!(
            scenario,
            Scenario::RareBrowser | Scenario::Television | Scenario::TextBrowser | Scenario::AppUser
        );
        assert!(tells_little || count.means()[AGENT] < 0.15, "{}: people use browsers", scenario.name());
    }
    assert!((0.3..0.7).contains(&mean(&bots, AGENT)), "half of the bots lie");
}

#[test]
fn many_share_an_address_and_some_have_many() {
    let office = &CENSUS[&Scenario::Office];
    assert!(office.clients.len() < office.visitors.len());
    for scenario in [Scenario::LowAndSlow, Scenario::RotatingAgents, Scenario::SearchCrawler] {
        let count = &CENSUS[&scenario];
        assert!(count.clients.len() > 4 * count.visitors.len(), "{}", scenario.name());
    }
}
