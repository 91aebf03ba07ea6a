//! `/v1/ranges`, `sallyport ranges`, and what both do to decisions.

use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode as Status;
use sallyport::reload::reload;
use sallyport_core::snapshot::decode;
use serde_json::json;
use tokio::net::TcpListener;

use crate::cli::sallyport;
use crate::harness::{ControlPlane, FIREFOX};

/// A list on a local server, which may be changed.
#[derive(Clone, Default)]
struct List(Arc<Mutex<(u16, String)>>);

impl List {
    fn set(&self, status: u16, text: &str) {
        *self.0.lock().expect("not poisoned") = (status, text.to_owned());
    }

    async fn answer(State(list): State<Self>) -> (Status, String) {
        let (status, text) = list.0.lock().expect("not poisoned").clone();
        (Status::from_u16(status).expect("a status"), text)
    }

    /// Serves it, and a control plane that knows it as the source `ours`.
    async fn serve(bundled: bool) -> (Self, ControlPlane) {
        let list = Self::default();
        let router = Router::new().fallback(Self::answer).with_state(list.clone());
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a free port");
        let url = format!("http://{}/list?key=s3cret", listener.local_addr().expect("an address"));
        tokio::spawn(async move { axum::serve(listener, router).await });
        let config = json!({
            "ranges": { "bundled": bundled, "sources": [{ "name": "ours", "url": url, "kind": "hosting" }] },
            "fetch": { "allow_private": ["127.0.0.1"] },
        });
        (list, ControlPlane::with_config(&config.to_string()).await)
    }
}

#[tokio::test]
async fn what_ships_is_looked_up_and_told() {
    let plane = ControlPlane::start().await;
    let aws = plane.get("/v1/ranges?ip=3.5.140.1").await;
    assert_eq!((&aws.ok(200)["provider"], &aws.json["kind"]), (&json!("aws"), &json!("cloud")));
    assert_eq!(aws.json["is_datacenter_ip"], true);
    assert!(aws.json["range"].as_str().is_some_and(|range| range.starts_with("3.")), "{aws:?}");
    let bot = plane.get("/v1/ranges?ip=::ffff:66.249.66.1").await;
    let told = json!({ "ip": "66.249.66.1", "range": "66.249.64.0/20", "provider": "googlebot", "kind": "crawler",
        "is_datacenter_ip": false });
    assert_eq!(*bot.ok(200), told);
    assert_eq!(plane.get("/v1/ranges?ip=192.0.2.1").await.ok(200)["provider"], json!(null));
    assert_eq!(plane.get("/v1/ranges?ip=nobody").await.problem(422).1, "ip");
    assert_eq!(plane.get("/v1/ranges?address=192.0.2.1").await.problem(422).1, "ip");

    let all = plane.get("/v1/ranges").await;
    assert!(all.ok(200)["ranges"].as_u64() > Some(20_000));
    assert!(all.json["attribution"].as_str().is_some_and(|text| text.contains("db-ip.com")));
    let sources = all.json["sources"].as_array().expect("sources");
    assert!(sources.iter().any(|source| source["name"] == "azure" && source["enabled"] == true));

    let reputation = plane.get("/reputation/3.5.140.1").await;
    assert_eq!(
        (&reputation.ok(200)["range_provider"], &reputation.json["range_kind"]),
        (&json!("aws"), &json!("cloud"))
    );
    assert_eq!(
        (&reputation.json["is_datacenter_ip"], &reputation.json["in_listed_range"]),
        (&json!(true), &json!(true))
    );
    let body = json!({ "ip": "3.5.140.1", "user_agent": FIREFOX, "endpoint": "/" });
    let reasons = plane.check(body).await.ok(200)["reasons"].to_string();
    assert!(reasons.contains("datacenter_ip"), "{reasons}");
}

#[tokio::test]
async fn an_update_is_fetched_published_and_judged_with() {
    let (list, plane) = List::serve(false).await;
    list.set(200, "203.0.113.0/25\n203.0.113.128/25\n198.51.100.1/24\n");
    let update = |body: &'static str| plane.post("/v1/ranges/update", body);
    let done = update(r#"{"only": ["ours"]}"#).await;
    assert_eq!(done.ok(200)["snapshot"], 2, "{done:?}");
    let report = &done.json["sources"][0];
    assert_eq!(
        (&report["outcome"], &report["ranges"], &report["cleared"]),
        (&json!("fetched"), &json!(3), &json!(1))
    );
    assert_eq!(decode(&plane.get("/v1/snapshot").await.bytes).expect("a snapshot").ranges.len(), 3);
    assert_eq!(plane.get("/reputation/198.51.100.9").await.ok(200)["is_datacenter_ip"], true);

    list.set(200, "203.0.113.0/25\n");
    let shrunk = update(r#"{"only": ["ours"]}"#).await;
    assert_eq!(
        (&shrunk.ok(200)["snapshot"], &shrunk.json["sources"][0]["outcome"]),
        (&json!(2), &json!("failed"))
    );
    list.set(401, "who are you?");
    let refused = update(r#"{"only": ["ours"]}"#).await.ok(200)["sources"][0]["error"].to_string();
    assert!(refused.contains("answers 401") && !refused.contains("s3cret"), "{refused}");
    let all = plane.get("/v1/ranges").await;
    let sources = all.ok(200)["sources"].as_array().expect("sources").clone();
    let ours = sources.iter().find(|source| source["name"] == "ours").expect("the source");
    assert!(
        ours["ranges"] == 3 && ours["error"].as_str().is_some_and(|error| error.ends_with("answers 401")),
        "{ours}"
    );
    assert!(!all.json.to_string().contains("s3cret"));

    list.set(200, "203.0.113.0/25\n");
    assert_eq!(update(r#"{"only": ["ours"], "force": true}"#).await.ok(200)["snapshot"], 3);
    assert_eq!(update(r#"{"only": ["theirs"]}"#).await.problem(422).1, "only");
    assert_eq!(update(r#"{"only": "ours"}"#).await.problem(400).0, "bad-syntax");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_command_line_fetches_reaches_a_running_control_plane() {
    let (list, plane) = List::serve(false).await;
    let database = plane.database();
    let run = |arguments: &[&str]| {
        let path = format!("store.path={}", database.display());
        let shared = ["--config", "config.yaml", "--set", &path];
        let arguments: Vec<&str> = shared.into_iter().chain(arguments.iter().copied()).collect();
        let output = sallyport(&plane.folder, &arguments).output().expect("runs");
        (
            output.status.code(),
            String::from_utf8(output.stdout).expect("text"),
            String::from_utf8(output.stderr).expect("text"),
        )
    };
    let mut loaded = plane.loaded.clone();
    assert!(!loaded.files.changed());
    list.set(200, "203.0.113.0/24\n");
    let (code, table, lines) = run(&["ranges", "update", "--only", "ours"]);
    assert_eq!((code, lines.as_str()), (Some(0), "ours: 1 ranges\n"));
    assert!(table.contains("ours    fetched       1"), "{table}");
    assert!(loaded.files.changed(), "the control plane sees the new list");
    reload(&plane.app, &plane.sources, &loaded).await.expect("valid");
    let found = plane.get("/v1/ranges?ip=203.0.113.9").await;
    assert_eq!(
        (&found.ok(200)["provider"], &found.json["range"]),
        (&json!("ours"), &json!("203.0.113.0/24"))
    );
    assert_eq!(plane.get("/reputation/203.0.113.9").await.ok(200)["range_provider"], "ours");
    let (code, line, _) = run(&["ranges", "lookup", "203.0.113.9"]);
    assert_eq!((code, line.as_str()), (Some(0), "203.0.113.9\tours\thosting\t203.0.113.0/24\tdatacenter\n"));

    list.set(200, "<html>Down for maintenance</html>");
    let (code, _, lines) = run(&["ranges", "update", "--only", "ours"]);
    assert_eq!(code, Some(1));
    assert!(
        lines.contains("the list is an HTML or XML page")
            && lines.contains("1 of 1 lists could not be fetched"),
        "{lines}"
    );
    let (code, shown, _) = run(&["ranges", "show"]);
    assert_eq!(code, Some(0));
    assert!(
        shown.contains("ours      hosting       1  fetched") && shown.contains("HTML or XML page"),
        "{shown}"
    );
    assert_eq!(run(&["ranges", "update", "--only", "theirs"]).0, Some(1));
}
