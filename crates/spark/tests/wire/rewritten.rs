//! What Spark has written, read and written again: byte for byte the same.

use tanist_spark::java;

use crate::captured::{Written, all, payload};

fn assert_rewritten(name: &str, payload: &[u8]) {
    let tree = java::read(payload).unwrap_or_else(|error| panic!("{name}: {error}"));
    assert!(java::write(&tree) == payload, "{name}: {}", String::from_utf8_lossy(&java::write(&tree)));
}

#[test]
fn every_captured_object_is_written_as_java_does() {
    let captured: Vec<_> = all().into_iter().filter_map(|(name, bytes, _)| Some((name, payload(&bytes)?))).collect();
    assert_eq!(captured.len(), 69);
    for (name, payload) in captured {
        assert_rewritten(&name, &payload);
    }
}

#[test]
fn every_object_spark_has_serialized_is_written_as_java_does() {
    for version in ["3.5.9", "4.1.4"] {
        let mut written = 0;
        for file in ["payloads-by-spark.txt", "payloads-compact.txt", "payloads-of-workers.txt", "collections.txt"] {
            for (name, payload) in Written::read(version, file).0 {
                if payload.starts_with(&[0xAC, 0xED]) {
                    assert_rewritten(&format!("{version} {file} {name}"), &payload);
                    written += 1;
                }
            }
        }
        assert!(written > 100, "{version}: {written}");
    }
}
