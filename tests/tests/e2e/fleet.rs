//! Two control planes and two Envoys on one Redis: what one of them learns counts at the other, and one may die.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use reqwest::Method;
use sallyport_e2e::harness::{Fleet, Gate, Site, eventually};
use sallyport_e2e::visitor::Visitor;
use serde_json::{Value, json};

use crate::reputation::{ABUSIVE, abuseipdb, doubtful, plan};

const BURST: u32 = 24;
const PAGE: &str = "/articles/1";
const API: &str = "/api/items";
const EXCHANGES: &str = "wasmcustom.sallyport_exchange_sent";

/// The fleet and a provider that both control planes ask.
struct Stage {
    fleet: Fleet,
    asked: Arc<AtomicU32>,
    _provider: Site,
}

impl Stage {
    /// Doubts refuse nobody, but ask the provider.
    async fn set() -> Self {
        let (provider, asked) = abuseipdb().await;
        let mut plan = plan(&provider).plugin("session_cookie", json!("sid"));
        plan.plugin["policy"] = json!({
            "enforcement": "enforce", "consult": "never", "routes": [{ "prefix": "/about", "consult": "uncertain" }],
            "trap_paths": ["/trap/*"], "weights": { "trap_path": 0.0 },
            "rate_limit": { "api": { "per_second": 0.01, "burst": BURST } },
        });
        plan = plan.indifferent();
        plan.plugin["policy"]["thresholds"]["monitor"] = json!(50);
        Self { fleet: Fleet::start(&plan).await, asked, _provider: provider }
    }

    fn gates(&self) -> (&Gate, &Gate) {
        (&self.fleet.gates[0], &self.fleet.gates[1])
    }

    fn asked(&self) -> u32 {
        self.asked.load(Ordering::Relaxed)
    }
}

/// Waits until what a filter has to tell was told, and answered: of three exchanges that begin, two have ended.
fn exchanged(gate: &Gate) {
    let before = gate.envoy.stat(EXCHANGES);
    gate.envoy.wait_for_stat(EXCHANGES, |sent| sent >= before + 3);
}

async fn in_session(gate: &Gate, address: &str, path: &str, session: &str) -> u16 {
    let request = Visitor::chrome(address).get(&gate.client, &gate.url(path));
    let answer = request.header("cookie", format!("sid={session}")).send().await.expect("an answer");
    answer.status().as_u16()
}

async fn until_status(gate: &Gate, address: &str, session: &str, wanted: u16) {
    let runtime = tokio::runtime::Handle::current();
    eventually("another answer", || {
        let visit = in_session(gate, address, PAGE, session);
        let status = tokio::task::block_in_place(|| runtime.block_on(visit));
        if status == wanted { Ok(()) } else { Err(format!("{address}: {status}, not {wanted}")) }
    })
    .await;
}

async fn deny(gate: &Gate, address: &str) {
    let entry = json!({ "action": "deny", "value": address });
    let (status, told) = gate.control().send(&gate.client, Method::POST, "/v1/lists", &entry).await;
    assert_eq!(status, 201, "{told}");
}

/// Who spent a burst at one is limited at the other after a third of one.
async fn limits_are_shared(one: &Gate, other: &Gate) {
    let visitor = Visitor::chrome("198.51.100.20");
    for number in 1..=BURST {
        assert_eq!(one.status(&visitor, API).await, 200, "request {number}");
    }
    assert_eq!(one.status(&visitor, API).await, 429);
    exchanged(one);
    for number in 1..=BURST / 3 {
        assert_eq!(other.status(&visitor, API).await, 200, "request {number} before they have settled");
    }
    exchanged(other);
    assert_eq!(other.status(&visitor, API).await, 429, "a burst of its own at each Envoy");
}

async fn sessions_are_shared(one: &Gate, other: &Gate) {
    for session in ["thief", "curious", "honest"] {
        one.issue(session).await;
    }
    for path in [PAGE, "/trap/1", "/trap/2", "/trap/3"] {
        in_session(one, "198.51.100.30", path, "thief").await;
    }
    until_status(other, "203.0.113.30", "thief", 403).await;
    let event = other.control().event("check=suspicious_session&ip=203.0.113.30", |_| true).await;
    assert_eq!(event["action"], "CHALLENGE", "{event}");
    assert_eq!(in_session(other, "203.0.113.30", PAGE, "honest").await, 200);

    for path in [PAGE, "/trap/1", "/trap/2", "/trap/3"] {
        in_session(one, "198.51.100.31", path, "curious").await;
    }
    until_status(other, "198.51.100.31", "curious", 403).await;
    let path = "/v1/sessions/curious";
    let (status, told) = other.control().send(&other.client, Method::DELETE, path, &Value::Null).await;
    assert_eq!((status, &told["forgiven"]), (200, &json!(true)), "{told}");
    for gate in [one, other] {
        until_status(gate, "198.51.100.31", "curious", 200).await;
    }
}

/// A session that one saw issued counts at the other, where alone it misbehaves.
async fn issued_sessions_are_told(one: &Gate, other: &Gate) {
    one.issue("traveller").await;
    let runtime = tokio::runtime::Handle::current();
    eventually("a session that counts", || {
        let visit = |path| in_session(other, "198.51.100.32", path, "traveller");
        let misbehave = async {
            visit("/trap/1").await;
            visit(PAGE).await
        };
        let status = tokio::task::block_in_place(|| runtime.block_on(misbehave));
        if status == 403 { Ok(()) } else { Err(format!("{status}, not 403")) }
    })
    .await;
    for path in ["/trap/1", "/trap/2", "/trap/3", PAGE] {
        let status = in_session(other, "198.51.100.33", path, "made-up").await;
        assert_ne!(status, 403, "{path}: nobody issued it");
    }
}

async fn lists_are_shared(one: &Gate, other: &Gate) {
    deny(one, "198.51.100.40").await;
    for gate in [one, other] {
        until_status(gate, "198.51.100.40", "", 403).await;
    }
    assert_eq!(other.control().get("/v1/lists")["entries"][0]["value"], "198.51.100.40");
}

#[tokio::test(flavor = "multi_thread")]
async fn replicas_share_what_they_know_and_outlive_one_another() {
    let mut stage = Stage::set().await;
    let (one, other) = stage.gates();
    limits_are_shared(one, other).await;
    sessions_are_shared(one, other).await;
    issued_sessions_are_told(one, other).await;
    lists_are_shared(one, other).await;
    for gate in [one, other] {
        let told = doubtful(gate, ABUSIVE).await;
        assert!(told.contains("\"ip_reputation\""), "{told}");
    }
    assert_eq!(stage.asked(), 1, "each replica asked the provider");

    stage.fleet.gates[0].control.as_mut().expect("a control plane").end_at_once();
    let (one, other) = stage.gates();
    // Its Envoy goes on with what it has.
    assert_eq!(one.status(&Visitor::chrome("198.51.100.40"), PAGE).await, 403);
    assert_eq!(one.status(&Visitor::chrome("198.51.100.41"), PAGE).await, 200);
    // The other one goes on with all of it.
    assert_eq!(other.status(&Visitor::chrome("198.51.100.20"), API).await, 429);
    assert_eq!(in_session(other, "203.0.113.31", PAGE, "thief").await, 403);
    let known = other.control().get(&format!("/reputation/{ABUSIVE}"));
    assert_eq!(known["provider"]["fraud_score"], 100.0, "{known}");
    deny(other, "198.51.100.42").await;
    until_status(other, "198.51.100.42", "", 403).await;
    doubtful(other, "81.2.70.1").await;
    assert_eq!((other.control().get("/ready")["status"].clone(), stage.asked()), (json!("ready"), 2));

    stage.fleet.gates[0].control.as_mut().expect("a control plane").start_again();
    let (one, _) = stage.gates();
    until_status(one, "198.51.100.42", "", 403).await;
    let thief = one.control().get("/v1/sessions/thief");
    assert_eq!(thief["challenged"], true, "{thief}");
    let known = one.control().get("/reputation/81.2.70.1");
    assert_eq!((&known["provider"]["source"], stage.asked()), (&json!("abuseipdb"), 2), "{known}");
    for gate in &stage.fleet.gates {
        assert_eq!(gate.reloads(), 0);
    }
}

/// The version of each control plane's snapshot.
fn versions(stage: &Stage) -> [Value; 2] {
    [0, 1].map(|at: usize| stage.fleet.gates[at].control().get("/ready")["snapshot_version"].clone())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_snapshot_has_the_same_number_at_both() {
    let stage = Stage::set().await;
    deny(stage.gates().1, "198.51.100.40").await;
    until_status(stage.gates().0, "198.51.100.40", "", 403).await;
    eventually("one number", || {
        let [one, other] = versions(&stage);
        if one == other { Ok(()) } else { Err(format!("{one} and {other}")) }
    })
    .await;
}
