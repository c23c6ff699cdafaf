//! The main job: a real application goes on while the leader dies, and while a worker dies.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::time::Duration;

use serde_json::Value;
use tanist_testkit::{Cluster, Marker, Shape, binary, wait_for};

const SOON: Duration = Duration::from_secs(30);
const JOB: Duration = Duration::from_secs(90);

/// A `pi` job that runs long enough for faults: 60 tasks of at least 0.4 s on 4 executors.
fn submit_pi(cluster: &Cluster, executors: &str) -> String {
    let program = binary();
    let program = program.to_str().unwrap();
    let job = ["pi", "--executors", executors, "--slices", "60", "--task-millis", "400"];
    cluster.submit(&[&["--", program][..], &job[..]].concat()).unwrap()
}

fn executors(cluster: &Cluster) -> Vec<Value> {
    let app = cluster.apps().into_iter().next();
    app.and_then(|app| app["executors"].as_array().cloned()).unwrap_or_default()
}

fn running(cluster: &Cluster, wanted: usize) -> Vec<(u64, String)> {
    wait_for(&format!("{wanted} running executors"), SOON, || {
        let found: Vec<(u64, String)> = executors(cluster)
            .iter()
            .filter(|executor| executor["state"] == "RUNNING")
            .map(|executor| (executor["id"].as_u64().unwrap(), executor["worker"].as_str().unwrap().to_owned()))
            .collect();
        (found.len() == wanted).then_some(found)
    })
}

fn output(cluster: &Cluster, driver: &str) -> String {
    cluster.run(&["logs", driver]).unwrap().stdout
}

#[test]
fn the_leader_is_killed_and_nothing_else_changes() {
    let mut cluster = Cluster::start(Shape { cores: 3, ..Shape::default() }).unwrap();
    let job = submit_pi(&cluster, "4");
    let before = running(&cluster, 4);
    // Five of six cores are taken: this one must wait.
    let queued = cluster.submit(&["--cores", "2", "--", "echo", "queued driver ran"]).unwrap();
    assert_eq!(cluster.status(&queued).unwrap()["state"], "SUBMITTED");
    let old = cluster.leader();
    cluster.masters[old].kill_nine();

    let new = cluster.leader();
    assert_ne!(old, new);
    wait_for("ALIVE", SOON, || (cluster.json(&["status"])?["role"] == "ALIVE").then_some(()));
    assert_eq!(running(&cluster, 4), before, "no executor was restarted or moved");
    let status = cluster.wait_for_driver(&job, "FINISHED", JOB);
    assert_eq!(status["attempt"], 1, "the driver was not restarted");
    cluster.wait_for_driver(&queued, "FINISHED", SOON);
    assert_eq!(output(&cluster, &queued), "queued driver ran\n");
    let said = output(&cluster, &job);
    assert!(said.contains("3.14"), "{said}");
    assert!(said.contains("executors: 4 added, 0 lost; leaders: 2"), "{said}");
}

#[test]
fn a_worker_is_killed_with_everything_on_it_and_its_work_is_replaced() {
    let mut cluster = Cluster::start(Shape { workers: 3, cores: 3, ..Shape::default() }).unwrap();
    let job = submit_pi(&cluster, "4");
    let before = running(&cluster, 4);
    let home = cluster.status(&job).unwrap()["worker"].as_str().unwrap().to_owned();
    let victim = before.iter().map(|(_, worker)| worker.clone()).find(|worker| *worker != home).unwrap();
    let at = cluster.workers.iter().position(|worker| worker.id == victim).unwrap();
    cluster.workers[at].kill_nine();

    wait_for("its executors are replaced", SOON, || {
        let now = executors(&cluster);
        let elsewhere = now.iter().all(|executor| executor["worker"] != victim.as_str());
        let all_run = now.iter().filter(|executor| executor["state"] == "RUNNING").count() == 4;
        (elsewhere && all_run).then_some(())
    });
    let ended = cluster.apps()[0]["ended_executors"].clone();
    let lost = ended.as_array().unwrap().iter().filter(|executor| executor["state"] == "LOST").count();
    let had = before.iter().filter(|(_, worker)| *worker == victim).count();
    assert_eq!(lost, had, "{ended}");
    cluster.wait_for_driver(&job, "FINISHED", JOB);
    assert!(output(&cluster, &job).contains("3.14"));
}

#[test]
fn a_killed_worker_leaves_no_orphans_and_its_supervised_driver_goes_on_elsewhere() {
    let mut cluster = Cluster::start(Shape::default()).unwrap();
    let marker = Marker::new("orphan");
    let script = "setsid sleep 600 & sleep 600; : $0";
    let id = cluster.submit(&["--supervise", "--", "sh", "-c", script, marker.text()]).unwrap();
    cluster.wait_for_driver(&id, "RUNNING", SOON);
    wait_for("its process", SOON, || (!marker.processes().is_empty()).then_some(()));
    let home = cluster.status(&id).unwrap()["worker"].as_str().unwrap().to_owned();
    let at = cluster.workers.iter().position(|worker| worker.id == home).unwrap();
    let old = marker.processes();
    cluster.workers[at].kill_nine();
    let status = wait_for("the next attempt", SOON, || {
        cluster.status(&id).filter(|status| status["attempt"] == 2 && status["state"] == "RUNNING")
    });
    assert_ne!(status["worker"], home.as_str());
    wait_for("the old processes to be gone", SOON, || {
        let now = marker.processes();
        old.iter().all(|process| !now.contains(process)).then_some(())
    });
}

#[test]
fn an_orderly_stop_of_the_leader_hands_over_at_once() {
    let mut cluster = Cluster::start(Shape::default()).unwrap();
    let old = cluster.leader();
    cluster.masters[old].signal(rustix::process::Signal::TERM);
    wait_for("its end", SOON, || (!cluster.masters[old].runs()).then_some(()));
    assert_ne!(cluster.leader(), old);
    assert_eq!(cluster.run(&["submit", "--", "true"]).unwrap().code, 0);
}
