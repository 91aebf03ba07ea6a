//! Learning what is usual on a site from its visitors, one vote each.

use std::collections::{BTreeMap, BTreeSet};

use super::route::Places;
use super::{ASSETS, MOST_ROUTES, MOST_SITES, Normal, REFERERS, SiteProfile, weight};

/// So many votes are needed before anything is said.
const FEWEST: f32 = 3.0;
/// From this share of votes on a route is a part of pages.
const PART: f32 = 0.7;
/// At most so many votes of a network on the same thing in a day.
const OF_NETWORK: u8 = 3;
/// Votes are forgotten so slowly: τ in days.
const TAU_DAYS: f32 = 7.0;
/// At most so many voters are remembered in a day; who comes then does not vote.
const MOST_VOTERS: usize = 65_536;

/// What a request teaches of its site. Whoever teaches one thing has shown another: else bots would teach that nobody shows
/// anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lesson {
    pub(crate) places: Places,
    pub(crate) client: u64,
    pub(crate) network: u64,
    /// Whether the visitor's first page was followed by what pages need.
    pub(crate) assets: Option<bool>,
    /// Whether its second page had a referer.
    pub(crate) referer: Option<bool>,
    /// Whether it came along with a page.
    pub(crate) part: Option<bool>,
}

/// Votes for and against, decayed.
#[derive(Clone, Copy, Debug, Default)]
struct Votes {
    yes: f32,
    all: f32,
}

impl Votes {
    fn add(&mut self, yes: bool) {
        self.all += 1.0;
        self.yes += if yes { 1.0 } else { 0.0 };
    }

    /// The share of those in favour, where enough have voted.
    fn share(&self) -> Option<f32> {
        (self.all >= FEWEST).then(|| self.yes / self.all)
    }

    fn fade(&mut self, left: f32) {
        self.yes *= left;
        self.all *= left;
    }
}

/// What visitors of one door taught. Bounded in everything.
#[derive(Clone, Debug, Default)]
pub struct SiteLearner {
    assets: BTreeMap<u64, Votes>,
    referers: BTreeMap<u64, Votes>,
    parts: BTreeMap<u64, Votes>,
    /// Who has voted on what today.
    voted: BTreeSet<(u64, u64)>,
    of_networks: BTreeMap<(u64, u64), u8>,
    day: u64,
    lessons: u64,
}

impl SiteLearner {
    /// One that knows nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes a lesson at `now_ms`, Unix milliseconds.
    pub fn learn(&mut self, lesson: &Lesson, now_ms: u64) {
        self.pass_days(now_ms / 86_400_000);
        let Places { site, route } = lesson.places;
        for (taught, thing, kind) in
            [(lesson.assets, site, 1), (lesson.referer, site, 2), (lesson.part, route, 3)]
        {
            let Some(yes) = taught else { continue };
            if !self.may_vote(lesson, thing ^ kind) {
                continue;
            }
            let (votes, most) = match kind {
                1 => (&mut self.assets, MOST_SITES),
                2 => (&mut self.referers, MOST_SITES),
                _ => (&mut self.parts, MOST_ROUTES),
            };
            // Pages are by far the most routes: only what came along with one for somebody is worth a place.
            let is_known = votes.contains_key(&thing);
            if is_known || ((kind < 3 || yes) && has_room(votes, most)) {
                votes.entry(thing).or_default().add(yes);
                self.lessons += 1;
            }
        }
    }

    /// How many votes were counted.
    pub fn lessons(&self) -> u64 {
        self.lessons
    }

    /// What is known by now.
    pub fn profile(&self) -> SiteProfile {
        let keys: BTreeSet<u64> = self.assets.keys().chain(self.referers.keys()).copied().collect();
        let weigh = |votes: &BTreeMap<u64, Votes>, key, expected| {
            votes.get(key).and_then(Votes::share).map(|share| weight(share, expected))
        };
        let sites = keys.iter().map(|key| {
            let neutral = Normal::default();
            let normal = Normal {
                without_assets: weigh(&self.assets, key, ASSETS).unwrap_or(neutral.without_assets),
                without_referer: weigh(&self.referers, key, REFERERS).unwrap_or(neutral.without_referer),
            };
            (*key, normal)
        });
        let is_part = |votes: &Votes| votes.share().is_some_and(|share| share >= PART);
        let parts = self.parts.iter().filter(|(_, votes)| is_part(votes)).map(|(key, _)| *key);
        SiteProfile::new(sites.collect(), parts.collect())
    }

    /// Whether so much was learned since `lessons` that the profile is worth making anew.
    pub fn is_due(&self, lessons: u64) -> bool {
        self.lessons > lessons + lessons / 20
    }

    /// One vote for each client, three for a network: a day.
    fn may_vote(&mut self, lesson: &Lesson, thing: u64) -> bool {
        if self.voted.len() >= MOST_VOTERS || !self.voted.insert((lesson.client, thing)) {
            return false;
        }
        let of_network = self.of_networks.entry((lesson.network, thing)).or_default();
        *of_network = of_network.saturating_add(1);
        *of_network <= OF_NETWORK
    }

    fn pass_days(&mut self, day: u64) {
        if day <= self.day {
            return;
        }
        let left = libm::expf(-((day - self.day) as f32) / TAU_DAYS);
        for votes in [&mut self.assets, &mut self.referers, &mut self.parts] {
            votes.values_mut().for_each(|votes| votes.fade(left));
            votes.retain(|_, votes| votes.all > 0.1);
        }
        self.voted.clear();
        self.of_networks.clear();
        self.day = day;
    }
}

/// Whether another fits, if need be in the place of one that a single voter brought.
fn has_room(votes: &mut BTreeMap<u64, Votes>, most: usize) -> bool {
    if votes.len() >= most {
        let least = votes.iter().find(|(_, votes)| votes.all < 1.5).map(|(key, _)| *key);
        least.map(|key| votes.remove(&key));
    }
    votes.len() < most
}
