//! A request that passes: at once, or because what became known after its judgement softened a refusal. It is charged and
//! watched the same.

use crate::asked::Asked;
use crate::decision::{Basis, Decision};
use crate::engine::Engine;
use crate::limiter::{Standing, look_again, spend_shared};
use crate::path::PathClass;
use crate::policy::Responses;
use crate::subjects::Subjects;

impl Engine {
    /// Charges a request that passes for what it shares with others, and says what its answer is needed for.
    pub(crate) fn let_pass(
        &self,
        asked: &Asked<'_>,
        subjects: &mut Subjects<'_>,
        decision: &mut Decision,
        standing: Standing,
        now_ms: u64,
    ) {
        let spends = matches!(decision.basis, Basis::Score);
        if spends {
            let limits = self.policy().limits_at(asked.limits);
            spend_shared(limits, asked, standing, subjects, (now_ms, &mut decision.charges));
        }
        let reserved_ms = if spends { now_ms } else { 0 };
        // A session vouches for a client's pages, not for what it says of its assets.
        decision.watch = self.watch(asked, (standing.is_newcomer, reserved_ms), subjects.client, now_ms);
        // Where no answers are seen, requests alone prove.
        let unseen = asked.facts.unanswered || self.policy().responses() == Responses::Logins;
        if unseen && asked.is_within {
            subjects.client.shows(now_ms);
            if asked.class == PathClass::Api {
                subjects.client.calls_on(now_ms);
            }
            subjects.graduate(now_ms);
        }
    }

    /// Counts, charges and watches a request after all whose refusal was softened since [`Engine::decide`]; changes nothing
    /// unless [`Decision::is_softened`]. Where those with whom it shares a limit have left no room, it is refused for that.
    /// `looks_on` is as there.
    pub fn soften(
        &self,
        asked: &Asked<'_>,
        subjects: &mut Subjects<'_>,
        decision: &mut Decision,
        looks_on: bool,
        now_ms: u64,
    ) {
        if !decision.is_softened() {
            return;
        }
        let now_ms = now_ms.max(subjects.client.last_seen_ms);
        let standing = Standing { is_newcomer: decision.is_newcomer, looks_on };
        if matches!(decision.basis, Basis::Score) {
            let spent = look_again(self.policy().limits_at(asked.limits), asked, standing, subjects, now_ms);
            decision.limit = spent.over.or(decision.limit);
            if let Some(wait_us) = spent.wait_us {
                let Decision { features, limit, charges, is_newcomer, counts_as_refused, .. } = *decision;
                let over = self.over_limit(features, wait_us);
                *decision = Decision { limit, charges, is_newcomer, counts_as_refused, ..over };
                return;
            }
        }
        decision.counts_as_refused = false;
        subjects.passed_after_all(asked, now_ms);
        self.let_pass(asked, subjects, decision, standing, now_ms);
    }
}
