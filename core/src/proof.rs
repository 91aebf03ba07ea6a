//! Proving oneself: a newcomer becomes a client with cells of its own once it behaved like a browser for a while.
//!
//! What counts is that pages are followed by what pages need: an asset that was answered as one, a 304 (its cache is
//! warm), or another page that this site led to (assets may live elsewhere). Anybody can do that; so only so many clients
//! of an address and of a network can prove themselves in ten minutes, and all of an address share cells whoever they are.

use crate::address::AddressState;
use crate::client::{ClientState, PROOF_KEEP_S};
use crate::decay::{Rate, gcra};
use crate::network::NetworkState;
use crate::subjects::Subjects;

/// So many pages have to be followed by what pages need.
const POINTS: u8 = 2;
/// From the first of them on it takes at least so long, in seconds.
const TAKES_S: u32 = 60;
/// Whom its address or network has no room for is looked at again after so long, in seconds: then an address has one more.
const AGAIN_S: u32 = 40;
/// What was shown is forgotten after so long without more, in seconds: the visit is over.
const FORGOTTEN_S: u32 = 1_800;
/// A proof is renewed by use when it is older than this, in seconds.
const RENEWED_S: u64 = 3_600;
/// Clients of an address that prove themselves, and sessions that tell apart: 15 at once, 30 in any ten minutes.
const OF_ADDRESS: Rate = Rate::every(40_000_000, 15);
/// The same of a network: 60 at once, 120 in any ten minutes.
const OF_NETWORK: Rate = Rate::every(10_000_000, 60);

impl ClientState {
    /// Whether it has proven itself at Unix milliseconds `now_ms`: within a day of its last use.
    pub fn is_proven(&self, now_ms: u64) -> bool {
        self.proven_s != 0 && (now_ms / 1000).saturating_sub(self.proven_s.into()) < PROOF_KEEP_S
    }

    /// Whether it has shown enough to prove itself, or will have with this answer.
    pub fn is_nearly_ripe(&self, now_ms: u64) -> bool {
        self.is_ripe(self.proof.saturating_add(1), now_ms)
    }

    fn is_ripe(&self, proof: u8, now_ms: u64) -> bool {
        let now_s = (now_ms / 1000) as u32;
        proof >= POINTS && now_s.saturating_sub(self.proof_from_s) >= TAKES_S && !self.has_misdeeds()
    }

    /// Whether it would help if the latest page was followed by what a page needs, or an API call by its answer.
    pub(crate) fn awaits(&self, now_ms: u64) -> bool {
        let is_late = self.shown_s(now_ms) >= TAKES_S;
        (self.awaits_proof == 1 && (self.proof < POINTS || is_late)) || (self.proof == POINTS - 1 && is_late)
    }

    /// A page that was followed by what it needs goes on to call the site, as those do that are programs: what is the last
    /// point of others' next page is its call's, a minute later.
    pub(crate) fn calls_on(&mut self, now_ms: u64) {
        if self.proof == POINTS - 1 && (TAKES_S..=FORGOTTEN_S).contains(&self.shown_s(now_ms)) {
            self.proof = POINTS;
        }
    }

    /// How long ago the first page was followed by what it needs, seconds.
    fn shown_s(&self, now_ms: u64) -> u32 {
        ((now_ms / 1000) as u32).saturating_sub(self.proof_from_s)
    }

    /// The latest page was followed by what a page needs.
    pub(crate) fn shows(&mut self, now_ms: u64) {
        if std::mem::take(&mut self.awaits_proof) == 0 {
            return;
        }
        let now_s = (now_ms / 1000) as u32;
        if self.proof == 0 || now_s.saturating_sub(self.proof_from_s) > FORGOTTEN_S {
            (self.proof, self.proof_from_s) = (0, now_s);
        }
        self.proof = self.proof.saturating_add(1);
    }

    /// Keeps the proof of who uses it; takes it from who probes.
    pub(crate) fn renew_proof(&mut self, now_ms: u64) {
        if self.has_misdeeds() {
            (self.proven_s, self.proof) = (0, 0);
        } else if self.is_proven(now_ms) && (now_ms / 1000).saturating_sub(self.proven_s.into()) > RENEWED_S {
            self.proven_s = (now_ms / 1000) as u32;
        }
    }

    fn has_misdeeds(&self) -> bool {
        self.trap > 0.05 || self.probe_hits > 1.5 || self.false_claims > 2
    }
}

impl AddressState {
    /// Whether one more may prove itself at the address.
    pub(crate) fn has_room(&self, now_ms: u64) -> bool {
        let mut as_it_is = self.graduation_tat_us;
        gcra(&mut as_it_is, now_ms, OF_ADDRESS).is_ok()
    }
}

/// Takes a place among those who prove themselves at an address and in its network, a client's or a session's, where both
/// have one. Where the network is not at hand nobody does.
pub(crate) fn make_room(address: &mut AddressState, network: Option<&mut NetworkState>, now_ms: u64) -> bool {
    let Some(network) = network else { return false };
    let (mut of_address, mut of_network) = (address.graduation_tat_us, network.graduation_tat_us);
    let room = gcra(&mut of_address, now_ms, OF_ADDRESS).is_ok()
        && gcra(&mut of_network, now_ms, OF_NETWORK).is_ok();
    if room {
        (address.graduation_tat_us, network.graduation_tat_us) = (of_address, of_network);
    }
    room
}

impl Subjects<'_> {
    /// Lets the client prove itself where it has shown enough and its address and network have room for one more.
    pub(crate) fn graduate(&mut self, now_ms: u64) {
        let Some(network) = self.network.as_deref_mut() else { return };
        if self.client.is_proven(now_ms) || !self.client.is_ripe(self.client.proof, now_ms) {
            return;
        }
        let room = make_room(self.address, Some(network), now_ms);
        let now_s = (now_ms / 1000) as u32;
        if !room {
            self.client.proof_from_s = (now_s + AGAIN_S).saturating_sub(TAKES_S);
        } else {
            self.address.proven += 1.0;
            self.client.proven_s = now_s;
        }
    }
}
