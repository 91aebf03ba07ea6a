//! The allow and deny lists, compiled.

use ipnet::IpNet;

use super::config::ListsConfig;
use crate::facts::RequestFacts;
use crate::ranges::AddressSet;

/// Compiled lists.
#[derive(Clone, Debug, Default)]
pub struct Lists {
    allow: AddressSet,
    deny: AddressSet,
    allow_user_agents: Vec<Vec<u8>>,
}

impl Lists {
    /// Entries that do not parse are left out: [`super::PolicyConfig::problems`] has named them.
    pub(super) fn new(config: &ListsConfig) -> Self {
        let set = |entries: &[String]| {
            AddressSet::new(entries.iter().filter_map(|e| parse_net(e)).map(|net| (net, 0)))
        };
        Self {
            allow: set(&config.allow),
            deny: set(&config.deny),
            allow_user_agents: config
                .allow_user_agents
                .iter()
                .map(|part| part.clone().into_bytes())
                .collect(),
        }
    }

    pub(crate) fn allows(&self, facts: &RequestFacts<'_>) -> bool {
        let named = |part: &Vec<u8>| crate::path::contains(facts.user_agent, part);
        holds(&self.allow, facts) || self.allow_user_agents.iter().any(named)
    }

    pub(crate) fn denies(&self, facts: &RequestFacts<'_>) -> bool {
        holds(&self.deny, facts)
    }
}

fn holds(set: &AddressSet, facts: &RequestFacts<'_>) -> bool {
    !set.is_empty() && facts.address.is_some_and(|address| set.lookup(address).is_some())
}

/// A range in CIDR notation, or a single address.
pub(super) fn parse_net(text: &str) -> Option<IpNet> {
    let text = text.trim();
    text.parse().ok().or_else(|| text.parse::<std::net::IpAddr>().ok().map(IpNet::from))
}
