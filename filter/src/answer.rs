//! What the site answered: its status for the records, and the sessions that it issues.

use std::rc::Rc;

use sallyport_core::observation::FailedLogin;
use sallyport_core::{Answer, Engine, LoginOutcome, Watch, strip_query};

use crate::gather::{Gathered, value_of};
use crate::host::{Host, parse_status};
use crate::judge::{Judged, Keys, feed_back, issue};
use crate::marks;
use crate::unanswered::Pending;
use crate::worker::Worker;

/// Of an account's name so many bytes count.
const LONGEST_NAME: usize = 256;

/// What is kept of a request until its answer comes.
#[derive(Debug)]
pub(crate) struct Watched {
    watch: Watch,
    engine: Rc<Engine>,
    keys: Keys,
    /// For login attempts only.
    path: Vec<u8>,
    /// Where [`Engine::reads_referer`] says so only.
    referer: Vec<u8>,
    /// See [`Gathered::time_ms`].
    time_ms: Option<u64>,
    /// Whether the site may issue a session with the answer.
    asks_session: bool,
    /// Of a newcomer's asset: that it is under way.
    _pending: Option<Pending>,
}

impl Watched {
    /// Of a request that passes; `None` where its answer tells nothing.
    pub(crate) fn new<H: Host>(
        worker: &Worker<H>,
        engine: &Rc<Engine>,
        gathered: &Gathered<'_>,
        judged: &Judged,
    ) -> Option<Self> {
        let watch = judged.decision.watch?;
        let kept = |is_needed: bool, text: &[u8]| if is_needed { text.to_vec() } else { Vec::new() };
        let path = kept(watch.is_login_attempt(), gathered.facts.path);
        let referer = kept(engine.reads_referer(watch), strip_query(gathered.facts.referer));
        let sources = &worker.config.sources;
        let has_sessions = !sources.session_cookie.is_empty() || !sources.session_header.is_empty();
        let asks_session = has_sessions && (judged.keys.session == 0 || watch.is_login_attempt());
        let (engine, keys, time_ms) = (engine.clone(), judged.keys, gathered.time_ms);
        let _pending = watch.is_newcomers_asset().then(|| worker.unanswered.begin(keys.network));
        Some(Self { watch, engine, keys, path, referer, time_ms, asks_session, _pending })
    }

    /// Takes the answer in: header by header, since each costs a call and few are needed.
    pub(crate) fn learn<H: Host>(&self, worker: &Worker<H>) {
        let Self { watch, engine, keys, path, referer, time_ms, asks_session, .. } = self;
        let header = |is_needed: bool, name: &str| {
            if is_needed { worker.host.response_header(name).unwrap_or_default() } else { Vec::new() }
        };
        let content_type = header(watch.reads_type(), "content-type");
        let status = match watch.reads_status(&content_type) {
            true => parse_status(&header(true, ":status")),
            false => Some(200),
        };
        let Some(status) = status else { return };
        let now_ms = time_ms.unwrap_or_else(|| worker.host.recent_ms());
        let location = header(watch.reads_location(status), "location");
        let answer = Answer {
            path,
            status,
            location: &location,
            referer,
            content_type: &content_type,
            is_usual: false,
            type_unknown: false,
        };
        let answer = worker.usual.borrow_mut().note(*watch, answer, keys.network, now_ms);
        if watch.matters(answer) {
            let outcome = feed_back(worker, engine, (*keys, *watch), answer, now_ms);
            if outcome == Some(LoginOutcome::Failed) {
                self.login_failed(worker, now_ms);
            }
        }
        // Last, so that a session that the site issues with a failure goes on with that too.
        if *asks_session {
            self.issued(worker, now_ms);
        }
    }

    /// Takes note of sessions that the site issues with an answer.
    fn issued<H: Host>(&self, worker: &Worker<H>, now_ms: u64) {
        let Worker { host, config, .. } = worker;
        let issue = |session: &[u8]| match self.engine.key().session(session) {
            0 => {}
            session => issue(worker, &self.engine, self.keys, session, now_ms),
        };
        let (cookie, header) =
            (config.sources.session_cookie.as_str(), config.sources.session_header.as_str());
        if !header.is_empty() {
            host.response_header(header).iter().for_each(|session| issue(session));
        }
        // Of a repeated header only the first value can be asked for by its name.
        if !cookie.is_empty() && host.response_header("set-cookie").is_some() {
            for (_, value) in host.response_headers().iter().filter(|(name, _)| name == "set-cookie") {
                let mut parts = value.split(|byte| *byte == b';').map(<[u8]>::trim_ascii);
                let session = value_of(parts.next().unwrap_or_default(), cookie.as_bytes());
                session.filter(|_| !parts.any(is_over_at_once)).into_iter().for_each(issue);
            }
        }
    }

    fn login_failed<H: Host>(&self, worker: &Worker<H>, now_ms: u64) {
        let Self { engine, keys, path, .. } = self;
        if keys.session != 0 {
            marks::count_suspicious(worker, engine, keys.session, now_ms);
        }
        let name = match worker.config.sources.account_header.as_str() {
            "" => None,
            header => worker.host.response_header(header),
        };
        let account = name.map_or(0, |name| engine.key().account(name.get(..LONGEST_NAME).unwrap_or(&name)));
        let Keys { address, client, network, .. } = *keys;
        let login = FailedLogin { ts_ms: now_ms, address, client, network, account, path };
        worker.observe(|observer, _| observer.login_failed(engine, &login, &worker.metrics));
    }
}

/// Whether an attribute of a cookie takes it away: `Max-Age=0`, or less.
fn is_over_at_once(attribute: &[u8]) -> bool {
    let Some((name, age)) = attribute.split_at_checked(8) else { return false };
    name.eq_ignore_ascii_case(b"max-age=") && (age == b"0" || age.starts_with(b"-"))
}
