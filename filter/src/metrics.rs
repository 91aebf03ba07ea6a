//! The filter's metrics: counted in this machine's memory, handed to the proxy at every tick.
//!
//! So a request costs no host call for them. They show as `wasmcustom.sallyport_…`.

use std::cell::Cell;

use sallyport_core::Action;

use crate::host::{Host, MetricKind};

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub enum Counter {
    /// Decisions that let a request pass.
    Allow,
    /// Decisions that let a request pass, marked.
    Monitor,
    /// Decisions that challenge.
    Challenge,
    /// Decisions that refuse for the rate.
    RateLimit,
    /// Decisions that block.
    Block,
    /// Refusals that `enforcement: monitor` did not carry out.
    NotEnforced,
    /// Consults started.
    ConsultSent,
    /// Consults answered in time.
    ConsultAnswered,
    /// Consults whose deadline passed.
    ConsultLate,
    /// Consults that failed: refused, reset, not a 200, not understood.
    ConsultFailed,
    /// Consults without an answer on a route that fails open.
    ConsultFailOpen,
    /// Consults without an answer on a route that fails closed.
    ConsultFailClosed,
    /// Consults not started, because the last ones came to nothing.
    ConsultSkipped,
    /// Polls that brought a new snapshot.
    PollNew,
    /// Polls that found nothing new.
    PollUnchanged,
    /// Polls without a usable answer.
    PollFailed,
    /// Snapshots that were refused: damaged, unknown version, too large.
    SnapshotRefused,
    /// Observations the control plane took.
    ObservationSent,
    /// Observations lost: no room, no snapshot yet, refused by the control plane.
    ObservationDropped,
    /// Exchanges with the control plane that were answered.
    ExchangeSent,
    /// Exchanges that failed: refused, late, not a 200, not understood.
    ExchangeFailed,
    /// Requests that could not be charged to shared limits, suspicious actions and issued sessions not told: no room.
    ExchangeDropped,
    /// Requests over a limit that only watches.
    RateLimitShadow,
    /// Records that were pushed out of shared state while still useful.
    StateEvicted,
    /// Updates of shared state given up after losing against other workers.
    StateConflict,
    /// Newcomers that were not kept in shared state: all in their place were worth more.
    StateTurnedAway,
}

const COUNTERS: [(Counter, &str); 26] = [
    (Counter::Allow, "sallyport_decisions_allow"),
    (Counter::Monitor, "sallyport_decisions_monitor"),
    (Counter::Challenge, "sallyport_decisions_challenge"),
    (Counter::RateLimit, "sallyport_decisions_rate_limit"),
    (Counter::Block, "sallyport_decisions_block"),
    (Counter::NotEnforced, "sallyport_not_enforced"),
    (Counter::ConsultSent, "sallyport_consults_sent"),
    (Counter::ConsultAnswered, "sallyport_consults_answered"),
    (Counter::ConsultLate, "sallyport_consults_late"),
    (Counter::ConsultFailed, "sallyport_consults_failed"),
    (Counter::ConsultFailOpen, "sallyport_consults_fail_open"),
    (Counter::ConsultFailClosed, "sallyport_consults_fail_closed"),
    (Counter::ConsultSkipped, "sallyport_consults_skipped"),
    (Counter::PollNew, "sallyport_polls_new"),
    (Counter::PollUnchanged, "sallyport_polls_unchanged"),
    (Counter::PollFailed, "sallyport_polls_failed"),
    (Counter::SnapshotRefused, "sallyport_snapshots_refused"),
    (Counter::ObservationSent, "sallyport_observations_sent"),
    (Counter::ObservationDropped, "sallyport_observations_dropped"),
    (Counter::ExchangeSent, "sallyport_exchange_sent"),
    (Counter::ExchangeFailed, "sallyport_exchange_failed"),
    (Counter::ExchangeDropped, "sallyport_exchange_dropped"),
    (Counter::RateLimitShadow, "sallyport_rate_limit_shadow"),
    (Counter::StateEvicted, "sallyport_state_evictions"),
    (Counter::StateConflict, "sallyport_state_conflicts"),
    (Counter::StateTurnedAway, "sallyport_state_turned_away"),
];

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub enum Gauge {
    /// The snapshot in use; 0 for the plugin configuration alone.
    SnapshotVersion,
    /// Seconds since the control plane last confirmed the snapshot in use; written by the polling machine.
    SnapshotAge,
}

const GAUGES: [(Gauge, &str); 2] = [
    (Gauge::SnapshotVersion, "sallyport_snapshot_version"),
    (Gauge::SnapshotAge, "sallyport_snapshot_age_s"),
];

/// Ids and what has been counted since the last hand-over.
#[derive(Debug)]
pub struct Metrics {
    counters: [(u32, Cell<u64>); COUNTERS.len()],
    gauges: [u32; GAUGES.len()],
}

impl Metrics {
    /// Defines all metrics: once per machine, for a second definition is a second metric.
    pub fn define(host: &impl Host) -> Self {
        Self {
            counters: COUNTERS.map(|(_, name)| (host.define_metric(MetricKind::Counter, name), Cell::new(0))),
            gauges: GAUGES.map(|(_, name)| host.define_metric(MetricKind::Gauge, name)),
        }
    }

    /// Counts one.
    pub fn count(&self, counter: Counter) {
        self.add(counter, 1);
    }

    /// Counts several.
    pub fn add(&self, counter: Counter, by: u64) {
        if let Some((_, cell)) = self.counters.get(counter as usize) {
            cell.set(cell.get().saturating_add(by));
        }
    }

    /// Counts a decision.
    pub fn decided(&self, action: Action) {
        self.count(match action {
            Action::Allow => Counter::Allow,
            Action::Monitor => Counter::Monitor,
            Action::Challenge => Counter::Challenge,
            Action::RateLimit => Counter::RateLimit,
            Action::Block => Counter::Block,
        });
    }

    /// Sets a gauge at once.
    pub fn set(&self, host: &impl Host, gauge: Gauge, value: u64) {
        if let Some(id) = self.gauges.get(gauge as usize) {
            host.set_gauge(*id, value);
        }
    }

    /// Hands over what was counted.
    pub fn flush(&self, host: &impl Host) {
        for (id, cell) in &self.counters {
            let counted = cell.take();
            if counted > 0 {
                host.add_to_counter(*id, counted);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_metric_stands_at_its_number() {
        assert!(COUNTERS.iter().enumerate().all(|(at, (counter, _))| *counter as usize == at));
        assert!(GAUGES.iter().enumerate().all(|(at, (gauge, _))| *gauge as usize == at));
    }
}
