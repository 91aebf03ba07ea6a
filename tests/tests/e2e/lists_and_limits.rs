//! Lists and rate limits decide at once.

use sallyport_e2e::harness::Plan;
use sallyport_e2e::visitor::Visitor;
use serde_json::json;

#[tokio::test(flavor = "multi_thread")]
async fn the_lists_decide_before_anything_else() {
    let policy = json!({
        "enforcement": "enforce", "consult": "never",
        "lists": { "allow": ["203.0.113.0/28"], "deny": ["198.51.100.0/24", "2001:db8:bad::/48"] },
    });
    let gate = Plan::with_policy(policy).start_alone().await;
    let status =
        async |visitor: Visitor| visitor.get(&gate.client, &gate.url("/")).send().await.unwrap().status();
    assert_eq!(status(Visitor::tool("203.0.113.9", "python-requests/2.28.0")).await, 200);
    assert_eq!(status(Visitor::tool("203.0.113.99", "python-requests/2.28.0")).await, 403);
    assert_eq!(status(Visitor::chrome("198.51.100.7")).await, 403);
    assert_eq!(status(Visitor::chrome("2001:db8:bad::7")).await, 403);
    assert_eq!(status(Visitor::chrome("::ffff:198.51.100.7")).await, 403, "IPv4 in IPv6 is IPv4");
    assert_eq!(status(Visitor::chrome("192.0.2.7")).await, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_burst_is_told_when_to_come_back() {
    let policy = json!({
        "enforcement": "enforce", "consult": "never",
        "rate_limit": {
            "address": { "per_second": 0.01, "burst": 20 }, "client": { "per_second": 0.01, "burst": 10 }
        },
    });
    let gate = Plan::with_policy(policy).start_alone().await;
    let visitor = Visitor::chrome("203.0.113.20");
    let mut limited = 0;
    for number in 0..30 {
        let url = gate.url(&format!("/assets/site.css?v={number}"));
        let response = visitor.get(&gate.client, &url).send().await.unwrap();
        if response.status() == 429 {
            limited += 1;
            let wait: u32 = response.headers()["retry-after"].to_str().unwrap().parse().unwrap();
            assert!((1..=3600).contains(&wait), "{wait} s");
            assert_eq!(response.headers()["cache-control"], "no-store");
        }
    }
    assert!((9..=11).contains(&limited), "assets count for the address only: {limited} of 30 were limited");
    let other = Visitor::chrome("203.0.113.21").get(&gate.client, &gate.url("/")).send().await.unwrap();
    assert_eq!(other.status(), 200, "another address has a limit of its own");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_ipv6_network_is_one_address() {
    let policy = json!({
        "enforcement": "enforce", "consult": "never",
        "rate_limit": {
            "address": { "per_second": 0.01, "burst": 10 }, "client": { "per_second": 100.0, "burst": 500 }
        },
    });
    let gate = Plan::with_policy(policy).start_alone().await;
    let limited = async |prefix: &str| {
        let mut limited = 0;
        for number in 1..=20 {
            let visitor = Visitor::chrome(&format!("{prefix}::{number:x}"));
            let response = visitor.get(&gate.client, &gate.url("/about")).send().await.unwrap();
            limited += u32::from(response.status() == 429);
        }
        limited
    };
    let same = limited("2001:db8:1:2").await;
    assert!((9..=11).contains(&same), "{same} of 20 from one /64 were limited");
    let mut apart = 0;
    for number in 1..=20 {
        let visitor = Visitor::chrome(&format!("2001:db8:2:{number:x}::1"));
        let response = visitor.get(&gate.client, &gate.url("/about")).send().await.unwrap();
        apart += u32::from(response.status() == 429);
    }
    assert_eq!(apart, 0, "each /64 has a limit of its own");
}
