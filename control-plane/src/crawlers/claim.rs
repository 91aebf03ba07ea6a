//! Which crawler a user agent claims to be.

use std::sync::LazyLock;

/// What a crawler's visits are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum CrawlerCategory {
    Search = 0,
    AiTraining = 1,
    AiSearch = 2,
    Preview = 3,
    Monitoring = 4,
    Feed = 5,
    Other = 6,
}

impl CrawlerCategory {
    const ALL: [Self; 7] = [
        Self::Search,
        Self::AiTraining,
        Self::AiSearch,
        Self::Preview,
        Self::Monitoring,
        Self::Feed,
        Self::Other,
    ];

    pub fn name(self) -> &'static str {
        ["search", "ai_training", "ai_search", "preview", "monitoring", "feed", "other"][self as usize]
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AgentVerdict {
    Unverifiable,
    Pending,
    Failed,
    Verified(CrawlerCategory),
}

#[derive(Debug)]
pub struct KnownCrawler {
    pub name: &'static str,
    pub token: &'static str,
    pub category: CrawlerCategory,
}

static KNOWN: LazyLock<Vec<KnownCrawler>> = LazyLock::new(|| {
    let text = include_str!("../../../core/data/known_crawlers.txt");
    let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    let read = |line: &'static str| {
        let mut words = line.split(' ');
        let (name, category, token) = (words.next()?, words.next()?, words.next()?);
        let category = CrawlerCategory::ALL.into_iter().find(|c| c.name() == category)?;
        Some(KnownCrawler { name, token, category })
    };
    lines.filter_map(read).collect()
});

pub fn known_crawlers() -> &'static [KnownCrawler] {
    &KNOWN
}

pub fn claimed_crawler(user_agent: &[u8]) -> Option<&'static KnownCrawler> {
    let text = user_agent.get(..512).unwrap_or(user_agent);
    let holds =
        |token: &str| text.windows(token.len()).any(|part| part.eq_ignore_ascii_case(token.as_bytes()));
    KNOWN.iter().find(|crawler| holds(crawler.token))
}
