//! Every call the filter makes to its proxy, behind one trait.
//!
//! The logic above is generic over [`Host`], so it runs natively in tests with an in-memory host. Calls act
//! on the context that is being called back, or on the one chosen with [`Host::enter`].

/// Header names (lower case) with their values, in order, repeated ones included. Values are any bytes.
pub type Headers = Vec<(String, Vec<u8>)>;

/// How loud a log line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// A change of state.
    Info,
    /// Something an operator should look at.
    Warn,
    /// The filter cannot do its work.
    Error,
}

/// What a metric is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MetricKind {
    /// Only grows.
    Counter,
    /// Holds the last value.
    Gauge,
}

/// Another virtual machine changed the value since it was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CasMismatch;

/// A value in shared data, with the number that a later write must present.
#[derive(Clone, Debug, Default)]
pub struct Shared {
    /// Empty where the key does not exist.
    pub value: Vec<u8>,
    /// `None` where the key does not exist.
    pub cas: Option<u32>,
}

/// A request of the filter's own.
#[derive(Clone, Debug)]
pub struct Call<'a> {
    /// Envoy's cluster name.
    pub cluster: &'a str,
    /// With `:method`, `:path` and `:authority`.
    pub headers: Vec<(&'a str, &'a str)>,
    /// Empty for none.
    pub body: &'a [u8],
    /// Milliseconds, above 0 (0 would mean none).
    pub timeout_ms: u32,
}

/// The proxy.
pub trait Host {
    /// Unix nanoseconds.
    fn now_ns(&self) -> u64;
    /// Unix milliseconds.
    fn now_ms(&self) -> u64 {
        self.now_ns() / 1_000_000
    }
    /// Unix milliseconds as of the last tick or later: what a request is judged by, since each call costs.
    fn recent_ms(&self) -> u64 {
        self.now_ms()
    }
    /// Writes a line to the proxy's log.
    fn log(&self, level: Level, message: &str);

    /// All request headers. Only while the request headers are being handled or held.
    fn request_headers(&self) -> Headers;
    /// Replaces all copies of a request header. Only while the request headers are being handled or held.
    fn set_request_header(&self, name: &str, value: &str);
    /// Removes all copies of a request header. Only while the request headers are being handled or held.
    fn remove_request_header(&self, name: &str);
    /// `address:port` of the client, as the proxy resolved it.
    fn source_address(&self) -> Option<Vec<u8>>;
    /// All response headers. Only in the response phase.
    fn response_headers(&self) -> Headers;
    /// The first value of a response header. Only in the response phase.
    fn response_header(&self, name: &str) -> Option<Vec<u8>>;
    /// Replaces all copies of a response header. Only in the response phase.
    fn set_response_header(&self, name: &str, value: &str);
    /// Removes all copies of a response header. Only in the response phase.
    fn remove_response_header(&self, name: &str);

    /// Answers the request in the origin's place.
    fn reply(&self, status: u16, headers: &[(&str, &str)], body: &[u8]);
    /// Lets a held request go on.
    fn resume(&self);
    /// Makes another context of this machine the one that calls act on; `false` where it is gone.
    fn enter(&self, context: u32) -> bool;

    /// Reads from the data that all machines of the process share.
    fn shared(&self, key: &str) -> Shared;
    /// Writes shared data; with `cas` only where nobody wrote since. Creating a key ignores `cas`.
    ///
    /// # Errors
    /// [`CasMismatch`] where somebody wrote since.
    fn set_shared(&self, key: &str, value: &[u8], cas: Option<u32>) -> Result<(), CasMismatch>;

    /// Starts a request; its token, or `None` where the proxy refused it.
    fn call(&self, call: &Call<'_>) -> Option<u32>;
    /// A header of the answer that is being handled. Only where the answer has headers.
    fn answer_header(&self, name: &str) -> Option<Vec<u8>>;
    /// The body of the answer that is being handled, cut at `limit` bytes.
    fn answer_body(&self, limit: usize) -> Vec<u8>;

    /// Defines a metric and gives its id; a new one at every call.
    fn define_metric(&self, kind: MetricKind, name: &str) -> u32;
    /// Adds to a counter; `by` above 0.
    fn add_to_counter(&self, id: u32, by: u64);
    /// Sets a gauge.
    fn set_gauge(&self, id: u32, value: u64);
}

/// The status of the answer that is being handled: `None` where the call failed or has no valid status.
///
/// `header_count` is what the callback was given: with 0 the host has no headers to ask for.
pub fn answer_status(host: &impl Host, header_count: usize) -> Option<u16> {
    if header_count == 0 {
        return None;
    }
    parse_status(&host.answer_header(":status")?)
}

/// A status code from its digits.
pub fn parse_status(digits: &[u8]) -> Option<u16> {
    std::str::from_utf8(digits).ok()?.parse().ok().filter(|status| (100..600).contains(status))
}
