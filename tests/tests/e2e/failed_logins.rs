//! Failed logins that are spread over addresses: seen by network and by account.

use reqwest::Response;
use sallyport_e2e::harness::{Gate, Plan, eventually};
use sallyport_e2e::visitor::Visitor;
use serde_json::{Value, json};

/// A network's failures weigh so much here that they challenge a person too; by default they only challenge doubtful ones.
fn plan() -> Plan {
    let policy =
        json!({ "enforcement": "enforce", "consult": "never", "weights": { "failed_logins": 10.0 } });
    Plan::with_policy(policy).plugin("account_header", json!("x-account"))
}

async fn sign_in(gate: &Gate, address: &str, user: &str) -> Response {
    let request = Visitor::chrome(address).sign_in(&gate.client, &gate.url("/login"), user, "123456");
    request.send().await.expect("an answer")
}

/// Two attempts from each of so many addresses of a network.
async fn stuff(gate: &Gate, network: &str, addresses: u32) {
    for number in 1..=addresses {
        for attempt in 0..2 {
            sign_in(gate, &format!("{network}.{number}"), &format!("user{number}-{attempt}")).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn failures_spread_over_a_network_challenge_its_next_sign_in() {
    let gate = plan().start_with_control_plane().await;
    let before = sign_in(&gate, "198.51.100.250", "ada").await.status();
    assert_eq!(before, 401, "one failure is nothing");
    stuff(&gate, "198.51.100", 50).await;

    let runtime = tokio::runtime::Handle::current();
    let mut number = 100;
    let address = eventually("a challenge for a further address", || {
        number += 1;
        let address = format!("198.51.100.{}", number.min(249));
        let answer = tokio::task::block_in_place(|| runtime.block_on(sign_in(&gate, &address, "eve")));
        if answer.status() == 403 { Ok(address) } else { Err(answer.status().to_string()) }
    })
    .await;
    let event = gate.control().event(&format!("check=failed_logins&ip={address}"), |_| true).await;
    assert_eq!((&event["action"], &event["path"]), (&json!("CHALLENGE"), &json!("/login")), "{event}");

    let neighbour = Visitor::chrome("198.51.100.251");
    assert_eq!(gate.status(&neighbour, "/login").await, 200, "reading is no sign-in");
    assert_eq!(gate.status(&neighbour, "/about").await, 200);
    assert_eq!(sign_in(&gate, "203.0.113.7", "eve").await.status(), 401, "another network");
    let failed = gate.control().get("/v1/logins/failed?ip=198.51.100.1");
    let network = &failed["networks"][0];
    // The filter knows a network by itself, before the control plane finds that it speaks against others.
    assert!(network["failed"].as_f64().is_some_and(|failed| failed > 5.0), "{failed}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_account_that_is_tried_is_known_by_its_hash_alone() {
    let gate = plan().start_with_control_plane().await;
    for number in 1..=6 {
        let answer = sign_in(&gate, &format!("203.0.{number}.1"), "Grace@Example.com").await;
        assert_eq!(answer.status(), 401);
        assert!(!answer.headers().contains_key("x-account"), "the visitor is told which account");
    }
    let failed = eventually("six failures of the account", || {
        let failed = gate.control().get("/v1/logins/failed?account=grace@example.com");
        let count = failed["recent"].as_array().map_or(0, Vec::len);
        if count == 6 { Ok(failed) } else { Err(failed.to_string()) }
    })
    .await;
    let account = &failed["accounts"][0];
    assert_eq!(account["hash"].as_str().map(str::len), Some(16), "{failed}");
    assert!(account["strength"].as_f64().is_some_and(|strength| strength > 0.0), "{failed}");
    let all_of_it = |row: &Value| row["account"] == account["hash"] && row["path"] == "/login";
    assert!(failed["recent"].as_array().is_some_and(|rows| rows.iter().all(all_of_it)), "{failed}");
    assert!(!failed.to_string().to_lowercase().contains("grace"), "{failed}");
    let attacked = gate.control().get("/v1/logins/failed");
    assert_eq!(attacked["accounts"][0]["hash"], account["hash"], "{attacked}");
}
