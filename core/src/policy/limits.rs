//! Rate limits: which there are, and their compiled form.

use serde::{Deserialize, Serialize};

use super::config::RateLimitConfig;
use crate::decay::Rate;

/// A rate limit. The numbers are part of the wire formats.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[repr(u8)]
pub enum LimitRule {
    /// All requests of an IPv4 address or IPv6 /64.
    Address = 0,
    /// Pages, API calls and sign-ins of a client.
    Client = 1,
    /// The same of a session that the site issued.
    Session = 2,
    /// Pages of a client.
    Page = 3,
    /// API calls of a client.
    Api = 4,
    /// Sign-ins of a client, failed or under way.
    Login = 5,
    /// Assets of a client.
    Asset = 6,
    /// Requests of a verified crawler whose category is limited.
    Crawler = 7,
    /// Pages and API calls of all newcomers of an address together.
    Newcomers = 8,
    /// The same of a network (IPv4 /24, IPv6 /48).
    Network = 9,
    /// Pages and API calls of all clients of an address together.
    #[serde(rename = "address_page")]
    AddressPage = 10,
    /// Sign-ins of an address, failed or under way.
    #[serde(rename = "address_login")]
    AddressLogin = 11,
    /// Sign-ins of a network's newcomers, failed or under way.
    #[serde(rename = "network_login")]
    NetworkLogin = 12,
    /// What other sites bring along to an address, but for links that are followed.
    #[serde(rename = "cross_site")]
    CrossSite = 13,
}

/// So many replicas may owe a burst each.
const MOST_REPLICAS: u64 = 16;

/// How many rules there are.
const COUNT: usize = 14;

impl LimitRule {
    /// All rules, in the order of their numbers.
    pub const ALL: [LimitRule; COUNT] = [
        Self::Address,
        Self::Client,
        Self::Session,
        Self::Page,
        Self::Api,
        Self::Login,
        Self::Asset,
        Self::Crawler,
        Self::Newcomers,
        Self::Network,
        Self::AddressPage,
        Self::AddressLogin,
        Self::NetworkLogin,
        Self::CrossSite,
    ];

    /// The name in policy, header and events.
    pub fn name(self) -> &'static str {
        match self {
            Self::Address => "address",
            Self::Client => "client",
            Self::Session => "session",
            Self::Page => "page",
            Self::Api => "api",
            Self::Login => "login",
            Self::Asset => "asset",
            Self::Crawler => "crawler",
            Self::Newcomers => "newcomers",
            Self::Network => "network",
            Self::AddressPage => "address_page",
            Self::AddressLogin => "address_login",
            Self::NetworkLogin => "network_login",
            Self::CrossSite => "cross_site",
        }
    }

    /// Whether all of an address are charged together.
    pub fn is_of_address(self) -> bool {
        matches!(
            self,
            Self::Address | Self::Newcomers | Self::AddressPage | Self::AddressLogin | Self::CrossSite
        )
    }

    /// Whether all of a network are charged together.
    pub fn is_of_network(self) -> bool {
        matches!(self, Self::Network | Self::NetworkLogin)
    }

    /// Whether sign-ins are charged: those that succeed are given back.
    pub fn is_of_logins(self) -> bool {
        matches!(self, Self::Login | Self::AddressLogin | Self::NetworkLogin)
    }

    /// The rule of a number.
    pub fn from_u8(number: u8) -> Option<Self> {
        Self::ALL.get(usize::from(number)).copied()
    }

    /// The rule of a name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|rule| rule.name() == name)
    }
}

/// What happens over a limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LimitMode {
    /// 429.
    #[default]
    Enforce,
    /// The request goes on; only an event tells.
    Shadow,
}

/// A limit in the form that the judge runs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CompiledLimit {
    pub(crate) rate: Rate,
    pub(crate) mode: LimitMode,
    /// Requests at once.
    pub burst: u32,
}

impl CompiledLimit {
    /// Time between two requests at the limit's rate, in µs.
    pub fn interval_us(&self) -> u64 {
        self.rate.interval_us
    }

    /// A cell further ahead than this, µs, is worth sharing with other replicas: lighter clients cost nobody anything. A
    /// quarter of the tolerance.
    pub fn shared_from_us(&self) -> u64 {
        self.rate.tolerance_us / 4
    }

    /// How far a full cell of this limit is ahead of the clock, in µs: the burst and what came last.
    pub fn most_ahead_us(&self) -> u64 {
        self.rate.most_ahead_us()
    }

    /// What settling may tell of this limit's cells, in µs: each replica may have let a burst through before it heard of
    /// the others. More is not believed, so that no answer bans for ever.
    pub(crate) fn most_settled_us(&self) -> u64 {
        self.most_ahead_us().saturating_mul(MOST_REPLICAS)
    }

    /// The window in which the burst comes back, in whole seconds, at least 1.
    pub fn window_s(&self) -> u64 {
        self.rate.interval_us.saturating_mul(u64::from(self.burst)).div_ceil(1_000_000).max(1)
    }
}

/// The limits of a policy, by the rule's number.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits([Option<CompiledLimit>; COUNT]);

impl Limits {
    pub(super) fn new(config: &RateLimitConfig) -> Self {
        let mut limits = [None; COUNT];
        for (slot, rule) in limits.iter_mut().zip(LimitRule::ALL) {
            *slot = config.limit(rule).map(|limit| CompiledLimit {
                rate: Rate::new(limit.per_second, limit.burst),
                mode: limit.mode,
                burst: limit.burst,
            });
        }
        Self(limits)
    }

    pub(crate) fn get(&self, rule: LimitRule) -> Option<CompiledLimit> {
        self.0.get(rule as usize).copied().flatten()
    }
}
