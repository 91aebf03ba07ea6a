//! What a client sends to look like something else does not help it.

use sallyport_e2e::harness::Plan;
use sallyport_e2e::visitor::Visitor;
use serde_json::{Value, json};

#[tokio::test(flavor = "multi_thread")]
async fn a_verdict_sent_by_the_client_never_reaches_the_origin() {
    for header_policy in ["always", "flagged", "never"] {
        let policy = json!({ "enforcement": "enforce", "consult": "never", "header": header_policy });
        let gate = Plan::with_policy(policy).start_alone().await;
        let request = Visitor::chrome("198.51.100.1").get(&gate.client, &gate.url("/api/echo"));
        let request =
            request.header("x-sallyport", "action=ALLOW, score=0, mine").header("x-sallyport", "again");
        let seen: Value = request.send().await.unwrap().json().await.unwrap();
        match (header_policy, seen["x-sallyport"].as_array()) {
            ("always", Some(values)) => {
                assert_eq!(values.len(), 1, "{seen}");
                let value = values[0].as_str().unwrap();
                assert!(!value.contains("mine") && !value.contains("again"), "{value}");
            }
            ("always", None) => panic!("no verdict: {seen}"),
            (_, values) => assert_eq!(values, None, "header: {header_policy}"),
        }
    }
}

/// Whether asked for or read from Envoy's own header, as the shipped configs do.
#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_the_client_made_up_does_not_make_a_new_client() {
    let policy = json!({
        "enforcement": "enforce", "consult": "never",
        "rate_limit": {
            "address": { "per_second": 0.01, "burst": 5 }, "client": { "per_second": 100.0, "burst": 500 }
        },
    });
    for address_header in ["", "x-envoy-external-address"] {
        let mut plan = Plan::with_policy(policy.clone()).plugin("address_header", json!(address_header));
        plan.trusted_hops = 0;
        let gate = plan.start_alone().await;
        let mut limited = 0;
        for number in 0..12 {
            let address = format!("198.51.100.{number}");
            let request = Visitor::chrome(&address).get(&gate.client, &gate.url("/about"));
            let request = request.header("x-envoy-external-address", &address).header("x-real-ip", &address);
            limited += u32::from(request.send().await.unwrap().status() == 429);
        }
        assert!((6..=7).contains(&limited), "{address_header:?}: {limited} of 12 were limited");
    }
}

/// The header is as good as the question where Envoy writes it: for trusted hops, IPv6, and addresses of any network.
#[tokio::test(flavor = "multi_thread")]
async fn envoys_own_header_tells_the_address_as_well_as_asking_it_does() {
    let policy = json!({
        "enforcement": "enforce", "consult": "never",
        "lists": { "deny": ["198.51.100.0/24", "10.1.0.0/16", "2001:db8:bad::/48"] },
    });
    let plan = Plan::with_policy(policy).plugin("address_header", json!("x-envoy-external-address"));
    let gate = plan.start_alone().await;
    for (address, status) in [
        ("198.51.100.7", 403),
        ("10.1.2.3", 403),
        ("2001:db8:bad::7", 403),
        ("::ffff:198.51.100.7", 403),
        ("192.0.2.7", 200),
        ("10.2.2.3", 200),
    ] {
        let request = Visitor::chrome(address).get(&gate.client, &gate.url("/about"));
        let request = request.header("x-envoy-external-address", "192.0.2.99");
        assert_eq!(request.send().await.unwrap().status(), status, "{address}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fingerprint_sent_by_the_client_is_ignored() {
    let policy = json!({ "enforcement": "enforce", "consult": "never" });
    let gate = Plan::with_policy(policy).start_alone().await;
    let visitor = Visitor::chrome("198.51.100.1");
    let verdict = async |ja4: Option<&str>| {
        let request = visitor.get(&gate.client, &gate.url("/about"));
        let request = match ja4 {
            Some(ja4) => request.header("x-sallyport-ja4", ja4),
            None => request,
        };
        let response = request.send().await.unwrap();
        response.headers()["x-echo-sallyport"].to_str().unwrap().to_owned()
    };
    verdict(None).await;
    let with = verdict(Some("t13d3112h2_e8f1e7e78f70_b26ce05bbdd6")).await;
    assert!(!with.contains("ja4"), "{with}");
}
