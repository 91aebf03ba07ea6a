//! `GET /openapi.json` and `GET /docs`.

use reqwest::Method;

use crate::harness::{ControlPlane, send};

#[tokio::test]
async fn every_documented_path_exists() {
    let plane = ControlPlane::start().await;
    let reply = plane.get("/openapi.json").await;
    let paths = reply.ok(200)["paths"].as_object().expect("paths");
    for (path, operations) in paths {
        for method in operations.as_object().expect("operations").keys() {
            let method: Method = method.to_uppercase().parse().expect("a method");
            let path = path.replace("{ip}", "192.0.2.1").replace("{id}", "0");
            // No body that anything could be carried out with.
            let reply = send(plane.request(method, &path, &plane.admin_token).body("-")).await;
            assert_ne!(reply.status.as_u16(), 405, "{path}");
            let detail = reply.json["detail"].as_str().unwrap_or_default();
            assert!(!detail.starts_with("no path"), "{path}: {reply:?}");
        }
    }
}

#[tokio::test]
async fn the_page_shows_them_and_fetches_nothing() {
    let plane = ControlPlane::start().await;
    let reply = plane.get("/docs").await;
    assert!(
        reply.headers["content-security-policy"].to_str().is_ok_and(|p| p.starts_with("default-src 'none'"))
    );
    let page = String::from_utf8(reply.bytes).expect("text").replace("&#x2f;", "/");
    for text in ["/check", "/reputation/{ip}", "CheckRequest", "user_agent", "CheckResponse"] {
        assert!(page.contains(text), "{text} is not on the page");
    }
    assert!(!page.contains("src=") && !page.contains("http://") && !page.contains("https://"), "{page}");
    assert!(!page.contains("<script"));
}
