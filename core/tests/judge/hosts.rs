//! Limits that differ by host: the cell is the same, only the limit that is looked at differs.

use sallyport_core::policy::LimitRule;
use sallyport_core::{Answer, BrowserHeaders, Decision, Engine, Marks, RequestFacts};

use crate::door;
use crate::records::Records;

const NOW: u64 = 1_795_000_000_000;
const CHROME: &[u8] = b"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0.0.0 Safari/537.36";
const SHOP: &[u8] = b"shop.example";
const FORUM: &[u8] = b"Forum.Example:8443";

fn engine(rate_limit: &str) -> Engine {
    let policy = format!(
        r#"{{ "enforcement": "enforce", "thresholds": {{ "monitor": 99, "challenge": 99.9, "block": 100 }},
            "rate_limit": {rate_limit} }}"#
    );
    door::engine(&policy)
}

fn facts(authority: &'static [u8], method: &'static str, path: &'static str) -> RequestFacts<'static> {
    RequestFacts {
        authority,
        method: method.as_bytes(),
        path: path.as_bytes(),
        user_agent: CHROME,
        headers: Some(BrowserHeaders::default()),
        ..RequestFacts::default()
    }
}

/// One client.
struct Visitor {
    engine: Engine,
    records: Records,
    now_ms: u64,
}

impl Visitor {
    fn new(rate_limit: &str) -> Self {
        let engine = engine(rate_limit);
        let records = Records::of(&engine, &facts(SHOP, "GET", "/"));
        Self { engine, records, now_ms: NOW }
    }

    fn asks(&mut self, authority: &'static [u8], method: &'static str, path: &'static str) -> Decision {
        self.records.judge(&self.engine, &facts(authority, method, path), Marks::default(), self.now_ms)
    }

    /// How many of so many pages at once pass.
    fn passing(&mut self, authority: &'static [u8], pages: usize) -> usize {
        (0..pages).filter(|_| self.asks(authority, "GET", "/").limit.is_none()).count()
    }

    /// Signs in, and hears this status; whether it was let through.
    fn signs_in(&mut self, authority: &'static [u8], status: u16) -> bool {
        let decision = self.asks(authority, "POST", "/login");
        if let (None, Some(watch)) = (decision.limit, decision.watch) {
            let answer = Answer { path: b"/login", status, ..Answer::default() };
            self.records.answer(&self.engine, watch, answer, self.now_ms);
        }
        decision.limit.is_none()
    }
}

/// A page a second and four at once, twenty at the forum.
const PAGES: &str = r#"{ "client": { "per_second": 1, "burst": 4 },
    "hosts": [{ "host": "forum.example", "client": { "per_second": 1, "burst": 20 } }] }"#;

#[test]
fn each_host_has_its_limit_and_all_spend_from_one_cell() {
    let mut visitor = Visitor::new(PAGES);
    assert_eq!((visitor.passing(SHOP, 9), visitor.passing(FORUM, 30)), (4, 16));
    let over = visitor.asks(SHOP, "GET", "/");
    assert_eq!(over.limit.map(|over| over.rule), Some(LimitRule::Client));
    assert_eq!(over.retry_after_s, Some(17), "what was read in the forum is owed in the shop");
    visitor.now_ms += 17_000;
    assert_eq!((visitor.passing(SHOP, 9), visitor.passing(FORUM, 30)), (1, 16));
}

#[test]
fn what_others_let_through_is_owed_whole_at_each_host() {
    for (authority, wait_s) in [(SHOP, 57), (FORUM, 41)] {
        let mut visitor = Visitor::new(PAGES);
        visitor.passing(SHOP, 1);
        let widest = visitor.engine.policy().widest_limit(LimitRule::Client).expect("a limit");
        visitor.records.client.settle(LimitRule::Client, widest, 60_000_000, NOW);
        for other in [SHOP, FORUM, SHOP] {
            assert_eq!(visitor.passing(other, 1), 0);
        }
        assert_eq!(visitor.asks(authority, "GET", "/").retry_after_s, Some(wait_s));
    }
}

#[test]
fn what_a_host_took_is_told_by_its_own_limit() {
    let mut visitor = Visitor::new(
        r#"{ "client": { "per_second": 1, "burst": 9 },
            "hosts": [{ "host": "forum.example", "client": { "per_second": 4, "burst": 9 } }] }"#,
    );
    let mut told = |authority, pages| -> Vec<_> {
        let mut charges = |_| visitor.asks(authority, "GET", "/").charges.iter().next();
        (0..pages)
            .map(|_| charges(()))
            .map(|charge| charge.map(|charge| (charge.cost_us, charge.least_us)))
            .collect()
    };
    assert_eq!(told(FORUM, 4), [None, None, Some((250_000, 250_000)), Some((250_000, 250_000))]);
    assert_eq!(told(SHOP, 2), [None, Some((1_000_000, 1_000_000))]);
}

#[test]
fn a_sign_in_is_given_back_or_kept_by_the_limit_of_its_host() {
    let limits = r#"{ "login": { "per_second": 0.1, "burst": 3 },
        "hosts": [{ "host": "*.example", "login": { "per_second": 0.01, "burst": 3 } }] }"#;
    let mut visitor = Visitor::new(limits);
    assert!((0..50).all(|_| visitor.signs_in(SHOP, 303)), "right passwords spend nothing");
    let failed = (0..9).filter(|_| visitor.signs_in(SHOP, 401)).count();
    assert_eq!(failed, 3);
    visitor.now_ms += 99_000;
    assert!(!visitor.signs_in(SHOP, 401), "one each 100 s");
    visitor.now_ms += 1_000;
    assert!(visitor.signs_in(SHOP, 303));
}

#[test]
fn an_answer_that_comes_under_another_policy_is_counted_all_the_same() {
    let mut visitor = Visitor::new(
        r#"{ "hosts": [{ "host": "shop.example", "login": { "per_second": 1, "burst": 3 } }] }"#,
    );
    let watch = visitor.asks(SHOP, "POST", "/login").watch.expect("an attempt");
    visitor.engine = engine(r#"{ "login": { "per_second": 0.1, "burst": 3 } }"#);
    let answer = Answer { path: b"/login", status: 401, ..Answer::default() };
    let answered = visitor.records.answer(&visitor.engine, watch, answer, NOW);
    assert!(answered.login.is_some());
}
