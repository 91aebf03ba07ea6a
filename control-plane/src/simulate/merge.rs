//! All visitors' requests in one order of time.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::dice::Dice;
use super::scenario::Scenario;
use super::site::{Site, Trait, sites};
use super::visit::Who;
use super::{MOST_SCALE, Request, Settings, bots, people};

const STARTS: u64 = 1 << 33;
const HOUSEHOLDS: u64 = 1 << 34;

/// The requests of a simulation, an iterator.
pub(super) struct Traffic {
    seed: u64,
    sites: Vec<Site>,
    /// Those still to come, the next one last.
    visitors: Vec<Who>,
    waiting: BinaryHeap<Reverse<Waiting>>,
}

/// Visitors begin within this time: an office's on one day, all others in a week.
fn span_ms(scenario: Scenario) -> usize {
    match scenario {
        Scenario::Office => 8 * 3_600_000,
        _ => 7 * 86_400_000,
    }
}

/// A request that was made and whose time has not come.
struct Waiting {
    order: (u64, Scenario, u32, usize),
    request: Request,
}

impl Traffic {
    pub(super) fn new(settings: &Settings) -> Self {
        let scale = f64::from(settings.scale.clamp(0.0, MOST_SCALE));
        let mut visitors = Vec::new();
        for scenario in Scenario::ALL {
            if !settings.scenarios.is_empty() && !settings.scenarios.contains(&scenario) {
                continue;
            }
            let count = (f64::from(scenario.cast().visitors) * scale).ceil() as u32;
            visitors.extend((0..count).map(|number| {
                let mut dice = Dice::new(settings.seed, STARTS + scenario as u64, u64::from(number));
                let start_ms = settings.start_ms.saturating_add(dice.below(span_ms(scenario)) as u64);
                Who { scenario, number, start_ms }
            }));
        }
        visitors.sort_by_key(|who| Reverse((who.start_ms, who.scenario, who.number)));
        Self { seed: settings.seed, sites: sites(settings.seed), visitors, waiting: BinaryHeap::new() }
    }

    /// The next visitor comes: all of its requests, of which none is before its start.
    fn admit(&mut self, who: &Who) {
        let dice = Dice::new(self.seed, who.scenario as u64, u64::from(who.number));
        let kinds = who.scenario.cast().kinds;
        let suits = |site: &&Site| {
            let has_assets = !site.has(Trait::Cdn) || !who.scenario.needs_assets();
            has_assets && (kinds.is_empty() || kinds.contains(&site.kind))
        };
        let open: Vec<_> = self.sites.iter().filter(suits).collect();
        // Who share an address come to one site, as they would where only that site is behind the gate.
        let household = u64::from(who.number / people::household(who.scenario));
        let site = *Dice::new(self.seed, HOUSEHOLDS + who.scenario as u64, household).pick(&open);
        let requests =
            if who.scenario.is_bot() { bots::visit(who, dice, site) } else { people::visit(who, dice, site) };
        for (place, request) in requests.into_iter().enumerate() {
            let order = (request.line.time_ms, who.scenario, who.number, place);
            self.waiting.push(Reverse(Waiting { order, request }));
        }
    }
}

impl Iterator for Traffic {
    type Item = Request;

    fn next(&mut self) -> Option<Request> {
        // Whole seconds of a log begin up to a second before their visitor does.
        while let Some(who) = self.visitors.last() {
            let next_ms = self.waiting.peek().map(|Reverse(waiting)| waiting.order.0);
            if next_ms.is_some_and(|next_ms| next_ms + 1000 < who.start_ms) {
                break;
            }
            let who = self.visitors.pop()?;
            self.admit(&who);
        }
        self.waiting.pop().map(|Reverse(waiting)| waiting.request)
    }
}

impl PartialEq for Waiting {
    fn eq(&self, other: &Self) -> bool {
        self.order == other.order
    }
}

impl Eq for Waiting {}

impl PartialOrd for Waiting {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Waiting {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.order.cmp(&other.order)
    }
}
