//! The same core that judges in Envoy, at log time: records per client and per address, and a clock that never runs backwards.

use std::sync::Arc;
use std::time::{Duration, Instant};

use sallyport_core::{
    AddressState, AgentVerdict, Answer, ClientState, Decision, Engine, KnownCrawler, Marks, NetworkState,
    SiteLearner, Subjects,
};

use super::line::LogLine;
use super::recent::Recent;

/// How far a line is ahead of the one before it to be taken for a mistake, ms: 30 days.
const FAR_MS: u64 = 30 * 86_400_000;
/// As many lines in a row that are as far ahead are none.
const LINES_AHEAD: u32 = 3;

/// Judges one line after the other.
pub(crate) struct Judge {
    engine: Engine,
    capacity: usize,
    clients: Recent<ClientState>,
    addresses: Recent<AddressState>,
    networks: Recent<NetworkState>,
    /// What is usual on the sites of the log, as far as it was read.
    learner: SiteLearner,
    /// Lessons that the engine's profile rests on.
    learned: u64,
    now_ms: u64,
    lines: u64,
    late: u64,
    /// A time far ahead, and how many lines in a row were about it.
    ahead: (u64, u32),
    astray: u64,
    busy: Duration,
}

/// A judged line.
pub(crate) struct Judged {
    /// The client's key.
    pub(crate) client: u64,
    /// The line's time, Unix ms; that of the line before it where it is far ahead.
    pub(crate) time_ms: u64,
    /// What core decided.
    pub(crate) decision: Decision,
    /// The crawler that it claims to be, and what came of verifying that, if anybody did.
    pub(crate) claim: Option<(&'static KnownCrawler, Option<AgentVerdict>)>,
}

impl Judge {
    /// A judge that remembers at most `capacity` clients and as many addresses.
    pub(crate) fn new(mut engine: Engine, capacity: usize) -> Self {
        engine.learned(Arc::default());
        Self {
            engine,
            capacity,
            clients: Recent::new(capacity),
            addresses: Recent::new(capacity),
            networks: Recent::new(capacity),
            learner: SiteLearner::new(),
            learned: 0,
            now_ms: 0,
            lines: 0,
            late: 0,
            ahead: (0, 0),
            astray: 0,
            busy: Duration::ZERO,
        }
    }

    /// Judges a request and feeds its answer back, as the filter does.
    pub(crate) fn judge(&mut self, line: &LogLine<'_>) -> Judged {
        self.judge_known(line, None)
    }

    /// The same, of a client of which it is known whether it is the crawler that it claims to be.
    pub(crate) fn judge_known(&mut self, line: &LogLine<'_>, verdict: Option<AgentVerdict>) -> Judged {
        let started = Instant::now();
        self.go_on_to(line.time_ms);
        if self.learner.is_due(self.learned) {
            self.learned = self.learner.lessons();
            self.engine.learned(Arc::new(self.learner.profile()));
        }
        let facts = line.facts();
        let client_key = self.engine.key().client(&facts);
        // Clients whose address the log does not tell must not share records.
        let (address_key, network_key) = match facts.address {
            Some(_) => (self.engine.key().address(facts.address), self.engine.key().network(facts.address)),
            None => (client_key, client_key),
        };
        let mut subjects = Subjects {
            client: self.clients.entry(client_key, || ClientState::new(client_key)),
            address: self.addresses.entry(address_key, || AddressState::new(address_key)),
            network: Some(self.networks.entry(network_key, || NetworkState::new(network_key))),
            sessions: &mut [],
            network_key,
        };
        if let Some(verdict) = verdict {
            self.engine.remember_agent(verdict, u32::MAX, subjects.client, self.now_ms);
        }
        let asked = self.engine.ask(&facts);
        let decision = self.engine.decide(&asked, &mut subjects, (Marks::default(), false), self.now_ms);
        if let Some(lesson) = &decision.lesson {
            self.learner.learn(lesson, self.now_ms);
        }
        if let (Some(watch), Some(status)) = (decision.watch, line.status.filter(|_| !line.by_gate)) {
            // Logs tell no content type: an asset is what was answered to the name of one.
            let (path, referer) = (line.path(), facts.referer);
            let location = &line.location;
            let answer = Answer { path, status, location, referer, type_unknown: true, ..Answer::default() };
            self.engine.answered(watch, answer, &mut subjects, self.now_ms);
        }
        self.busy += started.elapsed();
        Judged { client: client_key, time_ms: line.time_ms.min(self.now_ms), decision, claim: None }
    }

    /// Sets the clock to a line's time. It never goes back, and does not follow a line or two that are far ahead.
    fn go_on_to(&mut self, time_ms: u64) {
        self.lines += 1;
        if self.lines == 2 && time_ms.saturating_add(FAR_MS) < self.now_ms {
            // The first line was the one that is far ahead.
            self.clients = Recent::new(self.capacity);
            self.addresses = Recent::new(self.capacity);
            self.networks = Recent::new(self.capacity);
            self.learner = SiteLearner::new();
            self.learned = 0;
            self.engine.learned(Arc::default());
            self.now_ms = time_ms;
            self.astray += 1;
        }
        if self.lines > 1 && time_ms > self.now_ms.saturating_add(FAR_MS) {
            let (ahead_ms, count) = self.ahead;
            let count = if time_ms.abs_diff(ahead_ms) <= FAR_MS { count + 1 } else { 1 };
            self.ahead = (time_ms, count);
            if count < LINES_AHEAD {
                self.astray += 1;
                return;
            }
            // Time has passed, and nobody came.
            self.astray = self.astray.saturating_sub(u64::from(LINES_AHEAD - 1));
        } else if time_ms < self.now_ms {
            self.late += 1;
        }
        self.ahead = (0, 0);
        self.now_ms = self.now_ms.max(time_ms);
    }

    /// Lines that were far ahead of those around them and were judged at the time of the one before.
    pub(crate) fn astray(&self) -> u64 {
        self.astray
    }

    /// Lines that were older than one before them and were judged at that one's time.
    pub(crate) fn late(&self) -> u64 {
        self.late
    }

    /// Clients forgotten because more came than fit.
    pub(crate) fn forgotten(&self) -> u64 {
        self.clients.forgotten()
    }

    /// The time spent in core alone.
    pub(crate) fn busy(&self) -> Duration {
        self.busy
    }
}

#[cfg(test)]
mod tests {
    use sallyport_core::{Action, HashKey, Model, Policy, PolicyConfig, Ranges};

    use super::*;

    fn judge() -> Judge {
        let policy = Policy::compile(PolicyConfig::default()).expect("valid");
        let (model, key) = (Model::built_in().expect("weights"), HashKey::from_bytes([3; 16]));
        Judge::new(Engine::new(policy, model, Ranges::default(), key, 1), 100)
    }

    #[test]
    fn a_line_of_2038_does_not_move_the_clock_and_a_silence_does() {
        let (start, year_2038, day) = (1_720_774_800_000_u64, 2_147_483_647_000, 86_400_000);
        let after = |times: &[u64]| {
            let mut judge = judge();
            for time_ms in times {
                judge.judge(&LogLine { time_ms: *time_ms, ..LogLine::default() });
            }
            (judge.now_ms, judge.late(), judge.astray())
        };
        assert_eq!(after(&[start, year_2038, start + 1000]), (start + 1000, 0, 1));
        assert_eq!(after(&[year_2038, start, start + 1000]), (start + 1000, 0, 1));
        assert_eq!(after(&[start, year_2038, year_2038, start + 1000]), (start + 1000, 0, 2));
        let later = start + 90 * day;
        assert_eq!(after(&[start, later, later + 1, later + 2, later + 3]), (later + 3, 0, 0));
        assert_eq!(after(&[start, start - 5, start + day]), (start + day, 1, 0));
    }

    #[test]
    fn a_logged_redirect_back_to_the_referer_is_a_failure_where_the_form_is_shown_again() {
        let passed = |same_page: bool| {
            let json = format!(
                r#"{{ "thresholds": {{ "monitor": 99, "challenge": 99.9, "block": 100 }},
                    "login": {{ "routes": [{{ "path": "/in", "same_page": {same_page} }}] }} }}"#
            );
            let policy = Policy::compile(PolicyConfig::from_json(json.as_bytes()).expect("a policy"));
            let (model, key) = (Model::built_in().expect("weights"), HashKey::from_bytes([3; 16]));
            let mut judge =
                Judge::new(Engine::new(policy.expect("valid"), model, Ranges::default(), key, 1), 100);
            let line = LogLine {
                address: Some([192, 0, 2, 1].into()),
                time_ms: 1_795_000_000_000,
                method: b"POST".into(),
                target: b"/in/x?a=1".into(),
                user_agent: b"Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0".into(),
                referer: b"https://site.example/shop?b=2".into(),
                location: b"/shop?error".into(),
                status: Some(302),
                ..LogLine::default()
            };
            let at = |n: u64| LogLine { time_ms: line.time_ms + 250 * n, ..line.clone() };
            (0..100).filter(|n| judge.judge(&at(*n)).decision.action == Action::Allow).count()
        };
        assert_eq!(passed(false), 100, "what succeeds is given back");
        assert!((1..50).contains(&passed(true)), "{}", passed(true));
    }
}
