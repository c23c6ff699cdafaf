//! Schemathesis against a master: requests made up from `docs/openapi.yaml`, right and wrong ones, none of which may end in
//! an answer 5xx, or in none.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;
use std::process::Command;

use tanist_testkit::{Cluster, Shape};

/// What the answers are checked for. A master that leads and whose store is there has no reason for an answer 5xx.
const CHECKS: &str = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance";

/// How long requests are made up for each face, in seconds.
const LENGTH: &str = "60";

/// What of the description is a master's alone, and a worker's alone.
const OF_MASTERS: [&str; 5] =
    ["/json/{field}", "/metrics/master/json/", "/metrics/applications/json/", "/leader", "/standby"];
const OF_WORKERS: [&str; 3] = ["/metrics/json/", "/log/", "/logPage/"];
/// A leader does not stand by, which is 503 for those who balance load.
const SAYS_NO: [&str; 1] = ["/standby"];

#[test]
#[ignore = "takes minutes, and needs what `cargo xtask openapi` provides"]
fn made_up_requests_end_in_no_5xx_and_in_no_hang() {
    let cluster = Cluster::start(Shape { masters: 1, workers: 1, rest: true, ..Shape::default() }).unwrap();
    let without = |paths: &[&'static str]| -> Vec<&'static str> {
        let others = paths.iter().flat_map(|path| ["--exclude-path", path]);
        ["--include-tag", "web"].into_iter().chain(others).collect()
    };
    let faces = [
        (&cluster.rest[0], vec!["--include-tag", "submissions"]),
        (&cluster.masters[0].web, without(&[&OF_WORKERS[..], &SAYS_NO].concat())),
        (&cluster.workers[0].web, without(&OF_MASTERS)),
    ];
    let failed: Vec<&String> =
        faces.iter().filter(|(face, part)| !answers_well(&cluster, face, part)).map(|face| face.0).collect();
    assert!(failed.is_empty(), "schemathesis has found what it tells above: {failed:?}");
    cluster.leader();
}

/// Whether nothing is found in a part of the description at an address.
fn answers_well(cluster: &Cluster, face: &str, part: &[&str]) -> bool {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let mut command = Command::new(root.join("target/tools/schemathesis/bin/schemathesis"));
    command.args(["run", "--url", &format!("http://{face}"), "--checks", CHECKS]).args(part);
    command.args(["--max-time", LENGTH, "--request-timeout", "10", "--continue-on-failure", "--no-color"]);
    // It keeps what it has learned beside where it runs.
    command.arg(root.join("docs/openapi.yaml")).current_dir(cluster.directory()).status().unwrap().success()
}
