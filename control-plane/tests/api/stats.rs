//! `GET /stats`, `/metrics`, `/ready`: they agree with what was sent.

use serde_json::json;

use crate::harness::{ControlPlane, FIREFOX};

#[tokio::test]
async fn totals_agree_with_what_was_sent() {
    let plane = ControlPlane::with_config("policy: { lists: { deny: [198.51.100.0/24] } }").await;
    let empty = plane.get("/stats").await;
    let expected = json!({
        "total_requests": 0, "bot_requests": 0, "human_requests": 0, "bot_percentage": 0.0, "unique_ips": 0,
        "blocked_ips": 0, "training_examples": 0, "deep_learning_enabled": true,
    });
    assert_eq!(empty.ok(200), &expected);
    for number in 0..6 {
        let ip = format!("192.0.2.{number}");
        plane.check(json!({ "ip": ip, "user_agent": FIREFOX, "endpoint": "/" })).await.ok(200);
    }
    for _ in 0..2 {
        let ip = "198.51.100.9";
        plane.check(json!({ "ip": ip, "user_agent": FIREFOX, "endpoint": "/" })).await.ok(200);
    }
    plane.flush().await;
    let expected = json!({
        "total_requests": 8, "bot_requests": 2, "human_requests": 6, "bot_percentage": 25.0, "unique_ips": 7,
        "blocked_ips": 1, "training_examples": 0, "deep_learning_enabled": true,
    });
    assert_eq!(plane.get("/stats").await.ok(200), &expected);
    let columns =
        "total_requests, bot_requests, human_requests, bot_percentage, allowed + monitored, challenged,
        rate_limited, blocked";
    let day = plane.sql(&format!("SELECT {columns} FROM daily_stats"));
    assert_eq!(day, ["8|2|6|25|6|0|0|2"], "what GET /stats says");
}

#[tokio::test]
async fn metrics_count_decisions_and_answers() {
    let plane = ControlPlane::start().await;
    plane.check(json!({ "ip": "192.0.2.1", "user_agent": FIREFOX, "endpoint": "/" })).await.ok(200);
    plane.check(json!({})).await.problem(422);
    plane.flush().await;
    let reply = plane.get("/metrics").await;
    assert!(
        reply.headers["content-type"]
            .to_str()
            .is_ok_and(|kind| kind.starts_with("application/openmetrics-text"))
    );
    let text = String::from_utf8(reply.bytes).expect("text");
    for line in [
        "sallyport_decisions_total{source=\"check\",action=\"ALLOW\"} 1",
        "sallyport_http_answers_total{class=\"4xx\"} 1",
        "sallyport_store_written_rows_total 1",
        "sallyport_store_dropped_rows_total 0",
        "sallyport_snapshot_version 1",
        "sallyport_clients 1",
        "# EOF",
    ] {
        assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
    }
}

#[tokio::test]
async fn ready_says_so() {
    let plane = ControlPlane::start().await;
    let expected = json!({ "status": "ready", "reasons": [], "snapshot_version": 1 });
    assert_eq!(plane.get("/ready").await.ok(200), &expected);
}
