//! `POST /v1/observations`.

use reqwest::Method;
use sallyport_core::observation::{BatchBuilder, FailedLogin, Seen};
use sallyport_core::policy::LimitRule;
use sallyport_core::{Action, Basis, Check, Decision, OverLimit, Reasons};

use crate::harness::{ControlPlane, Reply, send};

fn seen(number: u8) -> Seen<'static> {
    Seen {
        ts_ms: sallyport::clock::unix_ms(),
        address: u64::MAX - u64::from(number),
        client: 7,
        session: 0,
        enforced: true,
        weight: 1,
        method: b"GET",
        path: b"/caf\xe9",
        user_agent: b"curl/8.0",
        request_id: b"5f4f0a4e-8f0c-9d2b-8a3c-2f9c3a1f1c11",
    }
}

fn decision(action: Action, score: f32) -> Decision {
    let reasons = Reasons::one(Check::UserAgent, 31.0);
    Decision { action, score, basis: Basis::Score, reasons, ..Decision::default() }
}

async fn observe(plane: &ControlPlane, body: Vec<u8>) -> Reply {
    send(plane.request(Method::POST, "/v1/observations", &plane.filter_token).body(body)).await
}

#[tokio::test]
async fn a_batch_becomes_rows_totals_and_reputation() {
    let plane = ControlPlane::start().await;
    let mut batch = BatchBuilder::new(1, 1);
    assert!(batch.decision(&decision(Action::Block, 99.0), &seen(0)));
    assert!(batch.decision(&decision(Action::Allow, 3.0), &Seen { weight: 25, ..seen(1) }));
    assert!(batch.login_failure(&FailedLogin {
        ts_ms: 1,
        address: u64::MAX,
        client: 7,
        network: 5,
        account: 0,
        path: b"/login"
    }));
    let limited = Reasons::one(Check::RateLimit, 0.0);
    let limit = Some(OverLimit { rule: LimitRule::Client, is_shadow: false });
    let limited =
        Decision { basis: Basis::RateLimit, reasons: limited, limit, ..decision(Action::RateLimit, 8.0) };
    assert!(batch.decision(&limited, &seen(2)));
    let reply = observe(&plane, batch.finish(4)).await;
    assert_eq!(reply.status.as_u16(), 202);
    plane.flush().await;
    let stats = plane.get("/stats").await;
    assert_eq!((&stats.ok(200)["total_requests"], &stats.json["bot_requests"]), (&27.into(), &2.into()));
    let rows = plane.sql("SELECT action, weight, source, path, request_id FROM requests ORDER BY id");
    let path = "/caf\u{fffd}|16 bytes";
    assert_eq!(rows, [format!("4|1|0|{path}"), format!("0|25|0|{path}"), format!("3|1|0|{path}")]);
    assert_eq!(plane.sql("SELECT path, ts_ms > 1000000 FROM failed_logins"), ["/login|1"]);
    let failed = plane
        .sql("SELECT action, check_name, points FROM bot_detection_events JOIN failed_checks ON event = id ORDER BY 1 DESC");
    assert_eq!(failed, ["4|user_agent|31", "3|rate_limit|0"], "a rate limit has no points, and is a check");
    let past = plane.app.detector.standing(u64::MAX, sallyport::clock::unix_ms());
    assert!((past.bad - 1.5).abs() < 0.01, "{past:?}");
    let text = String::from_utf8(plane.get("/metrics").await.bytes).expect("text");
    assert!(text.contains("sallyport_observations_dropped_total 4"), "{text}");
    assert!(text.contains("sallyport_decisions_total{source=\"filter\",action=\"ALLOW\"} 25"), "{text}");
}

#[tokio::test]
async fn feedback_finds_a_filters_decision_by_envoys_id() {
    let plane = ControlPlane::start().await;
    let mut batch = BatchBuilder::new(1, 1);
    assert!(batch.decision(&decision(Action::Block, 99.0), &seen(0)));
    observe(&plane, batch.finish(0)).await;
    let id = String::from_utf8_lossy(seen(0).request_id).into_owned();
    let body = format!(r#"{{"request_id": "{id}", "is_bot": false}}"#);
    plane.post("/feedback", body).await.ok(201);
}

#[tokio::test]
async fn damaged_and_future_batches_are_refused() {
    let plane = ControlPlane::start().await;
    let mut batch = BatchBuilder::new(1, 1);
    assert!(batch.decision(&decision(Action::Block, 99.0), &seen(0)));
    let good = batch.finish(0);
    let mut future = good.clone();
    future[4] = 9;
    for body in [Vec::new(), b"{}".to_vec(), good[..good.len() - 1].to_vec(), future] {
        assert_eq!(observe(&plane, body).await.problem(400).0, "bad-syntax");
    }
    let huge = observe(&plane, vec![0; (4 << 20) + 1]).await;
    assert_eq!(huge.problem(413).0, "too-large");
    plane.flush().await;
    assert_eq!(plane.sql("SELECT count(*) FROM requests"), ["0"]);
}
