//! Asking the control plane about one request.

use sallyport_filter::breaker::{FAILURES, PAUSE_MS};
use sallyport_filter::request::Flow;
use serde_json::{Value, json};

use crate::fake::Sent;
use crate::machine::{Machine, connected};

/// Asks about everything, carries out, and refuses nobody by itself.
fn asking(fail_mode: &str) -> Machine {
    Machine::start(&connected(json!({ "enforcement": "enforce", "consult": "always",
        "thresholds": { "monitor": 99, "challenge": 99.9, "block": 100 },
        "routes": [{ "prefix": "/", "fail_mode": fail_mode }] })))
}

/// Sends one request; gives the question that it waits for.
fn ask(machine: &mut Machine) -> (u32, Sent) {
    let (context, flow) = machine.browse("192.0.2.1:1000", "/");
    assert_eq!(flow, Flow::Pause);
    let mut calls = machine.calls();
    calls.retain(|call| call.headers[":path"] == "/check");
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
    assert_eq!(question["headers"], json!({ "host": "site.example" }));
    assert_eq!(question["features"].as_array().expect("features").len(), 7);
    assert!(question["evidence"].is_object());
}

#[test]
fn a_session_stays_in_the_filter() {
    let mut config = connected(json!({ "consult": "always" }));
    config["session_cookie"] = json!("sid");
    let mut machine = Machine::start(&config);
    machine.browse_as("192.0.2.1:1", ("cookie", "a=1; sid=secret-session"), "/");
    let body = String::from_utf8(machine.calls().remove(0).body).expect("UTF-8");
    assert!(!body.contains("session"), "{body}");
}

/// The answer to a claimed crawler; gives the machine after it.
fn crawler(agent: &Value, action: &str, score: f32) -> (Machine, u32) {
    let mut machine = Machine::start(&connected(json!({ "enforcement": "enforce" })));
    let (context, flow) = machine.crawl("192.0.2.1:1", "/");
    assert_eq!(flow, Flow::Pause, "a claim is looked into whatever the score");
    let call = machine.calls().remove(0);
    let mut answer: Value = serde_json::from_slice(&verdict(action, score)).expect("JSON");
    answer["agent"] = agent.clone();
    machine.answer_stream(context, &call, 200, answer.to_string().as_bytes());
    (machine, context)
}

#[test]
fn a_verified_crawler_passes_from_then_on() {
    let agent = json!({ "verdict": "verified", "category": "search", "ttl_s": 3600 });
    let (mut machine, context) = crawler(&agent, "ALLOW", 0.0);
    assert!(machine.resumed(context));
    for page in 0..30 {
        let (context, flow) = machine.crawl("192.0.2.1:1", &format!("/{page}"));
        assert_eq!(flow, Flow::Continue, "{page}");
        assert!(machine.verdict_header(context).expect("told").starts_with("action=ALLOW"));
    }
    machine.fake.pass_ms(3_600_000);
    assert_eq!(machine.crawl("192.0.2.1:1", "/").1, Flow::Pause, "it runs out");
}

#[test]
fn a_false_crawler_is_blocked_at_once_and_later() {
    let (mut machine, context) = crawler(&json!({ "verdict": "failed", "ttl_s": 300 }), "BLOCK", 100.0);
    assert_eq!(machine.reply(context).expect("refused").status, 403);
    let (context, _) = machine.crawl("192.0.2.1:1", "/b");
    assert_eq!(machine.reply(context).expect("refused").status, 403);
    assert_eq!(machine.calls().len(), 0);
}

#[test]
fn a_claim_that_nobody_looks_into_is_asked_about_once() {
    for agent in [
        json!(null),
        json!({ "verdict": "unverifiable", "ttl_s": 600 }),
        json!({ "verdict": "of the future", "ttl_s": 600 }),
    ] {
        let (mut machine, _) = crawler(&agent, "MONITOR", 55.0);
        machine.crawl("192.0.2.1:1", "/b");
        assert_eq!(machine.calls().len(), 0, "{agent}");
    }
    let pending = json!({ "verdict": "pending", "ttl_s": 2 });
    let (mut machine, context) = crawler(&pending, "ALLOW", 12.0);
    assert!(machine.resumed(context));
    assert_eq!(machine.crawl("192.0.2.1:1", "/b").1, Flow::Continue);
    machine.fake.pass_ms(2_001);
    assert_eq!(machine.crawl("192.0.2.1:1", "/c").1, Flow::Pause, "by now somebody may know");
}

#[test]
fn a_spared_name_leaves_no_credit_behind() {
    let (mut machine, context) = crawler(&json!({ "verdict": "pending", "ttl_s": 2 }), "ALLOW", 12.0);
    assert!(machine.resumed(context));
    let (probing, _) = machine.crawl("192.0.2.1:1", "/.env");
    assert_eq!(machine.reply(probing).expect("refused for what it did").status, 403);
    let (mut machine, _) = crawler(&json!({ "verdict": "pending", "ttl_s": 2 }), "ALLOW", 12.0);
    machine.fake.pass_ms(2_001);
    let (context, flow) = machine.crawl("192.0.2.1:1", "/c");
    assert_eq!(flow, Flow::Pause);
    let call = machine.calls().remove(0);
    machine.answer_stream(context, &call, 503, b"");
    assert!(machine.reply(context).is_some(), "its name counts again, as if nothing had been spared");
}

#[test]
fn a_damaged_agent_is_a_failure() {
    for agent in [json!(7), json!({ "verdict": "verified" }), json!({ "verdict": 1, "ttl_s": -1 })] {
        let (mut machine, _) = crawler(&agent, "ALLOW", 1.0);
        assert_eq!(machine.metric("consults_failed"), 1, "{agent}");
    }
    let agent = json!({ "verdict": "verified", "category": "of the future", "ttl_s": u32::MAX });
    let (mut machine, _) = crawler(&agent, "ALLOW", 1.0);
    assert_eq!(machine.crawl("192.0.2.1:1", "/").1, Flow::Continue);
    machine.fake.pass_ms(86_400_001);
    assert_eq!(machine.crawl("192.0.2.1:1", "/").1, Flow::Pause, "nothing holds for years");
}

#[test]
fn a_control_plane_that_does_not_answer_is_left_alone_for_a_while() {
    let mut machine = asking("open");
    for _ in 0..FAILURES {
        let (context, _) = ask(&mut machine);
        machine.tick_after(50);
        assert!(machine.resumed(context));
    }
    assert_eq!(machine.fake.logged("came to nothing"), 1);
    for _ in 0..20 {
        assert_eq!(machine.browse("192.0.2.9:1000", "/").1, Flow::Continue);
    }
    assert_eq!(machine.metric("consults_skipped"), 20);
    machine.calls();
    machine.fake.pass_ms(PAUSE_MS);
    let (context, _) = ask(&mut machine);
    assert_eq!(machine.browse("192.0.2.9:1000", "/").1, Flow::Continue, "one is tried at a time");
    machine.tick_after(50);
    assert!(machine.resumed(context));
    machine.calls();
    machine.fake.pass_ms(PAUSE_MS);
    let (context, call) = ask(&mut machine);
    machine.answer_stream(context, &call, 200, &verdict("ALLOW", 1.0));
    assert_eq!(machine.browse("192.0.2.9:1000", "/").1, Flow::Pause);
    assert_eq!(machine.fake.logged("answers consults again"), 1);
    assert_eq!(machine.fake.logged("came to nothing"), 1);
}

#[test]
fn where_nobody_is_asked_the_fail_mode_counts() {
    let mut machine = asking("closed");
    machine.fake.refuse_calls.set(true);
    for _ in 0..FAILURES {
        machine.browse("192.0.2.1:1000", "/");
    }
    machine.fake.refuse_calls.set(false);
    let (context, _) = machine.browse("192.0.2.1:1000", "/");
    assert_eq!(machine.reply(context).expect("refused").status, 503);
    assert_eq!((machine.calls().len(), machine.metric("consults_skipped")), (0, 1));
    machine.fake.process.now_ms.set(machine.fake.process.now_ms.get() - 86_400_000);
    assert_eq!(machine.browse("192.0.2.1:1000", "/").1, Flow::Pause, "a clock set back ends the pause");
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
fn a_verdict_that_will_soon_be_a_better_one_holds_as_long_as_it_says() {
    let mut machine = Machine::start(&connected(json!({
        "enforcement": "enforce", "consult": "uncertain", "thresholds": { "monitor": 0, "challenge": 98, "block": 99 } })));
    let (context, call) = ask(&mut machine);
    let mut answer: Value = serde_json::from_slice(&verdict("ALLOW", 10.0)).expect("JSON");
    answer["hold_s"] = json!(2);
    machine.answer_stream(context, &call, 200, answer.to_string().as_bytes());
    machine.fake.pass_ms(1_999);
    assert_eq!(machine.browse("192.0.2.1:1000", "/a").1, Flow::Continue);
    machine.fake.pass_ms(1);
    assert_eq!(machine.browse("192.0.2.1:1000", "/b").1, Flow::Pause);
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
