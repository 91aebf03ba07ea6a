//! Settling with the control plane: what was let through at nearly full limits, which sessions acted suspiciously and which
//! were issued goes up, how full the shared cells are and marks come down.
//!
//! Limits are spent from the records of this process first, so nothing waits for this. Each machine keeps a bounded
//! [`Round`] of what it has to tell and posts it, one at a time, at most every [`EVERY_MS`]. With nothing to tell, only the
//! machine that polls for snapshots asks, to hear of marks.

use sallyport_core::Charge;
use sallyport_core::exchange::{ExchangeError, MAX_BYTES, MOST, Reply, Request};

use crate::clock::is_over;
use crate::config::ControlPlane;
use crate::host::{Call, Host, Level, answer_status};
use crate::judge::{Keys, settle};
use crate::marks;
use crate::metrics::Counter;
use crate::round::Round;
use crate::sync::{pair, read_pair};
use crate::worker::Worker;

/// Milliseconds between two exchanges of a machine.
pub const EVERY_MS: u64 = 100;
/// After one that failed, in milliseconds.
const RETRY_MS: u64 = 1_000;
/// One without an answer is given up after this many milliseconds.
const TIMEOUT_MS: u32 = 2_000;
/// Also where Envoy's timeout does not fire.
const LONGEST_MS: u64 = 2 * TIMEOUT_MS as u64;
/// Which control plane's marks the machines of this process have seen, and up to which number.
const SEEN: &str = "sallyport/4/seen";

#[derive(Debug)]
struct UnderWay {
    token: u32,
    until_ms: u64,
    round: Round,
}

/// One machine's part.
#[derive(Debug)]
pub struct Exchange {
    instance: u64,
    poll_every_ms: u64,
    waiting: Round,
    under_way: Option<UnderWay>,
    /// Nothing is posted before, Unix milliseconds.
    next_ms: u64,
    /// When to ask without anything to tell, Unix milliseconds.
    next_poll_ms: u64,
    /// Whether the last one came to nothing.
    is_failing: bool,
}

impl Exchange {
    /// `instance` tells this machine from all others; marks are asked for every `poll_every_ms`.
    pub fn new(instance: u64, poll_every_ms: u64) -> Self {
        Self {
            instance,
            poll_every_ms,
            waiting: Round::default(),
            under_way: None,
            next_ms: 0,
            next_poll_ms: 0,
            is_failing: false,
        }
    }

    /// A cell took a request, and is so full that others should know; `false` where there is no room.
    pub fn charge(&mut self, charge: Charge, keys: Keys) -> bool {
        self.waiting.charge(charge, keys)
    }

    /// A session acted suspiciously; `false` where there is no room.
    pub fn suspect(&mut self, session: u64) -> bool {
        self.waiting.suspect(session, 1)
    }

    /// The site issued a session to an address; `false` where there is no room.
    pub fn issue(&mut self, session: u64, address: u64) -> bool {
        self.waiting.issue(session, address)
    }

    /// Posts what there is to tell. `leads` says that this machine asks for all of the process.
    pub fn step<H: Host>(&mut self, worker: &Worker<H>, control: &ControlPlane, leads: bool, now_ms: u64) {
        if self.under_way.as_ref().is_some_and(|sent| is_over(sent.until_ms, LONGEST_MS, now_ms)) {
            self.failed(worker, "no answer in time", now_ms);
        }
        let rests = !is_over(self.next_ms, RETRY_MS.max(self.poll_every_ms), now_ms);
        if rests || self.under_way.is_some() || worker.engine().version() == 0 {
            return;
        }
        let asks = leads && is_over(self.next_poll_ms, self.poll_every_ms, now_ms);
        if asks || !self.waiting.is_empty() {
            self.next_ms = now_ms + EVERY_MS;
            self.next_poll_ms = now_ms + self.poll_every_ms;
            self.post(worker, control, now_ms);
        }
    }

    /// Whether an answer is this room's.
    pub fn awaits(&self, token: u32) -> bool {
        self.under_way.as_ref().is_some_and(|sent| sent.token == token)
    }

    /// Handles the answer.
    pub fn answered<H: Host>(
        &mut self,
        worker: &Worker<H>,
        header_count: usize,
        body_bytes: usize,
        now_ms: u64,
    ) {
        match answer_status(&worker.host, header_count) {
            Some(200) => match read_reply(&worker.host, body_bytes) {
                Ok(reply) => {
                    self.take_over(worker, &reply, now_ms);
                    worker.metrics.count(Counter::ExchangeSent);
                    if std::mem::take(&mut self.is_failing) {
                        worker.host.log(Level::Info, "sallyport: limits and marks are shared again");
                    }
                }
                Err(error) => {
                    // It may have been counted: told again, it could be counted twice.
                    if let Some(sent) = &mut self.under_way {
                        sent.round = Round::default();
                    }
                    self.failed(worker, &error.to_string(), now_ms);
                }
            },
            Some(404) => {
                self.failed(worker, "the control plane knows nothing of it", now_ms);
                self.next_ms = now_ms + self.poll_every_ms;
            }
            Some(status) => self.failed(worker, &format!("status {status}"), now_ms),
            None => self.failed(worker, "the connection failed", now_ms),
        }
    }

    fn post<H: Host>(&mut self, worker: &Worker<H>, control: &ControlPlane, now_ms: u64) {
        let host = &worker.host;
        let round = std::mem::take(&mut self.waiting);
        let (origin, seen) = read_pair(&host.shared(SEEN).value).unwrap_or_default();
        let request = Request {
            instance: self.instance,
            origin,
            seen,
            charges: round.charges.iter().map(|(charge, _)| *charge).collect(),
            suspicions: round.suspicions.clone(),
            issued: round.issued.clone(),
        };
        let body = request.encode();
        let bearer = control.bearer();
        let headers = control.post("/v1/exchange", &bearer, "application/octet-stream");
        let call = Call { cluster: &control.cluster, headers, body: &body, timeout_ms: TIMEOUT_MS };
        let token = host.call(&call);
        let until_ms = now_ms + LONGEST_MS;
        // A call that was refused has no token; none is 0.
        self.under_way = Some(UnderWay { token: token.unwrap_or_default(), until_ms, round });
        if token.is_none() {
            self.failed(worker, "Envoy refused the call", now_ms);
        }
    }

    /// Lays what came down into the records and the marks.
    fn take_over<H: Host>(&mut self, worker: &Worker<H>, reply: &Reply, now_ms: u64) {
        let Some(UnderWay { round, .. }) = self.under_way.take() else { return };
        let engine = worker.engine();
        for (rule, key, ahead_us) in &reply.cells {
            let keys = round.keys(*rule, *key).or_else(|| self.waiting.keys(*rule, *key));
            let (Some(keys), Some(limit)) = (keys, engine.policy().widest_limit(*rule)) else { continue };
            settle(worker, keys, (*rule, limit, *ahead_us), now_ms);
        }
        for mark in &reply.marks {
            marks::lay(worker, *mark, now_ms);
        }
        if reply.marks.len() == MOST {
            // There are more.
            self.next_poll_ms = 0;
        }
        let shared = worker.host.shared(SEEN);
        let (origin, seen) = read_pair(&shared.value).unwrap_or_default();
        if origin != reply.origin || seen < reply.sequence {
            // Where another machine was quicker, what it saw counts; at worst a mark comes twice.
            let _ = worker.host.set_shared(SEEN, &pair(reply.origin, reply.sequence), shared.cas);
        }
    }

    /// Takes this round's charges back, as far as there is room. A cell cannot have taken more than its burst for long,
    /// so no more is told late.
    fn failed<H: Host>(&mut self, worker: &Worker<H>, why: &str, now_ms: u64) {
        let Some(UnderWay { round, .. }) = self.under_way.take() else { return };
        self.next_ms = now_ms + RETRY_MS;
        let engine = worker.engine();
        let mut lost = 0;
        for (mut charge, keys) in round.charges {
            let full_us = engine.policy().widest_limit(charge.rule).map_or(0, |limit| limit.full_us());
            charge.cost_us = charge.cost_us.min(full_us);
            lost += u64::from(!self.waiting.charge(charge, keys));
        }
        for (session, actions) in round.suspicions {
            lost += u64::from(!self.waiting.suspect(session, actions));
        }
        for (session, address) in round.issued {
            lost += u64::from(!self.waiting.issue(session, address));
        }
        worker.metrics.add(Counter::ExchangeDropped, lost);
        worker.metrics.count(Counter::ExchangeFailed);
        if !std::mem::replace(&mut self.is_failing, true) {
            let message = format!("sallyport: limits and marks are not shared for now ({why})");
            worker.host.log(Level::Warn, &message);
        }
    }
}

fn read_reply(host: &impl Host, body_bytes: usize) -> Result<Reply, ExchangeError> {
    if body_bytes > MAX_BYTES {
        return Err(ExchangeError::TooLarge);
    }
    Reply::decode(&host.answer_body(body_bytes))
}
