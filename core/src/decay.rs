//! Numbers that forget: exponential decay, moving means and the GCRA rate cell.

use crate::cell;

/// What remains of 1 after `elapsed_ms` with time constant `tau_s` seconds, in [0, 1].
pub(crate) fn remaining(elapsed_ms: u64, tau_s: f32) -> f32 {
    libm::expf(-(elapsed_ms as f32) / (1000.0 * tau_s))
}

/// One step of a moving mean over about `window` events; the first events are averaged plainly.
pub(crate) fn moving_mean(mean: f32, value: f32, seen: u32, window: u32) -> f32 {
    let weight = 1.0 / (seen.saturating_add(1).min(window) as f32);
    mean + weight * (value - mean)
}

/// A rate limit: `per_second` requests on the long run, `burst` at once.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Rate {
    /// Emission interval in µs.
    pub(crate) interval_us: u64,
    /// How far ahead of the clock the cell may run, in µs.
    pub(crate) tolerance_us: u64,
    /// How far a full cell is ahead, in µs: the cell's size, by which it knows that other numbers left it.
    pub(crate) full_us: u64,
}

impl Rate {
    pub(crate) fn new(per_second: f32, burst: u32) -> Self {
        Self::every(((1e6 / per_second.max(1e-3)) as u64).max(1), burst.max(1))
    }

    /// One each `interval_us` on the long run, `burst` at once, both at least 1.
    pub(crate) const fn every(interval_us: u64, burst: u32) -> Self {
        let full_us = interval_us.saturating_mul(burst as u64);
        Self { interval_us, tolerance_us: full_us.saturating_sub(interval_us), full_us }
    }

    /// How far ahead of the clock a cell is that has just taken the last request that it can take, in µs.
    pub(crate) fn most_ahead_us(self) -> u64 {
        self.tolerance_us.saturating_add(self.interval_us)
    }
}

/// The generic cell rate algorithm (ITU-T I.371) on a cell as [`cell`] has it, at Unix ms `now_ms`: how far the cell is
/// ahead with this request, in µs. `Err` is how long to wait, in µs; a refused request does not count.
pub(crate) fn gcra(cell: &mut u64, now_ms: u64, rate: Rate) -> Result<u64, u64> {
    let now_us = now_ms.saturating_mul(1000);
    let ahead_us = cell::ahead_us(*cell, now_us, rate);
    let (ahead_us, outcome) = match ahead_us.checked_sub(rate.tolerance_us) {
        Some(wait_us) if wait_us > 0 => (ahead_us, Err(wait_us)),
        _ => {
            let ahead_us = ahead_us.saturating_add(rate.interval_us);
            (ahead_us, Ok(ahead_us))
        }
    };
    *cell = cell::cell(ahead_us, now_us, rate);
    outcome
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gcra_lets_the_burst_pass_then_the_rate() {
        let (mut tat, rate) = (0, Rate::new(10.0, 5));
        let passed = (0..20).filter(|_| gcra(&mut tat, 1_000_000, rate).is_ok()).count();
        assert_eq!(passed, 5);
        assert_eq!(gcra(&mut tat, 1_000_000, rate), Err(100_000));
        let passed = (0..1000).filter(|i| gcra(&mut tat, 1_000_000 + i * 10, rate).is_ok()).count();
        assert!((99..=101).contains(&passed), "{passed}");
    }

    #[test]
    fn a_looser_limit_forgives_what_a_tighter_one_left() {
        let (mut cell, now_ms, tighter) = (0, 1_700_000_000_000, Rate::new(0.01, 4));
        assert_eq!((0..9).filter(|_| gcra(&mut cell, now_ms, tighter).is_ok()).count(), 4);
        assert_eq!(gcra(&mut cell, now_ms, tighter), Err(100_000_000), "400 s ahead");
        // By the new numbers it was 392 s to wait, from 400 s ahead to 8 s; but a full cell is 9 s ahead.
        let looser = Rate::new(1.0, 9);
        assert_eq!(gcra(&mut cell, now_ms, looser), Err(1_000_000));
        assert_eq!(gcra(&mut cell, now_ms + 1_000, looser), Ok(9_000_000));
    }

    #[test]
    fn a_tighter_limit_takes_over_what_a_looser_one_left() {
        let (mut cell, now_ms) = (0, 1_700_000_000_000);
        assert_eq!((0..99).filter(|_| gcra(&mut cell, now_ms, Rate::new(10.0, 50)).is_ok()).count(), 50);
        assert_eq!(gcra(&mut cell, now_ms, Rate::new(1.0, 9)), Ok(6_000_000), "5 s ahead");
    }

    #[test]
    fn a_moving_mean_starts_as_a_plain_one() {
        let mut mean = 0.0;
        for (seen, value) in [4.0, 2.0, 0.0].into_iter().enumerate() {
            mean = moving_mean(mean, value, seen as u32, 32);
        }
        assert!((mean - 2.0).abs() < 1e-6);
    }
}
