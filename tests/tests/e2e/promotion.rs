//! A promoted model judges at Envoy within two polls, while visitors come and go, and no request is lost.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use reqwest::Method;
use sallyport_e2e::harness::{ControlPlane, Gate, Plan, Tap, eventually};
use sallyport_e2e::http;
use sallyport_e2e::visitor::Visitor;
use serde_json::{Value, json};

use crate::visits::Visits;

const VERSION: &str = "wasmcustom.sallyport_snapshot_version";

/// Envoy, and between it and its control plane a tap.
struct Stage {
    gate: Gate,
    tap: Tap,
    /// Addresses given out.
    visitors: AtomicU32,
}

impl Stage {
    async fn set() -> Self {
        let policy = json!({ "enforcement": "enforce", "consult": "never" });
        let control = ControlPlane::start(&policy);
        let tap = Tap::before(control.port()).await;
        let plan = Plan::with_policy(policy);
        let mut gate = plan.start_with_control_plane_at(tap.port(), control.filter_token()).await;
        gate.control = Some(control);
        gate.envoy.wait_for_stat(VERSION, |version| version > 0);
        Self { gate, tap, visitors: AtomicU32::new(0) }
    }

    fn control(&self) -> &ControlPlane {
        self.gate.control.as_ref().expect("a control plane")
    }

    /// Does something that changes the model, waits until every worker judges an ordinary visitor so, and tells how
    /// many polls it took from the moment it was done until one brought a snapshot.
    async fn polls_until(&self, status: u16, change: impl AsyncFnOnce(&Self)) -> usize {
        let brought = self.tap.polls_until_snapshot(change(self)).await;
        self.judges(status);
        brought
    }

    /// Waits until every worker answers the first request of an ordinary visitor with this status.
    fn judges(&self, status: u16) {
        let runtime = tokio::runtime::Handle::current();
        self.gate.everywhere(&format!("status {status}"), || {
            let [_, _, third, fourth] = self.visitors.fetch_add(1, Ordering::Relaxed).to_be_bytes();
            let visitor = Visitor::chrome(&format!("198.18.{third}.{fourth}"));
            let request = visitor.get(&self.gate.client, &self.gate.url("/about"));
            let answer = request.header("connection", "close").send();
            tokio::task::block_in_place(|| runtime.block_on(answer)).expect("an answer").status() == status
        });
    }

    async fn post(&self, path: &str) -> Value {
        let answer = self.control().ask(&self.gate.client, Method::POST, path).send().await.unwrap();
        let status = answer.status();
        let text = answer.text().await.unwrap();
        assert!(status.is_success(), "POST {path}: {status} {text}");
        serde_json::from_str(&text).expect("JSON")
    }
}

/// By HTTP: the polls that a promotion and a rollback took.
async fn promoted_and_rolled_back(kind: &str) {
    let stage = Stage::set().await;
    let checkpoint = stage.control().train_upside_down(kind);
    stage.judges(200);
    let visits = Visits::start(&stage.gate, &[200, 403]);

    let polls = stage
        .polls_until(403, async |stage| {
            let promotion = stage.post(&format!("/v1/models/{checkpoint}/promote")).await;
            assert_eq!(promotion["checkpoint"], checkpoint, "{promotion}");
        })
        .await;
    assert!(polls <= 2, "{polls} polls until the promotion arrived");
    let polls = stage
        .polls_until(200, async |stage| {
            stage.post("/v1/models/rollback").await;
        })
        .await;
    assert!(polls <= 2, "{polls} polls until the rollback arrived");

    visits.end().await;
    assert_eq!(stage.gate.reloads(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_promoted_network_judges_within_two_polls_and_no_request_is_lost() {
    promoted_and_rolled_back("neural").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_promoted_forest_judges_within_two_polls_and_no_request_is_lost() {
    promoted_and_rolled_back("random_forest").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_promotion_on_the_command_line_reaches_envoy_and_is_rolled_back() {
    let stage = Stage::set().await;
    let checkpoint = stage.control().train_upside_down("gradient_boosting").to_string();
    let visits = Visits::start(&stage.gate, &[200, 403]);
    // Polls are not counted: the running control plane looks once a second, the filter polls more often here.
    stage
        .polls_until(403, async |stage| {
            stage.control().command(&["model", "promote", &checkpoint]);
        })
        .await;
    stage
        .polls_until(200, async |stage| {
            stage.control().command(&["model", "rollback"]);
        })
        .await;
    visits.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_goes_on_with_the_promoted_model() {
    let mut stage = Stage::set().await;
    let checkpoint = stage.control().train_upside_down("neural");
    stage
        .polls_until(403, async |stage| drop(stage.post(&format!("/v1/models/{checkpoint}/promote")).await))
        .await;
    let control = stage.gate.control.as_mut().expect("a control plane");
    control.end_at_once();
    control.start_again();
    assert_eq!(active(stage.control()), checkpoint);
    let before = stage.tap.polls().len();
    eventually("the filter's next poll", || {
        let polls = stage.tap.polls();
        let is_back = polls[before..].iter().any(|status| matches!(status, 200 | 304));
        if is_back { Ok(()) } else { Err(format!("{polls:?}")) }
    })
    .await;
    stage.judges(403);
}

/// The number of the checkpoint that judges.
fn active(control: &ControlPlane) -> u64 {
    let models = control.get("/v1/models");
    models["active"]["checkpoint"].as_u64().unwrap_or_else(|| panic!("no active checkpoint in {models}"))
}

/// Promotes two checkpoints in turn until the control plane is gone, and counts what was acknowledged.
async fn promote_in_turn(urls: [String; 2], token: String, acknowledged: Arc<AtomicU32>) {
    let client = http::client();
    for url in urls.iter().cycle() {
        let Ok(answer) = client.post(url).bearer_auth(&token).send().await else { return };
        assert!(answer.status().is_success(), "{}", answer.status());
        acknowledged.fetch_add(1, Ordering::Relaxed);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kill_amid_promotions_loses_none_that_was_acknowledged() {
    let mut control = ControlPlane::start(&json!({}));
    let checkpoints = [control.train_upside_down("neural"), control.train_upside_down("random_forest")];
    let port = control.port();
    let urls = checkpoints.map(|number| format!("http://127.0.0.1:{port}/v1/models/{number}/promote"));
    let acknowledged = Arc::new(AtomicU32::new(0));
    let token = control.admin_token().to_owned();
    let promoting = tokio::spawn(promote_in_turn(urls, token, Arc::clone(&acknowledged)));
    eventually("three promotions", || match acknowledged.load(Ordering::Relaxed) {
        count if count < 3 => Err(format!("{count}")),
        _ => Ok(()),
    })
    .await;
    control.end_at_once();
    promoting.await.expect("every promotion was acknowledged or cut");
    control.start_again();

    let models = control.get("/v1/models");
    let newest = &models["promotions"][0];
    let count = newest["id"].as_u64().expect("a number");
    let acknowledged = u64::from(acknowledged.load(Ordering::Relaxed));
    // The one that was under way may be in force too.
    assert!((acknowledged..=acknowledged + 1).contains(&count), "{count} of {acknowledged}: {models}");
    assert_eq!(newest["checkpoint"], checkpoints[usize::from(count.is_multiple_of(2))], "{models}");
    assert_eq!(models["active"]["checkpoint"], newest["checkpoint"]);
    assert_eq!(control.get("/ready")["reasons"], json!([]));
}
