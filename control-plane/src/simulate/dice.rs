//! Chance: a stream of numbers that is the same on every platform, for one visitor of one seed.
//!
//! ChaCha8 keyed by seed, domain and number needs no mixing, so visitors are independent of each other: one more
//! visitor, or another scenario left out, changes nothing for the rest. Exponentials and logarithms come from `libm`.

use rand::rngs::ChaCha8Rng;
use rand::{Rng as _, SeedableRng as _};

/// The chance of one visitor, site or schedule.
pub(super) struct Dice(ChaCha8Rng);

impl Dice {
    /// The stream of this seed for number `number` of a domain, such as a scenario.
    pub(super) fn new(seed: u64, domain: u64, number: u64) -> Self {
        let mut key = [0; 32];
        for (bytes, word) in key.chunks_exact_mut(8).zip([seed, domain, number]) {
            bytes.copy_from_slice(&word.to_le_bytes());
        }
        Self(ChaCha8Rng::from_seed(key))
    }

    /// Evenly in [0, 1).
    pub(super) fn unit(&mut self) -> f64 {
        (self.0.next_u64() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// `true` with this probability.
    pub(super) fn chance(&mut self, probability: f64) -> bool {
        self.unit() < probability
    }

    /// Evenly among 0 to `count` − 1; 0 for a count of 0.
    pub(super) fn below(&mut self, count: usize) -> usize {
        ((u128::from(self.0.next_u64()) * count as u128) >> 64) as usize
    }

    /// Evenly among `low` to `high`, both included.
    pub(super) fn between(&mut self, low: usize, high: usize) -> usize {
        low + self.below(high.saturating_sub(low) + 1)
    }

    /// Evenly in [`low`, `high`).
    pub(super) fn real(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.unit()
    }

    /// One of a list that is not empty, evenly.
    pub(super) fn pick<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        &items[self.below(items.len())]
    }

    /// One of a list that is not empty, by weight.
    pub(super) fn weighted<'a, T>(&mut self, items: &'a [T], weight: impl Fn(&T) -> u32) -> &'a T {
        let total: usize = items.iter().map(|item| weight(item) as usize).sum();
        let mut left = self.below(total);
        items
            .iter()
            .find(|item| {
                let here = weight(item) as usize;
                let found = left < here;
                left = left.saturating_sub(here);
                found
            })
            .unwrap_or(&items[items.len() - 1])
    }

    /// Log-normal with this median; `sigma` is the standard deviation of its logarithm. Think times of people
    /// are near it, with a sigma of about 1.
    pub(super) fn log_normal(&mut self, median: f64, sigma: f64) -> f64 {
        // Box and Muller, 1958; 1 − unit is never 0.
        let radius = libm::sqrt(-2.0 * libm::log(1.0 - self.unit()));
        median * libm::exp(sigma * radius * libm::cos(std::f64::consts::TAU * self.unit()))
    }

    /// Geometric: 1 or more with this mean, at most `most`.
    pub(super) fn geometric(&mut self, mean: f64, most: usize) -> usize {
        let stay = 1.0 - 1.0 / mean.max(1.0);
        let mut count = 1;
        while count < most && self.chance(stay) {
            count += 1;
        }
        count
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_are_fixed_and_apart() {
        let draw = |seed, domain, number| {
            let mut dice = Dice::new(seed, domain, number);
            [dice.below(1_000_000), dice.below(1_000_000)]
        };
        assert_eq!(draw(1, 2, 3), draw(1, 2, 3));
        assert_ne!(draw(1, 2, 3), draw(1, 3, 2));
        assert_ne!(draw(1, 2, 3), draw(2, 2, 3));
    }

    #[test]
    fn draws_have_their_means() {
        let mut dice = Dice::new(7, 0, 0);
        let mean = |draw: &mut dyn FnMut() -> f64| (0..4000).map(|_| draw()).sum::<f64>() / 4000.0;
        assert!((mean(&mut || dice.geometric(5.0, 1000) as f64) - 5.0).abs() < 0.3);
        assert!((mean(&mut || dice.between(2, 4) as f64) - 3.0).abs() < 0.1);
        assert!((mean(&mut || libm::log(dice.log_normal(20.0, 1.0))) - libm::log(20.0)).abs() < 0.1);
        assert!((mean(&mut || f64::from(*dice.weighted(&[1_u32, 3], |w| *w))) - 2.5).abs() < 0.1);
    }
}
