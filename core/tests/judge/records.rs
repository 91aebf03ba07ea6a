//! The records of one request's subjects, as a door keeps them.

use sallyport_core::{
    AddressState, Answer, Answered, ClientState, Decision, Engine, Marks, NetworkState, RequestFacts,
    SessionState, Subjects, Watch,
};

/// A client, its address and network, and the session that it names.
#[derive(Clone, Debug)]
pub(crate) struct Records {
    pub(crate) client: ClientState,
    pub(crate) address: AddressState,
    pub(crate) network: NetworkState,
    pub(crate) sessions: Vec<SessionState>,
}

impl Records {
    /// Of a request never seen before.
    pub(crate) fn of(engine: &Engine, facts: &RequestFacts<'_>) -> Self {
        let key = engine.key();
        let sessions = [facts.session, facts.other_session].map(|session| key.session(session));
        Self {
            client: ClientState::new(key.client(facts)),
            address: AddressState::new(key.address(facts.address)),
            network: NetworkState::new(key.network(facts.address)),
            sessions: sessions.into_iter().filter(|key| *key != 0).map(SessionState::new).collect(),
        }
    }

    /// The same with its sessions issued by the site.
    pub(crate) fn issued(mut self, now_ms: u64) -> Self {
        self.sessions.iter_mut().for_each(|session| session.issue(now_ms));
        self
    }

    /// Lent to the judge.
    pub(crate) fn lend(&mut self) -> Subjects<'_> {
        Subjects {
            network_key: self.network.key(),
            client: &mut self.client,
            address: &mut self.address,
            network: Some(&mut self.network),
            sessions: &mut self.sessions,
        }
    }

    pub(crate) fn judge(
        &mut self,
        engine: &Engine,
        facts: &RequestFacts<'_>,
        marks: Marks,
        now_ms: u64,
    ) -> Decision {
        engine.decide(&engine.ask(facts), &mut self.lend(), (marks, false), now_ms)
    }

    pub(crate) fn answer(
        &mut self,
        engine: &Engine,
        watch: Watch,
        answer: Answer<'_>,
        now_ms: u64,
    ) -> Answered {
        engine.answered(watch, answer, &mut self.lend(), now_ms)
    }
}
