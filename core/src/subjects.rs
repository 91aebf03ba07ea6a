//! Whom a request belongs to, and where each level is charged.
//!
//! ```text
//! network  IPv4 /24, IPv6 /48          newcomers' pages, sign-ins under way and failed
//!   ⊃ address  IPv4, IPv6 /64          every request, all pages, newcomers' pages, sign-ins, newcomers' cross-site requests
//!       ⊃ client  + user agent, JA4    every page and API call, by class, sign-ins
//!                 + session's holder, once proven
//!           ⊃ session  issued by the site   every page and API call
//! ```
//!
//! Every level is charged, none in the place of another. What a visitor may choose about itself, its user agent or its
//! session, makes it a newcomer at the level above, and newcomers share what one of them has.

use crate::address::AddressState;
use crate::cell::{self, over_quarter_until_ms};
use crate::client::{ClientState, PROOF_KEEP_S};
use crate::network::NetworkState;
use crate::policy::{CompiledLimit, LimitRule};
use crate::session::SessionState;

/// The records of one request's subjects.
#[derive(Debug)]
pub struct Subjects<'a> {
    /// The client: address, user agent, JA4.
    pub client: &'a mut ClientState,
    /// The IPv4 address or IPv6 /64.
    pub address: &'a mut AddressState,
    /// The IPv4 /24 or IPv6 /48; `None` where neither [`crate::Engine::needs_network`] nor, of a proven client,
    /// [`SessionState::may_prove`] says that it is needed.
    pub network: Option<&'a mut NetworkState>,
    /// The sessions that the request names, at most two; those that nobody issued count nothing.
    pub sessions: &'a mut [SessionState],
    /// Keyed hash of the network.
    pub network_key: u64,
}

/// A rate cell, and the keyed hash by which others know it.
pub(crate) struct Cell<'c> {
    /// See [`crate::cell`].
    pub(crate) cell: &'c mut u64,
    pub(crate) key: u64,
}

impl Subjects<'_> {
    /// Where a rule is charged: the one place. `None` where the subject is not at hand.
    pub(crate) fn cell(&mut self, rule: LimitRule) -> Option<Cell<'_>> {
        self.cells(rule).next()
    }

    /// The same of all subjects of the level: a request may name two sessions, and is charged to both.
    pub(crate) fn cells(&mut self, rule: LimitRule) -> impl Iterator<Item = Cell<'_>> {
        let of_session = rule == LimitRule::Session;
        let sessions = if of_session { &mut *self.sessions } else { &mut [] };
        let issued = sessions.iter_mut().filter(|session| session.is_issued());
        let of_sessions = issued.map(|session| Cell { key: session.key(), cell: &mut session.rate_tat_us });
        let (client, address) = (&mut *self.client, &mut *self.address);
        let network = (self.network.as_deref_mut(), self.network_key);
        of_sessions.chain(of_one(rule, client, address, network))
    }

    /// Whether one of its sessions was issued by the site.
    pub(crate) fn has_session(&self) -> bool {
        self.sessions.iter().any(SessionState::is_issued)
    }
}

/// The cell of a rule of client, address or network.
fn of_one<'c>(
    rule: LimitRule,
    client: &'c mut ClientState,
    address: &'c mut AddressState,
    (network, network_key): (Option<&'c mut NetworkState>, u64),
) -> Option<Cell<'c>> {
    let key = match rule {
        _ if rule.is_of_network() => network_key,
        _ if rule.is_of_address() => address.key(),
        _ => client.key(),
    };
    let cell = match rule {
        LimitRule::Session => return None,
        LimitRule::Client | LimitRule::Crawler => &mut client.rate_tat_us,
        LimitRule::Page | LimitRule::Api | LimitRule::Login | LimitRule::Asset => client.class_cell(rule)?,
        LimitRule::Network => &mut network?.newcomers_tat_us,
        LimitRule::NetworkLogin => &mut network?.login_tat_us,
        _ => address.cell(rule)?,
    };
    Some(Cell { cell, key })
}

/// Lays what is known of a shared cell over the own one: more than a full cell may be owed, but by this limit's numbers.
fn lay(own: Option<&mut u64>, limit: CompiledLimit, ahead_us: u64, now_ms: u64) {
    let Some(own) = own else { return };
    let now_us = now_ms.saturating_mul(1000);
    let own_us = cell::ahead_us(*own, now_us, limit.rate);
    *own = cell::cell(own_us.max(ahead_us.min(limit.most_settled_us())), now_us, limit.rate);
}

impl ClientState {
    /// Takes over how far the shared cell of a rule, whose limit is `limit`, is ahead of `now_ms` (Unix milliseconds), µs,
    /// where that is more than this record's own cell knows. Rules of other subjects have no cell here.
    pub fn settle(&mut self, rule: LimitRule, limit: CompiledLimit, ahead_us: u64, now_ms: u64) {
        let cell = match rule {
            LimitRule::Client | LimitRule::Crawler => Some(&mut self.rate_tat_us),
            _ => self.class_cell(rule),
        };
        lay(cell, limit, ahead_us, now_ms);
    }

    fn class_cell(&mut self, rule: LimitRule) -> Option<&mut u64> {
        match rule {
            LimitRule::Page => self.class_tat_us.get_mut(0),
            LimitRule::Api => self.class_tat_us.get_mut(1),
            LimitRule::Login => self.class_tat_us.get_mut(2),
            LimitRule::Asset => self.class_tat_us.get_mut(3),
            _ => None,
        }
    }

    /// Until when it must not make room for a newcomer, Unix milliseconds: while its proof holds, or a rate cell is over a
    /// quarter full.
    pub fn worth_until_ms(&self) -> u64 {
        let of_classes = self.class_tat_us.iter().copied().map(over_quarter_until_ms);
        let by_cells = of_classes.fold(over_quarter_until_ms(self.rate_tat_us), u64::max);
        by_cells.max(proven_until_ms(self.proven_s))
    }
}

impl AddressState {
    /// As [`ClientState::settle`].
    pub fn settle(&mut self, rule: LimitRule, limit: CompiledLimit, ahead_us: u64, now_ms: u64) {
        lay(self.cell(rule), limit, ahead_us, now_ms);
    }

    fn cell(&mut self, rule: LimitRule) -> Option<&mut u64> {
        if let Some(place) = rule.of_agents() {
            return self.agents_tat_us.get_mut(place);
        }
        Some(match rule {
            LimitRule::Address => &mut self.rate_tat_us,
            LimitRule::Newcomers => &mut self.newcomers_tat_us,
            LimitRule::AddressPage => &mut self.page_tat_us,
            LimitRule::AddressLogin => &mut self.login_tat_us,
            LimitRule::CrossSite => &mut self.cross_tat_us,
            _ => return None,
        })
    }

    /// Until when it must not make room for a newcomer, Unix milliseconds: while a rate cell is over a quarter full.
    pub fn worth_until_ms(&self) -> u64 {
        let Self { rate_tat_us, newcomers_tat_us, page_tat_us, login_tat_us, cross_tat_us, .. } = *self;
        let cells = [rate_tat_us, newcomers_tat_us, page_tat_us, login_tat_us, cross_tat_us];
        let cells = cells.into_iter().chain(self.agents_tat_us);
        cells.map(over_quarter_until_ms).fold(0, u64::max)
    }
}

impl NetworkState {
    /// As [`ClientState::settle`].
    pub fn settle(&mut self, rule: LimitRule, limit: CompiledLimit, ahead_us: u64, now_ms: u64) {
        let cell = match rule {
            LimitRule::Network => Some(&mut self.newcomers_tat_us),
            LimitRule::NetworkLogin => Some(&mut self.login_tat_us),
            _ => None,
        };
        lay(cell, limit, ahead_us, now_ms);
    }

    /// As [`AddressState::worth_until_ms`].
    pub fn worth_until_ms(&self) -> u64 {
        over_quarter_until_ms(self.newcomers_tat_us).max(over_quarter_until_ms(self.login_tat_us))
    }
}

impl SessionState {
    /// As [`ClientState::settle`].
    pub fn settle(&mut self, rule: LimitRule, limit: CompiledLimit, ahead_us: u64, now_ms: u64) {
        if rule == LimitRule::Session {
            lay(Some(&mut self.rate_tat_us), limit, ahead_us, now_ms);
        }
    }

    /// As [`ClientState::worth_until_ms`].
    pub fn worth_until_ms(&self) -> u64 {
        over_quarter_until_ms(self.rate_tat_us).max(proven_until_ms(self.proven_s))
    }
}

fn proven_until_ms(proven_s: u32) -> u64 {
    if proven_s == 0 { 0 } else { (u64::from(proven_s) + PROOF_KEEP_S) * 1000 }
}
