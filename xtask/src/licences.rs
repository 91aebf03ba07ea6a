//! Licences, bans and duplicate versions of all dependencies, from `cargo metadata`, offline.

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail};
use cargo_metadata::{CargoOpt, MetadataCommand, Package};

/// Licences a dependency may be used under.
const LICENCES: &[&str] = &[
    "0BSD",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "CC0-1.0",
    "ISC",
    "MIT",
    "MIT-0",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
];

/// Crates that must not come in, and why.
const BANNED: &[(&str, &str)] = &[
    ("openssl-sys", "links the system's OpenSSL: use rustls"),
    ("native-tls", "links the system's TLS: use rustls"),
];

/// Crates that are there in several versions, and why that is accepted.
const DUPLICATES: &[(&str, &str)] = &[
    ("getrandom", "ring, which nothing here builds, still names 0.2"),
    ("hashbrown", "proxy-wasm 0.2.5 is one version behind indexmap and hashlink"),
    ("syn", "compile time only: tracing, jiff and zerocopy derive with 2, serde and thiserror with 3"),
];

/// Checks every dependency of the workspace on Linux and prints what was looked at.
pub(crate) fn check() -> Result<()> {
    let metadata = MetadataCommand::new()
        .manifest_path(xtask::workspace::root().join("Cargo.toml"))
        .features(CargoOpt::AllFeatures)
        .other_options(
            ["--offline", "--locked", "--filter-platform", "x86_64-unknown-linux-gnu"].map(String::from),
        )
        .exec()
        .context("cannot read the dependencies offline: `cargo fetch --locked` once, with a network")?;
    let problems = problems(&metadata.packages);
    if !problems.is_empty() {
        bail!("dependencies:\n  {}", problems.join("\n  "));
    }
    eprintln!("xtask: {} packages: licences, bans and duplicate versions are fine", metadata.packages.len());
    Ok(())
}

fn problems(packages: &[Package]) -> Vec<String> {
    let mut problems = Vec::new();
    let mut versions: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for package in packages {
        let name = package.name.as_str();
        versions.entry(name).or_default().push(package.version.to_string());
        match &package.license {
            None => problems.push(format!("{name}: states no licence")),
            Some(licence) if !allowed(licence) => {
                problems
                    .push(format!("{name}: licence `{licence}` is not on the list in xtask/src/licences.rs"));
            }
            Some(_) => {}
        }
        if let Some((_, why)) = BANNED.iter().find(|(banned, _)| *banned == name) {
            problems.push(format!("{name}: banned: {why}"));
        }
    }
    for (name, versions) in &versions {
        let accepted = DUPLICATES.iter().any(|(known, _)| known == name);
        match (versions.len() > 1, accepted) {
            (true, false) => problems.push(format!("{name}: several versions: {}", versions.join(", "))),
            (false, true) => {
                problems.push(format!("{name}: on the list of duplicates, but there is only one"))
            }
            _ => {}
        }
    }
    let gone = DUPLICATES.iter().filter(|(name, _)| !versions.contains_key(name));
    problems.extend(gone.map(|(name, _)| format!("{name}: on the list of duplicates, but not used at all")));
    problems
}

/// Whether an SPDX expression can be met by the list: `OR` needs one side, `AND` both.
/// The old `/` means `OR`; `AND` binds tighter.
fn allowed(expression: &str) -> bool {
    let spaced = expression.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
    let mut words: Vec<&str> = spaced.split_whitespace().collect();
    words.reverse();
    either(&mut words) == Some(true) && words.is_empty()
}

// Each reads its operands to the end, even where the first one decides; `None` for what is no expression.
fn either(words: &mut Vec<&str>) -> Option<bool> {
    let mut met = both(words)?;
    while words.last() == Some(&"OR") {
        words.pop();
        met |= both(words)?;
    }
    Some(met)
}

fn both(words: &mut Vec<&str>) -> Option<bool> {
    let mut met = one(words)?;
    while words.last() == Some(&"AND") {
        words.pop();
        met &= one(words)?;
    }
    Some(met)
}

fn one(words: &mut Vec<&str>) -> Option<bool> {
    let name = words.pop()?;
    if name == "(" {
        let met = either(words)?;
        return (words.pop() == Some(")")).then_some(met);
    }
    if words.last() == Some(&"WITH") {
        words.pop();
        let full = format!("{name} WITH {}", words.pop()?);
        return Some(LICENCES.contains(&full.as_str()));
    }
    Some(LICENCES.contains(&name))
}

#[cfg(test)]
mod tests {
    use super::allowed;

    #[test]
    fn reads_expressions_as_spdx_does() {
        for good in [
            "MIT",
            "MIT OR Apache-2.0",
            "MIT/Apache-2.0",
            "GPL-3.0 OR MIT",
            "(MIT OR GPL-2.0) AND Unicode-3.0",
            "Apache-2.0 WITH LLVM-exception OR Apache-2.0 OR MIT",
            "GPL-2.0 OR GPL-3.0 AND MIT OR ISC",
        ] {
            assert!(allowed(good), "{good}");
        }
        for bad in ["", "GPL-3.0", "MIT AND GPL-3.0", "(MIT", "MIT)", "MIT OR", "GPL-3.0 WITH LLVM-exception"]
        {
            assert!(!allowed(bad), "{bad}");
        }
    }
}
