//! The policy: what an operator writes ([`PolicyConfig`]), checked as a whole, compiled for the hot path.

mod config;
mod crawlers;
mod limits;
mod lists;
mod pattern;
mod patterns;
mod problems;

pub use config::{
    Consult, ConsultTtl, Enforcement, FailMode, HeaderPolicy, Limit, ListsConfig, LoginConfig, LoginRoute,
    ObserveRate, PolicyConfig, RateLimitConfig, Responses, Route, SessionsConfig, Thresholds,
};
pub use crawlers::{CrawlerCategory, CrawlerPolicy, CrawlersConfig};
pub(crate) use limits::Limits;
pub use limits::{CompiledLimit, LimitMode, LimitRule};
pub use lists::{ListAction, ListEntry, ListTarget, Lists};
pub use problems::Problem;

use crate::check::{CHECK_COUNT, Check};
use crate::plain::plain;

/// A policy that was checked, in the form that the judge runs.
#[derive(Clone, Debug)]
pub struct Policy {
    config: PolicyConfig,
    weights: [f32; CHECK_COUNT],
    lists: Lists,
    limits: Limits,
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
            limits: Limits::new(&config.rate_limit),
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

    /// The route of a path, however it is spelled: the longest prefix that fits, or one without any difference.
    pub fn route(&self, path: &[u8]) -> &Route {
        self.route_of(&plain(path))
    }

    /// The route of a plain path.
    pub(crate) fn route_of(&self, path: &[u8]) -> &Route {
        let fits = |route: &&Route| path.starts_with(route.prefix.as_bytes());
        self.config
            .routes
            .iter()
            .filter(fits)
            .max_by_key(|route| route.prefix.len())
            .unwrap_or(&self.everywhere)
    }

    /// Whether refusals on this route are carried out.
    pub fn enforces(&self, route: &Route) -> bool {
        route.enforcement.unwrap_or(self.config.enforcement) == Enforcement::Enforce
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

    /// A rate limit, where there is one.
    pub fn limit(&self, rule: LimitRule) -> Option<CompiledLimit> {
        self.limits.get(rule)
    }

    pub(crate) fn is_trap(&self, path: &[u8]) -> bool {
        self.config.trap_paths.iter().any(|trap| pattern::fits_path(trap, path))
    }

    /// The place of the configured login route that this request is an attempt at.
    pub(crate) fn login_route(&self, method: &[u8], path: &[u8]) -> Option<u16> {
        let fits = |login: &LoginRoute| login.path.as_bytes() == path && login.method.as_bytes() == method;
        self.config.login.routes.iter().position(fits).and_then(|at| u16::try_from(at).ok())
    }

    /// Whether an answer means a failed login, by the configured route or by what is usual.
    pub(crate) fn login_failed(&self, login: Option<u16>, path: &[u8], status: u16, location: &[u8]) -> bool {
        let Some(route) = login.and_then(|at| self.config.login.routes.get(usize::from(at))) else {
            return config::failing_statuses().contains(&status);
        };
        let shown_again = status == 200 || ((300..400).contains(&status) && leads_to(location, path));
        route.failing_statuses.contains(&status) || (route.same_page && shown_again)
    }
}

/// Whether a `location`, relative or absolute, leads to `path` whatever its query.
fn leads_to(location: &[u8], path: &[u8]) -> bool {
    let location = crate::facts::strip_query(location);
    let after_scheme = location.windows(3).position(|w| w == b"://").and_then(|at| location.get(at + 3..));
    let target = match after_scheme {
        Some(rest) => rest.iter().position(|b| *b == b'/').and_then(|at| rest.get(at..)),
        None => Some(location),
    };
    target.is_some_and(|target| plain(target) == plain(path))
}

/// The weights of the first day, in log-odds at full strength: 2.2 turns an even score into 90. Checks that no
/// source feeds yet are only observed (weight 0).
fn default_weight(check: Check) -> f32 {
    match check {
        Check::DatacenterIp => 0.8,
        Check::IpReputation => 1.5,
        Check::UserAgent => 1.5,
        Check::HeadersMismatch => 1.8,
        Check::Ja4Mismatch => 1.5,
        Check::FailedLogins => 3.0,
        Check::TrapPath => 3.0,
        Check::ProbePath => 3.5,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_prefix_counts() {
        let route = |prefix: &str, class| Route { prefix: prefix.into(), class, ..Default::default() };
        let policy = Policy::compile(PolicyConfig {
            routes: vec![route("/api/", None), route("/api/health", Some(crate::PathClass::Ignore))],
            ..Default::default()
        })
        .expect("valid");
        assert_eq!(policy.route(b"/api/health").class, Some(crate::PathClass::Ignore));
        assert_eq!(policy.route(b"/api/x").prefix, "/api/");
        assert_eq!(policy.route(b"/").prefix, "");
    }

    #[test]
    fn no_spelling_of_a_path_takes_another_route() {
        let ignored =
            Route { prefix: "/health".into(), class: Some(crate::PathClass::Ignore), ..Default::default() };
        let policy = Policy::compile(PolicyConfig { routes: vec![ignored], ..Default::default() });
        let policy = policy.expect("valid");
        assert_eq!(policy.route(b"//health/db").prefix, "/health");
        for path in ["/health/../login", "/health/..%2flogin", "/health/%2e%2e/login", "/health/..;/login"] {
            assert_eq!(policy.route(path.as_bytes()).prefix, "", "{path}");
        }
    }

    #[test]
    fn a_login_form_shown_again_is_a_failure_where_configured() {
        let policy = Policy::compile(PolicyConfig {
            login: LoginConfig {
                routes: vec![LoginRoute {
                    path: "/in".into(),
                    method: "POST".into(),
                    failing_statuses: vec![401],
                    same_page: true,
                }],
            },
            ..Default::default()
        })
        .expect("valid");
        let login = policy.login_route(b"POST", b"/in");
        assert_eq!(login, Some(0));
        for (status, location, failed) in [
            (200, "", true),
            (401, "", true),
            (303, "/in?error=1", true),
            (303, "https://site.example/in", true),
            (303, "/account", false),
            (500, "", false),
        ] {
            assert_eq!(
                policy.login_failed(login, b"/in", status, location.as_bytes()),
                failed,
                "{status} {location}"
            );
        }
        assert!(!policy.login_failed(None, b"/login", 200, b""));
        assert!(policy.login_failed(None, b"/login", 401, b""));
    }
}
