//! What a visitor is answered, and what the origin is told: the filter alone, without a control plane.

use reqwest::Response;
use sallyport_e2e::harness::{Gate, Plan};
use sallyport_e2e::visitor::{CHROME, Visitor};
use serde_json::{Value, json};

/// Tells when a request is sent, so that a person can take time without the test taking it.
const TIME_HEADER: &str = "x-sent-ms";

async fn enforcing() -> Gate {
    let plan = Plan::with_policy(json!({
        "enforcement": "enforce",
        "consult": "never",
        "trap_paths": ["/.env", "/wp-login.php", "/.git/*"],
        "login": { "routes": [{ "path": "/login" }, { "path": "/legacy-login", "same_page": true }] },
    }));
    plan.plugin("time_header", json!(TIME_HEADER)).start_alone().await
}

/// A header as text; empty where there is none.
fn header<'a>(response: &'a Response, name: &str) -> &'a str {
    response.headers().get(name).map_or("", |value| value.to_str().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_passes_and_the_origin_is_told() {
    let gate = enforcing().await;
    for visitor in [Visitor::chrome("198.51.100.1"), Visitor::firefox("198.51.100.2")] {
        let response = visitor.get(&gate.client, &gate.url("/")).send().await.unwrap();
        assert_eq!(response.status(), 200, "{visitor:?}");
        let told = header(&response, "x-echo-sallyport");
        assert!(told.starts_with("action=ALLOW, score="), "{told}");
        assert!(told.contains(", id=\""), "{told}");
    }
    gate.envoy.wait_for_stat("wasmcustom.sallyport_decisions_allow", |count| count == 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_declared_tool_is_refused() {
    let gate = enforcing().await;
    let visitor = Visitor::tool("203.0.113.1", "python-requests/2.28.0");
    let response = visitor.get(&gate.client, &gate.url("/")).send().await.unwrap();
    assert_eq!(response.status(), 403);
    assert_eq!(header(&response, "cache-control"), "no-store");
    assert_eq!(header(&response, "content-type"), "application/problem+json");
    let problem: Value = response.json().await.unwrap();
    assert_eq!(problem["status"], 403);
    assert!(problem["type"].is_string() && problem["title"].is_string(), "{problem}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_navigation_is_refused_with_a_page() {
    let gate = enforcing().await;
    let mut visitor = Visitor::chrome("203.0.113.2");
    visitor.user_agent = "python-requests/2.28.0".into();
    let response = visitor.get(&gate.client, &gate.url("/")).send().await.unwrap();
    assert_eq!(response.status(), 403);
    assert!(header(&response, "content-type").starts_with("text/html"));
    assert!(header(&response, "content-security-policy").contains("default-src 'none'"));
    assert_eq!(header(&response, "cache-control"), "no-store");
    assert!(response.text().await.unwrap().contains("<html"));
}

#[tokio::test(flavor = "multi_thread")]
async fn monitor_mode_refuses_nothing_and_tells() {
    let gate = Plan::with_policy(json!({ "enforcement": "monitor", "consult": "never" })).start_alone().await;
    let visitor = Visitor::tool("203.0.113.3", "python-requests/2.28.0");
    let response = visitor.get(&gate.client, &gate.url("/")).send().await.unwrap();
    assert_eq!(response.status(), 200);
    let would = header(&response, "x-sallyport-would");
    assert!(would == "CHALLENGE" || would == "BLOCK", "would have been {would}");
    assert!(header(&response, "x-echo-sallyport").contains("enforced=?0"));
    gate.envoy.wait_for_stat("wasmcustom.sallyport_not_enforced", |count| count == 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scan_for_weak_spots_is_blocked() {
    let gate = enforcing().await;
    let visitor = Visitor::tool("203.0.113.4", CHROME);
    let mut last = 0;
    for path in ["/.env", "/wp-login.php", "/.git/config", "/backup.zip", "/phpmyadmin/", "/xmlrpc.php"] {
        last = visitor.get(&gate.client, &gate.url(path)).send().await.unwrap().status().as_u16();
    }
    assert_eq!(last, 403);
    gate.envoy.wait_for_stat("wasmcustom.sallyport_decisions_block", |count| count > 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn stolen_passwords_stop_working_on_both_kinds_of_login() {
    let gate = enforcing().await;
    for (path, address) in [("/login", "203.0.113.5"), ("/legacy-login", "203.0.113.6")] {
        let visitor = Visitor::chrome(address);
        let mut statuses = Vec::new();
        for number in 0..30 {
            let request = visitor.sign_in(&gate.client, &gate.url(path), &format!("user{number}"), "123456");
            statuses.push(request.send().await.unwrap().status().as_u16());
        }
        assert!(!matches!(statuses[0], 403 | 429), "{path}: refused at once");
        assert_eq!(statuses.last(), Some(&403), "{path}: {statuses:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_who_mistypes_a_password_gets_in() {
    let gate = enforcing().await;
    let visitor = Visitor::firefox("198.51.100.3");
    let at = |seconds: u64| (1_795_000_000 + seconds) * 1_000;
    let page =
        visitor.get(&gate.client, &gate.url("/login")).header(TIME_HEADER, at(0)).send().await.unwrap();
    assert_eq!(page.status(), 200);
    let asset =
        visitor.get(&gate.client, &gate.url("/assets/site.css")).header("referer", gate.url("/login"));
    asset.header(TIME_HEADER, at(1)).send().await.unwrap();
    for (password, status, seconds) in [("wrong", 401, 11), ("wong", 401, 20), ("right", 303, 34)] {
        let request = visitor.sign_in(&gate.client, &gate.url("/login"), "ada", password);
        let request = request.header("referer", gate.url("/login")).header(TIME_HEADER, at(seconds));
        assert_eq!(request.send().await.unwrap().status(), status, "{password}");
    }
}
