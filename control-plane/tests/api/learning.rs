//! Learning from `POST /feedback`.

use std::sync::Arc;

use sallyport::app::App;
use sallyport::clock::unix_ms;
use sallyport::learning::{LearningState, LearningStatus, Publish};
use sallyport_core::{Features, Model, TreeNode, Trees};
use serde_json::json;

use crate::harness::ControlPlane;
use crate::labels::label;

impl ControlPlane {
    /// Learns what is stored, as the running program does within a second.
    async fn catch_up(&self) -> LearningStatus {
        caught_up(&self.app).await
    }
}

async fn caught_up(app: &App) -> LearningStatus {
    app.learning.catch_up(app, Publish::Now).await.expect("caught up");
    app.learning.status()
}

#[tokio::test]
async fn labels_move_the_model_and_a_restart_goes_on_from_there() {
    let plane = ControlPlane::start().await;
    assert_eq!(plane.catch_up().await.state, LearningState::Waiting);
    let before = plane.app.publisher.current();
    label(&plane, 12, unix_ms()).await;
    let status = plane.catch_up().await;
    assert_eq!(
        (status.state, status.published, status.anchor),
        (LearningState::Learning, 1, 0),
        "{status:?}"
    );
    assert!(status.labels.learned >= 10, "{status:?}");
    assert_eq!(status.labels.learned + status.labels.reserved, 24, "{status:?}");

    let models = plane.get("/v1/models").await;
    let newest = &models.ok(200)["models"][0];
    assert_eq!((&newest["source"], &newest["active"]), (&json!("online"), &json!(true)), "{newest}");
    assert_eq!((&newest["made_by"], &newest["parent"]), (&json!("learner"), &json!(0)), "{newest}");
    assert_eq!(models.json["learning"]["published"], 1);
    let after = plane.app.publisher.current();
    assert!(after.version > before.version);
    let person = Features::new([0.09; 7]).expect("in range");
    assert_ne!(after.engine.model().logit(&person), before.engine.model().logit(&person));
    assert_eq!(plane.catch_up().await.published, 1, "nothing new, no new checkpoint");

    // A label that was acknowledged before a kill, and not learned.
    let decision = json!({ "ip": "192.0.2.77", "user_agent": "curl/8.0", "endpoint": "/a" });
    let id = plane.check(decision).await.ok(200)["request_id"].clone();
    plane.post("/feedback", json!({ "request_id": id, "is_bot": true }).to_string()).await.ok(201);
    let restarted = App::start(Arc::clone(&plane.app.store), &plane.loaded).await.expect("starts");
    let resumed = caught_up(&restarted).await;
    assert_eq!(resumed.anchor, 0, "still the same generation");
    assert_eq!(resumed.through, 25);
    let sorted = resumed.labels.learned + resumed.labels.reserved;
    assert_eq!(
        (sorted, resumed.learned <= 1),
        (25, true),
        "the others are in the model already: {resumed:?}"
    );
}

#[tokio::test]
async fn a_choice_by_hand_begins_anew() {
    let plane = ControlPlane::start().await;
    label(&plane, 12, unix_ms() - 1).await;
    assert_eq!(plane.catch_up().await.published, 1);
    plane.post("/v1/models/0/promote", "").await.ok(200);
    let status = plane.catch_up().await;
    assert_eq!((status.state, status.published), (LearningState::Waiting, 1), "old labels are for training");
    let trees = Trees::new([1.0, 0.0, 0.0], &[vec![TreeNode::leaf(0.2)]]).expect("a tree");
    let forest = Model::random_forest(trees, Features::default()).to_bytes();
    let number = plane.post("/v1/models/import", forest).await.ok(201)["checkpoint"].clone();
    plane.post(&format!("/v1/models/{number}/promote"), "").await.ok(200);
    assert_eq!(plane.catch_up().await.state, LearningState::NoNetwork);
    assert_eq!(plane.get("/v1/models").await.ok(200)["learning"]["state"], "no_network");
}

#[tokio::test]
async fn it_can_be_switched_off() {
    let plane = ControlPlane::with_config("model: { online: { enabled: false } }").await;
    label(&plane, 12, unix_ms()).await;
    let status = plane.catch_up().await;
    assert_eq!((status.state, status.published), (LearningState::Off, 0));
}

#[tokio::test]
async fn contradictions_are_shown() {
    let plane = ControlPlane::start().await;
    let ask = |ip: &str| json!({ "ip": ip, "user_agent": "curl/8.0", "endpoint": "/a" });
    let mut ids = Vec::new();
    for (ip, is_bot) in [("192.0.2.1", true), ("192.0.2.2", false)] {
        let id = plane.check(ask(ip)).await.ok(200)["request_id"].clone();
        plane.post("/feedback", json!({ "request_id": id, "is_bot": is_bot }).to_string()).await.ok(201);
        ids.push(id);
    }
    let body = json!({ "request_id": ids[0], "is_bot": false });
    plane.post("/feedback", body.to_string()).await.problem(409);
    assert_eq!(plane.catch_up().await.labels.contradicting, 1);
    let shown = plane.get("/v1/models/conflicts").await;
    let (same, others) = (&shown.ok(200)["same_request"], &shown.json["other_requests"]);
    assert_eq!((same[0]["request_id"].clone(), same[0]["times"].clone()), (ids[0].clone(), json!(1)));
    assert_eq!((&same[0]["recorded_is_bot"], &same[0]["said_is_bot"]), (&json!(true), &json!(false)));
    assert_eq!(others[0]["about"], "like_features");
    assert_eq!((&others[0]["earlier_request_id"], &others[0]["request_id"]), (&ids[0], &ids[1]));
    let text = String::from_utf8(plane.get("/metrics").await.bytes).expect("text");
    assert!(text.contains("sallyport_labels_contradicting_total 1"), "{text}");
}
