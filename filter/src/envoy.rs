//! [`Host`] on the real proxy: beside the crate root the only file that knows proxy-wasm.
//!
//! The SDK panics on every status it does not expect, so each call is made only in the phase that has what it
//! asks for (see the trait).

use std::cell::Cell;
use std::rc::Rc;
use std::time::{Duration, UNIX_EPOCH};

use proxy_wasm::hostcalls;
use proxy_wasm::types::{BufferType, LogLevel, MapType, MetricType};

use crate::host::{Call, CasMismatch, Headers, Host, Level, MetricKind, Shared};

/// Envoy.
#[derive(Clone, Debug, Default)]
pub struct Envoy {
    /// The time as it was asked for last; every tick asks.
    recent_ns: Rc<Cell<u64>>,
}

impl Host for Envoy {
    fn now_ns(&self) -> u64 {
        let now = hostcalls::get_current_time().unwrap_or(UNIX_EPOCH);
        let now_ns = now.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos() as u64);
        self.recent_ns.set(now_ns);
        now_ns
    }

    fn recent_ms(&self) -> u64 {
        self.recent_ns.get() / 1_000_000
    }

    fn log(&self, level: Level, message: &str) {
        let level = match level {
            Level::Info => LogLevel::Info,
            Level::Warn => LogLevel::Warn,
            Level::Error => LogLevel::Error,
        };
        // Nothing can be done where even the log fails.
        let _ = hostcalls::log(level, message);
    }

    fn request_headers(&self) -> Headers {
        hostcalls::get_map_bytes(MapType::HttpRequestHeaders).unwrap_or_default()
    }

    fn set_request_header(&self, name: &str, value: &str) {
        let _ = hostcalls::set_map_value(MapType::HttpRequestHeaders, name, Some(value));
    }

    fn remove_request_header(&self, name: &str) {
        let _ = hostcalls::remove_map_value(MapType::HttpRequestHeaders, name);
    }

    fn source_address(&self) -> Option<Vec<u8>> {
        hostcalls::get_property(vec!["source", "address"]).ok().flatten()
    }

    fn response_headers(&self) -> Headers {
        hostcalls::get_map_bytes(MapType::HttpResponseHeaders).unwrap_or_default()
    }

    fn response_header(&self, name: &str) -> Option<Vec<u8>> {
        hostcalls::get_map_value_bytes(MapType::HttpResponseHeaders, name).ok().flatten()
    }

    fn set_response_header(&self, name: &str, value: &str) {
        let _ = hostcalls::set_map_value(MapType::HttpResponseHeaders, name, Some(value));
    }

    fn remove_response_header(&self, name: &str) {
        let _ = hostcalls::remove_map_value(MapType::HttpResponseHeaders, name);
    }

    fn reply(&self, status: u16, headers: &[(&str, &str)], body: &[u8]) {
        let _ = hostcalls::send_http_response(u32::from(status), headers.to_vec(), Some(body));
    }

    fn resume(&self) {
        let _ = hostcalls::resume_http_request();
    }

    fn enter(&self, context: u32) -> bool {
        hostcalls::set_effective_context(context).is_ok()
    }

    fn shared(&self, key: &str) -> Shared {
        let (value, cas) = hostcalls::get_shared_data(key).unwrap_or_default();
        Shared { value: value.unwrap_or_default(), cas }
    }

    fn set_shared(&self, key: &str, value: &[u8], cas: Option<u32>) -> Result<(), CasMismatch> {
        hostcalls::set_shared_data(key, Some(value), cas).map_err(|_| CasMismatch)
    }

    fn call(&self, call: &Call<'_>) -> Option<u32> {
        let body = (!call.body.is_empty()).then_some(call.body);
        let timeout = Duration::from_millis(u64::from(call.timeout_ms));
        hostcalls::dispatch_http_call(call.cluster, call.headers.clone(), body, Vec::new(), timeout).ok()
    }

    fn answer_header(&self, name: &str) -> Option<Vec<u8>> {
        hostcalls::get_map_value_bytes(MapType::HttpCallResponseHeaders, name).ok().flatten()
    }

    fn answer_body(&self, limit: usize) -> Vec<u8> {
        hostcalls::get_buffer(BufferType::HttpCallResponseBody, 0, limit).ok().flatten().unwrap_or_default()
    }

    fn define_metric(&self, kind: MetricKind, name: &str) -> u32 {
        let kind = match kind {
            MetricKind::Counter => MetricType::Counter,
            MetricKind::Gauge => MetricType::Gauge,
        };
        hostcalls::define_metric(kind, name).unwrap_or_default()
    }

    fn add_to_counter(&self, id: u32, by: u64) {
        let _ = hostcalls::increment_metric(id, i64::try_from(by).unwrap_or(i64::MAX));
    }

    fn set_gauge(&self, id: u32, value: u64) {
        let _ = hostcalls::record_metric(id, value);
    }
}
