//! The inner gate's judge: the same core as in the filter, with client records in bounded memory, and the
//! evidence that only the control plane has.
//!
//! [`Detector::check`] judges a request from its facts; [`Detector::consult`] judges what a filter has already
//! measured, without touching any record here; [`Detector::observe`] learns from what filters did.

mod answers;
mod attribution;
#[cfg(test)]
mod full_tables;
mod observe;
mod reputation;
mod subjects;
pub(crate) mod table;
#[cfg(test)]
mod tests;

use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use sallyport_core::policy::LimitRule;
use sallyport_core::{
    AddressState, AgentVerdict, Basis, Charges, Check, ClientState, Decision, Engine, Evidence,
    FEATURE_COUNT, Features, LOOKS_ON_MS, LoginOutcome, Marks, NetworkState, RequestFacts, SessionState,
    SignIn, UsualAnswers,
};

use self::answers::Asked;
use self::attribution::{Budget, Judged};
use self::reputation::Past;
use self::table::Table;
use crate::config::LimitsConfig;
use crate::providers::Known;
use crate::store::{AddressRow, Standing};

pub use answers::{Reported, Told};
pub use reputation::{LOGIN_FAILURE, decayed, outcome, strength};
pub use subjects::Keys;

/// How long a client's record keeps what came of verifying it, seconds; it is told anew with each request.
const VERDICT_KEEP_S: u32 = 2;

/// A verdict and who it is about.
pub struct Verdict {
    /// What was decided.
    pub decision: Decision,
    /// Who decided.
    pub engine: Arc<Engine>,
    /// Whose records.
    pub keys: Keys,
    /// Whether the policy carries a refusal out on this path.
    pub enforced: bool,
    /// What the decision adds to the address's standing.
    pub outcome: Standing,
    /// Of a refusal by score: what each feature added to the model's log-odds.
    pub attributions: Option<[f32; FEATURE_COUNT]>,
}

/// How full the tables are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Occupancy {
    /// Clients held.
    pub clients: u64,
    /// Addresses held.
    pub addresses: u64,
    /// Records of either kind that made room for others since the start.
    pub evicted: u64,
    /// Newcomers of either kind that were judged and not kept, for all in their place were worth more.
    pub turned_away: u64,
}

/// The judge and what it remembers.
pub struct Detector {
    engines: RwLock<Engines>,
    attributed: Budget,
    clients: Table<ClientState>,
    addresses: Table<AddressState>,
    networks: Table<NetworkState>,
    sessions: Table<SessionState>,
    asked: Asked,
    usual: Mutex<UsualAnswers>,
    pasts: Table<Past>,
    known: Arc<Known>,
    /// When it judged for the first time, Unix milliseconds; 0 before.
    begun_ms: AtomicU64,
}

/// The engine in force, and the one before: filters tell of decisions that it made.
struct Engines {
    current: Arc<Engine>,
    previous: Option<Arc<Engine>>,
}

impl Detector {
    /// A judge that remembers nobody yet.
    pub fn new(engine: Arc<Engine>, limits: &LimitsConfig) -> Self {
        Self {
            engines: RwLock::new(Engines { current: engine, previous: None }),
            attributed: Budget::default(),
            clients: Table::new(limits.clients as usize),
            addresses: Table::new(limits.addresses as usize),
            networks: Table::new(limits.addresses as usize),
            sessions: Table::new(limits.sessions as usize),
            asked: Asked::default(),
            usual: Mutex::default(),
            pasts: Table::new(limits.addresses as usize),
            known: Arc::default(),
            begun_ms: AtomicU64::new(0),
        }
    }

    /// Also counts what providers said of addresses, as far as it is known in memory.
    #[must_use]
    pub fn knowing(self, known: Arc<Known>) -> Self {
        Self { known, ..self }
    }

    /// The engine in force.
    pub fn engine(&self) -> Arc<Engine> {
        Arc::clone(&self.engines.read().unwrap_or_else(PoisonError::into_inner).current)
    }

    /// Puts a newer engine in force; requests being judged finish with the old one.
    pub fn replace_engine(&self, engine: Arc<Engine>) {
        let mut engines = self.engines.write().unwrap_or_else(PoisonError::into_inner);
        if engine.version() > engines.current.version() {
            let previous = std::mem::replace(&mut engines.current, engine);
            engines.previous = Some(previous);
        }
    }

    /// The engine of a snapshot's version, if it is in force or was before.
    fn engine_of(&self, version: u64) -> Option<Arc<Engine>> {
        let engines = self.engines.read().unwrap_or_else(PoisonError::into_inner);
        let mut known = std::iter::once(&engines.current).chain(&engines.previous);
        known.find(|engine| engine.version() == version).cloned()
    }

    /// Takes over what the store knows of addresses.
    pub fn recall(&self, addresses: &[AddressRow]) {
        for row in addresses {
            self.pasts.with(row.address, |past| past.add(row.standing, row.last_seen_ms));
        }
    }

    /// Takes over how far a shared rate cell is ahead of `now_ms` (Unix milliseconds), µs, where its client or address is
    /// known here and the policy has a limit of the rule.
    pub fn settle(&self, rule: LimitRule, key: u64, ahead_us: u64, now_ms: u64) {
        let engine = self.engine();
        let Some(limit) = engine.policy().widest_limit(rule) else { return };
        if rule.is_of_network() {
            self.networks.change(key, |network| network.settle(rule, limit, ahead_us, now_ms));
        } else if rule.is_of_address() {
            self.addresses.change(key, |address| address.settle(rule, limit, ahead_us, now_ms));
        } else if rule == LimitRule::Session {
            self.sessions.change(key, |session| session.settle(rule, limit, ahead_us, now_ms));
        } else {
            self.clients.change(key, |client| client.settle(rule, limit, ahead_us, now_ms));
        }
    }

    /// Counts a request and judges it, at Unix milliseconds `now_ms`; `marks` is what is known of its session and network,
    /// `crawler` what came of verifying the crawler that it claims to be.
    pub fn check(
        &self,
        facts: &RequestFacts<'_>,
        marks: Marks,
        crawler: Option<AgentVerdict>,
        now_ms: u64,
    ) -> Verdict {
        let engine = self.engine();
        let keys = self.keys(&engine, facts, now_ms);
        let asked = self.usual().recall(engine.ask(facts), now_ms);
        let (mut decision, is_kept) = self.subjects(keys, |subjects| {
            if let Some(verdict) = crawler {
                engine.remember_agent(verdict, VERDICT_KEEP_S, subjects.client, now_ms);
            }
            engine.decide(&asked, subjects, (marks, self.looks_on(now_ms)), now_ms)
        });
        if !is_kept {
            engine.refuse_uncounted(&asked, &mut decision);
        }
        let decision = self.with_reputation(&engine, decision, (&asked, keys), crawler, now_ms);
        let enforced = engine.policy().enforces(engine.policy().route(facts.authority, facts.path));
        let outcome = outcome(&decision, engine.policy().thresholds().challenge);
        self.pasts.with(keys.address, |past| past.add(outcome, now_ms));
        let Decision { action, basis, ml_probability, features, .. } = &decision;
        let judged = Judged { action: *action, basis: *basis, ml_probability: *ml_probability, features };
        let attributions = judged.attributions(&engine, &self.attributed, now_ms);
        Verdict { decision, engine, keys, enforced, outcome, attributions }
    }

    /// Whether it judges since so lately that everybody is new to it: then the budgets of newcomers look on only.
    fn looks_on(&self, now_ms: u64) -> bool {
        let first = self.begun_ms.compare_exchange(0, now_ms, Ordering::Relaxed, Ordering::Relaxed);
        now_ms.abs_diff(first.map_or_else(|begun_ms| begun_ms, |_| now_ms)) < LOOKS_ON_MS
    }

    /// Judges features and evidence that a filter measured, plus what is known here. No record changes: the
    /// filter reports the request in its observations. `engine` is [`Detector::engine`]'s.
    pub fn consult(
        &self,
        engine: &Engine,
        ip: IpAddr,
        features: &Features,
        mut evidence: Evidence,
        crawler: Option<AgentVerdict>,
        now_ms: u64,
    ) -> Decision {
        let address = engine.key().address(Some(ip));
        evidence.set(Check::IpReputation, self.reputation(address, now_ms));
        // The filter's cached verdict came from here; it must not confirm itself.
        evidence.set(Check::ControlPlane, 0.0);
        score(engine, features, &evidence, crawler)
    }

    /// Judges a verdict's request once more, as more is known of its address now; counts nothing but what was refused
    /// and passes now.
    pub fn again(
        &self,
        facts: &RequestFacts<'_>,
        verdict: Verdict,
        crawler: Option<AgentVerdict>,
        now_ms: u64,
    ) -> Verdict {
        let Verdict { decision, engine, keys, .. } = verdict;
        let asked = self.usual().recall(engine.ask(facts), now_ms);
        let decision = self.with_reputation(&engine, decision, (&asked, keys), crawler, now_ms);
        Verdict { decision, engine, ..verdict }
    }

    /// Counts how a login attempt ended that somebody tells of.
    pub fn login_ended(&self, facts: &RequestFacts<'_>, outcome: LoginOutcome, now_ms: u64) -> LoginEnded {
        let engine = self.engine();
        let keys = self.keys(&engine, facts, now_ms);
        let (charges, _) = self.subjects(keys, |subjects| {
            let is_newcomer = !subjects.client.is_proven(now_ms);
            engine.login_ended(SignIn::told(outcome, is_newcomer), subjects, now_ms)
        });
        if outcome == LoginOutcome::Failed {
            self.pasts.with(keys.address, |past| past.add(LOGIN_FAILURE, now_ms));
        } else {
            // Whoever has signed in has a session of the site's.
            self.issue(keys.session, now_ms);
        }
        LoginEnded { address: keys.address, client: keys.client, session: keys.session, charges }
    }

    /// The strength of `ip_reputation` for an address's keyed hash, in [-0.5, 1]: what its past says plus what a
    /// provider says, where that is known in memory.
    pub fn reputation(&self, address: u64, now_ms: u64) -> f32 {
        let own = strength(self.standing(address, now_ms));
        (own + self.known.strength(address, now_ms)).clamp(-1.0, 1.0)
    }

    /// The decayed outcomes of an address in memory.
    pub fn standing(&self, address: u64, now_ms: u64) -> Standing {
        self.pasts.read(address, |past| past.standing(now_ms)).unwrap_or_default()
    }

    fn usual(&self) -> MutexGuard<'_, UsualAnswers> {
        self.usual.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How full the tables are.
    pub fn occupancy(&self) -> Occupancy {
        Occupancy {
            clients: self.clients.len(),
            addresses: self.addresses.len(),
            evicted: self.clients.evicted() + self.addresses.evicted(),
            turned_away: self.clients.turned_away() + self.addresses.turned_away(),
        }
    }

    /// Adds reputation to a decision that rests on the score; a refusal that it softens counts as passed.
    fn with_reputation(
        &self,
        engine: &Engine,
        decision: Decision,
        (asked, keys): (&sallyport_core::Asked<'_>, Keys),
        crawler: Option<AgentVerdict>,
        now_ms: u64,
    ) -> Decision {
        if decision.basis != Basis::Score {
            return decision;
        }
        let strength = self.reputation(keys.address, now_ms);
        if strength == decision.evidence.get(Check::IpReputation) {
            return decision;
        }
        let mut evidence = decision.evidence;
        evidence.set(Check::IpReputation, strength);
        let scored = score(engine, &decision.features, &evidence, crawler);
        let Decision { action, score, reasons, evidence, .. } = scored;
        let mut decision = Decision { action, score, reasons, evidence, ..decision };
        if decision.is_softened() {
            let looks_on = self.looks_on(now_ms);
            let (_, is_kept) = self.subjects(keys, |subjects| {
                engine.soften(asked, subjects, &mut decision, looks_on, now_ms);
            });
            if !is_kept {
                engine.refuse_uncounted(asked, &mut decision);
            }
        }
        decision
    }
}

/// The engine's score, with what came of verifying a claimed crawler.
fn score(
    engine: &Engine,
    features: &Features,
    evidence: &Evidence,
    crawler: Option<AgentVerdict>,
) -> Decision {
    match crawler {
        Some(verdict) => engine.score_crawler(features, evidence, verdict),
        None => engine.score(features, evidence),
    }
}

/// What came of a login attempt that somebody tells of.
pub struct LoginEnded {
    /// Keyed hash of the address.
    pub address: u64,
    /// Keyed hash of the client.
    pub client: u64,
    /// Keyed hash of the session that it came with; 0 for none.
    pub session: u64,
    /// The rate cells that were charged by it and that other replicas should know of.
    pub charges: Charges,
}
