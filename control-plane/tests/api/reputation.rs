//! `GET /reputation/{ip}`, and what a past does to decisions.

use serde_json::json;

use crate::harness::{ControlPlane, FIREFOX};

#[tokio::test]
async fn an_address_earns_its_past() {
    let plane = ControlPlane::start().await;
    let unknown = plane.get("/reputation/192.0.2.1").await;
    assert_eq!((&unknown.ok(200)["known"], &unknown.json["reputation"]), (&json!(false), &json!(0.0)));

    let fresh = plane.check(json!({ "ip": "192.0.2.2", "user_agent": FIREFOX, "endpoint": "/" })).await;
    for number in 0..60 {
        let endpoint = format!("/wp-content/{number}.php");
        let body =
            json!({ "ip": "192.0.2.1", "user_agent": format!("scan/{}", number % 3), "endpoint": endpoint });
        plane.check(body).await.ok(200);
    }
    plane.flush().await;
    let known = plane.get("/reputation/192.0.2.1").await;
    assert_eq!((&known.ok(200)["known"], &known.json["requests"]), (&json!(true), &json!(60)));
    assert!(known.json["reputation"].as_f64() > Some(0.3), "{known:?}");
    assert!(known.json["last_seen"].as_str().is_some_and(|time| time.ends_with('Z')), "{known:?}");

    let tainted = plane.check(json!({ "ip": "192.0.2.1", "user_agent": FIREFOX, "endpoint": "/" })).await;
    let reasons = tainted.ok(200)["reasons"].to_string();
    assert!(reasons.contains("ip_reputation"), "{reasons}");
    assert!(tainted.json["score"].as_f64() > fresh.ok(200)["score"].as_f64());
}

#[tokio::test]
async fn a_past_outlives_the_process() {
    let plane = ControlPlane::start().await;
    for _ in 0..60 {
        let body = json!({ "ip": "192.0.2.1", "user_agent": "sqlmap/1.0", "endpoint": "/.env" });
        plane.check(body).await.ok(200);
    }
    plane.flush().await;
    let before = plane.get("/reputation/192.0.2.1").await.ok(200)["reputation"].as_f64().expect("a number");
    let again = sallyport::app::App::start(plane.app.store.clone(), &plane.loaded).await.expect("starts");
    let ip = "192.0.2.1".parse().ok();
    let key = again.detector.engine().key().address(ip);
    let after = f64::from(again.detector.reputation(key, sallyport::clock::unix_ms()));
    assert!(before > 0.3 && (after - before).abs() < 0.01, "{before} became {after}");
}

#[tokio::test]
async fn the_64_of_an_ipv6_address_counts() {
    let plane = ControlPlane::start().await;
    plane.check(json!({ "ip": "2001:db8::1", "user_agent": FIREFOX, "endpoint": "/" })).await.ok(200);
    plane.flush().await;
    assert_eq!(plane.get("/reputation/2001:db8::ffff:9").await.ok(200)["known"], true);
    assert_eq!(plane.get("/reputation/2001:db8:0:1::1").await.ok(200)["known"], false);
}

#[tokio::test]
async fn what_is_no_address_is_refused() {
    let plane = ControlPlane::start().await;
    assert_eq!(plane.get("/reputation/nobody").await.problem(422).1, "ip");
    assert_eq!(plane.get("/reputation/%ff").await.problem(422).1, "ip");
}
