//! One machine's root: configuration, the tick, and the answers to the machine's own calls.

use std::cell::RefCell;
use std::rc::Rc;

use sallyport_core::{Engine, HashKey, Model, Policy, Ranges};

use crate::config::Config;
use crate::host::{Host, Level};
use crate::metrics::{Gauge, Metrics};
use crate::request::Request;
use crate::sync::{Bench, Sync, adopt};
use crate::worker::Worker;

/// The hash key that all machines use before the first snapshot.
const KEY: &str = "sallyport/1/key";
/// How many machines have started in this process.
const STARTED: &str = "sallyport/1/started";
/// After so many ticks with a new snapshot the gauge tells of it: by then every machine has taken it.
const TICKS_TO_TELL: u8 = 2;
/// Without a control plane the tick only hands over metrics: every so many milliseconds.
const IDLE_TICK_MS: u32 = 200;

/// The root context of one machine.
#[derive(Debug)]
pub struct Root<H: Host> {
    host: H,
    context: u32,
    configured: Option<Configured<H>>,
}

#[derive(Debug)]
struct Configured<H: Host> {
    worker: Rc<Worker<H>>,
    sync: Sync,
    /// Ticks until the gauge tells of the snapshot in use; 0 where it does.
    untold: u8,
}

impl<H: Host + Clone> Root<H> {
    /// A root with the context id `context`, to be configured.
    pub fn new(host: H, context: u32) -> Self {
        Self { host, context, configured: None }
    }

    /// Reads the plugin configuration. Gives the tick's period in milliseconds, or `None` (and a log line that
    /// names every mistake) where it is wrong.
    pub fn configure(&mut self, configuration: &[u8]) -> Option<u32> {
        let host = &self.host;
        let config = Config::parse(configuration).map_err(|problems| self.refuse(&problems)).ok()?;
        let policy = Policy::compile(config.policy.clone()).unwrap_or_default();
        let model = Model::built_in().map_err(|error| self.refuse(&[error.to_string()])).ok()?;

        let metrics = match self.configured.take() {
            Some(before) => Rc::try_unwrap(before.worker).ok().map(|worker| worker.metrics),
            None => None,
        };
        let metrics = metrics.unwrap_or_else(|| Metrics::define(host));
        let started = count_start(host);
        let own = HashKey::from_bytes(pair(host.now_ns(), u64::from(self.context)));
        let seed = pair(own.text(b'1', &started.to_le_bytes()), own.text(b'2', &started.to_le_bytes()));
        let instance = own.text(b'i', &started.to_le_bytes());
        let key = HashKey::from_bytes(agree_on_key(host, seed));

        let sync = Sync::new(instance, u64::from(config.poll_interval_ms));
        let tick_ms = match config.control_plane {
            Some(_) => (config.consult_deadline_ms / 2).clamp(5, 100),
            None => IDLE_TICK_MS,
        };
        let engine = Engine::new(policy, model, Ranges::default(), key, 0);
        let worker = Worker::new(host.clone(), config, metrics, engine, instance);
        // Until then the gauge keeps what the other machines wrote.
        let untold = TICKS_TO_TELL;
        if worker.config.control_plane.is_some() {
            // A machine that starts late, or again, need not wait for a poll.
            let bench = Bench { host, metrics: &worker.metrics, version: 0, now_ms: host.now_ms() };
            if let Some(engine) = adopt(&bench) {
                worker.use_engine(engine);
            }
        }
        self.configured = Some(Configured { worker: Rc::new(worker), sync, untold });
        Some(tick_ms)
    }

    /// A new stream; `None` before the configuration.
    pub fn stream(&self, context: u32) -> Option<Rc<RefCell<Request<H>>>> {
        self.configured.as_ref().map(|configured| Request::new(configured.worker.clone(), context))
    }

    /// The tick: ends overdue waits, looks for snapshots, posts observations, settles limits, hands over metrics.
    pub fn tick(&mut self) {
        let Some(Configured { worker, sync, untold }) = &mut self.configured else { return };
        let host = &worker.host;
        let now_ms = host.now_ms();
        worker.end_waits(now_ms, self.context);
        worker.observe(|observer, control| observer.step(host, &worker.metrics, control, now_ms));
        let version = worker.engine().version();
        if *untold > 0 {
            *untold -= 1;
            if *untold == 0 {
                worker.metrics.set(host, Gauge::SnapshotVersion, version);
            }
        }
        if let Some(control) = &worker.config.control_plane {
            let bench = Bench { host, metrics: &worker.metrics, version, now_ms };
            if let Some(engine) = sync.step(&bench, control) {
                worker.use_engine(engine);
                *untold = TICKS_TO_TELL;
            }
        }
        worker.exchange(|exchange, control| exchange.step(worker, control, sync.leads(), now_ms));
        worker.metrics.flush(host);
    }

    /// An answer to a call of this root has come.
    pub fn on_answer(&mut self, token: u32, header_count: usize, body_bytes: usize) {
        let Some(Configured { worker, sync, untold }) = &mut self.configured else { return };
        let host = &worker.host;
        let now_ms = host.now_ms();
        if sync.awaits(token) {
            let version = worker.engine().version();
            let bench = Bench { host, metrics: &worker.metrics, version, now_ms };
            if let Some(engine) = sync.answered(&bench, header_count, body_bytes) {
                worker.use_engine(engine);
                *untold = TICKS_TO_TELL;
            }
        } else {
            worker.exchange(|exchange, _| {
                if exchange.awaits(token) {
                    exchange.answered(worker, header_count, body_bytes, now_ms);
                }
            });
            worker.observe(|observer, _| {
                if observer.awaits(token) {
                    observer.answered(host, &worker.metrics, header_count, now_ms);
                }
            });
        }
    }

    fn refuse(&self, problems: &[String]) {
        let message = format!("sallyport: the plugin configuration is refused:\n  {}", problems.join("\n  "));
        self.host.log(Level::Error, &message);
    }
}

/// Counts this machine; its number in the process.
fn count_start(host: &impl Host) -> u64 {
    let before = host.shared(STARTED);
    let number = before.value.first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes)) + 1;
    // Two machines that share a number still differ by the time they started at.
    let _ = host.set_shared(STARTED, &number.to_le_bytes(), before.cas);
    number
}

/// The key that the first machine laid down. Envoy configures its main thread before the workers, so nobody
/// races for it in practice; who lost would count its clients apart until the first snapshot.
fn agree_on_key(host: &impl Host, own: [u8; 16]) -> [u8; 16] {
    let mut shared = host.shared(KEY);
    if shared.cas.is_none() {
        let _ = host.set_shared(KEY, b"", None);
        shared = host.shared(KEY);
    }
    if shared.value.is_empty() {
        let _ = host.set_shared(KEY, &own, shared.cas);
        shared = host.shared(KEY);
    }
    shared.value.try_into().unwrap_or(own)
}

fn pair(first: u64, second: u64) -> [u8; 16] {
    (u128::from(second) << 64 | u128::from(first)).to_le_bytes()
}
