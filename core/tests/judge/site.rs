//! What is usual on a site: learned of its visitors, and of nobody who only says so.

use std::sync::Arc;

use sallyport_core::{
    Answer, Decision, Engine, HashKey, Marks, Model, Policy, PolicyConfig, Ranges, RequestFacts, SiteLearner,
};

use crate::records::Records;

const NOW: u64 = 1_795_000_000_000;
const DAY: u64 = 86_400_000;
const CHROME: &str = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0.0.0 Safari/537.36";

/// A site and what was learned of it.
struct Site {
    engine: Engine,
    learner: SiteLearner,
}

impl Site {
    fn new() -> Self {
        let policy = Policy::compile(PolicyConfig::default()).expect("a valid policy");
        let model = Model::built_in().expect("weights");
        let mut engine = Engine::new(policy, model, Ranges::default(), HashKey::from_bytes([6; 16]), 1);
        engine.learned(Arc::default());
        Self { engine, learner: SiteLearner::new() }
    }

    fn learn(&mut self) {
        self.engine.learned(Arc::new(self.learner.profile()));
    }

    /// A visit from an address: milliseconds since the request before, path, page that it came from. Gives the last decision.
    fn visit(&mut self, address: [u8; 4], from_ms: u64, visits: &[(u64, &str, &str)]) -> Decision {
        let facts = RequestFacts {
            address: Some(address.into()),
            method: b"GET",
            authority: b"site.example",
            user_agent: CHROME.as_bytes(),
            ..RequestFacts::default()
        };
        let mut records = Records::of(&self.engine, &facts);
        let (mut now_ms, mut last) = (from_ms, Decision::default());
        for (after_ms, path, from) in visits {
            now_ms += after_ms;
            let referer = if from.is_empty() { String::new() } else { format!("https://site.example{from}") };
            let facts = RequestFacts { path: path.as_bytes(), referer: referer.as_bytes(), ..facts };
            last = records.judge(&self.engine, &facts, Marks::default(), now_ms);
            if let Some(lesson) = &last.lesson {
                self.learner.learn(lesson, now_ms);
            }
            if let Some(watch) = last.watch {
                let answer = Answer { path: facts.path, status: 200, ..Answer::default() };
                records.answer(&self.engine, watch, answer, now_ms);
            }
        }
        last
    }

    /// `endpoint_pattern` of somebody who reads pages without assets.
    fn pattern_of_a_crawler(&mut self) -> f32 {
        let pages = [(0, "/a", ""), (20_000, "/b", "/a"), (20_000, "/c", "/b"), (20_000, "/d", "/c")];
        self.visit([203, 0, 113, 9], NOW, &pages).features.values()[2]
    }
}

const BARE: [(u64, &str, &str); 2] = [(0, "/", ""), (15_000, "/about", "/")];
const DRESSED: [(u64, &str, &str); 4] =
    [(0, "/", ""), (300, "/site.css", "/"), (40, "/logo.png", "/"), (15_000, "/about", "/")];

#[test]
fn where_assets_live_elsewhere_nobody_is_held_to_load_them() {
    let mut site = Site::new();
    let before = site.pattern_of_a_crawler();
    for visitor in 0..40 {
        site.visit([10, visitor, 0, 1], NOW, &BARE);
    }
    site.learn();
    let after = site.pattern_of_a_crawler();
    assert!(before > 0.3 && after < 0.1, "{before} {after}");
}

#[test]
fn where_no_page_tells_where_it_led_from_nobody_is_held_to_say_so() {
    let mut site = Site::new();
    let silent = [(0, "/", ""), (300, "/site.css", ""), (40, "/logo.png", ""), (15_000, "/about", "")];
    let pages =
        [(0, "/a", ""), (300, "/site.css", ""), (20_000, "/b", ""), (20_000, "/c", ""), (20_000, "/d", "")];
    let before = site.visit([203, 0, 113, 9], NOW, &pages).features.values()[2];
    for visitor in 0..40 {
        site.visit([10, visitor, 0, 1], NOW, &silent);
    }
    site.learn();
    let after = site.visit([203, 0, 113, 9], NOW, &pages).features.values()[2];
    assert!(before > 0.4 && after < 0.2, "{before} {after}");
}

#[test]
fn what_pages_load_is_no_page_however_it_is_named() {
    let mut site = Site::new();
    let paths: Vec<_> = (0..30).map(|image| format!("/image/{image}/thumb")).collect();
    let shop = |site: &mut Site, address| {
        let mut visit = vec![(0, "/shop", ""), (300, "/site.css", "/shop")];
        visit.extend(paths.iter().map(|path| (60, path.as_str(), "/shop")));
        site.visit(address, NOW, &visit)
    };
    for visitor in 0..20 {
        shop(&mut site, [10, visitor, 0, 1]);
    }
    site.learn();
    let taught = shop(&mut site, [203, 0, 113, 9]);
    let [request_rate, .., burst] = *taught.features.values();
    assert!(request_rate < 0.15 && burst < 0.2, "one page: {:?}", taught.features);
    // The same at a rate of pages, of the site's real pages, is as fast as it is.
    let pages: Vec<_> = (0..30).map(|page| format!("/shop/item-{page}")).collect();
    let crawl: Vec<_> = pages.iter().map(|path| (60, path.as_str(), "")).collect();
    assert!(site.visit([203, 0, 113, 10], NOW, &crawl).features.values()[0] > 0.6);
}

/// A site after a week of people in 140 networks, and of bots in 60 that come ten times as often.
fn taught(person: &[(u64, &str, &str)], bot: &[(u64, &str, &str)]) -> Site {
    let mut site = Site::new();
    for day in 0..7 {
        for visitor in 0..140 {
            site.visit([10, 0, visitor, day as u8], NOW + day * DAY, person);
        }
        for visitor in 0..600_u16 {
            let (network, host) = ((visitor % 60) as u8, (visitor / 60) as u8);
            site.visit([172, 16, network, host], NOW + day * DAY, bot);
        }
    }
    site.learn();
    site
}

#[test]
fn three_of_ten_networks_cannot_teach_in_a_week_that_nobody_loads_assets() {
    let pattern = taught(&DRESSED, &BARE).pattern_of_a_crawler();
    assert!(pattern > 0.3, "{pattern}");
}

#[test]
fn three_of_ten_networks_cannot_teach_in_a_week_that_pages_are_parts_of_pages() {
    let person = [
        (0, "/", ""),
        (300, "/site.css", "/"),
        (25_000, "/product/12", "/"),
        (300, "/site.js", "/product/12"),
    ];
    let bot = [(0, "/", ""), (300, "/site.css", "/"), (100, "/product/12", "/"), (100, "/product/13", "/")];
    let pages: Vec<_> = (0..30).map(|page| format!("/product/{page}")).collect();
    let crawl: Vec<_> = pages.iter().map(|path| (1_000, path.as_str(), "")).collect();
    let crawled = taught(&person, &bot).visit([203, 0, 113, 10], NOW, &crawl);
    assert!(crawled.features.values()[0] > 0.6, "{:?}", crawled.features);
}

#[test]
fn a_network_has_three_votes_a_day_and_a_profile_is_bounded() {
    let mut site = Site::new();
    for visitor in 0..200 {
        site.visit([172, 16, 0, visitor], NOW, &BARE);
    }
    assert!(site.learner.lessons() <= 12, "{}", site.learner.lessons());
    let letter = |number: u32| char::from(97 + (number % 26) as u8);
    let paths: Vec<_> =
        (0..676).map(|number| format!("/{}{}/x", letter(number), letter(number / 26))).collect();
    for (number, path) in paths.iter().enumerate() {
        let [_, _, high, low] = (number as u32).to_be_bytes();
        let visit = [(0, "/", ""), (300, "/site.css", "/"), (100, path.as_str(), "/")];
        for visitor in 0..4 {
            site.visit([11 + visitor, high, low, 1], NOW, &visit);
        }
    }
    let (sites, routes) = site.learner.profile().len();
    assert!(sites == 1 && routes <= 256, "{sites} {routes}");
}
