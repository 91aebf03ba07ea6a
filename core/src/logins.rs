//! Login attempts that are told of rather than watched: by who asks about one before it goes on, and by applications
//! that no filter stands before.

use crate::address::AddressState;
use crate::client::ClientState;
use crate::engine::{Engine, LoginOutcome};

impl Engine {
    /// Counts how a login attempt ended in both records, at Unix milliseconds `now_ms`.
    pub fn login_ended(
        &self,
        outcome: LoginOutcome,
        client: &mut ClientState,
        address: &mut AddressState,
        now_ms: u64,
    ) {
        client.pass_time(now_ms);
        address.pass_time(now_ms);
        client.attempts += 1.0;
        address.attempts += 1.0;
        if outcome == LoginOutcome::Failed {
            client.failures += 1.0;
            address.failures += 1.0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::RequestFacts;
    use crate::{HashKey, Model, Policy, PolicyConfig, Ranges};

    fn engine(config: &str) -> Engine {
        let config: PolicyConfig = serde_json::from_str(config).expect("a policy");
        let policy = Policy::compile(config).expect("valid");
        let model = Model::built_in().expect("built-in model");
        Engine::new(policy, model, Ranges::default(), HashKey::from_bytes([1; 16]), 1)
    }

    #[test]
    fn an_attempt_is_what_the_judge_takes_for_one() {
        let config = r#"{
            "login": { "routes": [{ "path": "/enter", "method": "PUT" }] },
            "routes": [{ "prefix": "/open", "class": "ignore" }, { "prefix": "/sso", "class": "login" }]
        }"#;
        let engine = engine(config);
        for (method, path, expected) in [
            ("POST", "/login", true),
            ("POST", "/a/%6cogin", true),
            ("GET", "/login", false),
            ("POST", "/about", false),
            ("PUT", "/enter", true),
            ("POST", "/enter", false),
            ("POST", "/sso", true),
            ("POST", "/open/login", false),
        ] {
            let facts = RequestFacts {
                method: method.as_bytes(),
                path: path.as_bytes(),
                user_agent: b"Firefox",
                ..RequestFacts::default()
            };
            assert_eq!(engine.is_login_attempt(&facts), expected, "{method} {path}");
            let (mut client, mut address) = (ClientState::new(1), AddressState::new(2));
            let marks = crate::Marks::default();
            let decision = engine.decide(&facts, &mut client, &mut address, marks, 1_000);
            let watched = decision.watch.is_some_and(|watch| watch.is_login_attempt());
            assert_eq!(watched, expected, "{method} {path}");
        }
    }

    #[test]
    fn an_outcome_counts_in_both_records() {
        let engine = engine("{}");
        let (mut client, mut address) = (ClientState::new(1), AddressState::new(2));
        for outcome in [LoginOutcome::Failed, LoginOutcome::Passed, LoginOutcome::Failed] {
            engine.login_ended(outcome, &mut client, &mut address, 1_000);
        }
        assert_eq!((client.attempts, client.failures), (3.0, 2.0));
        assert_eq!((address.attempts, address.failures), (3.0, 2.0));
        assert_eq!((client.last_seen_ms(), address.last_seen_ms()), (1_000, 1_000));
    }
}
