//! The arrows between the crates point one way, as ARCHITECTURE.md draws them: read from `cargo metadata`.

use std::collections::{BTreeMap, BTreeSet};

use cargo_metadata::{DependencyKind, MetadataCommand};

/// Package → everything it needs, directly and through others, besides what only its tests need.
fn needs() -> BTreeMap<String, BTreeSet<String>> {
    let metadata = MetadataCommand::new()
        .manifest_path(xtask::workspace::root().join("Cargo.toml"))
        .other_options(
            ["--offline", "--locked", "--filter-platform", "x86_64-unknown-linux-gnu"].map(String::from),
        )
        .exec()
        .expect("cargo metadata");
    let nodes = &metadata.resolve.as_ref().expect("a resolved graph").nodes;
    let name = |id| metadata[id].name.to_string();
    let direct: BTreeMap<String, BTreeSet<String>> = nodes
        .iter()
        .map(|node| {
            let shipped = node
                .deps
                .iter()
                .filter(|dep| dep.dep_kinds.iter().any(|kind| kind.kind != DependencyKind::Development));
            (name(&node.id), shipped.map(|dep| name(&dep.pkg)).collect())
        })
        .collect();
    let members = metadata.workspace_packages();
    members.iter().map(|package| (package.name.to_string(), closure(&package.name, &direct))).collect()
}

fn closure(of: &str, direct: &BTreeMap<String, BTreeSet<String>>) -> BTreeSet<String> {
    let mut all = BTreeSet::new();
    let mut open = vec![of.to_owned()];
    while let Some(next) = open.pop() {
        let new = direct.get(&next).into_iter().flatten().filter(|name| all.insert((*name).clone()));
        open.extend(new.cloned());
    }
    all
}

#[test]
fn filter_and_control_plane_stand_on_core_and_never_on_each_other() {
    let needs = needs();
    for (package, other) in [("sallyport-filter", "sallyport"), ("sallyport", "sallyport-filter")] {
        let needed = &needs[package];
        assert!(needed.contains("sallyport-core"), "{package} does not use core");
        assert!(!needed.contains(other), "{package} depends on {other}");
        assert!(
            !needed.contains("xtask") && !needed.contains("sallyport-e2e"),
            "{package} depends on the tests"
        );
    }
    assert!(!needs["sallyport"].contains("proxy-wasm"), "the control plane depends on proxy-wasm");
    assert!(!needs["sallyport-filter"].contains("tokio"), "the filter depends on tokio");
}

#[test]
fn core_is_pure() {
    let needs = needs();
    let forbidden = ["proxy-wasm", "tokio", "axum", "reqwest", "rusqlite", "getrandom", "rand"];
    let found: Vec<_> = forbidden.iter().filter(|name| needs["sallyport-core"].contains(**name)).collect();
    assert!(found.is_empty(), "core depends on {found:?}");
    assert!(
        !needs["sallyport-core"].iter().any(|name| name.starts_with("sallyport")),
        "core depends on a crate above it"
    );
}
