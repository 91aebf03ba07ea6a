//! From what ranges and DNS say of an address to a verdict. *Failed* shuts a client out, so it takes knowledge: a name of
//! somebody else's, or complete ranges that are fresh. What is not known makes nobody fail.

use std::net::IpAddr;

use sallyport_core::{AgentVerdict, KnownCrawler};

use super::PENDING_S;
use super::dns::Confirmation;
use super::memory::Known;
use super::ranges::Place;
use super::way::Way;
use crate::config::CrawlersConfig;

/// A client's claim, and where its address lies in the ranges of the crawler that it claims to be.
#[derive(Clone, Debug)]
pub(super) struct Claim {
    pub(super) crawler: &'static KnownCrawler,
    pub(super) way: &'static Way,
    pub(super) ip: IpAddr,
    pub(super) place: Place,
}

/// A verdict, why, and until when it holds, Unix ms.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Ruling {
    pub(super) verdict: AgentVerdict,
    pub(super) why: String,
    pub(super) until_ms: u64,
}

impl Claim {
    /// What ranges say by themselves.
    pub(super) fn by_ranges(&self, config: &CrawlersConfig, now_ms: u64) -> Ruling {
        let (ip, ranges) = (self.ip, self.way.ranges.join(", "));
        let verified = AgentVerdict::Verified(self.crawler.category);
        let (verdict, why) = match &self.place {
            Place::Inside(provider) => (verified, format!("{ip} lies in the ranges of {provider}")),
            Place::Outside if self.way.complete => (
                AgentVerdict::Failed,
                format!("{ip} lies outside of the ranges of {ranges}, and it has no others"),
            ),
            Place::Outside => (
                AgentVerdict::Unverifiable,
                format!("{ip} lies outside of the ranges of {ranges}; it may have others"),
            ),
            Place::Unsure(why) => (AgentVerdict::Unverifiable, why.clone()),
        };
        let keep_s = if verdict == verified { config.keep_s } else { config.failed_keep_s };
        Ruling { verdict, why, until_ms: now_ms.saturating_add(u64::from(keep_s) * 1000) }
    }

    /// What DNS says; where that settles nothing, what the ranges say.
    pub(super) fn by_dns(&self, known: Known, config: &CrawlersConfig, now_ms: u64) -> Ruling {
        let (verdict, why) = match known.found {
            Confirmation::Confirmed(why) => (AgentVerdict::Verified(self.crawler.category), why),
            Confirmation::Refuted(why) => (AgentVerdict::Failed, why),
            Confirmation::Unsettled(why) => {
                let ranges = self.by_ranges(config, now_ms);
                (ranges.verdict, format!("{why}; {}", ranges.why))
            }
            Confirmation::Trouble(why) => (AgentVerdict::Unverifiable, why),
        };
        Ruling { verdict, why, until_ms: known.until_ms }
    }
}

impl Ruling {
    /// Nobody can tell at the moment; why.
    pub(super) fn unverifiable(why: &str, keep_s: u32, now_ms: u64) -> Self {
        let until_ms = now_ms.saturating_add(u64::from(keep_s) * 1000);
        Self { verdict: AgentVerdict::Unverifiable, why: why.to_owned(), until_ms }
    }

    /// It is being looked into.
    pub(super) fn pending(now_ms: u64) -> Self {
        let why = "the name servers are being asked";
        Self { verdict: AgentVerdict::Pending, ..Self::unverifiable(why, PENDING_S, now_ms) }
    }
}

#[cfg(test)]
mod tests {
    use sallyport_core::known_crawlers;

    use super::super::way::way_of;
    use super::*;

    const NOW: u64 = 1_800_000_000_000;

    /// The verdict on every known crawler of which ranges and DNS say this.
    fn verdicts(place: &Place, found: &Confirmation) -> Vec<(&'static Way, AgentVerdict)> {
        let verdict = |crawler: &'static KnownCrawler| {
            let (way, ip) = (way_of(crawler.name), IpAddr::from([192, 0, 2, 1]));
            let claim = Claim { crawler, way, ip, place: place.clone() };
            let known = Known { found: found.clone(), since_ms: NOW, until_ms: NOW + 1000 };
            (way, claim.by_dns(known, &CrawlersConfig::default(), NOW).verdict)
        };
        known_crawlers().iter().map(verdict).collect()
    }

    #[test]
    fn nobody_fails_for_what_is_not_known() {
        let ignorance = [
            (Place::Unsure("stale".into()), Confirmation::Unsettled("no name".into())),
            (Place::Unsure("stale".into()), Confirmation::Trouble("no answer".into())),
            (Place::Outside, Confirmation::Trouble("no answer".into())),
        ];
        for (place, found) in ignorance {
            let unsure = |(_, verdict): &(&Way, AgentVerdict)| *verdict == AgentVerdict::Unverifiable;
            assert!(verdicts(&place, &found).iter().all(unsure), "{place:?} {found:?}");
        }
    }

    #[test]
    fn fresh_complete_ranges_and_another_s_name_tell_who_is_false() {
        for (way, verdict) in verdicts(&Place::Outside, &Confirmation::Unsettled("no name".into())) {
            let right = if way.complete { AgentVerdict::Failed } else { AgentVerdict::Unverifiable };
            assert_eq!(verdict, right, "{way:?}");
        }
        for place in [Place::Unsure("stale".into()), Place::Outside] {
            let refuted = verdicts(&place, &Confirmation::Refuted("a stranger's".into()));
            assert!(refuted.iter().all(|(_, verdict)| *verdict == AgentVerdict::Failed));
        }
    }
}
