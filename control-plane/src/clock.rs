//! The time, asked for in one place; core and store take it as an argument.

use std::sync::LazyLock;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// Milliseconds since 1970-01-01 UTC; 0 on a clock set before that.
pub fn unix_ms() -> u64 {
    let elapsed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX)
}

/// Now, on both clocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    /// µs since some moment of this process; never steps.
    pub steady_us: u64,
    /// [`unix_ms`].
    pub unix_ms: u64,
}

impl Moment {
    /// This moment.
    pub fn now() -> Self {
        static START: LazyLock<Instant> = LazyLock::new(Instant::now);
        let steady_us = u64::try_from(START.elapsed().as_micros()).unwrap_or(u64::MAX);
        Self { steady_us, unix_ms: unix_ms() }
    }
}
