//! A changed configuration takes effect; a faulty one does not.

use sallyport::reload::reload;
use serde_json::json;

use crate::harness::{ControlPlane, FIREFOX};

#[tokio::test]
async fn a_changed_policy_is_a_new_snapshot() {
    let plane = ControlPlane::start().await;
    let ask = || plane.check(json!({ "ip": "192.0.2.1", "user_agent": FIREFOX, "endpoint": "/" }));
    assert_ne!(ask().await.ok(200)["action"], "BLOCK");
    let file = plane.folder.path().join("config.yaml");
    std::fs::write(&file, "policy: { lists: { deny: [192.0.2.1] } }").expect("written");
    let loaded = reload(&plane.app, &plane.sources, &plane.loaded).await.expect("valid");
    assert_eq!(ask().await.ok(200)["action"], "BLOCK");
    assert_eq!(plane.get("/v1/snapshot").await.headers["etag"], "\"2\"");

    std::fs::write(&file, "policy: { lists: { deny: [nonsense] } }\nsevrer: {}").expect("written");
    let told = reload(&plane.app, &plane.sources, &loaded).await.expect_err("refused").to_string();
    assert!(told.contains("policy.lists.deny[0]") && told.contains("sevrer"), "{told}");
    assert_eq!(ask().await.ok(200)["action"], "BLOCK");
    assert_eq!(plane.get("/v1/snapshot").await.headers["etag"], "\"2\"");

    std::fs::write(&file, "server: { body_limit_kib: 65 }\npolicy: { lists: { deny: [192.0.2.1] } }")
        .expect("written");
    reload(&plane.app, &plane.sources, &loaded).await.expect("valid");
    assert_eq!(plane.get("/v1/snapshot").await.headers["etag"], "\"2\"", "the policy is the same");
}

#[tokio::test]
async fn versions_never_run_backwards() {
    let plane = ControlPlane::start().await;
    let file = plane.folder.path().join("config.yaml");
    let mut loaded = plane.loaded.clone();
    for (deny, version) in [("192.0.2.1", 2), ("192.0.2.2", 3), ("192.0.2.1", 4)] {
        std::fs::write(&file, format!("policy: {{ lists: {{ deny: [{deny}] }} }}")).expect("written");
        loaded = reload(&plane.app, &plane.sources, &loaded).await.expect("valid");
        assert_eq!(plane.app.publisher.current().version, version);
    }
    let again = sallyport::app::App::start(plane.app.store.clone(), &loaded).await.expect("starts");
    assert_eq!(again.publisher.current().version, 4, "the same content keeps its version over a restart");
}
