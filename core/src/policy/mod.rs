//! The policy: what an operator writes ([`PolicyConfig`]), checked as a whole, compiled for the hot path.

mod agents;
mod config;
mod crawlers;
mod host;
mod host_limits;
mod limits;
mod lists;
pub(crate) mod pattern;
mod patterns;
mod problems;
mod routing;

pub use agents::{AgentPolicy, AgentPreset, AgentsConfig};
pub use config::{
    Consult, ConsultTtl, Enforcement, FailMode, HeaderPolicy, Limit, ListsConfig, LoginConfig, LoginRoute,
    ObserveRate, PolicyConfig, RateLimitConfig, Responses, Route, SessionsConfig, Thresholds,
};
pub use crawlers::{CrawlerCategory, CrawlerPolicy, CrawlersConfig};
pub use host_limits::HostLimits;
use limits::LimitsByHost;
pub use limits::{CompiledLimit, LimitMode, LimitRule};
pub(crate) use limits::{Limits, OF_AGENTS};
pub use lists::{ListAction, ListEntry, ListTarget, Lists};
pub use problems::Problem;

use crate::check::{CHECK_COUNT, Check};

/// A policy that was checked, in the form that the judge runs.
#[derive(Clone, Debug)]
pub struct Policy {
    config: PolicyConfig,
    weights: [f32; CHECK_COUNT],
    lists: Lists,
    limits: LimitsByHost,
    everywhere: Route,
}

impl Default for Policy {
    fn default() -> Self {
        Self::assemble(PolicyConfig::default())
    }
}

impl Policy {
    /// Checks and compiles.
    ///
    /// # Errors
    /// All mistakes, each with the key it stands at.
    pub fn compile(config: PolicyConfig) -> Result<Self, Vec<Problem>> {
        let problems = config.problems();
        if problems.is_empty() { Ok(Self::assemble(config)) } else { Err(problems) }
    }

    fn assemble(config: PolicyConfig) -> Self {
        let mut weights = [0.0; CHECK_COUNT];
        for (check, weight) in Check::ALL.into_iter().zip(&mut weights) {
            *weight = config.weights.get(check.name()).copied().unwrap_or_else(|| default_weight(check));
        }
        Self {
            weights,
            lists: Lists::of_config(&config.lists),
            limits: LimitsByHost::new(&config.rate_limit),
            everywhere: Route::default(),
            config,
        }
    }

    /// What the operator wrote, with the defaults filled in.
    pub fn config(&self) -> &PolicyConfig {
        &self.config
    }

    /// Weight of a check in log-odds.
    pub fn weight(&self, check: Check) -> f32 {
        self.weights.get(check as usize).copied().unwrap_or(0.0)
    }

    /// Scores at which the actions begin.
    pub fn thresholds(&self) -> &Thresholds {
        &self.config.thresholds
    }

    pub(crate) fn consult(&self) -> Consult {
        self.config.consult
    }

    pub(crate) fn consult_ttl_ms(&self) -> u64 {
        u64::from(self.config.consult_ttl_s.0) * 1000
    }

    pub(crate) fn responses(&self) -> Responses {
        self.config.responses
    }

    pub(crate) fn lists(&self) -> &Lists {
        &self.lists
    }

    /// A rate limit, where there is one, of hosts that have none of their own.
    pub fn limit(&self, rule: LimitRule) -> Option<CompiledLimit> {
        self.limits.at(0).get(rule)
    }

    /// The limit of a rule that counts for requests to this `:authority`. Cells are the same for all hosts.
    pub fn limit_for(&self, rule: LimitRule, authority: &[u8]) -> Option<CompiledLimit> {
        self.limits_at(self.limits_place(authority)).get(rule)
    }

    /// The widest limit of a rule, whatever the host: a cell is told, and taken over, by its size.
    pub fn widest_limit(&self, rule: LimitRule) -> Option<CompiledLimit> {
        self.limits.widest().get(rule)
    }

    /// Which limits count for an `:authority`, for [`Policy::limits_at`].
    pub(crate) fn limits_place(&self, authority: &[u8]) -> u16 {
        self.limits.place(&self.config.rate_limit, authority)
    }

    pub(crate) fn limits_at(&self, place: u16) -> &Limits {
        self.limits.at(place)
    }
}

/// The weights of the first day, in log-odds at full strength: 2.2 turns an even score into 90. Checks that no
/// source feeds yet are only observed (weight 0).
fn default_weight(check: Check) -> f32 {
    match check {
        Check::DatacenterIp => 0.8,
        Check::IpReputation => 1.5,
        Check::UserAgent => 4.0,
        Check::HeadersMismatch => 4.0,
        Check::Ja4Mismatch => 2.5,
        Check::FailedLogins => 1.2,
        Check::TrapPath => 5.0,
        Check::ProbePath => 5.0,
        Check::FormSpam => 5.0,
        Check::AddressClients => 2.6,
        Check::ControlPlane => 6.0,
        Check::Fingerprint
        | Check::SuspiciousSession
        | Check::Model
        | Check::AllowList
        | Check::DenyList
        | Check::RateLimit
        | Check::Crawler => 0.0,
    }
}
