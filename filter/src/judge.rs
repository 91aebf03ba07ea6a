//! One judgement on shared records: load, let the engine count and judge, store; again where another worker
//! was quicker.

use sallyport_core::policy::{CompiledLimit, LimitRule};
use sallyport_core::{
    AddressState, AgentVerdict, Answer, Basis, ClientState, Decision, Engine, LoginOutcome, RequestFacts,
    Watch,
};

use crate::consult::Verdict;
use crate::host::Host;
use crate::house::{Home, House};
use crate::marks;
use crate::metrics::Counter;
use crate::state::{Held, Record};
use crate::worker::Worker;

/// After this many lost writes an update is given up: one request goes uncounted.
pub(crate) const ATTEMPTS: usize = 3;

/// Whose records: keyed hashes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keys {
    /// Of the client: address, user agent and JA4, or the session, once it has been seen before.
    pub client: u64,
    /// Of the address.
    pub address: u64,
    /// Of the session, whether it has been seen before or not; 0 for none.
    pub session: u64,
    /// Of the network.
    pub network: u64,
    /// Whether the client is a session, which may come from several addresses.
    by_session: bool,
}

impl Keys {
    /// The keys of a request.
    pub fn of(engine: &Engine, facts: &RequestFacts<'_>) -> Self {
        let key = engine.key();
        Self {
            client: key.client(facts),
            address: key.address(facts.address),
            session: key.session(facts.session),
            network: key.network(facts.address),
            by_session: !facts.session.is_empty(),
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

/// Counts the request in both records and judges it; what others should know of it waits for the next exchange.
pub fn judge<H: Host>(worker: &Worker<H>, engine: &Engine, facts: &RequestFacts<'_>, now_ms: u64) -> Judged {
    let mut keys = Keys::of(engine, facts);
    let mut unmet = None;
    if keys.by_session {
        let session = Slot::<ClientState>::new(worker, keys.client, now_ms);
        if session.held.record.is_new() {
            // Anybody can make up a session for each request: one never seen before counts like none.
            keys =
                Keys { session: keys.session, ..Keys::of(engine, &RequestFacts { session: b"", ..*facts }) };
            unmet = Some(session);
        }
    }
    let known = marks::find(worker, engine, facts, &keys, now_ms);
    let judged = update(worker, keys, now_ms, |client, address| {
        let decision = engine.decide(facts, client, address, known, now_ms);
        Judged { decision, client: client.clone(), keys }
    });
    let Decision { action, basis, is_suspicious, .. } = judged.decision;
    for (rule, key) in judged.decision.charges.iter() {
        charge(worker, engine, rule, key, keys);
    }
    // Sessions made up faster than the limits allow would push out all others.
    if is_suspicious && (unmet.is_none() || basis != Basis::RateLimit) {
        marks::count_suspicious(worker, engine, keys.session, now_ms);
    }
    if let Some(mut session) = unmet
        && basis != Basis::Ignored
        && !action.refuses()
    {
        // Where another worker was quicker, the session is met the next time.
        session.store(worker, &ClientState::met(session.key, now_ms), now_ms);
    }
    judged
}

/// Feeds the answer to a watched request back into both records.
pub fn feed_back<H: Host>(
    worker: &Worker<H>,
    engine: &Engine,
    (keys, watch): (Keys, Watch),
    answer: Answer<'_>,
    now_ms: u64,
) -> Option<LoginOutcome> {
    update(worker, keys, now_ms, |client, address| engine.answered(watch, answer, client, address, now_ms))
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
    update(worker, judged.keys, now_ms, |client, _| {
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
    });
}

/// Takes over how far the shared cell of a rule and its limit is ahead, µs, where the record still exists.
pub fn settle<H: Host>(
    worker: &Worker<H>,
    keys: Keys,
    (rule, limit, ahead_us): (LimitRule, CompiledLimit, u64),
    now_ms: u64,
) {
    update(worker, keys, now_ms, |client, address| match rule {
        LimitRule::Address if address.last_seen_ms() > 0 => address.settle(limit, ahead_us, now_ms),
        LimitRule::Address => {}
        _ if client.is_new() => {}
        _ => client.settle(rule, limit, ahead_us, now_ms),
    });
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

/// Changes a client's and its address's record. `change` is called anew on fresh records for as long as storing
/// one of them fails; a record that it leaves as it was is not stored.
fn update<H: Host, T>(
    worker: &Worker<H>,
    keys: Keys,
    now_ms: u64,
    mut change: impl FnMut(&mut ClientState, &mut AddressState) -> T,
) -> T {
    let mut house = Slot::<House>::new(worker, keys.address, now_ms);
    let mut elsewhere = keys.by_session.then(|| Slot::<ClientState>::new(worker, keys.client, now_ms));
    let mut attempt = 1;
    loop {
        let mut new_house = house.held.record.clone();
        let room = match &elsewhere {
            Some(_) => None,
            None => find_room(worker, &new_house, (keys.client, now_ms), &mut elsewhere),
        };
        let mut client = match (&elsewhere, room) {
            (Some(slot), None) => slot.held.record.clone(),
            (_, room) => new_house.client(room.unwrap_or_default(), keys.client),
        };
        let before = client.clone();
        let outcome = change(&mut client, &mut new_house.address);
        let stored = match (&mut elsewhere, room) {
            (Some(slot), None) => {
                if !keys.by_session && client != before {
                    new_house.overflow();
                }
                slot.store(worker, &client, now_ms)
            }
            (_, Some(room)) if client != before => {
                new_house.settle(room, client);
                true
            }
            _ => true,
        };
        if house.store(worker, &new_house, now_ms) & stored {
            return outcome;
        }
        if attempt == ATTEMPTS {
            worker.metrics.count(Counter::StateConflict);
            return outcome;
        }
        attempt += 1;
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
