//! A reputation provider: asked about who is in doubt only, told in the reasons, and missed by nobody when it is gone.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use axum::extract::{Query, State};
use axum::http::HeaderMap;
use axum::routing::get;
use axum::{Json, Router};
use sallyport_e2e::harness::{Gate, Plan, Site};
use sallyport_e2e::visitor::{CHROME, Visitor};
use serde::Deserialize;
use serde_json::{Value, json};

/// What the provider takes for abusive.
pub(crate) const ABUSIVE: &str = "81.2.69.142";

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Question {
    ip_address: String,
    max_age_in_days: u16,
}

/// A server that speaks AbuseIPDB's format, and how often it was asked.
pub(crate) async fn abuseipdb() -> (Site, Arc<AtomicU32>) {
    let asked = Arc::new(AtomicU32::new(0));
    let router = Router::new().route("/api/v2/check", get(check)).with_state(Arc::clone(&asked));
    (Site::serve(router, 0).await, asked)
}

async fn check(
    State(asked): State<Arc<AtomicU32>>,
    headers: HeaderMap,
    Query(question): Query<Question>,
) -> Json<Value> {
    assert!(headers["key"] == "a-key" && question.max_age_in_days == 30);
    asked.fetch_add(1, Ordering::Relaxed);
    let confidence = if question.ip_address == ABUSIVE { 100 } else { 0 };
    Json(json!({ "data": {
        "ipAddress": question.ip_address, "isPublic": true, "ipVersion": 4, "isWhitelisted": false,
        "abuseConfidenceScore": confidence, "countryCode": "GB", "usageType": "Fixed Line ISP",
        "isp": "Example", "domain": "example.com", "hostnames": [], "isTor": false,
        "totalReports": confidence, "numDistinctUsers": confidence / 10, "lastReportedAt": null,
    }}))
}

/// The control plane that asks it; waits for its answers, so that the first request knows.
pub(crate) fn plan(provider: &Site) -> Plan {
    let policy = json!({ "enforcement": "monitor", "consult": "uncertain" });
    let url = format!("http://127.0.0.1:{}/api/v2/check", provider.port());
    let reputation = json!({ "providers": ["abuseipdb"], "abuseipdb": { "url": url }, "wait_ms": 5000 });
    Plan::with_policy(policy)
        .plugin("consult_deadline_ms", json!(8000))
        .section("reputation", reputation)
        .section("secrets", json!({ "abuseipdb_key": "a-key" }))
        .section("fetch", json!({ "allow_private": ["127.0.0.1"] }))
        .section("ranges", json!({ "bundled": false }))
}

/// What the origin is told of somebody in doubt: a browser's name, but not its headers.
pub(crate) async fn doubtful(gate: &Gate, address: &str) -> String {
    let request = gate.client.get(gate.url("/about")).header("x-forwarded-for", address);
    let request = request.header("user-agent", CHROME).header("accept", "text/html");
    let answer = request.header("accept-encoding", "gzip").send().await.expect("an answer");
    assert_eq!(answer.status(), 200);
    answer.headers()["x-echo-sallyport"].to_str().expect("text").to_owned()
}

fn score(told: &str) -> u32 {
    let digits = told.split("score=").nth(1).and_then(|rest| rest.split(',').next());
    digits.and_then(|digits| digits.parse().ok()).unwrap_or_else(|| panic!("no score in {told}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_word_of_a_provider_makes_doubts_worse_and_says_so() {
    let (provider, asked) = abuseipdb().await;
    let gate = plan(&provider).start_with_control_plane().await;
    let person = Visitor::chrome("81.2.71.1");
    assert_eq!(gate.status(&person, "/about").await, 200);
    assert_eq!(asked.load(Ordering::Relaxed), 0, "asked about somebody who is not in doubt");

    let clean = doubtful(&gate, "81.2.70.1").await;
    let abusive = doubtful(&gate, ABUSIVE).await;
    assert!(
        abusive.contains("\"ip_reputation\"") && !clean.contains("\"ip_reputation\""),
        "{abusive}; {clean}"
    );
    assert!(score(&abusive) >= score(&clean) + 5, "{abusive}; {clean}");
    doubtful(&gate, ABUSIVE).await;
    assert_eq!(asked.load(Ordering::Relaxed), 2, "an answer was not kept");

    let known = gate.control().get(&format!("/reputation/{ABUSIVE}"));
    let word = &known["provider"];
    assert_eq!((&word["source"], &word["fraud_score"]), (&json!("abuseipdb"), &json!(100.0)), "{known}");
    assert_eq!((&word["recent_abuse"], &word["is_proxy"]), (&json!(true), &json!(false)), "{known}");
    let query = format!("check=ip_reputation&ip={ABUSIVE}");
    let event = gate.control().event(&query, |_| true).await;
    assert_eq!(event["enforced"], false, "{event}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_that_is_gone_costs_nobody_anything() {
    let (provider, asked) = abuseipdb().await;
    let gate = plan(&provider).start_with_control_plane().await;
    drop(provider);
    let told = doubtful(&gate, ABUSIVE).await;
    assert!(!told.contains("ip_reputation"), "{told}");
    assert_eq!(asked.load(Ordering::Relaxed), 0);
    let known = gate.control().get(&format!("/reputation/{ABUSIVE}"));
    assert_eq!(known["provider"], Value::Null, "{known}");
    let control = gate.control().get("/v1/reputation");
    assert!(control["providers"][0]["last_error"].is_string(), "{control}");
    assert_eq!(gate.control().get("/ready")["status"], "ready");
    gate.envoy.wait_for_stat("wasmcustom.sallyport_consults_answered", |count| count > 0);
}
