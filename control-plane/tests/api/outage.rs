//! The database is locked or read-only: decisions go on, feedback is refused, `/ready` says why.

use serde_json::json;

use crate::harness::{ControlPlane, FIREFOX};

#[tokio::test]
async fn a_locked_database_stops_no_decision() {
    let plane = ControlPlane::start().await;
    let other = rusqlite::Connection::open(plane.database()).expect("opens");
    other.execute_batch("BEGIN IMMEDIATE").expect("locks");

    let decision = plane.check(json!({ "ip": "192.0.2.1", "user_agent": FIREFOX, "endpoint": "/" })).await;
    let id = decision.ok(200)["request_id"].clone();
    let say = || plane.post("/feedback", json!({ "request_id": id, "is_bot": false }).to_string());
    let refused = say().await;
    assert_eq!(refused.problem(503).0, "unavailable");
    assert_eq!(refused.headers["retry-after"], "1");
    let ready = plane.get("/ready").await;
    assert_eq!(ready.ok(503)["status"], "degraded");
    assert!(
        ready.json["reasons"][0]
            .as_str()
            .is_some_and(|reason| reason.contains("locked") && reason.contains("1 rows wait")),
        "{ready:?}"
    );
    let metrics = String::from_utf8(plane.get("/metrics").await.bytes).expect("text");
    assert!(metrics.lines().any(|line| line == "sallyport_store_failing 1"), "{metrics}");
    plane.check(json!({ "ip": "192.0.2.1", "user_agent": FIREFOX, "endpoint": "/" })).await.ok(200);

    other.execute_batch("COMMIT").expect("unlocks");
    say().await.ok(201);
    assert_eq!(plane.get("/ready").await.ok(200)["status"], "ready");
    plane.flush().await;
    assert_eq!(plane.get("/stats").await.ok(200)["total_requests"], 2);
}

#[tokio::test]
async fn an_outage_that_only_feedback_meets_is_told_and_ends_by_itself() {
    let plane = ControlPlane::start().await;
    let decision = plane.check(json!({ "ip": "192.0.2.1", "user_agent": FIREFOX, "endpoint": "/" })).await;
    plane.flush().await;
    let other = rusqlite::Connection::open(plane.database()).expect("opens");
    other.execute_batch("BEGIN IMMEDIATE").expect("locks");
    let body = json!({ "request_id": decision.ok(200)["request_id"], "is_bot": false }).to_string();
    plane.post("/feedback", body).await.problem(503);
    assert_eq!(plane.get("/ready").await.ok(503)["status"], "degraded");
    other.execute_batch("COMMIT").expect("unlocks");
    plane.flush().await;
    assert_eq!(plane.get("/ready").await.ok(200)["status"], "ready");
}
