//! The shipped TLS config: the fingerprint is Envoy's own, whatever the client says, and the filter uses it.

use sallyport_e2e::harness::{Envoy, EnvoyConfig, Site, filter_wasm, unused_port};
use sallyport_e2e::http;
use sallyport_e2e::visitor::Visitor;
use serde_json::Value;
use xtask::workspace::root;

#[tokio::test(flavor = "multi_thread")]
async fn the_fingerprint_of_the_connection_counts_not_the_clients_word() {
    let site = Site::start().await;
    let tls = root().join("tests/testdata/tls");
    let template = std::fs::read_to_string(root().join("envoy/tls-ja4.yaml")).unwrap();
    let gate = Envoy::start(&EnvoyConfig {
        template: &template,
        values: vec![
            ("ENVOY_PORT", "0".to_owned()),
            ("ADMIN_PORT", "0".to_owned()),
            ("ORIGIN_PORT", site.port().to_string()),
            ("API_PORT", unused_port().to_string()),
            ("FILTER_WASM", filter_wasm().display().to_string()),
            ("FILTER_TOKEN", "sp_filter_test".to_owned()),
            ("TRUSTED_HOPS", "0".to_owned()),
            ("TLS_CERT", tls.join("certificate.pem").display().to_string()),
            ("TLS_KEY", tls.join("key.pem").display().to_string()),
        ],
        workers: 1,
    });
    let client_envoy = Envoy::start(&EnvoyConfig {
        template: include_str!("../../envoy/tls-client.yaml"),
        values: vec![("TLS_PORT", gate.port("visitors").to_string())],
        workers: 1,
    });

    let client = http::client();
    let url = format!("http://127.0.0.1:{}/api/echo", client_envoy.port("plain"));
    let chromes = "t13d1516h2_8daaf6152771_d8a2da3f94cd";
    let request = Visitor::chrome("198.51.100.1").get(&client, &url).header("x-sallyport-ja4", chromes);
    let seen: Value = request.send().await.unwrap().json().await.unwrap();

    let fingerprints = seen["x-sallyport-ja4"].as_array().unwrap();
    assert_eq!(fingerprints.len(), 1, "{seen}");
    let fingerprint = fingerprints[0].as_str().unwrap();
    assert!(fingerprint.starts_with("t1") && fingerprint != chromes, "{fingerprint}");
    let verdict = seen["x-sallyport"][0].as_str().unwrap();
    assert!(
        !verdict.contains("\"ja4_mismatch\""),
        "a program that is not known contradicts nobody: {verdict}"
    );
}
