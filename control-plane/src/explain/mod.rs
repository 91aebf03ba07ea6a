//! What a decision consists of, told: the JSON of `POST /check?explain=true` and of `sallyport explain --json`.
//! `core` explains; this names the parts.

mod command;
mod model;
mod text;

use sallyport_core::{Check, Decision, Engine, FEATURE_COUNT, FEATURE_NAMES, Share};
use serde::Serialize;
use utoipa::ToSchema;

pub use command::{Args, run};

/// Why a score is what it is. Points add up: 50 + `base_points` + the points of `features` and `checks` = score;
/// `base_points` and those of `features` together are the points of the reason `model`. Reasons leave out what
/// is under half a point, this leaves out nothing. Where a list decided, no points are shared out.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct Explained {
    /// The seven features of an ordinary visitor, against whom the model's view is explained.
    pub reference: [f32; FEATURE_COUNT],
    /// The model's log-odds for the ordinary visitor.
    pub base_log_odds: f32,
    /// The same in points.
    pub base_points: f32,
    /// What each feature adds to it: exact Shapley values.
    pub features: Vec<FeatureShare>,
    /// What each check adds that found something.
    pub checks: Vec<CheckShare>,
}

/// One feature's share.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, ToSchema)]
pub struct FeatureShare {
    /// The feature.
    pub name: &'static str,
    /// The client's value, 0 to 1.
    pub value: f32,
    /// The ordinary visitor's value, 0 to 1.
    pub reference: f32,
    /// What the difference adds to the log-odds of being a bot.
    pub log_odds: f32,
    /// The same in points of the score.
    pub points: f32,
}

/// One check's share.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, ToSchema)]
pub struct CheckShare {
    /// The check.
    pub name: &'static str,
    /// Strength times weight: what it adds to the log-odds of being a bot.
    pub log_odds: f32,
    /// The same in points of the score.
    pub points: f32,
}

impl Explained {
    /// Explains a decision of this engine.
    pub fn of(engine: &Engine, decision: &Decision) -> Self {
        let explanation = engine.explain(decision);
        let reference = *engine.model().reference().values();
        let values = decision.features.values().iter().zip(reference);
        let features = FEATURE_NAMES.into_iter().zip(values).zip(explanation.features).map(
            |((name, (value, reference)), Share { log_odds, points })| FeatureShare {
                name,
                value: *value,
                reference,
                log_odds,
                points,
            },
        );
        let checks = explanation.checks.into_iter().map(|(check, Share { log_odds, points })| CheckShare {
            name: Check::name(check),
            log_odds,
            points,
        });
        Self {
            reference,
            base_log_odds: explanation.base.log_odds,
            base_points: explanation.base.points,
            features: features.collect(),
            checks: checks.collect(),
        }
    }
}
