//! Reputation providers behind `POST /check` and `GET /reputation/{ip}`.

use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex};

use axum::extract::Request;
use reqwest::Method;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::harness::{ControlPlane, FIREFOX, Reply, send};

/// IPQualityScore as documented, on this machine: every address is a VPN's with this fraud score.
struct Provider {
    base: String,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Provider {
    async fn start(fraud_score: f32) -> Self {
        let asked: Arc<Mutex<Vec<String>>> = Arc::default();
        let log = Arc::clone(&asked);
        let answer = json!({
            "success": true, "message": "Success", "fraud_score": fraud_score, "proxy": true, "vpn": true,
            "tor": false, "active_vpn": true, "active_tor": false, "recent_abuse": fraud_score > 90.0,
            "bot_status": false, "is_crawler": false, "connection_type": "Data Center", "request_id": "x",
        });
        let router = axum::Router::new().fallback(move |request: Request| {
            log.lock().expect("not poisoned").push(request.uri().path().to_owned());
            async move { axum::Json(answer) }
        });
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a free port");
        let base = format!("http://{}", listener.local_addr().expect("bound"));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { base, asked }
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().expect("not poisoned").clone()
    }

    /// A control plane that asks it.
    async fn plane(&self, more: &str, policy: &str) -> ControlPlane {
        let base = &self.base;
        ControlPlane::with_config(&format!(
            "fetch: {{ allow_private: [127.0.0.1] }}\n\
             secrets: {{ ipqualityscore_key: k3y }}\n\
             reputation: {{ providers: [ipqualityscore], ipqualityscore: {{ url: '{base}', daily_quota: 3 }}, {more} }}\n{policy}"
        ))
        .await
    }
}

/// A filter's question about a request that is somewhat suspect by itself.
async fn consult(plane: &ControlPlane, ip: &str, features: [f32; 7]) -> Reply {
    let body = json!({
        "ip": ip, "user_agent": "x", "endpoint": "/", "features": features, "evidence": { "datacenter_ip": 1.0 },
    });
    send(plane.request(Method::POST, "/check", &plane.filter_token).body(body.to_string())).await
}

const SUSPECT: [f32; 7] = [0.2, 0.0, 0.3, 0.0, 0.3, 0.0, 0.0];

/// Whatever a model says of the suspect, it is neither let pass nor blocked.
const OPEN: &str = "policy: { thresholds: { monitor: 1, challenge: 99.8, block: 99.9 } }";

fn reasons(reply: &Reply) -> Vec<&str> {
    let reasons = reply.ok(200)["reasons"].as_array().expect("a list");
    reasons.iter().filter_map(|reason| reason["check"].as_str()).collect()
}

#[tokio::test]
async fn the_next_consult_knows_what_a_lookup_found() {
    let provider = Provider::start(100.0).await;
    let plane = provider.plane("", OPEN).await;
    let first = consult(&plane, "9.9.9.9", SUSPECT).await;
    assert!(matches!(first.ok(200)["action"].as_str(), Some("MONITOR" | "CHALLENGE")), "{first:?}");
    assert_eq!(first.json["hold_s"], 3, "not to be kept for long");
    assert!(!reasons(&first).contains(&"ip_reputation"));
    // Joins the lookup that is under way, or asks anew.
    let known = plane.get("/reputation/9.9.9.9?refresh=true").await;
    let said = &known.ok(200)["provider"];
    assert_eq!(
        (&said["is_vpn"], &said["is_proxy"], &said["is_tor"]),
        (&json!(true), &json!(true), &json!(false))
    );
    assert_eq!((&said["fraud_score"], &said["source"]), (&json!(100.0), &json!("ipqualityscore")));
    assert!(said["fetched_at"].as_str().is_some_and(|time| time.ends_with('Z')), "{said}");
    assert!(known.json["reputation"].as_f64() > Some(0.8), "{known:?}");
    assert_eq!(plane.get("/reputation/9.9.9.9").await.ok(200)["provider"], *said);

    let second = consult(&plane, "9.9.9.9", SUSPECT).await;
    assert!(reasons(&second).contains(&"ip_reputation"), "{second:?}");
    assert!(second.json["score"].as_f64() > first.json["score"].as_f64());
    assert!(second.json.get("hold_s").is_none());
    assert!(provider.asked().iter().all(|path| path == "/k3y/9.9.9.9"), "{:?}", provider.asked());

    let address = plane.app.detector.engine().key().address("9.9.9.9".parse().ok());
    let name = format!("reputation:{address:016x}");
    let kept = plane.app.shared.cached(&name).await.expect("answered").expect("kept");
    assert!(!String::from_utf8_lossy(&kept).contains("9.9.9"), "the address itself is kept nowhere");
    let text = String::from_utf8(plane.get("/metrics").await.bytes).expect("text");
    for line in [
        "sallyport_reputation_breaker{provider=\"ipqualityscore\"} 0",
        "sallyport_reputation_cache_hits_total{cache=\"memory\"} 1",
        "sallyport_reputation_pending 0",
    ] {
        assert!(text.contains(line), "{line} is not in {text}");
    }
    assert!(
        text.contains("sallyport_reputation_lookups_total{provider=\"ipqualityscore\",outcome=\"answered\"}")
    );
}

#[tokio::test]
async fn a_vpn_alone_gets_nobody_challenged() {
    let provider = Provider::start(75.0).await;
    let plane = provider.plane("wait_ms: 10000", "").await;
    plane.get("/reputation/9.9.9.9?refresh=true").await.ok(200);
    let visit = |ip: &str| plane.check(json!({ "ip": ip, "user_agent": FIREFOX, "endpoint": "/" }));
    let behind_vpn = visit("9.9.9.9").await;
    assert!(reasons(&behind_vpn).contains(&"ip_reputation"), "{behind_vpn:?}");
    assert_eq!(behind_vpn.json["is_bot"], false, "{behind_vpn:?}");
    assert_eq!(provider.asked().len(), 1);

    // Who passes anyway is nobody's business.
    assert_eq!(visit("9.9.9.8").await.ok(200)["action"], "ALLOW");
    let low = consult(&plane, "9.9.9.8", [0.0; 7]).await;
    assert_eq!(low.ok(200)["action"], "ALLOW");
    assert_eq!(provider.asked().len(), 1);
}

#[tokio::test]
async fn an_answer_may_wait_for_a_lookup() {
    let provider = Provider::start(100.0).await;
    let plane = provider.plane("wait_ms: 10000", OPEN).await;
    let learnt = consult(&plane, "9.9.9.9", SUSPECT).await;
    assert!(reasons(&learnt).contains(&"ip_reputation"), "{learnt:?}");
    assert!(learnt.json.get("hold_s").is_none());

    let scanner = json!({ "ip": "9.9.9.7", "user_agent": "curl/8.5.0", "endpoint": "/" });
    let learnt = plane.check(scanner).await;
    assert!(reasons(&learnt).contains(&"ip_reputation"), "{learnt:?}");
    plane.flush().await;
    assert_eq!(plane.sql("SELECT count(*) FROM requests"), ["1"], "it was counted once");
    assert_eq!(provider.asked(), ["/k3y/9.9.9.9", "/k3y/9.9.9.7"]);
}

#[tokio::test]
async fn a_refresh_that_cannot_be_is_told() {
    let provider = Provider::start(0.0).await;
    let plane = provider.plane("never: [9.9.9.200]", "").await;
    for ip in ["9.9.9.200", "10.0.0.1", "192.0.2.1", "::1"] {
        let reply = plane.get(&format!("/reputation/{ip}?refresh=true")).await;
        let (kind, field, detail) = reply.problem(422);
        assert_eq!((kind, field), ("invalid-field", "refresh"));
        assert!(detail.contains("reputation.never"), "{detail}");
        assert_eq!(plane.get(&format!("/reputation/{ip}")).await.ok(200)["provider"], Value::Null);
    }
    assert_eq!(plane.get("/reputation/9.9.9.1?refresh=maybe").await.problem(422).1, "refresh");
    for _ in 0..3 {
        plane.get("/reputation/9.9.9.1?refresh=true").await.ok(200);
    }
    let used_up = plane.get("/reputation/9.9.9.1?refresh=true").await;
    let (kind, _, detail) = used_up.problem(503);
    assert_eq!(kind, "unavailable");
    assert!(detail.contains("quota is used up") && detail.contains("what was known stays"), "{detail}");
    assert_eq!(plane.get("/reputation/9.9.9.1").await.ok(200)["provider"]["is_vpn"], true);
    let expected = json!([{
        "name": "ipqualityscore", "breaker": "closed", "daily_quota": 3, "quota_left": 0, "paused_s": 0,
        "last_error": null,
    }]);
    assert_eq!(plane.get("/v1/reputation").await.ok(200)["providers"], expected);

    let off = ControlPlane::start().await;
    let refused = off.get("/reputation/9.9.9.1?refresh=true").await;
    let (_, field, detail) = refused.problem(422);
    assert_eq!(field, "refresh");
    assert!(detail.contains("reputation.providers"), "{detail}");
    assert_eq!(off.get("/v1/reputation").await.ok(200)["providers"], json!([]));
}
