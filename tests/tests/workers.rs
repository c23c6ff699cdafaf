//! Workers and masters under bad conditions: one id twice, a log that cannot be written.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;
use std::time::Duration;

use tanist_testkit::{Cluster, Node, Shape, wait_for};

const SOON: Duration = Duration::from_secs(30);

#[test]
fn a_second_worker_with_the_id_of_a_live_one_is_refused_and_disturbs_nothing() {
    let worker_flags = vec!["--id", "w1"];
    let cluster = Cluster::start(Shape { masters: 1, workers: 1, worker_flags, ..Shape::default() }).unwrap();
    let driver = cluster.submit(&["--", "sleep", "600"]).unwrap();
    cluster.wait_for_driver(&driver, "RUNNING", SOON);
    let (masters, work) = (cluster.addresses(), cluster.directory().join("rival"));
    let rival = ["worker", "--id", "w1", "--host", "127.0.0.1", "--masters", &masters, "--work-dir"];
    let refused = cluster.run(&[&rival[..], &[work.to_str().unwrap()]].concat()).unwrap();
    assert_eq!(refused.code, 1, "{refused:?}");
    assert!(refused.stderr.contains("worker.id w1") && refused.stderr.contains("an id of its own"), "{refused:?}");
    let status = cluster.status(&driver).unwrap();
    assert_eq!((&status["state"], &status["attempt"]), (&"RUNNING".into(), &1.into()));
}

#[test]
fn a_log_that_cannot_be_written_ends_nobody() {
    let cluster = Cluster::start(Shape { masters: 1, workers: 0, ..Shape::default() }).unwrap();
    let (masters, work) = (cluster.addresses(), cluster.directory().join("worker"));
    let flags = ["worker", "--host", "127.0.0.1", "--port", "0", "--masters", &masters, "--work-dir"];
    let mut worker = Node::start(&[&flags[..], &[work.to_str().unwrap()]].concat(), Path::new("/dev/full")).unwrap();
    wait_for("the worker", SOON, || (cluster.alive_workers().len() == 1).then_some(()));
    assert_eq!(cluster.run(&["submit", "--", "true"]).unwrap().code, 0);
    assert!(worker.runs());
}
