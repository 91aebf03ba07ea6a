//! The table of agents against real user agents, in both directions: no browser is taken for a program, and what says that it
//! is one is found.

use std::collections::BTreeMap;

use sallyport_core::{Agent, AgentCategory, AgentKind, claimed_crawler, named_agents};

const NOVEMBER_2026: u64 = 1_795_000_000_000;
/// From packages, one user agent a line: `core/tests/data/derive_browsers.py` tells which.
const BROWSERS: &str = include_str!("../data/browsers.txt");
const OF_TODAY: &str = include_str!("../data/browsers_of_today.txt");
/// The examples of crawler-user-agents, one a line.
const BOTS: &str = include_str!("../data/bots.txt");

fn lines(text: &str) -> impl Iterator<Item = &str> {
    text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'))
}

fn is_declared(user_agent: &str) -> bool {
    Agent::judge(user_agent.as_bytes(), NOVEMBER_2026).kind == AgentKind::Declared
}

#[test]
fn no_browser_is_taken_for_a_program() {
    let browsers: Vec<_> = lines(BROWSERS).chain(lines(OF_TODAY)).collect();
    assert!(browsers.len() >= 5_000, "{}", browsers.len());
    for kind in [
        "Instagram",
        "FBAN",
        "BytedanceWebview",
        "MicroMessenger",
        " Line/",
        "Tizen",
        "Web0S",
        "VIERA",
        "HbbTV",
        "PlayStation",
        "Xbox",
        "Tesla",
        "PaleMoon",
        "Waterfox",
        "SeaMonkey",
        "Opera Mini",
        "UCBrowser",
        "SamsungBrowser",
        "Silk/",
    ] {
        assert!(browsers.iter().any(|text| text.contains(kind)), "none of {kind}");
    }
    let taken: Vec<_> = browsers.into_iter().filter(|text| is_declared(text)).collect();
    assert!(taken.is_empty(), "{} are taken for programs:\n{}", taken.len(), taken.join("\n"));
}

#[test]
fn what_says_that_it_is_a_program_is_found() {
    // Names that browsers, phones and their apps bear too.
    const MISSED: [&str; 9] = [
        "RankSonicSiteAuditor/1.0",
        "Fever/1.38",
        "Blackboard Safeassign",
        "Viber",
        "Code/1.115.0",
        "MetaIAB Facebook",
        "Fluid/0.9.6",
        "008/0.83",
        "Butterfly/1.0",
    ];
    let all = lines(BOTS).count();
    let missed: Vec<_> = lines(BOTS).filter(|text| !is_declared(text)).collect();
    let known = |text: &&&str| !MISSED.iter().any(|part| text.contains(part));
    let unknown: Vec<_> = missed.iter().filter(known).collect();
    assert!(unknown.is_empty(), "missed:\n{unknown:#?}");
    assert!(missed.len() * 100 <= all * 3, "{} of {all}", missed.len());
}

#[test]
fn the_table_has_every_category_and_agrees_with_who_can_be_verified() {
    let mut of_category = BTreeMap::<AgentCategory, usize>::new();
    for agent in named_agents() {
        *of_category.entry(agent.category).or_default() += 1;
        let is_known = claimed_crawler(agent.name.as_bytes()).is_some();
        assert!(is_known || agent.verified_by.is_none(), "nobody verifies {}", agent.name);
    }
    for category in AgentCategory::ALL {
        assert!(of_category.contains_key(&category), "none is for {}", category.name());
        assert_eq!(AgentCategory::from_name(category.name()), Some(category));
    }
}
