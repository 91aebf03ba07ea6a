//! Environment variables as settings: the five names the project is known by, then
//! `SALLYPORT_SECTION__KEY`, where two underscores part the levels: `SALLYPORT_STORE__BATCH__ROWS=500`.
//! Values are read as YAML, so lists and numbers work.

use std::ffi::{OsStr, OsString};

use super::problem::Origin;

const NAMED: [(&str, &str); 5] = [
    ("DB_PATH", "store.path"),
    ("CAPTCHA_SECRET", "secrets.captcha"),
    ("API_HOST", "server.host"),
    ("API_PORT", "server.port"),
    ("SALLYPORT_REDIS_PASSWORD", "secrets.redis_password"),
];

const PREFIX: &str = "SALLYPORT_";

/// The settings among the variables, as (origin, key, value), later ones over earlier ones. Variables
/// with the prefix but without two underscores (`SALLYPORT_CONFIG`) are none.
pub(super) fn settings(environment: &[(OsString, OsString)]) -> Vec<(Origin, String, &OsStr)> {
    let origin = |name: &str| Origin::Environment(name.to_owned());
    let named = NAMED.iter().flat_map(|(name, key)| {
        let of_name = environment.iter().filter(move |(variable, _)| variable == name);
        of_name.map(move |(_, value)| (origin(name), (*key).to_owned(), value.as_os_str()))
    });
    let prefixed = environment.iter().filter_map(|(name, value)| {
        let name = name.to_str()?;
        let key = name.strip_prefix(PREFIX)?;
        let key = key.contains("__").then(|| key.to_ascii_lowercase().replace("__", "."))?;
        Some((origin(name), key, value.as_os_str()))
    });
    named.chain(prefixed).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_names_come_first_and_test_variables_are_left_alone() {
        let environment: Vec<(OsString, OsString)> = [
            ("SALLYPORT_SERVER__PORT", "9001"),
            ("API_PORT", "9000"),
            ("SALLYPORT_ENVOY", "/bin/envoy"),
            ("HOME", "/home/op"),
        ]
        .map(|(name, value)| (name.into(), value.into()))
        .to_vec();
        let found: Vec<(String, &OsStr)> =
            settings(&environment).into_iter().map(|(_, key, value)| (key, value)).collect();
        let expected = [("server.port", "9000"), ("server.port", "9001")];
        assert_eq!(found, expected.map(|(key, value)| (key.to_owned(), OsStr::new(value))));
    }
}
