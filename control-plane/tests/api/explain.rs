//! `POST /check?explain=true`.

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use serde_json::{Value, json};

use crate::harness::{ControlPlane, FIREFOX, Reply};

async fn explain(plane: &ControlPlane, body: Value) -> Reply {
    plane.post("/check?explain=true", body.to_string()).await
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("{value} is no number"))
}

fn sum(shares: &Value, key: &str) -> f64 {
    shares.as_array().expect("a list").iter().map(|share| number(&share[key])).sum()
}

/// Points add up to the score, the features' to the reason `model`, log-odds to both probabilities.
#[track_caller]
fn adds_up(reply: &Value) {
    let told = &reply["explanation"];
    let model = number(&told["base_points"]) + sum(&told["features"], "points");
    let score = 50.0 + model + sum(&told["checks"], "points");
    assert!((score - number(&reply["score"])).abs() < 0.05, "{score} against {reply}");
    let reasons = reply["reasons"].as_array().expect("a list");
    if let Some(reason) = reasons.iter().find(|reason| reason["check"] == "model") {
        assert!((number(&reason["points"]) - model).abs() < 0.05, "{model} against {reply}");
    }
    let log_odds = number(&told["base_log_odds"]) + sum(&told["features"], "log_odds");
    let probability = 1.0 / (1.0 + (-log_odds).exp());
    assert!((probability - number(&reply["ml_probability"])).abs() < 1e-3, "{log_odds} against {reply}");
}

#[tokio::test]
async fn the_shares_of_any_features_add_up() {
    let plane = ControlPlane::start().await;
    let strategy = (prop::array::uniform7(0.0_f32..=1.0), -1.0_f32..=1.0, 0.0_f32..=1.0);
    let mut runner = TestRunner::deterministic();
    for _ in 0..40 {
        let (features, past, trap) = strategy.new_tree(&mut runner).expect("a value").current();
        let evidence = json!({ "control_plane": past, "trap_path": trap, "user_agent": features[1] });
        let body = json!({ "user_agent": "x", "endpoint": "/", "features": features, "evidence": evidence });
        let reply = explain(&plane, body).await;
        let reply = reply.ok(200);
        adds_up(reply);
        for ((share, sent), name) in reply["explanation"]["features"]
            .as_array()
            .expect("a list")
            .iter()
            .zip(features)
            .zip(sallyport_core::FEATURE_NAMES)
        {
            assert_eq!(share["name"], name);
            assert!((number(&share["value"]) - f64::from(sent)).abs() < 1e-6);
        }
    }
}

#[tokio::test]
async fn a_judged_request_is_explained_where_it_is_asked_for() {
    let plane = ControlPlane::start().await;
    let body = json!({ "ip": "192.0.2.2", "user_agent": "python-requests/2.28.0", "endpoint": "/.env" });
    let reply = explain(&plane, body.clone()).await;
    adds_up(reply.ok(200));
    let checks = reply.json["explanation"]["checks"].as_array().expect("a list");
    assert!(checks.iter().any(|check| check["name"] == "user_agent" && number(&check["points"]) > 0.0));
    assert!(plane.check(body).await.ok(200).get("explanation").is_none());
    let odd = plane.post("/check?explain=perhaps", "{}").await;
    assert_eq!(odd.problem(422).1, "explain");
}

#[tokio::test]
async fn what_a_list_decides_owes_no_points_to_the_model() {
    let plane = ControlPlane::with_config("policy: { lists: { deny: [192.0.2.0/24] } }").await;
    let reply = explain(&plane, json!({ "ip": "192.0.2.9", "user_agent": FIREFOX, "endpoint": "/" })).await;
    let told = &reply.ok(200)["explanation"];
    assert_eq!((number(&told["base_points"]), sum(&told["features"], "points")), (0.0, 0.0));
    assert_eq!(told["checks"], json!([]));
}
