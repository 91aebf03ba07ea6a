//! The shared records of one request's subjects: loaded, changed and stored together, again where another worker was quicker.

use sallyport_core::{ClientState, Engine, NetworkState, RequestFacts, SessionState, Subjects};

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
    /// Of the client: address, user agent and JA4, and the session's holder where a session tells it apart.
    pub client: u64,
    /// Of all that look alike: address, user agent and JA4.
    pub(crate) alike: u64,
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
        let alike = key.client(facts);
        Self {
            client: alike,
            alike,
            address: key.address(facts.address),
            network: key.network(facts.address),
            named: [key.session(facts.session), key.session(facts.other_session)],
            session: 0,
        }
    }

    /// Whether a session tells the client apart from others that look alike.
    pub(crate) fn is_told_apart(&self) -> bool {
        self.client != self.alike
    }
}

/// Changes one record by itself; after [`ATTEMPTS`] lost writes it is given up: `None`.
pub(crate) fn change<H: Host, R: Record, T>(
    worker: &Worker<H>,
    key: u64,
    now_ms: u64,
    change: impl Fn(&mut R) -> T,
) -> Option<T> {
    let mut slot = Slot::<R>::new(worker, key, now_ms);
    for _ in 0..ATTEMPTS {
        let mut record = slot.held.record.clone();
        let outcome = change(&mut record);
        if slot.store(worker, &record, now_ms) {
            return Some(outcome);
        }
    }
    worker.metrics.count(Counter::StateConflict);
    None
}

/// The records of one request's subjects: the house (address and first client) always, the others where they are needed.
pub(crate) struct Records {
    pub(crate) keys: Keys,
    now_ms: u64,
    house: Slot<House>,
    elsewhere: Option<Slot<ClientState>>,
    network: Option<Slot<NetworkState>>,
    sessions: Vec<Slot<SessionState>>,
}

impl Records {
    pub(crate) fn new<H: Host>(worker: &Worker<H>, keys: &Keys, now_ms: u64) -> Self {
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

    /// A session that others know of was issued: they tell of no other. Of several that were issued the first counts, or the
    /// one that tells the client apart.
    pub(crate) fn know_sessions<H: Host>(&mut self, worker: &Worker<H>, engine: &Engine) {
        let now_ms = self.now_ms;
        for slot in self.sessions.iter_mut().filter(|slot| !slot.held.record.is_issued()) {
            if marks::is_told_of(worker, slot.key, now_ms) {
                slot.held.record.issue(now_ms);
            }
        }
        let keys = &mut self.keys;
        let mut issued = self.sessions.iter().filter(|slot| slot.held.record.is_issued());
        keys.session = issued.clone().next().map_or(0, |slot| slot.key);
        let holder =
            |slot: &Slot<SessionState>| Some((slot.key, slot.held.record.holder_at(keys.network, now_ms)?));
        if let Some((session, holder)) = issued.find_map(holder) {
            (keys.session, keys.client) = (session, engine.key().holder(keys.alike, holder));
        }
    }

    /// Whether a session of its would be proven by a proven client: then the network is needed too. Few are: most have been
    /// long ago, or the address has no room.
    pub(crate) fn may_prove_session(&self) -> bool {
        let address = &self.house.held.record.address;
        self.sessions.iter().any(|slot| slot.held.record.may_prove(address, self.now_ms))
    }

    /// Changes the records, and whether all of them could be stored and one of address and network is kept: where neither
    /// has a place, nobody is charged. `change` is called anew on fresh records for as long as storing one of them fails; a
    /// record that it leaves as it was is not stored, nor a session that nobody issued.
    pub(crate) fn update<H: Host, T>(
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
                None => find_room(worker, &mut house, (&keys, now_ms), &mut self.elsewhere),
            };
            let mut client = match (&self.elsewhere, room) {
                (Some(slot), None) => slot.held.record.clone(),
                (_, room) => house.client(room.unwrap_or_default(), keys.client),
            };
            if client.is_new() && keys.is_told_apart() {
                client = find_alike(worker, &house, &keys, now_ms).told_apart(keys.client);
            }
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

/// The client's room in the house; `None` (and `elsewhere` is loaded) where its record is in the clients' table. Whom a
/// session tells apart takes the room of those who look alike: their record goes to the table.
fn find_room<H: Host>(
    worker: &Worker<H>,
    house: &mut House,
    (keys, now_ms): (&Keys, u64),
    elsewhere: &mut Option<Slot<ClientState>>,
) -> Option<usize> {
    let free = match house.home(keys.client, now_ms) {
        Home::Room(room) => return Some(room),
        Home::Elsewhere(free) => free,
    };
    let slot = Slot::<ClientState>::new(worker, keys.client, now_ms);
    if slot.held.record.is_new() {
        let alike = if keys.is_told_apart() { house.room_of(keys.alike) } else { None };
        let moves_out = |room: &usize| {
            let alike = house.client(*room, keys.alike);
            let mut slot = Slot::<ClientState>::new(worker, keys.alike, now_ms);
            slot.is_kept() && slot.store(worker, &alike, now_ms)
        };
        if let Some(room) = alike.filter(moves_out) {
            house.overflow();
            return Some(room);
        }
        if free.is_some() {
            return free;
        }
    }
    *elsewhere = Some(slot);
    None
}

/// The record of those who look like the client.
fn find_alike<H: Host>(worker: &Worker<H>, house: &House, keys: &Keys, now_ms: u64) -> ClientState {
    match house.room_of(keys.alike) {
        Some(room) => house.client(room, keys.alike),
        None => Slot::<ClientState>::new(worker, keys.alike, now_ms).held.record,
    }
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
