//! Counting a request in the records of its subjects, and taking back what a refusal has made of it.

use crate::address::AddressState;
use crate::asked::Asked;
use crate::client::{ClientState, one_if};
use crate::decision::Basis;
use crate::network::NetworkState;
use crate::path::PathClass;
use crate::proof::make_room;
use crate::session::SessionState;
use crate::subjects::Subjects;
use crate::visit::{Probe, Visit};

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
        let client = &mut *self.client;
        let had_hits = client.trap + client.probe_hits > 0.0;
        client.visit(Visit::of(asked, client, now_ms), now_ms);
        client.renew_proof(now_ms);
        let has_hits = client.trap + client.probe_hits > 0.0;
        self.address.visit(asked.class == PathClass::Asset, now_ms);
        self.address.misdeeds += one_if(has_hits && !had_hits);
        if let Some(network) = self.network.as_deref_mut() {
            network.pass_time(now_ms);
        }
        let (network, is_proven) = (self.network_key, client.is_proven(now_ms));
        if is_proven {
            for session in self.sessions.iter_mut().filter(|session| session.is_issued()) {
                let has_room = || make_room(self.address, self.network.as_deref_mut(), now_ms);
                session.prove(network, has_room, now_ms);
                // Who is known here without it brings it back all the same: else it would stay where it came to last.
                session.vouches(network, now_ms);
            }
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

    /// Counts what [`Subjects::refused`] took back, for the request passes after all.
    pub(crate) fn passed_after_all(&mut self, asked: &Asked<'_>, now_ms: u64) {
        // A record that was lost meanwhile begins with the next request.
        if !self.client.is_new() {
            let mut passed = self.client.clone();
            passed.visit(Visit::of(asked, &passed, now_ms), now_ms);
            // What a refusal leaves is counted already.
            self.client.refused(asked.is_attempt, passed);
        }
        self.address.assets += one_if(asked.class == PathClass::Asset);
    }
}

impl<'a> Visit<'a> {
    fn of(asked: &Asked<'a>, client: &ClientState, now_ms: u64) -> Self {
        let facts = asked.facts;
        let led_by =
            if matches!(asked.class, PathClass::Page | PathClass::Login) { asked.led_by() } else { 0 };
        Self {
            class: asked.class,
            path: facts.path,
            has_referer: asked.is_led(),
            led_by,
            is_along: asked.is_answered && asked.is_along(led_by, client, now_ms),
            is_by_script: asked.is_answered && asked.is_by_script(),
            is_sent: asked.is_sent,
            is_form: asked.is_form,
            is_head: facts.method == b"HEAD",
            is_attempt: asked.is_attempt,
            probe: match (asked.is_probe, asked.is_secret) {
                (false, _) => Probe::None,
                (true, true) => Probe::Secret,
                // Whoever signs in there is held by what signing in is held by.
                (true, false) if asked.is_attempt => Probe::None,
                (true, false) => Probe::Served,
            },
            is_trap: asked.is_trap,
            is_robots: asked.is_robots(),
            is_cross_site: asked.is_cross_site,
        }
    }
}

impl ClientState {
    /// What the latest request leaves where it was refused: it counts in the rates and for traps and probes, but it is no
    /// page without assets, no error and no repetition, for the refusal made it one. `before` is the record before it.
    fn refused(&mut self, is_attempt: bool, before: Self) {
        let after = std::mem::replace(self, before);
        // A sign-in that was refused is one all the same, and nobody reads sign-ins: when it came counts too.
        if is_attempt {
            (self.logins, self.requests) = (after.logins, after.requests);
            (self.event_ms, self.gaps, self.fast) = (after.event_ms, after.gaps, after.fast);
            (self.gap_mean, self.gap_variance) = (after.gap_mean, after.gap_variance);
        }
        self.first_seen_ms = after.first_seen_ms;
        self.last_seen_ms = after.last_seen_ms;
        self.pages_60s = after.pages_60s;
        self.pages_2s = after.pages_2s;
        self.attempts = after.attempts;
        self.failures = after.failures;
        self.trap = after.trap;
        self.probe_hits = after.probe_hits;
        self.quick_forms = after.quick_forms;
        self.rate_tat_us = after.rate_tat_us;
        self.class_tat_us = after.class_tat_us;
        self.agent_kind = after.agent_kind;
        self.agent_suspicion = after.agent_suspicion;
        self.claims_crawler = after.claims_crawler;
        self.agent_verdict = after.agent_verdict;
        self.agent_until_ms = after.agent_until_ms;
        self.read_robots = after.read_robots;
        self.proven_s = after.proven_s;
        self.proof = after.proof;
        self.false_claims = after.false_claims;
    }
}
