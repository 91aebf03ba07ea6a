//! Settling rate limits: what each replica let through is added to the cells that all share, and how full those are comes
//! back to every replica that spends from them.
//!
//! Filters ([`Limits::exchange`]) and this control plane's own `POST /check` ([`Limits::charge`]) spend from cells of their
//! own, at once, and charge what passed here. A task merges the charges into [`SharedState`] every 50 ms, or within 5 ms
//! where a filter waits for it, and lays what comes back over the detector's cells; filters get it as their answer.
//!
//! How exact that is, for a limit of one request per interval T with burst B, hence tolerance τ = (B − 1)·T, N replicas,
//! d between two exchanges of a replica, and a client that always wants more:
//!
//! - A replica charges what it lets through, in µs, once its own cell is more than τ/4 ahead, and the first charge lifts
//!   the shared cell to τ/4 − T before it is added. So all that passed stands in the shared cell, but for up to B/4 of each
//!   further replica.
//! - While the shared cell is not empty it drains 1 s per second, so within t seconds t/T + (how far it is ahead)/T
//!   requests have passed, however many replicas there are and however late they settle: the long-run rate is exact.
//! - How far it is ahead stays at τ but for what passes before all have heard of it, 2·d later at most (it waits for the
//!   exchange of who let it through, then for that of the others): each replica lets through its own rate meanwhile, so
//!   τ + (N − 1)·2·d, paid back before the next request passes. At the start each can also spend its burst within the
//!   first d, N·B together; that is paid back likewise.
//! - The lift to τ/4 takes a replica's cell for what it was when the requests passed, up to d ago; d/T requests too few may
//!   pass for that, once.
//!
//! A cell knows how far a full one of its limit is ahead, τ + T. Where a policy with other numbers comes into force, what
//! stands in a cell is cut to a full one of the new limit: what a tighter one left is no debt of the looser one. What has
//! been let through under the new numbers is paid back as above, also beyond a full cell. While replicas differ in the
//! policy that they have, each cuts to its own.
//!
//! So t/T + B requests, at most d/T less and (N − 1)·(B/4 + 2·d/T) more, once t is long enough to have paid back the start.
//! With d = 0.1 s the parts with d are within 1 % and, for N = 2, within 2 % of ten seconds' rate; d does not grow with t. A
//! client below a quarter of its burst costs nobody anything.

mod cells;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use sallyport_core::policy::LimitRule;
use sallyport_core::{Charge, Policy};
use tokio::time::{Instant, timeout};

use self::cells::Cells;
use crate::backlog::{Backlog, Round};
use crate::clock::Moment;
use crate::config::LimitsConfig;
use crate::detector::Detector;
use crate::shared::{self, SharedError, SharedState};

/// A filter waits at most so long for its own charges to be merged, then hears what is known.
const PATIENCE: Duration = Duration::from_millis(20);

/// Shared state that has not answered by then has failed.
const DEADLINE: Duration = Duration::from_secs(1);

/// Most charges of one call to shared state.
const BATCH: usize = 1000;

/// A charge stands for at most the burst and what the rate allows in so many µs: what a replica let through earlier, as
/// while it could not reach this control plane, has drained since.
const LONGEST_US: u64 = 1_000_000;

/// Settles rate limits.
pub struct Limits {
    shared: Arc<dyn SharedState>,
    detector: Arc<Detector>,
    backlog: Backlog<(LimitRule, u64), Cost>,
    cells: Cells,
    merged: AtomicU64,
    failures: AtomicU64,
}

/// What is counted of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LimitsHealth {
    /// Rate cells at hand.
    pub cells: u64,
    /// Rate cells that made room for others since the start.
    pub evicted: u64,
    /// Rate cells that were not kept since the start, each time counted: all in their place were over a quarter full.
    pub turned_away: u64,
    /// Charges that found no room in the queue.
    pub refused: u64,
    /// Cells merged into shared state, each time counted.
    pub merged: u64,
    /// Calls that shared state failed at.
    pub failures: u64,
}

/// What is to be added to a shared cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Cost {
    /// The requests, µs.
    cost_us: u64,
    /// How far the cell was ahead before them at least, µs.
    least_us: u64,
    /// How far a full cell of the limit is ahead, µs.
    most_us: u64,
}

impl Cost {
    /// Adds what is charged later; what other numbers charged counts as a full cell of the new ones at most.
    fn add(&mut self, later: Self) {
        let is_same = self.most_us == later.most_us;
        let before_us = if is_same { self.cost_us } else { self.cost_us.min(later.most_us) };
        let least_us = if is_same { self.least_us.max(later.least_us) } else { later.least_us };
        *self = Self { cost_us: before_us.saturating_add(later.cost_us), least_us, ..later };
    }
}

impl Limits {
    /// Nothing is charged yet.
    pub fn new(shared: Arc<dyn SharedState>, detector: Arc<Detector>, config: &LimitsConfig) -> Self {
        Self {
            shared,
            detector,
            backlog: Backlog::new(),
            cells: Cells::new(config.cells as usize),
            merged: AtomicU64::new(0),
            failures: AtomicU64::new(0),
        }
    }

    /// Queues what cells took; the round that will merge it. Rules that the policy has no limit for are left out.
    pub fn charge(&self, policy: &Policy, charges: impl Iterator<Item = Charge>) -> u64 {
        let costs = charges.filter_map(|Charge { rule, key, cost_us, least_us }| {
            let most_us = policy.widest_limit(rule)?.full_us();
            let cost_us = cost_us.min(most_us.saturating_add(LONGEST_US));
            Some(((rule, key), Cost { cost_us, least_us: least_us.min(most_us), most_us }))
        });
        self.backlog.add(costs, Cost::add)
    }

    /// Takes a filter's charges; how far the shared cells are ahead of now, µs, as far as that is known within 20 ms.
    pub async fn exchange(&self, charges: &[Charge]) -> Vec<(LimitRule, u64, u64)> {
        let engine = self.detector.engine();
        let round = self.charge(engine.policy(), charges.iter().copied());
        self.backlog.merged(round, PATIENCE).await;
        self.known(charges, Moment::now())
    }

    /// How it is doing.
    pub fn health(&self) -> LimitsHealth {
        LimitsHealth {
            cells: self.cells.len(),
            evicted: self.cells.evicted(),
            turned_away: self.cells.turned_away(),
            refused: self.backlog.refused(),
            merged: self.merged.load(Ordering::Relaxed),
            failures: self.failures.load(Ordering::Relaxed),
        }
    }

    fn known(&self, charges: &[Charge], now: Moment) -> Vec<(LimitRule, u64, u64)> {
        let engine = self.detector.engine();
        let known = |Charge { rule, key, .. }: &Charge| {
            let most_us = engine.policy().widest_limit(*rule)?.full_us();
            self.cells.ahead_us(*rule, *key, most_us, now.steady_us).map(|ahead_us| (*rule, *key, ahead_us))
        };
        charges.iter().filter_map(known).collect()
    }

    /// Merges what is queued. The clock is read before each call to shared state: an answer that took long must not
    /// push cells further ahead than they are.
    async fn merge(&self, clock: impl Fn() -> Moment) {
        let Round { number, items } = self.backlog.take();
        for batch in items.chunks(BATCH) {
            let now = clock();
            let charges: Vec<_> = batch.iter().map(to_charge).collect();
            match self.ask(&charges).await {
                Ok(aheads) => batch.iter().zip(aheads).for_each(|(((rule, key), cost), ahead_us)| {
                    self.cells.set(*rule, *key, (ahead_us, cost.most_us), now.steady_us);
                    self.detector.settle(*rule, *key, ahead_us, now.unix_ms);
                }),
                Err(error) => {
                    self.failures.fetch_add(1, Ordering::Relaxed);
                    tracing::debug!(%error, "charges are counted here alone");
                    self.settle_alone(batch, now);
                }
            }
            self.merged.fetch_add(batch.len() as u64, Ordering::Relaxed);
        }
        self.backlog.done(number);
    }

    async fn ask(&self, charges: &[shared::Charge]) -> Result<Vec<u64>, SharedError> {
        let late = || SharedError(format!("no answer to charges within {DEADLINE:?}"));
        let aheads = timeout(DEADLINE, self.shared.charge(charges)).await.map_err(|_| late())??;
        if aheads.len() == charges.len() {
            return Ok(aheads);
        }
        Err(SharedError(format!("{} answers to {} charges", aheads.len(), charges.len())))
    }

    /// What shared state did not take is not told again, it may have been counted; but this control plane's filters
    /// and its own `/check` still share it.
    fn settle_alone(&self, batch: &[((LimitRule, u64), Cost)], now: Moment) {
        for ((rule, key), cost) in batch {
            let before = self.cells.ahead_us(*rule, *key, cost.most_us, now.steady_us).unwrap_or(0);
            let ahead_us = before.max(cost.least_us).saturating_add(cost.cost_us);
            self.cells.set(*rule, *key, (ahead_us, cost.most_us), now.steady_us);
            self.detector.settle(*rule, *key, ahead_us, now.unix_ms);
        }
    }
}

fn to_charge(((rule, key), cost): &((LimitRule, u64), Cost)) -> shared::Charge {
    let Cost { cost_us, least_us, most_us } = *cost;
    shared::Charge { rule: *rule as u8, key: *key, cost_us, least_us, most_us }
}

/// Merges for ever.
pub async fn run(limits: Arc<Limits>) {
    let mut last = Instant::now();
    loop {
        limits.backlog.due(last).await;
        last = Instant::now();
        limits.merge(Moment::now).await;
    }
}
