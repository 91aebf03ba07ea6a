//! `POST /v1/answers`: what the site answered, from doors that see it.

use serde_json::{Value, json};

use crate::harness::{ControlPlane, FIREFOX};

/// A browser's request whose answer will be told.
fn asked(id: &str, endpoint: &str, more: Value) -> Value {
    let mut body = json!({ "ip": "192.0.2.1", "user_agent": FIREFOX, "endpoint": endpoint, "request_id": id,
        "answered": true });
    for (key, value) in more.as_object().expect("an object") {
        body[key] = value.clone();
    }
    body
}

async fn tell(plane: &ControlPlane, answers: Value) -> Value {
    plane.post("/v1/answers", json!({ "answers": answers }).to_string()).await.ok(202).clone()
}

#[tokio::test]
async fn a_session_counts_once_the_site_issued_it() {
    let plane = ControlPlane::with_config("policy: { trap_paths: [/trap] }").await;
    let session = json!({ "session_id": "s-1" });
    plane.check(asked("r-1", "/trap", session.clone())).await.ok(200);
    assert_eq!(plane.get("/v1/sessions/s-1").await.ok(200)["suspicious"], 0, "made up, as far as is known");

    plane.check(asked("r-2", "/", json!({ "ip": "198.51.100.1" }))).await.ok(200);
    let told = tell(&plane, json!([{ "request_id": "r-2", "status": 200, "session_id": "s-1" }])).await;
    assert_eq!(told, json!({ "counted": 1, "unknown": 0 }));
    plane.check(asked("r-3", "/trap", session)).await.ok(200);
    assert_eq!(plane.get("/v1/sessions/s-1").await.ok(200)["suspicious"], 1);
}

#[tokio::test]
async fn a_failed_sign_in_is_a_suspicious_action_of_an_issued_session() {
    let plane = ControlPlane::start().await;
    for (at, session, suspicious) in [(0, "made-up", 0), (1, "issued", 1), (2, "issued", 2)] {
        let id = format!("r-{at}");
        let more = json!({ "method": "POST", "session_id": session });
        plane.check(asked(&id, "/login", more)).await.ok(200);
        tell(&plane, json!([{ "request_id": id, "status": 401, "session_id": "issued" }])).await;
        let known = plane.get(&format!("/v1/sessions/{session}")).await;
        assert_eq!(known.ok(200)["suspicious"], suspicious, "{id}");
    }
}

#[tokio::test]
async fn an_answer_is_told_once_and_of_what_was_asked() {
    let plane = ControlPlane::start().await;
    plane.check(asked("r-1", "/", json!({}))).await.ok(200);
    let answer = json!([{ "request_id": "r-1", "status": 200 }, { "request_id": "r-9", "status": 200 }]);
    assert_eq!(tell(&plane, answer.clone()).await, json!({ "counted": 1, "unknown": 1 }));
    assert_eq!(tell(&plane, answer).await, json!({ "counted": 0, "unknown": 2 }));
    let refused = plane
        .post("/v1/answers", json!({ "answers": [{ "request_id": "r", "status": 99 }] }).to_string())
        .await;
    assert_eq!(refused.problem(422).1, "answers[0].status");
    let many: Vec<_> = (0..1_001).map(|at| json!({ "request_id": at.to_string(), "status": 200 })).collect();
    assert_eq!(
        plane.post("/v1/answers", json!({ "answers": many }).to_string()).await.problem(422).1,
        "answers"
    );
}

#[tokio::test]
async fn right_passwords_spend_nothing_and_wrong_ones_do() {
    let config = "policy: { rate_limit: { login: { per_second: 0.001, burst: 3 } } }";
    let plane = ControlPlane::with_config(config).await;
    let post = json!({ "method": "POST" });
    for (status, attempts, expected) in [(302, 20, "ALLOW"), (401, 3, "ALLOW"), (401, 1, "RATE_LIMIT")] {
        for at in 0..attempts {
            let id = format!("{status}-{attempts}-{at}");
            let verdict = plane.check(asked(&id, "/login", post.clone())).await;
            assert_eq!(verdict.ok(200)["action"], expected, "{id}: {:?}", verdict.json);
            let answer = json!([{ "request_id": id, "status": status, "location": "/account" }]);
            tell(&plane, answer).await;
        }
    }
}

#[tokio::test]
async fn a_page_in_an_assets_place_accuses_nobody_where_most_get_it() {
    let config = "policy: { thresholds: { monitor: 99, challenge: 99.9, block: 100 },
  rate_limit: { client: { per_second: 0.001, burst: 5 } } }";
    let plane = ControlPlane::with_config(config).await;
    let mut accused = Vec::new();
    for network in 1..=12 {
        let from = json!({ "ip": format!("10.0.{network}.1") });
        for at in 0..8 {
            let id = format!("r-{network}-{at}");
            let verdict = plane.check(asked(&id, "/img/gone.png", from.clone())).await;
            assert_eq!(verdict.ok(200)["action"], "ALLOW", "{id}");
            tell(&plane, json!([{ "request_id": id, "status": 200, "content_type": "text/html" }])).await;
        }
        let other = plane.check(asked("asset", "/site.css", from.clone())).await;
        accused.push(other.ok(200)["reasons"].to_string().contains("headers_mismatch"));
        let page = plane.check(asked("page", "/", from)).await;
        assert_eq!(page.ok(200)["action"], "RATE_LIMIT", "network {network}: each was charged as a page");
    }
    // Some networks may be taken for one, so that more than three are needed.
    assert_eq!((&accused[..2], &accused[8..]), (&[true; 2][..], &[false; 4][..]));
}
