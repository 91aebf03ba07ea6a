//! Control planes on one Redis, each with a database of its own, agree on hash key, judging checkpoint and the
//! snapshot's version.

use std::time::{Duration, Instant};

use reqwest::{Method, StatusCode};
use sallyport::config::{Files, Loaded};
use sallyport::replicas;
use sallyport::shared::Notice;
use serde_json::{Value, json};
use tokio::task::AbortHandle;

use crate::harness::{ControlPlane, FIREFOX, eventually, send};
use crate::models::always;
use crate::redis_server::RedisServer;

/// A control plane that follows the others, as `serve` lets it.
struct Replica {
    plane: ControlPlane,
    following: AbortHandle,
}

impl Drop for Replica {
    fn drop(&mut self) {
        self.following.abort();
    }
}

impl Replica {
    async fn start(server: &RedisServer) -> Self {
        Self::with(server, "").await
    }

    async fn with(server: &RedisServer, more: &str) -> Self {
        // Patient, so that a busy machine is no outage.
        Self::with_timeouts(server, 10_000, more).await
    }

    async fn with_timeouts(server: &RedisServer, ms: u32, more: &str) -> Self {
        let url = server.url();
        let config = format!(
            "redis: {{ url: '{url}', connect_timeout_ms: {ms}, response_timeout_ms: {ms}, poll_interval_s: 1 }}\n\
             {more}"
        );
        let plane = ControlPlane::with_config(&config).await;
        let following = tokio::spawn(replicas::run(plane.app.clone())).abort_handle();
        Self { plane, following }
    }

    async fn import_and_promote(&self, probability: f32) -> Value {
        let stored = self.plane.post("/v1/models/import", always(probability)).await;
        let checkpoint = stored.ok(201)["checkpoint"].as_i64().expect("a number");
        self.plane.post(&format!("/v1/models/{checkpoint}/promote"), "").await.ok(200).clone()
    }

    /// Returns when a model judges that gives every visitor this probability.
    async fn until_judging(&self, probability: f32) {
        let features = sallyport_core::Features::default();
        self.until("another model", |plane| {
            (plane.app.detector.engine().model().probability(&features) - probability).abs() < 1e-4
        })
        .await;
    }

    async fn until(&self, what: &str, is_so: impl Fn(&ControlPlane) -> bool) {
        eventually(what, || is_so(&self.plane).then_some(())).await;
    }

    /// Returns when both hand out the same bytes under the same `ETag`.
    async fn until_like(&self, other: &Self) {
        let current = |plane: &ControlPlane| {
            let published = plane.app.publisher.current();
            (published.etag.clone(), published.bytes.clone())
        };
        self.until("the same snapshot", |plane| current(plane) == current(&other.plane)).await;
        assert_eq!(self.snapshot().await, other.snapshot().await);
    }

    async fn promotions(&self) -> Vec<Value> {
        let listed = self.plane.get("/v1/models").await;
        listed.ok(200)["promotions"].as_array().expect("a list").clone()
    }

    /// The snapshot's `ETag` and bytes.
    async fn snapshot(&self) -> (String, Vec<u8>) {
        let request = self.plane.request(Method::GET, "/v1/snapshot", &self.plane.filter_token);
        let reply = send(request).await;
        reply.ok(200);
        (reply.headers["etag"].to_str().expect("text").to_owned(), reply.bytes)
    }
}

#[tokio::test]
async fn a_fresh_replica_hands_out_the_same_snapshot() {
    let server = RedisServer::start();
    let (one, other) = (Replica::start(&server).await, Replica::start(&server).await);
    assert_eq!(one.snapshot().await, other.snapshot().await);
    let ready = other.plane.get("/ready").await;
    assert_eq!(ready.ok(200)["status"], "ready");
}

#[tokio::test]
async fn what_one_promotes_judges_in_all_and_a_rollback_too() {
    let server = RedisServer::start();
    let (one, other) = (Replica::start(&server).await, Replica::start(&server).await);
    one.import_and_promote(0.25).await;
    other.until_judging(0.25).await;
    one.until_judging(0.25).await;
    let newest = &other.promotions().await[0];
    assert!(newest["by"].as_str().is_some_and(|by| by.starts_with("replica ")), "{newest}");
    one.until_like(&other).await;

    other.import_and_promote(0.75).await;
    one.until_judging(0.75).await;
    other.plane.post("/v1/models/rollback", "").await.ok(200);
    one.until_judging(0.25).await;
    // The rollback finds the checkpoint that is there already.
    assert_eq!(one.plane.get("/v1/models").await.ok(200)["models"].as_array().map(Vec::len), Some(3));
    let counts = (one.promotions().await.len(), other.promotions().await.len());
    // A while of looks changes nothing more.
    for _ in 0..3 {
        one.plane.app.replicas.look(&one.plane.app).await;
        other.plane.app.replicas.look(&other.plane.app).await;
    }
    assert_eq!((one.promotions().await.len(), other.promotions().await.len()), counts, "back and forth");
    assert_eq!(counts, (3, 3));
    one.until_like(&other).await;
}

#[tokio::test]
async fn a_newcomer_takes_over_what_judges() {
    let server = RedisServer::start();
    let one = Replica::start(&server).await;
    one.import_and_promote(0.25).await;
    let newcomer = Replica::start(&server).await;
    let newest = &newcomer.promotions().await[0];
    assert!(newest["by"].as_str().is_some_and(|by| by.starts_with("replica ")), "before it serves: {newest}");
    one.until_like(&newcomer).await;
}

#[tokio::test]
async fn what_is_decided_while_redis_is_gone_is_told_later() {
    let mut server = RedisServer::start();
    let (one, other) = (Replica::start(&server).await, Replica::start(&server).await);
    server.kill();
    one.until("the loss of Redis", |plane| !plane.app.shared.health().is_shared).await;
    let ready = one.plane.get("/ready").await;
    assert_eq!(ready.status, StatusCode::OK, "it goes on alone");
    let reason = ready.json["reasons"][0].as_str().unwrap_or_default();
    let place = format!("Redis at 127.0.0.1:{}", server.port());
    assert!(ready.json["status"] == "degraded" && reason.starts_with(&place), "{}", ready.json);
    let metrics = String::from_utf8(one.plane.get("/metrics").await.bytes).expect("text");
    assert!(metrics.contains("sallyport_shared_degraded 1") && metrics.contains("sallyport_shared_up 0"));
    one.import_and_promote(0.25).await;
    server.start_again();
    other.until_judging(0.25).await;
    one.until("Redis", |plane| plane.app.shared.health().degraded.is_none()).await;
    one.until_like(&other).await;
    assert_eq!(one.plane.get("/ready").await.ok(200)["status"], "ready");
}

#[tokio::test]
async fn steps_of_learning_go_on_as_steps() {
    let server = RedisServer::start();
    let (one, other) = (Replica::start(&server).await, Replica::start(&server).await);
    one.import_and_promote(0.25).await;
    other.until_judging(0.25).await;
    // Both have the model that is learned from; the step itself is one as the learner makes them.
    let app = &one.plane.app;
    let mut content = sallyport::models::checkpoint(&*app.store, 0).await.expect("it ships").content;
    content.made_by = sallyport::learning::MADE_BY.to_owned();
    content.source = sallyport::store::CheckpointSource::Online;
    let anchor = app.models.judging().active.id;
    content.settings =
        json!({ "learning": { "anchor": anchor, "since_ms": 5, "learnt_through": 9 } }).to_string();
    let only_after = app.models.judging().promotion_id();
    app.models.adopt(content, only_after, "1 labels learned".to_owned()).await.expect("it judges");
    let built_in = sallyport_core::Model::built_in().expect("it ships");
    other.until("the step", |plane| *plane.app.detector.engine().model() == built_in).await;
    let newest = &other.promotions().await[0];
    assert_eq!(newest["by"], "learner");
    let judging = other.plane.app.models.judging();
    let stored = other.plane.app.store.checkpoint(judging.active.id).await.expect("read").expect("stored");
    assert_eq!(stored.content.source, sallyport::store::CheckpointSource::Online);
    let settings: Value = serde_json::from_str(&stored.content.settings).expect("JSON");
    let others_anchor = settings["learning"]["anchor"].as_i64().expect("a number");
    let anchor = other.plane.app.store.checkpoint(others_anchor).await.expect("read").expect("its own");
    assert_eq!(anchor.content.model, always(0.25), "measured against what somebody chose");
    assert_eq!(settings["learning"]["learnt_through"], 0, "its own labels");
}

#[tokio::test]
async fn a_database_of_another_key_stays_apart_and_says_so() {
    let server = RedisServer::start();
    let one = Replica::start(&server).await;
    let other = Replica::with(&server, "secrets: { hash_key: 00112233445566778899aabbccddeeff }").await;
    let ready = other.plane.get("/ready").await;
    let reason = ready.ok(200)["reasons"][0].as_str().unwrap_or_default().to_owned();
    assert!(reason.contains("another hash key"), "{reason}");
    assert_eq!(one.plane.app.shared.claim("x", 60).await, Ok(true));
    assert_eq!(other.plane.app.shared.claim("x", 60).await, Ok(true), "not shared");
}

#[tokio::test]
async fn a_changed_configuration_is_told() {
    let server = RedisServer::start();
    let (one, other) = (Replica::start(&server).await, Replica::start(&server).await);
    let file = other.plane.folder.path().join("config.yaml");
    let text = std::fs::read_to_string(&file).expect("readable");
    std::fs::write(&file, format!("{text}policy: {{ thresholds: {{ block: 95 }} }}\n")).expect("written");
    let plane = &other.plane;
    // As if it knew of no file whose change it could see by itself.
    let blind = Loaded { files: Files::default(), ..plane.loaded.clone() };
    let watching = sallyport::reload::watch(plane.app.clone(), plane.sources.clone(), blind);
    let before = plane.app.publisher.current().version;
    tokio::select! {
        () = watching => panic!("it watches for ever"),
        () = other.until("another snapshot", |plane| {
            one.plane.app.shared.tell(Notice::Policy);
            plane.app.publisher.current().version > before
        }) => {}
    }
    let alike = one.plane.folder.path().join("config.yaml");
    std::fs::copy(file, alike).expect("copied");
    sallyport::reload::reload(&one.plane.app, &one.plane.sources, &one.plane.loaded).await.expect("valid");
    assert_eq!(one.snapshot().await, other.snapshot().await, "the same content has the same version");
}

#[tokio::test]
async fn a_frozen_redis_delays_no_answer() {
    let server = RedisServer::start();
    let one = Replica::with_timeouts(&server, 300, "").await;
    server.freeze();
    let visitor = json!({ "ip": "192.0.2.1", "user_agent": FIREFOX, "endpoint": "/" });
    let start = Instant::now();
    for _ in 0..100 {
        one.plane.check(visitor.clone()).await.ok(200);
    }
    assert!(start.elapsed() < Duration::from_secs(15), "a hundred answers waited for Redis");
    one.until("the loss of Redis", |plane| !plane.app.shared.health().is_shared).await;
    server.thaw();
    one.until("Redis", |plane| plane.app.shared.health().degraded.is_none()).await;
}
