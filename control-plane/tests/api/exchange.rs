//! `POST /v1/exchange`.

use reqwest::Method;
use sallyport_core::Charge;
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

/// What the cell of key 7 took, and nothing before.
fn took(rule: LimitRule, cost_us: u64) -> Charge {
    Charge { rule, key: 7, cost_us, least_us: 0 }
}

#[tokio::test]
async fn what_filters_let_through_is_shared() {
    let config = "policy: { rate_limit: { client: { per_second: 0.01, burst: 5 } } }";
    let plane = ControlPlane::with_config(config).await;
    let charge = |requests: u64| Request {
        charges: vec![took(LimitRule::Client, requests * 100_000_000), took(LimitRule::Page, 1)],
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
async fn issued_sessions_are_told_to_other_filters_and_bounded_per_address() {
    let plane = ControlPlane::start().await;
    let issued: Vec<_> = (0..100).map(|session| (session, 1)).chain([(1_000, 2)]).collect();
    exchange(&plane, Request { instance: 1, issued, ..Request::default() }).await;
    let heard = exchange(&plane, Request { instance: 2, ..Request::default() }).await;
    let keys: Vec<_> = heard.marks.iter().map(|mark| (mark.kind, mark.key, mark.value)).collect();
    let expected = (1..=30).chain([1_000]).map(|session| (MarkKind::Issued, session, 1));
    assert_eq!(keys, expected.collect::<Vec<_>>(), "30 of an address at once, and no session is none");
    assert!(plane.app.detector.is_issued(1_000) && !plane.app.detector.is_issued(31));
    let metrics = String::from_utf8(plane.get("/metrics").await.bytes).expect("text");
    for line in ["sallyport_issued_sessions_told_total 31", "sallyport_issued_sessions_untold_total 69"] {
        assert!(metrics.contains(line), "{line}: {metrics}");
    }
}

#[tokio::test]
async fn sessions_of_answers_and_sign_ins_are_told_to_filters() {
    let plane = ControlPlane::start().await;
    let body = json!({ "ip": "192.0.2.1", "user_agent": FIREFOX, "endpoint": "/", "answered": true });
    let verdict = plane.check(body).await;
    let answer =
        json!({ "request_id": verdict.ok(200)["request_id"], "status": 200, "session_id": "issued" });
    plane.post("/v1/answers", json!({ "answers": [answer] }).to_string()).await.ok(202);
    let sign_in = |failed, session| json!({ "ip": "192.0.2.2", "user_agent": FIREFOX, "failed": failed, "session_id": session });
    for login in [sign_in(true, "failed"), sign_in(false, "passed"), sign_in(false, "")] {
        plane.post("/v1/logins", login.to_string()).await.ok(202);
    }
    let heard = exchange(&plane, Request::default()).await;
    let key = plane.app.detector.engine().key().clone();
    let keys: Vec<_> = heard.marks.iter().map(|mark| (mark.kind, mark.key)).collect();
    assert_eq!(keys, ["issued", "passed"].map(|session| (MarkKind::Issued, key.session(session.as_bytes()))));
}

#[tokio::test]
async fn garbage_is_refused() {
    let plane = ControlPlane::start().await;
    let good = Request { charges: vec![took(LimitRule::Client, 1)], ..Request::default() }.encode();
    let mut future = good.clone();
    future[4] = 9;
    let mut past = good.clone();
    past[4] = 1;
    let mut too_many = good.clone();
    let length = too_many.len();
    too_many[length - 2..].copy_from_slice(&1000_u16.to_le_bytes());
    too_many.extend(vec![1; 1000 * 16]);
    let mut unknown_rule = good.clone();
    unknown_rule[32] = 200;
    for body in [
        Vec::new(),
        b"{}".to_vec(),
        good[..good.len() - 1].to_vec(),
        future,
        past,
        too_many,
        unknown_rule,
        vec![0; MAX_BYTES],
    ] {
        assert_eq!(post(&plane, body).await.problem(400).0, "bad-syntax");
    }
    assert_eq!(post(&plane, vec![0; MAX_BYTES + 1]).await.problem(413).0, "too-large");
    assert_eq!(post(&plane, good).await.status.as_u16(), 200);
}
