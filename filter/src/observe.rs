//! Telling the control plane: one record per decision, in batches, never more than there is room for.
//!
//! Records are written straight into the batch. A batch is sealed every second or at [`FULL`] records; one is
//! under way at a time and [`WAITING`] may wait, whatever comes then is dropped and counted.

use std::collections::VecDeque;

use sallyport_core::observation::{BatchBuilder, FailedLogin, Seen};
use sallyport_core::{Action, Engine};

use crate::clock::is_over;
use crate::config::ControlPlane;
use crate::gather::Gathered;
use crate::host::{Call, Host, answer_status};
use crate::judge::Judged;
use crate::metrics::{Counter, Metrics};

/// A batch is sealed at this many records.
pub const FULL: usize = 500;
/// So many sealed batches may wait.
pub const WAITING: usize = 8;
/// A batch is sealed after this many milliseconds.
const EVERY_MS: u64 = 1_000;
/// A post without an answer is given up after this many milliseconds.
const POST_TIMEOUT_MS: u32 = 5_000;
/// Also where Envoy's timeout does not fire.
const LONGEST_POST_MS: u64 = 2 * POST_TIMEOUT_MS as u64;
/// The largest weight that a record can carry.
const LARGEST_WEIGHT: u32 = 1_000_000;

/// One machine's observations.
#[derive(Debug)]
pub struct Observer {
    instance: u64,
    /// `None` before the first snapshot: without the deployment's key the records mean nothing to it.
    batch: Option<BatchBuilder>,
    version: u64,
    sealed: VecDeque<Sealed>,
    under_way: Option<UnderWay>,
    /// Dropped since the last batch was sealed.
    dropped: u32,
    next_seal_ms: u64,
    /// Nothing is posted before this time: the control plane was too busy.
    next_post_ms: u64,
    sample: Sample,
}

#[derive(Debug)]
struct Sealed {
    bytes: Vec<u8>,
    records: u64,
}

#[derive(Debug)]
struct UnderWay {
    token: u32,
    until_ms: u64,
    sealed: Sealed,
}

impl Observer {
    /// `instance` tells this machine from all others.
    pub fn new(instance: u64) -> Self {
        Self {
            instance,
            batch: None,
            version: 0,
            sealed: VecDeque::new(),
            under_way: None,
            dropped: 0,
            next_seal_ms: 0,
            next_post_ms: 0,
            sample: Sample::default(),
        }
    }

    /// From now on decisions rest on this snapshot.
    pub fn begin(&mut self, version: u64, metrics: &Metrics) {
        self.seal(metrics);
        self.version = version;
        self.batch = (version > 0).then(|| BatchBuilder::new(self.instance, version));
    }

    /// Keeps a decision. ALLOW above the policy's rate is sampled, unless it was over a limit that only watches; the
    /// record says how many it stands for.
    pub fn decided(
        &mut self,
        engine: &Engine,
        gathered: &Gathered<'_>,
        judged: &Judged,
        enforced: bool,
        now_ms: u64,
        metrics: &Metrics,
    ) {
        let Judged { decision, keys, .. } = judged;
        let weight = if decision.action == Action::Allow && decision.limit.is_none() {
            match self.sample.take(engine.policy().config().observe_allow_per_second.0, now_ms) {
                Some(weight) => weight,
                None => return,
            }
        } else {
            1
        };
        let seen = Seen {
            ts_ms: now_ms,
            address: keys.address,
            client: keys.client,
            session: keys.session,
            enforced,
            weight,
            method: gathered.facts.method,
            path: gathered.facts.path,
            user_agent: gathered.facts.user_agent,
            request_id: gathered.request_id,
        };
        self.add(engine, u64::from(weight), metrics, |batch| batch.decision(decision, &seen));
    }

    /// Keeps a failed login.
    pub fn login_failed(&mut self, engine: &Engine, login: &FailedLogin<'_>, metrics: &Metrics) {
        self.add(engine, 1, metrics, |batch| batch.login_failure(login));
    }

    /// Seals what is due and posts the oldest batch that waits.
    pub fn step<H: Host>(&mut self, host: &H, metrics: &Metrics, control: &ControlPlane, now_ms: u64) {
        if is_over(self.next_seal_ms, EVERY_MS, now_ms) {
            self.next_seal_ms = now_ms + EVERY_MS;
            self.seal(metrics);
        }
        if self.under_way.as_ref().is_some_and(|post| is_over(post.until_ms, LONGEST_POST_MS, now_ms)) {
            self.lose_post(metrics);
        }
        if self.under_way.is_none()
            && is_over(self.next_post_ms, EVERY_MS, now_ms)
            && let Some(sealed) = self.sealed.pop_front()
        {
            self.post(host, metrics, control, sealed, now_ms);
        }
    }

    /// Whether an answer is this room's.
    pub fn awaits(&self, token: u32) -> bool {
        self.under_way.as_ref().is_some_and(|post| post.token == token)
    }

    /// Handles the answer to a post. Where nothing can have been taken (503, 429) the batch waits for the next
    /// second; all other failures lose it, for it may have been counted already.
    pub fn answered<H: Host>(&mut self, host: &H, metrics: &Metrics, header_count: usize, now_ms: u64) {
        match answer_status(host, header_count) {
            Some(200..300) => {
                if let Some(post) = self.under_way.take() {
                    metrics.add(Counter::ObservationSent, post.sealed.records);
                }
            }
            Some(429 | 503) if self.sealed.len() < WAITING => {
                if let Some(post) = self.under_way.take() {
                    self.sealed.push_front(post.sealed);
                    self.next_post_ms = now_ms + EVERY_MS;
                }
            }
            _ => self.lose_post(metrics),
        }
    }

    fn add(
        &mut self,
        engine: &Engine,
        stands_for: u64,
        metrics: &Metrics,
        write: impl FnOnce(&mut BatchBuilder) -> bool,
    ) {
        // A request that was held across a change of snapshot has the keys of the old one.
        let current = engine.version() == self.version;
        let kept = current && self.batch.as_mut().is_some_and(write);
        if !kept {
            self.drop_records(stands_for, metrics);
        } else if self.batch.as_ref().is_some_and(|batch| batch.len() >= FULL) && self.sealed.len() < WAITING
        {
            self.seal(metrics);
        }
    }

    fn seal(&mut self, metrics: &Metrics) {
        let Some(batch) = self.batch.take_if(|batch| !batch.is_empty()) else { return };
        self.batch = Some(BatchBuilder::new(self.instance, self.version));
        let records = batch.len() as u64;
        if self.sealed.len() >= WAITING {
            self.drop_records(records, metrics);
            return;
        }
        let bytes = batch.finish(std::mem::take(&mut self.dropped));
        self.sealed.push_back(Sealed { bytes, records });
    }

    fn post<H: Host>(
        &mut self,
        host: &H,
        metrics: &Metrics,
        control: &ControlPlane,
        sealed: Sealed,
        now_ms: u64,
    ) {
        let bearer = control.bearer();
        let headers = control.post("/v1/observations", &bearer, "application/octet-stream");
        let call =
            Call { cluster: &control.cluster, headers, body: &sealed.bytes, timeout_ms: POST_TIMEOUT_MS };
        let until_ms = now_ms + LONGEST_POST_MS;
        match host.call(&call) {
            Some(token) => self.under_way = Some(UnderWay { token, until_ms, sealed }),
            None => self.drop_records(sealed.records, metrics),
        }
    }

    fn lose_post(&mut self, metrics: &Metrics) {
        if let Some(post) = self.under_way.take() {
            self.drop_records(post.sealed.records, metrics);
        }
    }

    fn drop_records(&mut self, records: u64, metrics: &Metrics) {
        self.dropped = self.dropped.saturating_add(u32::try_from(records).unwrap_or(u32::MAX));
        metrics.add(Counter::ObservationDropped, records);
    }
}

/// Which ALLOW records are kept: all up to the rate, then every n-th, n following the last second's traffic.
#[derive(Debug, Default)]
struct Sample {
    second: u64,
    /// Requests of this second.
    seen: u32,
    /// Of each so many requests one is kept.
    stride: u32,
    /// Requests since the last that was kept.
    passed_over: u32,
}

impl Sample {
    /// How many requests this one's record stands for; `None` where it is passed over.
    fn take(&mut self, per_second: u32, now_ms: u64) -> Option<u32> {
        let rate = per_second.max(1);
        let second = now_ms / 1000;
        if second != self.second {
            let last = if second == self.second + 1 { self.seen } else { 0 };
            self.stride = last.div_ceil(rate).max(1);
            self.second = second;
            self.seen = 0;
        }
        self.seen = self.seen.saturating_add(1);
        // A sudden rise must not wait for the next second.
        let stride = self.stride.max(self.seen / rate + 1);
        if self.passed_over + 1 < stride && self.passed_over + 1 < LARGEST_WEIGHT {
            self.passed_over += 1;
            return None;
        }
        Some(std::mem::take(&mut self.passed_over) + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_weights_of_a_sample_add_up_and_it_keeps_to_its_rate() {
        let mut sample = Sample::default();
        let (mut weights, mut kept) = (0, 0);
        for at_ms in 0..10_000 {
            for _ in 0..3 {
                if let Some(weight) = sample.take(100, at_ms) {
                    weights += weight;
                    kept += 1;
                }
            }
        }
        assert!((29_900..=30_000).contains(&weights), "{weights}");
        assert!((900..2_000).contains(&kept), "{kept}");
    }

    #[test]
    fn below_the_rate_everything_is_kept() {
        let mut sample = Sample::default();
        assert!((0..99).all(|_| sample.take(100, 5) == Some(1)));
    }
}
