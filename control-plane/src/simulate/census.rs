//! What the seven features of each scenario are like: the mean over its requests, and how many there are.

use std::collections::{BTreeMap, HashSet};
use std::fmt::Write as _;

use sallyport_core::{Engine, FEATURE_COUNT, FEATURE_NAMES};

use super::{Scenario, Settings, judged};

/// The requests of one scenario, counted.
#[derive(Clone, Debug, Default)]
pub(super) struct Count {
    pub(super) requests: u64,
    pub(super) visitors: HashSet<u32>,
    pub(super) clients: HashSet<u64>,
    sums: [f64; FEATURE_COUNT],
}

impl Count {
    /// The mean of each feature, in [0, 1].
    pub(super) fn means(&self) -> [f64; FEATURE_COUNT] {
        self.sums.map(|sum| sum / self.requests.max(1) as f64)
    }
}

/// Judges the traffic and counts it by scenario.
pub(super) fn count(settings: &Settings, engine: &Engine) -> BTreeMap<Scenario, Count> {
    let mut counts: BTreeMap<Scenario, Count> = BTreeMap::new();
    judged(settings, engine, |request, judged| {
        let count = counts.entry(request.scenario).or_default();
        count.requests += 1;
        count.visitors.insert(request.visitor);
        count.clients.insert(judged.client);
        for (sum, value) in count.sums.iter_mut().zip(judged.decision.features.values()) {
            *sum += f64::from(*value);
        }
    });
    counts
}

/// The census as a table.
pub(super) fn table(counts: &BTreeMap<Scenario, Count>) -> String {
    let mut text =
        format!("{:<18} {:<6} {:>8} {:>8} {:>8}", "scenario", "label", "requests", "visitors", "clients");
    for name in FEATURE_NAMES {
        let _ = write!(text, " {name:>17}");
    }
    text.push('\n');
    for (scenario, count) in counts {
        let label = if scenario.is_bot() { "bot" } else { "human" };
        let (visitors, clients) = (count.visitors.len(), count.clients.len());
        let _ = write!(
            text,
            "{:<18} {label:<6} {:>8} {visitors:>8} {clients:>8}",
            scenario.name(),
            count.requests
        );
        for mean in count.means() {
            let _ = write!(text, " {mean:>17.3}");
        }
        text.push('\n');
    }
    text
}
