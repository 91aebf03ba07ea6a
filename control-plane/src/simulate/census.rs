//! What the seven features of each scenario and on each kind of site are like: the mean over requests, and how many there are.

use std::collections::{BTreeMap, HashSet};
use std::fmt::Write as _;

use sallyport_core::{Engine, FEATURE_COUNT, FEATURE_NAMES};

use super::{Request, Scenario, Settings, judged};
use crate::replay::judge::Judged;

/// All requests, counted.
#[derive(Debug, Default)]
pub(super) struct Census {
    pub(super) by_scenario: BTreeMap<Scenario, Count>,
    /// By what places have in common, and whether bots sent them.
    pub(super) by_place: BTreeMap<((&'static str, &'static str), bool), Count>,
}

/// Some of the requests, counted.
#[derive(Clone, Debug, Default)]
pub(super) struct Count {
    pub(super) requests: u64,
    pub(super) visitors: HashSet<(Scenario, u32)>,
    pub(super) clients: HashSet<u64>,
    sums: [f64; FEATURE_COUNT],
}

impl Count {
    /// The mean of each feature, in [0, 1].
    pub(super) fn means(&self) -> [f64; FEATURE_COUNT] {
        self.sums.map(|sum| sum / self.requests.max(1) as f64)
    }
}

/// Judges the traffic and counts it.
pub(super) fn count(settings: &Settings, engine: &Engine) -> Census {
    let mut census = Census::default();
    judged(settings, engine, |request, judged| {
        census.by_scenario.entry(request.scenario).or_default().add(request, judged);
        for named in request.place.names() {
            let key = (named, request.scenario.is_bot());
            census.by_place.entry(key).or_default().add(request, judged);
        }
    });
    census
}

impl Count {
    fn add(&mut self, request: &Request, judged: &Judged) {
        self.requests += 1;
        self.visitors.insert((request.scenario, request.visitor));
        self.clients.insert(judged.client);
        for (sum, value) in self.sums.iter_mut().zip(judged.decision.features.values()) {
            *sum += f64::from(*value);
        }
    }

    fn row(&self, name: &str, is_bot: bool) -> String {
        let label = if is_bot { "bot" } else { "human" };
        let (visitors, clients) = (self.visitors.len(), self.clients.len());
        let mut row = format!("{name:<24} {label:<6} {:>8} {visitors:>8} {clients:>8}", self.requests);
        for mean in self.means() {
            let _ = write!(row, " {mean:>17.3}");
        }
        row + "\n"
    }
}

impl Census {
    /// As tables: by scenario, by kind of site, by traits, by what was seen.
    pub(super) fn table(&self) -> String {
        let mut text = head("scenario");
        for (scenario, count) in &self.by_scenario {
            text.push_str(&count.row(scenario.name(), scenario.is_bot()));
        }
        let mut sort = "";
        for (((sort_here, name), is_bot), count) in &self.by_place {
            if *sort_here != sort {
                sort = sort_here;
                text.push('\n');
                text.push_str(&head(sort));
            }
            text.push_str(&count.row(name, *is_bot));
        }
        text
    }
}

fn head(first: &str) -> String {
    let mut text = format!("{first:<24} {:<6} {:>8} {:>8} {:>8}", "label", "requests", "visitors", "clients");
    for name in FEATURE_NAMES {
        let _ = write!(text, " {name:>17}");
    }
    text + "\n"
}
