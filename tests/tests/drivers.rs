//! Drivers on a real cluster: supervision, exit codes, kills, programs that do not exist.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use tanist_testkit::{Cluster, Marker, Shape, wait_for};

const SOON: Duration = Duration::from_secs(30);

fn one_worker() -> Cluster {
    let worker_flags = vec!["--driver-terminate-timeout", "1s"];
    Cluster::start(Shape { masters: 1, workers: 1, worker_flags, ..Shape::default() }).unwrap()
}

/// A file that a driver wrote into its directory.
fn written(cluster: &Cluster, driver: &str, name: &str) -> Option<String> {
    let path: PathBuf = cluster.directory().join("worker1").join(driver).join(name);
    fs::read_to_string(path).ok()
}

#[test]
fn a_supervised_driver_is_started_again_after_1_2_and_4_seconds_drn_06() {
    let cluster = one_worker();
    let script = "date +%s.%N >> starts; [ $(wc -l < starts) -gt 3 ]";
    let id = cluster.submit(&["--supervise", "--", "sh", "-c", script]).unwrap();
    let status = cluster.wait_for_driver(&id, "FINISHED", SOON);
    assert_eq!(status["attempt"], 1, "restarts on the same worker are no new attempts");
    let starts: Vec<f64> =
        written(&cluster, &id, "starts").unwrap().lines().map(|line| line.parse().unwrap()).collect();
    assert_eq!(starts.len(), 4);
    for (pair, wait) in starts.windows(2).zip([1.0, 2.0, 4.0]) {
        let gap = pair[1] - pair[0];
        assert!(gap >= wait && gap < wait + 0.9, "waited {gap} s instead of {wait}: {starts:?}");
    }
    let headers = written(&cluster, &id, "stderr").unwrap();
    assert_eq!(headers.matches("Launch Command:").count(), 4, "DRN-05: appended, with a header each time");
}

#[test]
fn the_exit_code_comes_back_drn_07() {
    let cluster = one_worker();
    let finished = cluster.run(&["submit", "--", "sh", "-c", "exit 3"]).unwrap();
    assert_eq!(finished.code, 3, "{finished:?}");
    assert!(finished.stderr.contains("FAILED"), "{finished:?}");
    let drivers = cluster.json(&["drivers"]).unwrap();
    assert_eq!((&drivers[0]["state"], &drivers[0]["exit_code"]), (&"FAILED".into(), &3.into()));
    assert_eq!(cluster.run(&["submit", "--", "true"]).unwrap().code, 0);
    assert_eq!(cluster.run(&["submit", "--", "sh", "-c", "kill -9 $$"]).unwrap().code, 137);
}

#[test]
fn a_killed_driver_leaves_nothing_drn_08() {
    let cluster = one_worker();
    let marker = Marker::new("stubborn");
    let name = marker.text();
    let deaf = "trap '' TERM; while :; do sleep 1; done";
    let script = format!(
        "trap '' TERM; sh -c \"{deaf}\" {name} & setsid sh -c \"{deaf}\" {name} & touch up; while :; do sleep 1; done"
    );
    let id = cluster.submit(&["--", "sh", "-c", &script, name]).unwrap();
    wait_for("the driver and its children", SOON, || {
        (written(&cluster, &id, "up").is_some() && marker.processes().len() >= 3).then_some(())
    });
    assert_eq!(cluster.run(&["kill", &id]).unwrap().code, 0);
    cluster.wait_for_driver(&id, "KILLED", SOON);
    assert_eq!(marker.processes(), Vec::<i32>::new());
}

#[test]
fn a_program_that_does_not_exist_is_an_error_with_the_path_tried() {
    let cluster = one_worker();
    let finished = cluster.run(&["submit", "--", "/no/such/program"]).unwrap();
    assert_eq!(finished.code, 1, "{finished:?}");
    assert!(finished.stderr.contains("ERROR") && finished.stderr.contains("/no/such/program"), "{finished:?}");
    let finished = cluster.run(&["submit", "--", "no-such-name"]).unwrap();
    assert!(finished.stderr.contains("no-such-name") && finished.stderr.contains("PATH"), "{finished:?}");
}

#[test]
fn output_can_be_read_while_it_runs_and_afterwards() {
    let cluster = one_worker();
    let script = "echo first; while [ ! -e go ]; do sleep 0.05; done; echo last; echo aside >&2";
    let id = cluster.submit(&["--", "sh", "-c", script]).unwrap();
    wait_for("the first line", SOON, || {
        let logs = cluster.run(&["logs", &id]).ok()?;
        (logs.stdout == "first\n").then_some(())
    });
    let following = cluster.spawn(&["logs", "--follow", &id]).unwrap();
    fs::write(cluster.directory().join("worker1").join(&id).join("go"), "").unwrap();
    assert_eq!(following.join().unwrap().unwrap().stdout, "first\nlast\n");
    assert!(cluster.run(&["logs", "--stderr", &id]).unwrap().stdout.ends_with("aside\n"));
}
