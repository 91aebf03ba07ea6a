//! The address's record: what stands behind one IPv4 address or IPv6 /64, whatever it calls itself.

use crate::client::one_if;
use crate::decay::remaining;
use crate::network::FALSE_CLAIM_TAU_S;
use crate::policy::OF_AGENTS;
use crate::record::record;
use crate::visit::LOGIN_TAU_S;

/// τ of the shares, in seconds; also of newcomers and their misdeeds, so that their share does not change by itself.
const SHARE_TAU_S: f32 = 600.0;
/// τ of clients that proved themselves, in seconds: a day.
const PROVEN_TAU_S: f32 = 86_400.0;
/// So many proven clients double what newcomers share, and how many sign-ins may fail.
const PROVEN_DOUBLES: f32 = 4.0;
/// They never share more than so many times what one client has.
const MOST_GROWTH: f32 = 4.0;
/// A client that asked for pages as if they were assets so often has no credit left for its address: see
/// [`AddressState::distrusts_assets`].
const FALSE_CLAIMS: f32 = 3.0;

/// Of so many assets of a page one may well be missing.
const ASSETS_PER_MISSING: f32 = 16.0;

record! {
    /// What is remembered of one address. All floats are finite and at least 0.
    pub struct AddressState {
        /// Keyed hash of the address (see [`crate::HashKey::address`]).
        key: u64,
        /// Unix milliseconds; never runs backwards.
        last_seen_ms: u64,
        /// The rate cell of all requests (see [`crate::cell`]).
        rate_tat_us: u64,
        /// The rate cell of newcomers' pages: theoretical arrival time, Unix µs, like the four that follow.
        newcomers_tat_us: u64,
        /// The rate cell of all clients' pages.
        page_tat_us: u64,
        /// The rate cell of sign-ins, failed or under way.
        login_tat_us: u64,
        /// The rate cell of what other sites bring along.
        cross_tat_us: u64,
        /// The rate cells of those who say what they are for, in the order of the rules.
        agents_tat_us: [u64; OF_AGENTS],
        /// The rate cell of clients that prove themselves, and of sessions that come to tell their holders apart.
        graduation_tat_us: u64,
        /// Clients that came, τ = 600 s.
        new_clients: f32,
        /// Of them those that hit a probe or trap, or failed to sign in three times, τ = 600 s.
        misdeeds: f32,
        /// Clients that proved themselves, τ = 1 day.
        proven: f32,
        /// Pages that were asked for as assets, τ = 60 s.
        false_claims: f32,
        /// Requests, τ = 60 s.
        requests_60s: f32,
        /// Requests, τ = 600 s.
        requests: f32,
        /// Assets, τ = 600 s.
        assets: f32,
        /// Of them those that were missing, τ = 600 s.
        missing: f32,
        /// Login attempts that were answered, τ = 900 s.
        attempts: f32,
        /// Failed logins, τ = 900 s.
        failures: f32,
    }
}

impl AddressState {
    /// The record of an address never seen before.
    pub fn new(key: u64) -> Self {
        Self {
            key,
            last_seen_ms: 0,
            rate_tat_us: 0,
            newcomers_tat_us: 0,
            page_tat_us: 0,
            login_tat_us: 0,
            cross_tat_us: 0,
            agents_tat_us: [0; OF_AGENTS],
            graduation_tat_us: 0,
            new_clients: 0.0,
            misdeeds: 0.0,
            proven: 0.0,
            false_claims: 0.0,
            requests_60s: 0.0,
            requests: 0.0,
            assets: 0.0,
            missing: 0.0,
            attempts: 0.0,
            failures: 0.0,
        }
    }

    /// Counts one request.
    pub(crate) fn visit(&mut self, is_asset: bool, now_ms: u64) {
        self.pass_time(now_ms);
        self.requests_60s += 1.0;
        self.requests += 1.0;
        self.assets += one_if(is_asset);
    }

    /// Lets the decayed numbers forget up to now; gives the time that counts, in Unix milliseconds.
    pub(crate) fn pass_time(&mut self, now_ms: u64) -> u64 {
        let now_ms = now_ms.max(self.last_seen_ms);
        let elapsed = now_ms - self.last_seen_ms;
        self.requests_60s *= remaining(elapsed, 60.0);
        let left = remaining(elapsed, SHARE_TAU_S);
        self.requests *= left;
        self.assets *= left;
        self.missing *= left;
        self.new_clients *= left;
        self.misdeeds *= left;
        self.proven *= remaining(elapsed, PROVEN_TAU_S);
        let left = remaining(elapsed, LOGIN_TAU_S);
        self.attempts *= left;
        self.failures *= left;
        if self.false_claims > 0.0 {
            self.false_claims *= remaining(elapsed, FALSE_CLAIM_TAU_S);
        }
        self.last_seen_ms = now_ms;
        now_ms
    }

    /// How many clients came lately, τ = 600 s.
    pub fn clients(&self) -> f32 {
        self.new_clients
    }

    /// How many times what one client has its newcomers share, and how many times as many of its sign-ins may fail, 1 to 4:
    /// it grows with the clients that proved themselves here in the last day.
    pub(crate) fn growth(&self) -> f32 {
        (1.0 + self.proven / PROVEN_DOUBLES).min(MOST_GROWTH)
    }

    /// Whether newcomers here asked for pages as if they were assets so often that their assets have to wait for room in
    /// their pages' cells.
    pub(crate) fn distrusts_assets(&self) -> bool {
        self.false_claims >= FALSE_CLAIMS
    }

    /// One more asset was missing: whether that is nobody's fault, for so many others came.
    pub(crate) fn spares_missing(&mut self) -> bool {
        self.missing += 1.0;
        self.missing * ASSETS_PER_MISSING <= self.assets
    }

    /// How much the newcomers look like one that changes its name, in [0, 1]: the larger of two findings, each less what
    /// proved itself here since. *Rotation*: many came (8 to 24), few requests each (below 4), without the assets that
    /// pages load; an office of 200 people loads them. *Misdeeds*: several newcomers (1 to 5) probed, hit traps or failed
    /// to sign in again and again, and most of those that came did.
    pub(crate) fn newcomers(&self) -> f32 {
        let came = self.new_clients + 1.0;
        let many = ((came - 8.0 - 2.0 * self.proven) / 16.0).clamp(0.0, 1.0);
        let brief = (2.0 - self.requests / came / 2.0).clamp(0.0, 1.0);
        let bare = (1.0 - 3.0 * self.assets / (self.requests + 1.0)).clamp(0.0, 1.0);
        let several = ((self.misdeeds - 1.0 - 2.0 * self.proven) / 4.0).clamp(0.0, 1.0);
        let most = (4.0 * self.misdeeds / came - 1.0).clamp(0.0, 1.0);
        (many * brief * bare).max(several * most)
    }
}
