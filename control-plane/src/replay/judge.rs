//! The same core that judges in Envoy, at log time: records per client and per address, and a clock that never runs backwards.

use std::sync::Arc;
use std::time::{Duration, Instant};

use sallyport_core::{AddressState, Answer, ClientState, Decision, Engine, Marks, NetworkState, SiteLearner, Subjects};

use super::line::LogLine;
use super::recent::Recent;

/// Judges one line after the other.
pub(crate) struct Judge {
    engine: Engine,
    clients: Recent<ClientState>,
    addresses: Recent<AddressState>,
    networks: Recent<NetworkState>,
    /// What is usual on the sites of the log, as far as it was read.
    learner: SiteLearner,
    /// Lessons that the engine's profile rests on.
    learned: u64,
    now_ms: u64,
    late: u64,
    busy: Duration,
}

/// A judged line.
pub(crate) struct Judged {
    /// The client's key.
    pub(crate) client: u64,
    /// What core decided.
    pub(crate) decision: Decision,
}

impl Judge {
    /// A judge that remembers at most `capacity` clients and as many addresses.
    pub(crate) fn new(mut engine: Engine, capacity: usize) -> Self {
        engine.learned(Arc::default());
        Self {
            engine,
            clients: Recent::new(capacity),
            addresses: Recent::new(capacity),
            networks: Recent::new(capacity),
            learner: SiteLearner::new(),
            learned: 0,
            now_ms: 0,
            late: 0,
            busy: Duration::ZERO,
        }
    }

    /// Judges a request and feeds its answer back, as the filter does.
    pub(crate) fn judge(&mut self, line: &LogLine<'_>) -> Judged {
        let started = Instant::now();
        if line.time_ms < self.now_ms {
            self.late += 1;
        }
        self.now_ms = self.now_ms.max(line.time_ms);
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
        let asked = self.engine.ask(&facts);
        let decision = self.engine.decide(&asked, &mut subjects, (Marks::default(), false), self.now_ms);
        if let Some(lesson) = &decision.lesson {
            self.learner.learn(lesson, self.now_ms);
        }
        if let (Some(watch), Some(status)) = (decision.watch, line.status) {
            // Logs tell no content type: an asset is what was answered to the name of one.
            let (path, referer) = (line.path(), facts.referer);
            let answer = Answer { path, status, location: &line.location, referer, ..Answer::default() };
            self.engine.answered(watch, answer, &mut subjects, self.now_ms);
        }
        self.busy += started.elapsed();
        Judged { client: client_key, decision }
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
