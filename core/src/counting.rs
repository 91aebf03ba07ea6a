//! Counting a request in the records of its subjects, and taking back what a refusal has made of it.

use crate::address::AddressState;
use crate::asked::Asked;
use crate::client::{ClientState, Visit, one_if};
use crate::decision::Basis;
use crate::network::NetworkState;
use crate::path::PathClass;
use crate::session::SessionState;
use crate::subjects::Subjects;

impl Subjects<'_> {
    /// Forgets what is from later than now: the clock was set back.
    pub(crate) fn begin_anew(&mut self, now_ms: u64) {
        if self.client.is_from_later(now_ms) {
            *self.client = ClientState::new(self.client.key);
        }
        if self.address.is_from_later(now_ms) {
            *self.address = AddressState::new(self.address.key);
        }
        if let Some(network) = self.network.as_deref_mut().filter(|network| network.is_from_later(now_ms)) {
            *network = NetworkState::new(network.key);
        }
        for session in self.sessions.iter_mut().filter(|session| session.is_from_later(now_ms)) {
            session.begin_anew(now_ms);
        }
    }

    /// Counts the request at every level; whether it is a newcomer's.
    pub(crate) fn count(&mut self, asked: &Asked<'_>, now_ms: u64) -> bool {
        let facts = asked.facts;
        let visit = Visit {
            class: asked.class,
            path: facts.path,
            has_referer: !matches!(facts.referer, b"" | b"-"),
            is_head: facts.method == b"HEAD",
            is_attempt: asked.is_attempt,
            is_probe: asked.is_probe,
            is_trap: asked.is_trap,
            is_robots: asked.is_robots(),
            is_cross_site: asked.is_cross_site,
        };
        let client = &mut *self.client;
        let had_hits = client.trap + client.probe_hits > 0.0;
        client.visit(visit, now_ms);
        client.renew_proof(now_ms);
        let has_hits = client.trap + client.probe_hits > 0.0;
        self.address.visit(asked.class == PathClass::Asset, now_ms);
        self.address.misdeeds += one_if(has_hits && !had_hits);
        if let Some(network) = self.network.as_deref_mut() {
            network.pass_time(now_ms);
        }
        let (network, is_proven) = (self.network_key, client.is_proven(now_ms));
        if is_proven {
            let issued = self.sessions.iter_mut().filter(|session| session.is_issued());
            issued.for_each(|session| session.prove(network, &mut self.address.graduation_tat_us, now_ms));
        }
        for session in &mut *self.sessions {
            session.last_seen_ms = session.last_seen_ms.max(now_ms);
        }
        // A session vouches for what is read, not for who signs in: else its network would count none of its tries.
        let vouches = |session: &mut SessionState| !asked.is_attempt && session.vouches(network, now_ms);
        !is_proven && !self.sessions.iter_mut().any(vouches)
    }

    /// Takes back what a refusal has made of the request.
    pub(crate) fn refused(&mut self, asked: &Asked<'_>, before: ClientState, basis: Basis) {
        self.client.refused(asked.is_attempt, before);
        self.address.assets = (self.address.assets - one_if(asked.class == PathClass::Asset)).max(0.0);
        if basis == Basis::RateLimit {
            self.address.requests = (self.address.requests - 1.0).max(0.0);
        }
    }
}
