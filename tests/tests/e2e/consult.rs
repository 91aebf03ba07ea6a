//! The second opinion: when it is asked for, what it changes, and what happens when it does not come.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use axum::routing::{get, post};
use axum::{Json, Router};
use sallyport_e2e::harness::{Gate, Plan, Site};
use sallyport_e2e::visitor::{CHROME, Visitor};
use serde_json::{Value, json};

/// A control plane that knows no snapshot and gives every consult this score after this time.
async fn oracle(score: f32, action: &'static str, delay: Duration) -> (Site, Arc<AtomicU32>) {
    let asked = Arc::new(AtomicU32::new(0));
    let counter = Arc::clone(&asked);
    let check = move |Json(question): Json<Value>| async move {
        counter.fetch_add(1, Ordering::Relaxed);
        assert_eq!(question["features"].as_array().map(Vec::len), Some(7), "{question}");
        tokio::time::sleep(delay).await;
        Json(json!({
            "action": action, "score": score, "ml_probability": 0.5, "request_id": question["request_id"],
            "reasons": [{ "check": "ip_reputation", "points": 20.0 }],
        }))
    };
    let missing = || async { axum::http::StatusCode::NOT_FOUND };
    let router = Router::new().route("/check", post(check)).route("/v1/snapshot", get(missing));
    (Site::serve(router, 0).await, asked)
}

async fn gate(control: &Site, policy: Value) -> Gate {
    let plan = Plan::with_policy(policy).plugin("consult_deadline_ms", json!(200));
    plan.start_with_control_plane_at(control.port(), "sp_filter_test").await
}

/// Someone whose score lies between the thresholds: a browser's name, no language.
async fn uncertain(gate: &Gate, address: &str) -> reqwest::Response {
    let request = gate.client.get(gate.url("/about")).header("x-forwarded-for", address);
    let request = request.header("user-agent", CHROME).header("accept", "text/html");
    request.header("accept-encoding", "gzip").send().await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_uncertain_client_costs_one_question() {
    let (control, asked) = oracle(97.0, "BLOCK", Duration::ZERO).await;
    let gate = gate(&control, json!({ "enforcement": "enforce", "consult": "uncertain" })).await;
    let certain =
        Visitor::chrome("198.51.100.1").get(&gate.client, &gate.url("/about")).send().await.unwrap();
    assert_eq!((certain.status().as_u16(), asked.load(Ordering::Relaxed)), (200, 0));
    for _ in 0..4 {
        assert_eq!(uncertain(&gate, "198.51.100.2").await.status(), 403);
    }
    assert_eq!(asked.load(Ordering::Relaxed), 1, "the verdict was not kept");
    gate.envoy.wait_for_stat("wasmcustom.sallyport_consults_answered", |count| count == 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn never_asks_nobody_and_always_asks_about_everybody() {
    let (control, asked) = oracle(3.0, "ALLOW", Duration::ZERO).await;
    let never = gate(&control, json!({ "enforcement": "enforce", "consult": "never" })).await;
    assert_eq!(uncertain(&never, "198.51.100.1").await.status(), 200);
    assert_eq!(asked.load(Ordering::Relaxed), 0);
    let always = gate(&control, json!({ "enforcement": "enforce", "consult": "always" })).await;
    for _ in 0..3 {
        let person = Visitor::chrome("198.51.100.2").get(&always.client, &always.url("/about"));
        assert_eq!(person.send().await.unwrap().status(), 200);
    }
    assert_eq!(asked.load(Ordering::Relaxed), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_control_plane_holds_nobody_longer_than_the_deadline() {
    let (control, _) = oracle(97.0, "BLOCK", Duration::from_secs(30)).await;
    let gate = gate(
        &control,
        json!({
            "enforcement": "enforce", "consult": "uncertain",
            "routes": [{ "prefix": "/closed", "fail_mode": "closed" }],
        }),
    )
    .await;
    let start = Instant::now();
    assert_eq!(uncertain(&gate, "198.51.100.3").await.status(), 200, "fails open");
    let took = start.elapsed();
    assert!(took >= Duration::from_millis(150) && took < Duration::from_secs(5), "{took:?}");

    let request = gate.client.get(gate.url("/closed")).header("x-forwarded-for", "198.51.100.4");
    let request =
        request.header("user-agent", CHROME).header("accept", "text/html").header("accept-encoding", "gzip");
    assert_eq!(request.send().await.unwrap().status(), 503, "fails closed");
    gate.envoy.wait_for_stat("wasmcustom.sallyport_consults_fail_open", |count| count == 1);
    gate.envoy.wait_for_stat("wasmcustom.sallyport_consults_fail_closed", |count| count == 1);
    assert_eq!(gate.reloads(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_absent_control_plane_costs_nobody_the_site() {
    let plan = Plan::with_policy(json!({ "enforcement": "enforce", "consult": "always" }));
    let port = sallyport_e2e::harness::unused_port();
    let gate = plan.start_with_control_plane_at(port, "sp_filter_test").await;
    for number in 0..5 {
        let visitor = Visitor::chrome(&format!("198.51.100.{number}"));
        assert_eq!(visitor.get(&gate.client, &gate.url("/about")).send().await.unwrap().status(), 200);
    }
    let tool = Visitor::tool("203.0.113.7", "python-requests/2.28.0");
    assert_eq!(tool.get(&gate.client, &gate.url("/about")).send().await.unwrap().status(), 403);
    assert_eq!(gate.reloads(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_real_control_plane_answers_a_consult() {
    let plan = Plan::with_policy(json!({ "enforcement": "enforce", "consult": "always" }));
    let gate = plan.plugin("consult_deadline_ms", json!(5000)).start_with_control_plane().await;
    let count = |what: &str| gate.envoy.stat(&format!("wasmcustom.sallyport_consults_{what}"));
    let lost = || count("late") + count("failed");
    // Consults of the time when all was starting may have come to nothing.
    gate.envoy.wait_for_stat("wasmcustom.sallyport_consults_sent", |sent| sent == count("answered") + lost());
    let (answered_before, lost_before) = (count("answered"), lost());
    let person = Visitor::chrome("198.51.100.5").get(&gate.client, &gate.url("/about"));
    assert_eq!(person.send().await.unwrap().status(), 200);
    assert_eq!(uncertain(&gate, "198.51.100.6").await.status(), 200);
    gate.envoy
        .wait_for_stat("wasmcustom.sallyport_consults_answered", |answered| answered >= answered_before + 2);
    assert_eq!(lost(), lost_before);
}
