//! Rate limits: which there are, and their compiled form.

use serde::{Deserialize, Serialize};

use super::config::{Limit, RateLimitConfig};
use super::host;
use super::host_limits::HostLimits;
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
    /// What other sites bring along of newcomers of an address, but for assets and links that are followed.
    #[serde(rename = "cross_site")]
    CrossSite = 13,
    /// Previews of pages, of all of an address who claim to be for them.
    Preview = 14,
    /// Feeds, the same way.
    Feed = 15,
    /// Health checks, the same way.
    Monitoring = 16,
    /// Webhooks, the same way.
    Webhook = 17,
    /// Revocation lists and proofs for certificates, the same way.
    Certificate = 18,
    /// Routes of apps, the same way.
    App = 19,
    /// Code and packages, the same way.
    Tool = 20,
}

/// So many replicas may owe a burst each.
const MOST_REPLICAS: u64 = 16;

/// How many budgets there are of those who say what they are for: the last rules.
pub(crate) const OF_AGENTS: usize = 7;

/// How many rules there are.
const COUNT: usize = 21;

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
        Self::Preview,
        Self::Feed,
        Self::Monitoring,
        Self::Webhook,
        Self::Certificate,
        Self::App,
        Self::Tool,
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
            Self::Preview => "preview",
            Self::Feed => "feed",
            Self::Monitoring => "monitoring",
            Self::Webhook => "webhook",
            Self::Certificate => "certificate",
            Self::App => "app",
            Self::Tool => "tool",
        }
    }

    /// Whether all of an address are charged together.
    pub fn is_of_address(self) -> bool {
        matches!(
            self,
            Self::Address | Self::Newcomers | Self::AddressPage | Self::AddressLogin | Self::CrossSite
        ) || self.of_agents().is_some()
    }

    /// Which of the budgets it is that those share who say what they are for.
    pub(crate) fn of_agents(self) -> Option<usize> {
        (self as usize).checked_sub(Self::Preview as usize)
    }

    /// Whether all of a network are charged together.
    pub fn is_of_network(self) -> bool {
        matches!(self, Self::Network | Self::NetworkLogin)
    }

    /// Whether going over it is one visitor's doing: many people may share an address or a network, and a page's files come
    /// as many as it names.
    pub(crate) fn is_of_one(self) -> bool {
        !self.is_of_address() && !self.is_of_network() && self != Self::Asset
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

    /// How far a full cell is ahead of the clock, in µs: the burst and what came last. Hosts share cells, so it is that of
    /// the widest limit of the rule.
    pub fn full_us(&self) -> u64 {
        self.rate.full_us
    }

    /// What settling may tell of this limit's cells, in µs: each replica may have let a burst through before it heard of
    /// the others. More is not believed, so that no answer bans for ever.
    pub(crate) fn most_settled_us(&self) -> u64 {
        self.full_us().saturating_mul(MOST_REPLICAS)
    }

    /// The window in which the burst comes back, in whole seconds, at least 1.
    pub fn window_s(&self) -> u64 {
        self.rate.interval_us.saturating_mul(u64::from(self.burst)).div_ceil(1_000_000).max(1)
    }
}

/// Limits by the rule's number.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits([Option<CompiledLimit>; COUNT]);

impl Limits {
    fn new(limit: impl Fn(LimitRule) -> Option<Limit>) -> Self {
        Self(LimitRule::ALL.map(|rule| {
            limit(rule).map(|limit| CompiledLimit {
                rate: Rate::new(limit.per_second, limit.burst),
                mode: limit.mode,
                burst: limit.burst,
            })
        }))
    }

    pub(crate) fn get(&self, rule: LimitRule) -> Option<CompiledLimit> {
        self.0.get(rule as usize).copied().flatten()
    }
}

/// The limits of a policy.
#[derive(Clone, Debug)]
pub(super) struct LimitsByHost {
    everywhere: Limits,
    hosts: Vec<Limits>,
    /// Of each rule the one whose full cell is furthest ahead.
    widest: Limits,
}

impl LimitsByHost {
    pub(super) fn new(config: &RateLimitConfig) -> Self {
        let of_host = |host: &HostLimits| Limits::new(|rule| host.limit(rule, config));
        let mut limits = Self {
            everywhere: Limits::new(|rule| config.limit(rule)),
            hosts: config.hosts.iter().map(of_host).collect(),
            widest: Limits([None; COUNT]),
        };
        let Self { everywhere, hosts, widest } = &mut limits;
        for limit in
            std::iter::once(&*everywhere).chain(hosts.iter()).flat_map(|limits| limits.0.iter().enumerate())
        {
            let (rule, Some(limit)) = limit else { continue };
            if let Some(held) = widest.0.get_mut(rule)
                && held.is_none_or(|held| held.full_us() < limit.full_us())
            {
                *held = Some(*limit);
            }
        }
        // Hosts share cells: what one of them left is no older policy's for another.
        for limits in std::iter::once(everywhere).chain(hosts) {
            for (limit, widest) in limits.0.iter_mut().zip(&widest.0) {
                if let (Some(limit), Some(widest)) = (limit, widest) {
                    limit.rate.full_us = widest.rate.full_us;
                }
            }
        }
        limits
    }

    /// Which limits are looked at for an `:authority`: those of the host that names it most closely, of equal ones the
    /// first; 0 for those of all hosts.
    pub(super) fn place(&self, config: &RateLimitConfig, authority: &[u8]) -> u16 {
        if self.hosts.is_empty() {
            return 0;
        }
        let name = host::name(authority);
        let close = config.hosts.iter().zip(1..);
        let close =
            close.filter_map(|(limits, place)| Some((host::closeness(Some(&limits.host), name)?, place)));
        // Of equal ones the last would be taken.
        let closest = close.max_by_key(|(closeness, place)| (*closeness, std::cmp::Reverse(*place)));
        closest.map_or(0, |(_, place)| place)
    }

    /// The limits of a place; those of all hosts where there is none, as after another policy came into force.
    pub(super) fn at(&self, place: u16) -> &Limits {
        let of_host = usize::from(place).checked_sub(1).and_then(|at| self.hosts.get(at));
        of_host.unwrap_or(&self.everywhere)
    }

    pub(super) fn widest(&self) -> &Limits {
        &self.widest
    }
}
