//! Training as a job of the control plane: its progress, its end, its result, and a kill in its midst.

use reqwest::{Method, Response};
use sallyport_e2e::harness::{ControlPlane, eventually};
use sallyport_e2e::http;
use serde_json::{Value, json};

/// More epochs than anybody waits for.
const LONG: &str = "/train?epochs=1000&batch_size=32";

async fn ask(control: &ControlPlane, method: Method, path: &str) -> Response {
    control.ask(&http::client(), method, path).send().await.expect("an answer")
}

/// Starts a job that will not end by itself and waits until its first epoch is over; where it is found.
async fn long_job(control: &ControlPlane) -> String {
    let answer = ask(control, Method::POST, LONG).await;
    assert_eq!(answer.status(), 202);
    let location = answer.headers()["location"].to_str().expect("text").to_owned();
    let job: Value = answer.json().await.expect("JSON");
    assert!(location.ends_with(&format!("/v1/models/jobs/{}", job["id"])), "{location} of {job}");
    until(control, &location, |job| job["progress"]["epoch"].as_u64() >= Some(1)).await;
    location
}

/// Waits until a job is as wanted, at most 20 s; returns it.
async fn until(control: &ControlPlane, location: &str, wanted: impl Fn(&Value) -> bool) -> Value {
    eventually("the job as wanted", || {
        let job = control.get(location);
        if wanted(&job) { Ok(job) } else { Err(job.to_string()) }
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_tells_its_progress_until_it_is_cancelled() {
    let control = ControlPlane::start(&json!({}));
    let location = long_job(&control).await;
    assert_eq!(ask(&control, Method::POST, LONG).await.status(), 409, "a second job");

    let events = control.ask(&http::client(), Method::GET, &location).header("accept", "text/event-stream");
    let mut events = events.send().await.expect("an answer");
    assert_eq!(events.headers()["content-type"], "text/event-stream");
    let first = events.chunk().await.expect("a chunk").expect("an event");
    assert!(String::from_utf8_lossy(&first).contains("\"epoch\""), "{first:?}");

    assert!(ask(&control, Method::DELETE, &location).await.status().is_success());
    let job = until(&control, &location, |job| job["state"] != "running").await;
    assert_eq!(job["state"], "cancelled", "{job}");
    let mut rest = String::new();
    while let Some(chunk) = events.chunk().await.expect("the stream ends by itself") {
        rest.push_str(&String::from_utf8_lossy(&chunk));
    }
    assert!(rest.contains("cancelled"), "{rest}");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_waits_gets_the_result_and_nothing_is_promoted() {
    let control = ControlPlane::start(&json!({}));
    let answer = ask(&control, Method::POST, "/train?epochs=1&batch_size=1024&wait=true").await;
    assert_eq!(answer.status(), 200);
    let job: Value = answer.json().await.expect("JSON");
    assert_eq!(job["state"], "done", "{job}");
    let checkpoint = job["checkpoint"].as_u64().expect("a checkpoint");
    let model = control.get(&format!("/v1/models/{checkpoint}"));
    assert!(model["metrics"]["roc_auc"].as_f64() > Some(0.5), "{model}");
    assert_eq!(control.get("/v1/models")["active"]["checkpoint"], 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kill_amid_training_leaves_what_was_there() {
    let mut control = ControlPlane::start(&json!({}));
    let checkpoint = control.train_upside_down("random_forest");
    let promoted = ask(&control, Method::POST, &format!("/v1/models/{checkpoint}/promote")).await;
    assert!(promoted.status().is_success(), "{}", promoted.status());
    long_job(&control).await;
    control.end_at_once();
    control.start_again();
    let models = control.get("/v1/models");
    assert_eq!(models["active"]["checkpoint"], checkpoint, "{models}");
    assert_eq!(control.get("/v1/models/jobs")["jobs"], json!([]), "jobs end with their process");
    assert_eq!(control.get("/ready")["reasons"], json!([]));
    long_job(&control).await;
}
