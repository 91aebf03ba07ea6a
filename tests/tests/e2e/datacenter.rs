//! Addresses of datacenters: those that ship, and lists that are fetched while it runs.

use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use reqwest::Method;
use sallyport_e2e::harness::{Gate, Plan, Site, Tap, eventually};
use sallyport_e2e::visitor::Visitor;
use serde_json::{Value, json};

/// Ships as alibaba's.
const SHIPPED: &str = "8.25.82.5";

/// A place where a provider publishes its list.
struct Publisher {
    site: Site,
    says: Says,
}

/// Status, content type and text.
type Says = Arc<Mutex<(u16, &'static str, String)>>;

impl Publisher {
    async fn start() -> Self {
        let says = Says::default();
        let router = Router::new().route("/list", get(tell)).with_state(Arc::clone(&says));
        Self { site: Site::serve(router, 0).await, says }
    }

    fn url(&self) -> String {
        format!("http://127.0.0.1:{}/list", self.site.port())
    }

    fn says(&self, status: u16, content_type: &'static str, text: &str) {
        *self.says.lock().unwrap_or_else(PoisonError::into_inner) = (status, content_type, text.to_owned());
    }
}

async fn tell(State(says): State<Says>) -> impl IntoResponse {
    let (status, content_type, text) = says.lock().unwrap_or_else(PoisonError::into_inner).clone();
    (StatusCode::from_u16(status).expect("a status"), [(header::CONTENT_TYPE, content_type)], text)
}

fn plan() -> Plan {
    let policy = json!({ "enforcement": "monitor", "consult": "never", "weights": { "datacenter_ip": 2.0 } });
    Plan::with_policy(policy).plugin("poll_interval_ms", json!(500))
}

/// Whether the origin is told that a visitor comes from a datacenter.
async fn is_datacenter(gate: &Gate, address: &str) -> bool {
    let answer = gate.get(&Visitor::chrome(address), "/about").await;
    answer.headers()["x-echo-sallyport"].to_str().expect("text").contains("\"datacenter_ip\"")
}

/// Waits until Envoy has the snapshot that a poll brought.
async fn until_datacenter(gate: &Gate, address: &str) {
    let runtime = tokio::runtime::Handle::current();
    eventually("the ranges in Envoy", || {
        match tokio::task::block_in_place(|| runtime.block_on(is_datacenter(gate, address))) {
            true => Ok(()),
            false => Err(format!("{address} is none of a datacenter")),
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_of_a_shipped_range_is_known_as_a_datacenters() {
    let gate = plan().start_with_control_plane().await;
    assert!(is_datacenter(&gate, SHIPPED).await);
    assert!(!is_datacenter(&gate, "198.51.100.1").await);
    let range = gate.control().get(&format!("/v1/ranges?ip={SHIPPED}"));
    assert_eq!(
        (&range["provider"], &range["is_datacenter_ip"]),
        (&json!("alibaba"), &json!(true)),
        "{range}"
    );
    let reputation = gate.control().get(&format!("/reputation/{SHIPPED}"));
    assert_eq!(reputation["is_datacenter_ip"], true, "{reputation}");
}

/// Asks for an update; what came of the source.
async fn update(gate: &Gate) -> Value {
    let wanted = json!({ "only": ["harbour-cloud"] });
    let control = gate.control();
    let (status, told) = control.send(&gate.client, Method::POST, "/v1/ranges/update", &wanted).await;
    assert_eq!(status, 200, "{told}");
    told["sources"][0].clone()
}

async fn published(publisher: &Publisher) -> (Gate, Tap) {
    let source = json!({ "name": "harbour-cloud", "url": publisher.url(), "kind": "cloud" });
    let plan = plan().section("ranges", json!({ "bundled": false, "sources": [source] }));
    plan.section("fetch", json!({ "allow_private": ["127.0.0.1"] })).start_with_tap().await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_update_reaches_envoy_within_two_polls_and_a_bad_one_changes_nothing() {
    let publisher = Publisher::start().await;
    let (gate, tap) = published(&publisher).await;
    assert!(!is_datacenter(&gate, "203.0.113.9").await);

    let ranges = "203.0.113.0/26\n203.0.113.64/26\n203.0.113.128/26\n203.0.113.192/26\n2001:db8:c::/48\n";
    publisher.says(200, "text/plain", ranges);
    let polls = tap
        .polls_until_snapshot(async {
            let told = update(&gate).await;
            assert_eq!((&told["outcome"], &told["ranges"]), (&json!("fetched"), &json!(5)), "{told}");
        })
        .await;
    assert!(polls <= 2, "{polls} polls until the ranges arrived");
    until_datacenter(&gate, "203.0.113.9").await;

    let version = gate.control().get("/ready")["snapshot_version"].clone();
    for (status, content_type, text) in [
        (200, "text/html", "<!doctype html><html><body>Please sign in</body></html>"),
        (200, "text/plain", "203.0.113.0/26\n198.51.100.0/24\n"),
        (200, "text/plain", ""),
        (500, "text/plain", ranges),
    ] {
        publisher.says(status, content_type, text);
        let told = update(&gate).await;
        assert_eq!((&told["outcome"], &told["ranges"]), (&json!("failed"), &json!(5)), "{text}: {told}");
        assert!(told["error"].as_str().is_some_and(|error| !error.is_empty()), "{told}");
    }
    assert_eq!(gate.control().get("/ready")["snapshot_version"], version);
    assert!(is_datacenter(&gate, "203.0.113.200").await);
    assert!(!is_datacenter(&gate, "198.51.100.1").await);

    publisher.says(200, "text/plain", &format!("{ranges}198.51.100.0/24\n"));
    gate.control().command(&["ranges", "update", "--only", "harbour-cloud"]);
    until_datacenter(&gate, "198.51.100.1").await;
    assert_eq!(gate.reloads(), 0);
}
