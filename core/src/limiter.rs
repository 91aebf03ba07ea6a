//! Spending from rate cells: which limits a request counts for, and what happens over one.

use crate::address::AddressState;
use crate::cell;
use crate::client::ClientState;
use crate::decay::gcra;
use crate::decision::{Charges, OverLimit};
use crate::path::PathClass;
use crate::policy::{CompiledLimit, LimitMode, LimitRule, Policy};

/// What became of a request at its limits.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Spent {
    /// Over an enforced limit: how long to wait, µs.
    pub(crate) wait_us: Option<u64>,
    /// The limit that it was over; of several, the enforced one, else the last.
    pub(crate) over: Option<OverLimit>,
    /// The cells that took it and are so full that others should know.
    pub(crate) charges: Charges,
}

/// Counts a request for its limits, in this order: the address's, the client's (not for assets: one page loads many), its
/// route class's. The first enforced one that it is over refuses it; the ones before have counted it. `whose` is the
/// client's rule: [`LimitRule::Session`] where the client is a session.
pub(crate) fn spend(
    policy: &Policy,
    (class, is_attempt): (PathClass, bool),
    whose: LimitRule,
    client: &mut ClientState,
    address: &mut AddressState,
) -> Spent {
    let mut spent = Spent::default();
    let of_class = match class {
        _ if is_attempt => Some(LimitRule::Login),
        PathClass::Page | PathClass::Login => Some(LimitRule::Page),
        PathClass::Api => Some(LimitRule::Api),
        PathClass::Asset => Some(LimitRule::Asset),
        PathClass::Ignore => None,
    };
    spent.take(policy, LimitRule::Address, &mut address.rate_tat_us, address.key, address.last_seen_ms);
    if class != PathClass::Asset {
        spent.take_of_client(policy, whose, client);
    }
    if let Some(rule) = of_class {
        spent.take_of_client(policy, rule, client);
    }
    spent
}

/// Counts a request of a verified crawler for the crawlers' limit.
pub(crate) fn spend_crawler(policy: &Policy, client: &mut ClientState) -> Spent {
    let mut spent = Spent::default();
    spent.take_of_client(policy, LimitRule::Crawler, client);
    spent
}

impl Spent {
    fn take_of_client(&mut self, policy: &Policy, rule: LimitRule, client: &mut ClientState) {
        let (key, now_ms) = (client.key, client.last_seen_ms);
        if let Some(cell) = client.cell(rule) {
            self.take(policy, rule, cell, key, now_ms);
        }
    }

    fn take(&mut self, policy: &Policy, rule: LimitRule, cell: &mut u64, key: u64, now_ms: u64) {
        let (Some(limit), None) = (policy.limit(rule), self.wait_us) else { return };
        match gcra(cell, now_ms, limit.rate) {
            Ok(ahead_us) => {
                if ahead_us > limit.shared_from_us() {
                    self.charges.add(rule, key);
                }
            }
            Err(wait_us) => {
                let is_shadow = limit.mode == LimitMode::Shadow;
                self.over = Some(OverLimit { rule, is_shadow });
                self.wait_us = (!is_shadow).then_some(wait_us);
            }
        }
    }
}

impl ClientState {
    /// Takes over how far the shared cell of a rule, whose limit is `limit`, is ahead of `now_ms` (Unix milliseconds), µs,
    /// where that is more than this record's own cell knows. Rules of addresses have no cell here.
    pub fn settle(&mut self, rule: LimitRule, limit: CompiledLimit, ahead_us: u64, now_ms: u64) {
        if let Some(cell) = self.cell(rule) {
            settle(cell, limit, ahead_us, now_ms);
        }
    }

    /// The cell of a rule; rules of addresses have none here.
    fn cell(&mut self, rule: LimitRule) -> Option<&mut u64> {
        match rule {
            LimitRule::Address => None,
            LimitRule::Client | LimitRule::Session | LimitRule::Crawler => Some(&mut self.rate_tat_us),
            LimitRule::Page => self.class_tat_us.get_mut(0),
            LimitRule::Api => self.class_tat_us.get_mut(1),
            LimitRule::Login => self.class_tat_us.get_mut(2),
            LimitRule::Asset => self.class_tat_us.get_mut(3),
        }
    }
}

impl AddressState {
    /// Takes over how far the address's shared cell, whose limit is `limit`, is ahead of `now_ms` (Unix milliseconds), µs,
    /// where that is more than this record's own cell knows.
    pub fn settle(&mut self, limit: CompiledLimit, ahead_us: u64, now_ms: u64) {
        settle(&mut self.rate_tat_us, limit, ahead_us, now_ms);
    }
}

/// Lays what is known of a shared cell over the own one: more than a full cell may be owed, but by this limit's numbers.
fn settle(cell: &mut u64, limit: CompiledLimit, ahead_us: u64, now_ms: u64) {
    let now_us = now_ms.saturating_mul(1000);
    let own_us = cell::ahead_us(*cell, now_us, limit.rate);
    *cell = cell::cell(own_us.max(ahead_us.min(limit.most_settled_us())), now_us, limit.rate);
}
