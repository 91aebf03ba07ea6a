//! `POST /v1/logins`, `GET /v1/logins/failed`, and what failed logins do to login attempts.

use reqwest::Method;
use sallyport_core::observation::{BatchBuilder, FailedLogin};
use serde_json::{Value, json};

use crate::harness::{ControlPlane, FIREFOX, Reply, send};

async fn tell(plane: &ControlPlane, ip: &str, account: &str, failed: bool) {
    let body = json!({ "ip": ip, "user_agent": FIREFOX, "account": account, "endpoint": "/in?x=1", "failed": failed });
    let request = plane.request(Method::POST, "/v1/logins", &plane.filter_token).body(body.to_string());
    assert_eq!(send(request).await.status.as_u16(), 202);
}

/// Asks about a person's login attempt.
async fn attempt(plane: &ControlPlane, ip: &str, account: &str) -> Reply {
    let headers = json!({
        "Accept": "text/html,application/xhtml+xml,*/*;q=0.8", "Accept-Language": "en-GB,en;q=0.9",
        "Accept-Encoding": "gzip, deflate, br, zstd", "Referer": "https://site.example/login",
    });
    plane
        .check(json!({ "ip": ip, "user_agent": FIREFOX, "endpoint": "/login", "method": "POST", "account": account,
            "headers": headers }))
        .await
}

/// The points of `failed_logins` in an answer.
fn points(reply: &Reply) -> f64 {
    let reasons = reply.ok(200)["reasons"].as_array().expect("a list");
    let found = reasons.iter().find(|reason| reason["check"] == "failed_logins");
    found.map_or(0.0, |reason| reason["points"].as_f64().expect("a number"))
}

#[tokio::test]
async fn a_client_whose_logins_fail_is_known_for_it() {
    let plane = ControlPlane::start().await;
    for number in 0..12 {
        tell(&plane, "192.0.2.1", &format!("user{number}"), true).await;
    }
    let own = points(&attempt(&plane, "192.0.2.1", "").await);
    let neighbour = points(&attempt(&plane, "192.0.2.2", "").await);
    assert!(own > 20.0 && neighbour < own / 2.0, "a network has to fail more often: {own}, {neighbour}");
    assert_eq!(points(&attempt(&plane, "198.51.100.2", "").await), 0.0);
    plane.flush().await;
    let rows = plane
        .sql("SELECT path, count(*), count(DISTINCT account), count(DISTINCT network) FROM failed_logins");
    assert_eq!(rows, ["/in|12|12|1"]);
    let past = plane.get("/reputation/192.0.2.1").await;
    assert_eq!(past.ok(200)["failed_logins"], 12);
}

#[tokio::test]
async fn stuffing_spread_over_a_network_is_seen_and_refuses_no_person() {
    let plane = ControlPlane::start().await;
    for number in 0..120 {
        tell(&plane, &format!("192.0.2.{number}"), &format!("user{number}"), true).await;
        // Others there sign in as always.
        if number % 5 == 0 {
            tell(&plane, &format!("192.0.2.{number}"), "somebody", false).await;
        }
    }
    let person = attempt(&plane, "192.0.2.250", "ada").await;
    assert!(points(&person) > 2.0, "{person:?}");
    assert!(matches!(person.json["action"].as_str(), Some("ALLOW" | "MONITOR")), "{person:?}");
    // With a typo of one's own.
    tell(&plane, "192.0.2.250", "ada", true).await;
    let again = attempt(&plane, "192.0.2.250", "ada").await;
    assert!(matches!(again.ok(200)["action"].as_str(), Some("ALLOW" | "MONITOR")), "{again:?}");
    assert_eq!(points(&attempt(&plane, "198.51.100.1", "ada").await), 0.0, "another network");
    let page = json!({ "ip": "192.0.2.251", "user_agent": FIREFOX, "endpoint": "/login" });
    assert_eq!(points(&plane.check(page).await), 0.0, "only attempts count");

    // Where nearly all fail, who comes new is one of them.
    for number in 0..120 {
        tell(&plane, &format!("203.0.113.{number}"), &format!("user{number}"), true).await;
    }
    let newcomer = attempt(&plane, "203.0.113.250", "ada").await;
    assert!(points(&newcomer) > 15.0 && newcomer.json["action"] != "ALLOW", "{newcomer:?}");

    let tool = |endpoint: &str| {
        let body = json!({ "ip": "192.0.2.252", "user_agent": "python-requests/2.28.0", "endpoint": endpoint, "method": "POST" });
        plane.check(body)
    };
    // Told apart: what is refused counts in the rates of whom it was.
    let elsewhere = points(&tool("/search").await);
    assert!(points(&tool("/login").await) > elsewhere);
}

#[tokio::test]
async fn an_office_that_signs_in_is_let_in() {
    let plane = ControlPlane::start().await;
    for number in 0..300 {
        tell(&plane, "192.0.2.1", &format!("user{number}"), number % 10 == 0).await;
    }
    let reply = attempt(&plane, "192.0.2.1", "user7").await;
    assert!(matches!(reply.ok(200)["action"].as_str(), Some("ALLOW" | "MONITOR")), "{reply:?}");
    assert!(points(&attempt(&plane, "192.0.2.9", "user7").await) < 1.0, "thirty failed among three hundred");
}

#[tokio::test]
async fn an_account_that_many_try_is_seen_wherever_they_come_from() {
    let plane = ControlPlane::start().await;
    for number in 0..40 {
        tell(&plane, &format!("10.{number}.0.1"), " Ada@Example.com", true).await;
    }
    let attempted = attempt(&plane, "192.0.2.1", "ada@example.com ").await;
    assert!(points(&attempted) > 2.0, "{attempted:?}");
    assert_eq!(points(&attempt(&plane, "192.0.2.1", "grace@example.com").await), 0.0);
    assert_eq!(points(&attempt(&plane, "192.0.2.1", "").await), 0.0);
    let consult = |endpoint: &str, evidence: Value| {
        let body = json!({ "ip": "192.0.2.1", "user_agent": FIREFOX, "endpoint": endpoint, "method": "POST",
            "account": "ada@example.com", "features": [0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5], "evidence": evidence });
        plane.check(body)
    };
    let score = |reply: Reply| reply.ok(200)["score"].as_f64().expect("a number");
    let plain = score(consult("/search", json!({})).await);
    let login = score(consult("/login", json!({})).await);
    assert!(login > plain);
    let stronger = score(consult("/login", json!({ "failed_logins": 0.9 })).await);
    let same = score(consult("/search", json!({ "failed_logins": 0.9 })).await);
    assert!(stronger > login && (stronger - same).abs() < 1e-3, "the largest counts, not the sum");
    plane.flush().await;
    let stored = plane.sql("SELECT group_concat(user_agent || path || method) FROM requests");
    assert!(!stored[0].contains("ada"), "{stored:?}");
}

#[tokio::test]
async fn what_filters_saw_counts_and_operators_see_it() {
    let plane = ControlPlane::start().await;
    let key = plane.app.detector.engine().key().clone();
    let network = key.network("2001:db8:1::".parse().ok());
    let mut batch = BatchBuilder::new(1, 1);
    for number in 0..100 {
        let account = key.account(format!("user{}", number % 2).as_bytes());
        let ts_ms = sallyport::clock::unix_ms();
        let login = FailedLogin { ts_ms, address: number, client: number, network, account, path: b"/login" };
        assert!(batch.login_failure(&login));
    }
    let mut marks = plane.app.logins.marks();
    let body = batch.finish(0);
    send(plane.request(Method::POST, "/v1/observations", &plane.filter_token).body(body)).await;
    assert!(points(&attempt(&plane, "2001:db8:1:ffff::1", "").await) > 2.0);
    assert_eq!(points(&attempt(&plane, "2001:db8:2::1", "").await), 0.0);
    assert_eq!(marks.recv().await.map(|mark| mark.key), Ok(network));

    plane.flush().await;
    let all = plane.get("/v1/logins/failed").await;
    assert_eq!(all.ok(200)["networks"][0]["hash"], format!("{network:016x}"));
    assert_eq!((all.json["accounts"].as_array().map(Vec::len), all.json.get("recent")), (Some(2), None));
    let account = plane.get("/v1/logins/failed?account=USER1").await;
    assert_eq!(account.ok(200)["recent"].as_array().map(Vec::len), Some(50));
    assert!(account.json["accounts"][0]["failed"].as_f64() > Some(49.0), "{account:?}");
    let of_network = plane.get("/v1/logins/failed?ip=2001:db8:1:7::9").await;
    assert_eq!(of_network.ok(200)["recent"].as_array().map(Vec::len), Some(100));
    assert!(of_network.json["networks"][0]["strength"].as_f64() > Some(0.49), "{of_network:?}");
    for query in ["ip=nobody", "account=+", "ip=192.0.2.1&account=ada", "user=ada"] {
        plane.get(&format!("/v1/logins/failed?{query}")).await.problem(422);
    }
}

#[tokio::test]
async fn a_faulty_report_is_told_by_its_field() {
    let plane = ControlPlane::start().await;
    for (body, field) in [
        (json!({ "user_agent": "x" }), "failed"),
        (json!({ "failed": true }), "user_agent"),
        (json!({ "user_agent": "x", "failed": "yes" }), "failed"),
        (json!({ "user_agent": "x", "failed": true, "ip": "nobody" }), "ip"),
        (json!({ "user_agent": "x", "failed": true, "password": "secret" }), "password"),
    ] {
        let reply = plane.post("/v1/logins", body.to_string()).await;
        let (kind, named, detail) = reply.problem(422);
        assert_eq!((kind, named), ("invalid-field", field), "{detail}");
        assert!(!detail.contains("secret"), "{detail}");
    }
}
