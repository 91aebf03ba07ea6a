//! A rate limit for each route class and for sessions: refused, explained, and in shadow only told.

use reqwest::{Method, Response};
use sallyport_e2e::harness::{Gate, Plan};
use sallyport_e2e::visitor::Visitor;
use serde_json::{Value, json};

/// So slow that nothing comes back while a scenario runs.
fn limit(burst: u32, mode: &str) -> Value {
    json!({ "per_second": 0.01, "burst": burst, "mode": mode })
}

fn plan(rate_limit: &Value) -> Plan {
    let policy = json!({ "enforcement": "enforce", "consult": "never", "rate_limit": rate_limit });
    Plan::with_policy(policy).indifferent()
}

/// A 429 that names this limit and says when to come back.
fn assert_limited(answer: &Response, rule: &str, burst: u32) {
    assert_eq!(answer.status(), 429, "{rule}");
    let header = |name: &str| answer.headers()[name].to_str().expect("text");
    let wait: u32 = header("retry-after").parse().expect("seconds");
    assert!((1..=100).contains(&wait), "{rule}: {wait} s until one comes back");
    assert_eq!(header("ratelimit"), format!("\"{rule}\";r=0;t={wait}"));
    assert_eq!(header("ratelimit-policy"), format!("\"{rule}\";q={burst};w={}", burst * 100));
    assert_eq!(header("cache-control"), "no-store");
}

async fn send(gate: &Gate, method: &Method, path: &str, visitor: &Visitor) -> Response {
    if *method == Method::POST {
        // Only what fails is charged.
        let sign_in = visitor.sign_in(&gate.client, &gate.url(path), "ada", "wrong");
        return sign_in.send().await.expect("an answer");
    }
    visitor.request(&gate.client, method.clone(), &gate.url(path)).send().await.expect("an answer")
}

#[tokio::test(flavor = "multi_thread")]
async fn each_route_class_has_a_limit_of_its_own_that_explains_itself() {
    let limits = json!({
        "page": limit(5, "enforce"), "api": limit(4, "enforce"), "login": limit(3, "enforce"),
    });
    let gate = plan(&limits).start_with_control_plane().await;
    let classes = [
        ("page", 5, Method::GET, "/about", "198.51.100.1"),
        ("api", 4, Method::GET, "/api/items", "198.51.100.2"),
        ("login", 3, Method::POST, "/login", "198.51.100.3"),
    ];
    for (rule, burst, method, path, address) in &classes {
        let visitor = Visitor::chrome(address);
        for number in 1..=*burst {
            let answer = send(&gate, method, path, &visitor).await;
            assert!(answer.status() != 429, "{rule}: limited at request {number} of {burst}");
        }
        assert_limited(&send(&gate, method, path, &visitor).await, rule, *burst);
        let asset = send(&gate, &Method::GET, "/assets/site.css", &visitor).await;
        assert_eq!(asset.status(), 200, "{rule}: another class goes on");
    }
    for (rule, .., path, address) in &classes {
        let query = format!("check=rate_limit&ip={address}");
        let event = gate.control().event(&query, |event| event["action"] == "RATE_LIMIT").await;
        assert_eq!(event["limit"], json!({ "rule": rule, "shadow": false }), "{event}");
        assert_eq!((&event["path"], &event["enforced"]), (&json!(path), &json!(true)), "{event}");
    }
    assert_eq!(gate.envoy.stat("wasmcustom.sallyport_decisions_rate_limit"), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_limit_in_shadow_refuses_nobody_and_tells_whom_it_would() {
    let limits = json!({ "page": limit(5, "shadow") });
    let gate = plan(&limits).start_with_control_plane().await;
    let visitor = Visitor::chrome("198.51.100.1");
    for number in 0..8 {
        let answer = gate.get(&visitor, "/about").await;
        assert_eq!(answer.status(), 200, "request {number}");
        assert!(!answer.headers().contains_key("ratelimit"));
    }
    gate.envoy.wait_for_stat("wasmcustom.sallyport_rate_limit_shadow", |count| count == 3);
    let event = gate.control().event("check=rate_limit", |_| true).await;
    assert_eq!(event["limit"], json!({ "rule": "page", "shadow": true }), "{event}");
    assert_eq!(event["action"], "ALLOW", "{event}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_has_one_limit_wherever_it_comes_from() {
    let limits = json!({ "session": limit(5, "enforce") });
    let plan = plan(&limits).plugin("session_cookie", json!("sid"));
    let gate = plan.start_with_control_plane().await;
    let visit = async |address: &str, cookie: &'static str| {
        let visitor = Visitor::chrome(address);
        let request = visitor.get(&gate.client, &gate.url("/about")).header("cookie", cookie);
        request.send().await.expect("an answer")
    };
    gate.issue("quick").await;
    gate.issue("calm").await;
    for number in 0..5 {
        assert_eq!(visit("198.51.100.1", "a=1; sid=quick").await.status(), 200, "request {number}");
    }
    assert_limited(&visit("198.51.100.1", "sid=quick").await, "session", 5);
    assert_limited(&visit("203.0.113.200", "sid=quick").await, "session", 5);
    assert_eq!(visit("198.51.100.1", "sid=calm").await.status(), 200, "another session");
    let limited = |event: &Value| event["limit"] == json!({ "rule": "session", "shadow": false });
    let event = gate.control().event("check=rate_limit&ip=203.0.113.200", limited).await;
    assert!(event["session"].is_string(), "{event}");
}
