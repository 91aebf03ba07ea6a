//! The control plane behind the filter: snapshots without a restart, its absence, and what it counts.

use sallyport_e2e::harness::{ControlPlane, Gate, Plan};
use sallyport_e2e::visitor::Visitor;
use serde_json::{Value, json};

const VERSION: &str = "wasmcustom.sallyport_snapshot_version";

fn policy() -> Value {
    json!({ "enforcement": "enforce", "consult": "never" })
}

async fn status(gate: &Gate, visitor: &Visitor) -> u16 {
    visitor.get(&gate.client, &gate.url("/about")).send().await.unwrap().status().as_u16()
}

fn control(gate: &Gate) -> &ControlPlane {
    gate.control.as_ref().expect("a control plane")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_policy_arrives_without_a_restart() {
    let gate = Plan::with_policy(policy()).workers(2).start_with_control_plane().await;
    let visitor = Visitor::chrome("198.51.100.7");
    assert_eq!(status(&gate, &visitor).await, 200);

    let before = gate.envoy.stat(VERSION);
    let mut changed = policy();
    changed["lists"] = json!({ "deny": ["198.51.100.0/24"] });
    control(&gate).change_policy(&changed);
    gate.until_status(&visitor, "/about", 403);
    gate.envoy.wait_for_stat(VERSION, |version| version != before);
    assert_eq!(status(&gate, &Visitor::chrome("192.0.2.7")).await, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invalid_policy_is_refused_and_the_old_one_stays() {
    let gate = Plan::with_policy(policy()).start_with_control_plane().await;
    control(&gate).change_policy(&json!({ "enforcement": "sometimes", "lists": { "deny": ["nowhere"] } }));
    let mut valid = policy();
    valid["lists"] = json!({ "deny": ["198.51.100.0/24"] });
    assert_eq!(status(&gate, &Visitor::chrome("198.51.100.7")).await, 200);
    control(&gate).change_policy(&valid);
    gate.until_status(&Visitor::chrome("198.51.100.7"), "/about", 403);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_control_plane_the_last_snapshot_goes_on_and_it_is_found_again() {
    let mut gate = Plan::with_policy(policy()).start_with_control_plane().await;
    let person = Visitor::chrome("198.51.100.7");
    let tool = Visitor::tool("203.0.113.7", "python-requests/2.28.0");

    gate.control.as_mut().unwrap().end_at_once();
    let failed = gate.envoy.stat("wasmcustom.sallyport_polls_failed");
    gate.envoy.wait_for_stat("wasmcustom.sallyport_polls_failed", |now| now > failed);
    assert_eq!(status(&gate, &person).await, 200);
    assert_eq!(status(&gate, &tool).await, 403);
    assert!(gate.envoy.stat(VERSION) > 0, "the snapshot was given up");

    let mut changed = policy();
    changed["lists"] = json!({ "deny": ["198.51.100.0/24"] });
    control(&gate).change_policy(&changed);
    gate.control.as_mut().unwrap().start_again();
    gate.until_status(&person, "/about", 403);
    assert_eq!(gate.reloads(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_decision_is_counted_and_stored() {
    let gate = Plan::with_policy(policy()).start_with_control_plane().await;
    let dropped = gate.envoy.stat("wasmcustom.sallyport_observations_dropped");
    for number in 0..10 {
        assert_eq!(status(&gate, &Visitor::chrome(&format!("198.51.100.{number}"))).await, 200);
    }
    for number in 0..5 {
        let tool = Visitor::tool(&format!("203.0.113.{number}"), "python-requests/2.28.0");
        assert_eq!(status(&gate, &tool).await, 403);
    }
    let stats = control(&gate).counted(15).await;
    assert_eq!(stats["total_requests"], 15);
    assert_eq!(stats["bot_requests"], 5);
    assert_eq!(stats["human_requests"], 10);
    assert_eq!(stats["unique_ips"], 15);
    assert_eq!(gate.envoy.stat("wasmcustom.sallyport_observations_dropped"), dropped);
    let reputation = control(&gate).get("/reputation/203.0.113.3");
    assert_eq!(reputation["requests"], 1, "{reputation}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_snapshot_is_refused_and_the_old_policy_stays() {
    use axum::http::header;
    use axum::routing::{get, post};
    let broken = || async { ([(header::ETAG, "\"ff\"")], b"no snapshot at all".to_vec()) };
    let router = axum::Router::new()
        .route("/v1/snapshot", get(broken))
        .route("/v1/observations", post(|| async { axum::http::StatusCode::ACCEPTED }));
    let fake = sallyport_e2e::harness::Site::serve(router, 0).await;
    let gate = Plan::with_policy(policy()).start_with_control_plane_at(fake.port(), "sp_filter_test").await;
    gate.envoy.wait_for_stat("wasmcustom.sallyport_snapshots_refused", |count| count > 0);
    assert_eq!(gate.envoy.stat(VERSION), 0);
    assert_eq!(status(&gate, &Visitor::chrome("198.51.100.7")).await, 200);
    assert_eq!(status(&gate, &Visitor::tool("203.0.113.7", "python-requests/2.28.0")).await, 403);
    assert_eq!(gate.reloads(), 0);
}
