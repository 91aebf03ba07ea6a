//! What `POST /check` answers.

use sallyport_core::{Action, Decision, Engine, FEATURE_COUNT};
use serde::Serialize;
use utoipa::ToSchema;

use crate::api::crawlers::ClaimedAgent;
use crate::explain::Explained;
use crate::providers::Considered;
use crate::store::RequestId;

/// The verdict.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::api) struct CheckResponse {
    /// Whether the action is CHALLENGE, RATE_LIMIT or BLOCK.
    is_bot: bool,
    /// 0 (certainly a person) to 100 (certainly a bot).
    score: f32,
    /// The model's part alone, 0 to 100.
    ml_score: f32,
    /// The model's part alone, 0 to 1.
    ml_probability: f32,
    /// What to do.
    #[schema(value_type = String, example = "ALLOW")]
    action: Action,
    /// Whether the policy carries the action out; `false` in monitor mode.
    enforced: bool,
    /// request_rate, user_agent, endpoint_pattern, timing_regularity, request_entropy, failed_login_rate, burst;
    /// higher is more like a bot.
    features: [f32; FEATURE_COUNT],
    /// Why, strongest first.
    reasons: Vec<Reason>,
    /// Name of the decision, for feedback.
    request_id: String,
    /// With RATE_LIMIT: seconds until the next try.
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_after: Option<u32>,
    /// Where more about the address is being looked up: keep this verdict for at most so many seconds, then ask again.
    #[serde(skip_serializing_if = "Option::is_none")]
    hold_s: Option<u32>,
    /// Of a client that claims to be a known crawler: whether it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) agent: Option<ClaimedAgent>,
    /// The rate limit that the request was over, if any. The answer's own status stays 200: the limit is a verdict.
    #[serde(skip_serializing_if = "Option::is_none")]
    limit: Option<Limit>,
    /// With `?explain=true`: what the score consists of.
    #[serde(skip_serializing_if = "Option::is_none")]
    explanation: Option<Explained>,
}

/// A rate limit that a request was over.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::api) struct Limit {
    /// Its name under `policy.rate_limit`.
    #[schema(example = "client")]
    rule: &'static str,
    /// Whether it is only told of (`mode: shadow`); then the action is what it would be without the limit.
    shadow: bool,
}

/// One reason.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::api) struct Reason {
    /// The check's name.
    check: &'static str,
    /// Its share of the score, in points.
    points: f32,
}

impl CheckResponse {
    /// The answer of a decision.
    pub(super) fn new(decision: &Decision, enforced: bool, id: &RequestId) -> Self {
        Self {
            is_bot: decision.action.refuses(),
            score: decision.score,
            ml_score: decision.ml_probability * 100.0,
            ml_probability: decision.ml_probability,
            action: decision.action,
            enforced,
            features: *decision.features.values(),
            reasons: decision
                .reasons
                .iter()
                .map(|(check, points)| Reason { check: check.name(), points })
                .collect(),
            request_id: id.to_string(),
            retry_after: decision.retry_after_s,
            hold_s: None,
            agent: None,
            limit: decision.limit.map(|over| Limit { rule: over.rule.name(), shadow: over.is_shadow }),
            explanation: None,
        }
    }

    /// Says how long the verdict holds, where a lookup is under way.
    pub(super) fn held(self, considered: Considered) -> Self {
        let hold_s = match considered {
            Considered::Pending(hold_s) => Some(hold_s),
            Considered::Settled | Considered::Learnt => None,
        };
        Self { hold_s, ..self }
    }

    /// Adds the explanation, where there is an engine to give it.
    pub(super) fn explained(self, engine: Option<&Engine>, decision: &Decision) -> Self {
        Self { explanation: engine.map(|engine| Explained::of(engine, decision)), ..self }
    }
}
