//! What refused clients see.

use sallyport_core::Action;
use sallyport_core::policy::LimitRule;
use sallyport_filter::reply::{PAGE_POLICY, Quota, Refusal, Reply, STYLE, printable_id};

fn refusal(action: Action, page: bool, id: &str, retry_after_s: Option<u32>) -> Option<Reply> {
    sallyport_filter::reply::refusal(&Refusal { action, page, id, retry_after_s, quota: None })
}

#[test]
fn passing_actions_have_no_refusal() {
    assert_eq!(refusal(Action::Allow, true, "", None), None);
    assert_eq!(refusal(Action::Monitor, false, "", None), None);
}

#[test]
fn every_refusal_has_a_real_status_and_is_never_stored() {
    for (action, status) in [(Action::Challenge, 403), (Action::RateLimit, 429), (Action::Block, 403)] {
        for page in [true, false] {
            let reply = refusal(action, page, "id-1", Some(7)).expect("a refusal");
            assert_eq!(reply.status, status);
            assert!(reply.headers.contains(&("cache-control", "no-store".into())));
            assert!(reply.headers.contains(&("retry-after", "7".into())));
            assert!(reply.body.contains("id-1"), "{}", reply.body);
        }
    }
}

#[test]
fn a_program_gets_a_problem() {
    let reply = refusal(Action::RateLimit, false, "id-1", Some(7)).expect("a refusal");
    let problem: serde_json::Value = serde_json::from_str(&reply.body).expect("JSON");
    assert_eq!(problem["type"], "urn:sallyport:rate_limit");
    assert_eq!(problem["status"], 429);
    assert_eq!(problem["action"], "RATE_LIMIT");
    assert_eq!(problem["request_id"], "id-1");
    assert_eq!(problem["retry_after"], 7);
}

#[test]
fn a_limit_is_named_in_header_and_body() {
    let quota = Some(Quota { rule: LimitRule::Client, burst: 60, window_s: 12 });
    let action = Action::RateLimit;
    for page in [true, false] {
        let told = Refusal { action, page, id: "id-1", retry_after_s: Some(3), quota };
        let reply = sallyport_filter::reply::refusal(&told).expect("a refusal");
        assert!(reply.headers.contains(&("ratelimit-policy", "\"client\";q=60;w=12".into())));
        assert!(reply.headers.contains(&("ratelimit", "\"client\";r=0;t=3".into())));
        assert!(reply.body.contains("You send more requests"), "{}", reply.body);
    }
    let told = Refusal { action, page: false, id: "id-1", retry_after_s: Some(3), quota };
    let body = sallyport_filter::reply::refusal(&told).expect("a refusal").body;
    let problem: serde_json::Value = serde_json::from_str(&body).expect("JSON");
    assert_eq!(problem["violated-policies"], serde_json::json!(["client"]));
    let unnamed = refusal(action, false, "id-1", Some(3)).expect("a refusal");
    assert!(!unnamed.headers.iter().any(|(name, _)| name.starts_with("ratelimit")));
}

#[test]
fn the_page_is_whole_and_its_style_allowed() {
    use base64_of_sha256 as hash;
    let reply = refusal(Action::Challenge, true, "", None).expect("a refusal");
    assert!(!reply.body.contains("{{"), "{}", reply.body);
    assert!(!reply.body.contains("<script"));
    assert!(PAGE_POLICY.contains(&hash(STYLE.as_bytes())), "the style's hash is {}", hash(STYLE.as_bytes()));
}

#[test]
fn only_harmless_ids_are_shown() {
    assert_eq!(printable_id(b"6f1c-A_b.c:9"), "6f1c-A_b.c:9");
    for bad in [&b"\"><script>"[..], b"a b", b"\xff", &[b'a'; 65]] {
        assert_eq!(printable_id(bad), "");
    }
}

fn base64_of_sha256(bytes: &[u8]) -> String {
    use sha2::Digest as _;
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let digest = sha2::Sha256::digest(bytes);
    let mut text = String::new();
    for chunk in digest.chunks(3) {
        let bits =
            chunk.iter().fold(0u32, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - chunk.len()));
        for place in 0..4 {
            let digit = DIGITS[(bits >> (18 - 6 * place)) as usize & 63];
            text.push(if place > chunk.len() { '=' } else { char::from(digit) });
        }
    }
    text
}
