//! Rows to train on where none are given: seven features and a label that behaviour decides, with noise, so that
//! nothing separates them fully. Always the same.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::{Context, Result};

/// What `sallyport train --csv` expects.
const HEADER: &str = "rate,ua,endpoint,regularity,entropy,failed_login,burst,label";
/// What each feature says of bots, log-odds per unit.
const SAYS: [f64; 7] = [3.0, 3.5, 3.0, 2.0, 1.5, 2.5, 2.0];
/// So that about as many are bots as people.
const MEAN: f64 = -8.0;
/// Of the labels that are turned round.
const NOISE: f64 = 0.05;

/// Writes so many rows; the same seed gives the same file.
pub(crate) fn write(file: &Path, rows: u32, seed: u64) -> Result<()> {
    std::fs::write(file, text(rows, seed)).with_context(|| format!("cannot write {}", file.display()))
}

fn text(rows: u32, seed: u64) -> String {
    let mut random = SplitMix(seed);
    let mut text = format!("{HEADER}\n");
    for _ in 0..rows {
        let features: [f64; 7] = std::array::from_fn(|_| random.unit());
        // Two of them together say more than each alone: something for a network to find.
        let together = 3.0 * features[0] * features[3] - 1.5;
        let log_odds =
            MEAN + together + features.iter().zip(SAYS).map(|(value, weight)| value * weight).sum::<f64>();
        let is_bot = random.unit() < 1.0 / (1.0 + (-log_odds).exp());
        let label = is_bot != (random.unit() < NOISE);
        for value in features {
            // Writing into a String cannot fail.
            let _ = write!(text, "{value:.6},");
        }
        let _ = writeln!(text, "{}", u8::from(label));
    }
    text
}

/// `SplitMix64` (Steele, Lea and Flood, 2014).
struct SplitMix(u64);

impl SplitMix {
    /// In [0, 1).
    fn unit(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^= mixed >> 31;
        (mixed >> 11) as f64 / (1_u64 << 53) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::text;

    #[test]
    fn rows_are_the_same_every_time_and_of_both_kinds() {
        let rows = text(1_000, 7);
        assert_eq!(rows, text(1_000, 7));
        assert_ne!(rows, text(1_000, 8));
        let bots = rows.lines().filter(|row| row.ends_with(",1")).count();
        assert!((350..=650).contains(&bots), "{bots} of 1,000 are bots");
    }
}
