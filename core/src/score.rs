//! From evidence to score and action: log-odds add up, thresholds decide, no single check blocks alone.

use crate::check::{Check, Evidence};
use crate::decision::{Action, Basis, Decision, Reasons};
use crate::features::Features;
use crate::model::{Model, sigmoid};
use crate::policy::{Policy, Thresholds};

/// A reason below this many points is not worth a line.
const LEAST_POINTS: f32 = 0.5;

/// Judges features and evidence: score = 100·sigmoid(logit(model) + Σ weight·strength).
pub(crate) fn judge(policy: &Policy, model: &Model, features: &Features, evidence: &Evidence) -> Decision {
    let logit = model.logit(features);
    let checks = || evidence.found().map(|(check, strength)| (check, strength * policy.weight(check)));
    let found: f32 = checks().map(|(_, odds)| odds).sum();
    let total = logit + found;
    let score = 100.0 * sigmoid(total);

    let slope = mean_slope(total);
    let mut reasons = Reasons::default();
    for (check, odds) in std::iter::once((Check::Model, logit)).chain(checks()) {
        if (odds * slope).abs() >= LEAST_POINTS {
            reasons.add(check, odds * slope);
        }
    }
    let thresholds = policy.thresholds();
    let mut action = action(thresholds, score);
    if action == Action::Block {
        // What the model owes to the claim of being a browser stands and falls with the checks of that claim.
        let by_claim = logit - model.logit(&features.without_user_agent());
        let without =
            |(check, odds): (Check, f32)| total - odds - if judges_claim(check) { by_claim } else { 0.0 };
        let least = checks().map(without).fold(found, f32::min);
        if 100.0 * sigmoid(least) <= thresholds.monitor {
            action = Action::Challenge;
        }
    }
    Decision {
        action,
        basis: Basis::Score,
        score,
        ml_probability: sigmoid(logit),
        features: *features,
        evidence: *evidence,
        reasons,
        ..Decision::default()
    }
}

/// Score and action where a model of log-odds `logit` says something else than `ml_probability`.
pub(crate) fn rescored(policy: &Policy, score: f32, ml_probability: f32, logit: f32) -> (f32, Action) {
    let score = 100.0 * sigmoid(log_odds(score / 100.0) - log_odds(ml_probability) + logit);
    (score, action(policy.thresholds(), score))
}

/// ln(p / (1 − p)), finite for every p.
fn log_odds(probability: f32) -> f32 {
    let probability = probability.clamp(1e-6, 1.0 - 1e-6);
    libm::logf(probability / (1.0 - probability))
}

/// Score points per unit of log-odds, averaged on the way from an even score to this total: so the points of all
/// reasons add up to the score minus 50, also where the sigmoid is flat (Aumann–Shapley values of a sum).
pub(crate) fn mean_slope(total: f32) -> f32 {
    if total.abs() < 1e-3 { 25.0 } else { (100.0 * sigmoid(total) - 50.0) / total }
}

/// The checks whose finding is also in the model's `user_agent` feature.
fn judges_claim(check: Check) -> bool {
    matches!(check, Check::UserAgent | Check::HeadersMismatch | Check::Ja4Mismatch)
}

/// The action for a score alone. BLOCK needs more than one finding besides: where the score would not stay above
/// the monitor threshold without any one of them (the model counts as one), it becomes CHALLENGE.
fn action(thresholds: &Thresholds, score: f32) -> Action {
    if score >= thresholds.block {
        Action::Block
    } else if score >= thresholds.challenge {
        Action::Challenge
    } else if score >= thresholds.monitor {
        Action::Monitor
    } else {
        Action::Allow
    }
}
