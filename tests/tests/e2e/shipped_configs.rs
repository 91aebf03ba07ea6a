//! Every Envoy config that ships is taken by a real Envoy, with the real filter reading its plugin configuration.

use std::path::{Path, PathBuf};
use std::process::Command;

use sallyport_e2e::harness::{envoy_binary, filter_wasm};
use xtask::template::{placeholders, render};
use xtask::workspace::root;

#[test]
fn envoy_takes_every_shipped_config() {
    let files = yaml_files(&root().join("envoy"));
    assert!(files.len() >= 2, "no configs found: {files:?}");
    for file in files {
        let template = std::fs::read_to_string(&file).unwrap();
        let values = placeholders(&template).into_iter().map(|name| (name, value(name))).collect::<Vec<_>>();
        let folder = tempfile::tempdir().unwrap();
        let config = folder.path().join("envoy.yaml");
        std::fs::write(&config, render(&template, &values).unwrap()).unwrap();
        let output = Command::new(envoy_binary())
            .args(["--mode", "validate", "--disable-hot-restart", "-c"])
            .arg(&config)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{}: {}\n{said}", file.display(), output.status);
        assert!(!said.contains("[error]") && !said.contains("[critical]"), "{}:\n{said}", file.display());
    }
}

#[test]
fn every_shipped_config_starts_the_filter_anew_after_a_crash() {
    for file in yaml_files(&root().join("envoy")) {
        let text = std::fs::read_to_string(&file).unwrap();
        let filters = text.matches("envoy.extensions.filters.http.wasm.v3.Wasm").count();
        assert_eq!(text.matches("failure_policy: FAIL_RELOAD").count(), filters, "{}", file.display());
    }
}

/// Something plausible for each placeholder.
fn value(name: &str) -> String {
    let tls = root().join("tests/testdata/tls");
    match name {
        "FILTER_WASM" => filter_wasm().display().to_string(),
        "FILTER_TOKEN" => "sp_filter_0123".to_owned(),
        "TLS_CERT" => tls.join("certificate.pem").display().to_string(),
        "TLS_KEY" => tls.join("key.pem").display().to_string(),
        "TRUSTED_HOPS" => "0".to_owned(),
        "CONSULT" => "never".to_owned(),
        _ if name.ends_with("_PORT") => "0".to_owned(),
        _ => panic!("a placeholder this test does not know: {name}"),
    }
}

fn yaml_files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let (folders, files): (Vec<_>, Vec<_>) = entries.partition(|path| path.is_dir());
    let files = files.into_iter().filter(|path| path.extension().is_some_and(|ext| ext == "yaml"));
    files.chain(folders.iter().flat_map(|folder| yaml_files(folder))).collect()
}
