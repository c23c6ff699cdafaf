//! `docs/openapi.yaml` lists what the REST server of a master has, and one request to each of its operations has a status
//! that is listed there.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::collections::BTreeMap;
use std::path::Path;

use support::Node;
use support::http::ask;

/// Statuses by `METHOD /path`, of the paths with this start. The file keeps to two spaces for each level.
fn documented(start: &str) -> BTreeMap<String, Vec<String>> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/openapi.yaml");
    let text = std::fs::read_to_string(file).unwrap();
    let mut found: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let (mut path, mut operation) = (String::new(), String::new());
    let paths = text.split("\npaths:\n").nth(1).unwrap().lines().take_while(|line| line.starts_with(' '));
    for line in paths {
        let name = line.trim().trim_end_matches(':').trim_matches('\'');
        match line.len() - line.trim_start().len() {
            2 => name.clone_into(&mut path),
            4 => operation = format!("{} {path}", name.to_ascii_uppercase()),
            8 if name.bytes().all(|byte| byte.is_ascii_digit()) => {
                found.entry(operation.clone()).or_default().push(name.to_owned());
            }
            _ => {}
        }
    }
    found.retain(|operation, _| operation.split(' ').nth(1).is_some_and(|path| path.starts_with(start)));
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn each_operation_of_the_rest_server_answers_with_a_documented_status() {
    let (_directory, node) = Node::leading().await;
    let documented = documented("/v1/submissions");
    let operations: Vec<&str> = documented.keys().map(String::as_str).collect();
    let all = [
        "GET /v1/submissions/readyz",
        "GET /v1/submissions/status/{submissionId}",
        "POST /v1/submissions/clear",
        "POST /v1/submissions/create",
        "POST /v1/submissions/kill/{submissionId}",
        "POST /v1/submissions/killall",
    ];
    assert_eq!(operations, all);
    for (operation, statuses) in documented {
        let answer = ask(&node.rest, &operation.replace("{submissionId}", "driver-nope"), "", b"").await;
        assert!(statuses.contains(&answer.status.to_string()), "{operation}: {answer:?}");
        assert!(answer.field("action").is_string(), "{operation}: {answer:?}");
    }
}
