//! Simulated traffic: people and bots as they really visit sites, the same for the same seed on every platform.
//!
//! The model of the first day is trained and measured on it. A [`Scenario`] is a kind of visitor; each of its visitors
//! is a [`visit::Visit`] of one of a few small [`site`]s, each of a kind and with traits of its own. Behaviour is written down as requests only: the seven
//! features come from core, which judges these requests as it judges all others ([`judged`]). Nearly half of the
//! visitors are seen as access logs tell it, without headers and in whole seconds, the rest with what their program
//! really sends. How many requests visitors make, and what they leave out, follows public access logs.
//!
//! Who is a bot: programs that fetch by themselves, also those that do so for somebody and say so, as feed readers and
//! link previews do. Who opens the article in a browser is a person, and so is who uses a site's own app on its API. Apps
//! that fetch pages on a person's tap under a name of their own (podcasts, news) are left out: their requests cannot be
//! told apart from a program's.

mod agents;
mod bots;
mod browsers;
mod browsing;
mod census;
mod command;
mod dice;
mod face;
mod merge;
mod output;
mod people;
mod place;
mod purpose;
mod scenario;
mod site;
mod visit;

#[cfg(test)]
mod site_tests;
#[cfg(test)]
mod tests;

use sallyport_core::Engine;

pub(crate) use command::scale;
pub use command::{Args, run};
pub use place::Place;
pub use scenario::Scenario;

use crate::replay::judge::{Judge, Judged};
use crate::replay::line::LogLine;

/// Monday, 2 November 2026, 00:00 UTC: near the versions of the browsers in `data/browsers.txt`.
pub const START_MS: u64 = 1_793_577_600_000;
/// Most that [`Settings::scale`] may be.
pub const MOST_SCALE: f32 = 100.0;
/// How many clients a simulation's judge remembers.
const MOST_CLIENTS: usize = 200_000;

/// What to simulate.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Another seed is another world: other sites, other visitors.
    pub seed: u64,
    /// How many visitors: 1 is about 120,000 requests over all scenarios. Up to [`MOST_SCALE`].
    pub scale: f32,
    /// Which scenarios; all where empty. What one does does not depend on the others.
    pub scenarios: Vec<Scenario>,
    /// When it begins, Unix milliseconds; visitors come over a week from then on.
    pub start_ms: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self { seed: 7, scale: 1.0, scenarios: Vec::new(), start_ms: START_MS }
    }
}

/// One simulated request, with the truth about it.
#[derive(Clone, Debug)]
pub struct Request {
    /// What a log would tell of it.
    pub(crate) line: LogLine<'static>,
    /// `Sec-Purpose`, which nothing is judged by; empty if there was none.
    pub(crate) sec_purpose: &'static str,
    /// The kind of visitor.
    pub scenario: Scenario,
    /// The number of the visitor within its scenario, whatever addresses and user agents it takes.
    pub visitor: u32,
    /// Where it was sent.
    pub place: Place,
}

/// The requests of all scenarios in order of time. They are made while they are read, so memory holds only those of
/// visitors that are under way.
pub fn requests(settings: &Settings) -> impl Iterator<Item = Request> + use<> {
    merge::Traffic::new(settings)
}

/// Judges the requests one after the other as replay judges a log's, and hands each to `sink` with its decision.
pub(crate) fn judged(settings: &Settings, engine: &Engine, mut sink: impl FnMut(&Request, &Judged)) {
    let mut judge = Judge::new(engine.clone(), MOST_CLIENTS);
    for request in requests(settings) {
        let judged = judge.judge(&request.line);
        sink(&request, &judged);
    }
}
