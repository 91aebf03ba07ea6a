//! Agents by purpose: who says what it is, and where that name has business.
//!
//! A name is only a claim. It passes score and challenge on the kind of path that its category is for, out of a budget that
//! all of its address who claim the category share; anywhere else it counts as it did without. What standards name
//! (`/robots.txt`, ACME's tokens) anybody may look at.

mod category;
mod paths;
mod table;

pub use category::AgentCategory;
pub(crate) use paths::any_fits;
pub use table::{NamedAgent, named_agents};
pub(crate) use table::{Says, read};

use crate::agent::category_of;
use crate::asked::Asked;
use crate::check::{Check, Evidence};
use crate::crawler::AgentVerdict;
use crate::decision::{Action, Basis, Decision};
use crate::engine::Engine;
use crate::features::Features;
use crate::headers::Mismatch;
use crate::limiter::{Spent, Standing, spend_named};
use crate::policy::AgentPolicy;
use crate::subjects::Subjects;

impl Engine {
    /// What comes of what is asked for, or of whom by name; `None` where it is judged like any other request.
    pub(crate) fn admitted(
        &self,
        asked: &Asked<'_>,
        subjects: &mut Subjects<'_>,
        standing: Standing,
        (features, mismatch): (Features, Mismatch),
        now_ms: u64,
    ) -> Option<Decision> {
        if asked.is_trap || asked.is_probe || asked.is_attempt {
            return None;
        }
        let limits = self.policy().limits_at(asked.limits);
        if paths::is_well_known(asked) {
            let spent = spend_named(limits, (asked, true), None, standing, subjects, now_ms);
            return Some(self.within(spent, features, &self.evidence(asked, subjects, standing, mismatch)));
        }
        let category = category_of(subjects.client)?;
        if matches!(
            subjects.client.agent_verdict(now_ms),
            Some(AgentVerdict::Verified(_) | AgentVerdict::Failed)
        ) {
            return None;
        }
        let agents = &self.policy().config().agents;
        let policy = agents.of(category);
        match policy {
            AgentPolicy::Block => return Some(self.blocked(features, Basis::Agent, Check::UserAgent)),
            AgentPolicy::Challenge => {
                let score = self.policy().thresholds().challenge;
                let points = score - 50.0;
                let action = Action::Challenge;
                return Some(self.at_once(features, action, Basis::Agent, Check::UserAgent, score, points));
            }
            AgentPolicy::Score => return None,
            AgentPolicy::Limit | AgentPolicy::Allow => {}
        }
        let is_named = any_fits(agents.paths_of(category), &asked.path);
        if !paths::is_as_sent(asked) || !(is_named || paths::is_for(category, asked)) {
            return None;
        }
        let budget = category.budget().filter(|_| policy == AgentPolicy::Limit);
        let reads = matches!(category, AgentCategory::Preview | AgentCategory::Feed);
        let spent = spend_named(limits, (asked, reads), budget, standing, subjects, now_ms);
        Some(self.within(spent, features, &self.evidence(asked, subjects, standing, mismatch)))
    }

    /// Passes while there is budget, and is worth a look where it would not have passed elsewhere.
    fn within(&self, spent: Spent, features: Features, evidence: &Evidence) -> Decision {
        let mut decision = match spent.wait_us {
            Some(wait_us) => self.over_limit(features, wait_us),
            None => self.score(&features, evidence),
        };
        if spent.wait_us.is_none() {
            decision.basis = Basis::Agent;
            if decision.action.refuses() {
                decision.action = Action::Monitor;
            }
        }
        (decision.limit, decision.charges) = (spent.over, spent.charges);
        decision
    }
}
