//! An in-memory proxy: one process with shared data, a clock and metrics, and machines with streams on it.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;

use sallyport_filter::host::{Call, CasMismatch, Headers, Host, Level, MetricKind, Shared};

/// What all machines of the process share.
#[derive(Default)]
pub(crate) struct Process {
    pub(crate) now_ms: Cell<u64>,
    pub(crate) shared: RefCell<HashMap<String, (Vec<u8>, u32)>>,
    pub(crate) metrics: RefCell<Vec<(String, u64)>>,
    pub(crate) log: RefCell<Vec<String>>,
    /// Which keys of shared data were read.
    pub(crate) read: RefCell<Vec<String>>,
    /// The next writes with a cas lose, as if another worker had been quicker.
    pub(crate) lost_writes: Cell<u32>,
}

/// One stream as the proxy sees it.
#[derive(Default)]
pub(crate) struct Stream {
    pub(crate) request: Headers,
    pub(crate) response: Headers,
    pub(crate) source: Option<Vec<u8>>,
    pub(crate) reply: Option<Reply>,
    pub(crate) resumed: u32,
}

#[derive(Clone, Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: String,
}

/// A call the filter made.
#[derive(Clone, Debug)]
pub(crate) struct Sent {
    pub(crate) token: u32,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: Vec<u8>,
}

/// What another machine does in between.
type Work = Box<dyn FnOnce()>;

/// One machine's view.
#[derive(Clone, Default)]
pub(crate) struct Fake {
    pub(crate) process: Rc<Process>,
    pub(crate) streams: Rc<RefCell<HashMap<u32, Stream>>>,
    pub(crate) current: Rc<Cell<u32>>,
    pub(crate) calls: Rc<RefCell<Vec<Sent>>>,
    pub(crate) answer: Rc<RefCell<(Headers, Vec<u8>)>>,
    pub(crate) refuse_calls: Rc<Cell<bool>>,
    meanwhile: Rc<RefCell<Option<Work>>>,
    next_token: Rc<Cell<u32>>,
}

/// When every test begins: Unix milliseconds.
pub(crate) const START_MS: u64 = 1_750_000_000_000;

impl Fake {
    /// A machine of a new process.
    pub(crate) fn new() -> Self {
        let fake = Self::default();
        fake.process.now_ms.set(START_MS);
        fake
    }

    /// Another machine of the same process.
    pub(crate) fn sibling(&self) -> Self {
        Self { process: self.process.clone(), ..Self::default() }
    }

    pub(crate) fn pass_ms(&self, ms: u64) {
        self.process.now_ms.set(self.process.now_ms.get() + ms);
    }

    /// What another worker does between this machine's next read of shared data and its write.
    pub(crate) fn meanwhile(&self, work: impl FnOnce() + 'static) {
        *self.meanwhile.borrow_mut() = Some(Box::new(work));
    }

    /// The value of a metric, over all machines.
    pub(crate) fn metric(&self, name: &str) -> u64 {
        let metrics = self.process.metrics.borrow();
        let matching: Vec<_> = metrics.iter().filter(|(other, _)| other == name).collect();
        assert!(!matching.is_empty(), "no metric {name}");
        matching.iter().map(|(_, value)| value).sum()
    }

    /// The keys of shared data with this beginning that were read.
    pub(crate) fn asked_for(&self, beginning: &str) -> Vec<String> {
        self.process.read.borrow().iter().filter(|key| key.starts_with(beginning)).cloned().collect()
    }

    pub(crate) fn logged(&self, part: &str) -> usize {
        self.process.log.borrow().iter().filter(|line| line.contains(part)).count()
    }

    /// A request header after the filter has acted.
    pub(crate) fn request_header(&self, context: u32, name: &str) -> Option<String> {
        find(&self.streams.borrow()[&context].request, name).map(|v| String::from_utf8_lossy(&v).into_owned())
    }

    pub(crate) fn answer_with(&self, status: u16, headers: &[(&str, &str)], body: &[u8]) -> usize {
        let mut all = vec![(":status".to_owned(), status.to_string().into_bytes())];
        all.extend(headers.iter().map(|(name, value)| ((*name).to_owned(), value.as_bytes().to_vec())));
        let count = all.len();
        *self.answer.borrow_mut() = (all, body.to_vec());
        count
    }

    fn with<T>(&self, read: impl FnOnce(&mut Stream) -> T) -> T {
        let mut streams = self.streams.borrow_mut();
        let current = self.current.get();
        read(streams.get_mut(&current).unwrap_or_else(|| panic!("context {current} is no stream")))
    }
}

fn find(headers: &Headers, name: &str) -> Option<Vec<u8>> {
    headers.iter().find(|(other, _)| other == name).map(|(_, value)| value.clone())
}

fn set(headers: &mut Headers, name: &str, value: &str) {
    headers.retain(|(other, _)| other != name);
    headers.push((name.to_owned(), value.as_bytes().to_vec()));
}

fn owned(headers: &[(&str, &str)]) -> BTreeMap<String, String> {
    headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

impl Host for Fake {
    fn now_ns(&self) -> u64 {
        self.process.now_ms.get() * 1_000_000
    }

    fn log(&self, level: Level, message: &str) {
        self.process.log.borrow_mut().push(format!("{level:?} {message}"));
    }

    fn request_headers(&self) -> Headers {
        self.with(|stream| stream.request.clone())
    }

    fn set_request_header(&self, name: &str, value: &str) {
        self.with(|stream| set(&mut stream.request, name, value));
    }

    fn remove_request_header(&self, name: &str) {
        self.with(|stream| stream.request.retain(|(other, _)| other != name));
    }

    fn source_address(&self) -> Option<Vec<u8>> {
        self.with(|stream| stream.source.clone())
    }

    fn response_headers(&self) -> Headers {
        self.with(|stream| stream.response.clone())
    }

    fn response_header(&self, name: &str) -> Option<Vec<u8>> {
        self.with(|stream| find(&stream.response, name))
    }

    fn set_response_header(&self, name: &str, value: &str) {
        self.with(|stream| set(&mut stream.response, name, value));
    }

    fn remove_response_header(&self, name: &str) {
        self.with(|stream| stream.response.retain(|(other, _)| other != name));
    }

    fn reply(&self, status: u16, headers: &[(&str, &str)], body: &[u8]) {
        self.with(|stream| {
            assert!(stream.reply.is_none() && stream.resumed == 0, "reply once, or resume once, never both");
            let body = String::from_utf8(body.to_vec()).expect("UTF-8");
            stream.reply = Some(Reply { status, headers: owned(headers), body });
        });
    }

    fn resume(&self) {
        self.with(|stream| {
            assert!(stream.reply.is_none() && stream.resumed == 0, "reply once, or resume once, never both");
            stream.resumed += 1;
        });
    }

    fn enter(&self, context: u32) -> bool {
        let known = context == 1 || self.streams.borrow().contains_key(&context);
        if known {
            self.current.set(context);
        }
        known
    }

    fn shared(&self, key: &str) -> Shared {
        self.process.read.borrow_mut().push(key.to_owned());
        match self.process.shared.borrow().get(key) {
            Some((value, cas)) => Shared { value: value.clone(), cas: Some(*cas) },
            None => Shared::default(),
        }
    }

    fn set_shared(&self, key: &str, value: &[u8], cas: Option<u32>) -> Result<(), CasMismatch> {
        let meanwhile = cas.and_then(|_| self.meanwhile.borrow_mut().take());
        if let Some(work) = meanwhile {
            work();
        }
        let mut shared = self.process.shared.borrow_mut();
        let lost = self.process.lost_writes.get();
        if cas.is_some() && lost > 0 {
            self.process.lost_writes.set(lost - 1);
            return Err(CasMismatch);
        }
        match shared.get_mut(key) {
            None => {
                shared.insert(key.to_owned(), (value.to_vec(), 1));
            }
            Some((_, current)) if cas.is_some_and(|cas| cas != *current) => return Err(CasMismatch),
            Some((old, current)) => {
                *old = value.to_vec();
                *current += 1;
            }
        }
        Ok(())
    }

    fn call(&self, call: &Call<'_>) -> Option<u32> {
        assert!(call.timeout_ms > 0);
        if self.refuse_calls.get() {
            return None;
        }
        let token = self.next_token.get() + 1;
        self.next_token.set(token);
        let sent = Sent { token, headers: owned(&call.headers), body: call.body.to_vec() };
        self.calls.borrow_mut().push(sent);
        Some(token)
    }

    fn answer_header(&self, name: &str) -> Option<Vec<u8>> {
        let answer = self.answer.borrow();
        assert!(!answer.0.is_empty(), "an answer without headers has none to ask for");
        find(&answer.0, name)
    }

    fn answer_body(&self, limit: usize) -> Vec<u8> {
        let answer = self.answer.borrow();
        answer.1[..limit.min(answer.1.len())].to_vec()
    }

    fn define_metric(&self, _: MetricKind, name: &str) -> u32 {
        let mut metrics = self.process.metrics.borrow_mut();
        metrics.push((name.to_owned(), 0));
        metrics.len() as u32
    }

    fn add_to_counter(&self, id: u32, by: u64) {
        assert!(by > 0);
        self.process.metrics.borrow_mut()[id as usize - 1].1 += by;
    }

    fn set_gauge(&self, id: u32, value: u64) {
        self.process.metrics.borrow_mut()[id as usize - 1].1 = value;
    }
}
