//! Who claims to be a crawler: verified by published ranges and by DNS, never by the name alone.

use std::path::Path;
use std::time::{Duration, Instant};

use sallyport_e2e::harness::{Gate, NameServer, Names, Plan, eventually};
use sallyport_e2e::visitor::Visitor;
use serde_json::{Value, json};
use tempfile::TempDir;

const GOOGLEBOT: &str = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)";
const AHREFSBOT: &str = "Mozilla/5.0 (compatible; AhrefsBot/7.0; +http://ahrefs.com/robot/)";
const GPTBOT: &str =
    "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; GPTBot/1.2; +https://openai.com/gptbot)";

fn plan(policy: Value) -> Plan {
    // A visitor's first request waits for the verdict.
    Plan::with_policy(policy).plugin("consult_deadline_ms", json!(8000))
}

/// Ranges of three crawlers, as files of the operator.
fn ranges(folder: &Path) -> Value {
    let file = |label: &str, range: &str| {
        let path = folder.join(label);
        std::fs::write(&path, range).expect("a file of ranges");
        json!({ "path": path, "label": label, "kind": "crawler" })
    };
    let files = [
        file("googlebot", "192.0.2.0/26\n"),
        file("gptbot", "192.0.2.64/26\n"),
        file("ahrefsbot", "192.0.2.128/26\n"),
    ];
    json!({ "bundled": false, "files": files })
}

/// The event of a client that was blocked as a crawler.
async fn blocked(gate: &Gate, address: &str) {
    let event = gate.control().event(&format!("check=crawler&ip={address}"), |_| true).await;
    assert_eq!((&event["action"], &event["enforced"]), (&json!("BLOCK"), &json!(true)), "{event}");
}

#[tokio::test(flavor = "multi_thread")]
async fn published_ranges_tell_genuine_crawlers_from_false_ones() {
    let folder = TempDir::with_prefix("sallyport-ranges-").expect("a folder");
    let slow = json!({ "per_second": 0.01, "burst": 10 });
    let policy = json!({
        "enforcement": "enforce", "rate_limit": { "client": slow, "crawler": slow },
        "crawlers": { "ai_training": "block", "other": "limit" },
    });
    let plan = plan(policy).section("ranges", ranges(folder.path()));
    let gate = plan.section("crawlers", json!({ "dns": false })).start_with_control_plane().await;

    let false_one = Visitor::tool("203.0.113.9", GOOGLEBOT);
    assert_eq!(gate.status(&false_one, "/about").await, 403);
    blocked(&gate, "203.0.113.9").await;

    let genuine = Visitor::tool("192.0.2.5", GOOGLEBOT);
    for number in 0..60 {
        let answer = gate.get(&genuine, &format!("/articles/{}", number % 40 + 1)).await;
        assert_eq!(answer.status(), 200, "request {number}, far over the limit of others");
        let told = answer.headers()["x-echo-sallyport"].to_str().expect("text");
        assert!(told.starts_with("action=ALLOW"), "request {number}: {told}");
    }
    gate.envoy.wait_for_stat("wasmcustom.sallyport_consults_answered", |count| count == 2);

    let limited = Visitor::tool("192.0.2.130", AHREFSBOT);
    let mut statuses = Vec::new();
    for number in 1..=12 {
        statuses.push(gate.status(&limited, &format!("/articles/{number}")).await);
    }
    assert_eq!((&statuses[..10], &statuses[10..]), (&[200; 10][..], &[429; 2][..]), "the limit of crawlers");
    let over = |event: &Value| event["limit"] == json!({ "rule": "crawler", "shadow": false });
    gate.control().event("check=rate_limit&ip=192.0.2.130", over).await;

    let training = Visitor::tool("192.0.2.70", GPTBOT);
    assert_eq!(gate.status(&training, "/about").await, 403, "verified, and refused by the policy");
    blocked(&gate, "192.0.2.70").await;
    let told = gate.control().get("/v1/crawlers?ip=192.0.2.70&user_agent=GPTBot");
    assert_eq!((&told["verdict"], &told["category"]), (&json!("verified"), &json!("ai_training")), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_has_to_lead_back_to_its_address() {
    let names = Names::default()
        .with("198.51.100.7", "crawl-198-51-100-7.googlebot.com", "198.51.100.7")
        .with("203.0.113.9", "crawl-203-0-113-9.googlebot.com", "198.51.100.7")
        .with("203.0.113.10", "home-10.example.net", "203.0.113.10");
    let server = NameServer::start(names).await;
    let dns = json!({ "nameservers": [server.address()], "wait_ms": 1000 });
    let plan = plan(json!({ "enforcement": "enforce" })).section("ranges", json!({ "bundled": false }));
    let gate = plan.section("crawlers", dns).start_with_control_plane().await;

    let runtime = tokio::runtime::Handle::current();
    for (address, wanted) in [("198.51.100.7", 200), ("203.0.113.9", 403), ("203.0.113.10", 403)] {
        let visitor = Visitor::tool(address, GOOGLEBOT);
        // Where the lookup takes longer than the control plane waits, a later request has its verdict.
        eventually(address, || {
            let status = tokio::task::block_in_place(|| runtime.block_on(gate.status(&visitor, "/about")));
            let told = gate.control().get(&format!("/v1/crawlers?ip={address}&user_agent=Googlebot"));
            let is_settled = told["verdict"] == if wanted == 200 { "verified" } else { "failed" };
            if is_settled && status == wanted { Ok(()) } else { Err(format!("{status}: {told}")) }
        })
        .await;
    }
    blocked(&gate, "203.0.113.9").await;
    blocked(&gate, "203.0.113.10").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn silent_name_servers_hold_nobody_and_refuse_nobody() {
    let server = NameServer::silent().await;
    let dns = json!({ "nameservers": [server.address()], "timeout_ms": 200 });
    let plan = plan(json!({ "enforcement": "enforce" })).section("ranges", json!({ "bundled": false }));
    let gate = plan.section("crawlers", dns).start_with_control_plane().await;
    let claiming = Visitor::chrome("203.0.113.9").named(GOOGLEBOT);
    let start = Instant::now();
    let answer = gate.get(&claiming, "/about").await;
    let took = start.elapsed();
    assert_eq!(answer.status(), 200, "not refused for its name while somebody looks into it");
    assert!(took < Duration::from_secs(5), "{took:?}");
    let told = gate.control().get("/v1/crawlers?ip=203.0.113.9&user_agent=Googlebot");
    assert_eq!(told["verdict"], "unverifiable", "{told}");

    gate.get(&claiming, "/about").await;
    gate.control().counted(2).await;
    let crawler = gate.control().get("/v1/events?check=crawler");
    assert_eq!(crawler["events"], json!([]), "nobody is refused for a name that cannot be verified");
}
