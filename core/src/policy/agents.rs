//! What agents may do that say what they are, by what they are for and where they go.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::agents::AgentCategory;

/// What agents of a category may do whose name cannot be verified.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AgentPolicy {
    /// Pass on the paths of their kind, as often as their address may ask.
    Allow,
    /// Pass there out of the budget `rate_limit.CATEGORY` of their address.
    Limit,
    /// Are judged like everybody.
    #[default]
    Score,
    /// Are challenged, wherever they go.
    Challenge,
    /// Are refused, wherever they go.
    Block,
}

/// Which paths a site has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AgentPreset {
    /// Pages, feeds and health checks under their usual names.
    #[default]
    Site,
    /// The same, and where payment and delivery services tell of what happened.
    Shop,
    /// An API that apps call, and that other services call back.
    Api,
    /// Code and packages.
    Forge,
    /// WordPress, with its shop.
    Wordpress,
}

/// What agents may do that say what they are. Verified crawlers go by `crawlers`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AgentsConfig {
    /// Which paths the site has, besides `paths`. Default `site`.
    pub preset: AgentPreset,
    /// By category; what is not named keeps its default: `limit` for `preview`, `feed`, `monitoring`, `webhook`,
    /// `certificate`, `app` and `tool`, `score` for all others.
    pub may: BTreeMap<AgentCategory, AgentPolicy>,
    /// Paths that a category is for, by category: whole ones, or with `*` at the end, at the beginning, or both.
    pub paths: BTreeMap<AgentCategory, Vec<String>>,
}

impl AgentsConfig {
    /// What a category may do.
    pub fn of(&self, category: AgentCategory) -> AgentPolicy {
        let usual = if category.budget().is_some() { AgentPolicy::Limit } else { AgentPolicy::Score };
        self.may.get(&category).copied().unwrap_or(usual)
    }

    /// The paths that preset and operator name for a category.
    pub(crate) fn paths_of(&self, category: AgentCategory) -> impl Iterator<Item = &str> {
        let own = self.paths.get(&category).map(Vec::as_slice).unwrap_or_default();
        own.iter().map(String::as_str).chain(self.preset.paths(category).iter().copied())
    }
}

impl AgentPreset {
    fn paths(self, category: AgentCategory) -> &'static [&'static str] {
        use AgentCategory::{App, Monitoring, Tool, Webhook};
        match (self, category) {
            (Self::Shop | Self::Api | Self::Forge, Webhook) => {
                &["/webhook", "/webhooks", "/webhook/*", "/webhooks/*", "/hooks/*", "/api/webhooks/*"]
            }
            (Self::Api, App) => &["/api/*", "/v1/*", "/v2/*", "/v3/*", "/graphql", "/rest/*", "/rpc/*"],
            (Self::Api, Monitoring) => &["/api/health*", "/v1/health*", "/api/status", "/api/ping"],
            (Self::Forge, Tool) => &[
                "*/info/refs",
                "*/git-upload-pack",
                "*/git-receive-pack",
                "*/info/lfs/*",
                "/v2/*",
                "/api/packages/*",
                "/api/v4/*/packages/*",
                "/simple/*",
                "/npm/*",
                "/maven2/*",
                "/debian/*",
                "/rpm/*",
            ],
            (Self::Wordpress, Webhook) => &["/wc-api/*", "/wp-json/wc/*", "/wp-json/*/webhook*"],
            (Self::Wordpress, Monitoring) => &["/wp-cron.php"],
            (Self::Wordpress, App) => &["/wp-json/*"],
            _ => &[],
        }
    }
}
