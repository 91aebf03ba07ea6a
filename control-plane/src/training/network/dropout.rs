//! Which units of a layer are silent in a training step.

use crate::training::random::Random;

/// Seeded masks (Srivastava et al. 2014), 16 random bits per unit. Units that speak are louder by 1 / (1 − rate).
#[derive(Clone, Debug)]
pub(super) struct Dropout {
    random: Random,
    /// A unit whose 16 bits are under this is silent.
    silent_below: u16,
    keep: f32,
}

impl Dropout {
    /// Masks for a rate in [0, 0.9]; at 0 nothing is drawn.
    pub(super) fn new(rate: f32, seed: u64) -> Self {
        let silent_below = (rate.clamp(0.0, 0.9) * 65_536.0).round() as u16;
        let share = 1.0 - f32::from(silent_below) / 65_536.0;
        Self { random: Random::new(seed), silent_below, keep: 1.0 / share }
    }

    /// A factor per unit: 0 or 1 / (1 − rate).
    #[inline(always)]
    pub(super) fn draw<const N: usize>(&mut self, gates: &mut [f32; N]) {
        if self.silent_below == 0 {
            *gates = [1.0; N];
            return;
        }
        for gates in gates.chunks_mut(4) {
            let bits = self.random.bits().to_le_bytes();
            for (gate, bits) in gates.iter_mut().zip(bits.as_chunks::<2>().0) {
                *gate = if u16::from_le_bytes(*bits) < self.silent_below { 0.0 } else { self.keep };
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_in_ten_are_silent_and_the_mean_stays() {
        let mut dropout = Dropout::new(0.3, 1);
        let mut gates = [0.0; 50_000];
        dropout.draw(&mut gates);
        let silent = gates.iter().filter(|gate| **gate == 0.0).count() as f32 / 5e4;
        let mean = gates.iter().sum::<f32>() / 5e4;
        assert!((silent - 0.3).abs() < 0.01 && (mean - 1.0).abs() < 0.02, "{silent} {mean}");
    }

    #[test]
    fn without_dropout_all_speak() {
        let mut gates = [0.0; 64];
        Dropout::new(0.0, 1).draw(&mut gates);
        assert_eq!(gates, [1.0; 64]);
    }
}
