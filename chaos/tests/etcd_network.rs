//! The network between masters and a worker is slow, or gone in both directions.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::Duration;

use tanist_chaos::{Program, SOON, Stage};
use tanist_testkit::{Cluster, Marker, Mode, Modes, wait_for};

/// Time-outs short enough for a test, and a lease that fits to them.
const TIMERS: [&str; 4] = ["--worker-timeout", "12s", "--lease-ttl", "3s"];
/// The time-out of a worker, a heartbeat, and room.
const LOST: Duration = Duration::from_secs(30);
/// Later than everything that a new leader does at once, and in time for a session to be accepted (5 s).
const LATE: Duration = Duration::from_millis(1500);

fn proxied(flags: &[&'static str]) -> Stage {
    Stage::shaped(|shape| tanist_testkit::Shape { proxied: true, master_flags: flags.to_vec(), ..shape })
}

/// The worker on which a driver runs.
fn home(cluster: &Cluster, driver: &str) -> usize {
    let status = cluster.status(driver).unwrap();
    cluster.workers.iter().position(|worker| status["worker"] == worker.id.as_str()).unwrap()
}

fn workers(cluster: &Cluster) -> BTreeMap<String, String> {
    let workers = cluster.json(&["workers"]).unwrap();
    let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
    workers.as_array().unwrap().iter().map(|worker| (text(&worker["id"]), text(&worker["state"]))).collect()
}

#[test]
fn a_registration_that_is_late_for_the_new_leader_s_notice_spark_4592() {
    let mut stage = proxied(&[]);
    let work = stage.work();
    for round in 0..3 {
        let old = stage.office();
        for worker in 0..4 {
            let late = Modes { inwards: Mode::Delay(LATE), outwards: Mode::Pass };
            stage.cluster.between_masters_and_worker(worker, late);
        }
        let leader = stage.etcd.admin().get(&stage.key("ha/leader")).unwrap().unwrap();
        if round == 0 {
            stage.cluster.masters[old.master].kill_nine();
        }
        // A proxied address still answers when its master is dead, so the office is freed by hand.
        stage.etcd.admin().revoke(leader.lease).unwrap();
        old.wait_for_next(&stage.cluster, LOST);
        let now = workers(&stage.cluster);
        let ids: Vec<&String> = stage.cluster.workers.iter().map(|worker| &worker.id).collect();
        assert_eq!(now.len(), 4, "each worker once: {now:?}");
        assert!(ids.iter().all(|id| now[*id] == "ALIVE"), "{now:?}");
        work.assert_undisturbed(&stage.cluster);
        if round == 0 {
            stage.cluster.restart_master(old.master, &[]).unwrap();
        }
    }
    for worker in 0..4 {
        stage.cluster.between_masters_and_worker(worker, Mode::Pass);
    }
    assert!(stage.cluster.workers.iter_mut().all(tanist_testkit::Node::runs));
    work.finish(&stage.cluster);
}

#[test]
fn a_driver_relaunched_elsewhere_loses_its_old_copy_when_the_partition_heals() {
    let stage = proxied(&TIMERS);
    let supervised = Program::start(&stage.cluster, &["--supervise"]);
    let cut_off = home(&stage.cluster, &supervised.driver);
    let old = supervised.processes();
    stage.cluster.between_masters_and_worker(cut_off, Mode::Hold);
    wait_for("the second attempt", LOST, || {
        let status = stage.cluster.status(&supervised.driver)?;
        (status["attempt"] == 2 && status["state"] == "RUNNING").then_some(())
    });
    assert_ne!(home(&stage.cluster, &supervised.driver), cut_off);
    wait_for("both copies: it was not asked to end in isolation", SOON, || {
        (supervised.processes().len() == 2).then_some(())
    });
    stage.cluster.between_masters_and_worker(cut_off, Mode::Pass);
    wait_for("one copy", LOST, || (supervised.processes().len() == 1).then_some(()));
    assert!(supervised.processes().iter().all(|process| !old.contains(process)), "the new one is left");
    wait_for("the worker is back", LOST, || (stage.cluster.alive_workers().len() == 4).then_some(()));
    supervised.finish(&stage.cluster, 2);
    assert_eq!(workers(&stage.cluster).len(), 4, "each worker once");
}

/// When each process of a driver began, and when it last was alive, in nanoseconds: told by the driver itself.
fn lives(directory: &Path) -> Vec<(u64, u64)> {
    let number = |name: &str| fs::read_to_string(directory.join(name)).ok()?.trim().parse::<u64>().ok();
    let files = fs::read_dir(directory).unwrap().flatten();
    let names: Vec<String> = files.filter_map(|file| file.file_name().into_string().ok()).collect();
    let begun = names.iter().filter_map(|name| name.strip_prefix("began-"));
    let mut lives: Vec<(u64, u64)> = begun
        .filter_map(|process| Some((number(&format!("began-{process}"))?, number(&format!("alive-{process}"))?)))
        .collect();
    lives.sort_unstable();
    lives
}

#[test]
fn two_copies_of_a_driver_that_ends_in_isolation_never_overlap() {
    let stage = proxied(&TIMERS);
    // Deaf to SIGTERM, so that it takes the last moment. Each sign of life is written whole, then renamed into its place.
    let script = "trap '' TERM; date +%s%N > \"$1/began-$$\"; \
                  while :; do date +%s%N > \"$1/new-$$\"; mv \"$1/new-$$\" \"$1/alive-$$\"; sleep 0.02; done; : $0";
    let submit = |name: &str| {
        let (marker, directory) = (Marker::new(name), stage.cluster.directory().join(name));
        fs::create_dir(&directory).unwrap();
        let flags =
            ["--supervise", "--on-isolation", "kill", "--memory", "128m", "--", "sh", "-c", script, marker.text()];
        let driver = stage.cluster.submit(&[&flags[..], &[directory.to_str().unwrap()]].concat()).unwrap();
        wait_for("its first sign of life", SOON, || (lives(&directory).len() == 1).then_some(()));
        (driver, marker, directory)
    };
    let (driver, marker, directory) = submit("isolated");
    let cut_off = home(&stage.cluster, &driver);
    stage.cluster.between_masters_and_worker(cut_off, Mode::Hold);
    wait_for("the second life", LOST, || (lives(&directory).len() == 2).then_some(()));
    stage.cluster.between_masters_and_worker(cut_off, Mode::Pass);
    wait_for("the worker is back", LOST, || (stage.cluster.alive_workers().len() == 4).then_some(()));
    let lives = lives(&directory);
    let [(first, last_of_first), (second, _)] = lives.as_slice() else { panic!("two lives, not {lives:?}") };
    assert!(
        first < second && last_of_first < second,
        "the first lived until {last_of_first}, the second began at {second}"
    );
    let status = stage.cluster.status(&driver).unwrap();
    assert_eq!((&status["state"], &status["attempt"]), (&"RUNNING".into(), &2.into()), "{status}");
    assert_eq!(stage.cluster.run(&["kill", &driver]).unwrap().code, 0);
    stage.cluster.wait_for_driver(&driver, "KILLED", SOON);
    assert_eq!(marker.processes(), Vec::<i32>::new());
}
