//! One judgement on shared records: load, let the engine count and judge, store; again where another worker
//! was quicker.

use sallyport_core::policy::{CompiledLimit, LimitRule};
use sallyport_core::{
    AgentVerdict, Answer, Asked, Charge, ClientState, Decision, Engine, LoginOutcome, NetworkState,
    RequestFacts, SessionState, Watch,
};

use crate::consult::Verdict;
use crate::host::Host;
use crate::marks;
use crate::metrics::Counter;
pub use crate::records::Keys;
use crate::records::{Records, change};
use crate::worker::Worker;

/// A decision, and the client's record after it.
#[derive(Clone, Debug)]
pub struct Judged {
    /// The decision.
    pub decision: Decision,
    /// The client's record with this request counted.
    pub client: ClientState,
    /// Whose records they are.
    pub keys: Keys,
}

/// Counts the request in the records of its subjects and judges it; what others should know of it waits for the next
/// exchange.
pub fn judge<H: Host>(worker: &Worker<H>, engine: &Engine, facts: &RequestFacts<'_>, now_ms: u64) -> Judged {
    let keys = Keys::of(engine, facts);
    let asked = worker.usual.borrow().recall(engine.ask(facts), now_ms);
    let mut records = Records::new(worker, &keys, now_ms);
    records.know_sessions(worker, engine);
    let keys = records.keys;
    let known = marks::find(worker, &asked, &keys, now_ms);
    let looks_on = worker.looks_on(now_ms);
    let proves = records.may_prove_session();
    let needs = |client: &ClientState| {
        engine.needs_network(&asked, client, now_ms) || (proves && client.is_proven(now_ms))
    };
    let (mut judged, is_counted) = records.update(worker, needs, |subjects| {
        let decision = engine.decide(&asked, subjects, (known, looks_on), now_ms);
        Judged { decision, client: subjects.client.clone(), keys }
    });
    conclude(worker, engine, &asked, (&mut judged.decision, keys), is_counted, looks_on);
    if judged.decision.is_suspicious {
        marks::count_suspicious(worker, engine, keys.session, now_ms);
    }
    judged
}

/// Counts, charges and watches a request that the control plane lets pass though it counts as refused.
pub fn soften<H: Host>(
    worker: &Worker<H>,
    engine: &Engine,
    facts: &RequestFacts<'_>,
    judged: &mut Judged,
    now_ms: u64,
) {
    let asked = worker.usual.borrow().recall(engine.ask(facts), now_ms);
    let looks_on = worker.looks_on(now_ms);
    let needs = |client: &ClientState| engine.needs_network(&asked, client, now_ms);
    let (mut decision, is_counted) =
        Records::new(worker, &judged.keys, now_ms).update(worker, needs, |subjects| {
            let mut decision = judged.decision.clone();
            engine.soften(&asked, subjects, &mut decision, looks_on, now_ms);
            decision
        });
    conclude(worker, engine, &asked, (&mut decision, judged.keys), is_counted, looks_on);
    judged.decision = decision;
}

/// Feeds the answer to a watched request back into the records.
pub fn feed_back<H: Host>(
    worker: &Worker<H>,
    engine: &Engine,
    (keys, watch): (Keys, Watch),
    answer: Answer<'_>,
    now_ms: u64,
) -> Option<LoginOutcome> {
    let needs =
        |client: &ClientState| engine.answer_needs_network(watch, answer, client.is_nearly_ripe(now_ms));
    let answered = Records::new(worker, &keys, now_ms)
        .update(worker, needs, |subjects| engine.answered(watch, answer, subjects, now_ms))
        .0;
    for taken in answered.charges.iter() {
        charge(worker, engine, taken, keys);
    }
    answered.login
}

/// The site issued a session in answer to a request of these keys: it counts from now on, and takes the place of the one
/// that told the client apart. The next exchange tells of it where that is news.
pub fn issue<H: Host>(worker: &Worker<H>, engine: &Engine, keys: Keys, session: u64, now_ms: u64) {
    let succeeds = keys.is_told_apart() && session != keys.session;
    let before = if succeeds { change(worker, keys.session, now_ms, SessionState::give_up) } else { None };
    let is_news = change(worker, session, now_ms, |record: &mut SessionState| {
        let is_news = !record.is_issued();
        match &before {
            Some(before) => record.succeed(before, now_ms),
            None => record.issue(now_ms),
        }
        is_news
    });
    if before.is_some() {
        marks::hand_on(worker, engine, (keys.session, session), now_ms);
    }
    if is_news == Some(true) && engine.version() > 0 {
        worker.exchange(|exchange, _| {
            if !exchange.issue(session, keys.address) {
                worker.metrics.count(Counter::ExchangeDropped);
            }
        });
    }
}

/// Another filter told of a session that the site issued.
pub fn hear_of<H: Host>(worker: &Worker<H>, session: u64, now_ms: u64) {
    change(worker, session, now_ms, |record: &mut SessionState| {
        if !record.is_issued() {
            record.issue(now_ms);
        }
    });
}

/// Keeps the control plane's verdict in the client's record: its score, and what came of verifying the crawler that the
/// client claims to be. A crawler that was verified, or found out, decides at once: there the score is not kept.
pub fn remember<H: Host>(
    worker: &Worker<H>,
    engine: &Engine,
    judged: &Judged,
    verdict: &Verdict,
    now_ms: u64,
) {
    let agent = verdict.agent();
    Records::new(worker, &judged.keys, now_ms).update(
        worker,
        |_| false,
        |subjects| {
            let client = &mut *subjects.client;
            if !matches!(agent, Some((AgentVerdict::Verified(_) | AgentVerdict::Failed, _))) {
                engine.remember_verdict(&judged.decision, verdict.score, client, now_ms);
                verdict.hold_s.inspect(|hold_s| client.hold_verdict(*hold_s, now_ms));
            }
            // A control plane that does not verify is not asked at each request.
            let nobody_can_tell = (AgentVerdict::Unverifiable, engine.policy().config().consult_ttl_s.0);
            if client.claims_crawler() {
                let (verdict, ttl_s) = agent.unwrap_or(nobody_can_tell);
                engine.remember_agent(verdict, ttl_s, client, now_ms);
            }
        },
    );
}

/// Takes over how far the shared cell of a rule and its limit is ahead, µs, where the record still exists.
pub fn settle<H: Host>(
    worker: &Worker<H>,
    keys: Keys,
    (rule, limit, ahead_us): (LimitRule, CompiledLimit, u64),
    now_ms: u64,
) {
    if rule.is_of_network() {
        change(worker, keys.network, now_ms, |network: &mut NetworkState| {
            if network.last_seen_ms() > 0 {
                network.settle(rule, limit, ahead_us, now_ms);
            }
        });
        return;
    }
    if rule == LimitRule::Session {
        change(worker, keys.session, now_ms, |session: &mut SessionState| {
            if session.is_issued() {
                session.settle(rule, limit, ahead_us, now_ms);
            }
        });
        return;
    }
    Records::new(worker, &keys, now_ms).update(
        worker,
        |_| false,
        |subjects| {
            if rule.is_of_address() {
                if subjects.address.last_seen_ms() > 0 {
                    subjects.address.settle(rule, limit, ahead_us, now_ms);
                }
            } else if !subjects.client.is_new() {
                subjects.client.settle(rule, limit, ahead_us, now_ms);
            }
        },
    );
}

/// Refuses newcomers of whom nobody can keep account, and hands what was charged to the next exchange.
fn conclude<H: Host>(
    worker: &Worker<H>,
    engine: &Engine,
    asked: &Asked<'_>,
    (decision, keys): (&mut Decision, Keys),
    is_counted: bool,
    looks_on: bool,
) {
    if !is_counted {
        engine.refuse_uncounted(asked, decision);
    }
    if !looks_on && !worker.unanswered.has_room(keys.network) {
        engine.refuse_unanswered(decision);
    }
    for taken in std::mem::take(&mut decision.charges).iter() {
        charge(worker, engine, taken, keys);
    }
}

fn charge<H: Host>(worker: &Worker<H>, engine: &Engine, taken: Charge, keys: Keys) {
    if engine.version() == 0 {
        // Nobody else knows these keys.
        return;
    }
    worker.exchange(|exchange, _| {
        if !exchange.charge(taken, keys) {
            worker.metrics.count(Counter::ExchangeDropped);
        }
    });
}
