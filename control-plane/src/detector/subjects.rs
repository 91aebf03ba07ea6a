//! The records of a request's subjects in their tables, and when a session counts.

use sallyport_core::{AddressState, ClientState, Engine, NetworkState, RequestFacts, SessionState, Subjects};

use super::Detector;
use super::table::Record;

/// Whose records: keyed hashes.
#[derive(Clone, Copy, Debug)]
pub struct Keys {
    /// Of the client: address, user agent and JA4, and the session's holder where a session tells it apart.
    pub client: u64,
    /// Of all that look alike: address, user agent and JA4.
    pub(super) alike: u64,
    /// Of the address.
    pub address: u64,
    pub(super) network: u64,
    /// 0 for none.
    pub(super) session: u64,
}

impl Keys {
    pub(super) fn of(engine: &Engine, facts: &RequestFacts<'_>) -> Self {
        let key = engine.key();
        let alike = key.client(facts);
        Self {
            client: alike,
            alike,
            address: key.address(facts.address),
            network: key.network(facts.address),
            session: key.session(facts.session),
        }
    }
}

impl Detector {
    /// Whether the site issued a session, by its keyed hash.
    pub fn is_issued(&self, session: u64) -> bool {
        session != 0 && self.sessions.read(session, SessionState::is_issued).unwrap_or(false)
    }

    /// The site issued a session, by its keyed hash: it counts from now on, Unix milliseconds.
    pub fn issue(&self, session: u64, now_ms: u64) {
        if session != 0 {
            self.sessions.with(session, |record| record.issue(now_ms));
        }
    }

    /// The same in answer to a request of these keys: it takes the place of the one that told the client apart. Whether it
    /// does.
    pub(super) fn issue_after(&self, keys: Keys, session: u64, now_ms: u64) -> bool {
        let succeeds = keys.client != keys.alike && session != 0 && session != keys.session;
        let before = succeeds.then(|| self.sessions.change(keys.session, SessionState::give_up)).flatten();
        match &before {
            Some(before) => self.sessions.with(session, |record| record.succeed(before, now_ms)),
            None => self.issue(session, now_ms),
        }
        before.is_some()
    }

    /// Whose records: where a session tells the client apart, it has one of its own.
    pub(super) fn keys(&self, engine: &Engine, facts: &RequestFacts<'_>, now_ms: u64) -> Keys {
        let keys = Keys::of(engine, facts);
        let holder = self.sessions.read(keys.session, |session| session.holder_at(keys.network, now_ms));
        let told_apart = |holder| Keys { client: engine.key().holder(keys.alike, holder), ..keys };
        holder.flatten().map_or(keys, told_apart)
    }

    /// Works on the records of a request's subjects, and whether its address's or its network's is kept; a session that
    /// nobody issued has none.
    pub(super) fn subjects<R>(&self, keys: Keys, work: impl FnOnce(&mut Subjects<'_>) -> R) -> (R, bool) {
        let session = self.is_issued(keys.session);
        let alike = (keys.client != keys.alike && self.clients.read(keys.client, |_| ()).is_none())
            .then(|| self.clients.read(keys.alike, |alike| alike.told_apart(keys.client)))
            .flatten();
        self.clients.with(keys.client, |client| {
            if client.is_new()
                && let Some(alike) = alike
            {
                *client = alike;
            }
            let ((outcome, of_network), of_address) = self.addresses.work(keys.address, |address| {
                self.networks.work(keys.network, |network| {
                    let network_key = keys.network;
                    let lend = |sessions: &mut [SessionState]| {
                        work(&mut Subjects { client, address, network: Some(network), sessions, network_key })
                    };
                    if session {
                        self.sessions.with(keys.session, |session| lend(std::slice::from_mut(session)))
                    } else {
                        lend(&mut [])
                    }
                })
            });
            (outcome, of_address || of_network)
        })
    }
}

macro_rules! records {
    ($($record:ident),*) => { $(
        impl Record for $record {
            fn new(key: u64) -> Self {
                Self::new(key)
            }

            fn key(&self) -> u64 {
                Self::key(self)
            }

            fn last_seen_ms(&self) -> u64 {
                Self::last_seen_ms(self)
            }

            fn worth_until_ms(&self) -> u64 {
                Self::worth_until_ms(self)
            }
        }
    )* };
}
records!(ClientState, AddressState, NetworkState, SessionState);
