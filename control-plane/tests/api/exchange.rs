//! `POST /v1/exchange`.

use reqwest::Method;
use sallyport_core::exchange::{MAX_BYTES, Mark, MarkKind, Reply as Answer, Request};
use sallyport_core::policy::LimitRule;
use serde_json::json;

use crate::harness::{ControlPlane, FIREFOX, Reply, send};

async fn post(plane: &ControlPlane, body: Vec<u8>) -> Reply {
    send(plane.request(Method::POST, "/v1/exchange", &plane.filter_token).body(body)).await
}

async fn exchange(plane: &ControlPlane, request: Request) -> Answer {
    let reply = post(plane, request.encode()).await;
    assert_eq!(
        (reply.status.as_u16(), &reply.headers["content-type"]),
        (200, &"application/octet-stream".parse().expect("ASCII"))
    );
    Answer::decode(&reply.bytes).expect("a reply")
}

#[tokio::test]
async fn what_filters_let_through_is_shared() {
    let config = "policy: { rate_limit: { client: { per_second: 0.01, burst: 5 } } }";
    let plane = ControlPlane::with_config(config).await;
    let charge = |requests| Request {
        charges: vec![(LimitRule::Client, 7, requests), (LimitRule::Page, 7, 1)],
        ..Request::default()
    };
    // 100 s a request. At most two exchanges later the cell is known, if merging took long.
    exchange(&plane, charge(2)).await;
    let answer = exchange(&plane, charge(1)).await;
    let answer = if answer.cells.first().is_some_and(|cell| cell.2 > 250_000_000) {
        answer
    } else {
        exchange(&plane, charge(0)).await
    };
    let [(LimitRule::Client, 7, ahead_us)] = answer.cells[..] else { panic!("{answer:?}") };
    assert!((280_000_000..=300_000_000).contains(&ahead_us), "three requests: {ahead_us}");
    assert_eq!(answer.sequence, 0);
}

#[tokio::test]
async fn what_a_filter_let_through_counts_for_check_and_sessions_are_marked() {
    let plane = ControlPlane::start().await;
    let session = plane.issue("s-1");
    let suspicions = vec![(session, 3), (0, 9)];
    let answer = exchange(&plane, Request { suspicions, ..Request::default() }).await;
    let (origin, seen) = (answer.origin, 0);
    let next = Request { origin, seen, ..Request::default() };
    let answer = exchange(&plane, next.clone()).await;
    let expected = Mark { kind: MarkKind::Session, key: session, value: 3, keep_s: 3600 };
    assert_eq!((answer.sequence, &answer.marks[..]), (1, &[expected][..]));
    assert_eq!(exchange(&plane, Request { seen: 1, ..next }).await.marks, []);
    let body = json!({ "ip": "192.0.2.1", "user_agent": FIREFOX, "endpoint": "/", "session_id": "s-1" });
    let verdict = plane.check(body).await;
    assert_eq!(verdict.ok(200)["action"], "CHALLENGE");
    let metrics = String::from_utf8(plane.get("/metrics").await.bytes).expect("text");
    for line in [
        "sallyport_exchanges_total 3",
        "sallyport_suspicious_actions_total 3",
        "sallyport_marks_told_total 1",
    ] {
        assert!(metrics.contains(line), "{line}: {metrics}");
    }
}

#[tokio::test]
async fn garbage_is_refused() {
    let plane = ControlPlane::start().await;
    let good = Request { charges: vec![(LimitRule::Client, 7, 1)], ..Request::default() }.encode();
    let mut future = good.clone();
    future[4] = 9;
    let mut unknown_rule = good.clone();
    unknown_rule[32] = 200;
    for body in [
        Vec::new(),
        b"{}".to_vec(),
        good[..good.len() - 1].to_vec(),
        future,
        unknown_rule,
        vec![0; MAX_BYTES],
    ] {
        assert_eq!(post(&plane, body).await.problem(400).0, "bad-syntax");
    }
    assert_eq!(post(&plane, vec![0; MAX_BYTES + 1]).await.problem(413).0, "too-large");
    assert_eq!(post(&plane, good).await.status.as_u16(), 200);
}
