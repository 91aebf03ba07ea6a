//! `POST /feedback`.

use serde_json::json;

use crate::harness::{ControlPlane, FIREFOX};

#[tokio::test]
async fn feedback_right_after_the_decision_becomes_training_data() {
    let plane = ControlPlane::start().await;
    let decision =
        plane.check(json!({ "ip": "192.0.2.1", "user_agent": "curl/8.0", "endpoint": "/a" })).await;
    let id = decision.ok(200)["request_id"].clone();
    let say =
        |is_bot: bool| plane.post("/feedback", json!({ "request_id": id, "is_bot": is_bot }).to_string());
    let reply = say(true).await;
    assert_eq!(reply.ok(201), &json!({ "status": "recorded", "request_id": id, "is_bot": true }));
    assert_eq!(say(true).await.ok(200)["status"], "already_recorded");
    let reply = say(false).await;
    let (kind, _, detail) = reply.problem(409);
    assert!(kind == "conflict" && detail.contains("on record as bot"), "{detail}");
    assert_eq!(plane.sql("SELECT is_bot, source, features FROM training_data"), ["1|feedback|28 bytes"]);
    let (stored, told) = (plane.sql("SELECT score FROM training_data"), decision.json["score"].as_f64());
    assert!((stored[0].parse::<f64>().expect("a number") - told.expect("a number")).abs() < 1e-3);
    assert_eq!(plane.get("/stats").await.ok(200)["training_examples"], 1);
}

#[tokio::test]
async fn a_visitor_can_be_named_instead() {
    let plane = ControlPlane::start().await;
    let visitor = json!({ "ip": "192.0.2.1", "user_agent": FIREFOX, "endpoint": "/cart?item=1" });
    let decision = plane.check(visitor.clone()).await;
    let mut body = visitor;
    body["label"] = json!("human");
    let reply = plane.post("/feedback", body.to_string()).await;
    assert_eq!(reply.ok(201)["request_id"], decision.ok(200)["request_id"]);
    assert_eq!(reply.json["is_bot"], false);
    body["endpoint"] = json!(format!("/{}", "ä".repeat(400)));
    let mut long = body.clone();
    long.as_object_mut().and_then(|fields| fields.remove("label"));
    plane.check(long).await.ok(200);
    plane.post("/feedback", body.to_string()).await.ok(201);
    body["ip"] = json!("192.0.2.2");
    assert_eq!(plane.post("/feedback", body.to_string()).await.problem(404).0, "not-found");
}

#[tokio::test]
async fn what_is_missing_or_contradicts_is_named() {
    let plane = ControlPlane::start().await;
    let id = "0195e000-0000-7000-8000-000000000000";
    for (body, status, field) in [
        (json!({ "request_id": id }), 422, "is_bot"),
        (json!({ "request_id": id, "is_bot": true, "label": "human" }), 422, "label"),
        (json!({ "request_id": id, "label": "alien" }), 422, "label"),
        (json!({ "request_id": id, "is_bot": "yes" }), 422, "is_bot"),
        (json!({ "request_id": "", "is_bot": true }), 422, "request_id"),
        (json!({ "is_bot": true }), 422, "user_agent"),
        (json!({ "is_bot": true, "user_agent": "x" }), 422, "endpoint"),
        (json!({ "request_id": id, "is_bot": true }), 404, ""),
    ] {
        let reply = plane.post("/feedback", body.to_string()).await;
        assert_eq!(reply.problem(status).1, field, "{body}");
    }
}
