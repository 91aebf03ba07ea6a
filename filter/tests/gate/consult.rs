//! Asking the control plane about one request.

use sallyport_filter::request::Flow;
use serde_json::{Value, json};

use crate::fake::Sent;
use crate::machine::{Machine, connected};

/// Asks about everything and carries out.
fn asking(fail_mode: &str) -> Machine {
    let routes = json!([{ "prefix": "/", "fail_mode": fail_mode }]);
    Machine::start(&connected(json!({ "enforcement": "enforce", "consult": "always", "routes": routes })))
}

/// Sends one request; gives the question that it waits for.
fn ask(machine: &mut Machine) -> (u32, Sent) {
    let (context, flow) = machine.browse("192.0.2.1:1000", "/");
    assert_eq!(flow, Flow::Pause);
    let mut calls = machine.calls();
    assert_eq!(calls.len(), 1);
    (context, calls.remove(0))
}

fn verdict(action: &str, score: f32) -> Vec<u8> {
    let reasons =
        json!([{ "check": "ip_reputation", "points": 30.5 }, { "check": "from_the_future", "points": 1 }]);
    json!({ "is_bot": true, "action": action, "score": score, "ml_score": 1, "ml_probability": 0.5,
        "reasons": reasons, "request_id": "id-1" })
    .to_string()
    .into_bytes()
}

#[test]
fn the_question_carries_facts_features_and_evidence() {
    let mut machine = asking("open");
    let (_, call) = ask(&mut machine);
    assert_eq!(call.headers[":path"], "/check");
    assert_eq!(call.headers["authorization"], "Bearer secret");
    let question: Value = serde_json::from_slice(&call.body).expect("JSON");
    assert_eq!(
        (&question["ip"], &question["method"], &question["endpoint"]),
        (&json!("192.0.2.1"), &json!("GET"), &json!("/"))
    );
    assert_eq!(question["features"].as_array().expect("features").len(), 7);
    assert!(question["evidence"].is_object());
}

#[test]
fn the_verdict_is_carried_out() {
    let mut machine = asking("open");
    let (context, call) = ask(&mut machine);
    machine.answer_stream(context, &call, 200, &verdict("BLOCK", 96.0));
    assert_eq!(machine.reply(context).expect("refused").status, 403);
    let (context, call) = ask(&mut machine);
    machine.answer_stream(context, &call, 200, &verdict("MONITOR", 57.4));
    assert!(machine.resumed(context));
    let header = machine.verdict_header(context).expect("told");
    assert_eq!(header, "action=MONITOR, score=57, id=\"id-1\", reasons=(\"ip_reputation\")");
    assert_eq!((machine.metric("consults_sent"), machine.metric("consults_answered")), (2, 2));
}

#[test]
fn a_verdict_is_remembered_for_the_client() {
    let mut machine = Machine::start(&connected(json!({
        "enforcement": "enforce", "consult": "uncertain", "thresholds": { "monitor": 0, "challenge": 98, "block": 99 } })));
    let (context, call) = ask(&mut machine);
    machine.answer_stream(context, &call, 200, &verdict("ALLOW", 10.0));
    assert!(machine.resumed(context));
    machine.fake.pass_ms(20_000);
    let (_, flow) = machine.browse("192.0.2.1:1000", "/a");
    assert_eq!((flow, machine.calls().len()), (Flow::Continue, 0));
}

#[test]
fn the_tick_ends_what_is_overdue_and_a_late_answer_is_ignored() {
    let mut machine = asking("open");
    assert_eq!(machine.tick_ms, 25);
    let (context, call) = ask(&mut machine);
    machine.tick_after(49);
    assert!(!machine.resumed(context));
    machine.tick_after(1);
    assert!(machine.resumed(context));
    machine.answer_stream(context, &call, 200, &verdict("BLOCK", 99.0));
    assert!(machine.reply(context).is_none());
    machine.tick_after(100);
    assert_eq!((machine.metric("consults_late"), machine.metric("consults_fail_open")), (1, 1));
}

#[test]
fn a_route_that_fails_closed_answers_503() {
    let mut machine = asking("closed");
    let (context, _) = ask(&mut machine);
    machine.tick_after(50);
    let reply = machine.reply(context).expect("refused");
    assert_eq!((reply.status, reply.headers["cache-control"].as_str()), (503, "no-store"));
    assert!(reply.body.contains("try again"), "{}", reply.body);
    machine.fake.refuse_calls.set(true);
    let (context, _) = machine.browse("192.0.2.2:1000", "/");
    assert_eq!(machine.reply(context).expect("refused at once").status, 503);
    assert_eq!(machine.metric("consults_fail_closed"), 2);
}

#[test]
fn whatever_is_no_verdict_is_a_failure() {
    let nan = br#"{"action":"ALLOW","score":-1,"ml_probability":0.5}"#.to_vec();
    let huge = vec![b' '; 70_000];
    for (status, body) in [
        (503, Vec::new()),
        (200, Vec::new()),
        (200, b"\xff\xfe".to_vec()),
        (200, b"{\"action\":\"DANCE\",\"score\":1,\"ml_probability\":0}".to_vec()),
        (200, nan),
        (200, br#"{"action":"ALLOW","score":1,"ml_probability":0,"reasons":[{"check":"model","points":1e300}]}"#.to_vec()),
        (200, huge),
        (401, verdict("BLOCK", 99.0)),
    ] {
        let mut machine = asking("open");
        let (context, call) = ask(&mut machine);
        machine.answer_stream(context, &call, status, &body);
        assert!(machine.resumed(context));
        assert_eq!(machine.metric("consults_failed"), 1);
    }
}

#[test]
fn a_refused_call_or_an_unknown_address_is_not_waited_for() {
    let mut machine = asking("open");
    machine.fake.refuse_calls.set(true);
    assert_eq!(machine.browse("192.0.2.1:1000", "/").1, Flow::Continue);
    machine.fake.refuse_calls.set(false);
    assert_eq!(machine.browse("@", "/").1, Flow::Continue);
    assert_eq!(machine.calls().len(), 0);
}

#[test]
fn who_goes_away_while_waiting_is_forgotten() {
    let mut machine = asking("open");
    let (context, _) = ask(&mut machine);
    machine.end(context);
    machine.tick_after(1_000);
    assert_eq!(machine.metric("consults_late"), 0);
}

#[test]
fn a_reply_of_the_proxy_ends_the_wait() {
    let mut machine = asking("open");
    let (context, call) = ask(&mut machine);
    machine.respond(context, 504, None);
    machine.answer_stream(context, &call, 200, &verdict("BLOCK", 99.0));
    machine.tick_after(100);
    assert!(machine.reply(context).is_none() && !machine.resumed(context));
}
