//! The network's record: what the newcomers of an IPv4 /24 or IPv6 /48 do together, whatever addresses they use.

use crate::decay::remaining;
use crate::record::record;
use crate::visit::LOGIN_TAU_S;

/// τ of claims to be an asset that the answer denied, in seconds.
pub(crate) const FALSE_CLAIM_TAU_S: f32 = 60.0;

record! {
    /// What is remembered of one network. All floats are finite and at least 0.
    pub struct NetworkState {
        /// Keyed hash of the network (see [`crate::HashKey::network`]).
        key: u64,
        /// Unix milliseconds; never runs backwards.
        last_seen_ms: u64,
        /// The rate cell of newcomers' pages: theoretical arrival time, Unix µs, like the two that follow.
        newcomers_tat_us: u64,
        /// The rate cell of failed sign-ins and those under way.
        login_tat_us: u64,
        /// The rate cell of clients that prove themselves, and of sessions that come to tell their holders apart.
        graduation_tat_us: u64,
        /// Login attempts that were answered, τ = 900 s.
        attempts: f32,
        /// Failed logins, τ = 900 s.
        failures: f32,
        /// Pages that were asked for as assets, τ = 60 s.
        false_claims: f32,
    }
}

impl NetworkState {
    /// The record of a network never seen before.
    pub fn new(key: u64) -> Self {
        Self {
            key,
            last_seen_ms: 0,
            newcomers_tat_us: 0,
            login_tat_us: 0,
            graduation_tat_us: 0,
            attempts: 0.0,
            failures: 0.0,
            false_claims: 0.0,
        }
    }

    /// Lets the decayed numbers forget up to now (Unix milliseconds).
    pub(crate) fn pass_time(&mut self, now_ms: u64) {
        let now_ms = now_ms.max(self.last_seen_ms);
        let elapsed = now_ms - self.last_seen_ms;
        let left = remaining(elapsed, LOGIN_TAU_S);
        self.attempts *= left;
        self.failures *= left;
        self.false_claims *= remaining(elapsed, FALSE_CLAIM_TAU_S);
        self.last_seen_ms = now_ms;
    }
}
