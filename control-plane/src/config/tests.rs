//! The files in `testdata/config` are tests by lying there: `good/*.yaml` must load, `bad/*.yaml` must give
//! exactly the report beside it. `UPDATE_GOLDEN=1 cargo test -p sallyport config` writes the reports anew.

use std::path::{Path, PathBuf};

use sallyport_core::Check;
use sallyport_core::policy::{AgentsConfig, RateLimitConfig};
use serde_json::Value;

use super::*;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/config")
}

fn files(kind: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder().join(kind)).expect("the folder is there");
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry").path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "yaml"));
    paths.sort();
    assert!(!paths.is_empty());
    paths
}

fn of_file(path: &Path) -> Sources {
    Sources { file: Some(path.to_owned()), ..Sources::default() }
}

fn example() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("config.example.yaml")
}

#[test]
fn good_files_load() {
    for path in files("good") {
        if let Err(problems) = of_file(&path).load() {
            panic!("{}: {problems}", path.display());
        }
    }
}

#[test]
fn ipv4_within_ipv6_is_ipv4_at_every_door() {
    let loaded =
        of_file(&folder().join("good/addresses.yaml")).load().unwrap_or_else(|told| panic!("{told}"));
    let net = |text: &str| -> ipnet::IpNet { text.parse().expect("a range") };
    let (config, eights) = (&loaded.config, net("8.8.8.0/24"));
    assert_eq!(config.lists.proxies(), [eights]);
    assert_eq!(config.reputation.only.0, [eights]);
    assert_eq!(config.reputation.never.0, [eights, net("2001:db8::/32")]);
    assert_eq!(loaded.ranges.inputs.files[0].1, [eights]);
    let hosts = config.fetch.allow_private.iter().map(|text| PrivateHost::read(text).expect("a host"));
    let expected =
        [PrivateHost::Net(net("10.0.0.0/8"), None), PrivateHost::Net(net("10.0.0.5/32"), Some(8443))];
    assert_eq!(hosts.collect::<Vec<_>>(), expected);
}

#[test]
fn bad_files_give_their_report() {
    for path in files("bad") {
        let problems = of_file(&path).load().expect_err(&format!("{} must be refused", path.display()));
        let told = problems.to_string().replace(&format!("{}/", folder().display()), "");
        let golden = path.with_extension("txt");
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            std::fs::write(&golden, format!("{told}\n")).expect("the report is written");
        }
        let expected = std::fs::read_to_string(&golden).expect("a report lies beside the file");
        assert_eq!(told.trim_end(), expected.trim_end(), "{}", path.display());
    }
}

#[test]
fn the_example_loads_and_shows_the_defaults() {
    let loaded = of_file(&example()).load().unwrap_or_else(|problems| panic!("{problems}"));
    let default = Config::default();
    assert_eq!(loaded.config.server, default.server);
    assert_eq!(loaded.config.store, default.store);
    assert_eq!(loaded.config.limits, default.limits);
    assert_eq!(loaded.config.fetch, default.fetch);
    assert_eq!(loaded.config.reputation, default.reputation);
    assert_eq!(loaded.config.secrets, default.secrets);
    assert_eq!(loaded.config.redis, default.redis);
    assert_eq!(loaded.config.crawlers, default.crawlers);
    assert_eq!(loaded.config.model, default.model);
    assert!(loaded.config.ranges.bundled && loaded.config.ranges.update_every_h == 0);
    assert_eq!(loaded.ranges.inputs.files.iter().map(|(_, nets, _)| nets.len()).sum::<usize>(), 3);
    let shown = sallyport_core::Policy::compile(loaded.config.policy.clone()).expect("valid");
    let builtin = sallyport_core::Policy::compile(PolicyConfig::default()).expect("valid");
    for check in Check::weighted() {
        assert!(loaded.config.policy.weights.contains_key(check.name()), "{} is not shown", check.name());
        assert_eq!(shown.weight(check), builtin.weight(check), "{}", check.name());
    }
    let limits = RateLimitConfig {
        session: None,
        page: None,
        api: None,
        hosts: Vec::new(),
        ..loaded.config.policy.rate_limit
    };
    for (category, policy) in &loaded.config.policy.agents.may {
        assert_eq!(AgentsConfig::default().of(*category), *policy, "{}", category.name());
    }
    let without_samples = PolicyConfig {
        rate_limit: limits,
        agents: Default::default(),
        weights: Default::default(),
        lists: Default::default(),
        login: Default::default(),
        trap_paths: Vec::new(),
        routes: Vec::new(),
        ..loaded.config.policy
    };
    assert_eq!(without_samples, PolicyConfig::default());
}

/// A key that does not exist makes serde name those that do; the example must show each of them.
#[test]
fn the_example_is_complete() {
    let text = std::fs::read_to_string(example()).expect("the example");
    let json = Node::from_yaml("example", &text).expect("YAML").to_json();
    let mut places = Vec::new();
    maps(&json, &mut Vec::new(), &mut places);
    assert!(places.len() > 12);
    let mut proven = 0;
    // Checks have a test of their own, and of paths there are only examples.
    let is_of_names = |place: &[String]| {
        place.ends_with(&["weights".to_owned()])
            || place.ends_with(&["agents".to_owned(), "paths".to_owned()])
    };
    for place in places.iter().filter(|place| !is_of_names(place)) {
        let mut probe = json.clone();
        let map = at(&mut probe, place).as_object_mut().expect("a map");
        map.insert("no-such-key".to_owned(), Value::Null);
        let shown: Vec<String> = map.keys().cloned().collect();
        let error = serde_json::from_value::<Config>(probe).expect_err("refused").to_string();
        let expected = error.split("expected").nth(1).unwrap_or_else(|| panic!("{place:?}: {error}"));
        for key in expected.split('`').skip(1).step_by(2) {
            assert!(
                shown.iter().any(|shown| shown == key),
                "{}.{key} is not in the example",
                place.join(".")
            );
            proven += 1;
        }
    }
    assert!(proven > 50, "only {proven} keys were looked at");
}

fn maps(value: &Value, place: &mut Vec<String>, places: &mut Vec<Vec<String>>) {
    let children: Vec<(String, &Value)> = match value {
        Value::Object(fields) => {
            places.push(place.clone());
            fields.iter().map(|(name, value)| (name.clone(), value)).collect()
        }
        Value::Array(items) => items.iter().enumerate().map(|(i, value)| (i.to_string(), value)).collect(),
        _ => return,
    };
    for (name, child) in children {
        place.push(name);
        maps(child, place, places);
        place.pop();
    }
}

fn at<'a>(value: &'a mut Value, place: &[String]) -> &'a mut Value {
    place.iter().fold(value, |value, name| match value {
        Value::Array(items) => &mut items[name.parse::<usize>().expect("an index")],
        other => &mut other[name.as_str()],
    })
}

fn pairs(pairs: &[(&str, &str)]) -> Vec<(OsString, OsString)> {
    pairs.iter().map(|(name, value)| (name.into(), value.into())).collect()
}

#[test]
fn flags_go_over_environment_over_file() {
    let file = folder().join("good/partial.yaml");
    let mut sources = of_file(&file);
    sources.environment = pairs(&[
        ("API_PORT", "9000"),
        ("DB_PATH", "/var/lib/sallyport/db"),
        ("CAPTCHA_SECRET", "1234567890123456"),
        ("SALLYPORT_STORE__BATCH__ROWS", "77"),
        ("SALLYPORT_POLICY__LISTS__ALLOW", "[192.0.2.1, 192.0.2.2]"),
        ("SALLYPORT_ENVOY", "not a setting"),
    ]);
    let loaded = sources.load().unwrap_or_else(|problems| panic!("{problems}"));
    assert_eq!(loaded.config.server.port, 9000);
    assert_eq!(loaded.config.store.path, Path::new("/var/lib/sallyport/db"));
    assert_eq!(loaded.config.store.batch.rows, 77);
    assert_eq!(loaded.config.secrets.captcha.reveal(), "1234567890123456");
    assert_eq!(loaded.config.policy.lists.allow.len(), 2);
    assert_eq!(loaded.config.policy.lists.deny.len(), 1, "the file's own keys stay");

    sources.flags = vec![("--port".to_owned(), "server.port".to_owned(), "9001".to_owned())];
    assert_eq!(sources.load().expect("valid").config.server.port, 9001);
}

#[test]
fn a_mistake_outside_the_file_names_its_variable_or_flag() {
    let sources = Sources {
        file: Some(folder().join("good/empty.yaml")),
        environment: pairs(&[("API_PORT", "many"), ("SALLYPORT_SERVER__PROT", "1")]),
        flags: vec![("--set".to_owned(), "store.readers".to_owned(), "0".to_owned())],
    };
    let told = sources.load().expect_err("refused").to_string();
    assert!(
        told.contains(
            "environment variable API_PORT: server.port: invalid type: string \"many\", write a whole number"
        ),
        "{told}"
    );
    assert!(
        told.contains("environment variable SALLYPORT_SERVER__PROT: server.prot: unknown field"),
        "{told}"
    );
    assert!(told.contains("flag --set: store.readers: 0: write 1 to 64"), "{told}");
}

#[test]
fn a_path_outside_the_file_is_taken_as_it_stands() {
    for path in ["data #1.db", "123", "~", "a: b", "[x]"] {
        let environment = pairs(&[("DB_PATH", path)]);
        let loaded = Sources { environment, ..of_file(&folder().join("good/empty.yaml")) }.load();
        assert_eq!(loaded.expect("valid").config.store.path, Path::new(path));
    }
}

#[cfg(unix)]
#[test]
fn a_variable_that_is_no_text_is_not_passed_over() {
    use std::os::unix::ffi::OsStringExt;
    let environment = vec![("DB_PATH".into(), OsString::from_vec(b"caf\xe9.db".to_vec()))];
    let sources = Sources { environment, ..of_file(&folder().join("good/empty.yaml")) };
    let told = sources.load().expect_err("refused").to_string();
    assert!(told.contains("environment variable DB_PATH: store.path: is not UTF-8"), "{told}");
}

#[cfg(unix)]
#[test]
fn a_file_without_an_end_is_refused() {
    let told = of_file(Path::new("/dev/zero")).load().expect_err("refused").to_string();
    assert!(told.contains("/dev/zero:1: cannot be read: it has more than 4194304 bytes"), "{told}");
}

#[test]
fn secrets_show_up_nowhere() {
    let sources = Sources {
        file: Some(folder().join("good/empty.yaml")),
        environment: pairs(&[("CAPTCHA_SECRET", "0123456789abcdef-very-secret")]),
        ..Sources::default()
    };
    let loaded = sources.load().expect("valid");
    assert!(!format!("{loaded:?}").contains("very-secret"));
    let told = of_file(&folder().join("bad/many-mistakes.yaml")).load().expect_err("refused").to_string();
    assert!(!told.contains("123456789"), "{told}");
}
