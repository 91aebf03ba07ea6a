//! One judgement on shared records: load, let the engine count and judge, store; again where another worker
//! was quicker.

use sallyport_core::policy::{CompiledLimit, LimitRule};
use sallyport_core::{
    AgentVerdict, Answer, ClientState, Decision, Engine, LoginOutcome, NetworkState, RequestFacts,
    SessionState, Subjects, Watch,
};

use crate::consult::Verdict;
use crate::host::Host;
use crate::house::{Home, House};
use crate::marks;
use crate::metrics::Counter;
use crate::state::{Held, Record, Storing};
use crate::worker::Worker;

/// After this many lost writes an update is given up: one request goes uncounted, and is refused where a newcomer's
/// page must not.
pub(crate) const ATTEMPTS: usize = 8;

/// Whose records: keyed hashes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keys {
    /// Of the client: address, user agent and JA4.
    pub client: u64,
    /// Of the address.
    pub address: u64,
    /// Of the network.
    pub network: u64,
    /// Of the sessions that the request names, whoever issued them; 0 for none.
    named: [u64; 2],
    /// Of the session that the site issued; 0 for none.
    pub session: u64,
}

impl Keys {
    /// The keys of a request; which session counts is not known yet.
    pub fn of(engine: &Engine, facts: &RequestFacts<'_>) -> Self {
        let key = engine.key();
        Self {
            client: key.client(facts),
            address: key.address(facts.address),
            network: key.network(facts.address),
            named: [key.session(facts.session), key.session(facts.other_session)],
            session: 0,
        }
    }
}

/// A decision, and the client's record after it.
#[derive(Clone, Debug)]
pub struct Judged {
    /// The decision.
    pub decision: Decision,
    /// The client's record with this request counted.
    pub client: ClientState,
    /// Whose records they are.
    pub keys: Keys,
}

/// Counts the request in the records of its subjects and judges it; what others should know of it waits for the next
/// exchange.
pub fn judge<H: Host>(worker: &Worker<H>, engine: &Engine, facts: &RequestFacts<'_>, now_ms: u64) -> Judged {
    let mut keys = Keys::of(engine, facts);
    let asked = worker.usual.borrow().recall(engine.ask(facts), now_ms);
    let mut records = Records::new(worker, &keys, now_ms);
    records.know_sessions(worker);
    keys.session = records.issued();
    let known = marks::find(worker, &asked, &keys, now_ms);
    let looks_on = worker.looks_on(now_ms);
    let needs = |client: &ClientState| engine.needs_network(&asked, client, now_ms);
    let (mut judged, is_counted) = records.update(worker, needs, |subjects| {
        let decision = engine.decide(&asked, subjects, (known, looks_on), now_ms);
        Judged { decision, client: subjects.client.clone(), keys }
    });
    if !is_counted {
        engine.refuse_uncounted(&asked, &mut judged.decision);
    }
    for (rule, key) in judged.decision.charges.iter() {
        charge(worker, engine, rule, key, keys);
    }
    if judged.decision.is_suspicious {
        marks::count_suspicious(worker, engine, keys.session, now_ms);
    }
    judged
}

/// Feeds the answer to a watched request back into the records.
pub fn feed_back<H: Host>(
    worker: &Worker<H>,
    engine: &Engine,
    (keys, watch): (Keys, Watch),
    answer: Answer<'_>,
    now_ms: u64,
) -> Option<LoginOutcome> {
    let answer = worker.usual.borrow_mut().note(watch, answer, keys.network, now_ms);
    let needs = |client: &ClientState| engine.answer_needs_network(watch, answer, client.is_ripe(now_ms));
    let answered = Records::new(worker, &keys, now_ms)
        .update(worker, needs, |subjects| engine.answered(watch, answer, subjects, now_ms))
        .0;
    for (rule, key) in answered.charges.iter() {
        charge(worker, engine, rule, key, keys);
    }
    answered.login
}

/// The site issued a session: it counts from now on.
pub fn issue<H: Host>(worker: &Worker<H>, session: u64, now_ms: u64) {
    change(worker, session, now_ms, |record: &mut SessionState| record.issue(now_ms));
}

/// Keeps the control plane's verdict in the client's record: its score, and what came of verifying the crawler that the
/// client claims to be. A crawler that was verified, or found out, decides at once: there the score is not kept.
pub fn remember<H: Host>(
    worker: &Worker<H>,
    engine: &Engine,
    judged: &Judged,
    verdict: &Verdict,
    now_ms: u64,
) {
    let agent = verdict.agent();
    Records::new(worker, &judged.keys, now_ms).update(
        worker,
        |_| false,
        |subjects| {
            let client = &mut *subjects.client;
            if !matches!(agent, Some((AgentVerdict::Verified(_) | AgentVerdict::Failed, _))) {
                engine.remember_verdict(&judged.decision, verdict.score, client, now_ms);
                verdict.hold_s.inspect(|hold_s| client.hold_verdict(*hold_s, now_ms));
            }
            // A control plane that does not verify is not asked at each request.
            let nobody_can_tell = (AgentVerdict::Unverifiable, engine.policy().config().consult_ttl_s.0);
            if client.claims_crawler() {
                let (verdict, ttl_s) = agent.unwrap_or(nobody_can_tell);
                engine.remember_agent(verdict, ttl_s, client, now_ms);
            }
        },
    );
}

/// Takes over how far the shared cell of a rule and its limit is ahead, µs, where the record still exists.
pub fn settle<H: Host>(
    worker: &Worker<H>,
    keys: Keys,
    (rule, limit, ahead_us): (LimitRule, CompiledLimit, u64),
    now_ms: u64,
) {
    if rule.is_of_network() {
        return change(worker, keys.network, now_ms, |network: &mut NetworkState| {
            if network.last_seen_ms() > 0 {
                network.settle(rule, limit, ahead_us, now_ms);
            }
        });
    }
    if rule == LimitRule::Session {
        return change(worker, keys.session, now_ms, |session: &mut SessionState| {
            if session.is_issued() {
                session.settle(rule, limit, ahead_us, now_ms);
            }
        });
    }
    Records::new(worker, &keys, now_ms).update(
        worker,
        |_| false,
        |subjects| {
            if rule.is_of_address() {
                if subjects.address.last_seen_ms() > 0 {
                    subjects.address.settle(rule, limit, ahead_us, now_ms);
                }
            } else if !subjects.client.is_new() {
                subjects.client.settle(rule, limit, ahead_us, now_ms);
            }
        },
    );
}

fn charge<H: Host>(worker: &Worker<H>, engine: &Engine, rule: LimitRule, key: u64, keys: Keys) {
    if engine.version() == 0 {
        // Nobody else knows these keys.
        return;
    }
    worker.exchange(|exchange, _| {
        if !exchange.charge(rule, key, keys) {
            worker.metrics.count(Counter::ExchangeDropped);
        }
    });
}

/// Changes one record by itself; after [`ATTEMPTS`] lost writes it is given up.
fn change<H: Host, R: Record>(worker: &Worker<H>, key: u64, now_ms: u64, change: impl Fn(&mut R)) {
    let mut slot = Slot::<R>::new(worker, key, now_ms);
    for _ in 0..ATTEMPTS {
        let mut record = slot.held.record.clone();
        change(&mut record);
        if slot.store(worker, &record, now_ms) {
            return;
        }
    }
    worker.metrics.count(Counter::StateConflict);
}

/// The records of one request's subjects: the house (address and first client) always, the others where they are needed.
struct Records {
    keys: Keys,
    now_ms: u64,
    house: Slot<House>,
    elsewhere: Option<Slot<ClientState>>,
    network: Option<Slot<NetworkState>>,
    sessions: Vec<Slot<SessionState>>,
}

impl Records {
    fn new<H: Host>(worker: &Worker<H>, keys: &Keys, now_ms: u64) -> Self {
        let named = keys.named.iter().filter(|key| **key != 0);
        Self {
            keys: *keys,
            now_ms,
            house: Slot::new(worker, keys.address, now_ms),
            elsewhere: None,
            network: None,
            sessions: named.map(|key| Slot::new(worker, *key, now_ms)).collect(),
        }
    }

    /// A session that others know of was issued: they tell of no other.
    fn know_sessions<H: Host>(&mut self, worker: &Worker<H>) {
        let now_ms = self.now_ms;
        for slot in self.sessions.iter_mut().filter(|slot| !slot.held.record.is_issued()) {
            if marks::is_told_of(worker, slot.key, now_ms) {
                slot.held.record.issue(now_ms);
            }
        }
    }

    /// The key of the session that the site issued, of several the first; 0 for none.
    fn issued(&self) -> u64 {
        let is_issued = |slot: &&Slot<SessionState>| slot.held.record.is_issued();
        self.sessions.iter().find(is_issued).map_or(0, |slot| slot.key)
    }

    /// Changes the records, and whether all of them could be stored and one of address and network is kept: where neither
    /// has a place, nobody is charged. `change` is called anew on fresh records for as long as storing one of them fails; a
    /// record that it leaves as it was is not stored, nor a session that nobody issued.
    fn update<H: Host, T>(
        &mut self,
        worker: &Worker<H>,
        needs_network: impl Fn(&ClientState) -> bool,
        mut change: impl FnMut(&mut Subjects<'_>) -> T,
    ) -> (T, bool) {
        let (keys, now_ms) = (self.keys, self.now_ms);
        let mut attempt = 1;
        loop {
            let mut house = self.house.held.record.clone();
            let room = match &self.elsewhere {
                Some(_) => None,
                None => find_room(worker, &house, (keys.client, now_ms), &mut self.elsewhere),
            };
            let mut client = match (&self.elsewhere, room) {
                (Some(slot), None) => slot.held.record.clone(),
                (_, room) => house.client(room.unwrap_or_default(), keys.client),
            };
            if self.network.is_none() && needs_network(&client) {
                self.network = Some(Slot::new(worker, keys.network, now_ms));
            }
            let mut network = self.network.as_ref().map(|slot| slot.held.record.clone());
            let mut sessions: Vec<_> = self.sessions.iter().map(|slot| slot.held.record.clone()).collect();
            let before = client.clone();
            let outcome = change(&mut Subjects {
                client: &mut client,
                address: &mut house.address,
                network: network.as_mut(),
                sessions: &mut sessions,
                network_key: keys.network,
            });
            let mut stored = true;
            match (&mut self.elsewhere, room) {
                (Some(slot), None) => {
                    if client != before {
                        house.overflow();
                    }
                    stored &= slot.store(worker, &client, now_ms);
                }
                (_, Some(room)) if client != before => house.settle(room, client),
                _ => {}
            }
            stored &= self.house.store(worker, &house, now_ms);
            if let (Some(slot), Some(network)) = (&mut self.network, &network) {
                stored &= slot.store(worker, network, now_ms);
            }
            for (slot, session) in self.sessions.iter_mut().zip(&sessions) {
                stored &= !session.is_issued() || slot.store(worker, session, now_ms);
            }
            if stored || attempt == ATTEMPTS {
                worker.metrics.add(Counter::StateConflict, u64::from(!stored));
                let is_kept = self.house.is_kept() || self.network.as_ref().is_some_and(Slot::is_kept);
                return (outcome, stored && is_kept);
            }
            attempt += 1;
        }
    }
}

/// The client's room in the house; `None` (and `elsewhere` is loaded) where its record is in the clients' table.
fn find_room<H: Host>(
    worker: &Worker<H>,
    house: &House,
    (client, now_ms): (u64, u64),
    elsewhere: &mut Option<Slot<ClientState>>,
) -> Option<usize> {
    let free = match house.home(client, now_ms) {
        Home::Room(room) => return Some(room),
        Home::Elsewhere(free) => free,
    };
    let slot = Slot::<ClientState>::new(worker, client, now_ms);
    if free.is_some() && slot.held.record.is_new() {
        return free;
    }
    *elsewhere = Some(slot);
    None
}

struct Slot<R> {
    held: Held<R>,
    key: u64,
    stored: bool,
}

impl<R: Record> Slot<R> {
    fn new<H: Host>(worker: &Worker<H>, key: u64, now_ms: u64) -> Self {
        Self { held: Held::load(&worker.host, worker.config.state_slots, key, now_ms), key, stored: false }
    }

    /// Whether the record has a place.
    fn is_kept(&self) -> bool {
        self.held.storing != Storing::TurnedAway
    }

    /// Stores once; where another worker was quicker, loads what it wrote.
    fn store<H: Host>(&mut self, worker: &Worker<H>, record: &R, now_ms: u64) -> bool {
        if self.stored || *record == self.held.record {
            return true;
        }
        let storing = self.held.storing;
        self.stored = self.held.store(&worker.host, record).is_ok();
        if self.stored {
            storing.count(&worker.metrics);
        } else {
            self.held = Held::load(&worker.host, worker.config.state_slots, self.key, now_ms);
        }
        self.stored
    }
}
