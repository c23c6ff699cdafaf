//! `tanist local`: a whole cluster in one command, and nothing left of it.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::process::Command;

use tanist_testkit::{Marker, binary};

#[test]
fn local_runs_pi_and_leaves_nothing() {
    let marker = Marker::new("local");
    let directory = std::env::temp_dir().join(marker.text());
    let output = Command::new(binary())
        .args(["local", "--dir"])
        .arg(&directory)
        .args(["--", "tanist", "pi", "--executors", "2", "--slices", "8"])
        .env_remove("TANIST_MASTERS")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{output:?}");
    assert!(said.contains("3.1"), "{said}");
    assert_eq!(marker.processes(), Vec::<i32>::new(), "masters and workers carry the directory in their command lines");
    std::fs::remove_dir_all(directory).unwrap();
}

#[test]
fn local_ends_with_the_exit_code_of_its_command() {
    let output = Command::new(binary()).args(["local", "--", "sh", "-c", "echo out; exit 7"]).output().unwrap();
    assert_eq!(output.status.code(), Some(7), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stdout).contains("out"));
}
