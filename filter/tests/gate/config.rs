//! The plugin configuration.

use proptest::prelude::*;
use sallyport_filter::config::Config;
use sallyport_filter::protobuf::read_struct;
use serde_json::{Map, Value, json};

fn problems(config: &Value) -> Vec<String> {
    Config::parse(config.to_string().as_bytes()).expect_err("mistakes")
}

#[test]
fn nothing_is_the_defaults() {
    let config = Config::parse(b"").expect("defaults");
    assert!(config.control_plane.is_none());
    assert_eq!((config.poll_interval_ms, config.consult_deadline_ms, config.state_slots), (5_000, 50, 8_192));
}

#[test]
fn every_mistake_is_named_at_once() {
    let found = problems(&json!({
        "control_plane": { "cluster": "", "authority": "a b", "token": "t" },
        "poll_interval_ms": 1,
        "consult_deadline_ms": "50",
        "state_slots": 16.5,
        "ja4_header": "x ja4",
        "polisy": {},
        "policy": { "consult": "sometimes", "thresholds": { "monitor": "x" }, "enforcment": "enforce" },
    }));
    for key in [
        "control_plane.cluster:",
        "control_plane.authority:",
        "poll_interval_ms:",
        "consult_deadline_ms:",
        "state_slots:",
        "ja4_header:",
        "polisy:",
        "policy.consult:",
        "policy.thresholds:",
        "policy.enforcment:",
    ] {
        assert_eq!(found.iter().filter(|line| line.starts_with(key)).count(), 1, "{key} in {found:#?}");
    }
    assert_eq!(found.len(), 10);
}

#[test]
fn what_the_schema_allows_is_checked_too() {
    let found = problems(
        &json!({ "policy": { "thresholds": { "monitor": 80, "challenge": 70 }, "weights": { "x": 1 } } }),
    );
    assert!(found.iter().any(|line| line.starts_with("policy.thresholds")), "{found:?}");
    assert!(found.iter().any(|line| line.starts_with("policy.weights")), "{found:?}");
}

#[test]
fn a_number_may_come_as_text_where_only_a_number_fits() {
    let config = json!({ "policy": {
        "thresholds": { "monitor": "49.5" }, "lists": { "allow_user_agents": ["Site 1.5"] } } });
    let policy = Config::parse(config.to_string().as_bytes()).expect("valid").policy;
    assert_eq!((policy.thresholds.monitor, policy.lists.allow_user_agents[0].as_str()), (49.5, "Site 1.5"));
}

#[test]
fn the_token_does_not_print_itself() {
    let config = json!({ "control_plane": { "cluster": "c", "token": "hidden-token" } });
    let config = Config::parse(config.to_string().as_bytes()).expect("valid");
    assert!(!format!("{config:?}").contains("hidden-token"));
}

#[test]
fn a_struct_is_read_as_the_json_that_it_stands_for() {
    let config = json!({
        "control_plane": { "cluster": "sallyport", "token": "t" },
        "consult_deadline_ms": 70,
        "policy": { "trap_paths": ["/a", "/b*"], "thresholds": { "monitor": 49.5 }, "header": "never",
            "login": { "routes": [{ "path": "/in", "same_page": true }] } },
        "nothing": null,
    });
    let Value::Object(expected) = &config else { panic!("an object") };
    assert_eq!(read_struct(&structure(&config)).as_ref(), Some(expected));
    let mut known = config.clone();
    known.as_object_mut().expect("an object").remove("nothing");
    let parsed = Config::parse(&structure(&known)).expect("valid");
    assert_eq!((parsed.consult_deadline_ms, parsed.policy.trap_paths.len()), (70, 2));
}

#[test]
fn deep_nesting_is_refused() {
    let mut deep = json!(1);
    for _ in 0..100 {
        deep = json!({ "a": deep });
    }
    assert_eq!(read_struct(&structure(&deep)), None);
}

#[test]
fn a_session_has_one_name() {
    let parse = |config: Value| Config::parse(config.to_string().as_bytes());
    let problems = parse(json!({ "session_cookie": "sid", "session_header": "X-Session" })).expect_err("two");
    assert!(problems.len() == 1 && problems[0].starts_with("session_header: "), "{problems:?}");
    let config = parse(json!({ "session_header": "X-Session", "account_header": "X-Account" })).expect("one");
    assert_eq!(
        (config.sources.session_header, config.sources.account_header),
        ("x-session".into(), "x-account".into())
    );
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = read_struct(&bytes);
        let _ = Config::parse(&bytes);
        let _ = read_struct(&field(1, &field(1, &bytes)));
        let _ = read_struct(&field(1, &[field(1, b"a"), field(2, &bytes)].concat()));
    }

    #[test]
    fn any_object_comes_back(values in prop::collection::btree_map("[a-z]{0,9}", (-1e9..1e9, ".{0,200}"), 0..9)) {
        let object: Map<_, _> =
            values.into_iter().map(|(key, (number, text))| (key, json!([number, text, true]))).collect();
        prop_assert_eq!(read_struct(&structure(&Value::Object(object.clone()))), Some(object));
    }
}

/// A Struct's binary form.
fn structure(object: &Value) -> Vec<u8> {
    let entries = object.as_object().expect("an object").iter();
    entries
        .flat_map(|(key, value)| field(1, &[field(1, key.as_bytes()), field(2, &encoded(value))].concat()))
        .collect()
}

fn encoded(value: &Value) -> Vec<u8> {
    match value {
        Value::Null => vec![1 << 3, 0],
        Value::Number(number) => {
            [&[2 << 3 | 1][..], &number.as_f64().expect("a double").to_le_bytes()].concat()
        }
        Value::String(text) => field(3, text.as_bytes()),
        Value::Bool(flag) => vec![4 << 3, u8::from(*flag)],
        Value::Object(_) => field(5, &structure(value)),
        Value::Array(values) => {
            field(6, &values.iter().flat_map(|value| field(1, &encoded(value))).collect::<Vec<_>>())
        }
    }
}

/// A length-delimited field.
fn field(number: u8, bytes: &[u8]) -> Vec<u8> {
    let mut out = vec![number << 3 | 2];
    let mut length = bytes.len();
    while length >= 128 {
        out.push(length as u8 | 128);
        length >>= 7;
    }
    out.push(length as u8);
    out.extend(bytes);
    out
}
