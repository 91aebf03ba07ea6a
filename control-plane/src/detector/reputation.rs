//! What an address's past says: counts of good and bad outcomes that fade, and the evidence they make.

use sallyport_core::{Basis, Check, Decision};

use super::table::Record;
use crate::store::Standing;

/// Outcomes fade with τ = 24 h: addresses change hands.
const TAU_MS: f64 = 86_400_000.0;

/// Requests that a past must outweigh before it says anything.
const PRIOR: f32 = 20.0;

/// Good requests after which a clean past counts half.
const CLEAN_HALF: f32 = 100.0;

/// Below this share of bad outcomes an address counts as clean: one bot among the people of an office must
/// not taint them all.
const TAINTED_SHARE: f32 = 0.2;

/// A clean past speaks at most this much for a client: it can be built up on purpose.
const MOST_GOOD: f32 = 0.5;

/// What a failed login adds.
pub const LOGIN_FAILURE: Standing = Standing { good: 0.0, bad: 0.5 };

/// A count of outcomes after `elapsed_ms`: count · exp(−elapsed / 24 h). Time running backwards changes nothing.
pub fn decayed(count: f64, elapsed_ms: i64) -> f64 {
    count * (-(elapsed_ms.max(0) as f64) / TAU_MS).exp()
}

/// What one decision adds to its address. Reputation's own share of the score is left out, or a bad past
/// would feed itself; lists say nothing, they are the operator's word.
pub fn outcome(decision: &Decision, challenge_threshold: f32) -> Standing {
    outcome_of(decision.basis, decision.score, decision.reasons.iter(), challenge_threshold)
}

/// [`outcome`] of a decision's parts, as an observation tells them.
pub(super) fn outcome_of(
    basis: Basis,
    score: f32,
    reasons: impl Iterator<Item = (Check, f32)>,
    challenge_threshold: f32,
) -> Standing {
    match basis {
        Basis::RateLimit => Standing { good: 0.0, bad: 0.25 },
        Basis::Score => {
            let own: f32 =
                reasons.filter(|(check, _)| *check == Check::IpReputation).map(|(_, points)| points).sum();
            let score = score - own;
            if score >= challenge_threshold {
                Standing { good: 0.0, bad: 1.0 }
            } else {
                Standing { good: (1.0 - score / challenge_threshold.max(1.0)).clamp(0.0, 1.0), bad: 0.0 }
            }
        }
        _ => Standing::default(),
    }
}

/// The strength of the check `ip_reputation`, in [-0.5, 1]. With b = bad / (good + bad + 20):
/// (b − 0.2) / 0.8 above b = 0.2; below it −0.5 · (1 − b / 0.2) · good / (good + 100).
pub fn strength(standing: Standing) -> f32 {
    let Standing { good, bad } = standing;
    let share = bad / (good + bad + PRIOR);
    if share > TAINTED_SHARE {
        (share - TAINTED_SHARE) / (1.0 - TAINTED_SHARE)
    } else {
        0.0 - MOST_GOOD * (1.0 - share / TAINTED_SHARE) * good / (good + CLEAN_HALF)
    }
}

/// An address's past in memory.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Past {
    key: u64,
    last_seen_ms: u64,
    standing: Standing,
}

impl Past {
    /// The standing as of `now_ms`.
    pub(super) fn standing(&self, now_ms: u64) -> Standing {
        let elapsed = i64::try_from(now_ms.saturating_sub(self.last_seen_ms)).unwrap_or(i64::MAX);
        let now = |count: f32| decayed(f64::from(count), elapsed) as f32;
        Standing { good: now(self.standing.good), bad: now(self.standing.bad) }
    }

    /// Adds outcomes at `now_ms`.
    pub(super) fn add(&mut self, outcome: Standing, now_ms: u64) {
        let now = self.standing(now_ms);
        self.standing = Standing { good: now.good + outcome.good, bad: now.bad + outcome.bad };
        self.last_seen_ms = self.last_seen_ms.max(now_ms);
    }
}

impl Record for Past {
    fn new(key: u64) -> Self {
        Self { key, ..Self::default() }
    }

    fn key(&self) -> u64 {
        self.key
    }

    fn last_seen_ms(&self) -> u64 {
        self.last_seen_ms
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_past_speaks_only_once_there_is_enough_of_it() {
        let of = |good, bad| strength(Standing { good, bad });
        assert_eq!(of(0.0, 0.0), 0.0);
        assert!(of(0.0, 3.0) < 0.05, "three bad requests are little");
        assert!(of(0.0, 200.0) > 0.85);
        assert!(of(2_000.0, 50.0) < 0.0, "one bot in an office does not taint it");
        assert!(of(1e6, 0.0) >= -0.5);
    }

    #[test]
    fn outcomes_fade_and_clocks_may_run_backwards() {
        assert!((decayed(100.0, 86_400_000) - 36.788).abs() < 0.01);
        assert_eq!(decayed(100.0, -5), 100.0);
    }

    #[test]
    fn reputation_does_not_feed_itself() {
        let outcome = |points| {
            let reasons = [(Check::IpReputation, points)].into_iter();
            outcome_of(Basis::Score, 75.0, reasons, 70.0)
        };
        assert_eq!(outcome(30.0).bad, 0.0);
        assert_eq!(outcome(2.0).bad, 1.0);
    }
}
