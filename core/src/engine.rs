//! The judge: policy, model, ranges and key together, and the life of one request through them.

use crate::address::AddressState;
use crate::agent::Agent;
use crate::check::{Check, Evidence};
use crate::client::{ClientState, Visit, one_if};
use crate::crawler::{claimed_crawler, spare_pending};
use crate::decision::{Action, Basis, Decision, Reasons};
use crate::facts::RequestFacts;
use crate::features::Features;
use crate::headers::{headers_mismatch, ja4_mismatch};
use crate::keys::HashKey;
use crate::limiter;
use crate::model::{Model, sigmoid};
use crate::path::{PathClass, classify, is_icon, is_probe, is_robots};
use crate::plain::plain;
use crate::policy::{Consult, LimitRule, ListAction, Lists, Policy, Responses, Route};
use crate::ranges::Ranges;
use crate::score::{judge, rescored};

/// Everything a judgement needs besides the request and the records. Immutable: a new snapshot is a new engine.
#[derive(Clone, Debug)]
pub struct Engine {
    policy: Policy,
    model: Model,
    ranges: Ranges,
    lists: Lists,
    key: HashKey,
    version: u64,
}

/// What is known of a request's session and network besides its records.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Marks {
    /// Suspicious actions of the session; 0 without one.
    pub session: u8,
    /// How strongly failed logins from all over the client's network speak, in [0, 1].
    pub network: f32,
}

/// What must be known of a request when its answer comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Watch {
    is_attempt: bool,
    /// The login route's place in the policy, where one is configured.
    login: Option<u16>,
}

impl Watch {
    /// Whether the answer's `location` is needed besides its status.
    pub fn is_login_attempt(&self) -> bool {
        self.is_attempt
    }
}

/// The origin's answer to a watched request.
#[derive(Clone, Copy, Debug)]
pub struct Answer<'a> {
    /// The request's path without query.
    pub path: &'a [u8],
    /// `:status`.
    pub status: u16,
    /// `location`; only read for login attempts.
    pub location: &'a [u8],
}

/// How a login attempt ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoginOutcome {
    /// Refused by the application.
    Failed,
    /// Accepted, as far as the status tells.
    Passed,
}

impl Engine {
    /// The judge of one snapshot; `version` is the snapshot's, 0 for none.
    pub fn new(policy: Policy, model: Model, ranges: Ranges, key: HashKey, version: u64) -> Self {
        Self { policy, model, ranges, lists: Lists::default(), key, version }
    }

    /// The same with these lists besides the policy's.
    #[must_use]
    pub fn with_lists(self, lists: Lists) -> Self {
        Self { lists, ..self }
    }

    /// The compiled policy.
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// The snapshot's version, 0 for none.
    pub fn version(&self) -> u64 {
        self.version
    }

    /// The deployment's hash key.
    pub fn key(&self) -> &HashKey {
        &self.key
    }

    /// The address ranges.
    pub fn ranges(&self) -> &Ranges {
        &self.ranges
    }

    /// The network.
    pub fn model(&self) -> &Model {
        &self.model
    }

    /// Counts the request in both records and judges it; `now_ms` is Unix milliseconds. A route of class
    /// `ignore` changes neither record; a new client that a list or its address's limit refuses stays new.
    pub fn decide(
        &self,
        facts: &RequestFacts<'_>,
        client: &mut ClientState,
        address: &mut AddressState,
        marks: Marks,
        now_ms: u64,
    ) -> Decision {
        let path = plain(facts.path);
        let route = self.policy.route_of(facts.authority, &path);
        let class = route.class.unwrap_or_else(|| classify(facts, &path));
        if class == PathClass::Ignore {
            return Decision { basis: Basis::Ignored, ..Decision::default() };
        }
        if client.is_from_later(now_ms) {
            *client = ClientState::new(client.key);
        }
        if address.is_from_later(now_ms) {
            *address = AddressState::new(address.key);
        }
        let is_new = client.is_new();
        // A session that was made up for this request counts like none: its record is that of the client without one.
        let by_session = !facts.session.is_empty() && client.key == self.key.session(facts.session);
        // Whose key is the session can change its user agent.
        if is_new || by_session {
            let agent = Agent::judge(facts.user_agent, now_ms);
            client.agent_kind = agent.kind as u8;
            client.agent_suspicion = agent.suspicion;
            client.claims_crawler = u8::from(claimed_crawler(facts.user_agent).is_some());
        }
        let (login, is_attempt) = self.attempt(facts, &path, class);
        let visit = Visit {
            class,
            path: facts.path,
            has_referer: !matches!(facts.referer, b"" | b"-"),
            is_head: facts.method == b"HEAD",
            is_attempt,
            is_probe: route.class.is_none() && is_probe(class, facts.path, &path),
            is_trap: self.policy.is_trap(&path),
            is_robots: is_robots(&path),
        };
        client.visit(visit, now_ms);
        address.visit(client.key, class == PathClass::Asset, now_ms);

        let mismatch = Mismatch { headers: headers_mismatch(facts), ja4: ja4_mismatch(facts) };
        let features = Features::of(client, mismatch.headers.max(mismatch.ja4));
        let mut decision = self
            .listed(facts, &path, features, now_ms)
            .or_else(|| self.verified(client, features, now_ms))
            .unwrap_or_else(|| {
                let whose = if by_session { LimitRule::Session } else { LimitRule::Client };
                let spent = limiter::spend(&self.policy, (class, is_attempt), whose, client, address);
                let mut decision = if let Some(wait_us) = spent.wait_us {
                    self.over_limit(features, wait_us)
                } else {
                    let mut evidence = self.evidence(facts, client, address, mismatch);
                    if is_attempt {
                        let own = evidence.get(Check::FailedLogins);
                        let neighbours = failed_logins(address.failures, address.attempts);
                        let others = neighbours.min(MOST_OF_NEIGHBOURS).max(marks.network);
                        evidence.set(Check::FailedLogins, own.max(others));
                    }
                    judge(&self.policy, &self.model, &features, &evidence)
                };
                (decision.limit, decision.charges) = (spent.over, spent.charges);
                decision
            });
        if let Some(verdict) = client.crawler_verdict(now_ms) {
            spare_pending(&mut decision, verdict);
        }
        if !facts.session.is_empty() {
            let hits = visit.is_trap || visit.is_probe;
            // Anybody can make up sessions: what they do is nobody's yet.
            decision.is_suspicious = match decision.basis {
                _ if !by_session => false,
                Basis::Score => hits || decision.action.refuses(),
                // Many people may share an address, and its limit.
                Basis::RateLimit => decision.limit.is_some_and(|over| over.rule != LimitRule::Address),
                _ => false,
            };
            self.challenge_suspicious(&mut decision, marks.session);
        }
        let reads_pages = self.policy.responses() == Responses::Pages;
        let watched = is_attempt || (reads_pages && class != PathClass::Asset && !is_icon(&path));
        decision.watch = watched.then_some(Watch { is_attempt, login });
        // Who is refused as an address has not begun to be a client: else it could push all others out of the table.
        if is_new && matches!(decision.basis, Basis::DenyList | Basis::RateLimit) {
            *client = ClientState::new(client.key);
        }
        decision
    }

    /// Whether a request tries to sign in: only then [`Marks::network`] counts. Cheap for what only reads.
    pub fn is_login_attempt(&self, facts: &RequestFacts<'_>) -> bool {
        if facts.method != b"POST" && !self.policy.signs_in_by(facts.method) {
            return false;
        }
        let path = plain(facts.path);
        let class =
            self.policy.route_of(facts.authority, &path).class.unwrap_or_else(|| classify(facts, &path));
        class != PathClass::Ignore && self.attempt(facts, &path, class).1
    }

    /// The place of the login route in the policy, where one is configured, and whether the request is an attempt.
    fn attempt(&self, facts: &RequestFacts<'_>, path: &[u8], class: PathClass) -> (Option<u16>, bool) {
        let login = self.policy.login_route(facts.method, facts.authority, path);
        (login, login.is_some() || (class == PathClass::Login && facts.method == b"POST"))
    }

    /// Judges given features and evidence, without any record: the control plane's part in a consult.
    pub fn score(&self, features: &Features, evidence: &Evidence) -> Decision {
        judge(&self.policy, &self.model, features, evidence)
    }

    /// Score and action of a decision that rested on its score, had `candidate` judged in the model's place: its
    /// log-odds take the place of the model's, the checks stay. That no single finding blocks alone is not looked at.
    pub fn rescore(
        &self,
        score: f32,
        ml_probability: f32,
        features: &Features,
        candidate: &Model,
    ) -> (f32, Action) {
        rescored(&self.policy, score, ml_probability, candidate.logit(features))
    }

    /// Whether to ask the control plane: the route's `consult`, and under `uncertain` a score between the
    /// monitor and block thresholds without a verdict that is still fresh at `now_ms`, or the claim to be a crawler
    /// that nobody has looked into lately.
    pub fn needs_consult(
        &self,
        route: &Route,
        decision: &Decision,
        client: &ClientState,
        now_ms: u64,
    ) -> bool {
        if decision.basis != Basis::Score {
            return false;
        }
        match route.consult.unwrap_or(self.policy.consult()) {
            Consult::Never => false,
            Consult::Always => true,
            Consult::Uncertain => {
                let thresholds = self.policy.thresholds();
                if client.claims_crawler() && client.agent_verdict(now_ms).is_none() {
                    return true;
                }
                client.verdict_until_ms <= now_ms
                    && (thresholds.monitor..thresholds.block).contains(&decision.score)
            }
        }
    }

    /// Keeps the control plane's score (0 to 100) of a decision in the record, for the policy's TTL, as the
    /// difference that it makes; later requests of the client are judged with it, and go on being judged.
    pub fn remember_verdict(&self, decision: &Decision, score: f32, client: &mut ClientState, now_ms: u64) {
        let logit = |score: f32| {
            let p = (score / 100.0).clamp(0.0005, 0.9995);
            libm::logf(p / (1.0 - p))
        };
        let held = decision.evidence.get(Check::ControlPlane) * self.policy.weight(Check::ControlPlane);
        let difference = logit(score) - logit(decision.score) + held;
        let strength = (difference / self.policy.weight(Check::ControlPlane).max(0.1)).clamp(-1.0, 1.0);
        client.verdict = (128.0 + 127.0 * strength) as u8;
        client.verdict_until_ms = now_ms.saturating_add(self.policy.consult_ttl_ms());
    }

    /// Feeds the answer back into the records.
    pub fn answered(
        &self,
        watch: Watch,
        answer: Answer<'_>,
        client: &mut ClientState,
        address: &mut AddressState,
        now_ms: u64,
    ) -> Option<LoginOutcome> {
        let Answer { path, status, location } = answer;
        let is_error = (400..500).contains(&status) && !matches!(status, 401 | 408 | 429);
        client.client_errors += one_if(is_error && !watch.is_attempt);
        if !watch.is_attempt {
            if matches!(status, 301 | 302 | 303 | 307 | 308) {
                client.redirected();
            }
            return None;
        }
        let has_failed = self.policy.login_failed(watch.login, path, status, location);
        let outcome = if has_failed { LoginOutcome::Failed } else { LoginOutcome::Passed };
        self.login_ended(outcome, client, address, now_ms);
        Some(outcome)
    }

    /// What the lists say, those of the policy and those beside it; what allows comes first.
    pub fn on_list(&self, facts: &RequestFacts<'_>, now_ms: u64) -> Option<ListAction> {
        self.find_listed(facts, &plain(facts.path), now_ms)
    }

    fn find_listed(&self, facts: &RequestFacts<'_>, path: &[u8], now_ms: u64) -> Option<ListAction> {
        let found =
            [self.policy.lists(), &self.lists].map(|lists| lists.find(facts, path, &self.key, now_ms));
        let is = |action| found.contains(&Some(action));
        [ListAction::Allow, ListAction::Deny].into_iter().find(|action| is(*action))
    }

    fn listed(
        &self,
        facts: &RequestFacts<'_>,
        path: &[u8],
        features: Features,
        now_ms: u64,
    ) -> Option<Decision> {
        Some(match self.find_listed(facts, path, now_ms)? {
            ListAction::Allow => self.passed(features, Basis::AllowList, Check::AllowList),
            ListAction::Deny => self.blocked(features, Basis::DenyList, Check::DenyList),
        })
    }

    /// A session with enough suspicious actions is challenged at least: the points that it takes are the check's.
    fn challenge_suspicious(&self, decision: &mut Decision, count: u8) {
        let threshold = self.policy.config().sessions.suspicious.max(1);
        if count < threshold || decision.basis != Basis::Score || decision.action.refuses() {
            return;
        }
        let score = self.policy.thresholds().challenge.max(decision.score);
        decision.reasons.add(Check::SuspiciousSession, (score - decision.score).max(1.0));
        decision.evidence.set(Check::SuspiciousSession, 1.0);
        decision.score = score;
        decision.action = Action::Challenge;
        decision.basis = Basis::Session;
    }

    pub(crate) fn passed(&self, features: Features, basis: Basis, check: Check) -> Decision {
        self.at_once(features, Action::Allow, basis, check, 0.0, -50.0)
    }

    pub(crate) fn blocked(&self, features: Features, basis: Basis, check: Check) -> Decision {
        self.at_once(features, Action::Block, basis, check, 100.0, 100.0)
    }

    pub(crate) fn over_limit(&self, features: Features, wait_us: u64) -> Decision {
        let mut decision =
            self.at_once(features, Action::RateLimit, Basis::RateLimit, Check::RateLimit, 0.0, 0.0);
        decision.score = 100.0 * decision.ml_probability;
        decision.retry_after_s = Some(wait_us.div_ceil(1_000_000).clamp(1, 3600) as u32);
        decision
    }

    pub(crate) fn at_once(
        &self,
        features: Features,
        action: Action,
        basis: Basis,
        check: Check,
        score: f32,
        points: f32,
    ) -> Decision {
        let reasons = Reasons::one(check, points);
        let ml_probability = sigmoid(self.model.logit(&features));
        Decision { action, basis, score, ml_probability, features, reasons, ..Decision::default() }
    }

    fn evidence(
        &self,
        facts: &RequestFacts<'_>,
        client: &ClientState,
        address: &AddressState,
        mismatch: Mismatch,
    ) -> Evidence {
        let mut evidence = Evidence::default();
        if let Some(provider) = facts.address.and_then(|ip| self.ranges.lookup(ip)) {
            evidence.set(Check::DatacenterIp, provider.kind.strength());
        }
        evidence.set(Check::UserAgent, client.agent_suspicion);
        evidence.set(Check::HeadersMismatch, mismatch.headers);
        evidence.set(Check::Ja4Mismatch, mismatch.ja4);
        evidence.set(Check::FailedLogins, failed_logins(client.failures, client.attempts));
        evidence.set(Check::TrapPath, client.trap);
        evidence.set(Check::ProbePath, client.probe_hits / 4.0);
        evidence.set(Check::AddressClients, address.rotation());
        if client.verdict_until_ms > client.last_seen_ms {
            evidence.set(Check::ControlPlane, (f32::from(client.verdict) - 128.0) / 127.0);
        }
        evidence
    }
}

/// How strongly headers and TLS contradict the user agent, each in [0, 1].
#[derive(Clone, Copy)]
struct Mismatch {
    headers: f32,
    ja4: f32,
}

/// Ten failures that are nearly all attempts count fully; whoever also succeeds counts less.
fn failed_logins(failures: f32, attempts: f32) -> f32 {
    failures / 10.0 * (failures / attempts.max(1.0)).min(1.0)
}

/// Of all clients of an address those count that fail; to somebody else there, at most so much, and only on signing in.
const MOST_OF_NEIGHBOURS: f32 = 0.6;
