//! What those who say their name are for.

use serde::{Deserialize, Serialize};

use crate::policy::LimitRule;

/// What an agent is for. The numbers are part of the client record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[repr(u8)]
pub enum AgentCategory {
    /// An index that people search.
    Search = 0,
    /// Training a model.
    AiTraining = 1,
    /// An index that assistants search.
    AiSearch = 2,
    /// A visit that a person has asked an assistant for.
    AiAgent = 3,
    /// A preview of a link that a person shared.
    Preview = 4,
    /// A feed that people subscribed to.
    Feed = 5,
    /// Whether the site works.
    Monitoring = 6,
    /// Another service tells the site what happened there.
    Webhook = 7,
    /// Issuing certificates, and asking whether one was revoked.
    Certificate = 8,
    /// Keeping the site for later.
    Archive = 9,
    /// Ranks, links and prices, for others.
    Seo = 10,
    /// A programming language's library.
    Library = 11,
    /// A program that somebody runs: git, package managers, curl, browsers under remote control.
    Tool = 12,
    /// A phone's app by itself.
    App = 13,
    /// A browser without pictures: a person.
    TextBrowser = 14,
    /// Looks for weaknesses, or takes what it finds.
    Scanner = 15,
    /// Anything else that says it is a program.
    Other = 16,
}

impl AgentCategory {
    /// All categories, in the order of their numbers.
    pub const ALL: [AgentCategory; 17] = [
        Self::Search,
        Self::AiTraining,
        Self::AiSearch,
        Self::AiAgent,
        Self::Preview,
        Self::Feed,
        Self::Monitoring,
        Self::Webhook,
        Self::Certificate,
        Self::Archive,
        Self::Seo,
        Self::Library,
        Self::Tool,
        Self::App,
        Self::TextBrowser,
        Self::Scanner,
        Self::Other,
    ];

    /// The name in policy and data.
    pub fn name(self) -> &'static str {
        match self {
            Self::Search => "search",
            Self::AiTraining => "ai_training",
            Self::AiSearch => "ai_search",
            Self::AiAgent => "ai_agent",
            Self::Preview => "preview",
            Self::Feed => "feed",
            Self::Monitoring => "monitoring",
            Self::Webhook => "webhook",
            Self::Certificate => "certificate",
            Self::Archive => "archive",
            Self::Seo => "seo",
            Self::Library => "library",
            Self::Tool => "tool",
            Self::App => "app",
            Self::TextBrowser => "text_browser",
            Self::Scanner => "scanner",
            Self::Other => "other",
        }
    }

    /// The category of a name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|category| category.name() == name)
    }

    /// The budget that all of an address who say so draw on, on the kind of path that the category is for; `None` where a
    /// name alone goes nowhere.
    pub(crate) fn budget(self) -> Option<LimitRule> {
        Some(match self {
            Self::Preview => LimitRule::Preview,
            Self::Feed => LimitRule::Feed,
            Self::Monitoring => LimitRule::Monitoring,
            Self::Webhook => LimitRule::Webhook,
            Self::Certificate => LimitRule::Certificate,
            Self::Tool => LimitRule::Tool,
            Self::App => LimitRule::App,
            _ => return None,
        })
    }
}
