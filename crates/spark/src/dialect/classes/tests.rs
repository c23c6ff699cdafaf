use std::path::PathBuf;

use serde_json::Value as Json;

use super::*;

fn fixture(name: &str) -> String {
    let path: PathBuf = [env!("CARGO_MANIFEST_DIR"), "tests/fixtures", name].iter().collect();
    std::fs::read_to_string(path).unwrap()
}

/// All classes of this module that are written for a version of Scala.
fn all(scala: Scala) -> Vec<&'static Shape> {
    let mut all: Vec<&Shape> = FOR_APPLICATIONS.iter().chain(FOR_SUBMISSION).chain(FOR_WORKERS).copied().collect();
    all.push(&EMPTY_MAP);
    match scala {
        Scala::V2_12 => all.extend([&LIST_PROXY_2_12, &LIST_END_2_12, &MAP_PROXY_2_12]),
        Scala::V2_13 => all.extend([&PROXY, &LIST_FACTORY, &MAP_FACTORY, &LIST, &HASH_MAP, &TUPLE]),
    }
    for mut class in [&SOME, &NONE, &ENUMERATION_VAL, &MODULE, &INTEGER, &EXCEPTION] {
        all.push(class);
        while let Some(parent) = class.parent {
            all.push(parent);
            class = parent;
        }
    }
    all
}

/// Found out by reading the classes of nine releases.
#[test]
fn every_number_is_that_of_all_nine_releases() {
    let known: Json = serde_json::from_str(&fixture("uids.json")).unwrap();
    let versions = known["versions"].as_array().unwrap();
    assert_eq!(versions.len(), 9);
    let mut compared = 0;
    for version in versions.iter().map(|version| version.as_str().unwrap()) {
        let scala = if version.starts_with('3') { Scala::V2_12 } else { Scala::V2_13 };
        for class in all(scala) {
            // Those of Java itself are not among them.
            let Some(uid) = known["uids"][class.name][version].as_str() else { continue };
            assert_eq!(format!("{:016x}", class.uid.of(scala)), uid, "{} in {version}", class.name);
            compared += 1;
        }
    }
    assert!(compared >= 9 * 33, "{compared}");
}

#[test]
fn every_class_has_the_fields_spark_describes() {
    for (version, scala) in [("3.5.9", Scala::V2_12), ("4.1.4", Scala::V2_13)] {
        let known: Vec<Json> = fixture(&format!("{version}/classes.jsonl"))
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        let mut compared = 0;
        for class in all(scala) {
            let Some(known) = known.iter().find(|known| known["name"] == class.name && known["suid_hex"].is_string())
            else {
                assert_eq!((class.name, version), (MODULE_PROXY, "3.5.9"), "in every version");
                continue;
            };
            assert_eq!(known["suid_hex"], format!("{:016x}", class.uid.of(scala)), "{}", class.name);
            assert_eq!(known["flags"], class.flags, "{}", class.name);
            // Of an enumeration the reader needs no more than its name.
            if [EXECUTOR_STATE.name, DRIVER_STATE.name].contains(&class.name) {
                continue;
            }
            let field = |field: &Json| {
                let text = |at: usize| field[at].as_str().map(str::to_owned);
                (text(1).unwrap(), text(2).or(text(0)).unwrap())
            };
            let fields: Vec<(String, String)> = known["fields"].as_array().unwrap().iter().map(field).collect();
            let own: Vec<(String, String)> =
                class.fields_in(scala).into_iter().map(|(name, of)| (name.to_owned(), of.to_owned())).collect();
            assert_eq!(fields, own, "{}", class.name);
            let parent = class.parent.map(|parent| parent.name);
            if class.name != REFERENCE_ALONE.name {
                assert_eq!(known["super"].as_str(), parent, "{}", class.name);
            }
            compared += 1;
        }
        assert!(compared >= 40, "{compared}");
    }
}
