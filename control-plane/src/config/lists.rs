//! `lists:` — the lists that operators change while it runs. The lists of the configuration are in `policy.lists`.

use ipnet::IpNet;
use sallyport_core::{policy, read_range};
use serde::Deserialize;

/// Most trusted proxies.
const MOST_PROXIES: usize = 1000;

/// What may not be put on a list by mistake.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ListsConfig {
    /// Addresses and ranges of load balancers and proxies in front of Envoy, which a deny entry may not touch without
    /// `force`. Loopback and private addresses are protected anyway. Default: none.
    pub trusted_proxies: Vec<String>,
}

impl ListsConfig {
    /// The ranges of the trusted proxies; what does not parse, [`ListsConfig::problems`] names.
    pub fn proxies(&self) -> Vec<IpNet> {
        self.trusted_proxies.iter().filter_map(|text| read_range(text).ok()).collect()
    }

    pub(super) fn problems(&self, lists: &policy::ListsConfig) -> Vec<(String, String)> {
        let mut problems = Vec::new();
        if self.trusted_proxies.len() > MOST_PROXIES {
            problems.push(("lists.trusted_proxies".to_owned(), format!("write at most {MOST_PROXIES}")));
        }
        for (index, text) in self.trusted_proxies.iter().enumerate().take(MOST_PROXIES) {
            if let Err(error) = read_range(text) {
                problems.push((format!("lists.trusted_proxies[{index}]"), format!("`{text}` {error}")));
            }
        }
        let proxies = self.proxies();
        for (index, denied) in lists.deny.iter().enumerate().filter(|_| !proxies.is_empty()) {
            let Ok(net) = read_range(denied) else { continue };
            if let Some(proxy) = proxies.iter().find(|proxy| proxy.contains(&net) || net.contains(*proxy)) {
                let message = format!("`{denied}` would refuse the trusted proxy {proxy}");
                problems.push((format!("policy.lists.deny[{index}]"), message));
            }
        }
        problems
    }
}
