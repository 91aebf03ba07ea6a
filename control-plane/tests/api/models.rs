//! `/v1/models`.

use std::sync::atomic::{AtomicU8, Ordering};

use reqwest::{Method, StatusCode};
use sallyport::store::{BUILT_IN, CheckpointContent, CheckpointSource, Promote, RequestRow};
use sallyport_core::{Features, Model, TreeNode, Trees};
use serde_json::{Value, json};

use crate::harness::{ControlPlane, FIREFOX, Reply, send};
use crate::labels::{decision, label};

/// The bytes of a model that gives every visitor this probability.
pub(crate) fn always(probability: f32) -> Vec<u8> {
    let trees = Trees::new([1.0, 0.0, 0.0], &[vec![TreeNode::leaf(probability)]]).expect("a tree");
    Model::random_forest(trees, Features::default()).to_bytes()
}

impl ControlPlane {
    /// Stores a model that gives every visitor this probability.
    async fn import_always(&self, probability: f32) -> i64 {
        let reply = self.post("/v1/models/import", always(probability)).await;
        reply.ok(201)["checkpoint"].as_i64().expect("a number")
    }

    async fn promote(&self, checkpoint: i64) -> Reply {
        self.post(&format!("/v1/models/{checkpoint}/promote"), "").await
    }

    /// What the model says of an ordinary visitor who has just come.
    async fn probability(&self) -> f64 {
        static VISITORS: AtomicU8 = AtomicU8::new(0);
        let ip = format!("192.0.2.{}", VISITORS.fetch_add(1, Ordering::Relaxed));
        let visitor = json!({ "ip": ip, "user_agent": FIREFOX, "endpoint": "/" });
        self.check(visitor).await.ok(200)["ml_probability"].as_f64().expect("a number")
    }

    async fn active(&self) -> i64 {
        self.get("/v1/models").await.ok(200)["active"]["checkpoint"].as_i64().expect("a number")
    }
}

fn near(value: f64, expected: f64) -> bool {
    (value - expected).abs() < 1e-4
}

#[tokio::test]
async fn a_promotion_that_cannot_be_published_yet_is_told_as_stored() {
    let plane = ControlPlane::start().await;
    let strict = plane.import_always(0.75).await;
    let other = rusqlite::Connection::open(plane.database()).expect("opens");
    let trigger = "CREATE TRIGGER broken BEFORE UPDATE ON settings WHEN new.name = 'snapshot'
                   BEGIN SELECT raise(ABORT, 'no snapshot today'); END";
    other.execute_batch(trigger).expect("broken");
    let refused = plane.promote(strict).await;
    let (kind, _, detail) = refused.problem(503);
    assert!(kind == "unavailable" && detail.contains("is promoted, but does not judge yet"), "{detail}");
    assert_eq!(plane.active().await, BUILT_IN, "what judged goes on");
    let ready = plane.get("/ready").await.ok(503)["reasons"][0].clone();
    assert!(ready.as_str().is_some_and(|reason| reason.contains("no snapshot today")), "{ready}");
    other.execute_batch("DROP TRIGGER broken").expect("mended");
    assert!(plane.app.models.refresh().await.expect("it can be published"));
    assert_eq!(plane.active().await, strict);
    assert_eq!(plane.get("/ready").await.ok(200)["status"], "ready");
}

#[tokio::test]
async fn a_promoted_checkpoint_judges_at_once_and_goes_back() {
    let plane = ControlPlane::start().await;
    let built_in = plane.probability().await;
    let (calm, strict) = (plane.import_always(0.25).await, plane.import_always(0.75).await);
    assert_eq!(plane.active().await, BUILT_IN, "nothing is promoted by being stored");
    let body = json!({ "reason": "quiet" }).to_string();
    let promoted = plane.post(&format!("/v1/models/{calm}/promote"), body).await;
    let promotion = promoted.ok(200);
    assert_eq!((&promotion["checkpoint"], &promotion["previous"]), (&json!(calm), &json!(BUILT_IN)));
    assert_eq!((&promotion["by"], &promotion["reason"]), (&json!("test"), &json!("quiet")));
    assert!(near(plane.probability().await, 0.25));
    let snapshot = plane.get("/v1/snapshot").await;
    assert_eq!(snapshot.headers["etag"], "\"2\"");
    let parts = sallyport_core::snapshot::decode(&snapshot.bytes).expect("a snapshot");
    assert_eq!(parts.model.to_bytes(), always(0.25));

    plane.promote(strict).await.ok(200);
    assert!(near(plane.probability().await, 0.75));
    assert_eq!(plane.promote(strict).await.problem(409).0, "conflict");
    for (expected, active) in [(0.25, calm), (built_in, BUILT_IN)] {
        let rolled = plane.post("/v1/models/rollback", "").await;
        assert_eq!((&rolled.ok(200)["checkpoint"], &rolled.json["rollback"]), (&json!(active), &json!(true)));
        assert!(near(plane.probability().await, expected));
    }
    assert_eq!(plane.post("/v1/models/rollback", "").await.problem(409).0, "conflict");
    plane.flush().await;
    let judged = plane.sql("SELECT checkpoint FROM requests ORDER BY id");
    assert_eq!(judged, [0, calm, strict, calm, 0].map(|id| id.to_string()));

    let list = plane.get("/v1/models").await;
    let numbers = |key: &str| -> Vec<i64> {
        let entries = list.ok(200)[key].as_array().expect("a list");
        entries.iter().filter_map(|entry| entry["checkpoint"].as_i64()).collect()
    };
    assert_eq!(numbers("models"), [strict, calm, BUILT_IN]);
    assert_eq!(numbers("promotions"), [BUILT_IN, calm, strict, calm]);
}

#[tokio::test]
async fn what_is_no_checkpoint_is_refused() {
    let plane = ControlPlane::start().await;
    for path in ["/v1/models/7/promote", "/v1/models/x/promote", "/v1/models/7/shadow"] {
        assert_eq!(plane.post(path, "").await.problem(404).0, "not-found", "{path}");
    }
    assert_eq!(plane.get("/v1/models/-1").await.problem(404).0, "not-found");
    assert_eq!(plane.promote(BUILT_IN).await.problem(409).0, "conflict");
    let id = plane.import_always(0.5).await;
    let path = format!("/v1/models/{id}/promote");
    assert_eq!(plane.post(&path, "{\"why\": 1}").await.problem(422).0, "invalid-field");
    let long = json!({ "reason": "x".repeat(501) }).to_string();
    assert_eq!(plane.post(&path, long).await.problem(422).1, "reason");
    let filter = plane.request(Method::POST, &path, &plane.filter_token);
    assert_eq!(send(filter).await.problem(403).0, "forbidden");
    assert_eq!(plane.active().await, BUILT_IN);
}

#[tokio::test]
async fn checkpoints_leave_and_enter_as_files() {
    let plane = ControlPlane::start().await;
    let shown = plane.get("/v1/models/0").await;
    assert_eq!(shown.ok(200)["kind"], "neural");
    let file = plane.get("/v1/models/0/export").await;
    file.ok(200);
    let id = plane.post("/v1/models/import", file.bytes.clone()).await.ok(201)["checkpoint"].clone();
    let copy = plane.get(&format!("/v1/models/{id}")).await;
    for key in ["kind", "metrics", "settings", "data", "features_version", "bytes"] {
        assert_eq!(copy.ok(200)[key], shown.json[key], "{key}");
    }
    assert_eq!((&copy.json["source"], &copy.json["made_by"]), (&json!("import"), &json!("test")));

    let mut flipped = file.bytes.clone();
    let middle = flipped.len() / 2;
    flipped[middle] ^= 1;
    let cut = file.bytes[..middle].to_vec();
    let mut other_version = always(0.5);
    other_version[4] = 99;
    for (bytes, told) in [
        (flipped, "damaged"),
        (cut, "damaged"),
        (other_version, "feature version 99"),
        (vec![], "no checkpoint"),
    ] {
        let reply = plane.post("/v1/models/import", bytes).await;
        assert!(reply.problem(422).2.contains(told), "{reply:?}");
    }
    let huge = plane.post("/v1/models/import", vec![0; (8 << 20) + 1]).await;
    assert_eq!(huge.problem(413).0, "too-large");
    assert_eq!(plane.sql("SELECT count(*) FROM model_checkpoints"), ["1"]);
}

#[tokio::test]
async fn a_locked_database_keeps_what_judges() {
    let plane = ControlPlane::start().await;
    let id = plane.import_always(0.9).await;
    let before = plane.probability().await;
    let other = rusqlite::Connection::open(plane.database()).expect("opens");
    other.execute_batch("BEGIN IMMEDIATE").expect("locks");
    assert_eq!(plane.promote(id).await.problem(503).0, "unavailable");
    assert_eq!(plane.post("/v1/models/import", always(0.1)).await.problem(503).0, "unavailable");
    assert!(near(plane.probability().await, before));
    other.execute_batch("COMMIT").expect("unlocks");
    plane.promote(id).await.ok(200);
    assert!(near(plane.probability().await, 0.9));
}

/// The command line promotes in another process; a running control plane looks every second.
#[tokio::test]
async fn promotions_of_others_are_noticed_and_survive_a_restart() {
    let plane = ControlPlane::start().await;
    let id = plane.import_always(0.9).await;
    let other = sallyport::store::SqliteStore::open(&plane.loaded.config.store).expect("opens");
    let wanted = Promote { checkpoint: id, by: "other".into(), reason: String::new(), only_after: None };
    sallyport::store::Store::promote(&other, wanted, 1).await.expect("stored");
    assert!(plane.app.models.refresh().await.expect("looked"));
    assert!(!plane.app.models.refresh().await.expect("looked"), "nothing new");
    assert!(near(plane.probability().await, 0.9));
    let again = sallyport::app::App::start(plane.app.store.clone(), &plane.loaded).await.expect("starts");
    let (now, then) = (again.publisher.current(), plane.app.publisher.current());
    assert_eq!((now.checkpoint, now.version), (id, then.version), "the same content keeps its version");
}

#[tokio::test]
async fn a_damaged_checkpoint_never_judges() {
    let plane = ControlPlane::start().await;
    let good = plane.import_always(0.9).await;
    plane.promote(good).await.ok(200);
    let text = || "{}".to_owned();
    let content = CheckpointContent {
        kind: sallyport_core::ModelKind::Neural,
        features_version: 1,
        parent: BUILT_IN,
        seed: 1,
        source: CheckpointSource::Train,
        made_by: text(),
        note: text(),
        data_fingerprint: None,
        data: text(),
        settings: text(),
        metrics: text(),
        histograms: text(),
        model: always(0.1)[..30].to_vec(),
        state: None,
    };
    let store = &plane.app.store;
    let damaged = store.save_checkpoint(content, 1).await.expect("stored");
    let refused = plane.promote(damaged).await;
    assert!(refused.problem(422).2.contains("damaged"), "{refused:?}");
    // As if it were damaged afterwards, or promoted by something else.
    let wanted = Promote { checkpoint: damaged, by: "x".into(), reason: String::new(), only_after: None };
    store.promote(wanted, 1).await.expect("stored");
    assert!(plane.app.models.refresh().await.expect("looked"));
    for app in
        [plane.app.clone(), sallyport::app::App::start(store.clone(), &plane.loaded).await.expect("starts")]
    {
        assert_eq!(app.publisher.current().checkpoint, good, "the promotion before it");
    }
    assert!(near(plane.probability().await, 0.9));
    let ready = plane.get("/ready").await;
    assert!(
        ready.ok(503)["reasons"][0].as_str().is_some_and(|reason| reason.contains("damaged")),
        "{ready:?}"
    );
    assert!(plane.get("/v1/models").await.ok(200)["active"]["fault"].is_string());

    plane.post("/v1/models/rollback", "").await.ok(200);
    plane.get("/ready").await.ok(200);
    assert_eq!(plane.active().await, good);
}

#[tokio::test]
async fn a_candidate_looks_on_and_decides_nothing() {
    let plane = ControlPlane::start().await;
    let (candidate, strict) = (plane.import_always(0.85).await, plane.import_always(0.9).await);
    assert_eq!(plane.post("/v1/models/0/shadow", "").await.problem(409).0, "conflict", "it judges");
    plane.post(&format!("/v1/models/{candidate}/shadow"), "").await.ok(204);
    let decision = plane.check(json!({ "ip": "192.0.2.1", "user_agent": FIREFOX, "endpoint": "/" })).await;
    assert_eq!(decision.ok(200)["action"], "ALLOW");
    plane.flush().await;
    let recorded = plane.sql("SELECT shadow_probability FROM requests");
    assert!(near(recorded[0].parse().expect("a number"), 0.85), "{recorded:?}");
    let shown = plane.get(&format!("/v1/models/{candidate}")).await;
    let comparison = &shown.ok(200)["comparison"];
    let change = json!([{ "from": "ALLOW", "to": "CHALLENGE", "decisions": 1 }]);
    assert_eq!(comparison["changes"], change);
    let told = 0.85 - decision.json["ml_probability"].as_f64().expect("a number");
    assert!(near(comparison["mean_difference"].as_f64().expect("a number"), told), "{comparison}");
    let metrics = String::from_utf8(plane.get("/metrics").await.bytes).expect("text");
    let line = "sallyport_shadow_decisions_total{action=\"ALLOW\",shadow=\"CHALLENGE\"} 1";
    assert!(metrics.lines().any(|found| found == line), "{metrics}");

    plane.promote(strict).await.ok(200);
    assert_eq!(plane.get("/v1/models").await.ok(200)["shadow"], candidate, "another one was promoted");
    plane.promote(candidate).await.ok(200);
    assert_eq!(plane.get("/v1/models").await.ok(200)["shadow"], Value::Null);
    plane.post("/v1/models/rollback", "").await.ok(200);
    assert_eq!(plane.get("/v1/models").await.ok(200)["shadow"], Value::Null);
    let none = plane.request(Method::DELETE, "/v1/models/shadow", &plane.admin_token);
    assert_eq!(send(none).await.status, StatusCode::NO_CONTENT);
}

/// The bytes of a model that tells the labels of [`label`] apart: rightly, or the other way round.
fn telling(of_people: f32, of_bots: f32) -> Vec<u8> {
    let nodes = vec![TreeNode::split(0, 0.5, 2), TreeNode::leaf(of_people), TreeNode::leaf(of_bots)];
    let trees = Trees::new([1.0, 0.0, 0.0], &[nodes]).expect("a tree");
    Model::random_forest(trees, Features::default()).to_bytes()
}

#[tokio::test]
async fn a_better_candidate_is_promoted_and_a_worse_one_undone_where_the_policy_says_so() {
    let plane = ControlPlane::with_config("model: { auto_promote: true, auto_rollback: true }").await;
    let good = plane.post("/v1/models/import", telling(0.002, 0.998)).await.ok(201)["checkpoint"].as_i64();
    let bad = plane.post("/v1/models/import", telling(0.998, 0.002)).await.ok(201)["checkpoint"].as_i64();
    let (good, bad) = (good.expect("a number"), bad.expect("a number"));
    let turn = async || {
        let promotion = plane.app.models.take_turns().await.expect("looked");
        promotion.map(|promotion| (promotion.checkpoint, promotion.by))
    };
    let later_ms = sallyport::clock::unix_ms() + 60_000;
    let automatic = |checkpoint| Some((checkpoint, "automatic".to_owned()));

    plane.post(&format!("/v1/models/{good}/shadow"), "").await.ok(204);
    label(&plane, 49, later_ms).await;
    look_on(&plane, 2000);
    assert_eq!(turn().await, None, "49 labels of each are too few");
    label(&plane, 1, later_ms + 1).await;
    assert_eq!(turn().await, automatic(good));
    assert_eq!(turn().await, None, "it stays");

    plane.post(&format!("/v1/models/{bad}/shadow"), "").await.ok(204);
    look_on(&plane, 2000);
    label(&plane, 60, later_ms + 120_000).await;
    assert_eq!(turn().await, None, "it is worse");
    plane.promote(bad).await.ok(200);
    assert_eq!(turn().await, automatic(good), "feedback since then shows that it is worse");
    let reason = plane.get("/v1/models").await.ok(200)["promotions"][0]["reason"].to_string();
    assert!(reason.contains("worse on") && reason.contains("people challenged"), "{reason}");
}

#[tokio::test]
async fn nothing_takes_turns_by_itself_by_default_or_unseen() {
    let plane = ControlPlane::start().await;
    let good = plane.post("/v1/models/import", telling(0.002, 0.998)).await.ok(201)["checkpoint"].clone();
    plane.post(&format!("/v1/models/{good}/shadow"), "").await.ok(204);
    label(&plane, 60, sallyport::clock::unix_ms() + 60_000).await;
    look_on(&plane, 999);
    assert_eq!(plane.app.models.take_turns().await.expect("looked"), None, "off by default");
    let mut config = plane.app.models.config();
    config.auto_promote = true;
    plane.app.models.set_config(config);
    assert_eq!(plane.app.models.take_turns().await.expect("looked"), None, "999 decisions are too few");
    look_on(&plane, 1);
    assert!(plane.app.models.take_turns().await.expect("looked").is_some());
}

/// Lets the candidate look on at so many decisions.
fn look_on(plane: &ControlPlane, decisions: u32) {
    let mut row = RequestRow { weight: decisions, ..decision(0, 1) };
    plane.app.models.complete(&mut row, plane.app.publisher.current().version);
    assert!(row.shadow_probability.is_some());
}
