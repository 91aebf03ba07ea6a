//! What verified crawlers may do, by what they crawl for.

use serde::{Deserialize, Serialize};

/// What a crawler crawls for. The numbers are part of the client record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[repr(u8)]
pub enum CrawlerCategory {
    /// An index that people search.
    Search = 0,
    /// Training a model.
    AiTraining = 1,
    /// Answering a person's question, with sources.
    AiSearch = 2,
    /// A preview of a link that a person shared.
    Preview = 3,
    /// Whether the site works.
    Monitoring = 4,
    /// A feed that people subscribed to.
    Feed = 5,
    /// Anything else.
    Other = 6,
}

impl CrawlerCategory {
    /// All categories, in the order of their numbers.
    pub const ALL: [CrawlerCategory; 7] = [
        Self::Search,
        Self::AiTraining,
        Self::AiSearch,
        Self::Preview,
        Self::Monitoring,
        Self::Feed,
        Self::Other,
    ];

    /// The name in policy and API.
    pub fn name(self) -> &'static str {
        match self {
            Self::Search => "search",
            Self::AiTraining => "ai_training",
            Self::AiSearch => "ai_search",
            Self::Preview => "preview",
            Self::Monitoring => "monitoring",
            Self::Feed => "feed",
            Self::Other => "other",
        }
    }

    /// The category of a name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|category| category.name() == name)
    }
}

/// What a verified crawler may do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CrawlerPolicy {
    /// Passes, whatever it does.
    #[default]
    Allow,
    /// Passes as often as `rate_limit.crawler` allows.
    Limit,
    /// Is challenged.
    Challenge,
    /// Is refused.
    Block,
}

/// What verified crawlers may do. Who claims to be one and is not is always refused; who cannot be verified is judged like
/// everybody.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CrawlersConfig {
    /// Search engines. Default `allow`.
    pub search: CrawlerPolicy,
    /// Collecting texts to train models on. Default `limit`.
    pub ai_training: CrawlerPolicy,
    /// Answers of an assistant to a person. Default `allow`.
    pub ai_search: CrawlerPolicy,
    /// Previews of shared links. Default `allow`.
    pub preview: CrawlerPolicy,
    /// Monitoring services. Default `allow`.
    pub monitoring: CrawlerPolicy,
    /// Feed readers. Default `allow`.
    pub feed: CrawlerPolicy,
    /// Other crawlers. Default `limit`.
    pub other: CrawlerPolicy,
}

impl Default for CrawlersConfig {
    fn default() -> Self {
        Self {
            search: CrawlerPolicy::Allow,
            ai_training: CrawlerPolicy::Limit,
            ai_search: CrawlerPolicy::Allow,
            preview: CrawlerPolicy::Allow,
            monitoring: CrawlerPolicy::Allow,
            feed: CrawlerPolicy::Allow,
            other: CrawlerPolicy::Limit,
        }
    }
}

impl CrawlersConfig {
    /// What a category may do.
    pub fn of(&self, category: CrawlerCategory) -> CrawlerPolicy {
        match category {
            CrawlerCategory::Search => self.search,
            CrawlerCategory::AiTraining => self.ai_training,
            CrawlerCategory::AiSearch => self.ai_search,
            CrawlerCategory::Preview => self.preview,
            CrawlerCategory::Monitoring => self.monitoring,
            CrawlerCategory::Feed => self.feed,
            CrawlerCategory::Other => self.other,
        }
    }
}
