//! Nothing but `/health` answers without a token, and roles count.

use reqwest::Method;
use sallyport::auth::{Role, Token};

use crate::harness::{ControlPlane, send};

const PATHS: [(Method, &str, Role); 11] = [
    (Method::POST, "/check", Role::Filter),
    (Method::GET, "/v1/snapshot", Role::Filter),
    (Method::POST, "/v1/observations", Role::Filter),
    (Method::POST, "/feedback", Role::Admin),
    (Method::GET, "/stats", Role::Admin),
    (Method::GET, "/reputation/192.0.2.1", Role::Admin),
    (Method::GET, "/ready", Role::Admin),
    (Method::GET, "/metrics", Role::Admin),
    (Method::GET, "/docs", Role::Admin),
    (Method::GET, "/openapi.json", Role::Admin),
    (Method::GET, "/no/such/path", Role::Admin),
];

#[tokio::test]
async fn health_needs_no_token() {
    let plane = ControlPlane::start().await;
    let reply = send(plane.request(Method::GET, "/health", "")).await;
    assert_eq!(reply.ok(200)["status"], "ok");
}

#[tokio::test]
async fn everything_else_does() {
    let plane = ControlPlane::start().await;
    let wrong = Token::generate(Role::Admin).expect("random bytes");
    for (method, path, _) in PATHS {
        let none = send(plane.request(method.clone(), path, "")).await;
        assert_eq!(none.problem(401).0, "unauthorized", "{path}");
        assert_eq!(none.headers["www-authenticate"], "Bearer realm=\"sallyport\"");
        let unknown = send(plane.request(method.clone(), path, wrong.reveal())).await;
        assert_eq!(unknown.problem(401).0, "unauthorized", "{path}");
        let basic = plane.request(method, path, "").basic_auth("admin", Some(&plane.admin_token));
        assert_eq!(send(basic).await.problem(401).0, "unauthorized", "{path}");
    }
}

#[tokio::test]
async fn a_filter_token_opens_only_what_filters_need() {
    let plane = ControlPlane::start().await;
    for (method, path, role) in PATHS {
        let reply = send(plane.request(method.clone(), path, &plane.filter_token)).await;
        match role {
            Role::Admin => assert_eq!(reply.problem(403).0, "forbidden", "{path}"),
            Role::Filter => assert!(!matches!(reply.status.as_u16(), 401 | 403), "{path}: {reply:?}"),
        }
        let reply = send(plane.request(method, path, &plane.admin_token)).await;
        assert!(!matches!(reply.status.as_u16(), 401 | 403), "{path}: {reply:?}");
    }
}

#[tokio::test]
async fn a_new_token_works_at_once_and_a_revoked_one_after_the_next_look() {
    let plane = ControlPlane::start().await;
    let token = Token::generate(Role::Admin).expect("random bytes");
    let id =
        plane.app.store.create_token(Role::Admin, "new".to_owned(), token.hash(), 1).await.expect("stored");
    send(plane.request(Method::GET, "/stats", token.reveal())).await.ok(200);
    plane.app.store.revoke_token(id, 2).await.expect("revoked");
    plane.app.keyring.refresh().await.expect("read again");
    send(plane.request(Method::GET, "/stats", token.reveal())).await.problem(401);
}

#[tokio::test]
async fn unknown_paths_and_methods_are_problems_too() {
    let plane = ControlPlane::start().await;
    assert_eq!(plane.get("/no/such/path").await.problem(404).0, "not-found");
    let reply = send(plane.request(Method::DELETE, "/check", &plane.admin_token)).await;
    assert_eq!(reply.problem(405).0, "method-not-allowed");
    assert_eq!(reply.headers["allow"], "POST");
}
