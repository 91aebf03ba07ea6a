//! The address's record: what stands behind one IPv4 address or IPv6 /64, whatever it calls itself.

use crate::cell::over_quarter_until_ms;
use crate::client::{LOGIN_TAU_S, one_if};
use crate::decay::remaining;
use crate::record::record;

/// How long one count of distinct clients lasts, in milliseconds.
const CLIENTS_WINDOW_MS: u64 = 600_000;
/// τ of the shares, in seconds.
const SHARE_TAU_S: f32 = 600.0;

record! {
    /// What is remembered of one address. All floats are finite and at least 0.
    pub struct AddressState {
        /// Keyed hash of the address (see [`crate::HashKey::address`]).
        key: u64,
        /// Unix milliseconds; never runs backwards.
        last_seen_ms: u64,
        /// The rate cell of all requests (see [`crate::cell`]).
        rate_tat_us: u64,
        /// Start of the window that `clients` counts, Unix milliseconds.
        window_ms: u64,
        /// Linear-counting bitmap of the clients seen in this window (Whang et al., 1990).
        clients: u64,
        /// The bitmap of the window before.
        clients_before: u64,
        /// Requests, τ = 60 s.
        requests_60s: f32,
        /// Requests, τ = 600 s.
        requests: f32,
        /// Assets, τ = 600 s.
        assets: f32,
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
            window_ms: 0,
            clients: 0,
            clients_before: 0,
            requests_60s: 0.0,
            requests: 0.0,
            assets: 0.0,
            attempts: 0.0,
            failures: 0.0,
        }
    }

    /// Counts one request of the client with this key.
    pub(crate) fn visit(&mut self, client: u64, is_asset: bool, now_ms: u64) {
        let now_ms = self.pass_time(now_ms);
        self.requests_60s += 1.0;
        self.requests += 1.0;
        self.assets += one_if(is_asset);
        let age = now_ms.saturating_sub(self.window_ms);
        if age >= CLIENTS_WINDOW_MS {
            self.clients_before = if age < 2 * CLIENTS_WINDOW_MS { self.clients } else { 0 };
            self.clients = 0;
            self.window_ms = now_ms;
        }
        self.clients |= 1 << (client % 64);
    }

    /// Lets the decayed numbers forget up to now; gives the time that counts, in Unix milliseconds.
    pub(crate) fn pass_time(&mut self, now_ms: u64) -> u64 {
        let now_ms = now_ms.max(self.last_seen_ms);
        let elapsed = now_ms - self.last_seen_ms;
        self.requests_60s *= remaining(elapsed, 60.0);
        let left = remaining(elapsed, SHARE_TAU_S);
        self.requests *= left;
        self.assets *= left;
        let left = remaining(elapsed, LOGIN_TAU_S);
        self.attempts *= left;
        self.failures *= left;
        self.last_seen_ms = now_ms;
        now_ms
    }

    /// Distinct clients of this and the last window, estimated: −64·ln(share of bits unset), at most 266.
    pub fn clients(&self) -> f32 {
        let unset = (self.clients | self.clients_before).count_zeros().max(1);
        -64.0 * libm::logf(unset as f32 / 64.0)
    }

    /// How much the clients look like one that rotates its user agent, in [0, 1]: many of them (8 to 24), few
    /// requests each (below 4), and no assets. An office of 200 people loads assets.
    pub(crate) fn rotation(&self) -> f32 {
        let clients = self.clients();
        let many = ((clients - 8.0) / 16.0).clamp(0.0, 1.0);
        let each = self.requests / clients.max(1.0);
        let brief = (2.0 - each / 2.0).clamp(0.0, 1.0);
        let bare = (1.0 - 3.0 * self.assets / (self.requests + 1.0)).clamp(0.0, 1.0);
        many * brief * bare
    }

    /// Until when it must not make room for a newcomer, Unix milliseconds: while its rate cell is over a quarter full.
    pub fn worth_until_ms(&self) -> u64 {
        over_quarter_until_ms(self.rate_tat_us)
    }
}
