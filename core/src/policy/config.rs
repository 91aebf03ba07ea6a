//! The policy as an operator writes it: the `policy` section of `config.yaml` and of the plugin config.
//!
//! Every key has a default; unknown keys are refused. [`super::Policy::compile`] turns it into what the judge runs.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::agents::AgentsConfig;
use super::crawlers::CrawlersConfig;
use super::host_limits::HostLimits;
use super::limits::{LimitMode, LimitRule};
use crate::path::PathClass;

/// What to do with whom.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PolicyConfig {
    /// Whether refusals are carried out. Default `monitor`.
    pub enforcement: Enforcement,
    /// When the filter asks the control plane. Default `uncertain`.
    pub consult: Consult,
    /// How long a control plane's verdict holds for a client, in seconds, 1 to 86,400. Default 300.
    pub consult_ttl_s: ConsultTtl,
    /// Scores at which the actions begin.
    pub thresholds: Thresholds,
    /// Weight of each check in log-odds, -10 to 10, by the check's name; what is not named keeps its default.
    pub weights: BTreeMap<String, f32>,
    /// Who is never and who is always refused.
    pub lists: ListsConfig,
    /// How many requests are too many.
    pub rate_limit: RateLimitConfig,
    /// What verified crawlers may do.
    pub crawlers: CrawlersConfig,
    /// What agents may do that say what they are for, by that and by where they go.
    pub agents: AgentsConfig,
    /// When a session is suspicious.
    pub sessions: SessionsConfig,
    /// Where visitors sign in, besides the paths that are known by their names.
    pub login: LoginConfig,
    /// Paths that no visitor is ever linked to: exact, or with `*` at the end for a prefix. They fit in any ASCII case,
    /// with a slash at the end or without.
    pub trap_paths: Vec<String>,
    /// What differs by host and path prefix; of those that fit, the one that names the host most closely counts, then the
    /// longest prefix.
    pub routes: Vec<Route>,
    /// Which requests tell the origin about their judgement in the header `x-sallyport`. Default `always`.
    pub header: HeaderPolicy,
    /// Above this many ALLOW records per second and worker, observations of ALLOW are sampled. Default 200.
    pub observe_allow_per_second: ObserveRate,
    /// What the filter does with responses. Default `pages`.
    pub responses: Responses,
}

impl PolicyConfig {
    /// Reads the JSON form. Not generic, so that the filter carries the code for it once.
    ///
    /// # Errors
    /// The first mistake of form: unknown keys, wrong types. See [`PolicyConfig::problems`] for those of sense.
    pub fn from_json(text: &[u8]) -> Result<Self, serde_json::Error> {
        serde_json::from_slice(text)
    }
}

/// Whether refusals are carried out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Enforcement {
    /// Compute everything, refuse nothing.
    #[default]
    Monitor,
    /// Carry out.
    Enforce,
}

/// When the filter asks the control plane.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Consult {
    /// Never: the filter judges alone.
    Never,
    /// When the score lies between the monitor and block thresholds and no verdict is fresh.
    #[default]
    Uncertain,
    /// For every judged request.
    Always,
}

/// What happens to a request whose consult fails.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FailMode {
    /// The filter's own decision counts.
    #[default]
    Open,
    /// The request is refused with 503.
    Closed,
}

/// Which requests carry `x-sallyport` to the origin.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum HeaderPolicy {
    /// All.
    #[default]
    Always,
    /// All but plain ALLOW; a client's own copy is removed.
    Flagged,
    /// None; a client's own copy is removed.
    Never,
}

/// Which answers the filter reads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Responses {
    /// All but a proven client's assets: failed logins, probing for what does not exist, and what proves a newcomer.
    #[default]
    Pages,
    /// Sign-ins only: newcomers prove themselves by their requests alone.
    Logins,
}

/// Seconds that a verdict holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ConsultTtl(pub u32);

impl Default for ConsultTtl {
    fn default() -> Self {
        Self(300)
    }
}

/// Records per second and worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ObserveRate(pub u32);

impl Default for ObserveRate {
    fn default() -> Self {
        Self(200)
    }
}

/// Scores, 0 to 100, at which the actions begin; in rising order.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Thresholds {
    /// MONITOR from here. Default 50.
    pub monitor: f32,
    /// CHALLENGE from here. Default 70.
    pub challenge: f32,
    /// BLOCK from here. Default 90.
    pub block: f32,
}

impl Default for Thresholds {
    fn default() -> Self {
        Self { monitor: 50.0, challenge: 70.0, block: 90.0 }
    }
}

/// Lists decide at once; the allow list comes first.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ListsConfig {
    /// Addresses and ranges that always pass: `192.0.2.7`, `2001:db8::/32`.
    pub allow: Vec<String>,
    /// Addresses and ranges that are always refused.
    pub deny: Vec<String>,
    /// User agents that always pass, by a part of them, or by parts with `*` between that make up all of one: 64 at
    /// most, whatever the case. A user agent is only a claim: prefer addresses.
    pub allow_user_agents: Vec<String>,
}

/// Rate limits (GCRA): so many per second on the long run, so many at once. Each request counts for the limits of its
/// address, its client, its session where the site issued one, and its route class; a newcomer's also for what newcomers
/// of its address and network share.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RateLimitConfig {
    /// All requests of an IPv4 address or IPv6 /64. Default 100 per second, 500 at once.
    pub address: Limit,
    /// Pages, API calls and sign-ins of one client. Default 5 per second, 60 at once.
    pub client: Limit,
    /// The same of one session that the site issued. Default: as `client`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session: Option<Limit>,
    /// Pages of one client. Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub page: Option<Limit>,
    /// API calls of one client. Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub api: Option<Limit>,
    /// Sign-ins of one client that fail or are under way; one that succeeds is given back. Default 0.05 per second,
    /// 40 at once.
    pub login: Limit,
    /// Assets of one client. Default 80 per second, 500 at once.
    pub asset: Limit,
    /// Requests of a client that is a verified crawler of a limited category, in place of all other limits; each address
    /// of a crawler is a client. Default 2 per second, 60 at once.
    pub crawler: Limit,
    /// Pages and API calls of all newcomers of an address together: clients that have not yet loaded what pages need, for
    /// a minute at least. It grows with the clients that have, up to four times. Default 5 per second, 60 at once.
    pub newcomers: Limit,
    /// The same of a network (IPv4 /24, IPv6 /48). Default 20 per second, 240 at once.
    pub network: Limit,
    /// Pages and API calls of all clients of an address together. Default 50 per second, 600 at once.
    pub address_page: Limit,
    /// Sign-ins of an address that fail or are under way. It grows as `newcomers` does. Default 0.1 per second, 40 at once.
    pub address_login: Limit,
    /// The same of the newcomers of a network. Default 0.4 per second, 160 at once.
    pub network_login: Limit,
    /// What other sites bring along to an address, newcomers' pages, calls and posts (not assets, nor links that are
    /// followed). Default 5 per second, 60 at once.
    pub cross_site: Limit,
    /// Pages and pictures that all of an address ask for who claim to preview links. Default 0.1 per second,
    /// 20 at once.
    pub preview: Limit,
    /// Feeds that all of an address ask for who claim to read them. Default 0.2 per second,
    /// 30 at once.
    pub feed: Limit,
    /// Health checks of an address, of whoever claims to make them. Default 2 per second,
    /// 60 at once.
    pub monitoring: Limit,
    /// Webhooks of an address, of whoever claims to send them. Default 2 per second,
    /// 120 at once.
    pub webhook: Limit,
    /// Revocation lists and proofs for certificates, of whoever of an address claims to need them. Default 0.5 per second,
    /// 60 at once.
    pub certificate: Limit,
    /// Routes of apps, of all of an address that claim to be one. Default 5 per second,
    /// 60 at once.
    pub app: Limit,
    /// Code and packages that all tools of an address ask for. Default 5 per second,
    /// 120 at once.
    pub tool: Limit,
    /// What differs for requests to some hosts. Cells are one for all hosts: only the limit that is looked at differs.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub hosts: Vec<HostLimits>,
}

impl Default for RateLimitConfig {
    fn default() -> Self {
        Self {
            address: Limit::new(100.0, 500),
            client: Limit::new(5.0, 60),
            session: None,
            page: None,
            api: None,
            login: Limit::new(0.05, 40),
            asset: Limit::new(80.0, 500),
            crawler: Limit::new(2.0, 60),
            newcomers: Limit::new(5.0, 60),
            network: Limit::new(20.0, 240),
            address_page: Limit::new(50.0, 600),
            address_login: Limit::new(0.1, 40),
            network_login: Limit::new(0.4, 160),
            cross_site: Limit::new(5.0, 60),
            preview: Limit::new(0.1, 20),
            feed: Limit::new(0.2, 30),
            monitoring: Limit::new(2.0, 60),
            webhook: Limit::new(2.0, 120),
            certificate: Limit::new(0.5, 60),
            app: Limit::new(5.0, 60),
            tool: Limit::new(5.0, 120),
            hosts: Vec::new(),
        }
    }
}

impl RateLimitConfig {
    /// What is configured for a rule.
    pub fn limit(&self, rule: LimitRule) -> Option<Limit> {
        match rule {
            LimitRule::Address => Some(self.address),
            LimitRule::Client => Some(self.client),
            LimitRule::Session => Some(self.session.unwrap_or(self.client)),
            LimitRule::Page => self.page,
            LimitRule::Api => self.api,
            LimitRule::Login => Some(self.login),
            LimitRule::Asset => Some(self.asset),
            LimitRule::Crawler => Some(self.crawler),
            LimitRule::Newcomers => Some(self.newcomers),
            LimitRule::Network => Some(self.network),
            LimitRule::AddressPage => Some(self.address_page),
            LimitRule::AddressLogin => Some(self.address_login),
            LimitRule::NetworkLogin => Some(self.network_login),
            LimitRule::CrossSite => Some(self.cross_site),
            LimitRule::Preview => Some(self.preview),
            LimitRule::Feed => Some(self.feed),
            LimitRule::Monitoring => Some(self.monitoring),
            LimitRule::Webhook => Some(self.webhook),
            LimitRule::Certificate => Some(self.certificate),
            LimitRule::App => Some(self.app),
            LimitRule::Tool => Some(self.tool),
        }
    }
}

/// One rate limit.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limit {
    /// Requests per second, 0.001 to 1,000,000.
    pub per_second: f32,
    /// Requests at once, 1 to 1,000,000.
    pub burst: u32,
    /// Whether what is too much is refused, or only told of. Default `enforce`.
    #[serde(default)]
    pub mode: LimitMode,
}

impl Limit {
    /// An enforced limit.
    pub fn new(per_second: f32, burst: u32) -> Self {
        Self { per_second, burst, mode: LimitMode::Enforce }
    }
}

/// When a session is suspicious: an action is one that is judged CHALLENGE or worse, hits a trap or a scanner's path,
/// is over a limit of its own (not its address's), or fails to sign in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SessionsConfig {
    /// So many suspicious actions, and the session is challenged whatever it does; 1 to 255. Default 3.
    pub suspicious: u8,
    /// Forgotten so long after the last one, in seconds, 1 to 604,800. Default 3600.
    pub keep_s: u32,
}

impl Default for SessionsConfig {
    fn default() -> Self {
        Self { suspicious: 3, keep_s: 3600 }
    }
}

/// Sign-in routes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LoginConfig {
    /// The site's own; paths that end in `/login`, `/signin`, `/session` and the like are known.
    pub routes: Vec<LoginRoute>,
}

/// One sign-in route.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LoginRoute {
    /// The path, in any ASCII case, with a slash at the end or without; and what goes on from it with `.` or `/`, as
    /// `/in.json` and `/in/x` from `/in`, but for a longer route and where the method only looks (GET).
    pub path: String,
    /// Only on this host, as [`Route::host`]. Default: on any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// The method of an attempt, in any ASCII case; whatever its method is a sign-in that is known by its name. Default POST.
    #[serde(default = "post")]
    pub method: String,
    /// Statuses of a failed attempt. Default 400, 401, 403, 422.
    #[serde(default = "failing_statuses")]
    pub failing_statuses: Vec<u16>,
    /// Whether a 200, or a redirect to the same path (but a 307 or 308, which repeat the attempt) or to where the referer
    /// says that the visitor came from, is a failed attempt too: many sites show the form again. Not for sites that lead back
    /// to that page after a success.
    #[serde(default)]
    pub same_page: bool,
}

fn post() -> String {
    "POST".to_owned()
}

pub(super) fn failing_statuses() -> Vec<u16> {
    vec![400, 401, 403, 422]
}

/// What differs for the paths that begin with a prefix, and for a host. Clients' records are one for all hosts.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Route {
    /// Beginning of the path, with its `/`. Paths here are written plain, and fit however a client spells them:
    /// with `%41`, `;parameters`, `//`, `.` and `..` resolved, in any ASCII case: else `/API/` would be a way around what
    /// is said of `/api/`. Only a beginning: `/api` fits `/apis` too, and `/api/` does not fit `/api`.
    pub prefix: String,
    /// Only on this host: a name, or `*.shop.example` for all below one, in any ASCII case; port and closing dot of the
    /// request's `:authority` do not count. Comes before routes that name none, or name it less closely. Default: on any.
    /// The client says what its host is: name those that Envoy has virtual hosts for, and answers no others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// What the paths are: `page`, `asset`, `api`, `login`, or `ignore` for what is neither judged nor counted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub class: Option<PathClass>,
    /// Overrides `enforcement`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enforcement: Option<Enforcement>,
    /// Overrides `consult`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub consult: Option<Consult>,
    /// What happens where a consult fails. Default `open`.
    #[serde(default)]
    pub fail_mode: FailMode,
    /// Whether only who is signed in gets a 2xx here: then a proven client's session that got one is the site's, also
    /// where nobody saw it being issued. Default false.
    #[serde(default)]
    pub signed_in: bool,
}
