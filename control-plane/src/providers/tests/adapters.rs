//! What the adapters ask, and what they make of every documented answer.

use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::StatusCode;
use axum::http::header::LOCATION;
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use serde_json::{Value, json};

use super::stub::{NOON, Stub, ip};
use crate::config::{AbuseIpdbConfig, IpQualityScoreConfig, KeyPlace, Secret};
use crate::providers::{AbuseIpdb, IpQualityScore, IpReputation, LookupError, Provider, Source};

const KEY: &str = "s3cr3t-k3y";

fn secret() -> Secret {
    serde_json::from_value(json!(KEY)).expect("text")
}

fn ipqualityscore(stub: &Stub, key_in: KeyPlace) -> IpQualityScore {
    let url = format!("{}/api/json/ip", stub.base);
    let config = IpQualityScoreConfig { url, key_in, ..IpQualityScoreConfig::default() };
    IpQualityScore::new(stub.client(), config, secret())
}

fn abuseipdb(stub: &Stub) -> AbuseIpdb {
    let config = AbuseIpdbConfig { url: format!("{}/api/v2/check", stub.base), ..AbuseIpdbConfig::default() };
    AbuseIpdb::new(stub.client(), config, secret())
}

/// Both adapters' words on one answer.
async fn both(
    answer: impl Fn() -> Response + Clone + Send + Sync + 'static,
) -> [Result<IpReputation, LookupError>; 2] {
    let stub = Stub::answering(answer).await;
    let (first, second) = (ipqualityscore(&stub, KeyPlace::Path), abuseipdb(&stub));
    [first.look_up(ip(1), NOON).await, second.look_up(ip(1), NOON).await]
}

async fn ipqs(answer: Value) -> Result<IpReputation, LookupError> {
    let stub = Stub::answering(move || axum::Json(answer.clone())).await;
    ipqualityscore(&stub, KeyPlace::Path).look_up(ip(1), NOON).await
}

async fn abuse(data: Value) -> Result<IpReputation, LookupError> {
    let stub = Stub::answering(move || axum::Json(json!({ "data": data }))).await;
    abuseipdb(&stub).look_up(ip(1), NOON).await
}

fn ipqs_sample() -> Value {
    json!({
        "success": true, "message": "Success", "fraud_score": 87.5, "country_code": "US", "region": "Texas",
        "city": "Houston", "zip_code": "77001", "ISP": "Example", "ASN": 30036, "organization": "Example",
        "latitude": 29.7, "longitude": -95.4, "is_crawler": false, "timezone": "America/Chicago", "mobile": false,
        "host": "host.example", "proxy": true, "vpn": true, "tor": false, "active_vpn": true, "active_tor": false,
        "recent_abuse": true, "frequent_abuser": false, "high_risk_attacks": false, "abuse_velocity": "low",
        "bot_status": false, "connection_type": "Data Center", "request_id": "4a5b", "shared_connection": false,
        "security_scanner": false, "trusted_network": false, "dynamic_connection": false,
    })
}

fn abuse_sample() -> Value {
    json!({
        "ipAddress": "9.9.9.1", "isPublic": true, "ipVersion": 4, "isWhitelisted": null,
        "abuseConfidenceScore": 62, "countryCode": "CN", "usageType": "Data Center/Web Hosting/Transit",
        "isp": "Example", "domain": "example.com", "hostnames": [], "isTor": true, "totalReports": 7,
        "numDistinctUsers": 3, "lastReportedAt": "2026-11-20T20:55:14+00:00",
    })
}

#[tokio::test]
async fn ipqualityscore_is_asked_as_documented() {
    let stub = Stub::answering(|| axum::Json(ipqs_sample())).await;
    let said = ipqualityscore(&stub, KeyPlace::Path).look_up(ip(1), NOON).await;
    let expected = IpReputation {
        is_vpn: true,
        is_proxy: true,
        is_tor: false,
        is_datacenter: true,
        is_crawler: false,
        recent_abuse: true,
        fraud_score: 87.5,
        source: Source::IpQualityScore,
        fetched_at: NOON,
    };
    assert_eq!(said, Ok(expected));
    let v6 = "2606:4700::1111".parse().expect("an address");
    ipqualityscore(&stub, KeyPlace::Path).look_up(v6, NOON).await.expect("answered");
    ipqualityscore(&stub, KeyPlace::Header).look_up(v6, NOON).await.expect("answered");
    let parameters = "strictness=0&allow_public_access_points=true&fast=true&lighter_penalties=true";
    let [first, second, third] = stub.asked().try_into().expect("three requests");
    assert_eq!(first.0, format!("/api/json/ip/{KEY}/9.9.9.1?{parameters}"));
    assert_eq!(second.0, format!("/api/json/ip/{KEY}/2606:4700::1111?{parameters}"));
    assert_eq!(third.0, format!("/api/json/ip?ip=2606:4700::1111&{parameters}"));
    assert_eq!(third.1["ipqs-key"], KEY);
    assert!(!first.1.contains_key("ipqs-key"));
}

#[tokio::test]
async fn abuseipdb_is_asked_as_documented() {
    let stub = Stub::answering(|| axum::Json(json!({ "data": abuse_sample() }))).await;
    let said = abuseipdb(&stub).look_up(ip(1), NOON).await;
    let expected = IpReputation {
        is_vpn: false,
        is_proxy: false,
        is_tor: true,
        is_datacenter: true,
        is_crawler: false,
        recent_abuse: true,
        fraud_score: 62.0,
        source: Source::AbuseIpdb,
        fetched_at: NOON,
    };
    assert_eq!(said, Ok(expected));
    let [(target, headers)] = stub.asked().try_into().expect("one request");
    assert_eq!(target, "/api/v2/check?ipAddress=9.9.9.1&maxAgeInDays=30");
    assert_eq!(
        (&headers["key"], &headers["accept"]),
        (&KEY.parse().unwrap(), &"application/json".parse().unwrap())
    );
}

#[tokio::test]
async fn what_is_left_out_is_not_held_against_anybody() {
    let clean = IpReputation::clean(Source::IpQualityScore, NOON);
    assert_eq!(ipqs(json!({ "success": true, "fraud_score": 0 })).await, Ok(clean));
    let nulls = json!({ "success": true, "fraud_score": 3, "vpn": null, "connection_type": null });
    assert_eq!(ipqs(nulls).await, Ok(IpReputation { fraud_score: 3.0, ..clean }));
    let tor = json!({ "success": true, "fraud_score": 0, "active_tor": true, "bot_status": true });
    assert_eq!(ipqs(tor).await, Ok(IpReputation { is_tor: true, recent_abuse: true, ..clean }));
    let clean = IpReputation::clean(Source::AbuseIpdb, NOON);
    assert_eq!(abuse(json!({ "abuseConfidenceScore": 0 })).await, Ok(clean));
    let spider = json!({
        "abuseConfidenceScore": 30, "isWhitelisted": true, "usageType": "Search Engine Spider", "totalReports": 40,
    });
    let spider = abuse(spider).await.expect("answered");
    assert!(spider.is_crawler && !spider.recent_abuse && spider.strength() == 0.0, "{spider:?}");
}

#[tokio::test]
async fn what_is_not_as_documented_is_told_by_its_field() {
    let told = |answer: Result<IpReputation, LookupError>| match answer {
        Err(LookupError::Malformed(told)) => told,
        other => panic!("{other:?}"),
    };
    for (field, value) in [("vpn", json!("yes")), ("fraud_score", json!("87")), ("success", json!(1))] {
        let mut sample = ipqs_sample();
        sample[field] = value;
        assert!(told(ipqs(sample).await).contains(&format!("`{field}`")));
    }
    for score in [json!(-1), json!(101), json!(1e30)] {
        let mut sample = ipqs_sample();
        sample["fraud_score"] = score.clone();
        assert!(told(ipqs(sample).await).contains("between 0 and 100"));
        let answer = told(abuse(json!({ "abuseConfidenceScore": score })).await);
        assert!(answer.contains("between 0 and 100"));
    }
    assert!(told(ipqs(json!({ "success": true })).await).contains("`fraud_score` is missing"));
    assert!(told(abuse(json!({ "isTor": false })).await).contains("`data.abuseConfidenceScore` is missing"));
    assert!(told(abuse(json!({ "abuseConfidenceScore": true })).await).contains("data.abuseConfidenceScore"));
    assert!(told(abuse(json!([])).await).contains("data"));
    let odd_bodies: [&[u8]; 7] =
        [b"", b"<!doctype html><title>Sorry</title>", b"null", b"[1]", b"{\"data\":", b"\xff\xfe", b"{}"];
    for body in odd_bodies {
        for answer in both(move || body.into_response()).await {
            assert!(!told(answer).contains("Sorry"));
        }
    }
    let deep = "[".repeat(60_000);
    for answer in both(move || deep.clone().into_response()).await {
        told(answer);
    }
}

#[tokio::test]
async fn every_documented_refusal_is_understood() {
    let expected = [
        (401, LookupError::Unauthorized),
        (403, LookupError::Unauthorized),
        (402, LookupError::OutOfCredit),
        (429, LookupError::TooManyRequests { retry_after_s: Some(29_241) }),
        (404, LookupError::Status(404)),
        (500, LookupError::Status(500)),
        (503, LookupError::Status(503)),
    ];
    for (status, error) in expected {
        let detail =
            json!({ "errors": [{ "detail": format!("about {KEY} and 9.9.9.1"), "status": status }] });
        let answers = both(move || {
            let code = StatusCode::from_u16(status).expect("a status");
            (code, [("retry-after", "29241")], axum::Json(detail.clone())).into_response()
        });
        assert_eq!(answers.await, [Err(error.clone()), Err(error)]);
    }
    let stub = Stub::answering(|| StatusCode::TOO_MANY_REQUESTS).await;
    let error = LookupError::TooManyRequests { retry_after_s: None };
    assert_eq!(abuseipdb(&stub).look_up(ip(1), NOON).await, Err(error));
    let stub = Stub::answering(|| StatusCode::UNPROCESSABLE_ENTITY).await;
    assert_eq!(abuseipdb(&stub).look_up(ip(1), NOON).await, Err(LookupError::Refused));
}

/// IPQualityScore tells most of its refusals with status 200.
#[tokio::test]
async fn ipqualityscores_own_words_are_understood() {
    let quota = LookupError::TooManyRequests { retry_after_s: None };
    for (message, error) in [
        ("Invalid or unauthorized key. Please check the API key and try again.", LookupError::Unauthorized),
        (
            "You have insufficient credits to make this query. Please contact IPQualityScore support if this error persists.",
            LookupError::OutOfCredit,
        ),
        (
            "You have exceeded your request quota of 200 per day. Please upgrade to increase your request quota.",
            quota,
        ),
        (
            "Invalid IPv4 address, IPv6 address or hostname. Please check this IP address.",
            LookupError::Refused,
        ),
    ] {
        let answer = json!({ "success": false, "message": message, "request_id": "x" });
        assert_eq!(ipqs(answer.clone()).await, Err(error.clone()), "{message}");
        let stub = Stub::answering(move || (StatusCode::BAD_REQUEST, axum::Json(answer.clone()))).await;
        assert_eq!(ipqualityscore(&stub, KeyPlace::Path).look_up(ip(1), NOON).await, Err(error));
    }
    let unknown = ipqs(json!({ "success": false, "message": format!("nonsense about {KEY}") })).await;
    let told = unknown.expect_err("refused").to_string();
    assert!(told.contains("not why") && !told.contains(KEY), "{told}");
}

#[tokio::test]
async fn what_is_too_large_or_leads_elsewhere_is_not_followed() {
    let huge = || {
        let pieces =
            stream::iter((0..1024).map(|_| Ok::<_, std::io::Error>(Bytes::from_static(&[b' '; 65_536]))));
        Body::from_stream(pieces).into_response()
    };
    for answer in both(huge).await {
        assert!(matches!(&answer, Err(LookupError::Malformed(told)) if told.contains("65536")), "{answer:?}");
    }
    for target in ["http://169.254.169.254/latest/meta-data", "http://localhost:9/", "http://[::1]/"] {
        for answer in both(move || (StatusCode::FOUND, [(LOCATION, target)]).into_response()).await {
            assert!(matches!(answer, Err(LookupError::Unreachable(_))), "{target}: {answer:?}");
        }
    }
    let loops = both(|| (StatusCode::FOUND, [(LOCATION, "/again")]).into_response()).await;
    assert!(loops.iter().all(|answer| matches!(answer, Err(LookupError::Unreachable(_)))), "{loops:?}");
}

#[tokio::test]
async fn nobody_there_is_an_error_without_the_key() {
    let stub = Stub::answering(|| "").await;
    let client = stub.client();
    // A port of this machine that was free a moment ago, and an address that is not allowed.
    let config = |url: &str| IpQualityScoreConfig { url: url.to_owned(), ..IpQualityScoreConfig::default() };
    for url in ["http://127.0.0.1:1/api", "http://no-such-host.invalid/api"] {
        let adapter = IpQualityScore::new(client.clone(), config(url), secret());
        let error = tokio::time::timeout(Duration::from_secs(10), adapter.look_up(ip(1), NOON)).await;
        let error = error.expect("in time").expect_err("nobody there");
        assert!(matches!(error, LookupError::Unreachable(_)), "{error:?}");
        assert!(!error.to_string().contains(KEY) && !format!("{error:?}").contains(KEY), "{error:?}");
    }
}
