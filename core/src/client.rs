//! The client's state: a fixed-size record, updated in constant time by every request.

use crate::agent::{Agent, AgentKind};
use crate::crawler::AgentVerdict;
use crate::record::record;

/// A proof holds for so long after its last use, in seconds (1 day).
pub(crate) const PROOF_KEEP_S: u64 = 86_400;

record! {
    /// What is remembered of one client. All floats are finite and at least 0.
    pub struct ClientState {
        /// Keyed hash of the client (see [`crate::HashKey::client`]).
        key: u64,
        /// Unix milliseconds.
        first_seen_ms: u64,
        /// Unix milliseconds; never runs backwards.
        last_seen_ms: u64,
        /// Start of the latest page event, Unix milliseconds.
        event_ms: u64,
        /// The rate cell of pages and API calls (see [`crate::cell`]).
        rate_tat_us: u64,
        /// Until when the control plane's verdict holds, Unix milliseconds.
        verdict_until_ms: u64,
        /// Until when the verdict on the crawler holds that it claims to be, Unix milliseconds.
        agent_until_ms: u64,
        /// The rate cells of pages, API calls, login attempts and assets.
        class_tat_us: [u64; 4],
        /// Decayed count of pages, τ = 60 s.
        pages_60s: f32,
        /// Decayed count of pages, τ = 2 s.
        pages_2s: f32,
        /// Requests, decayed ×0.95 per request, like the nine that follow.
        requests: f32,
        pages: f32,
        assets: f32,
        probes: f32,
        client_errors: f32,
        logins: f32,
        api_calls: f32,
        heads: f32,
        /// Pages that nothing led to, the first of a visit in part, and assets that no page accounts for.
        without_referer: f32,
        /// Pages and API calls that were asked for as assets.
        false_assets: f32,
        /// Moving mean of the gaps between page events, seconds.
        gap_mean: f32,
        /// Moving variance of the gaps, seconds².
        gap_variance: f32,
        /// Moving mean of exp(−gap / 5 s); like the two that follow it starts from one observation of 0.
        fast: f32,
        /// Moving mean of "the same page again".
        repeat: f32,
        /// Moving mean of "A → B → A".
        back: f32,
        /// Login attempts that were answered, τ = 900 s.
        attempts: f32,
        /// Failed logins, τ = 900 s.
        failures: f32,
        /// Trap hit: 1 at the hit, τ = 1,800 s.
        trap: f32,
        /// Probe hits, τ = 1,800 s.
        probe_hits: f32,
        /// Pages read, fading over a day.
        read: f32,
        /// Forms that were sent as no person sends them, τ = 1,800 s.
        quick_forms: f32,
        /// The user agent's suspicion: judged once per record.
        agent_suspicion: f32,
        /// Gaps seen.
        gaps: u32,
        /// Pages seen.
        page_count: u32,
        /// Hash of the latest page and the one before.
        last_page: u32,
        previous_page: u32,
        /// Hash of the page that others came along with.
        root: u32,
        /// Pages by hashed path, halved when one is full.
        histogram: [u8; 16],
        /// [`AgentKind`] as a number.
        agent_kind: u8,
        /// 1 once `/robots.txt` was read.
        read_robots: u8,
        /// What the latest page was: 0 a step of the visitor's, 1 one that was answered by a redirect, 2 where a
        /// redirect led to.
        redirect: u8,
        /// The control plane's verdict as a strength in [-1, 1]: 128 is 0.
        verdict: u8,
        /// [`crate::AgentVerdict`] as a number; 0 for none.
        agent_verdict: u8,
        /// 1 where the user agent claims to be a crawler that can be verified.
        claims_crawler: u8,
        /// When it proved itself, or used its proof, Unix seconds; 0 for never.
        proven_s: u32,
        /// When the first page was followed by what a page needs, Unix seconds.
        proof_from_s: u32,
        /// Pages that were followed by what a page needs.
        proof: u8,
        /// 1 where the latest page was not yet.
        awaits_proof: u8,
        /// Pages that were asked for as assets in this visit.
        false_claims: u8,
        /// Visits before this one.
        visits: u8,
        /// Pages of this visit.
        visit_pages: u8,
        /// 1 where it signed in, and was led on: administration is its own then.
        at_home: u8,
        /// 1 where the latest page was one that some sites have, and this one has.
        served_probe: u8,
        /// What came along with the latest page, and is no page itself.
        along: u8,
        /// 1 where the latest request was counted as no page, until its answer tells.
        is_light: u8,
    }
}

impl ClientState {
    /// The record of a client never seen before.
    pub fn new(key: u64) -> Self {
        Self {
            key,
            first_seen_ms: 0,
            last_seen_ms: 0,
            event_ms: 0,
            rate_tat_us: 0,
            verdict_until_ms: 0,
            agent_until_ms: 0,
            class_tat_us: [0; 4],
            pages_60s: 0.0,
            pages_2s: 0.0,
            requests: 0.0,
            pages: 0.0,
            assets: 0.0,
            probes: 0.0,
            client_errors: 0.0,
            logins: 0.0,
            api_calls: 0.0,
            heads: 0.0,
            without_referer: 0.0,
            false_assets: 0.0,
            gap_mean: 0.0,
            gap_variance: 0.0,
            fast: 0.0,
            repeat: 0.0,
            back: 0.0,
            attempts: 0.0,
            failures: 0.0,
            trap: 0.0,
            probe_hits: 0.0,
            read: 0.0,
            quick_forms: 0.0,
            agent_suspicion: 0.0,
            gaps: 0,
            page_count: 0,
            last_page: 0,
            previous_page: 0,
            root: 0,
            histogram: [0; 16],
            agent_kind: AgentKind::Other as u8,
            read_robots: 0,
            redirect: 0,
            verdict: 128,
            agent_verdict: 0,
            claims_crawler: 0,
            proven_s: 0,
            proof_from_s: 0,
            proof: 0,
            awaits_proof: 0,
            false_claims: 0,
            visits: 0,
            visit_pages: 0,
            at_home: 0,
            served_probe: 0,
            along: 0,
            is_light: 0,
        }
    }

    /// The record of a client of which nothing is known but that it came at `now_ms` (Unix milliseconds).
    pub fn met(key: u64, now_ms: u64) -> Self {
        let now_ms = now_ms.max(1);
        Self { first_seen_ms: now_ms, last_seen_ms: now_ms, ..Self::new(key) }
    }

    /// The record of somebody whom a session tells apart from those whose record this is: begun as theirs.
    #[must_use]
    pub fn told_apart(&self, key: u64) -> Self {
        Self { key, ..self.clone() }
    }

    /// What the user agent was judged to be, when the record began.
    pub fn agent(&self) -> Agent {
        Agent { kind: AgentKind::from_u8(self.agent_kind), suspicion: self.agent_suspicion.min(1.0) }
    }

    /// What came of verifying the crawler that it claims to be, where that is still fresh at `now_ms`.
    pub fn agent_verdict(&self, now_ms: u64) -> Option<AgentVerdict> {
        AgentVerdict::from_u8(self.agent_verdict).filter(|_| self.agent_until_ms > now_ms)
    }

    /// Whether the user agent claims to be a crawler that can be verified.
    pub fn claims_crawler(&self) -> bool {
        self.claims_crawler == 1
    }

    /// Lets the control plane's verdict hold no longer than `hold_s` seconds from `now_ms` (Unix milliseconds) on: it will
    /// know more then.
    pub fn hold_verdict(&mut self, hold_s: u32, now_ms: u64) {
        let until_ms = now_ms.saturating_add(u64::from(hold_s) * 1000);
        self.verdict_until_ms = self.verdict_until_ms.min(until_ms);
    }

    /// Whether no request has been counted yet.
    pub fn is_new(&self) -> bool {
        self.first_seen_ms == 0
    }
}

pub(crate) fn one_if(condition: bool) -> f32 {
    if condition { 1.0 } else { 0.0 }
}
