//! What a visitor was at Envoy, said afterwards: feedback, what is learnt of it, and why a visitor was refused.

use reqwest::Method;
use sallyport_e2e::harness::{ControlPlane, Gate, Plan, eventually};
use sallyport_e2e::visitor::{CHROME, Visitor};
use serde_json::{Value, json};

const VERSION: &str = "wasmcustom.sallyport_snapshot_version";

async fn gate() -> Gate {
    Plan::with_policy(json!({ "enforcement": "enforce", "consult": "never" }))
        .start_with_control_plane()
        .await
}

fn control(gate: &Gate) -> &ControlPlane {
    gate.control.as_ref().expect("a control plane")
}

/// A visit to a page; Envoy's name of the request, as the origin is told or the refused visitor.
async fn visit(gate: &Gate, visitor: &Visitor, path: &str) -> String {
    let answer = visitor.get(&gate.client, &gate.url(path)).send().await.unwrap();
    if answer.status() == 403 {
        let problem: Value = answer.json().await.expect("JSON");
        return problem["request_id"].as_str().expect("a name").to_owned();
    }
    let told = answer.headers()["x-echo-sallyport"].to_str().expect("text");
    let id = told.split("id=\"").nth(1).and_then(|rest| rest.split('"').next());
    id.unwrap_or_else(|| panic!("no name in {told}")).to_owned()
}

async fn feedback(gate: &Gate, said: &Value) -> (u16, Value) {
    let request = control(gate).ask(&gate.client, Method::POST, "/feedback").json(said);
    let answer = request.send().await.unwrap();
    (answer.status().as_u16(), answer.json().await.expect("JSON"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_at_envoy_is_explained_by_its_name() {
    let gate = gate().await;
    let id = visit(&gate, &Visitor::tool("203.0.113.1", "python-requests/2.28.0"), "/about").await;
    control(&gate).counted(1).await;
    let told: Value = serde_json::from_str(&control(&gate).command(&["explain", &id, "--json"])).unwrap();
    let decision = &told["decision"];
    assert_eq!(decision["path"], "/about");
    assert_eq!(decision["by_its_own_model"], true, "{told}");
    let explanation = &told["explanation"];
    let points = |shares: &Value| -> f64 {
        shares.as_array().expect("shares").iter().map(|share| share["points"].as_f64().unwrap()).sum()
    };
    let model = explanation["base_points"].as_f64().unwrap() + points(&explanation["features"]);
    let reasons = decision["reasons"].as_array().expect("reasons");
    let reason = reasons.iter().find(|reason| reason["check"] == "model").expect("the model is a reason");
    assert!((reason["points"].as_f64().unwrap() - model).abs() < 0.6, "{model} points of {told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn feedback_on_what_envoy_saw_is_recorded_once() {
    let gate = gate().await;
    let person = Visitor::chrome("198.51.100.1");
    let by_name = visit(&gate, &person, "/about").await;
    let by_visitor = visit(&gate, &Visitor::chrome("198.51.100.2"), "/articles/1").await;
    control(&gate).counted(2).await;

    let said = json!({ "request_id": by_name, "is_bot": false });
    assert_eq!(feedback(&gate, &said).await.0, 201);
    assert_eq!(feedback(&gate, &said).await.0, 200, "the same once more");
    assert_eq!(feedback(&gate, &json!({ "request_id": by_name, "is_bot": true })).await.0, 409);
    let visitor =
        json!({ "ip": "198.51.100.2", "user_agent": CHROME, "endpoint": "/articles/1", "label": "human" });
    let (status, recorded) = feedback(&gate, &visitor).await;
    assert_eq!((status, &recorded["request_id"]), (201, &json!(by_visitor)));
    assert_eq!(feedback(&gate, &json!({ "request_id": "nobody", "is_bot": true })).await.0, 404);
    assert_eq!(control(&gate).get("/stats")["training_examples"], 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_learnt_of_feedback_judges_at_envoy() {
    let gate = gate().await;
    let before = gate.envoy.wait_for_stat(VERSION, |version| version > 0);
    // Of people alone: what is learnt of them challenges nobody more, so that the reserved set has no objection.
    let mut people = Vec::new();
    for number in 1..=8 {
        people.push(visit(&gate, &Visitor::chrome(&format!("198.51.100.{number}")), "/about").await);
    }
    control(&gate).counted(8).await;
    for id in people {
        assert_eq!(feedback(&gate, &json!({ "request_id": id, "label": "human" })).await.0, 201);
    }
    let learnt = eventually("what was learnt", || {
        let models = control(&gate).get("/v1/models");
        let active =
            models["models"].as_array().expect("models").iter().find(|model| model["active"] == true);
        match active {
            Some(model) if model["source"] == "online" => Ok(models["active"].clone()),
            _ => Err(models.to_string()),
        }
    })
    .await;
    let published = learnt["snapshot_version"].as_u64().expect("a version");
    assert!(published > before, "{published} after {before}");
    gate.envoy.wait_for_stat(VERSION, |version| version >= published);
    assert_eq!(gate.reloads(), 0);
}
