//! Spending from rate cells: which limits a request counts for, and what happens over one. Where the cells are is told
//! by [`Subjects::cell`].
//!
//! A subject's own cells are charged by every request, also by those that are refused for something else. What newcomers
//! share, and what all clients of an address do, is charged by who passes only: else one visitor who is refused could
//! spend what belongs to others.

use crate::answers::LoginOutcome;
use crate::asked::Asked;
use crate::cell;
use crate::decay::{Rate, gcra};
use crate::decision::{Charge, Charges, OverLimit};
use crate::logins::SignIn;
use crate::path::PathClass;
use crate::policy::{CompiledLimit, LimitMode, LimitRule, Limits};
use crate::subjects::Subjects;

/// For so long after a process began everybody is new to it, milliseconds (10 minutes).
pub const LOOKS_ON_MS: u64 = 600_000;

/// Who is over a limit that others share is told to come back within this time, µs.
const LONGEST_WAIT_US: u64 = 10_000_000;

/// Within this time right passwords are answered, µs: then they spend nothing.
const ANSWERED_WITHIN_US: u64 = 10_000_000;

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

/// Who asks, as limits see it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Standing {
    /// A client that has not proven anything.
    pub(crate) is_newcomer: bool,
    /// Whether the budgets of newcomers only look on: just after a restart everybody is new.
    pub(crate) looks_on: bool,
}

/// The rules of a request that are its own.
fn own(asked: &Asked<'_>) -> impl Iterator<Item = LimitRule> {
    let reads = asked.class != PathClass::Asset;
    let of_class = match asked.class {
        _ if asked.is_attempt => None,
        PathClass::Page | PathClass::Login => Some(LimitRule::Page),
        PathClass::Api => Some(LimitRule::Api),
        PathClass::Asset => Some(LimitRule::Asset),
        PathClass::Ignore => None,
    };
    let of_reader = [LimitRule::Client, LimitRule::Session].into_iter().filter(move |_| reads);
    std::iter::once(LimitRule::Address).chain(of_reader).chain(of_class)
}

/// The rules of a request that it shares with others.
fn shared(asked: &Asked<'_>, standing: Standing) -> impl Iterator<Item = LimitRule> {
    use LimitRule::{AddressLogin, AddressPage, CrossSite, Login, Network, NetworkLogin, Newcomers};
    let signs_in = [Login, AddressLogin, NetworkLogin]
        .map(|rule| (rule, asked.is_attempt && (standing.is_newcomer || rule != NetworkLogin)));
    let reads = asked.reads();
    let is_new = reads && standing.is_newcomer;
    let pages = [(AddressPage, reads), (Newcomers, is_new), (Network, is_new)];
    // Sites keep pictures on other domains, and are shown within other sites: whoever shows one page asks for a hundred.
    let brought =
        [(CrossSite, asked.is_cross_site && standing.is_newcomer && asked.class != PathClass::Asset)];
    signs_in.into_iter().chain(pages).chain(brought).filter(|(_, counts)| *counts).map(|(rule, _)| rule)
}

/// Counts a request for the limits of its own, and looks whether there is room in those that it shares. The first enforced
/// one that it is over refuses it; the ones before have counted it. `distrusts` says that assets here have to wait for
/// room among pages.
pub(crate) fn spend(
    limits: &Limits,
    asked: &Asked<'_>,
    standing: Standing,
    distrusts: bool,
    subjects: &mut Subjects<'_>,
    now_ms: u64,
) -> Spent {
    let mut spent = Spent::default();
    for rule in own(asked) {
        spent.take(limits, rule, subjects, now_ms);
    }
    for rule in shared(asked, standing) {
        spent.look(limits, rule, standing, subjects, now_ms);
    }
    if distrusts && asked.class == PathClass::Asset {
        for rule in [LimitRule::Newcomers, LimitRule::Network] {
            spent.look(limits, rule, standing, subjects, now_ms);
        }
    }
    spent
}

/// Looks once more whether there is room in the limits that a request shares.
pub(crate) fn look_again(
    limits: &Limits,
    asked: &Asked<'_>,
    standing: Standing,
    subjects: &mut Subjects<'_>,
    now_ms: u64,
) -> Spent {
    let mut spent = Spent::default();
    for rule in shared(asked, standing) {
        spent.look(limits, rule, standing, subjects, now_ms);
    }
    spent
}

/// Counts a request that passes for the limits that it shares. A sign-in reserves its places until its answer comes, and
/// others are told when it fails; where no answers are seen it takes them when somebody tells that it failed.
pub(crate) fn spend_shared(
    limits: &Limits,
    asked: &Asked<'_>,
    standing: Standing,
    subjects: &mut Subjects<'_>,
    (now_ms, charges): (u64, &mut Charges),
) {
    for rule in shared(asked, standing) {
        if !rule.is_of_logins() {
            add(limits, rule, subjects, (now_ms, charges), true);
        } else if !asked.facts.unanswered {
            add(limits, rule, subjects, (now_ms, charges), false);
        }
    }
}

/// Counts a page that was asked for as an asset, and passed as one.
pub(crate) fn spend_late(
    limits: &Limits,
    is_newcomer: bool,
    subjects: &mut Subjects<'_>,
    now_ms: u64,
) -> Charges {
    use LimitRule::{AddressPage, Client, Network, Newcomers, Session};
    let mut charges = Charges::default();
    let of_newcomers = [Newcomers, Network].into_iter().filter(|_| is_newcomer);
    for rule in [Client, Session, AddressPage].into_iter().chain(of_newcomers) {
        add(limits, rule, subjects, (now_ms, &mut charges), true);
    }
    charges
}

/// What a sign-in reserved: given back where it succeeded, told to others where it failed. Of one that reserved nothing
/// the failure is charged now.
pub(crate) fn sign_in_ended(
    limits: &Limits,
    SignIn { outcome, reserved_ms, is_newcomer, .. }: SignIn,
    subjects: &mut Subjects<'_>,
    now_ms: u64,
) -> Charges {
    let failed = outcome == LoginOutcome::Failed;
    let mut charges = Charges::default();
    for rule in [LimitRule::Login, LimitRule::AddressLogin, LimitRule::NetworkLogin] {
        if rule == LimitRule::NetworkLogin && !is_newcomer {
            continue;
        }
        if failed && reserved_ms.is_none() {
            add(limits, rule, subjects, (now_ms, &mut charges), true);
        }
        let Some(limit) = limits.get(rule) else { continue };
        let rate = rate(&limit, rule, subjects);
        let Some(cell) = subjects.cell(rule) else { continue };
        let now_us = now_ms.saturating_mul(1000);
        let ahead_us = cell::ahead_us(*cell.cell, now_us, rate);
        let Some(reserved_ms) = reserved_ms else { continue };
        if !failed {
            let weighs_us = still_weighs_us(rate.interval_us, now_ms.saturating_sub(reserved_ms));
            *cell.cell = cell::cell(ahead_us.saturating_sub(weighs_us), now_us, rate);
        } else if ahead_us > limit.shared_from_us() {
            charges.add(charge(&limit, rule, cell.key, rate));
        }
    }
    charges
}

/// What a reservation of so many milliseconds ago still weighs in a cell, µs: in one that was empty it drains from the first
/// moment on. Sites that take their time are forgiven that, so that what hangs keeps no more than these ten seconds for
/// later.
fn still_weighs_us(interval_us: u64, elapsed_ms: u64) -> u64 {
    let elapsed_us = elapsed_ms.saturating_mul(1000);
    if elapsed_us <= ANSWERED_WITHIN_US { interval_us } else { interval_us.saturating_sub(elapsed_us) }
}

/// Counts a request of somebody who has business there by its name, for that budget, and at once as what it shares with
/// others. Who calls is counted for its address besides; who reads, as anybody who does: a name's budget is a part of what
/// newcomers have, and comes to nothing on top.
pub(crate) fn spend_named(
    limits: &Limits,
    (asked, reads): (&Asked<'_>, bool),
    budget: Option<LimitRule>,
    standing: Standing,
    subjects: &mut Subjects<'_>,
    now_ms: u64,
) -> Spent {
    let mut spent = Spent::default();
    if reads {
        spent = spend(limits, asked, standing, false, subjects, now_ms);
    } else {
        spent.take(limits, LimitRule::Address, subjects, now_ms);
    }
    if let Some(rule) = budget {
        spent.take(limits, rule, subjects, now_ms);
    }
    if reads && spent.wait_us.is_none() {
        spend_shared(limits, asked, standing, subjects, (now_ms, &mut spent.charges));
    }
    spent
}

/// Counts a request of a verified crawler for the crawlers' limit.
pub(crate) fn spend_crawler(limits: &Limits, subjects: &mut Subjects<'_>, now_ms: u64) -> Spent {
    let mut spent = Spent::default();
    spent.take(limits, LimitRule::Crawler, subjects, now_ms);
    spent
}

/// The rate at which a request is counted: newcomers of an address with proven clients have more, and so have its sign-ins.
fn rate(limit: &CompiledLimit, rule: LimitRule, subjects: &Subjects<'_>) -> Rate {
    let grows = matches!(rule, LimitRule::Newcomers | LimitRule::AddressLogin);
    let growth = if grows { subjects.address.growth() } else { 1.0 };
    let interval_us = ((limit.rate.interval_us as f32 / growth) as u64).max(1);
    Rate { interval_us, ..limit.rate }
}

/// A request that a cell took at this rate. Before it the cell was worth sharing, but for the request itself.
fn charge(limit: &CompiledLimit, rule: LimitRule, key: u64, Rate { interval_us, .. }: Rate) -> Charge {
    Charge { rule, key, cost_us: interval_us, least_us: limit.shared_from_us().saturating_sub(interval_us) }
}

/// Adds a request to a cell, however full it is, up to what the cell can hold.
fn add(
    limits: &Limits,
    rule: LimitRule,
    subjects: &mut Subjects<'_>,
    (now_ms, charges): (u64, &mut Charges),
    is_told: bool,
) {
    let Some(limit) = limits.get(rule) else { return };
    let rate = rate(&limit, rule, subjects);
    let Some(cell) = subjects.cell(rule) else { return };
    let now_us = now_ms.saturating_mul(1000);
    let before_us = cell::ahead_us(*cell.cell, now_us, rate);
    let ahead_us = before_us.saturating_add(rate.interval_us).min(rate.most_ahead_us().max(before_us));
    *cell.cell = cell::cell(ahead_us, now_us, rate);
    if is_told && ahead_us > limit.shared_from_us() {
        charges.add(charge(&limit, rule, cell.key, rate));
    }
}

impl Spent {
    fn take(&mut self, limits: &Limits, rule: LimitRule, subjects: &mut Subjects<'_>, now_ms: u64) {
        let (Some(limit), None) = (limits.get(rule), self.wait_us) else { return };
        for cell in subjects.cells(rule) {
            match gcra(cell.cell, now_ms, limit.rate) {
                Ok(ahead_us) if ahead_us > limit.shared_from_us() => {
                    self.charges.add(charge(&limit, rule, cell.key, limit.rate));
                }
                Ok(_) => {}
                Err(wait_us) => self.refuse(rule, limit.mode == LimitMode::Shadow, wait_us),
            }
        }
    }

    fn look(
        &mut self,
        limits: &Limits,
        rule: LimitRule,
        standing: Standing,
        subjects: &mut Subjects<'_>,
        now_ms: u64,
    ) {
        // Nobody is over a budget that only looks on: who reads events just after a start would drown in them.
        if standing.looks_on && matches!(rule, LimitRule::Newcomers | LimitRule::Network) {
            return;
        }
        let (Some(limit), None) = (limits.get(rule), self.wait_us) else { return };
        let mut rate = rate(&limit, rule, subjects);
        // One place is left to those who have proven themselves there: else newcomers that fail would shut them out.
        if rule == LimitRule::AddressLogin && standing.is_newcomer && subjects.address.growth() > 1.0 {
            rate.tolerance_us = rate.tolerance_us.saturating_sub(rate.interval_us);
        }
        let Some(cell) = subjects.cell(rule) else { return };
        let mut as_it_is = *cell.cell;
        if let Err(wait_us) = gcra(&mut as_it_is, now_ms, rate) {
            self.refuse(rule, limit.mode == LimitMode::Shadow, wait_us.min(LONGEST_WAIT_US));
        }
    }

    fn refuse(&mut self, rule: LimitRule, is_shadow: bool, wait_us: u64) {
        self.over = Some(OverLimit { rule, is_shadow });
        self.wait_us = (!is_shadow).then_some(wait_us);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        AddressState, ClientState, Engine, HashKey, Model, NetworkState, PolicyConfig, Ranges, RequestFacts,
    };

    const NOW_MS: u64 = 1_795_000_000_000;

    /// Newcomers share one page a second, eight at once.
    fn engine() -> Engine {
        let json = br#"{ "rate_limit": { "newcomers": { "per_second": 1, "burst": 8 } } }"#;
        let policy = crate::Policy::compile(PolicyConfig::from_json(json).expect("a policy")).expect("valid");
        let model = Model::built_in().expect("weights");
        Engine::new(policy, model, Ranges::default(), HashKey::from_bytes([7; 16]), 1)
    }

    /// The charges of newcomers' pages at an address with so many proven clients.
    fn charged(address: &mut AddressState, pages: usize) -> Vec<Option<Charge>> {
        let engine = engine();
        let facts = RequestFacts { method: b"GET", path: b"/", ..RequestFacts::default() };
        let asked = engine.ask(&facts);
        let standing = Standing { is_newcomer: true, looks_on: false };
        let (mut client, mut network) = (ClientState::new(1), NetworkState::new(3));
        let page = |_| {
            let mut subjects = Subjects {
                client: &mut client,
                address,
                network: Some(&mut network),
                sessions: &mut [],
                network_key: 3,
            };
            let mut charges = Charges::default();
            spend_shared(
                engine.policy().limits_at(0),
                &asked,
                standing,
                &mut subjects,
                (NOW_MS, &mut charges),
            );
            charges.iter().find(|charge| charge.rule == LimitRule::Newcomers)
        };
        (0..pages).map(page).collect()
    }

    #[test]
    fn a_page_costs_others_what_it_costs_here_where_the_budget_has_grown() {
        let mut address = AddressState::new(2);
        let cost = |cost_us, least_us| Some(Charge { rule: LimitRule::Newcomers, key: 2, cost_us, least_us });
        assert_eq!(charged(&mut address, 3), [None, cost(1_000_000, 750_000), cost(1_000_000, 750_000)]);
        let mut address = AddressState::new(2);
        address.proven = 4.0;
        assert_eq!(address.growth(), 2.0);
        let all = charged(&mut address, 8);
        assert_eq!(all[..3], [None; 3]);
        assert!(all[3..].iter().all(|charge| *charge == cost(500_000, 1_250_000)), "{all:?}");
    }

    #[test]
    fn what_hangs_weighs_less_and_less() {
        let weighs_s = |elapsed_ms| still_weighs_us(100_000_000, elapsed_ms) / 1_000_000;
        assert_eq!([0, 10_000, 11_000, 60_000, 100_000, u64::MAX].map(weighs_s), [100, 100, 89, 40, 0, 0]);
    }

    #[test]
    fn what_others_let_through_is_owed_whole_however_the_budget_has_grown() {
        let limit = engine().policy().limit(LimitRule::Newcomers).expect("a limit");
        let mut address = AddressState::new(2);
        address.settle(LimitRule::Newcomers, limit, 20_000_000, NOW_MS);
        address.proven = 30.0;
        charged(&mut address, 1);
        let ahead_us = cell::ahead_us(address.newcomers_tat_us, NOW_MS * 1000, limit.rate);
        assert_eq!(ahead_us, 20_000_000, "a full one is 8 s ahead");
    }
}
