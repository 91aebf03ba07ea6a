//! Suspicious sessions: three suspicious actions, and a session is challenged wherever it comes from, until forgiven.

use reqwest::Method;
use sallyport_e2e::harness::{Gate, Plan, eventually};
use sallyport_e2e::visitor::Visitor;
use serde_json::{Value, json};

/// A trap alone counts nothing here, so that only the session's count decides.
fn plan() -> Plan {
    let policy = json!({
        "enforcement": "enforce", "consult": "never", "trap_paths": ["/trap/*"], "weights": { "trap_path": 0.0 },
    });
    Plan::with_policy(policy).indifferent().plugin("session_cookie", json!("sid"))
}

async fn visit(gate: &Gate, address: &str, path: &str, session: &str) -> u16 {
    let request = Visitor::chrome(address).get(&gate.client, &gate.url(path));
    let answer = request.header("cookie", format!("sid={session}")).send().await.expect("an answer");
    answer.status().as_u16()
}

/// Waits until a visit is answered so.
async fn until(gate: &Gate, address: &str, session: &str, wanted: u16) {
    let runtime = tokio::runtime::Handle::current();
    eventually("another answer", || {
        let visit = visit(gate, address, "/about", session);
        let status = tokio::task::block_in_place(|| runtime.block_on(visit));
        if status == wanted { Ok(()) } else { Err(format!("{status}, not {wanted}")) }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn three_suspicious_actions_challenge_a_session_until_it_is_forgiven() {
    let gate = plan().start_with_control_plane().await;
    gate.issue("thief").await;
    gate.issue("other").await;
    assert_eq!(visit(&gate, "198.51.100.1", "/about", "thief").await, 200);
    for number in 1..=3 {
        assert_eq!(visit(&gate, "198.51.100.1", &format!("/trap/{number}"), "thief").await, 404);
    }
    assert_eq!(visit(&gate, "198.51.100.1", "/about", "thief").await, 403);
    assert_eq!(visit(&gate, "203.0.113.77", "/about", "thief").await, 403, "from elsewhere");
    assert_eq!(visit(&gate, "198.51.100.1", "/about", "other").await, 200, "another session");

    let control = gate.control();
    let event = control.event("check=suspicious_session&ip=203.0.113.77", |_| true).await;
    assert_eq!((&event["action"], &event["enforced"]), (&json!("CHALLENGE"), &json!(true)), "{event}");
    let names = |check: &Value| check["check"] == "suspicious_session";
    assert!(event["checks"].as_array().is_some_and(|checks| checks.iter().any(names)), "{event}");
    let known = eventually("the session at the control plane", || {
        let known = control.get("/v1/sessions/thief");
        if known["challenged"] == true { Ok(known) } else { Err(known.to_string()) }
    })
    .await;
    assert_eq!((&known["suspicious"], &known["threshold"]), (&json!(3), &json!(3)), "{known}");

    let (status, told) = control.send(&gate.client, Method::DELETE, "/v1/sessions/thief", &Value::Null).await;
    assert_eq!((status, &told["forgiven"]), (200, &json!(true)), "{told}");
    until(&gate, "203.0.113.77", "thief", 200).await;
    assert_eq!(control.get("/v1/sessions/thief")["suspicious"], 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn in_monitor_mode_the_origin_is_told_of_a_suspicious_session() {
    let mut plan = plan();
    plan.plugin["policy"]["enforcement"] = json!("monitor");
    let gate = plan.start_alone().await;
    // Of a session that the site has issued; what a made-up one does counts for nobody.
    gate.issue("thief").await;
    for path in ["/about", "/trap/1", "/trap/2", "/trap/3"] {
        visit(&gate, "198.51.100.1", path, "thief").await;
    }
    let request = Visitor::chrome("198.51.100.1").get(&gate.client, &gate.url("/about"));
    let answer = request.header("cookie", "sid=thief").send().await.expect("an answer");
    let told = answer.headers()["x-echo-sallyport"].to_str().expect("text");
    assert!(told.starts_with("action=CHALLENGE") && told.contains("\"suspicious_session\""), "{told}");
    assert_eq!(answer.headers()["x-sallyport-would"], "CHALLENGE");
}
