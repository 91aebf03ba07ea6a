//! How each crawler is verified, from `data/crawler_verification.txt`.

use std::collections::BTreeMap;
use std::sync::LazyLock;

/// How one crawler's visits are told from visits in its name.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Way {
    /// Providers of address ranges that it comes from.
    pub(super) ranges: Vec<&'static str>,
    /// Whether it comes from nowhere else, as its operator says.
    pub(super) complete: bool,
    /// What the names of its addresses end in, each from a dot on: `.googlebot.com`.
    pub(super) suffixes: Vec<&'static str>,
}

/// The way of a crawler; one without ranges and suffixes for a name that is not known.
pub(super) fn way_of(crawler: &str) -> &'static Way {
    static UNKNOWN: Way = Way { ranges: Vec::new(), complete: false, suffixes: Vec::new() };
    WAYS.get(crawler).unwrap_or(&UNKNOWN)
}

static WAYS: LazyLock<BTreeMap<&'static str, Way>> = LazyLock::new(|| {
    let lines = include_str!("../../data/crawler_verification.txt").lines();
    lines.filter(|line| !line.is_empty() && !line.starts_with('#')).filter_map(read).collect()
});

/// Reads `name [ranges=provider,…] [complete] [rdns=.suffix,…]`.
fn read(line: &'static str) -> Option<(&'static str, Way)> {
    let mut words = line.split(' ');
    let name = words.next()?;
    let mut way = Way::default();
    for word in words {
        match word.split_once('=') {
            Some(("ranges", providers)) => way.ranges = providers.split(',').collect(),
            Some(("rdns", suffixes)) => way.suffixes = suffixes.split(',').collect(),
            None if word == "complete" => way.complete = true,
            _ => return None,
        }
    }
    Some((name, way))
}

#[cfg(test)]
mod tests {
    use super::*;
    use sallyport_core::known_crawlers;

    #[test]
    fn every_known_crawler_has_a_way_and_no_way_is_left_over() {
        for crawler in known_crawlers() {
            let way = way_of(crawler.name);
            assert!(
                !way.ranges.is_empty() || !way.suffixes.is_empty(),
                "{} cannot be verified",
                crawler.name
            );
            assert!(
                !way.complete || !way.ranges.is_empty(),
                "{}: complete ranges, but none named",
                crawler.name
            );
        }
        let text = include_str!("../../data/crawler_verification.txt");
        let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
        assert_eq!(lines.count(), WAYS.len(), "a line is not sound, or a name stands twice");
        for name in WAYS.keys() {
            assert!(
                known_crawlers().iter().any(|crawler| crawler.name == *name),
                "nobody claims to be {name}"
            );
        }
    }

    #[test]
    fn suffixes_are_whole_domains_that_their_operators_own() {
        for (name, way) in &*WAYS {
            for suffix in &way.suffixes {
                let labels: Vec<&str> = suffix.split('.').collect();
                let sound = labels[0].is_empty() && labels.len() >= 3 && !labels[1..].contains(&"");
                assert!(sound && *suffix == suffix.to_ascii_lowercase(), "{name}: {suffix}");
                assert!(!suffix.ends_with("googleusercontent.com"), "{name}: anybody can rent such a name");
            }
        }
    }

    #[test]
    fn a_line_that_says_something_unknown_is_none() {
        assert_eq!(read("x rdns=.example.com,.example.net complete").map(|(name, _)| name), Some("x"));
        assert_eq!(read("x dns=.example.com"), None);
        assert_eq!(read("x compleet"), None);
    }
}
