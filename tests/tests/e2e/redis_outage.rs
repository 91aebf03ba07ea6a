//! Redis hung, killed, started again, or absent: no visitor notices, `/ready` says so, and it is found again by itself.

use reqwest::Method;
use sallyport_e2e::harness::{ControlPlane, Fleet, Plan, Redis, eventually};
use sallyport_e2e::visitor::Visitor;
use serde_json::json;

use crate::visits::Visits;

/// Both control planes say that Redis is away, and visitors are answered meanwhile.
async fn goes_on_without_redis(fleet: &Fleet, visits: &[Visits; 2]) {
    for gate in &fleet.gates {
        let reasons = gate.control().until_degraded().await;
        assert!(reasons.to_lowercase().contains("redis"), "{reasons}");
    }
    let answered = visits.each_ref().map(Visits::answered);
    eventually("answers without Redis", || {
        let now = visits.each_ref().map(Visits::answered);
        let goes_on = now.iter().zip(answered).all(|(now, before)| *now > before + 20);
        if goes_on { Ok(()) } else { Err(format!("{now:?} after {answered:?}")) }
    })
    .await;
}

async fn until_ready(fleet: &Fleet) {
    for gate in &fleet.gates {
        gate.control().until_ready().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn redis_hung_killed_and_started_again_under_load_costs_no_request() {
    let policy = json!({ "enforcement": "enforce", "consult": "always" });
    let plan = Plan::with_policy(policy).plugin("consult_deadline_ms", json!(5000));
    let mut fleet = Fleet::start(&plan).await;
    let visits = [0, 1].map(|at: usize| Visits::start(&fleet.gates[at], &[200]));

    fleet.redis.hold();
    goes_on_without_redis(&fleet, &visits).await;
    fleet.redis.go_on();
    until_ready(&fleet).await;
    fleet.redis.kill();
    goes_on_without_redis(&fleet, &visits).await;
    fleet.redis.start_again();
    until_ready(&fleet).await;

    // They share again, without a restart.
    let [one, other] = &fleet.gates;
    let entry = json!({ "action": "deny", "value": "203.0.113.40" });
    let (status, told) = one.control().send(&one.client, Method::POST, "/v1/lists", &entry).await;
    assert_eq!(status, 201, "{told}");
    other.until_status(&Visitor::chrome("203.0.113.40"), "/about", 403);
    for visits in visits {
        visits.end().await;
    }
    for gate in &fleet.gates {
        for failed in ["consults_late", "consults_failed", "consults_fail_open", "consults_skipped"] {
            assert_eq!(gate.envoy.stat(&format!("wasmcustom.sallyport_{failed}")), 0, "{failed}");
        }
        assert_eq!(gate.reloads(), 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_control_plane_starts_without_redis_and_finds_it_when_it_comes() {
    let mut redis = Redis::absent();
    let control = ControlPlane::start_with(&json!({}), json!({ "redis": redis.section() }));
    let reasons = control.until_degraded().await;
    assert!(reasons.to_lowercase().contains("redis"), "{reasons}");
    redis.start_again();
    control.until_ready().await;
    assert!(!redis.ask("DBSIZE").starts_with(":0"), "nothing is shared through it");
}
