//! `/v1/sessions/{session_id}`, and what suspicious sessions mean for `POST /check`.

use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::{ControlPlane, FIREFOX, eventually, send};
use crate::redis_server::RedisServer;

const TRAP: &str = "policy: { enforcement: enforce, trap_paths: [/trap] }";

async fn ask(plane: &ControlPlane, session: &str, endpoint: &str) -> Value {
    let body =
        json!({ "ip": "192.0.2.1", "user_agent": FIREFOX, "endpoint": endpoint, "session_id": session });
    plane.check(body).await.ok(200).clone()
}

#[tokio::test]
async fn three_suspicious_actions_are_challenged_until_forgiven() {
    let plane = ControlPlane::with_config(TRAP).await;
    plane.issue("a/b");
    for suspicious in 0..3 {
        assert_eq!(plane.get("/v1/sessions/a%2Fb").await.ok(200)["suspicious"], suspicious);
        ask(&plane, "a/b", "/trap").await;
    }
    let known = plane.get("/v1/sessions/a%2Fb").await;
    assert_eq!(
        (&known.ok(200)["suspicious"], &known.json["threshold"], &known.json["challenged"]),
        (&3.into(), &3.into(), &true.into())
    );
    assert!(known.json["keeps_until"].as_str().is_some_and(|until| until.ends_with('Z')), "{known:?}");
    // Another address and another page: what is challenged is the session.
    let body = json!({ "ip": "198.51.100.1", "user_agent": FIREFOX, "endpoint": "/", "session_id": "a/b" });
    let challenged = plane.check(body).await;
    assert!(
        challenged.ok(200)["action"].as_str().is_some_and(|action| matches!(action, "CHALLENGE" | "BLOCK")),
        "{challenged:?}"
    );
    assert_eq!(plane.get("/v1/sessions/other").await.ok(200)["suspicious"], 0);

    let forgive = || send(plane.request(Method::DELETE, "/v1/sessions/a%2Fb", &plane.admin_token));
    assert_eq!(forgive().await.ok(200)["forgiven"], true);
    assert_eq!(forgive().await.ok(200)["forgiven"], false);
    let known = plane.get("/v1/sessions/a%2Fb").await;
    assert_eq!((&known.ok(200)["suspicious"], &known.json["challenged"]), (&0.into(), &false.into()));
    assert!(known.json.get("keeps_until").is_none());
}

#[tokio::test]
async fn the_challenge_of_a_session_explains_itself() {
    let plane = ControlPlane::start().await;
    let session = plane.issue("s-1");
    plane.app.sessions.suspect([(session, 3)].into_iter());
    let challenged = ask(&plane, "s-1", "/").await;
    assert_eq!(challenged["action"], "CHALLENGE");
    let reasons = challenged["reasons"].as_array().expect("a list");
    assert!(reasons.iter().any(|reason| reason["check"] == "suspicious_session"), "{challenged}");
    assert_eq!(ask(&plane, "s-2", "/").await["action"], "ALLOW");
}

#[tokio::test]
async fn a_limit_in_shadow_is_only_told() {
    let config = "policy: { rate_limit: { page: { per_second: 0.1, burst: 1, mode: shadow }, session: { per_second: 0.1, burst: 2 } } }";
    let plane = ControlPlane::with_config(config).await;
    plane.issue("s");
    assert!(ask(&plane, "s", "/").await.get("limit").is_none());
    let second = ask(&plane, "s", "/").await;
    assert_eq!(
        (&second["limit"], second.get("retry_after")),
        (&json!({ "rule": "page", "shadow": true }), None)
    );
    assert_ne!(second["action"], "RATE_LIMIT");
    let third = ask(&plane, "s", "/").await;
    assert_eq!(
        (&third["limit"], &third["action"]),
        (&json!({ "rule": "session", "shadow": false }), &json!("RATE_LIMIT"))
    );
    assert!(third["retry_after"].as_u64().is_some_and(|s| (1..=10).contains(&s)), "{third}");
}

#[tokio::test]
async fn filters_may_not_look_at_sessions() {
    let plane = ControlPlane::start().await;
    let reply = send(plane.request(Method::GET, "/v1/sessions/s", &plane.filter_token)).await;
    assert_eq!(reply.problem(403).0, "forbidden");
    assert_eq!(plane.get("/v1/sessions/%FF").await.problem(422).1, "session_id");
}

#[tokio::test]
async fn sessions_that_nobody_issued_leave_no_key_in_redis() {
    let server = RedisServer::start();
    let config = format!("redis: {{ url: '{}', poll_interval_s: 1 }}\n{TRAP}", server.url());
    let plane = ControlPlane::with_config(&config).await;
    eventually("Redis", || plane.app.shared.health().is_shared.then_some(())).await;
    let act = async |session: &str| {
        ask(&plane, session, "/trap").await;
        let login = json!({ "ip": "192.0.2.1", "user_agent": FIREFOX, "endpoint": "/login", "failed": true,
            "session_id": session });
        plane.post("/v1/logins", login.to_string()).await.ok(202);
    };
    for number in 0..50 {
        act(&format!("made-up-{number}")).await;
    }
    // One that was issued is told of: when its key is there, the others' would be.
    plane.issue("met");
    act("met").await;
    let client = redis::Client::open(server.url()).expect("an address");
    let mut connection = client.get_connection().expect("Redis");
    let keys = eventually("a key", || {
        let keys: Vec<String> = redis::cmd("KEYS").arg("*suspicious:*").query(&mut connection).expect("keys");
        (!keys.is_empty()).then_some(keys)
    });
    assert_eq!(keys.await.len(), 1);
}
