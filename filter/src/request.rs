//! One stream: gather, decide, act.

use std::cell::RefCell;
use std::rc::{Rc, Weak};

use sallyport_core::policy::{FailMode, HeaderPolicy};
use sallyport_core::{Action, AgentVerdict, Basis, Engine};

use crate::answer::Watched;
use crate::consult::{self, Verdict};
use crate::gather::{Gathered, gather};
use crate::header;
use crate::host::{Headers, Host, answer_status};
use crate::judge::{Judged, judge, remember, soften};
use crate::marks;
use crate::metrics::Counter;
use crate::reply::{Quota, Refusal, Reply, printable_id, refusal, unavailable};
use crate::worker::Worker;

/// The response header that tells what `enforcement: monitor` did not do.
pub const WOULD_HEADER: &str = "x-sallyport-would";

/// What the proxy does next with the stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flow {
    /// Goes on.
    Continue,
    /// Waits: for the filter's own reply, or to be resumed.
    Pause,
}

/// One stream.
#[derive(Debug)]
pub struct Request<H: Host> {
    worker: Rc<Worker<H>>,
    me: Weak<RefCell<Self>>,
    context: u32,
    phase: Phase,
}

#[derive(Debug)]
enum Phase {
    /// Not judged yet.
    Fresh,
    /// Waits for the control plane.
    Held(Box<Question>),
    /// On its way to the origin.
    Passed(After),
    /// Nothing more to do.
    Done,
}

/// A held request: its facts are gathered again when it goes on, so that nothing is copied.
#[derive(Debug)]
struct Question {
    token: u32,
    engine: Rc<Engine>,
    headers: Headers,
    source: Option<Vec<u8>>,
    judged: Judged,
}

/// What the answer is needed for.
#[derive(Debug, Default)]
struct After {
    watched: Option<Watched>,
    would: Option<Action>,
}

impl<H: Host> Request<H> {
    /// A stream with the context id `context`.
    pub fn new(worker: Rc<Worker<H>>, context: u32) -> Rc<RefCell<Self>> {
        Rc::new_cyclic(|me| RefCell::new(Self { worker, me: me.clone(), context, phase: Phase::Fresh }))
    }

    /// Whether it waits for the control plane.
    pub fn is_held(&self) -> bool {
        matches!(self.phase, Phase::Held(_))
    }

    /// The request headers have come.
    pub fn on_request_headers(&mut self) -> Flow {
        let worker = self.worker.clone();
        let engine = worker.engine();
        let headers = worker.host.request_headers();
        let asked = worker.config.sources.address_header.is_empty();
        let source = if asked { worker.host.source_address() } else { None };
        let gathered = gather(&headers, source.as_deref(), &worker.config.sources);
        let now_ms = gathered.time_ms.unwrap_or_else(|| worker.host.recent_ms());

        let judged = judge(&worker, &engine, &gathered.facts, now_ms);
        let route = engine.policy().route(gathered.facts.authority, gathered.facts.path);
        let alone = worker.config.control_plane.is_none();
        if alone || !engine.needs_consult(route, &judged.decision, &judged.client, now_ms) {
            return self.act(&engine, &gathered, judged, now_ms);
        }
        match self.ask(&gathered, &judged) {
            Some(token) => {
                self.phase = Phase::Held(Box::new(Question { token, engine, headers, source, judged }));
                Flow::Pause
            }
            None => self.fail(&engine, &gathered, judged, now_ms),
        }
    }

    /// An answer to a call of this stream has come.
    pub fn on_answer(&mut self, token: u32, header_count: usize, body_bytes: usize) {
        if !matches!(&self.phase, Phase::Held(question) if question.token == token) {
            return;
        }
        let host = &self.worker.host;
        let status = answer_status(host, header_count);
        let verdict = if status == Some(200) { consult::read_verdict(host, body_bytes) } else { None };
        self.worker.metrics.count(match (&verdict, status) {
            (Some(_), _) => Counter::ConsultAnswered,
            // Envoy's own timeout, which is the same deadline.
            (None, Some(504)) => Counter::ConsultLate,
            (None, _) => Counter::ConsultFailed,
        });
        match verdict {
            Some(_) => self.worker.breaker.answered(host),
            None => self.worker.breaker.failed(host, host.now_ms()),
        }
        self.go_on(verdict);
    }

    /// The deadline of the consult has passed.
    pub fn on_deadline(&mut self) {
        let Worker { host, metrics, breaker, .. } = &*self.worker;
        metrics.count(Counter::ConsultLate);
        breaker.failed(host, host.now_ms());
        self.go_on(None);
    }

    /// The response headers have come: the origin's, or those of a reply made in its place.
    pub fn on_response_headers(&mut self) {
        let Phase::Passed(after) = std::mem::replace(&mut self.phase, Phase::Done) else { return };
        let host = &self.worker.host;
        if let Some(would) = after.would {
            host.set_response_header(WOULD_HEADER, would.as_str());
        }
        if let Some(watched) = after.watched {
            watched.learn(&self.worker);
        }
        let account_header = &self.worker.config.sources.account_header;
        if !account_header.is_empty() {
            host.remove_response_header(account_header);
        }
    }

    /// Starts a consult; `None` where there can be none, or none makes sense.
    fn ask(&self, gathered: &Gathered<'_>, judged: &Judged) -> Option<u32> {
        let worker = &self.worker;
        let control = worker.config.control_plane.as_ref()?;
        gathered.facts.address?;
        if !worker.breaker.lets(worker.host.recent_ms()) {
            worker.metrics.count(Counter::ConsultSkipped);
            return None;
        }
        let deadline_ms = worker.config.consult_deadline_ms;
        let id = printable_id(gathered.request_id);
        let Some(token) = consult::ask(&worker.host, control, deadline_ms, gathered, id, judged) else {
            worker.breaker.failed(&worker.host, worker.host.now_ms());
            return None;
        };
        worker.metrics.count(Counter::ConsultSent);
        worker.hold(self.context, worker.host.now_ms() + u64::from(deadline_ms), self.me.clone());
        Some(token)
    }

    /// Ends the wait: with the control plane's verdict, or without.
    fn go_on(&mut self, verdict: Option<Verdict>) {
        let worker = self.worker.clone();
        let Phase::Held(question) = std::mem::replace(&mut self.phase, Phase::Done) else { return };
        let Question { engine, headers, source, mut judged, .. } = *question;
        let gathered = gather(&headers, source.as_deref(), &worker.config.sources);
        let now_ms = gathered.time_ms.unwrap_or_else(|| worker.host.recent_ms());
        let flow = match verdict {
            Some(verdict) => {
                let agent = verdict.agent();
                // As the control plane judged it: a name that it spared is no difference to remember.
                judged.decision = engine.spare_name(judged.decision, agent.map(|(found, _)| found));
                remember(&worker, &engine, &judged, &verdict, now_ms);
                let decision = &mut judged.decision;
                if judged.keys.session != 0 && !decision.is_suspicious && verdict.action.refuses() {
                    marks::count_suspicious(&worker, &engine, judged.keys.session, now_ms);
                }
                if let Some((AgentVerdict::Verified(_) | AgentVerdict::Failed, _)) = agent {
                    decision.basis = Basis::Crawler;
                }
                decision.action = verdict.action;
                decision.score = verdict.score;
                decision.ml_probability = verdict.ml_probability;
                decision.reasons = verdict.reasons();
                decision.retry_after_s = verdict.retry_after;
                if decision.is_softened() {
                    soften(&worker, &engine, &gathered.facts, &mut judged, now_ms);
                }
                self.act(&engine, &gathered, judged, now_ms)
            }
            None => self.fail(&engine, &gathered, judged, now_ms),
        };
        if flow == Flow::Continue {
            worker.host.resume();
        }
    }

    /// Without an answer the route's fail mode counts: open leaves it at the filter's own decision, closed
    /// refuses with 503, where refusals are carried out.
    fn fail(&mut self, engine: &Rc<Engine>, gathered: &Gathered<'_>, judged: Judged, now_ms: u64) -> Flow {
        let worker = &self.worker;
        let route = engine.policy().route(gathered.facts.authority, gathered.facts.path);
        if route.fail_mode == FailMode::Open || !engine.policy().enforces(route) {
            worker.metrics.count(Counter::ConsultFailOpen);
            return self.act(engine, gathered, judged, now_ms);
        }
        worker.metrics.count(Counter::ConsultFailClosed);
        let id = printable_id(gathered.request_id);
        self.refuse(&unavailable(gathered.is_navigation(), id))
    }

    fn refuse(&mut self, reply: &Reply) -> Flow {
        let headers: Vec<_> = reply.headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        self.phase = Phase::Done;
        self.worker.host.reply(reply.status, &headers, reply.body.as_bytes());
        Flow::Pause
    }

    fn act(&mut self, engine: &Rc<Engine>, gathered: &Gathered<'_>, judged: Judged, now_ms: u64) -> Flow {
        let decision = &judged.decision;
        let worker = &self.worker;
        let policy = engine.policy();
        let action = decision.action;
        let enforced = policy.enforces(policy.route(gathered.facts.authority, gathered.facts.path));
        if decision.basis != Basis::Ignored {
            worker.metrics.decided(action);
            if decision.limit.is_some_and(|over| over.is_shadow) {
                worker.metrics.count(Counter::RateLimitShadow);
            }
            worker.observe(|observer, _| {
                observer.decided(engine, gathered, &judged, enforced, now_ms, &worker.metrics);
            });
        }

        let id = printable_id(gathered.request_id);
        let is_refused = enforced && action.refuses();
        if is_refused
            && let Some(reply) = refusal(&Refusal {
                action,
                page: gathered.is_navigation(),
                id,
                retry_after_s: decision.retry_after_s,
                quota: Quota::of(policy, gathered.facts.authority, decision),
            })
        {
            return self.refuse(&reply);
        }
        let told = match policy.config().header {
            HeaderPolicy::Always => decision.basis != Basis::Ignored,
            HeaderPolicy::Flagged => action != Action::Allow,
            HeaderPolicy::Never => false,
        };
        if told {
            worker.host.set_request_header(header::NAME, &header::value(decision, enforced, id));
        } else if gathered.spoofed {
            worker.host.remove_request_header(header::NAME);
        }
        if gathered.lookalike {
            worker.host.remove_request_header(header::LOOKALIKE);
        }
        let would = (action.refuses() && !enforced).then_some(action);
        if would.is_some() {
            worker.metrics.count(Counter::NotEnforced);
        }
        let watched = Watched::new(worker, engine, gathered, &judged);
        self.phase = Phase::Passed(After { watched, would });
        Flow::Continue
    }
}
