//! A rate cell in 64 bits: how far its client is ahead, and how far a full cell of the limit is that it was spent by.
//!
//! The lower 52 bits are the theoretical arrival time of the next conforming request, Unix µs (until 2112). The upper
//! 12 are the size of a full cell, µs, as a float of 6 bits of exponent and 6 of mantissa (at most 1/64 below); 0 for a
//! cell never spent from.
//!
//! So a cell says by itself that other numbers left it, and how full it is to whoever does not know the policy. How far
//! it is ahead does not say that: replicas that each let a burst through are told so by settling, which takes their
//! cells beyond a full one, and this debt has to be paid back. But what an older, tighter limit left is no debt of the
//! new one: it is cut to a full cell of the new one, so that nobody waits for what is allowed by now.

use crate::decay::Rate;

const TIME_BITS: u32 = 52;
const TIME: u64 = (1 << TIME_BITS) - 1;
const MANTISSA_BITS: u32 = 6;

/// How far a cell is ahead of now, µs; if another limit left it, at most what a full cell of this one is.
pub(crate) fn ahead_us(cell: u64, now_us: u64, rate: Rate) -> u64 {
    let ahead_us = (cell & TIME).saturating_sub(now_us);
    if cell >> TIME_BITS == size(rate.full_us) { ahead_us } else { ahead_us.min(rate.full_us) }
}

/// The cell of a limit that is so far ahead of now, µs.
pub(crate) fn cell(ahead_us: u64, now_us: u64, rate: Rate) -> u64 {
    size(rate.full_us) << TIME_BITS | now_us.saturating_add(ahead_us).min(TIME)
}

/// Until when a cell is over a quarter full, Unix ms; 0 for one never spent from. A quarter is taken for up to 1/64
/// larger than it is, so a cell that is just a quarter full never counts as one over it.
pub(crate) fn over_quarter_until_ms(cell: u64) -> u64 {
    let size = cell >> TIME_BITS;
    let (exponent, mantissa) = (size >> MANTISSA_BITS, size & ((1 << MANTISSA_BITS) - 1));
    let quarter_us =
        ((1 << MANTISSA_BITS | mantissa) + 1) << exponent.saturating_sub(u64::from(MANTISSA_BITS) + 2);
    (cell & TIME).saturating_sub(quarter_us) / 1000
}

/// The float: the exponent is the place of the highest bit, the mantissa the six bits below. From 64 µs on.
fn size(full_us: u64) -> u64 {
    let full_us = full_us.max(1 << MANTISSA_BITS);
    let exponent = full_us.ilog2();
    let mantissa = full_us >> (exponent - MANTISSA_BITS) & ((1 << MANTISSA_BITS) - 1);
    u64::from(exponent) << MANTISSA_BITS | mantissa
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOW_US: u64 = 1_700_000_000_000_000;

    #[test]
    fn a_cell_is_over_a_quarter_until_it_has_drained_so_far() {
        let rate = Rate::new(1.0, 64);
        assert_eq!(over_quarter_until_ms(0), 0);
        let until = |ahead_s: u64| over_quarter_until_ms(cell(ahead_s * 1_000_000, NOW_US, rate));
        for (ahead_s, left_s) in [(17, 1), (64, 48), (160, 144)] {
            let left_ms = until(ahead_s) - NOW_US / 1000;
            assert!(
                (left_s * 1000 - 250..=left_s * 1000).contains(&left_ms),
                "within 1/64 of a quarter: {left_ms}"
            );
        }
        assert!(until(16) <= NOW_US / 1000);
    }

    proptest! {
        #[test]
        fn a_cell_keeps_what_is_put_into_it(
            ahead_us in 0..1_u64 << 50, per_second in 0.001_f32..1e6, burst in 1_u32..1_000_000,
        ) {
            let rate = Rate::new(per_second, burst);
            prop_assert_eq!(ahead_us, super::ahead_us(cell(ahead_us, NOW_US, rate), NOW_US, rate));
        }

        #[test]
        fn what_other_numbers_left_is_at_most_a_full_cell(
            ahead_us in 0..1_u64 << 50, per_second in 0.001_f32..1e6, burst in 1_u32..1_000_000, factor in 1.04_f32..100.0,
        ) {
            let (tighter, looser) = (Rate::new(per_second, burst), Rate::new(per_second * factor, burst));
            let left = super::ahead_us(cell(ahead_us, NOW_US, tighter), NOW_US, looser);
            // Where rounding to whole µs makes both the same, there is nothing to cut.
            prop_assert!(left <= looser.most_ahead_us() || tighter.most_ahead_us() <= looser.most_ahead_us() + 64);
        }

        #[test]
        fn any_bits_are_a_cell(bits in any::<u64>(), now_us in any::<u64>(), per_second in any::<f32>(), burst in any::<u32>()) {
            let rate = Rate::new(per_second, burst);
            let ahead_us = ahead_us(bits, now_us, rate);
            prop_assert!(ahead_us <= TIME && over_quarter_until_ms(bits) <= TIME / 1000);
            cell(ahead_us, now_us, rate);
        }
    }
}
