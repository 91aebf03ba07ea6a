//! What one machine holds for all of its streams: configuration, engine, metrics, observations, held requests.

use std::cell::RefCell;
use std::rc::{Rc, Weak};

pub use sallyport_core::LOOKS_ON_MS;
use sallyport_core::{Engine, UsualAnswers};

use crate::breaker::Breaker;
use crate::clock::is_over;
use crate::config::{Config, ControlPlane};
use crate::exchange::Exchange;
use crate::host::Host;
use crate::metrics::Metrics;
use crate::observe::Observer;
use crate::request::Request;
use crate::unanswered::Unanswered;

/// When the first machine of the process began, Unix milliseconds.
const BEGUN: &str = "sallyport/4/begun";

/// When the process began, Unix milliseconds: the first machine says so.
fn begun(host: &impl Host) -> u64 {
    let shared = host.shared(BEGUN);
    if let Some(bytes) = shared.value.first_chunk() {
        return u64::from_le_bytes(*bytes);
    }
    let now_ms = host.now_ms();
    // Envoy configures its main thread before the workers; who lost a race differs by milliseconds.
    let _ = host.set_shared(BEGUN, &now_ms.to_le_bytes(), shared.cas);
    now_ms
}

/// Shared by the root context and the streams of one machine. Nothing in it runs in parallel.
#[derive(Debug)]
pub struct Worker<H: Host> {
    /// The proxy.
    pub host: H,
    /// The plugin's configuration.
    pub config: Config,
    /// The metrics.
    pub metrics: Metrics,
    /// Whether consults make sense.
    pub breaker: Breaker,
    /// What clients get who ask for assets.
    pub usual: RefCell<UsualAnswers>,
    /// Newcomers' assets that were not answered yet.
    pub unanswered: Unanswered,
    /// When the process began, Unix milliseconds.
    begun_ms: u64,
    engine: RefCell<Rc<Engine>>,
    observer: RefCell<Observer>,
    exchange: RefCell<Exchange>,
    held: RefCell<Vec<HeldRequest<H>>>,
}

/// A request that waits for the control plane.
#[derive(Debug)]
struct HeldRequest<H: Host> {
    context: u32,
    until_ms: u64,
    request: Weak<RefCell<Request<H>>>,
}

impl<H: Host> Worker<H> {
    /// A machine that judges with `engine`.
    /// `instance` tells it from all others.
    pub fn new(host: H, config: Config, metrics: Metrics, engine: Engine, instance: u64) -> Self {
        let begun_ms = begun(&host);
        let exchange = Exchange::new(instance, u64::from(config.poll_interval_ms));
        Self {
            host,
            config,
            metrics,
            breaker: Breaker::default(),
            usual: RefCell::default(),
            unanswered: Unanswered::default(),
            begun_ms,
            engine: RefCell::new(Rc::new(engine)),
            observer: RefCell::new(Observer::new(instance)),
            exchange: RefCell::new(exchange),
            held: RefCell::new(Vec::new()),
        }
    }

    /// The engine in use.
    pub fn engine(&self) -> Rc<Engine> {
        self.engine.borrow().clone()
    }

    /// Whether the process began so lately that everybody is new to it: then the budgets of newcomers look on only. Not
    /// where a header tells the time: a log has its own beginning.
    pub fn looks_on(&self, now_ms: u64) -> bool {
        let own_time = self.config.sources.time_header.is_empty();
        own_time && !is_over(self.begun_ms + LOOKS_ON_MS, LOOKS_ON_MS, now_ms)
    }

    /// Judges with another engine from now on. Requests that are held keep theirs.
    pub fn use_engine(&self, engine: Engine) {
        self.observe(|observer, _| observer.begin(engine.version(), &self.metrics));
        self.engine.replace(Rc::new(engine));
    }

    /// Works with the observer, where there is a control plane to tell.
    pub fn observe(&self, work: impl FnOnce(&mut Observer, &ControlPlane)) {
        if let Some(control) = &self.config.control_plane {
            work(&mut self.observer.borrow_mut(), control);
        }
    }

    /// Works with the exchange, where there is a control plane to settle with that knows the same keys and time.
    pub fn exchange(&self, work: impl FnOnce(&mut Exchange, &ControlPlane)) {
        let own_time = self.config.sources.time_header.is_empty();
        if let Some(control) = self.config.control_plane.as_ref().filter(|_| own_time) {
            work(&mut self.exchange.borrow_mut(), control);
        }
    }

    /// Ends the wait of `request` at `until_ms`, if it still waits then.
    pub fn hold(&self, context: u32, until_ms: u64, request: Weak<RefCell<Request<H>>>) {
        self.held.borrow_mut().push(HeldRequest { context, until_ms, request });
    }

    /// Ends all waits that are over; afterwards calls act on the context `root` again.
    pub fn end_waits(&self, now_ms: u64, root: u32) {
        if self.held.borrow().is_empty() {
            return;
        }
        let longest_ms = u64::from(self.config.consult_deadline_ms);
        let ended = |held: &mut HeldRequest<H>| is_over(held.until_ms, longest_ms, now_ms);
        let over: Vec<_> = self.held.borrow_mut().extract_if(.., ended).collect();
        for held in over {
            let Some(request) = held.request.upgrade() else { continue };
            if let Ok(mut request) = request.try_borrow_mut()
                && request.is_held()
                && self.host.enter(held.context)
            {
                request.on_deadline();
            }
        }
        self.host.enter(root);
    }
}
