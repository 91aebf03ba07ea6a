//! `GET /v1/snapshot`.

use reqwest::Method;
use sallyport_core::snapshot::decode;

use crate::harness::{ControlPlane, send};

#[tokio::test]
async fn a_filter_gets_what_this_process_judges_with() {
    let config = "policy: { enforcement: enforce, thresholds: { block: 95 } }";
    let plane = ControlPlane::with_config(config).await;
    let get = |tag: &str| {
        let request = plane.request(Method::GET, "/v1/snapshot", &plane.filter_token);
        send(request.header("if-none-match", tag.to_owned()))
    };
    let reply = get("").await;
    reply.ok(200);
    assert_eq!(reply.headers["content-type"], "application/octet-stream");
    assert_eq!(reply.headers["etag"], "\"1\"");
    let parts = decode(&reply.bytes).expect("a snapshot");
    assert_eq!((parts.version, parts.policy), (1, plane.loaded.config.policy.clone()));
    let engine = plane.app.detector.engine();
    assert!(parts.hash_key == *engine.key() && engine.version() == 1);

    for tag in ["\"1\"", "W/\"1\"", "\"0\", \"1\"", "\"0\" ,W/\"1\"", "*"] {
        let same = get(tag).await;
        assert_eq!((same.status.as_u16(), same.bytes.len()), (304, 0), "{tag}");
    }
    for tag in ["\"2\"", "1", "\"11\"", ",", "\u{e9}"] {
        get(tag).await.ok(200);
    }
    let two = plane.request(Method::GET, "/v1/snapshot", &plane.filter_token);
    let two = send(two.header("if-none-match", "\"0\"").header("if-none-match", "\"1\"")).await;
    assert_eq!(two.status.as_u16(), 304);
}

#[tokio::test]
async fn ranges_of_files_travel_with_it() {
    let plane = ControlPlane::start().await;
    let folder = plane.folder.path();
    std::fs::write(folder.join("dc.txt"), "203.0.113.0/24 # one\n2001:db8::/32\n").expect("written");
    let config = "ranges: { bundled: false, files: [{ path: dc.txt, label: datacenter }] }";
    std::fs::write(folder.join("config.yaml"), config).expect("written");
    sallyport::reload::reload(&plane.app, &plane.sources, &plane.loaded).await.expect("valid");
    let reply = send(plane.request(Method::GET, "/v1/snapshot", &plane.filter_token)).await;
    assert_eq!(decode(&reply.bytes).expect("a snapshot").ranges.len(), 2);
    assert_eq!(plane.get("/reputation/203.0.113.5").await.ok(200)["in_listed_range"], true);
}
