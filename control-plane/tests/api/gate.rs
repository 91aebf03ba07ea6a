//! Nothing but `/health` answers without a token, and roles count.

use reqwest::Method;
use sallyport::auth::{Role, Token};

use crate::harness::{ControlPlane, send};

const PATHS: [(Method, &str, Role); 15] = [
    (Method::POST, "/check", Role::Filter),
    (Method::GET, "/v1/snapshot", Role::Filter),
    (Method::POST, "/v1/observations", Role::Filter),
    (Method::POST, "/feedback", Role::Admin),
    (Method::GET, "/stats", Role::Admin),
    (Method::GET, "/reputation/192.0.2.1", Role::Admin),
    (Method::GET, "/v1/crawlers", Role::Admin),
    (Method::POST, "/v1/logins", Role::Filter),
    (Method::GET, "/v1/events", Role::Admin),
    (Method::GET, "/v1/logins/failed", Role::Admin),
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
        let patch = send(plane.request(Method::PATCH, path, "")).await;
        assert_eq!(patch.problem(401).0, "unauthorized", "{path}: what it is for is nobody's business");
        let unknown = send(plane.request(method.clone(), path, wrong.reveal())).await;
        assert_eq!(unknown.problem(401).0, "unauthorized", "{path}");
        let basic = plane.request(method, path, "").basic_auth("admin", Some(wrong.reveal()));
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

#[tokio::test]
async fn a_browser_asks_for_the_token() {
    let plane = ControlPlane::start().await;
    let page = || plane.request(Method::GET, "/docs", "").header("accept", "text/html,*/*;q=0.8");
    let asked = send(page()).await;
    assert!(asked.problem(401).2.contains("the token as password"), "{asked:?}");
    let challenges: Vec<_> = asked.headers.get_all("www-authenticate").iter().collect();
    assert_eq!(challenges, ["Bearer realm=\"sallyport\"", "Basic realm=\"Sallyport\", charset=\"UTF-8\""]);
    send(page().basic_auth("anybody", Some(&plane.admin_token))).await.ok(200);
    send(page().basic_auth("", Some(&plane.admin_token))).await.ok(200);
    send(page().basic_auth("anybody", Some(&plane.filter_token))).await.problem(403);
    for odd in ["Basic", "Basic ", "Basic !!!", "Basic YWRtaW4=", "Bearer", "Bearer  ", "Digest x", "\u{e9}"]
    {
        send(page().header("authorization", odd)).await.problem(401);
    }
}

#[tokio::test]
async fn another_sites_page_cannot_use_a_browsers_password() {
    let plane = ControlPlane::start().await;
    let body = r#"{"user_agent": "x", "endpoint": "/"}"#;
    let post = |origin: &str| {
        let request =
            plane.request(Method::POST, "/check", "").body(body).header("host", "gate.example:8000");
        send(request.basic_auth("me", Some(&plane.admin_token)).header("origin", origin.to_owned()))
    };
    for origin in
        ["https://evil.example", "null", "http://gate.example", "http://gate.example:8000.evil.example"]
    {
        assert_eq!(post(origin).await.problem(403).0, "forbidden", "{origin}");
    }
    post("http://gate.example:8000").await.ok(200);
    let own = plane.request(Method::POST, "/check", "").body(body);
    send(own.basic_auth("me", Some(&plane.admin_token))).await.ok(200);
}
