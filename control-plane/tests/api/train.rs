//! `POST /train` and `/v1/models/jobs`.

use reqwest::{Method, StatusCode};
use sallyport::models::jobs::MOST_FOLLOWERS;
use serde_json::{Value, json};

use crate::harness::{ControlPlane, FIREFOX, Reply, send};
use crate::labels::label;

/// Only what a test has labelled is learned from.
const ONLY_LABELS: &str = "model: { train: { simulated: 0 } }";

/// More epochs than a test waits for.
const LONG: &str = "/train?epochs=1000&batch_size=2";

async fn ask(plane: &ControlPlane, method: Method, path: &str) -> Reply {
    send(plane.request(method, path, &plane.admin_token)).await
}

/// Events of a job as (name, data), until the stream ends.
async fn events(plane: &ControlPlane, path: &str) -> Vec<(String, Value)> {
    let request = plane.request(Method::GET, path, &plane.admin_token);
    let reply = send(request.header("accept", "text/event-stream")).await;
    assert_eq!(reply.headers["content-type"], "text/event-stream");
    let text = String::from_utf8(reply.bytes).expect("text");
    let events = text.split("\n\n").filter_map(|event| {
        let (name, data) = event.trim().split_once('\n')?;
        let data = serde_json::from_str(data.strip_prefix("data: ")?).expect("JSON");
        Some((name.strip_prefix("event: ")?.to_owned(), data))
    });
    events.collect()
}

/// A job's events, read up to the first with progress: the stream, which goes on, and what it told.
async fn followed(plane: &ControlPlane, path: &str) -> (reqwest::Response, String) {
    let request = plane.request(Method::GET, path, &plane.admin_token);
    let mut stream = request.header("accept", "text/event-stream").send().await.expect("an answer");
    let mut told = String::new();
    while !told.contains("\"epoch\"") {
        let chunk = stream.chunk().await.expect("a chunk").expect("it goes on");
        told.push_str(std::str::from_utf8(&chunk).expect("text"));
    }
    (stream, told)
}

#[tokio::test]
async fn who_waits_gets_a_checkpoint_that_is_not_promoted() {
    let plane = ControlPlane::with_config(ONLY_LABELS).await;
    label(&plane, 40, 1).await;
    let reply = ask(&plane, Method::POST, "/train?epochs=3&batch_size=16&seed=5&wait=true").await;
    let job = reply.ok(200);
    assert_eq!((&job["state"], &job["rows"], &job["error"]), (&json!("done"), &json!(80), &Value::Null));
    let checkpoint = job["checkpoint"].as_i64().expect("a number");
    let details = plane.get(&format!("/v1/models/{checkpoint}")).await;
    let model = details.ok(200);
    assert_eq!(
        (&model["source"], &model["made_by"], &model["seed"]),
        (&json!("train"), &json!("test"), &json!(5))
    );
    assert_eq!((&model["settings"]["epochs"], &model["data"]["bots"]), (&json!(3), &json!(40)));
    assert_eq!((&model["metrics"], &model["active"]), (&job["metrics"], &json!(false)));
    assert_eq!(plane.get("/v1/models").await.ok(200)["active"]["checkpoint"], 0);
    let path = reply.headers["location"].to_str().expect("text");
    let events = events(&plane, path).await;
    assert_eq!(events, [("done".to_owned(), job.clone())], "an ended job is one event");
    plane.post(&format!("/v1/models/{checkpoint}/promote"), "").await.ok(200);

    // Somebody else comes than was trained on.
    assert_eq!(plane.get("/v1/models").await.ok(200)["active"]["checkpoint"], checkpoint);
    assert_eq!(model["drift"], Value::Null, "nothing was judged yet");
    for name in ["a", "b"] {
        plane
            .check(json!({ "ip": "192.0.2.1", "user_agent": FIREFOX, "endpoint": format!("/{name}") }))
            .await;
    }
    let drift = plane.get(&format!("/v1/models/{checkpoint}")).await.ok(200)["drift"].clone();
    let drift: Vec<f64> = serde_json::from_value(drift).expect("seven numbers");
    assert!(drift.len() == 7 && drift.iter().all(|index| *index > 0.25), "{drift:?}");
    let metrics = String::from_utf8(plane.get("/metrics").await.bytes).expect("text");
    let line = metrics.lines().find(|line| line.starts_with("sallyport_feature_drift{feature=\"burst\"}"));
    let told: f64 = line.and_then(|line| line.rsplit(' ').next()?.parse().ok()).expect("a number");
    assert!((told - drift[6]).abs() < 1e-4, "{told} for {drift:?}");
}

#[tokio::test]
async fn one_job_at_a_time_that_tells_its_progress_until_it_is_cancelled() {
    let plane = ControlPlane::with_config(ONLY_LABELS).await;
    label(&plane, 100, 1).await;
    let begun = ask(&plane, Method::POST, LONG).await;
    begun.ok(202);
    let path = begun.headers["location"].to_str().expect("text").to_owned();
    assert_eq!(path, format!("/v1/models/jobs/{}", begun.json["id"]));
    let second = ask(&plane, Method::POST, LONG).await;
    assert!(second.problem(409).2.contains(&path), "{second:?}");

    // The first event with progress, in a stream that goes on.
    let (mut stream, mut told) = followed(&plane, &path).await;
    let metrics = String::from_utf8(plane.get("/metrics").await.bytes).expect("text");
    assert!(metrics.lines().any(|line| line == "sallyport_training_jobs 1"), "{metrics}");
    ask(&plane, Method::DELETE, &path).await.ok(202);
    while let Some(chunk) = stream.chunk().await.expect("the stream ends by itself") {
        told.push_str(std::str::from_utf8(&chunk).expect("text"));
    }
    assert!(told.contains("event: cancelled"), "{told}");
    assert_eq!(ask(&plane, Method::DELETE, &path).await.problem(409).0, "conflict", "it has ended");
    assert_eq!(plane.sql("SELECT count(*) FROM model_checkpoints"), ["0"]);
    let jobs = plane.get("/v1/models/jobs").await;
    assert_eq!(jobs.ok(200)["jobs"][0]["state"], "cancelled");
    let next = ask(&plane, Method::POST, LONG).await;
    assert_eq!(next.status, StatusCode::ACCEPTED, "the next may begin");
    ask(&plane, Method::DELETE, next.headers["location"].to_str().expect("text")).await.ok(202);
}

#[tokio::test]
async fn followers_of_a_job_are_bounded() {
    let plane = ControlPlane::with_config(ONLY_LABELS).await;
    label(&plane, 100, 1).await;
    let begun = ask(&plane, Method::POST, LONG).await;
    let path = begun.headers["location"].to_str().expect("text").to_owned();
    let follow =
        || plane.request(Method::GET, &path, &plane.admin_token).header("accept", "text/event-stream");
    let mut followers = Vec::new();
    for _ in 0..MOST_FOLLOWERS {
        let follower = follow().send().await.expect("an answer");
        assert_eq!(follower.status(), StatusCode::OK);
        followers.push(follower);
    }
    let refused = send(follow()).await;
    assert!(refused.problem(503).2.contains("follow this job already"), "{refused:?}");
    assert_eq!(
        ask(&plane, Method::GET, &path).await.ok(200)["state"],
        "running",
        "asking is always possible"
    );
    ask(&plane, Method::DELETE, &path).await.ok(202);
    for follower in followers {
        let told = follower.text().await.expect("it ends by itself");
        assert!(told.contains("event: cancelled"), "{told}");
    }
    assert_eq!(send(follow()).await.status, StatusCode::OK, "there is room again");
}

#[tokio::test]
async fn what_cannot_be_trained_is_said_at_once() {
    let plane = ControlPlane::with_config(ONLY_LABELS).await;
    for (query, field) in [
        ("epochs=0", "epochs"),
        ("epochs=1000000000", "epochs"),
        ("batch_size=1", "batch_size"),
        ("batch_size=100000", "batch_size"),
        ("epochs=99999999999999", "epochs"),
        ("epochs=1&epochs=2", "epochs"),
        ("kind=oracle", "kind"),
        ("epoch=3", "epoch"),
        ("wait=perhaps", "wait"),
    ] {
        let reply = ask(&plane, Method::POST, &format!("/train?{query}")).await;
        assert_eq!(reply.problem(422).1, field, "{query}");
    }
    for (count, told) in [(0, "too few"), (9, "at least 20")] {
        label(&plane, count, 1).await;
        let reply = ask(&plane, Method::POST, "/train").await;
        assert!(reply.problem(422).2.contains(told), "{reply:?}");
    }
    assert_eq!(plane.get("/v1/models/jobs").await.ok(200), &json!({ "jobs": [] }));
    assert_eq!(ask(&plane, Method::GET, "/v1/models/jobs/1").await.problem(404).0, "not-found");
    assert_eq!(ask(&plane, Method::DELETE, "/v1/models/jobs/x").await.problem(404).0, "not-found");
}

#[tokio::test]
async fn without_any_label_simulated_traffic_is_learned_from() {
    let plane = ControlPlane::with_config("model: { train: { simulated: 0.01 } }").await;
    let reply = ask(&plane, Method::POST, "/train?epochs=1&wait=true").await;
    let job = reply.ok(200);
    assert!(job["rows"].as_u64() > Some(100) && job["state"] == "done", "{job}");
}

#[tokio::test]
async fn a_result_that_cannot_be_stored_is_told() {
    let plane = ControlPlane::with_config(ONLY_LABELS).await;
    label(&plane, 20, 1).await;
    let other = rusqlite::Connection::open(plane.database()).expect("opens");
    other.execute_batch("BEGIN IMMEDIATE").expect("locks");
    let reply = ask(&plane, Method::POST, "/train?epochs=1&wait=true").await;
    let job = reply.ok(200);
    assert_eq!((&job["state"], &job["checkpoint"]), (&json!("failed"), &Value::Null));
    assert!(job["error"].as_str().is_some_and(|error| error.contains("locked")), "{job}");
    other.execute_batch("COMMIT").expect("unlocks");
    assert_eq!(ask(&plane, Method::POST, "/train?epochs=1&wait=true").await.ok(200)["state"], "done");
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn training_yields_to_decisions() {
    let plane = ControlPlane::with_config(ONLY_LABELS).await;
    label(&plane, 100, 1).await;
    let begun = ask(&plane, Method::POST, LONG).await;
    let path = begun.headers["location"].to_str().expect("text").to_owned();
    let (_stream, _) = followed(&plane, &path).await;
    // Field 19 of a thread's stat is its nice value; the name in field 2 ends with the last bracket.
    let threads = std::fs::read_dir("/proc/self/task").expect("threads");
    let stats = threads.filter_map(|thread| std::fs::read_to_string(thread.ok()?.path().join("stat")).ok());
    let nice: Vec<String> = stats
        .filter(|stat| stat.contains("(train)"))
        .filter_map(|stat| stat.rsplit(") ").next()?.split(' ').nth(16).map(str::to_owned))
        .collect();
    assert!(nice.iter().any(|nice| nice == "19"), "{nice:?}");
    ask(&plane, Method::DELETE, &path).await.ok(202);
}
