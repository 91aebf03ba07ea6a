//! Calibration: the log-odds stretched and shifted so that 0.9 means nine of ten.

/// Smallest slope: a model that ranks no better than chance is flattened, never turned around.
const LEAST_SLOPE: f64 = 0.01;
/// Largest slope: what separates the held-out rows without a mistake is not sure for ever.
const LARGEST_SLOPE: f64 = 20.0;
const STEPS: usize = 100;

/// `slope · logit + shift`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Calibration {
    /// In [0.01, 20], so that the order of scores stays.
    pub slope: f32,
    /// Added to the stretched log-odds.
    pub shift: f32,
}

/// A held-out row: log-odds given to it, whether it is a bot, its weight.
pub type Judged = (f32, bool, f64);

impl Calibration {
    /// Leaves the log-odds as they are.
    pub const NONE: Self = Self { slope: 1.0, shift: 0.0 };

    /// Platt scaling (Platt 1999): the logistic regression of the labels on the log-odds, by Newton's method with halved
    /// steps (Lin, Lin and Weng 2007). Labels are taken for (n + 1) / (n + 2) and 1 / (n + 2) of their class, as Platt does, lest
    /// few rows make it too sure. [`Calibration::NONE`] unless there are both bots and people.
    pub fn platt(rows: &[Judged]) -> Self {
        let mean_weight = rows.iter().map(|(_, _, weight)| weight).sum::<f64>() / rows.len().max(1) as f64;
        let bots = rows.iter().filter(|(_, is_bot, _)| *is_bot).count() as f64;
        let people = rows.len() as f64 - bots;
        if bots == 0.0 || people == 0.0 || mean_weight <= 0.0 {
            return Self::NONE;
        }
        let target = |is_bot| if is_bot { (bots + 1.0) / (bots + 2.0) } else { 1.0 / (people + 2.0) };
        let rows: Vec<_> = rows
            .iter()
            .map(|(logit, is_bot, weight)| (f64::from(*logit), target(*is_bot), weight / mean_weight))
            .collect();
        let mut fit = Fit { slope: 1.0, shift: 0.0 };
        let free = fit.descend(&rows, Fit::newton);
        if !free || !(LEAST_SLOPE..=LARGEST_SLOPE).contains(&fit.slope) {
            fit = Fit { slope: fit.slope.clamp(LEAST_SLOPE, LARGEST_SLOPE), shift: 0.0 };
            fit.descend(&rows, Fit::newton_of_shift);
        }
        Self { slope: fit.slope as f32, shift: fit.shift as f32 }
    }

    /// The calibrated log-odds.
    pub fn apply(&self, logit: f32) -> f32 {
        self.slope * logit + self.shift
    }
}

/// A row as the fit sees it: log-odds, target, weight.
type Target = (f64, f64, f64);

#[derive(Clone, Copy)]
struct Fit {
    slope: f64,
    shift: f64,
}

impl Fit {
    /// Takes steps until they no longer lower the loss. Whether all numbers stayed finite.
    fn descend(&mut self, rows: &[Target], step: fn(&Self, &[Target]) -> (f64, f64)) -> bool {
        let mut loss = self.loss(rows);
        for _ in 0..STEPS {
            let (slope, shift) = step(self, rows);
            let halved = (0..30).map(|halvings| {
                let share = 0.5_f64.powi(halvings);
                Self { slope: self.slope - share * slope, shift: self.shift - share * shift }
            });
            let better = halved.map(|fit| (fit, fit.loss(rows))).find(|(_, found)| *found < loss);
            match better {
                Some((fit, found)) => {
                    let gained = loss - found;
                    (*self, loss) = (fit, found);
                    if gained <= 1e-10 * loss.abs() {
                        break;
                    }
                }
                None => break,
            }
        }
        self.slope.is_finite() && self.shift.is_finite()
    }

    fn loss(&self, rows: &[Target]) -> f64 {
        let of = |(logit, target, weight): &Target| {
            let logit = self.slope * logit + self.shift;
            weight * (logit.max(0.0) - logit * target + libm::log1p(libm::exp(-logit.abs())))
        };
        rows.iter().map(of).sum()
    }

    /// Newton's step in slope and shift.
    fn newton(&self, rows: &[Target]) -> (f64, f64) {
        let (mut by_slope, mut by_shift) = (0.0, 0.0);
        let (mut slopes, mut mixed, mut shifts) = (1e-9, 0.0, 1e-9);
        for (logit, target, weight) in rows {
            let probability = 1.0 / (1.0 + libm::exp(-(self.slope * logit + self.shift)));
            let error = weight * (probability - target);
            let curve = weight * probability * (1.0 - probability);
            by_slope += error * logit;
            by_shift += error;
            slopes += curve * logit * logit;
            mixed += curve * logit;
            shifts += curve;
        }
        let determinant = slopes * shifts - mixed * mixed;
        if determinant <= 0.0 {
            return (0.0, by_shift / shifts);
        }
        (
            (shifts * by_slope - mixed * by_shift) / determinant,
            (slopes * by_shift - mixed * by_slope) / determinant,
        )
    }

    /// Newton's step in the shift alone.
    fn newton_of_shift(&self, rows: &[Target]) -> (f64, f64) {
        let (mut error, mut curve) = (0.0, 1e-9);
        for (logit, target, weight) in rows {
            let probability = 1.0 / (1.0 + libm::exp(-(self.slope * logit + self.shift)));
            error += weight * (probability - target);
            curve += weight * probability * (1.0 - probability);
        }
        (0.0, error / curve)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::training::random::Random;

    /// Rows whose true log-odds are `slope · logit + shift`.
    fn rows(slope: f64, shift: f64, count: usize) -> Vec<Judged> {
        let mut random = Random::new(5);
        let row = |_| {
            let logit = 2.0 * random.normal();
            let probability = 1.0 / (1.0 + (-(slope * logit + shift)).exp());
            (logit as f32, random.unit() < probability, 1.0)
        };
        (0..count).map(row).collect()
    }

    #[test]
    fn timid_and_shifted_log_odds_are_put_right() {
        for (slope, shift) in [(3.0, -1.0), (0.4, 2.0), (1.0, 0.0)] {
            let found = Calibration::platt(&rows(slope, shift, 20_000));
            assert!((f64::from(found.slope) / slope - 1.0).abs() < 0.1, "{found:?}");
            assert!((f64::from(found.shift) - shift).abs() < 0.12, "{found:?}");
        }
    }

    #[test]
    fn nine_of_ten_is_nine_of_ten() {
        let rows = rows(2.5, 0.5, 20_000);
        let calibration = Calibration::platt(&rows);
        let sure = |row: &&Judged| (calibration.apply(row.0) - 9_f32.ln()).abs() < 0.3;
        let (sure, bots) =
            rows.iter().filter(sure).fold((0, 0), |(all, bots), row| (all + 1, bots + i32::from(row.1)));
        let share = f64::from(bots) / f64::from(sure);
        assert!(sure > 500 && (share - 0.9).abs() < 0.03, "{share} of {sure}");
    }

    #[test]
    fn one_class_leaves_the_log_odds_alone() {
        assert_eq!(Calibration::platt(&[]), Calibration::NONE);
        assert_eq!(Calibration::platt(&[(1.0, true, 1.0); 9]), Calibration::NONE);
    }

    proptest! {
        #[test]
        fn the_order_of_scores_always_stays(
            rows in prop::collection::vec((-8.0_f32..8.0, any::<bool>(), 0.01_f64..10.0), 0..60)
        ) {
            let found = Calibration::platt(&rows);
            prop_assert!(found.slope >= 0.009 && found.slope <= 20.0 && found.shift.is_finite(), "{found:?}");
        }

        #[test]
        fn calibration_never_raises_the_loss(
            rows in prop::collection::vec((-4.0_f32..4.0, any::<bool>()), 40..80)
        ) {
            let rows: Vec<_> = rows.into_iter().map(|(logit, bot)| (logit, bot, 1.0)).collect();
            let Calibration { slope, shift } = Calibration::platt(&rows);
            let targets: Vec<_> = rows.iter().map(|row| (f64::from(row.0), f64::from(u8::from(row.1)), 1.0)).collect();
            let before = Fit { slope: 1.0, shift: 0.0 }.loss(&targets);
            let after = Fit { slope: f64::from(slope), shift: f64::from(shift) }.loss(&targets);
            // Platt's smoothed targets may cost a little on labels taken at their word.
            prop_assert!(after <= before + 1.0, "{before} then {after}");
        }
    }
}
