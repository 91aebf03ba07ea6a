//! What was counted of clients that claim to be crawlers which can be verified.

use std::collections::BTreeMap;

use sallyport_core::{AgentVerdict, KnownCrawler};

/// Requests in the name of one crawler.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Claims {
    /// That nobody looked into.
    pub(crate) unverified: u64,
    /// Of the crawler itself.
    pub(crate) verified: u64,
    /// Of others.
    pub(crate) false_ones: u64,
    /// Of whom nobody can tell.
    pub(crate) unsure: u64,
}

/// By crawler; there are only so many that are known.
#[derive(Debug, Default)]
pub(crate) struct Crawlers(BTreeMap<&'static str, (&'static KnownCrawler, Claims)>);

impl Crawlers {
    /// Counts a request and what came of verifying it, if anything did.
    pub(crate) fn add(&mut self, crawler: &'static KnownCrawler, verdict: Option<AgentVerdict>) {
        let (_, claims) = self.0.entry(crawler.name).or_insert((crawler, Claims::default()));
        let count = match verdict {
            None => &mut claims.unverified,
            Some(AgentVerdict::Verified(_)) => &mut claims.verified,
            Some(AgentVerdict::Failed) => &mut claims.false_ones,
            Some(AgentVerdict::Pending | AgentVerdict::Unverifiable) => &mut claims.unsure,
        };
        *count += 1;
    }

    /// Requests that nobody looked into.
    pub(crate) fn unverified(&self) -> u64 {
        self.0.values().map(|(_, claims)| claims.unverified).sum()
    }

    /// Each crawler with its counts, by name.
    pub(crate) fn rows(&self) -> impl Iterator<Item = (&'static KnownCrawler, Claims)> {
        self.0.values().copied()
    }
}
