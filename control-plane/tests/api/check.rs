//! `POST /check`.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use reqwest::Method;
use sallyport_core::{Marks, RequestFacts};
use serde_json::json;

use crate::harness::{ControlPlane, FIREFOX, send};

#[tokio::test]
async fn a_browser_passes_and_a_tool_does_not() {
    let plane = ControlPlane::start().await;
    let person = plane.check(json!({ "ip": "192.0.2.1", "user_agent": FIREFOX, "endpoint": "/?q=1" })).await;
    let person = person.ok(200);
    assert_eq!((&person["action"], &person["is_bot"]), (&json!("ALLOW"), &json!(false)));
    assert_eq!(person["enforced"], false, "monitor mode is the default");
    assert_eq!(person["features"].as_array().map(Vec::len), Some(7));
    assert!(person.get("retry_after").is_none());
    let ml = (person["ml_score"].as_f64(), person["ml_probability"].as_f64());
    assert!(matches!(ml, (Some(score), Some(p)) if (score - 100.0 * p).abs() < 1e-3), "{ml:?}");

    let tool = json!({ "ip": "192.0.2.2", "user_agent": "python-requests/2.28.0", "endpoint": "/.env" });
    let tool = plane.check(tool).await;
    let tool = tool.ok(200);
    assert_eq!(tool["is_bot"], true);
    let score = tool["score"].as_f64().expect("a number");
    assert!((70.0..=100.0).contains(&score), "{tool}");
    let reasons = tool["reasons"].as_array().expect("a list");
    let mut raised: Vec<&str> = reasons
        .iter()
        .filter(|reason| reason["points"].as_f64() > Some(0.0))
        .filter_map(|reason| reason["check"].as_str())
        .collect();
    raised.sort_unstable();
    assert!(!raised.is_empty(), "{tool}");

    plane.flush().await;
    let rows = plane.sql("SELECT path, user_agent, method, source, weight FROM requests ORDER BY id");
    assert_eq!(rows, [format!("/|{FIREFOX}|GET|1|1"), "/.env|python-requests/2.28.0|GET|1|1".to_owned()]);
    let request = "SELECT id FROM requests WHERE path = '/.env'";
    let failed =
        plane.sql(&format!("SELECT check_name FROM failed_checks WHERE event = ({request}) ORDER BY 1"));
    assert_eq!(failed, raised);
}

#[tokio::test]
async fn the_address_defaults_to_the_callers() {
    let plane = ControlPlane::start().await;
    plane.check(json!({ "user_agent": FIREFOX, "endpoint": "/" })).await.ok(200);
    plane.flush().await;
    let reply = plane.get("/reputation/::ffff:127.0.0.1").await;
    assert_eq!((&reply.ok(200)["known"], &reply.json["ip"]), (&json!(true), &json!("127.0.0.1")));
}

#[tokio::test]
async fn a_burst_is_limited_with_a_time_to_wait() {
    let config = "policy: { rate_limit: { client: { per_second: 0.1, burst: 3 } } }";
    let plane = ControlPlane::with_config(config).await;
    let ask = || plane.check(json!({ "ip": "192.0.2.1", "user_agent": FIREFOX, "endpoint": "/a" }));
    for _ in 0..3 {
        assert_ne!(ask().await.ok(200)["action"], "RATE_LIMIT");
    }
    let limited = ask().await;
    assert_eq!((&limited.ok(200)["action"], &limited.json["is_bot"]), (&json!("RATE_LIMIT"), &json!(true)));
    assert!(limited.json["retry_after"].as_u64().is_some_and(|s| (1..=10).contains(&s)), "{limited:?}");
}

#[tokio::test]
async fn lists_decide_at_once() {
    let config = "policy: { enforcement: enforce, lists: { deny: [192.0.2.0/24], allow: [192.0.2.7] } }";
    let plane = ControlPlane::with_config(config).await;
    let ask = |ip: &str| plane.check(json!({ "ip": ip, "user_agent": "curl/8.0", "endpoint": "/" }));
    let denied = ask("192.0.2.9").await;
    assert_eq!((&denied.ok(200)["action"], &denied.json["score"]), (&json!("BLOCK"), &json!(100.0)));
    assert_eq!(denied.json["enforced"], true);
    assert_eq!(ask("192.0.2.7").await.ok(200)["action"], "ALLOW");
}

#[tokio::test]
async fn headers_that_contradict_the_browser_count() {
    let plane = ControlPlane::start().await;
    let chrome = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36";
    let ask = |ip: &str, headers: serde_json::Value| {
        plane.check(json!({ "ip": ip, "user_agent": chrome, "endpoint": "/", "headers": headers }))
    };
    let full = json!({
        "Accept": "text/html,application/xhtml+xml,*/*;q=0.8", "Accept-Language": "en-GB,en;q=0.9",
        "Accept-Encoding": "gzip, deflate, br, zstd", "Sec-Fetch-Site": "none", "Sec-Fetch-Mode": "navigate",
        "Sec-Fetch-Dest": "document", "Sec-CH-UA": "\"Chromium\";v=\"142\", \"Google Chrome\";v=\"142\"",
        "Sec-CH-UA-Mobile": "?0", "Sec-CH-UA-Platform": "\"Windows\"", "X-Forwarded-Proto": "https",
    });
    let bare = json!({ "Accept": "*/*", "X-Forwarded-Proto": "https" });
    let (full, bare) = (ask("192.0.2.1", full).await, ask("192.0.2.2", bare).await);
    let score = |reply: &crate::harness::Reply| reply.ok(200)["score"].as_f64().expect("a number");
    assert!(score(&bare) > score(&full) + 10.0, "{} against {}", bare.json, full.json);
}

#[tokio::test]
async fn a_session_makes_no_client_and_tells_nobody_apart() {
    let plane = ControlPlane::start().await;
    for (ip, session) in [("192.0.2.1", "s-1"), ("198.51.100.1", "s-1"), ("192.0.2.1", "s-2")] {
        let body = json!({ "ip": ip, "user_agent": FIREFOX, "endpoint": "/", "session_id": session });
        plane.check(body).await.ok(200);
    }
    plane.flush().await;
    let counts = plane.sql("SELECT count(DISTINCT client), count(DISTINCT address) FROM requests");
    assert_eq!(counts, ["2|2"]);
}

/// How many of 200 calls pass, each with what is added to it by its number.
async fn passing(plane: &ControlPlane, ip: &str, more: impl Fn(u32) -> serde_json::Value) -> usize {
    let mut passed = 0;
    for number in 0..200 {
        let mut body = json!({ "ip": ip, "user_agent": FIREFOX, "endpoint": format!("/item/{number}") });
        for (key, value) in more(number).as_object().expect("an object") {
            body[key] = value.clone();
        }
        passed += usize::from(plane.check(body).await.ok(200)["is_bot"] == false);
    }
    passed
}

#[tokio::test]
async fn a_made_up_session_or_browser_per_call_lets_no_more_through_than_newcomers_have() {
    let plane = ControlPlane::start().await;
    // It has judged for an hour: newcomers' budgets look on no more.
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
    let hour_ago_ms = now.as_millis() as u64 - 3_600_000;
    plane.app.detector.check(&RequestFacts::default(), Marks::default(), None, hour_ago_ms);
    let begun = Instant::now();
    let honest = passing(&plane, "192.0.2.1", |_| json!({})).await;
    let sessions = passing(&plane, "198.51.100.1", |n| json!({ "session_id": format!("s-{n}") })).await;
    let agents = |n| json!({ "user_agent": FIREFOX.replace("145.0", &format!("145.{n}")) });
    let agents = passing(&plane, "203.0.113.1", agents).await;
    let prefixes = passing(&plane, "::", |n| json!({ "ip": format!("2001:db8:7:{n:x}::1") })).await;
    let seconds = begun.elapsed().as_secs() as usize + 1;
    assert!((1..=24).contains(&honest), "it takes some pages to tell: {honest}");
    // By the real clock: a slower run sees a page more.
    assert!(sessions <= honest + 2, "60 of 200 before, where without {honest} passed: {sessions}");
    assert!(agents <= 60 + 5 * seconds, "{agents} in {seconds} s");
    assert!(prefixes <= 240 + 20 * seconds, "{prefixes} in {seconds} s");
}

#[tokio::test]
async fn what_another_site_brings_along_is_held_against_nobody() {
    let plane = ControlPlane::with_config("policy: { trap_paths: [/trap] }").await;
    plane.issue("s-1");
    let ask = |endpoint: &str, headers: serde_json::Value| {
        plane.check(
            json!({ "ip": "192.0.2.1", "user_agent": FIREFOX, "endpoint": endpoint, "session_id": "s-1",
            "headers": headers }),
        )
    };
    let brought = json!({ "accept": "image/*", "sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors",
        "sec-fetch-dest": "image" });
    for path in ["/.env", "/wp-login.php", "/trap"].into_iter().cycle().take(9) {
        assert_eq!(ask(path, brought.clone()).await.ok(200)["is_bot"], true, "{path} is refused by itself");
    }
    assert_eq!(plane.get("/v1/sessions/s-1").await.ok(200)["suspicious"], 0);
    plane.flush().await;
    assert_eq!(plane.get("/reputation/192.0.2.1").await.ok(200)["bad"], 0.0);
    let linked = json!({ "accept": "text/html", "accept-language": "en", "accept-encoding": "gzip",
        "sec-fetch-site": "none", "sec-fetch-mode": "navigate", "sec-fetch-dest": "document" });
    let page = ask("/a", linked).await;
    let reasons = page.ok(200)["reasons"].to_string();
    assert!(!reasons.contains("probe_path") && !reasons.contains("trap_path"), "{reasons}");
}

#[tokio::test]
async fn a_device_is_kept_as_a_keyed_hash() {
    let plane = ControlPlane::start().await;
    for _ in 0..2 {
        let device = json!({ "canvas": "f00d", "webdriver": false });
        let body =
            json!({ "ip": "192.0.2.1", "user_agent": FIREFOX, "endpoint": "/", "fingerprint": device });
        plane.check(body).await.ok(200);
    }
    plane.flush().await;
    assert_eq!(plane.sql("SELECT requests, typeof(fingerprint) FROM device_fingerprints"), ["2|integer"]);
}

#[tokio::test]
async fn a_filters_consult_is_judged_on_its_features_and_leaves_no_row() {
    let plane = ControlPlane::start().await;
    let consult = |features: [f32; 7], evidence: serde_json::Value| {
        let body = json!({
            "ip": "192.0.2.1", "user_agent": "x", "endpoint": "/", "method": "GET", "request_id": "edge-1",
            "features": features, "evidence": evidence,
        });
        send(plane.request(Method::POST, "/check", &plane.filter_token).body(body.to_string()))
    };
    let low = consult([0.0; 7], json!({})).await;
    let high = consult([1.0; 7], json!({ "trap_path": 1.0 })).await;
    assert_eq!(low.ok(200)["request_id"], "edge-1");
    assert_eq!(high.ok(200)["features"], json!([1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0]));
    assert!(high.json["score"].as_f64() > low.json["score"].as_f64(), "{high:?}");
    plane.flush().await;
    assert_eq!(plane.sql("SELECT count(*) FROM requests"), ["0"]);
}

#[tokio::test]
async fn what_the_policy_says_of_a_host_counts_for_consults_too() {
    let config = "policy:
  login: { routes: [{ path: /enter, host: shop.example }] }
  routes: [{ prefix: /, host: shop.example, enforcement: enforce }]
";
    let plane = ControlPlane::with_config(config).await;
    for number in 0..40 {
        let login = json!({ "ip": format!("10.{number}.0.1"), "user_agent": "x", "endpoint": "/enter", "failed": true,
            "account": "ada@example.com" });
        let request = plane.request(Method::POST, "/v1/logins", &plane.filter_token).body(login.to_string());
        assert_eq!(send(request).await.status.as_u16(), 202);
    }
    let consult = async |host: &str, endpoint: &str| {
        let body = json!({ "ip": "192.0.2.1", "user_agent": "x", "endpoint": endpoint, "method": "POST", "account":
            "ada@example.com", "headers": { "host": host }, "features": [0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5], "evidence": {} });
        let reply = plane.check(body).await;
        let json = reply.ok(200);
        (json["enforced"] == json!(true), json["score"].as_f64().expect("a number"))
    };
    let (elsewhere, plain) = consult("other.example", "/enter").await;
    let (enforced, login) = consult("Shop.Example:8443", "/ENTER/").await;
    assert!(enforced && !elsewhere);
    assert!(login > plain, "{login} {plain}");
}

#[tokio::test]
async fn a_faulty_body_is_told_by_its_field() {
    let plane = ControlPlane::start().await;
    let good = r#""user_agent": "x", "endpoint": "/""#;
    let cases: [(String, u16, &str, &str); 18] = [
        ("{".into(), 400, "bad-syntax", ""),
        ("".into(), 400, "bad-syntax", ""),
        ("\u{feff}{}".into(), 400, "bad-syntax", ""),
        (format!("{{{good}}} trailing"), 400, "bad-syntax", ""),
        (format!(r#"{{{good}, "features": [NaN,0,0,0,0,0,0]}}"#), 400, "bad-syntax", "features[0]"),
        (format!(r#"{{{good}, "features": [0,0,1e999,0,0,0,0]}}"#), 400, "bad-syntax", "features[2]"),
        (format!(r#"{{{good}, "features": [0,0,1e39,0,0,0,0]}}"#), 422, "invalid-field", "features[2]"),
        (format!(r#"{{{good}, "features": [0,0,0,0,0,0,0,0]}}"#), 400, "bad-syntax", "features"),
        (format!(r#"{{{good}, "endpoint": "/twice"}}"#), 422, "invalid-field", "endpoint"),
        ("[]".into(), 422, "invalid-field", ""),
        (r#"{"endpoint": "/"}"#.into(), 422, "invalid-field", "user_agent"),
        (r#"{"user_agent": 7, "endpoint": "/"}"#.into(), 422, "invalid-field", "user_agent"),
        (format!(r#"{{{good}, "colour": 1}}"#), 422, "invalid-field", "colour"),
        (format!(r#"{{{good}, "ip": "300.0.0.1"}}"#), 422, "invalid-field", "ip"),
        (format!(r#"{{{good}, "headers": {{"accept": 1}}}}"#), 422, "invalid-field", "headers.accept"),
        (format!(r#"{{{good}, "features": [0,0,0,1.5,0,0,0]}}"#), 422, "invalid-field", "features[3]"),
        (
            format!(r#"{{{good}, "features": [0,0,0,0,0,0,0], "evidence": {{"no_check": 1}}}}"#),
            422,
            "invalid-field",
            "evidence.no_check",
        ),
        (format!(r#"{{{good}, "evidence": {{"trap_path": 1}}}}"#), 422, "invalid-field", "evidence"),
    ];
    for (body, status, kind, field) in cases {
        let reply = plane.post("/check", body.clone()).await;
        let told = reply.problem(status);
        assert_eq!((told.0, told.1), (kind, field), "{body}: {reply:?}");
    }
    let reply = plane.post("/check", vec![b'['; 60_000]).await;
    assert_eq!(reply.problem(422).0, "invalid-field");
    let nested = format!(r#"{{{good}, "fingerprint": {}1{}}}"#, "[".repeat(10_000), "]".repeat(10_000));
    let reply = plane.post("/check", nested).await;
    assert_eq!(reply.problem(400).0, "bad-syntax", "deep nesting is refused, not followed");
    let reply = plane.post("/check", vec![0xFF; 100]).await;
    assert_eq!(reply.problem(400).0, "bad-syntax");
    let reply = plane.post("/check", vec![b' '; 64 * 1024 + 1]).await;
    assert_eq!(reply.problem(413).0, "too-large");
}

#[tokio::test]
async fn an_empty_name_is_none() {
    let plane = ControlPlane::start().await;
    let body = json!({ "user_agent": FIREFOX, "endpoint": "/", "request_id": "" });
    assert_eq!(plane.check(body).await.ok(200)["request_id"].as_str().map(str::len), Some(36));
}

#[tokio::test]
async fn any_text_is_judged_and_stored_cut() {
    let plane = ControlPlane::start().await;
    let long = "ä".repeat(20_000);
    let body = json!({ "ip": "2001:db8::1", "user_agent": long, "endpoint": long, "method": long, "request_id": long });
    let reply = plane.check(body.clone()).await;
    assert_eq!(reply.problem(413).0, "too-large");
    let short = "ä\u{0}\u{202e}".repeat(1000);
    let body = json!({ "ip": "2001:db8::1", "user_agent": short, "endpoint": short, "method": short, "request_id": short });
    plane.check(body).await.ok(200);
    plane.flush().await;
    let lengths = plane.sql("SELECT octet_length(user_agent) <= 256, octet_length(path) <= 256, octet_length(method) <= 16, octet_length(request_id) <= 64 FROM requests");
    assert_eq!(lengths, ["1|1|1|1"]);
}
