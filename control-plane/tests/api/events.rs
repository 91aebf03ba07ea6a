//! `GET /v1/events`.

use serde_json::{Value, json};

use crate::harness::{ControlPlane, FIREFOX};

/// Three tools that look for secrets, and a person.
async fn visited() -> ControlPlane {
    let plane = ControlPlane::with_config("policy: { lists: { deny: [198.51.100.0/24] } }").await;
    let ask = |ip: &str, user_agent: &str, endpoint: &str| {
        plane.check(json!({ "ip": ip, "user_agent": user_agent, "endpoint": endpoint }))
    };
    for ip in ["192.0.2.1", "192.0.2.2", "192.0.2.3"] {
        ask(ip, "python-requests/2.28.0", "/.env?secret=1").await.ok(200);
    }
    ask("198.51.100.9", FIREFOX, "/").await.ok(200);
    ask("192.0.2.9", FIREFOX, "/").await.ok(200);
    plane.flush().await;
    plane
}

fn events(json: &Value) -> &Vec<Value> {
    json["events"].as_array().expect("a list")
}

#[tokio::test]
async fn events_tell_what_was_found_without_an_address() {
    let plane = visited().await;
    let reply = plane.get("/v1/events").await;
    let all = events(reply.ok(200));
    assert_eq!((all.len(), &reply.json["next_cursor"]), (4, &Value::Null));
    let (denied, tool) = (&all[0], &all[3]);
    assert_eq!((&denied["action"], &denied["score"]), (&json!("BLOCK"), &json!(100.0)));
    assert_eq!(denied["checks"], json!([{ "check": "deny_list", "points": 100.0 }]));
    assert_eq!(
        (&tool["path"], &tool["method"], &tool["enforced"]),
        (&json!("/.env"), &json!("GET"), &json!(false))
    );
    assert_eq!(tool["user_agent"], "python-requests/2.28.0");
    assert!(tool["checks"].as_array().is_some_and(|checks| checks.len() > 1), "{tool}");
    assert!(tool["ts"].as_str().is_some_and(|ts| ts.ends_with('Z')), "{tool}");
    assert!(tool.get("limit").is_none() && tool.get("session").is_none());
    let text = String::from_utf8(reply.bytes.clone()).expect("text");
    assert!(!text.contains("192.0.2.") && !text.contains("secret"), "{text}");
    let feedback = json!({ "request_id": tool["request_id"], "is_bot": true });
    plane.post("/feedback", feedback.to_string()).await.ok(201);
}

#[tokio::test]
async fn each_parameter_asks_for_what_it_says() {
    let plane = visited().await;
    let all = plane.get("/v1/events").await;
    let one = &events(all.ok(200))[1];
    let text = |key: &str| one[key].as_str().expect("text").to_owned();
    let (client, address, ts) = (text("client"), text("address"), text("ts"));
    for (query, expected) in [
        (format!("client={client}"), 1),
        (format!("address={address}"), 1),
        ("ip=192.0.2.3".to_owned(), 1),
        ("ip=::ffff:192.0.2.3".to_owned(), 1),
        ("ip=192.0.2.77".to_owned(), 0),
        ("check=probe_path".to_owned(), 3),
        ("check=deny_list&action=BLOCK".to_owned(), 1),
        ("check=deny_list&action=monitor".to_owned(), 0),
        (format!("client={client}&check=probe_path&ip=192.0.2.3"), 1),
        (format!("from={ts}&to=2100-01-01T00:00:00%2B02:00"), 2),
        ("to=1000".to_owned(), 0),
        ("limit=3".to_owned(), 3),
    ] {
        let reply = plane.get(&format!("/v1/events?{query}")).await;
        let count = events(reply.ok(200)).len();
        // More than one may have come in the same millisecond as `ts`.
        let fits = if query.starts_with("from") { count >= expected } else { count == expected };
        assert!(fits, "{query}: {count} and not {expected}");
    }
}

#[tokio::test]
async fn pages_follow_one_another() {
    let plane = visited().await;
    let (mut cursor, mut found) = (String::new(), Vec::new());
    for page in 0..2 {
        let reply = plane.get(&format!("/v1/events?limit=2{cursor}")).await;
        found.extend(events(reply.ok(200)).iter().map(|event| event["id"].as_i64().expect("a number")));
        if page == 0 {
            let next = reply.json["next_cursor"].as_str().expect("more").to_owned();
            assert!(next.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte)), "{next}");
            cursor = format!("&cursor={next}");
            plane
                .check(json!({ "ip": "198.51.100.7", "user_agent": FIREFOX, "endpoint": "/" }))
                .await
                .ok(200);
            plane.flush().await;
        } else {
            assert_eq!(reply.json["next_cursor"], Value::Null);
        }
    }
    assert_eq!(found, [4, 3, 2, 1]);
}

#[tokio::test]
async fn a_wrong_parameter_is_named_with_what_to_write() {
    let plane = ControlPlane::start().await;
    for (query, field, write) in [
        ("check=nonsense", "check", "no check of this name"),
        ("client=12", "client", "16 hexadecimal digits"),
        ("client=+123456789abcdef", "client", "16 hexadecimal digits"),
        ("address=zzzzzzzzzzzzzzzz", "address", "16 hexadecimal digits"),
        ("ip=nobody", "ip", "203.0.113.7"),
        ("ip=192.0.2.1&address=0123456789abcdef", "ip", "either ip or address"),
        ("action=DENY", "action", "CHALLENGE"),
        ("from=yesterday", "from", "2026-11-22T06:30:00Z"),
        ("to=-5", "to", "Unix milliseconds"),
        ("limit=0", "limit", "1 to 500"),
        ("limit=501", "limit", "1 to 500"),
        ("cursor=abc", "cursor", "next_cursor"),
        ("cursor=Av__________AAAAAAAAAAE", "cursor", "next_cursor"),
        ("page=2", "page", "no such parameter"),
        ("limit=1&limit=2", "limit", "once"),
    ] {
        let reply = plane.get(&format!("/v1/events?{query}")).await;
        let (kind, named, detail) = reply.problem(422);
        assert_eq!((kind, named), ("invalid-field", field), "{query}");
        assert!(detail.contains(write), "{query}: {detail}");
    }
}
