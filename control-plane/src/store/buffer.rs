//! Between those who record and the one who writes: a bounded buffer of rows, exact totals, and jobs that
//! somebody waits for.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use sallyport_core::Action;

use super::{Health, Row};

/// More jobs than this do not wait at once.
const JOB_LIMIT: usize = 1024;

const DAY_MS: u64 = 86_400_000;

/// The buffer; `J` is a job of the backend.
pub(super) struct Buffer<J> {
    state: Mutex<State<J>>,
    wake: Condvar,
    capacity: usize,
    batch: usize,
    wait: Duration,
}

struct State<J> {
    rows: Vec<Row>,
    /// Rows handed to the writer and not settled yet.
    in_flight: usize,
    first_row: Option<Instant>,
    counts: DailyCounts,
    jobs: VecDeque<J>,
    closing: bool,
    health: Health,
}

/// Decisions per (day since 1970, action): exact, whatever happens to the rows. Only a handful of pairs is
/// ever open at once, so a list beats a map.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct DailyCounts(Vec<(u32, Action, u64)>);

impl DailyCounts {
    fn add(&mut self, ts_ms: u64, action: Action, count: u64) {
        let day = u32::try_from(ts_ms / DAY_MS).unwrap_or(u32::MAX);
        self.add_day(day, action, count);
    }

    fn add_day(&mut self, day: u32, action: Action, count: u64) {
        match self.0.iter_mut().rev().find(|(d, a, _)| (*d, *a) == (day, action)) {
            Some((_, _, total)) => *total = total.saturating_add(count),
            None => self.0.push((day, action, count)),
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (u32, Action, u64)> + '_ {
        self.0.iter().copied()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// What the writer finds when it wakes.
pub(super) struct Work<J> {
    pub(super) rows: Vec<Row>,
    pub(super) counts: DailyCounts,
    pub(super) jobs: VecDeque<J>,
    /// No more will come after this.
    pub(super) closing: bool,
}

impl<J> Work<J> {
    /// Whether there is nothing to write.
    pub(super) fn is_empty(&self) -> bool {
        self.rows.is_empty() && self.counts.is_empty() && self.jobs.is_empty()
    }
}

impl<J> Buffer<J> {
    /// `capacity` and `batch` in rows; `wait` is the longest a row lies before the writer wakes.
    pub(super) fn new(capacity: usize, batch: usize, wait: Duration) -> Self {
        let state = State {
            rows: Vec::new(),
            in_flight: 0,
            first_row: None,
            counts: DailyCounts::default(),
            jobs: VecDeque::new(),
            closing: false,
            health: Health::default(),
        };
        Self { state: Mutex::new(state), wake: Condvar::new(), capacity, batch, wait }
    }

    /// Takes rows; those beyond the capacity are counted and dropped.
    pub(super) fn record(&self, rows: &mut dyn Iterator<Item = Row>) {
        let mut state = self.lock();
        let before = state.rows.len();
        for row in rows {
            if let Row::Request(request) = &row {
                state.counts.add(request.ts_ms, request.action, u64::from(request.weight));
            }
            if state.rows.len() + state.in_flight < self.capacity {
                state.rows.push(row);
            } else {
                state.health.dropped_rows += 1;
            }
        }
        let after = state.rows.len();
        if before == 0 && after > 0 {
            state.first_row = Some(Instant::now());
        }
        if (before == 0 && after > 0) || (before < self.batch && after >= self.batch) {
            self.wake.notify_one();
        }
    }

    /// Queues a job behind the rows recorded so far; hands it back when too many wait or it is closing.
    pub(super) fn submit(&self, job: J) -> Result<(), J> {
        let mut state = self.lock();
        if state.closing || state.jobs.len() >= JOB_LIMIT {
            return Err(job);
        }
        state.jobs.push_back(job);
        self.wake.notify_one();
        Ok(())
    }

    /// Lets the writer finish what is here and stop.
    pub(super) fn close(&self) {
        self.lock().closing = true;
        self.wake.notify_all();
    }

    /// Nobody writes any more: whoever waits is let go, and it shows.
    pub(super) fn stopped(&self) {
        let mut state = self.lock();
        state.closing = true;
        state.jobs.clear();
        state.health.failing = Some("the writer has stopped".to_owned());
    }

    /// Waits until a batch is full or old enough, a job came, the buffer closes or `idle` has passed.
    pub(super) fn next_work(&self, idle: Duration) -> Work<J> {
        let deadline = Instant::now() + idle;
        let mut state = self.lock();
        loop {
            let now = Instant::now();
            let due = match state.first_row {
                Some(first) if !state.rows.is_empty() => (first + self.wait).min(deadline),
                _ => deadline,
            };
            if state.closing || !state.jobs.is_empty() || state.rows.len() >= self.batch || now >= due {
                state.in_flight = state.rows.len();
                state.first_row = None;
                return Work {
                    rows: std::mem::take(&mut state.rows),
                    counts: std::mem::take(&mut state.counts),
                    jobs: std::mem::take(&mut state.jobs),
                    closing: state.closing,
                };
            }
            state = self.wake.wait_timeout(state, due - now).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Sleeps, but not beyond the close of the buffer or the arrival of a job.
    pub(super) fn pause(&self, time: Duration) {
        let state = self.lock();
        let idle = |state: &mut State<J>| !state.closing && state.jobs.is_empty();
        drop(self.wake.wait_timeout_while(state, time, idle));
    }

    /// The rows handed out last were settled: so many written, so many refused for good.
    pub(super) fn settled(&self, written: u64, refused: u64) {
        let mut state = self.lock();
        state.in_flight = 0;
        state.health.written_rows += written;
        state.health.dropped_rows += refused;
    }

    /// Whether the database could be written just now, or why not.
    pub(super) fn writable(&self, failure: Option<String>) {
        self.lock().health.failing = failure;
    }

    /// The rows handed out last could not be written: they come back, before those that came since.
    pub(super) fn give_back(
        &self,
        mut rows: Vec<Row>,
        counts: &DailyCounts,
        written: u64,
        refused: u64,
        reason: String,
    ) {
        let mut state = self.lock();
        state.in_flight = 0;
        state.health.failing = Some(reason);
        state.health.written_rows += written;
        state.health.dropped_rows += refused;
        rows.append(&mut state.rows);
        state.rows = rows;
        state.first_row = (!state.rows.is_empty()).then(Instant::now);
        for (day, action, count) in counts.iter() {
            state.counts.add_day(day, action, count);
        }
    }

    pub(super) fn health(&self) -> Health {
        let state = self.lock();
        Health { pending_rows: (state.rows.len() + state.in_flight) as u64, ..state.health.clone() }
    }

    /// A poisoned lock only means that a recorder died between two whole steps: the rows are sound.
    fn lock(&self) -> MutexGuard<'_, State<J>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
