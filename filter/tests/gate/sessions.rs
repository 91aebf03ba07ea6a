//! Sessions: which count, how they are spelled, and what those leave behind that nobody issued.

use sallyport_core::SessionState;
use sallyport_core::exchange::Request;
use sallyport_filter::request::Flow;
use sallyport_filter::state::Record;
use serde_json::{Value, json};

use crate::machine::{Machine, connected};

const VISITOR: &str = "192.0.2.1:1000";

/// A session may do two things; all else is wide open.
fn machine() -> Machine {
    let limits = json!({ "session": { "per_second": 0.001, "burst": 2 } });
    Machine::start(&json!({ "session_cookie": "sid", "policy": {
        "enforcement": "enforce", "thresholds": { "monitor": 99, "challenge": 99.9, "block": 100 },
        "rate_limit": limits } }))
}

/// Whether a request with this cookie header passes, from an address that it alone has.
fn passes(machine: &mut Machine, number: u8, cookie: &str) -> bool {
    let (context, _) = machine.browse_as(&format!("198.51.100.{number}:1"), ("cookie", cookie), "/");
    machine.reply(context).is_none()
}

#[test]
fn every_set_cookie_of_the_configured_name_issues_a_session() {
    for (cookie, issues) in [
        ("sid=mine", true),
        ("sid=mine; Path=/; HttpOnly; SameSite=Lax", true),
        ("sid=\"mine\"; Secure", true),
        ("sid=m%69ne", true),
        ("side=mine", false),
        ("SID=mine", false),
        ("a=sid=mine", false),
        ("a=1; sid=mine", false),
        ("sid=", false),
        ("sid=mine; Max-Age=0", false),
        ("sid=mine; path=/; max-age=-1", false),
        ("sid=mine; Max-Age=60", true),
    ] {
        let mut machine = machine();
        let (context, _) = machine.browse(VISITOR, "/");
        let answer = [("set-cookie", "theme=dark"), ("set-cookie", cookie), ("set-cookie", "sid=other")];
        machine.respond_with(context, 200, &answer);
        let passed = (1..6).filter(|number| passes(&mut machine, *number, "sid=mine")).count();
        assert_eq!(passed, if issues { 2 } else { 5 }, "{cookie}");
        assert_eq!((10..15).filter(|number| passes(&mut machine, *number, "sid=other")).count(), 2);
    }
}

/// A session that tells its holder apart goes on with what it owes when the site issues another in its place.
#[test]
fn a_session_in_anothers_place_goes_on_with_what_was_suspicious() {
    let config =
        json!({ "session_cookie": "sid", "policy": { "enforcement": "enforce", "consult": "never" } });
    let mut machine = Machine::start(&config);
    machine.issue(("set-cookie", "sid=s0"));
    for pause_ms in [61_000, 9_000, 1_000, 1_000] {
        for (path, kind) in [("/", "text/html"), ("/site.css", "text/css")] {
            let (context, _) = machine.with_session(VISITOR, ("cookie", "sid=s0"), "GET", path);
            machine.respond_with(context, 200, &[("content-type", kind)]);
        }
        machine.fake.pass_ms(pause_ms);
    }
    // Each sign-in fails, and the site begins another session each time.
    let mut refused = None;
    for number in 0..6 {
        let cookie = format!("sid=s{number}");
        let (context, _) = machine.with_session(VISITOR, ("cookie", &cookie), "POST", "/login");
        if machine.reply(context).is_some() {
            refused = Some(number);
            break;
        }
        let next = format!("sid=s{}", number + 1);
        machine.respond_with(context, 401, &[("set-cookie", &next)]);
    }
    let refused = refused.expect("the third is one too many");
    assert_eq!(refused, 3);
    let (context, _) = machine.with_session("198.51.100.9:1", ("cookie", "sid=s3"), "GET", "/");
    assert!(machine.reply(context).is_some(), "wherever it is used");
}

#[test]
fn answers_are_read_for_sessions_where_the_request_came_without_one_or_signs_in() {
    for (method, path, counts) in [("GET", "/", false), ("POST", "/login", true)] {
        let mut machine = machine();
        machine.issue(("set-cookie", "sid=old"));
        let (context, _) = machine.with_session(VISITOR, ("cookie", "sid=old"), method, path);
        machine.respond_with(context, 200, &[("set-cookie", "sid=new")]);
        let passed = (1..6).filter(|number| passes(&mut machine, *number, "sid=new")).count();
        assert_eq!(passed, if counts { 2 } else { 5 }, "{method} {path}");
    }
    let mut machine = machine();
    let (context, _) = machine.with_session(VISITOR, ("cookie", "sid=made-up"), "GET", "/");
    machine.respond_with(context, 200, &[("set-cookie", "sid=new")]);
    assert_eq!(
        (1..6).filter(|number| passes(&mut machine, *number, "sid=new")).count(),
        2,
        "one that counts"
    );
}

#[test]
fn no_spelling_of_a_cookie_makes_another_session() {
    let mut machine = machine();
    machine.issue(("set-cookie", "sid=a-b"));
    let spellings = ["sid=a-b", "sid=\"a-b\"", "sid=%61-b", " sid=a%2Db ; x=1", "x=1;sid=\"a%2db\""];
    let passed = spellings.iter().zip(1..).filter(|(cookie, number)| passes(&mut machine, *number, cookie));
    assert_eq!(passed.count(), 2, "what one spelling has");
}

#[test]
fn of_two_cookies_of_the_name_both_are_charged() {
    let mut machine = machine();
    machine.issue(("set-cookie", "sid=one"));
    machine.issue(("set-cookie", "sid=other"));
    assert!(passes(&mut machine, 1, "sid=made-up; sid=one"));
    assert!(passes(&mut machine, 2, "sid=one; sid=other"));
    assert!(!passes(&mut machine, 3, "sid=one"), "charged twice");
    assert!(passes(&mut machine, 4, "sid=other"));
    assert!(!passes(&mut machine, 5, "sid=made-up; sid=other"));
    assert!(passes(&mut machine, 6, "sid=made-up"));
}

/// Asks about everything.
fn asking() -> Value {
    let mut config = connected(json!({ "enforcement": "monitor", "consult": "always" }));
    config["session_cookie"] = json!("sid");
    config
}

#[test]
fn a_consult_about_a_session_that_nobody_issued_leaves_nothing_behind() {
    let verdict = json!({ "is_bot": true, "action": "BLOCK", "score": 99, "ml_score": 1, "ml_probability": 0.5,
        "reasons": [], "request_id": "id-1" });
    let suspicions = |issued: bool| {
        let mut machine = Machine::start(&asking());
        if issued {
            let (context, _) = machine.browse("203.0.113.77:1", "/");
            let call = machine.calls().remove(0);
            machine.answer_stream(context, &call, 503, b"");
            machine.respond_with(context, 200, &[("set-cookie", "sid=met")]);
        }
        let (context, flow) = machine.browse_as(VISITOR, ("cookie", "sid=met"), "/");
        assert_eq!(flow, Flow::Pause);
        let call = machine.calls().remove(0);
        machine.answer_stream(context, &call, 200, verdict.to_string().as_bytes());
        let shared = machine.fake.process.shared.borrow();
        let of = |table: &str| shared.keys().filter(|name| name.starts_with(table)).count();
        (of("sallyport/4/mark/"), of(SessionState::TABLE))
    };
    assert_eq!((suspicions(false), suspicions(true)), ((0, 0), (1, 1)));
}

#[test]
fn nobody_hears_of_made_up_sessions_whatever_they_do() {
    let policy = json!({ "enforcement": "enforce", "consult": "never", "trap_paths": ["/trap"] });
    let mut machine = Machine::with_snapshot(&json!({ "session_cookie": "sid" }), policy);
    machine.calls();
    for number in 0..200 {
        let cookie = format!("sid=s-{number}");
        let source = format!("198.51.100.{}:1", number % 200);
        for (method, path) in [("GET", "/trap"), ("GET", "/.env"), ("POST", "/login")] {
            let (context, flow) = machine.with_session(&source, ("cookie", &cookie), method, path);
            if flow == Flow::Continue {
                machine.respond(context, 401, None);
            }
        }
    }
    machine.tick_after(200);
    let calls = machine.calls().into_iter().filter(|call| call.headers[":path"] == "/v1/exchange");
    let told: Vec<_> = calls.map(|call| Request::decode(&call.body).expect("a request")).collect();
    assert!(!told.is_empty() && told.iter().all(|request| request.suspicions.is_empty()), "{told:?}");
    assert!(!machine.fake.process.shared.borrow().keys().any(|name| name.contains("/mark/")));
}
