//! A circuit breaker: a provider that fails several times in a row is left alone for a while, then tried once.

/// How often, and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Limits {
    /// Failures in a row that open it.
    pub(super) failures: u32,
    /// How long it stays open, ms; also how long a trial may take before there is another.
    pub(super) open_ms: u64,
}

/// The breaker's state, as it is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// Everything passes.
    Closed,
    /// The next request is a trial, or one is under way.
    HalfOpen,
    /// Nothing passes.
    Open,
}

/// The breaker. Times are Unix ms; a clock that is set back lengthens the wait by at most `open_ms`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Breaker {
    limits: Limits,
    failures: u32,
    /// When it opened, or the last trial began.
    shut_ms: Option<u64>,
}

impl Breaker {
    pub(super) fn new(limits: Limits) -> Self {
        Self { limits, failures: 0, shut_ms: None }
    }

    pub(super) fn state(&self, now_ms: u64) -> State {
        match self.shut_ms {
            None => State::Closed,
            Some(shut_ms) if self.is_over(shut_ms, now_ms) => State::HalfOpen,
            Some(_) => State::Open,
        }
    }

    /// Whether a request may pass; one that passes in the state half open is the trial, and holds the others up.
    pub(super) fn enter(&mut self, now_ms: u64) -> bool {
        match self.shut_ms {
            None => true,
            Some(shut_ms) if self.is_over(shut_ms, now_ms) => {
                self.shut_ms = Some(now_ms);
                true
            }
            Some(_) => false,
        }
    }

    /// A request that passed has succeeded; whether that closes it.
    pub(super) fn succeeded(&mut self) -> bool {
        self.failures = 0;
        self.shut_ms.take().is_some()
    }

    /// A request that passed has failed; whether that opens it, for the first time or again.
    pub(super) fn failed(&mut self, now_ms: u64) -> bool {
        self.failures = self.failures.saturating_add(1);
        let opens = self.failures >= self.limits.failures;
        if opens {
            self.shut_ms = Some(now_ms);
        }
        opens
    }

    fn is_over(&self, shut_ms: u64, now_ms: u64) -> bool {
        now_ms.abs_diff(shut_ms) >= self.limits.open_ms
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn breaker() -> Breaker {
        Breaker::new(Limits { failures: 3, open_ms: 30_000 })
    }

    #[test]
    fn failures_in_a_row_open_it_and_one_trial_closes_it() {
        let mut breaker = breaker();
        assert!(!breaker.failed(1) && !breaker.failed(2));
        assert!(!breaker.succeeded(), "it was never open");
        assert!(!breaker.failed(3) && !breaker.failed(4), "a success in between starts the count anew");
        assert!(breaker.failed(5));
        assert_eq!(breaker.state(30_004), State::Open);
        assert!(!breaker.enter(30_004));
        assert_eq!(breaker.state(30_005), State::HalfOpen);
        assert!(breaker.enter(30_005));
        assert!(!breaker.enter(30_006), "one trial at a time");
        assert!(breaker.succeeded());
        assert_eq!(breaker.state(30_007), State::Closed);
        assert!(breaker.enter(30_007) && breaker.enter(30_007));
    }

    #[test]
    fn a_trial_that_fails_opens_it_again_and_one_that_is_lost_does_not_hold_it() {
        let mut breaker = breaker();
        assert!((1..=3).map(|now_ms| breaker.failed(now_ms)).eq([false, false, true]));
        assert!(breaker.enter(40_000));
        assert!(breaker.failed(40_100));
        assert!(!breaker.enter(70_099));
        assert!(breaker.enter(70_100));
        assert!(breaker.enter(100_100), "the trial of 70,100 never told how it ended");
    }

    #[test]
    fn a_clock_set_back_does_not_shut_it_for_ever() {
        let mut breaker = breaker();
        assert!((0..3).map(|_| breaker.failed(10_000_000)).eq([false, false, true]));
        assert!(!breaker.enter(9_990_000));
        assert!(breaker.enter(5_000_000));
    }
}
