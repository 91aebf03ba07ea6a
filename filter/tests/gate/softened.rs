//! Verdicts of the control plane that let a request pass which the filter would have refused.

use sallyport_filter::worker::LOOKS_ON_MS;
use serde_json::{Value, json};

use crate::fake::Sent;
use crate::machine::{Machine, connected};

/// Asks about everything; with these thresholds, and room for five pages of newcomers and two failed sign-ins.
fn machine(thresholds: Value) -> Machine {
    let mut machine = Machine::start(&connected(json!({ "enforcement": "enforce", "consult": "always",
        "thresholds": thresholds, "rate_limit": { "newcomers": { "per_second": 0.001, "burst": 5 },
        "login": { "per_second": 0.001, "burst": 2 } } })));
    machine.tick_after(LOOKS_ON_MS);
    machine.calls();
    machine
}

fn refusing() -> Machine {
    machine(json!({ "monitor": 0, "challenge": 0, "block": 100 }))
}

fn passing() -> Machine {
    machine(json!({ "monitor": 100, "challenge": 100, "block": 100 }))
}

/// A request, and what the control plane is asked about it.
fn ask(machine: &mut Machine, method: &str, path: &str) -> (u32, Option<Sent>) {
    let (context, _) = machine.browser("192.0.2.1:1000", method, path);
    (context, machine.calls().into_iter().find(|call| call.headers[":path"] == "/check"))
}

/// The status of the refusal; 0 for none.
fn answer(machine: &mut Machine, (context, call): &(u32, Option<Sent>), action: &str) -> u16 {
    if let Some(call) = call {
        let verdict = json!({ "action": action, "score": 20, "ml_probability": 0.5 });
        machine.answer_stream(*context, call, 200, verdict.to_string().as_bytes());
    }
    machine.reply(*context).map_or(0, |reply| reply.status)
}

/// The statuses of so many requests, one after the other.
fn statuses(machine: &mut Machine, requests: usize, action: &str) -> Vec<u16> {
    let one = |_| {
        let asked = ask(machine, "GET", "/");
        answer(machine, &asked, action)
    };
    (0..requests).map(one).collect()
}

#[test]
fn a_page_that_passes_after_all_is_charged_to_newcomers() {
    let mut machine = refusing();
    assert_eq!(statuses(&mut machine, 7, "ALLOW"), [0, 0, 0, 0, 0, 429, 429]);
}

#[test]
fn of_those_who_are_asked_about_at_once_no_more_pass_than_there_is_room_for() {
    let mut machine = refusing();
    let asked: Vec<_> = (0..7).map(|_| ask(&mut machine, "GET", "/")).collect();
    assert!(asked.iter().all(|(_, call)| call.is_some()), "while they wait they are charged for nothing");
    let ended: Vec<_> = asked.iter().map(|asked| answer(&mut machine, asked, "MONITOR")).collect();
    assert_eq!(ended, [0, 0, 0, 0, 0, 429, 429]);
    let reply = machine.reply(asked[6].0).expect("refused");
    assert_eq!((reply.headers["retry-after"].as_str(), machine.resumed(asked[6].0)), ("10", false));
    assert_eq!(reply.headers["ratelimit-policy"], "\"newcomers\";q=5;w=5000");
    assert_eq!(machine.metric("decisions_rate_limit"), 2);
}

#[test]
fn a_sign_in_that_passes_after_all_is_heard_when_it_fails() {
    for (status, ended) in [(401, [0, 0, 429]), (302, [0, 0, 0])] {
        let mut machine = refusing();
        let sign_ins = ended.map(|_| {
            let asked = ask(&mut machine, "POST", "/login");
            let refused = answer(&mut machine, &asked, "ALLOW");
            if refused == 0 {
                machine.respond(asked.0, status, Some("/account"));
            }
            refused
        });
        assert_eq!(sign_ins, ended, "answered with {status}");
        let (_, call) = ask(&mut machine, "GET", "/");
        let question: Value = serde_json::from_slice(&call.expect("asked about").body).expect("JSON");
        assert_eq!(question["evidence"]["failed_logins"].is_number(), status == 401, "{question}");
    }
}

#[test]
fn whoever_passes_after_all_and_cannot_be_charged_is_refused() {
    let mut machine = refusing();
    let asked = ask(&mut machine, "GET", "/");
    machine.fake.process.lost_writes.set(100);
    assert_eq!(answer(&mut machine, &asked, "ALLOW"), 429, "a flood must not lose its own charges");
}

#[test]
fn a_verdict_that_neither_refuses_nor_lets_pass_anew_charges_nothing_more() {
    let mut machine = passing();
    assert_eq!(statuses(&mut machine, 6, "MONITOR"), [0, 0, 0, 0, 0, 429]);
    let mut machine = refusing();
    assert_eq!(statuses(&mut machine, 9, "BLOCK"), [403; 9]);
    assert_eq!(statuses(&mut machine, 6, "ALLOW"), [0, 0, 0, 0, 0, 429]);
}

#[test]
fn while_a_crawlers_name_is_looked_into_its_pages_are_charged() {
    let mut machine = machine(json!({ "monitor": 50, "challenge": 70, "block": 90 }));
    let statuses = [(); 7].map(|()| {
        machine.fake.pass_ms(2_001);
        let (context, _) = machine.crawl("192.0.2.1:1", "/");
        let call = machine.calls().into_iter().find(|call| call.headers[":path"] == "/check");
        if let Some(call) = call {
            let verdict = json!({ "action": "ALLOW", "score": 20, "ml_probability": 0.5,
                "agent": { "verdict": "pending", "ttl_s": 2 } });
            machine.answer_stream(context, &call, 200, verdict.to_string().as_bytes());
        }
        machine.reply(context).map_or(0, |reply| reply.status)
    });
    assert_eq!(statuses, [0, 0, 0, 0, 0, 429, 429]);
}
