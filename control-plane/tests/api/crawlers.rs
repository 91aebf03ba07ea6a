//! Claimed crawlers through `POST /check`, and `GET /v1/crawlers`.

use std::collections::BTreeSet;

use hickory_resolver::proto::op::ResponseCode;
use sallyport::crawlers::CrawlerRanges;
use serde_json::{Value, json};

use crate::harness::{ControlPlane, FIREFOX, Reply, send};
use crate::name_server::{NameServer, Zone};
use crate::verifier::{BINGBOT, GOOGLEBOT, GPTBOT};

/// A control plane that asks this name server and knows no ranges.
async fn plane(server: &NameServer, crawlers: &str, policy: &str) -> ControlPlane {
    let crawlers = format!("nameservers: [\"{}\"], {crawlers}", server.address);
    let ranges = "ranges: { bundled: false }";
    ControlPlane::with_config(&format!("{ranges}\ncrawlers: {{ {crawlers} }}\npolicy: {{ {policy} }}")).await
}

async fn check(plane: &ControlPlane, ip: &str, user_agent: &[u8]) -> Reply {
    let user_agent = String::from_utf8_lossy(user_agent);
    plane.check(json!({ "ip": ip, "user_agent": user_agent, "endpoint": "/" })).await
}

/// A filter's consult about features that make a score of nearly 100.
async fn consult(plane: &ControlPlane, ip: &str, user_agent: &[u8]) -> Reply {
    let measured = json!([[1, 1, 1, 1, 1, 1, 1], { "trap_path": 1, "probe_path": 1, "user_agent": 1 }]);
    consult_about(plane, ip, user_agent, &measured).await
}

/// A filter's consult about these features and evidence.
async fn consult_about(plane: &ControlPlane, ip: &str, user_agent: &[u8], measured: &Value) -> Reply {
    let body = json!({
        "ip": ip, "user_agent": String::from_utf8_lossy(user_agent), "endpoint": "/",
        "features": measured[0], "evidence": measured[1],
    });
    send(plane.request(reqwest::Method::POST, "/check", &plane.filter_token).body(body.to_string())).await
}

/// The verdict on the crawler, empty where none is claimed, and the action.
fn told(reply: &Reply) -> (&str, &str) {
    let json = reply.ok(200);
    (json["agent"]["verdict"].as_str().unwrap_or_default(), json["action"].as_str().unwrap_or_default())
}

#[tokio::test]
async fn a_false_googlebot_is_blocked_and_a_genuine_one_passes() {
    let zone = Zone::default()
        .ptr("192.0.2.1", "cable-1.isp.example")
        .ptr("66.249.66.1", "crawl.googlebot.com")
        .address("crawl.googlebot.com", "66.249.66.1");
    let server = NameServer::start(zone).await;
    let plane = plane(&server, "wait_ms: 1000", "enforcement: enforce").await;
    let false_one = check(&plane, "192.0.2.1", GOOGLEBOT).await;
    assert_eq!(told(&false_one), ("failed", "BLOCK"));
    assert_eq!(false_one.json["reasons"], json!([{ "check": "crawler", "points": 100.0 }]));
    let agent = json!({ "crawler": "googlebot", "category": "search", "verdict": "failed", "ttl_s": 300 });
    assert_eq!(false_one.json["agent"], agent);
    assert_eq!(told(&consult(&plane, "192.0.2.1", GOOGLEBOT).await), ("failed", "BLOCK"));
    for _ in 0..100 {
        assert_eq!(told(&check(&plane, "66.249.66.1", GOOGLEBOT).await), ("verified", "ALLOW"));
    }
    assert_eq!(told(&consult(&plane, "66.249.66.1", GOOGLEBOT).await), ("verified", "ALLOW"));
    assert_eq!(told(&check(&plane, "192.0.2.1", FIREFOX.as_bytes()).await).0, "", "a neighbour");

    plane.flush().await;
    let reasons = plane.sql("SELECT DISTINCT check_name FROM failed_checks");
    assert_eq!(reasons, ["crawler"]);
    let metrics = String::from_utf8(plane.get("/metrics").await.bytes).expect("text");
    for line in [
        "sallyport_crawler_verifications_total{crawler=\"googlebot\",verdict=\"failed\"} 2",
        "sallyport_crawler_verifications_total{crawler=\"googlebot\",verdict=\"verified\"} 101",
        "sallyport_crawler_lookups_total{outcome=\"confirmed\"} 1",
        "sallyport_crawlers_remembered 2",
    ] {
        assert!(metrics.contains(line), "{line} is missing in\n{metrics}");
    }
}

#[tokio::test]
async fn the_policy_decides_by_category_about_those_that_are_verified() {
    let server = NameServer::start(Zone::default()).await;
    let policy = "crawlers: { ai_training: block, ai_search: challenge, search: limit }, rate_limit: { crawler: { per_second: 0.1, burst: 3 } }";
    let plane = plane(&server, "wait_ms: 1000", policy).await;
    let ranges = || vec!["192.0.2.0/24".parse().expect("a range")];
    let providers =
        ["gptbot", "oai-searchbot", "googlebot"].map(|name| (name.to_owned(), ranges(), u64::MAX));
    plane.app.crawlers.set_ranges(CrawlerRanges::new(providers));
    let searchbot = b"OAI-SearchBot/1.3";
    for (user_agent, action) in [(GPTBOT, "BLOCK"), (searchbot, "CHALLENGE"), (GOOGLEBOT, "ALLOW")] {
        assert_eq!(told(&check(&plane, "192.0.2.7", user_agent).await), ("verified", action));
        assert_eq!(told(&consult(&plane, "192.0.2.7", user_agent).await), ("verified", action));
    }
    let actions = async |user_agent| told(&check(&plane, "192.0.2.7", user_agent).await).1.to_owned();
    assert_eq!(
        [actions(GOOGLEBOT).await, actions(GOOGLEBOT).await, actions(GOOGLEBOT).await],
        ["ALLOW", "ALLOW", "RATE_LIMIT"]
    );
    assert_eq!(
        told(&check(&plane, "198.51.100.1", GPTBOT).await),
        ("failed", "BLOCK"),
        "outside of its ranges"
    );
}

#[tokio::test]
async fn with_dns_down_a_crawler_is_judged_like_any_client() {
    let server = NameServer::start(Zone::default().ptr_code("192.0.2.1", ResponseCode::ServFail)).await;
    let plane = plane(&server, "wait_ms: 1000", "").await;
    let claimed = check(&plane, "192.0.2.1", GOOGLEBOT).await;
    let plain = check(&plane, "192.0.2.1", b"ExampleBot/2.1 (+http://www.example.com/bot.html)").await;
    assert_eq!(told(&claimed).0, "unverifiable");
    assert_eq!(told(&plain).0, "", "claims nobody");
    assert_eq!(
        (&claimed.json["action"], &claimed.json["score"]),
        (&plain.json["action"], &plain.json["score"])
    );
    assert_eq!(
        told(&consult(&plane, "192.0.2.1", GOOGLEBOT).await),
        ("unverifiable", "BLOCK"),
        "its score is high"
    );
}

#[tokio::test]
async fn while_it_is_looked_into_a_crawler_is_not_refused_for_its_name() {
    let server = NameServer::held(Zone::default().ptr("192.0.2.1", "cable-1.isp.example")).await;
    let plane = plane(&server, "wait_ms: 0, timeout_ms: 10000", "").await;
    let by_name = json!([[0.1, 1, 0.4, 0, 0.3, 0, 0], { "user_agent": 1 }]);
    let pending = consult_about(&plane, "192.0.2.1", GOOGLEBOT, &by_name).await;
    assert_eq!(told(&pending), ("pending", "ALLOW"));
    assert_eq!(pending.json["agent"]["ttl_s"], 2);
    let nobody = consult_about(&plane, "192.0.2.1", b"ExampleBot/2.1", &by_name).await;
    assert_eq!(nobody.json["is_bot"], true, "the same under a name that nobody looks into: {nobody:?}");
    let guilty = consult(&plane, "192.0.2.1", GOOGLEBOT).await;
    assert_eq!(told(&guilty), ("pending", "BLOCK"), "for what it did");
    let reasons = guilty.json["reasons"].as_array().expect("reasons");
    assert!(reasons.iter().all(|reason| reason["check"] != "user_agent"), "{reasons:?}");
    let points: f64 = reasons.iter().filter_map(|reason| reason["points"].as_f64()).sum();
    let score = guilty.json["score"].as_f64().expect("a score");
    assert!((50.0 + points - score).abs() < 1.0, "{guilty:?}");
    server.release();
    let found = plane.get("/v1/crawlers?ip=192.0.2.1&user_agent=Googlebot/2.1").await;
    assert_eq!(found.ok(200)["verdict"], "failed");
    assert_eq!(told(&consult(&plane, "192.0.2.1", GOOGLEBOT).await), ("failed", "BLOCK"));
}

/// Crawlers that are told by their names.
const NAMES: [&str; 20] = [
    "Googlebot",
    "Google-InspectionTool",
    "Storebot-Google",
    "GoogleOther",
    "AdsBot-Google",
    "Mediapartners-Google",
    "APIs-Google",
    "FeedFetcher-Google",
    "bingbot",
    "Applebot",
    "YandexBot",
    "YandexMobileBot",
    "YandexAccessibilityBot",
    "Baiduspider",
    "SeznamBot",
    "MojeekBot",
    "CCBot",
    "Amazonbot",
    "AhrefsBot",
    "AhrefsSiteAudit",
];

/// What scanners try.
const PROBES: [&str; 21] = [
    "/.env",
    "/.env.local",
    "/.env.production",
    "/.git/config",
    "/.git/HEAD",
    "/.aws/credentials",
    "/.ssh/id_rsa",
    "/wp-login.php",
    "/wp-config.php",
    "/wp-config.php.bak",
    "/xmlrpc.php",
    "/phpinfo.php",
    "/phpmyadmin/",
    "/.svn/entries",
    "/.htpasswd",
    "/.DS_Store",
    "/api/.env",
    "/backend/.env",
    "/app/.env",
    "/admin/.env",
    "/old/.env",
];

#[tokio::test]
async fn borrowed_names_and_a_name_server_that_stalls_let_no_scanner_through() {
    let server = NameServer::held(Zone::default()).await;
    let plane = plane(&server, "wait_ms: 0, timeout_ms: 10000", "enforcement: enforce").await;
    let (mut passed, mut pending) = (Vec::new(), BTreeSet::new());
    for probe in PROBES {
        for name in NAMES {
            let user_agent = format!("Mozilla/5.0 (compatible; {name}/2.1)");
            let body = json!({ "ip": "192.0.2.1", "user_agent": user_agent, "endpoint": probe });
            let reply = plane.check(body).await;
            let (verdict, action) = told(&reply);
            assert!(matches!(verdict, "pending" | "unverifiable"), "{reply:?}");
            if verdict == "pending" {
                pending.insert(name);
            }
            if matches!(action, "ALLOW" | "MONITOR") {
                passed.push(format!("{name} {probe} {verdict} {action}"));
            }
        }
    }
    // The eight of Google, Bing's and Apple's: three lookups.
    assert_eq!(pending.len(), 10, "{pending:?}");
    // Of 420: at most the first probe of each that is pending.
    assert!(passed.len() <= 10, "{} of 420: {passed:#?}", passed.len());
}

#[tokio::test]
async fn an_address_without_a_name_is_unverifiable_by_the_ranges_that_ship_and_false_by_today_s() {
    let server = NameServer::start(Zone::default()).await;
    let config = format!(
        "crawlers: {{ nameservers: [\"{}\"], wait_ms: 1000 }}\npolicy: {{ enforcement: enforce }}",
        server.address
    );
    let plane = ControlPlane::with_config(&config).await;
    let baidu = b"Mozilla/5.0 (compatible; Baiduspider/2.0; +http://www.baidu.com/search/spider.html)";
    for named in [BINGBOT, GOOGLEBOT, baidu] {
        assert_eq!(told(&check(&plane, "192.0.2.1", named).await).0, "unverifiable");
    }
    let why = plane.get("/v1/crawlers?ip=192.0.2.1&user_agent=bingbot").await;
    let why = why.ok(200)["why"].as_str().unwrap_or_default();
    assert!(why.starts_with("192.0.2.1 has no name; the ranges of bingbot are "), "{why}");
    let today = ["bingbot", "googlebot"].map(|name| {
        let nets = vec!["198.51.100.0/24".parse().expect("a range")];
        (name.to_owned(), nets, sallyport::clock::unix_ms())
    });
    plane.app.crawlers.set_ranges(CrawlerRanges::new(today));
    for (named, verdict) in [(BINGBOT, "failed"), (GOOGLEBOT, "failed"), (baidu, "unverifiable")] {
        assert_eq!(told(&check(&plane, "192.0.2.1", named).await).0, verdict);
    }
}

#[tokio::test]
async fn operators_can_ask_why() {
    let zone = Zone::default()
        .ptr("66.249.66.1", "crawl.googlebot.com")
        .address("crawl.googlebot.com", "66.249.66.1")
        .ptr("192.0.2.1", "evil-googlebot.com");
    let server = NameServer::start(zone).await;
    let plane = plane(&server, "", "").await;
    let genuine = plane
        .get("/v1/crawlers?ip=::ffff:66.249.66.1&user_agent=Mozilla/5.0%20(compatible;%20googlebot/2.1)")
        .await;
    let expected = json!({
        "ip": "66.249.66.1", "crawler": "googlebot", "category": "search", "verdict": "verified", "ttl_s": 3600,
        "why": "66.249.66.1 is crawl.googlebot.com, which leads back to it",
    });
    assert_eq!(genuine.ok(200), &expected);
    let false_one = plane.get("/v1/crawlers?ip=192.0.2.1&user_agent=Googlebot").await;
    let why = "192.0.2.1 is evil-googlebot.com, which is not below .googlebot.com or .google.com";
    assert_eq!((&false_one.ok(200)["verdict"], &false_one.json["why"]), (&json!("failed"), &json!(why)));
    assert_eq!(plane.get("/v1/crawlers?ip=192.0.2.1&user_agent=Firefox").await.problem(404).0, "not-found");
    assert_eq!(plane.get("/v1/crawlers?ip=nobody&user_agent=Googlebot").await.problem(422).1, "ip");
    assert_eq!(plane.get("/v1/crawlers?ip=192.0.2.1").await.problem(422).1, "user_agent");
    assert_eq!(plane.get("/v1/crawlers").await.problem(422).1, "ip");
}

#[tokio::test]
async fn ranges_of_the_configuration_verify_too() {
    let folder = tempfile::TempDir::new().expect("a folder");
    let file = folder.path().join("gptbot.txt");
    std::fs::write(&file, "192.0.2.0/24").expect("written");
    let plane = ControlPlane::with_config(&format!(
        "ranges: {{ files: [{{ path: {}, label: gptbot, kind: crawler }}] }}",
        file.display()
    ))
    .await;
    assert_eq!(told(&check(&plane, "192.0.2.7", GPTBOT).await), ("verified", "ALLOW"));
    let outside = plane.get("/v1/crawlers?ip=198.51.100.1&user_agent=GPTBot").await;
    assert_eq!(outside.ok(200)["verdict"], "unverifiable", "nobody knows how old a file is: {outside:?}");
}
