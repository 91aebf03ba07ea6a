//! No key and no address in a log, an error or a debug text, whatever goes wrong.

use std::io::Write;
use std::sync::{Arc, Mutex};

use axum::http::StatusCode;
use axum::http::header::LOCATION;
use axum::response::{IntoResponse, Response};
use serde_json::json;
use tracing_subscriber::fmt::MakeWriter;

use super::stub::{NOON, Stub, ip};
use crate::config::{
    AbuseIpdbConfig, IpQualityScoreConfig, KeyPlace, ProviderName, ReputationConfig, Secrets,
};
use crate::providers::{Known, Reputation};
use crate::shared::Memory;

const KEYS: [&str; 2] = ["k3y-one-that-is-secret", "k3y-two-that-is-secret"];

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().expect("not poisoned").extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

/// Refusals that repeat what they were asked.
fn answers() -> Vec<fn() -> Response> {
    vec![
        || axum::Json(json!({ "success": false, "message": repeated() })).into_response(),
        || axum::Json(json!({ "success": repeated(), "data": repeated() })).into_response(),
        || (StatusCode::UNAUTHORIZED, repeated()).into_response(),
        || (StatusCode::PAYMENT_REQUIRED, repeated()).into_response(),
        || (StatusCode::UNPROCESSABLE_ENTITY, repeated()).into_response(),
        || (StatusCode::TOO_MANY_REQUESTS, [("retry-after", repeated())], repeated()).into_response(),
        || (StatusCode::INTERNAL_SERVER_ERROR, repeated()).into_response(),
        || (StatusCode::FOUND, [(LOCATION, format!("http://127.0.0.1:1/{}", KEYS[0]))]).into_response(),
        || repeated().into_response(),
        || " ".repeat(100_000).into_response(),
    ]
}

fn repeated() -> String {
    format!("{} {} 9.9.9.1", KEYS[0], KEYS[1])
}

#[tokio::test]
async fn keys_and_addresses_stay_where_they_are() {
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_writer(log.clone())
        .with_ansi(false)
        .finish();
    let _logging = tracing::subscriber::set_default(subscriber);
    let secrets: Secrets = serde_json::from_value(json!({
        "ipqualityscore_key": KEYS[0], "abuseipdb_key": KEYS[1],
    }))
    .expect("secrets");
    let mut told = format!("{secrets:?}");
    for key_in in [KeyPlace::Path, KeyPlace::Header] {
        for answer in answers() {
            let stub = Stub::answering(answer).await;
            let config = ReputationConfig {
                providers: vec![ProviderName::IpQualityScore, ProviderName::AbuseIpdb],
                ipqualityscore: IpQualityScoreConfig {
                    url: stub.base.clone(),
                    key_in,
                    ..IpQualityScoreConfig::default()
                },
                abuseipdb: AbuseIpdbConfig { url: stub.base.clone(), ..AbuseIpdbConfig::default() },
                breaker: crate::config::BreakerConfig { failures: 1, open_s: 30 },
                ..ReputationConfig::default()
            };
            let known = Arc::new(Known::new(1024));
            let shared = Arc::new(Memory::default());
            let reputation = Reputation::start(&config, &secrets, &stub.client(), shared, known);
            let error = reputation.refresh(ip(1), 1, NOON).await.expect_err("every answer is a refusal");
            told += &format!("{error} {error:?} {:?}", reputation.status(NOON));
            let asked = format!("{:?}", stub.asked());
            assert!(KEYS.iter().all(|key| asked.contains(key)), "both were asked: {asked}");
        }
    }
    told += &String::from_utf8_lossy(&log.0.lock().expect("not poisoned"));
    assert!(told.contains("left alone for a while"), "something was logged: {told}");
    for secret in KEYS.into_iter().chain(["9.9.9.1"]) {
        let at = told.find(secret);
        assert_eq!(at, None, "{}", &told[at.unwrap_or(0).saturating_sub(200)..]);
    }
}
