//! The outer gate: a proxy-wasm filter for Envoy that judges each request where it arrives.
//!
//! A request's way through the rooms: [`gather`] (facts) → [`judge`] (shared [`state`] and the engine) →
//! [`request`] (acts, or holds the request for a [`consult`]) → `answer` (what the site said). Beside it each machine
//! keeps the snapshot current ([`sync`]), settles limits and hears of [`marks`] ([`exchange`]), reports what it decided
//! ([`observe`]) and counts ([`metrics`]). All of them reach the proxy through [`host`], so they run in tests without
//! one; only this file and [`envoy`] know proxy-wasm.
//!
//! A panic here takes the site's proxy down: nothing a client sends may reach one.

mod answer;
pub mod breaker;
pub mod clock;
pub mod config;
pub mod consult;
pub mod envoy;
pub mod exchange;
pub mod gather;
pub mod header;
pub mod host;
pub mod house;
pub mod judge;
pub mod marks;
pub mod metrics;
pub mod observe;
pub mod protobuf;
mod records;
pub mod reply;
pub mod request;
pub mod root;
mod round;
pub mod state;
pub mod sync;
pub mod unanswered;
pub mod worker;

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::{Action, ContextType, LogLevel};

use crate::envoy::Envoy;
use crate::request::{Flow, Request};
use crate::root::Root;

/// What the proxy calls first.
mod start {
    use super::{Envoy, LogLevel, Machine, Root};

    proxy_wasm::main! {{
        proxy_wasm::set_log_level(LogLevel::Info);
        proxy_wasm::set_root_context(|context| Box::new(Machine(Root::new(Envoy::default(), context))));
    }}
}

/// [`Root`] as the SDK calls it.
struct Machine(Root<Envoy>);

impl Context for Machine {
    fn on_http_call_response(&mut self, token: u32, headers: usize, body: usize, _: usize) {
        self.0.on_answer(token, headers, body);
    }
}

impl RootContext for Machine {
    fn on_configure(&mut self, _: usize) -> bool {
        let configuration = self.get_plugin_configuration().unwrap_or_default();
        match self.0.configure(&configuration) {
            Some(tick_ms) => {
                self.set_tick_period(Duration::from_millis(u64::from(tick_ms)));
                true
            }
            None => false,
        }
    }

    fn on_tick(&mut self) {
        self.0.tick();
    }

    fn create_http_context(&self, context: u32) -> Option<Box<dyn HttpContext>> {
        Some(Box::new(Stream(self.0.stream(context))))
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }
}

/// [`Request`] as the SDK calls it; `None` where the machine has no configuration, and everything passes.
struct Stream(Option<Rc<RefCell<Request<Envoy>>>>);

impl Stream {
    fn with<T>(&self, work: impl FnOnce(&mut Request<Envoy>) -> T) -> Option<T> {
        self.0.as_ref()?.try_borrow_mut().ok().map(|mut request| work(&mut request))
    }
}

impl Context for Stream {
    fn on_http_call_response(&mut self, token: u32, headers: usize, body: usize, _: usize) {
        self.with(|request| request.on_answer(token, headers, body));
    }
}

impl HttpContext for Stream {
    fn on_http_request_headers(&mut self, _: usize, _: bool) -> Action {
        match self.with(Request::on_request_headers) {
            Some(Flow::Pause) => Action::Pause,
            Some(Flow::Continue) | None => Action::Continue,
        }
    }

    fn on_http_response_headers(&mut self, _: usize, _: bool) -> Action {
        self.with(Request::on_response_headers);
        Action::Continue
    }
}
