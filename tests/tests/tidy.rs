//! The rules of the house that a compiler does not know.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Who may use whom, tests aside. `xtask` and the test crates stand outside.
const ARROWS: [(&str, &[&str]); 10] = [
    ("tanist-core", &[]),
    ("tanist-spark", &[]),
    ("tanist-etcd-sim", &[]),
    ("tanist-proto", &["tanist-core"]),
    ("tanist-store", &["tanist-core"]),
    ("tanist-web", &["tanist-core"]),
    ("tanist-master", &["tanist-core", "tanist-proto", "tanist-store", "tanist-web", "tanist-spark"]),
    ("tanist-worker", &["tanist-core", "tanist-proto", "tanist-web", "tanist-spark"]),
    ("tanist-client", &["tanist-core", "tanist-proto"]),
    (
        "tanist",
        &[
            "tanist-core",
            "tanist-proto",
            "tanist-store",
            "tanist-web",
            "tanist-master",
            "tanist-worker",
            "tanist-client",
            "tanist-spark",
        ],
    ),
];

/// What the core may never depend on, directly.
const CORE_MAY_USE: [&str; 1] = ["thiserror"];

/// Longest file of product code, in lines, tests aside.
const MAX_LINES: usize = 500;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn dependencies() -> BTreeMap<String, Vec<String>> {
    let metadata = cargo_metadata::MetadataCommand::new()
        .manifest_path(root().join("Cargo.toml"))
        .no_deps()
        .other_options(["--locked".to_owned(), "--offline".to_owned()])
        .exec()
        .unwrap();
    let normal = |package: &cargo_metadata::Package| {
        let kept = package.dependencies.iter().filter(|d| d.kind == cargo_metadata::DependencyKind::Normal);
        kept.map(|d| d.name.clone()).collect()
    };
    metadata.packages.iter().map(|package| (package.name.to_string(), normal(package))).collect()
}

/// All Rust files of the product, with what stands in them.
fn sources() -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    let mut folders = vec![root().join("crates")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push((path.clone(), fs::read_to_string(path).unwrap()));
            }
        }
    }
    assert!(found.len() > 50, "the sources were found");
    found
}

fn is_test(path: &Path) -> bool {
    let text = path.to_string_lossy();
    text.contains("/tests/") || text.contains("/tests.") || text.ends_with("_tests.rs") || text.contains("/benches/")
}

/// A file without its inline tests.
fn product_part(source: &str) -> &str {
    source.split("#[cfg(test)]\nmod ").next().unwrap_or(source)
}

#[test]
fn arrows_between_crates_point_one_way() {
    let dependencies = dependencies();
    for (package, allowed) in ARROWS {
        let used = dependencies.get(package).unwrap_or_else(|| panic!("{package} is a member"));
        let ours =
            used.iter().filter(|name| ARROWS.iter().any(|(member, _)| member == name) || name.starts_with("tanist"));
        for name in ours {
            assert!(allowed.contains(&name.as_str()), "{package} must not use {name}");
        }
    }
}

#[test]
fn the_core_uses_nothing_that_acts() {
    for name in &dependencies()["tanist-core"] {
        assert!(CORE_MAY_USE.contains(&name.as_str()), "tanist-core must not use {name}");
    }
    for (path, source) in sources() {
        let core = path.to_string_lossy().contains("/core/src/");
        if core && !is_test(&path) {
            for word in ["async fn", "std::fs", "std::net", "std::thread", "std::process", "std::env"] {
                assert!(!product_part(&source).contains(word), "{}: {word}", path.display());
            }
        }
    }
}

#[test]
fn files_stay_small() {
    let too_long: Vec<String> = sources()
        .iter()
        .filter(|(path, _)| !is_test(path))
        .map(|(path, source)| (path, product_part(source).lines().count()))
        .filter(|(_, lines)| *lines > MAX_LINES)
        .map(|(path, lines)| format!("{}: {lines} lines, at most {MAX_LINES}", path.display()))
        .collect();
    assert!(too_long.is_empty(), "{too_long:#?}");
}

#[test]
fn every_file_says_what_lives_in_it() {
    let silent: Vec<PathBuf> = sources()
        .into_iter()
        .filter(|(path, source)| !is_test(path) && !source.starts_with("//!"))
        .map(|(path, _)| path)
        .collect();
    assert!(silent.is_empty(), "no //! at the top: {silent:#?}");
}

/// `select!` without `biased;` polls in random order: no run could be repeated.
#[test]
fn select_is_always_biased() {
    for (path, source) in sources() {
        for (at, _) in source.match_indices("select! {") {
            let next = source[at + "select! {".len()..].trim_start();
            assert!(next.starts_with("biased;"), "{}: select! without biased;", path.display());
        }
    }
}

#[test]
fn nothing_is_left_to_do() {
    for (path, source) in sources() {
        for word in ["TODO", "FIXME", "XXX", "unimplemented!"] {
            assert!(!source.contains(word), "{}: {word}", path.display());
        }
    }
}
