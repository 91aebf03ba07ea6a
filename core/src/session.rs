//! The session's record. A session is a client's name for itself until the site has issued it; it only adds: whoever
//! has one is charged as a client all the same.
//!
//! Once a proven client has used it, it tells its holder apart from others that look alike at the same address: the holder
//! has a client's record of its own from then on, begun as a copy. So nobody bears what somebody else does with the same
//! browser. An address and a network let only so many sessions do that in ten minutes, as they let clients prove themselves.

use crate::address::AddressState;
use crate::client::PROOF_KEEP_S;
use crate::decay::{Rate, gcra};
use crate::record::record;

/// A session brings its proof to two new networks at once, three in any hour: Wi-Fi to mobile and back.
const MOVES: Rate = Rate::every(3_600_000_000, 2);

record! {
    /// What is remembered of one session.
    pub struct SessionState {
        /// Keyed hash of the session (see [`crate::HashKey::session`]).
        key: u64,
        /// Unix milliseconds; never runs backwards.
        last_seen_ms: u64,
        /// The rate cell of its pages and API calls: theoretical arrival time, Unix µs.
        rate_tat_us: u64,
        /// The rate cell of networks that are new to it: theoretical arrival time, Unix µs.
        moves_tat_us: u64,
        /// Keyed hash of the network where it was proven, or came to last.
        network: u64,
        /// Keyed hash of the first session of its holder, see [`SessionState::holder_at`]; 0 for none.
        holder: u64,
        /// When a proven client used it last, Unix seconds; 0 for never.
        proven_s: u32,
        /// 1 once the site issued it, or answered to it as to one that it knows.
        issued: u8,
    }
}

impl SessionState {
    /// The record of a session that nobody issued, as far as is known.
    pub fn new(key: u64) -> Self {
        Self {
            key,
            last_seen_ms: 0,
            rate_tat_us: 0,
            moves_tat_us: 0,
            network: 0,
            holder: 0,
            proven_s: 0,
            issued: 0,
        }
    }

    /// Whether the site issued it: only then it counts, and only then a record is kept.
    pub fn is_issued(&self) -> bool {
        self.issued == 1
    }

    /// The site issued it, or knows it, at Unix milliseconds `now_ms`.
    pub fn issue(&mut self, now_ms: u64) {
        self.issued = 1;
        self.last_seen_ms = self.last_seen_ms.max(now_ms);
    }

    /// Forgets what is from later than `now_ms` (Unix milliseconds), but not that the site issued it.
    pub(crate) fn begin_anew(&mut self, now_ms: u64) {
        *self = Self { issued: self.issued, last_seen_ms: now_ms, ..Self::new(self.key) };
    }

    /// Gives up what was proven with it, for the one that the site issues in its place; gives it as it was.
    pub fn give_up(&mut self) -> Self {
        let before = self.clone();
        (self.holder, self.proven_s) = (0, 0);
        before
    }

    /// The site issued it in the place of one that was given up: its holder goes on with this one.
    pub fn succeed(&mut self, before: &Self, now_ms: u64) {
        self.issue(now_ms);
        // Signing in again empties no cell.
        self.rate_tat_us = self.rate_tat_us.max(before.rate_tat_us);
        if before.is_proven(now_ms) {
            (self.network, self.moves_tat_us) = (before.network, before.moves_tat_us);
            (self.holder, self.proven_s) = (before.holder, before.proven_s);
        }
    }

    /// By whom it is held, on this network: by somebody who has proven itself there. Their client's key is
    /// [`crate::HashKey::holder`]'s. `None` where the session tells nobody apart.
    pub fn holder_at(&self, network: u64, now_ms: u64) -> Option<u64> {
        (self.is_issued() && self.is_proven(now_ms) && self.network == network && self.holder != 0)
            .then_some(self.holder)
    }

    /// Whether it would be proven where a proven client of this address used it: then the network is needed too.
    pub fn may_prove(&self, address: &AddressState, now_ms: u64) -> bool {
        self.is_issued() && !self.is_proven(now_ms) && address.has_room(now_ms)
    }

    fn is_proven(&self, now_ms: u64) -> bool {
        self.proven_s != 0 && (now_ms / 1000).saturating_sub(self.proven_s.into()) < PROOF_KEEP_S
    }

    /// A proven client uses it on this network. `has_room` takes a place among those who prove themselves there: a holder that
    /// is told apart has cells of its own, like one of them.
    pub(crate) fn prove(&mut self, network: u64, has_room: impl FnOnce() -> bool, now_ms: u64) {
        if !self.is_proven(now_ms) {
            if !has_room() {
                return;
            }
            (self.network, self.holder) = (network, self.key);
        }
        self.proven_s = (now_ms / 1000) as u32;
    }

    /// Whether it vouches for a client on this network: a session that a proven client used, on the network where that
    /// was, or on one of the few that it may come to in an hour.
    pub(crate) fn vouches(&mut self, network: u64, now_ms: u64) -> bool {
        if !self.is_issued() || !self.is_proven(now_ms) {
            return false;
        }
        if self.network != network {
            if gcra(&mut self.moves_tat_us, now_ms, MOVES).is_err() {
                return false;
            }
            self.network = network;
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::NetworkState;
    use crate::proof::make_room;

    const NOW_MS: u64 = 1_795_000_000_000;
    const NETWORK: u64 = 7;

    fn issued(key: u64) -> SessionState {
        let mut session = SessionState::new(key);
        session.issue(NOW_MS);
        session
    }

    #[test]
    fn thirty_sessions_of_an_address_tell_their_holders_apart_in_ten_minutes() {
        let (mut address, mut network) = (AddressState::new(1), NetworkState::new(2));
        let mut tells_apart = |at_ms: u64| {
            let mut session = issued(at_ms);
            session.prove(NETWORK, || make_room(&mut address, Some(&mut network), at_ms), at_ms);
            session.holder_at(NETWORK, at_ms).is_some()
        };
        let times: Vec<_> = (0..600).map(|second| NOW_MS + 1_000 * second).collect();
        assert_eq!(times.iter().filter(|at_ms| tells_apart(**at_ms)).count(), 29);
        assert!(tells_apart(NOW_MS + 600_000));
        assert!(!make_room(&mut AddressState::new(1), None, NOW_MS), "the network is not at hand");
    }

    #[test]
    fn a_session_that_succeeds_another_takes_its_proof_along() {
        let mut first = issued(1);
        first.prove(NETWORK, || true, NOW_MS);
        assert_eq!(first.holder_at(NETWORK, NOW_MS), Some(1));
        let mut second = SessionState::new(2);
        second.succeed(&first.give_up(), NOW_MS);
        assert_eq!((first.holder_at(NETWORK, NOW_MS), second.holder_at(NETWORK, NOW_MS)), (None, Some(1)));
        assert!(!first.vouches(NETWORK, NOW_MS) && second.vouches(NETWORK, NOW_MS));
        let mut spent = issued(5);
        spent.rate_tat_us = 77;
        let mut next = SessionState::new(6);
        next.succeed(&spent.give_up(), NOW_MS);
        assert_eq!(next.rate_tat_us, 77, "signing in again empties no cell");
        let mut third = SessionState::new(3);
        third.succeed(&first.give_up(), NOW_MS);
        assert!(third.is_issued() && !third.vouches(NETWORK, NOW_MS), "there was nothing left to take");
    }

    #[test]
    fn a_session_tells_apart_where_it_has_come_to_and_only_for_a_day() {
        let mut session = issued(1);
        session.prove(NETWORK, || true, NOW_MS);
        assert_eq!(session.holder_at(8, NOW_MS), None);
        assert!(session.vouches(8, NOW_MS), "it has moved");
        assert_eq!((session.holder_at(8, NOW_MS), session.holder_at(NETWORK, NOW_MS)), (Some(1), None));
        assert_eq!(session.holder_at(8, NOW_MS + PROOF_KEEP_S * 1000), None);
        let moved = (0..60).filter(|minute| session.vouches(20 + minute, NOW_MS + 60_000 * minute)).count();
        assert_eq!(moved, 1, "with the first, two in less than an hour");
        assert!(session.vouches(99, NOW_MS + 3_600_000), "the third");
    }

    #[test]
    fn nobody_is_told_apart_by_a_session_that_the_site_did_not_issue() {
        let mut session = SessionState::new(1);
        session.prove(NETWORK, || true, NOW_MS);
        assert_eq!(session.holder_at(NETWORK, NOW_MS), None);
    }
}
