//! `POST /check?explain=true`, what is kept of refusals, and `sallyport explain`.

use std::process::{Command, Output};

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use reqwest::Method;
use sallyport_core::observation::{BatchBuilder, Seen};
use sallyport_core::{Action, Decision, Evidence, Features, Model};
use serde_json::{Value, json};

use crate::harness::{ControlPlane, FIREFOX, Reply, send};

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

const TOOL: &str = r#"{ "ip": "192.0.2.2", "user_agent": "python-requests/2.28.0", "endpoint": "/.env" }"#;

fn sallyport(plane: &ControlPlane, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sallyport"));
    command.current_dir(plane.folder.path()).env_remove("SALLYPORT_CONFIG").env("DB_PATH", plane.database());
    command.args(arguments).output().expect("runs")
}

#[tokio::test]
async fn a_refusal_keeps_what_each_feature_added() {
    let plane = ControlPlane::start().await;
    let refused = plane.post("/check?explain=true", TOOL).await;
    assert_eq!(refused.ok(200)["is_bot"], true);
    plane.check(json!({ "ip": "192.0.2.1", "user_agent": FIREFOX, "endpoint": "/" })).await.ok(200);
    plane.flush().await;
    let kept = plane.sql("SELECT attributions FROM requests ORDER BY id");
    assert_eq!(kept, ["28 bytes", "null"]);

    let id = refused.json["request_id"].as_str().expect("a name");
    let told = sallyport(&plane, &["explain", id, "--json"]);
    assert!(told.status.success(), "{told:?}");
    let told: Value = serde_json::from_slice(&told.stdout).expect("JSON");
    assert_eq!((&told["decision"]["action"], &told["model"]), (&refused.json["action"], &json!("built-in")));
    assert_eq!(told["decision"]["by_its_own_model"], true);
    let pairs = |value: &Value| -> Vec<(String, f64, f64)> {
        let shares = value["explanation"]["features"].as_array().expect("a list").iter();
        shares.map(|s| (s["name"].to_string(), number(&s["log_odds"]), number(&s["points"]))).collect()
    };
    for (kept, answered) in pairs(&told).into_iter().zip(pairs(&refused.json)) {
        assert!(kept.0 == answered.0 && (kept.1 - answered.1).abs() < 1e-5, "{kept:?}, {answered:?}");
        assert!((kept.2 - answered.2).abs() < 0.05, "{kept:?}, {answered:?}");
    }
    let text = sallyport(&plane, &["explain", id]);
    let text = String::from_utf8(text.stdout).expect("text");
    assert!(text.contains("GET /.env") && text.contains("ordinary visitor"), "{text}");
    let unknown = sallyport(&plane, &["explain", "nobody"]);
    assert_eq!(unknown.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&unknown.stderr).contains("no decision nobody is on record"));
}

#[tokio::test]
async fn a_filters_refusal_is_explained_by_the_snapshot_that_judged() {
    let plane = ControlPlane::start().await;
    let engine = plane.app.detector.engine();
    let mut evidence = Evidence::default();
    evidence.set(sallyport_core::Check::TrapPath, 1.0);
    let features = Features::new([0.9, 1.0, 0.8, 0.1, 0.4, 0.0, 0.2]).expect("in range");
    let decision: Decision = engine.score(&features, &evidence);
    assert_eq!(decision.action, Action::Block);
    let told = async |version: u64, id: &str| {
        let mut batch = BatchBuilder::new(1, version);
        let seen = Seen {
            ts_ms: sallyport::clock::unix_ms(),
            address: 1,
            client: 2,
            session: 0,
            enforced: true,
            weight: 1,
            method: b"GET",
            path: b"/",
            user_agent: b"curl/8.0",
            request_id: id.as_bytes(),
        };
        assert!(batch.decision(&decision, &seen));
        let request = plane.request(Method::POST, "/v1/observations", &plane.filter_token);
        assert_eq!(send(request.body(batch.finish(0))).await.status.as_u16(), 202);
        plane.flush().await;
        let row = plane.app.store.request(sallyport::store::RequestId::parse(id)).await;
        row.expect("readable").expect("on record").attributions
    };
    let expected = Model::built_in().expect("built-in model").shapley(&features);
    assert_eq!(told(engine.version(), "known").await, Some(expected));
    assert_eq!(told(engine.version() + 7, "unknown").await, None, "nobody here knows that snapshot's model");
}

#[tokio::test]
async fn numbers_are_explained_without_a_database() {
    let plane = ControlPlane::start().await;
    let numbers = ["explain", "--features", "0.1,1,0.5,0,0.3,0,0", "--json"];
    let mut command = Command::new(env!("CARGO_BIN_EXE_sallyport"));
    let folder = tempfile::TempDir::new().expect("a folder");
    let command = command.current_dir(folder.path()).env_remove("SALLYPORT_CONFIG").env_remove("DB_PATH");
    let alone = command.args(numbers).output().expect("runs");
    assert_eq!(alone.stdout, sallyport(&plane, &numbers).stdout);
    assert_eq!(std::fs::read_dir(folder.path()).expect("readable").count(), 0, "none is made");
    let told: Value = serde_json::from_slice(&alone.stdout).expect("JSON");
    let score =
        50.0 + number(&told["explanation"]["base_points"]) + sum(&told["explanation"]["features"], "points");
    assert!((score - 100.0 * number(&told["ml_probability"])).abs() < 0.05, "{told}");
}
