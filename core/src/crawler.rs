//! Crawlers that can be verified: who claims to be one, and what came of looking.
//!
//! A user agent is only a claim. The control plane verifies it, by published ranges or by reverse DNS; its verdict is kept
//! in the client's record.

use std::sync::LazyLock;

use aho_corasick::nfa::contiguous::NFA;

use crate::agent::{first_of, literal_set};
use crate::policy::CrawlerCategory;

/// How much of a user agent is read, in bytes.
const READ_BYTES: usize = 512;

/// A crawler whose operator says how to verify it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KnownCrawler {
    /// The name in ranges, metrics and API.
    pub name: &'static str,
    /// What it crawls for.
    pub category: CrawlerCategory,
    /// The part of the user agent by which it is known, whatever its case.
    pub token: &'static str,
}

/// All of them, in the order of the file.
pub fn known_crawlers() -> &'static [KnownCrawler] {
    &known().crawlers
}

/// The crawler that a user agent claims to be.
pub fn claimed_crawler(user_agent: &[u8]) -> Option<&'static KnownCrawler> {
    let text = user_agent.get(..READ_BYTES).unwrap_or(user_agent);
    let known = known();
    known.crawlers.get(first_of(known.tokens.as_ref()?, text)?)
}

struct Known {
    crawlers: Vec<KnownCrawler>,
    tokens: Option<NFA>,
}

fn known() -> &'static Known {
    static KNOWN: LazyLock<Known> = LazyLock::new(|| {
        let crawlers: Vec<_> = include_str!("../data/known_crawlers.txt").lines().filter_map(parse).collect();
        let tokens = literal_set(crawlers.iter().map(|crawler| crawler.token)).ok();
        Known { crawlers, tokens }
    });
    &KNOWN
}

/// `name category token`; the token may hold spaces.
fn parse(line: &'static str) -> Option<KnownCrawler> {
    let line = line.split('#').next()?.trim();
    let (name, rest) = line.split_once(' ')?;
    let (category, token) = rest.trim_start().split_once(' ')?;
    Some(KnownCrawler { name, category: CrawlerCategory::from_name(category)?, token: token.trim() })
}

/// What came of verifying a claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AgentVerdict {
    /// Nobody can tell: judged like everybody.
    Unverifiable,
    /// Still being looked into: judged like everybody, but not refused for its name.
    Pending,
    /// Not the crawler that it says it is.
    Failed,
    /// The crawler that it says it is.
    Verified(CrawlerCategory),
}

/// Where the categories begin among the numbers.
const VERIFIED: u8 = 4;

impl AgentVerdict {
    /// The number in the client record and in `POST /check`; 0 is none.
    pub fn to_u8(self) -> u8 {
        match self {
            Self::Unverifiable => 1,
            Self::Pending => 2,
            Self::Failed => 3,
            Self::Verified(category) => VERIFIED + category as u8,
        }
    }

    /// The verdict of a number.
    pub fn from_u8(number: u8) -> Option<Self> {
        match number {
            0 => None,
            1 => Some(Self::Unverifiable),
            2 => Some(Self::Pending),
            3 => Some(Self::Failed),
            _ => CrawlerCategory::ALL
                .get(usize::from(number - VERIFIED))
                .map(|category| Self::Verified(*category)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_of_the_file_is_read() {
        let text = include_str!("../data/known_crawlers.txt");
        let lines = text.lines().filter(|line| !line.split('#').next().unwrap_or_default().trim().is_empty());
        assert_eq!(lines.count(), known_crawlers().len());
    }

    #[test]
    fn claims_are_found_whatever_their_case() {
        let name = |text: &[u8]| claimed_crawler(text).map(|crawler| crawler.name);
        let google = b"Mozilla/5.0 (compatible; GoogleBOT/2.1; +http://www.google.com/bot.html)";
        assert_eq!(name(google), Some("googlebot"));
        assert_eq!(name(b"Mozilla/5.0 (X11; Linux x86_64; rv:150.0) Gecko/20100101 Firefox/150.0"), None);
        assert_eq!(name(&[0xff; 5000]), None);
        assert_eq!(name(b""), None);
    }

    #[test]
    fn verdicts_come_back_from_their_numbers() {
        for number in 0..=u8::MAX {
            match AgentVerdict::from_u8(number) {
                Some(verdict) => assert_eq!(verdict.to_u8(), number),
                None => assert!(number == 0 || number >= VERIFIED + CrawlerCategory::ALL.len() as u8),
            }
        }
    }
}
