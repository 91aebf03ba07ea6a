//! A door that keeps a record of everybody, as no door can: what is judged here is the judge, not a table.

use std::collections::HashMap;
use std::net::IpAddr;

use sallyport_core::{
    AddressState, Answer, BrowserHeaders, ClientState, Decision, Engine, HashKey, Marks, Model, NetworkState,
    Policy, PolicyConfig, Ranges, RequestFacts, SessionState, Subjects,
};

/// When every test begins: Unix milliseconds.
pub(crate) const NOW: u64 = 1_795_000_000_000;

/// The judge with this policy, in JSON.
pub(crate) fn engine(policy: &str) -> Engine {
    let config = PolicyConfig::from_json(policy.as_bytes()).expect("a policy");
    let policy = Policy::compile(config).expect("a sound policy");
    let model = Model::built_in().expect("weights");
    Engine::new(policy, model, Ranges::default(), HashKey::from_bytes([7; 16]), 1)
}

pub(crate) struct Door {
    pub(crate) engine: Engine,
    /// Everybody is new to it, for it is new itself.
    pub(crate) looks_on: bool,
    clients: HashMap<u64, ClientState>,
    addresses: HashMap<u64, AddressState>,
    networks: HashMap<u64, NetworkState>,
    sessions: HashMap<u64, SessionState>,
}

impl Door {
    /// With this policy, in JSON.
    pub(crate) fn new(policy: &str) -> Self {
        Self {
            engine: engine(policy),
            looks_on: false,
            clients: HashMap::new(),
            addresses: HashMap::new(),
            networks: HashMap::new(),
            sessions: HashMap::new(),
        }
    }

    /// The same with nobody refused for their score.
    pub(crate) fn indifferent(rest: &str) -> Self {
        Self::new(&format!(
            r#"{{ "thresholds": {{ "monitor": 100, "challenge": 100, "block": 100 }} {rest} }}"#
        ))
    }

    pub(crate) fn judge(&mut self, facts: &RequestFacts<'_>, now_ms: u64) -> Decision {
        let looks_on = self.looks_on;
        self.with(facts, |engine, subjects| {
            engine.decide(&engine.ask(facts), subjects, (Marks::default(), looks_on), now_ms)
        })
    }

    /// Judges a request and, where it passes, lets the site answer it.
    pub(crate) fn visit(
        &mut self,
        facts: &RequestFacts<'_>,
        (status, content_type): (u16, &str),
        now_ms: u64,
    ) -> Decision {
        self.answered(
            facts,
            Answer { status, content_type: content_type.as_bytes(), ..Default::default() },
            now_ms,
        )
    }

    /// The same with any answer.
    pub(crate) fn answered(&mut self, facts: &RequestFacts<'_>, answer: Answer<'_>, now_ms: u64) -> Decision {
        let decision = self.judge(facts, now_ms);
        if let Some(watch) = decision.watch {
            let answer = Answer { path: facts.path, ..answer };
            self.with(facts, |engine, subjects| engine.answered(watch, answer, subjects, now_ms));
        }
        decision
    }

    /// The site issues a session.
    pub(crate) fn issue(&mut self, session: &[u8], now_ms: u64) {
        let key = self.engine.key().session(session);
        self.sessions.entry(key).or_insert_with(|| SessionState::new(key)).issue(now_ms);
    }

    /// Whether the site issued it, as far as is known.
    pub(crate) fn is_issued(&self, session: &[u8]) -> bool {
        self.sessions.get(&self.engine.key().session(session)).is_some_and(SessionState::is_issued)
    }

    /// Whether the request's session tells its holder apart.
    pub(crate) fn tells_apart(&self, facts: &RequestFacts<'_>, now_ms: u64) -> bool {
        let key = self.engine.key();
        let session = self.sessions.get(&key.session(facts.session));
        session.is_some_and(|session| session.holder_at(key.network(facts.address), now_ms).is_some())
    }

    pub(crate) fn is_proven(&self, facts: &RequestFacts<'_>, now_ms: u64) -> bool {
        self.clients.get(&self.engine.key().client(facts)).is_some_and(|client| client.is_proven(now_ms))
    }

    /// Lets visitors behave like browsers for as long as it takes to prove themselves: 61 seconds from `now_ms` on.
    pub(crate) fn prove(&mut self, visitors: &[RequestFacts<'_>], now_ms: u64) {
        for now_ms in [now_ms, now_ms + 61_000] {
            for visitor in visitors {
                let file = RequestFacts { path: b"/site.css", ..*visitor };
                self.visit(visitor, (200, "text/html"), now_ms);
                self.visit(&file, (200, "text/css"), now_ms);
            }
        }
    }

    fn with<R>(&mut self, facts: &RequestFacts<'_>, work: impl FnOnce(&Engine, &mut Subjects<'_>) -> R) -> R {
        let key = self.engine.key();
        let (client, address) = (key.client(facts), key.address(facts.address));
        let network = key.network(facts.address);
        let named = [facts.session, facts.other_session].map(|session| key.session(session));
        let known = |key: u64| self.sessions.get(&key).cloned().unwrap_or_else(|| SessionState::new(key));
        let mut sessions: Vec<_> = named.into_iter().filter(|key| *key != 0).map(known).collect();
        let outcome = work(
            &self.engine,
            &mut Subjects {
                client: self.clients.entry(client).or_insert_with(|| ClientState::new(client)),
                address: self.addresses.entry(address).or_insert_with(|| AddressState::new(address)),
                network: Some(self.networks.entry(network).or_insert_with(|| NetworkState::new(network))),
                sessions: &mut sessions,
                network_key: network,
            },
        );
        self.sessions.extend(sessions.into_iter().map(|session| (session.key(), session)));
        outcome
    }
}

/// A browser's GET.
pub(crate) fn browser<'a>(address: &str, user_agent: &'a str, path: &'a str) -> RequestFacts<'a> {
    let address: IpAddr = address.parse().expect("an address");
    RequestFacts {
        address: Some(address),
        method: b"GET",
        authority: b"site.example",
        path: path.as_bytes(),
        user_agent: user_agent.as_bytes(),
        headers: Some(BrowserHeaders {
            accept: b"text/html",
            accept_language: b"en",
            accept_encoding: b"gzip",
            ..Default::default()
        }),
        ..Default::default()
    }
}

/// The same of many browsers.
pub(crate) fn browsers<'a>(address: &str, user_agents: &'a [String]) -> Vec<RequestFacts<'a>> {
    user_agents.iter().map(|agent| browser(address, agent, "/a")).collect()
}

/// A browser's attempt to sign in.
pub(crate) fn sign_in<'a>(address: &str, user_agent: &'a str) -> RequestFacts<'a> {
    RequestFacts { method: b"POST", ..browser(address, user_agent, "/login") }
}

/// A request as another site brings it along: for an image of its own page.
pub(crate) fn brought<'a>(facts: RequestFacts<'a>) -> RequestFacts<'a> {
    let headers = facts.headers.unwrap_or_default();
    let headers = BrowserHeaders {
        accept: b"image/avif,*/*;q=0.8",
        sec_fetch_site: b"cross-site",
        sec_fetch_mode: b"no-cors",
        sec_fetch_dest: b"image",
        ..headers
    };
    RequestFacts { headers: Some(headers), ..facts }
}

/// Chrome of a build that tells it from others.
pub(crate) fn chrome(build: usize) -> String {
    format!(
        "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0.{build}.0 Safari/537.36"
    )
}
