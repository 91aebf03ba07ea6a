//! The judge: policy, model, ranges and key together, and the life of one request through them.

use std::sync::Arc;

use crate::agent::Agent;
use crate::answers::Watch;
use crate::asked::Asked;
use crate::check::{Check, Evidence};
use crate::client::{ClientState, one_if};
use crate::crawler::claimed_crawler;
use crate::decision::{Action, Basis, Decision, OverLimit, Reasons};
use crate::evidence::{MOST_OF_NEIGHBOURS, count_fully, failed_logins};
use crate::facts::RequestFacts;
use crate::features::Features;
use crate::headers::Mismatch;
use crate::keys::{HashKey, path_hash};
use crate::limiter::{Standing, spend};
use crate::model::{Model, sigmoid};
use crate::path::{PathClass, is_named_asset, may_be_json};
use crate::plain::plain;
use crate::policy::{Consult, LimitRule, ListAction, Lists, Policy, Responses, Route};
use crate::ranges::Ranges;
use crate::score::{judge, rescored};
use crate::site::SiteProfile;
use crate::subjects::Subjects;

/// Of proven clients' assets every so many paths' answers are read, and all that are named like none.
const PROVEN_READ: u64 = 8;

/// Everything a judgement needs besides the request and the records. Immutable: a new snapshot is a new engine.
#[derive(Clone, Debug)]
pub struct Engine {
    policy: Policy,
    model: Model,
    ranges: Ranges,
    lists: Lists,
    key: HashKey,
    version: u64,
    /// What is usual on the sites behind it; `None` where nobody looks.
    site: Option<Arc<SiteProfile>>,
    /// Whether what it refuses counts as refused: not where a model is to learn what visitors do.
    refuses: bool,
}

/// What is known of a request's session and network besides its records.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Marks {
    /// Suspicious actions of the session; 0 without one.
    pub session: u8,
    /// How strongly failed logins from all over the client's network speak, in [0, 1].
    pub network: f32,
}

impl Engine {
    /// The judge of one snapshot; `version` is the snapshot's, 0 for none.
    pub fn new(policy: Policy, model: Model, ranges: Ranges, key: HashKey, version: u64) -> Self {
        Self { policy, model, ranges, lists: Lists::default(), key, version, site: None, refuses: true }
    }

    /// The same with these lists besides the policy's.
    #[must_use]
    pub fn with_lists(self, lists: Lists) -> Self {
        Self { lists, ..self }
    }

    /// From now on what is usual on its sites is this; judging goes on.
    pub fn learned(&mut self, site: Arc<SiteProfile>) {
        self.site = Some(site);
    }

    pub(crate) fn site(&self) -> Option<&SiteProfile> {
        self.site.as_deref()
    }

    /// The same for training: every request counts as if it had passed, so that what a model learns of does not depend on
    /// the model that judges now.
    #[must_use]
    pub fn refusing_nobody(self) -> Self {
        Self { refuses: false, ..self }
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

    /// Whether [`Subjects::network`] is needed: for newcomers' pages and for sign-ins, for assets of a client that has
    /// shown no page yet, or little where addresses cost nothing, and for those that most likely are none.
    pub fn needs_network(&self, asked: &Asked<'_>, client: &ClientState, now_ms: u64) -> bool {
        let shows_little = client.page_count == 0 || (asked.is_of_many() && client.is_little_known());
        let begins = asked.class == PathClass::Asset && shows_little;
        (asked.is_attempt || asked.reads() || begins || asked.is_no_asset) && !client.is_proven(now_ms)
    }

    /// Counts the request in the records of its subjects and judges it; `now_ms` is Unix milliseconds. A route of class
    /// `ignore` changes no record; a new client that a list or a limit refuses stays new. `looks_on` says that everybody
    /// is new because the process is: then the budgets of newcomers refuse nobody.
    pub fn decide(
        &self,
        asked: &Asked<'_>,
        subjects: &mut Subjects<'_>,
        (marks, looks_on): (Marks, bool),
        now_ms: u64,
    ) -> Decision {
        if asked.is_ignored() {
            return Decision { basis: Basis::Ignored, ..Decision::default() };
        }
        subjects.begin_anew(now_ms);
        let facts = asked.facts;
        let before = subjects.client.clone();
        let is_new = before.is_new();
        if is_new {
            let client = &mut *subjects.client;
            // What is not known speaks for nothing.
            if !facts.unknown.user_agent {
                let (agent, category) = Agent::read(facts.user_agent, now_ms);
                client.agent_kind = agent.kind.to_u8(category);
                client.agent_suspicion = agent.suspicion;
                client.claims_crawler = u8::from(claimed_crawler(facts.user_agent).is_some());
            }
        }
        let is_newcomer = subjects.count(asked, now_ms);
        let standing = Standing { is_newcomer, looks_on };
        // What the subjects' clocks say: they never run backwards.
        let now_ms = subjects.client.last_seen_ms;

        let mismatch = Mismatch::of(facts);
        let features = Features::of(subjects.client, mismatch.headers.max(mismatch.ja4), asked.normal);
        let mut decision = self
            .listed(facts, &asked.path, features, now_ms)
            .or_else(|| self.admitted(asked, subjects, standing, (features, mismatch), now_ms))
            .or_else(|| self.verified(subjects, features, (asked.limits, now_ms)))
            .unwrap_or_else(|| {
                self.weighed(asked, subjects, (marks, standing), (features, mismatch), now_ms)
            });
        decision = self.spare_name(decision, subjects.client.agent_verdict(now_ms));
        // Whoever is at home in what some sites have does nothing suspicious there.
        let is_pardoned = !asked.is_secret && before.is_at_home(asked.is_within);
        let hits = asked.is_trap || (asked.is_probe && !is_pardoned);
        if hits && asked.is_cross_site {
            self.refuse_brought(asked, &mut decision);
        }
        if subjects.has_session() {
            decision.is_suspicious = match decision.basis {
                Basis::Score => (hits && !asked.is_cross_site) || decision.action.refuses(),
                Basis::RateLimit => {
                    decision.limit.is_some_and(|over| !over.is_shadow && over.rule.is_of_one())
                }
                _ => false,
            };
            self.challenge_suspicious(&mut decision, marks.session);
        }
        decision.is_newcomer = is_newcomer;
        decision.lesson = self.site.as_ref().and_then(|_| subjects.lesson(asked, &before, now_ms));
        let is_refused = decision.action.refuses() && self.refuses;
        decision.counts_as_refused = is_refused;
        if is_refused {
            subjects.refused(asked, before, decision.basis);
        } else {
            self.let_pass(asked, subjects, &mut decision, standing, now_ms);
        }
        let limited = matches!(decision.basis, Basis::DenyList | Basis::RateLimit) && is_refused;
        subjects.address.new_clients += one_if(is_new && !limited);
        // Who is refused as an address has not begun to be a client: else it could push all others out of the table.
        if is_new && limited {
            *subjects.client = ClientState::new(subjects.client.key);
        }
        decision
    }

    /// The limits, then model and checks.
    fn weighed(
        &self,
        asked: &Asked<'_>,
        subjects: &mut Subjects<'_>,
        (marks, standing): (Marks, Standing),
        (mut features, mismatch): (Features, Mismatch),
        now_ms: u64,
    ) -> Decision {
        let of_network = subjects.network.as_deref().is_some_and(|network| network.false_claims >= 3.0);
        let unproven = !subjects.client.is_proven(now_ms);
        let distrusts = unproven && (asked.is_no_asset || of_network || subjects.address.distrusts_assets());
        let spent = spend(self.policy.limits_at(asked.limits), asked, standing, distrusts, subjects, now_ms);
        let mut decision = if let Some(wait_us) = spent.wait_us {
            self.over_limit(features, wait_us)
        } else {
            let mut evidence = self.evidence(asked, subjects, standing, mismatch);
            if asked.is_attempt {
                let own = evidence.get(Check::FailedLogins);
                let neighbours = failed_logins(subjects.address.failures, subjects.address.attempts);
                let others = neighbours.min(MOST_OF_NEIGHBOURS).max(marks.network);
                evidence.set(Check::FailedLogins, own.max(others));
                // A model learns from what the client did itself. Who loaded what a page needs has shown something of its
                // own: else nobody could get in, and nearly all would go on failing.
                if standing.is_newcomer && subjects.client.proof == 0 && self.refuses {
                    features = count_fully(subjects, features, &mut evidence);
                }
            }
            judge(&self.policy, &self.model, &features, &evidence)
        };
        (decision.limit, decision.charges) = (spent.over, spent.charges);
        decision
    }

    /// Refuses a newcomer's page or sign-in whose charge is not stored, for another worker was quicker each time or neither
    /// its address nor its network has a place: who floods must not lose its own charges.
    pub fn refuse_uncounted(&self, asked: &Asked<'_>, decision: &mut Decision) {
        if decision.is_newcomer && (asked.reads() || asked.is_attempt) {
            self.refuse_newcomer(decision);
        }
    }

    /// Refuses a newcomer's asset where its network has too many under way, so that nobody knows whether they are assets.
    pub fn refuse_unanswered(&self, decision: &mut Decision) {
        if decision.watch.is_some_and(|watch| watch.is_newcomers_asset()) {
            self.refuse_newcomer(decision);
        }
    }

    fn refuse_newcomer(&self, decision: &mut Decision) {
        if matches!(decision.basis, Basis::Score | Basis::Agent) && !decision.action.refuses() {
            let is_newcomer = decision.is_newcomer;
            *decision = Decision { is_newcomer, ..self.over_limit(decision.features, 1_000_000) };
            decision.limit = Some(OverLimit { rule: LimitRule::Newcomers, is_shadow: false });
        }
    }

    pub(crate) fn watch(
        &self,
        asked: &Asked<'_>,
        (is_newcomer, reserved_ms): (bool, u64),
        client: &ClientState,
        now_ms: u64,
    ) -> Option<Watch> {
        let unproven = !client.is_proven(now_ms);
        let is_named = is_named_asset(&asked.path) || asked.is_part;
        // Of those who have proven themselves now and then: nobody but us knows of which files.
        let now_and_then = !is_named || asked.asset_key.is_multiple_of(PROVEN_READ);
        let is_light = client.is_light == 1;
        let reads_pages = self.policy.responses() == Responses::Pages && !asked.is_icon();
        let reads = reads_pages && (asked.class != PathClass::Asset || unproven || now_and_then);
        (asked.is_attempt || reads).then_some(Watch {
            class: asked.class,
            path_key: if is_light { path_hash(asked.facts.path) } else { asked.asset_key },
            is_attempt: asked.is_attempt,
            login: asked.login,
            is_newcomer,
            reserved_ms,
            unproven,
            awaits: unproven && client.awaits(now_ms),
            is_within: asked.is_within,
            is_signed_in: asked.is_signed_in,
            is_cross_site: asked.is_cross_site,
            is_led_on: asked.is_sent_along && asked.login.is_none(),
            is_named,
            may_be_json: may_be_json(&asked.path),
            limits: asked.limits,
            is_light,
            is_led: asked.is_led(),
            is_served: asked.is_probe && !asked.is_secret,
        })
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

    /// A trap or probe that another site brings along is refused by itself, since nobody is held to account for it: neither
    /// client nor session nor address, and nobody has to be asked.
    fn refuse_brought(&self, asked: &Asked<'_>, decision: &mut Decision) {
        let check = if asked.is_trap { Check::TrapPath } else { Check::ProbePath };
        if decision.basis != Basis::Score || self.policy.weight(check) <= 0.0 {
            return;
        }
        decision.basis = Basis::CrossSite;
        if !decision.action.refuses() {
            let score = self.policy.thresholds().challenge.max(decision.score);
            decision.reasons.add_to(check, score - decision.score);
            decision.score = score;
            decision.action = Action::Challenge;
        }
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
}
