//! What is usual on a site: what it does to all its visitors is no visitor's trait.
//!
//! A profile tells of each site (a host), and of its routes, what most visitors show there. It only ever takes weight from
//! a finding: as long as nothing is known it counts in full, and where nobody shows something, that somebody does not
//! counts nothing.

mod learner;
mod lesson;
mod route;

pub use learner::{Lesson, SiteLearner};
pub(crate) use route::Places;

/// At most so many routes are told apart, of all sites together.
const MOST_ROUTES: usize = 256;
/// At most so many sites.
const MOST_SITES: usize = 64;

/// Below this share of visitors a referer is not to be expected of anybody, above the other it is of all.
const REFERERS: (f32, f32) = (0.3, 0.8);
/// The same of assets: where they are seen at all browsers load them, and whoever does not is mostly none.
const ASSETS: (f32, f32) = (0.15, 0.5);
/// The weight of a finding as long as nothing is known of the site.
const NEUTRAL: f32 = 1.0;

/// How much a finding counts on a site, each in [0, 1].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Normal {
    /// That a page is not followed by what pages need.
    pub without_assets: f32,
    /// That a page has no referer though the visitor came from one of the site's.
    pub without_referer: f32,
}

impl Default for Normal {
    fn default() -> Self {
        Self { without_assets: NEUTRAL, without_referer: NEUTRAL }
    }
}

/// What is usual on the sites behind one door. Empty until something was learned.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SiteProfile {
    /// Sorted by key, like the routes.
    sites: Vec<(u64, Normal)>,
    /// Keys of the routes that pages load, whatever they are named.
    parts: Vec<u64>,
}

impl SiteProfile {
    /// A profile of what was learned of sites and of the routes that are parts of pages.
    pub(crate) fn new(mut sites: Vec<(u64, Normal)>, mut parts: Vec<u64>) -> Self {
        sites.sort_unstable_by_key(|(key, _)| *key);
        parts.sort_unstable();
        Self { sites, parts }
    }

    /// What counts on a site.
    pub(crate) fn normal(&self, places: Places) -> Normal {
        let found = self.sites.binary_search_by_key(&places.site, |(key, _)| *key);
        found.ok().and_then(|at| self.sites.get(at)).map_or_else(Normal::default, |(_, normal)| *normal)
    }

    /// Whether what a route gives is loaded by pages.
    pub(crate) fn is_part(&self, places: Places) -> bool {
        self.parts.binary_search(&places.route).is_ok()
    }

    /// How many sites and routes it tells of.
    pub fn len(&self) -> (usize, usize) {
        (self.sites.len(), self.parts.len())
    }

    /// Whether it tells of nothing yet.
    pub fn is_empty(&self) -> bool {
        self.sites.is_empty() && self.parts.is_empty()
    }
}

/// How much it counts that a visitor lacks what this share of others shows.
fn weight(share: f32, (least, most): (f32, f32)) -> f32 {
    ((share - least) / (most - least)).clamp(0.0, 1.0)
}
