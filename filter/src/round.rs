//! What a machine has to tell with its next exchange: bounded, and each thing once.

use sallyport_core::Charge;
use sallyport_core::exchange::{MOST, MOST_ISSUED};
use sallyport_core::policy::LimitRule;

use crate::judge::Keys;

/// So many issued sessions of one address at most: one that drops its cookies leaves room for others.
const MOST_OF_ADDRESS: usize = 30;

/// What there is to tell; at most [`MOST`] charges and suspicions, sorted, and [`MOST_ISSUED`] issued sessions.
#[derive(Debug, Default)]
pub(crate) struct Round {
    /// What rate cells took, with whose records they are.
    pub(crate) charges: Vec<(Charge, Keys)>,
    /// Suspicious actions, by keyed hash of the session.
    pub(crate) suspicions: Vec<(u64, u32)>,
    /// Issued sessions, with the address: keyed hashes.
    pub(crate) issued: Vec<(u64, u64)>,
}

impl Round {
    /// Adds what a cell took to what it took before; `false` where there is no room.
    pub(crate) fn charge(&mut self, charge: Charge, keys: Keys) -> bool {
        match self.find(charge.rule, charge.key) {
            Ok(at) => {
                if let Some((held, _)) = self.charges.get_mut(at) {
                    held.cost_us = held.cost_us.saturating_add(charge.cost_us);
                }
            }
            Err(at) if self.charges.len() < MOST => self.charges.insert(at, (charge, keys)),
            Err(_) => return false,
        }
        true
    }

    /// Adds actions of a session; `false` where there is no room.
    pub(crate) fn suspect(&mut self, session: u64, actions: u32) -> bool {
        match self.suspicions.binary_search_by_key(&session, |(session, _)| *session) {
            Ok(at) => {
                if let Some((_, held)) = self.suspicions.get_mut(at) {
                    *held = held.saturating_add(actions);
                }
            }
            Err(at) if self.suspicions.len() < MOST => self.suspicions.insert(at, (session, actions)),
            Err(_) => return false,
        }
        true
    }

    /// Adds a session that was issued to an address; `false` where there is no room.
    pub(crate) fn issue(&mut self, session: u64, address: u64) -> bool {
        let of_address = self.issued.iter().filter(|(_, other)| *other == address).count();
        let has_room = self.issued.len() < MOST_ISSUED && of_address < MOST_OF_ADDRESS;
        if has_room {
            self.issued.push((session, address));
        }
        has_room
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.charges.is_empty() && self.suspicions.is_empty() && self.issued.is_empty()
    }

    /// Whose cell it is, where this round told of it.
    pub(crate) fn keys(&self, rule: LimitRule, key: u64) -> Option<Keys> {
        self.charges.get(self.find(rule, key).ok()?).map(|(_, keys)| *keys)
    }

    fn find(&self, rule: LimitRule, key: u64) -> Result<usize, usize> {
        self.charges.binary_search_by_key(&(rule as u8, key), |(charge, _)| (charge.rule as u8, charge.key))
    }
}
