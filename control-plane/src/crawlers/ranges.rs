//! The address ranges that operators publish for their crawlers, each provider's by itself: in the ranges that
//! filters get only the most specific range of an address counts, and two crawlers may share one.

use std::collections::BTreeMap;
use std::net::IpAddr;

use ipnet::IpNet;
use sallyport_core::AddressSet;

/// Ranges older than this may lack what the operator has added since: outside of them nobody is refused, 30 days.
const STALE_MS: u64 = 30 * 86_400_000;

/// All providers' ranges by name, with the time that they are of, Unix ms.
#[derive(Debug, Default)]
pub struct CrawlerRanges(BTreeMap<String, (AddressSet, u64)>);

/// What ranges say of an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// In the ranges of this provider.
    Inside(&'static str),
    /// In none of them, and none of them is stale.
    Outside,
    /// In none of them, but they do not tell; why.
    Unsure(String),
}

impl CrawlerRanges {
    /// Providers' names, their ranges and the time that these are of, Unix ms; a provider without any range counts as not
    /// there.
    pub fn new(providers: impl IntoIterator<Item = (String, Vec<IpNet>, u64)>) -> Self {
        let some = providers.into_iter().filter(|(_, nets, _)| !nets.is_empty());
        let sets = some.map(|(name, nets, as_of_ms)| {
            (name, (AddressSet::new(nets.into_iter().map(|net| (net, 0))), as_of_ms))
        });
        Self(sets.collect())
    }

    /// Where an address lies, of these providers, at Unix ms `now_ms`.
    pub(super) fn place(&self, providers: &[&'static str], ip: IpAddr, now_ms: u64) -> Place {
        let mut unsure = None;
        for name in providers {
            match self.0.get(*name) {
                Some((set, _)) if set.lookup(ip).is_some() => return Place::Inside(name),
                Some((_, as_of_ms)) if now_ms.saturating_sub(*as_of_ms) > STALE_MS => {
                    let days = now_ms.saturating_sub(*as_of_ms) / 86_400_000;
                    unsure = Some(format!("the ranges of {name} are {days} days old"));
                }
                Some(_) => {}
                None => unsure = Some(format!("there are no ranges of {name}")),
            }
        }
        match unsure {
            Some(why) => Place::Unsure(why),
            None if providers.is_empty() => Place::Unsure("its operator publishes no ranges".to_owned()),
            None => Place::Outside,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 100 * 86_400_000;

    fn ranges(as_of_ms: u64) -> CrawlerRanges {
        let provider = |name: &str, nets: &[&str]| {
            let nets = nets.iter().map(|net| net.parse().expect("a range")).collect();
            (name.to_owned(), nets, as_of_ms)
        };
        CrawlerRanges::new([
            provider("a", &["192.0.2.0/24"]),
            provider("b", &["2001:db8::/32"]),
            provider("empty", &[]),
        ])
    }

    #[test]
    fn an_address_is_inside_outside_or_nobody_knows() {
        let place = |providers: &[&'static str], ip: &str| {
            ranges(NOW).place(providers, ip.parse().expect("an address"), NOW)
        };
        assert_eq!(place(&["a", "b"], "192.0.2.9"), Place::Inside("a"));
        assert_eq!(place(&["a", "b"], "2001:db8::1"), Place::Inside("b"));
        assert_eq!(place(&["a", "b"], "::ffff:192.0.2.9"), Place::Inside("a"));
        assert_eq!(place(&["a"], "198.51.100.1"), Place::Outside);
        for providers in [&["a", "unheard"][..], &["empty"], &[]] {
            assert!(matches!(place(providers, "198.51.100.1"), Place::Unsure(_)), "{providers:?}");
        }
    }

    #[test]
    fn stale_ranges_refuse_nobody_but_still_know_their_own() {
        let old = ranges(NOW - STALE_MS - 1);
        assert_eq!(old.place(&["a"], "192.0.2.9".parse().expect("an address"), NOW), Place::Inside("a"));
        let outside = old.place(&["a"], "198.51.100.1".parse().expect("an address"), NOW);
        assert_eq!(outside, Place::Unsure("the ranges of a are 30 days old".into()));
        let from_later =
            ranges(NOW + 86_400_000).place(&["a"], "198.51.100.1".parse().expect("an address"), NOW);
        assert_eq!(from_later, Place::Outside, "a clock that was set back makes nothing stale");
    }
}
