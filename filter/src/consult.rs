//! Asking the inner gate about one request: `POST /check` with a deadline of its own.
//!
//! Envoy's timeout is the same deadline, but it was seen not to fire, so the root's tick ends what is overdue.

use std::borrow::Cow;
use std::collections::BTreeMap;

use sallyport_core::policy::CrawlerCategory;
use sallyport_core::{Action, AgentVerdict, Check, Reasons};
use serde::{Deserialize, Serialize};

use crate::config::ControlPlane;
use crate::gather::Gathered;
use crate::host::{Call, Host};
use crate::judge::Judged;

/// Longer paths and user agents are cut for the control plane, in bytes.
const LONGEST_TEXT: usize = 1024;
/// What came of verifying a crawler holds no longer than this, in seconds (1 day).
const LONGEST_AGENT_TTL_S: u32 = 86_400;
/// A longer answer is not one, in bytes.
const LARGEST_ANSWER: usize = 65_536;

#[derive(Serialize)]
struct Question<'a> {
    ip: String,
    user_agent: Cow<'a, str>,
    endpoint: Cow<'a, str>,
    method: Cow<'a, str>,
    /// The host: what the policy says of a path may differ by it.
    headers: BTreeMap<&'static str, Cow<'a, str>>,
    request_id: &'a str,
    features: &'a [f32],
    evidence: BTreeMap<&'static str, f32>,
}

/// What the control plane thinks of the request.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Verdict {
    /// What to do.
    pub action: Action,
    /// 0 to 100.
    pub score: f32,
    /// In [0, 1].
    pub ml_probability: f32,
    /// Why, strongest first.
    #[serde(default)]
    pub reasons: Vec<Reason>,
    /// What came of verifying the crawler that the client claims to be.
    #[serde(default)]
    agent: Option<AgentAnswer>,
    /// How many seconds it holds, where the control plane will soon know more.
    #[serde(default)]
    pub hold_s: Option<u32>,
    /// With RATE_LIMIT: after how many seconds to try again.
    #[serde(default)]
    pub retry_after: Option<u32>,
}

/// What the control plane found out about a crawler.
#[derive(Clone, Debug, PartialEq, Deserialize)]
struct AgentAnswer {
    /// `verified`, `failed`, `pending` or `unverifiable`.
    verdict: String,
    /// With `verified`: what it crawls for.
    #[serde(default)]
    category: Option<String>,
    ttl_s: u32,
}

/// One reason of a verdict.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Reason {
    /// The check's name.
    pub check: String,
    /// Its points of the score.
    pub points: f32,
}

impl Verdict {
    /// What came of verifying the crawler, and for how many seconds that holds; `None` where nothing came that this build
    /// understands.
    pub fn agent(&self) -> Option<(AgentVerdict, u32)> {
        let answer = self.agent.as_ref()?;
        let verdict = match answer.verdict.as_str() {
            "verified" => {
                let category = answer.category.as_deref().and_then(CrawlerCategory::from_name);
                AgentVerdict::Verified(category.unwrap_or(CrawlerCategory::Other))
            }
            "failed" => AgentVerdict::Failed,
            "pending" => AgentVerdict::Pending,
            "unverifiable" => AgentVerdict::Unverifiable,
            _ => return None,
        };
        Some((verdict, answer.ttl_s.min(LONGEST_AGENT_TTL_S)))
    }

    /// The reasons whose checks this build knows.
    pub fn reasons(&self) -> Reasons {
        let mut reasons = Reasons::default();
        for reason in &self.reasons {
            if let Some(check) = Check::from_name(&reason.check) {
                reasons.add(check, reason.points);
            }
        }
        reasons
    }
}

/// Sends the question; its token, or `None` where it cannot be asked: no address is known, or the proxy refused.
pub fn ask(
    host: &impl Host,
    control: &ControlPlane,
    deadline_ms: u32,
    gathered: &Gathered<'_>,
    id: &str,
    judged: &Judged,
) -> Option<u32> {
    let facts = &gathered.facts;
    let decision = &judged.decision;
    let question = Question {
        ip: facts.address?.to_string(),
        user_agent: text(facts.user_agent),
        endpoint: text(facts.path),
        method: text(facts.method),
        headers: BTreeMap::from([("host", text(facts.authority))]),
        request_id: id,
        features: decision.features.values(),
        evidence: decision.evidence.found().map(|(check, strength)| (check.name(), strength)).collect(),
    };
    let body = serde_json::to_vec(&question).ok()?;
    let bearer = control.bearer();
    let headers = control.post("/check", &bearer, "application/json");
    host.call(&Call { cluster: &control.cluster, headers, body: &body, timeout_ms: deadline_ms })
}

/// Reads the answer's body; `None` where it is not a verdict.
pub fn read_verdict(host: &impl Host, body_bytes: usize) -> Option<Verdict> {
    if body_bytes > LARGEST_ANSWER {
        return None;
    }
    let verdict: Verdict = serde_json::from_slice(&host.answer_body(body_bytes)).ok()?;
    let plausible = (0.0..=100.0).contains(&verdict.score)
        && (0.0..=1.0).contains(&verdict.ml_probability)
        && verdict.reasons.iter().all(|reason| reason.points.is_finite());
    plausible.then_some(verdict)
}

fn text(bytes: &[u8]) -> Cow<'_, str> {
    String::from_utf8_lossy(bytes.get(..LONGEST_TEXT).unwrap_or(bytes))
}
