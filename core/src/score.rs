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
    let contributions = || {
        let checks = evidence.found().map(|(check, strength)| (check, strength * policy.weight(check)));
        std::iter::once((Check::Model, logit)).chain(checks)
    };
    let total: f32 = contributions().map(|(_, odds)| odds).sum();
    let score = 100.0 * sigmoid(total);

    let mut reasons = Reasons::default();
    let mut strongest: f32 = 0.0;
    for (check, odds) in contributions() {
        let points = score - 100.0 * sigmoid(total - odds);
        if points.abs() >= LEAST_POINTS {
            reasons.add(check, points);
        }
        strongest = strongest.max(odds);
    }
    Decision {
        action: action(policy.thresholds(), score, 100.0 * sigmoid(total - strongest)),
        basis: Basis::Score,
        score,
        ml_probability: sigmoid(logit),
        features: *features,
        evidence: *evidence,
        reasons,
        retry_after_s: None,
        watch: None,
    }
}

/// The action for a score. `without_strongest` is the score that is left when the strongest contribution (the
/// model counts as one) is taken away: below the monitor threshold nothing else points to a bot, so BLOCK
/// becomes CHALLENGE.
fn action(thresholds: &Thresholds, score: f32, without_strongest: f32) -> Action {
    if score >= thresholds.block {
        if without_strongest >= thresholds.monitor { Action::Block } else { Action::Challenge }
    } else if score >= thresholds.challenge {
        Action::Challenge
    } else if score >= thresholds.monitor {
        Action::Monitor
    } else {
        Action::Allow
    }
}
