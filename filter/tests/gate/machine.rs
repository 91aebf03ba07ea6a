//! A filter machine on the in-memory proxy: streams go in, what the proxy was told comes out.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use sallyport_core::policy::Lists;
use sallyport_core::policy::PolicyConfig;
use sallyport_core::snapshot::{self, Parts};
use sallyport_core::{HashKey, Model, Ranges};
use sallyport_filter::request::{Flow, Request};
use sallyport_filter::root::Root;
use serde_json::{Value, json};

use crate::fake::{Fake, Reply, START_MS, Sent, Stream};

pub(crate) const CHROME: &str =
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/143.0.0.0 Safari/537.36";

const ROOT: u32 = 1;

pub(crate) struct Machine {
    pub(crate) fake: Fake,
    root: Root<Fake>,
    streams: HashMap<u32, Rc<RefCell<Request<Fake>>>>,
    /// The context of the latest stream.
    latest: u32,
    pub(crate) tick_ms: u32,
}

/// The plugin configuration with a control plane and this policy.
pub(crate) fn connected(policy: Value) -> Value {
    json!({ "control_plane": { "cluster": "sallyport", "token": "secret" }, "policy": policy })
}

/// A snapshot with this policy.
pub(crate) fn snapshot(version: u64, policy: Value) -> Vec<u8> {
    snapshot_with(version, policy, Model::built_in().expect("weights"))
}

/// A snapshot with this policy and this model.
pub(crate) fn snapshot_with(version: u64, policy: Value, model: Model) -> Vec<u8> {
    let parts = Parts {
        version,
        created_ms: START_MS,
        hash_key: HashKey::from_bytes([9; 16]),
        policy: serde_json::from_value::<PolicyConfig>(policy).expect("a policy"),
        model,
        ranges: Ranges::default(),
        lists: Lists::default(),
    };
    snapshot::encode(&parts).expect("encodes")
}

impl Machine {
    /// The first machine of a process.
    pub(crate) fn start(config: &Value) -> Self {
        Self::start_on(Fake::new(), config)
    }

    /// The first machine of a process, with this plugin configuration beside the control plane's, that judges with
    /// snapshot 7.
    pub(crate) fn with_snapshot(config: &Value, policy: Value) -> Self {
        let mut all = connected(json!({ "consult": "never" }));
        for (key, value) in config.as_object().expect("an object") {
            all[key] = value.clone();
        }
        let mut machine = Self::start(&all);
        machine.tick_after(1_000);
        let call = machine.calls().remove(0);
        machine.answer(&call, 200, &[("etag", "\"7\"")], &snapshot(7, policy));
        machine
    }

    /// Another machine of the same process, which has taken over what the first laid down.
    pub(crate) fn start_after(&self, config: &Value) -> Self {
        let mut all = connected(json!({ "consult": "never" }));
        for (key, value) in config.as_object().expect("an object") {
            all[key] = value.clone();
        }
        self.start_beside(&all)
    }

    /// Another machine of the same process.
    pub(crate) fn start_beside(&self, config: &Value) -> Self {
        Self::start_on(self.fake.sibling(), config)
    }

    pub(crate) fn start_on(fake: Fake, config: &Value) -> Self {
        fake.current.set(ROOT);
        let mut root = Root::new(fake.clone(), ROOT);
        let tick_ms = root.configure(config.to_string().as_bytes()).expect("a configuration");
        Self { fake, root, streams: HashMap::new(), latest: ROOT, tick_ms }
    }

    /// A visitor's request; gives its context and what the proxy does next.
    pub(crate) fn request(&mut self, source: &str, headers: &[(&str, &str)]) -> (u32, Flow) {
        let bytes: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_bytes())).collect();
        self.request_bytes(Some(source.as_bytes()), &bytes)
    }

    pub(crate) fn request_bytes(&mut self, source: Option<&[u8]>, headers: &[(&str, &[u8])]) -> (u32, Flow) {
        self.latest += 1;
        let context = self.latest;
        let request = headers.iter().map(|(name, value)| ((*name).to_owned(), value.to_vec())).collect();
        let stream = Stream { request, source: source.map(<[u8]>::to_vec), ..Stream::default() };
        self.fake.streams.borrow_mut().insert(context, stream);
        self.fake.current.set(context);
        let request = self.root.stream(context).expect("configured");
        let flow = request.borrow_mut().on_request_headers();
        self.streams.insert(context, request);
        self.assert_consistent(context, flow);
        (context, flow)
    }

    /// A page view of a browser.
    pub(crate) fn browse(&mut self, source: &str, path: &str) -> (u32, Flow) {
        self.browser(source, "GET", path)
    }

    /// A request as a browser makes it.
    pub(crate) fn browser(&mut self, source: &str, method: &str, path: &str) -> (u32, Flow) {
        self.request(
            source,
            &[
                (":method", method),
                (":path", path),
                (":authority", "site.example"),
                (":scheme", "https"),
                ("user-agent", CHROME),
                ("accept", "text/html,application/xhtml+xml,*/*;q=0.8"),
                ("accept-language", "en"),
                ("accept-encoding", "gzip, br"),
                ("sec-fetch-site", "none"),
                ("sec-fetch-mode", "navigate"),
                ("sec-fetch-dest", "document"),
                ("sec-ch-ua", "\"Chromium\";v=\"143\""),
                ("sec-ch-ua-mobile", "?0"),
                ("sec-ch-ua-platform", "\"Linux\""),
                ("x-request-id", "id-1"),
            ],
        )
    }

    /// A page view of what claims to be a crawler.
    pub(crate) fn crawl(&mut self, source: &str, path: &str) -> (u32, Flow) {
        let agent = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)";
        let headers = [
            (":method", "GET"),
            (":path", path),
            (":authority", "site.example"),
            ("user-agent", agent),
            ("accept", "text/html"),
        ];
        self.request(source, &headers)
    }

    /// A page view with this header that names a session.
    pub(crate) fn browse_as(
        &mut self,
        source: &str,
        (name, session): (&str, &str),
        path: &str,
    ) -> (u32, Flow) {
        self.with_session(source, (name, session), "GET", path)
    }

    /// The site issues this session to somebody elsewhere.
    pub(crate) fn issue(&mut self, (name, session): (&str, &str)) {
        let (context, _) = self.browse("203.0.113.77:1", "/");
        self.respond_with(context, 200, &[(name, session)]);
    }

    /// A browser's request with this header that names a session.
    pub(crate) fn with_session(
        &mut self,
        source: &str,
        (name, session): (&str, &str),
        method: &str,
        path: &str,
    ) -> (u32, Flow) {
        self.request(
            source,
            &[
                (":method", method),
                (":path", path),
                (":authority", "site.example"),
                ("user-agent", CHROME),
                ("accept", "text/html"),
                ("accept-language", "en"),
                ("accept-encoding", "gzip"),
                (name, session),
                ("x-request-id", "id-3"),
            ],
        )
    }

    /// A request of a tool that says what it is.
    pub(crate) fn tool(&mut self, source: &str, method: &str, path: &str) -> (u32, Flow) {
        self.request(
            source,
            &[
                (":method", method),
                (":path", path),
                (":authority", "site.example"),
                ("user-agent", "python-requests/2.28.0"),
                ("accept", "*/*"),
                ("x-request-id", "id-2"),
            ],
        )
    }

    /// The origin's answer; gives the response headers that the client gets.
    pub(crate) fn respond(
        &mut self,
        context: u32,
        status: u16,
        location: Option<&str>,
    ) -> Vec<(String, Vec<u8>)> {
        let location: Vec<_> = location.map(|to| ("location", to)).into_iter().collect();
        self.respond_with(context, status, &location)
    }

    /// The same with any headers.
    pub(crate) fn respond_with(
        &mut self,
        context: u32,
        status: u16,
        headers: &[(&str, &str)],
    ) -> Vec<(String, Vec<u8>)> {
        let mut response = vec![(":status".to_owned(), status.to_string().into_bytes())];
        response.extend(headers.iter().map(|(name, value)| ((*name).to_owned(), value.as_bytes().to_vec())));
        self.fake.streams.borrow_mut().get_mut(&context).expect("a stream").response = response;
        self.fake.current.set(context);
        self.streams[&context].borrow_mut().on_response_headers();
        self.fake.streams.borrow()[&context].response.clone()
    }

    /// Time passes, then the tick comes.
    pub(crate) fn tick_after(&mut self, ms: u64) {
        self.fake.pass_ms(ms);
        self.fake.current.set(ROOT);
        self.root.tick();
        assert_eq!(self.fake.current.get(), ROOT, "the tick leaves the proxy at the root");
    }

    /// The calls made since last asked.
    pub(crate) fn calls(&self) -> Vec<Sent> {
        self.fake.calls.borrow_mut().drain(..).collect()
    }

    /// The answer to a call of the root.
    pub(crate) fn answer(&mut self, call: &Sent, status: u16, headers: &[(&str, &str)], body: &[u8]) {
        let count = self.fake.answer_with(status, headers, body);
        self.fake.current.set(ROOT);
        self.root.on_answer(call.token, count, body.len());
    }

    /// The call of the root fails without an answer.
    pub(crate) fn break_off(&mut self, call: &Sent) {
        self.fake.answer.borrow_mut().0.clear();
        self.fake.current.set(ROOT);
        self.root.on_answer(call.token, 0, 0);
    }

    /// The answer to a call of a stream.
    pub(crate) fn answer_stream(&mut self, context: u32, call: &Sent, status: u16, body: &[u8]) {
        let count = self.fake.answer_with(status, &[], body);
        self.fake.current.set(context);
        self.streams[&context].borrow_mut().on_answer(call.token, count, body.len());
    }

    /// The client goes away.
    pub(crate) fn end(&mut self, context: u32) {
        self.streams.remove(&context);
        self.fake.streams.borrow_mut().remove(&context);
    }

    pub(crate) fn reply(&self, context: u32) -> Option<Reply> {
        self.fake.streams.borrow()[&context].reply.clone()
    }

    pub(crate) fn resumed(&self, context: u32) -> bool {
        self.fake.streams.borrow()[&context].resumed == 1
    }

    pub(crate) fn verdict_header(&self, context: u32) -> Option<String> {
        self.fake.request_header(context, "x-sallyport")
    }

    /// Hands over the metrics and reads one.
    pub(crate) fn metric(&mut self, name: &str) -> u64 {
        self.tick_after(0);
        self.fake.metric(&format!("sallyport_{name}"))
    }

    fn assert_consistent(&self, context: u32, flow: Flow) {
        let replied = self.reply(context).is_some();
        let held = self.streams[&context].borrow().is_held();
        assert_eq!(flow == Flow::Pause, replied || held, "pause is for a reply or a wait");
    }
}
