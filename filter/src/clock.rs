//! Times to wait for, on a clock that may be set back: whoever waited for it to catch up could wait for hours.

/// Whether `until_ms` has come, or lies so far ahead that the clock was set back since: nobody waits longer than
/// `longest_ms`. All in (Unix) milliseconds.
pub fn is_over(until_ms: u64, longest_ms: u64, now_ms: u64) -> bool {
    until_ms <= now_ms || until_ms > now_ms.saturating_add(longest_ms)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_ends_in_time_and_when_the_clock_is_set_back() {
        assert!(!is_over(1_050, 50, 1_000) && !is_over(1_050, 50, 1_049));
        assert!(is_over(1_050, 50, 1_050) && is_over(0, 50, 1_000));
        assert!(is_over(1_050, 50, 999));
        assert!(!is_over(u64::MAX, 50, u64::MAX - 1));
    }
}
