//! `tanist ctl` against real masters, on both stores.

#![allow(clippy::unwrap_used, reason = "helpers of tests may fail a test like the tests themselves")]

use std::time::Duration;

use rustix::process::Signal;
use serde_json::Value;
use tanist_testkit::{Cluster, Etcd, Shape, Store, tanist, wait_for};

/// How long anything may take that takes milliseconds on an idle machine.
const SOON: Duration = Duration::from_secs(30);

#[track_caller]
fn run(cluster: &Cluster, code: i32, arguments: &[&str]) -> (String, String) {
    let finished = cluster.run(&[&["ctl"], arguments].concat()).unwrap();
    assert_eq!(finished.code, code, "{arguments:?}: {finished:?}");
    (finished.stdout, finished.stderr)
}

/// Waits until an explanation is as wanted.
#[track_caller]
fn explained(cluster: &Cluster, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
    wait_for(what, SOON, || Some(cluster.ctl(&["explain"])).filter(&wanted))
}

fn finding(explanation: &Value, kind: &str) -> Option<String> {
    let findings = explanation["findings"].as_array()?;
    let found = findings.iter().find(|finding| finding["kind"] == kind)?;
    found["text"].as_str().map(str::to_owned)
}

fn is_fine(explanation: &Value) -> bool {
    explanation["verdict"] == "fine"
}

fn other_than(cluster: &Cluster, leader: usize) -> String {
    cluster.masters[(leader + 1) % cluster.masters.len()].id.clone()
}

#[test]
fn masters_of_one_host_are_looked_at_and_step_down() {
    let cluster = Cluster::start(Shape::default()).unwrap();
    let fine = explained(&cluster, "all is well", is_fine);
    let leader = cluster.leader();
    let id = cluster.masters[leader].id.clone();
    let summary = fine["summary"].as_str().unwrap();
    assert!(summary.starts_with(&format!("{id} leads in term 0.1 since ")), "{summary}");
    assert!(summary.ends_with("; 2 masters, 2 workers, all there"), "{summary}");
    let (text, _) = run(&cluster, 0, &["explain"]);
    assert!(text.starts_with(&format!("{id} leads in term 0.1 since ")), "{text}");

    let members = cluster.ctl(&["members"]);
    let leads: Vec<_> = members.as_array().unwrap().iter().filter(|member| member["leads"] == true).collect();
    assert_eq!((leads.len(), &leads[0]["id"]), (1, &id.as_str().into()));
    assert!(members.as_array().unwrap().iter().all(|member| member["answers"] == true && member["member"] == true));
    let (table, _) = run(&cluster, 0, &["members"]);
    assert!(table.lines().any(|line| line.starts_with('*') && line.contains(&id) && line.contains("ALIVE")), "{table}");

    // A lock has no queue that a target could stand at the head of, and no pause.
    let (_, said) = run(&cluster, 3, &["switchover", "--to", &other_than(&cluster, leader)]);
    assert!(said.contains(&format!("{id} does not hand over the lead")), "{said}");
    let (_, said) = run(&cluster, 3, &["pause", "--for", "1min"]);
    assert!(said.contains("not supported by this store"), "{said}");
    let (_, said) = run(&cluster, 4, &["switchover", "--to", "m9"]);
    assert!(said.contains("m9 is no member; members are m1, m2"), "{said}");
    assert_eq!(cluster.leader(), leader, "nothing was changed");

    let done = cluster.ctl(&["step-down", "--why", "new kernel"]);
    assert_eq!((&done["from"]["master"], &done["from"]["term"]), (&id.as_str().into(), &"0.1".into()), "{done}");
    assert_eq!((&done["to"]["epoch"], done["gap_ms"].is_u64()), (&2.into(), true), "{done}");
    let history = cluster.ctl(&["history"]);
    assert_eq!(history.as_array().map(Vec::len), Some(2), "{history}");
    assert!(history[0]["ended"].as_str().unwrap().contains("new kernel (asked by "), "{history}");
    let (text, _) = run(&cluster, 0, &["history", "--limit", "1"]);
    assert!(text.lines().count() == 2 && text.contains("0.2"), "{text}");
    let counters = cluster.ctl(&["counters"]);
    assert_eq!(counters[&id]["terms_won"], 1, "{counters}");
    explained(&cluster, "all is well again", is_fine);
}

#[test]
fn a_master_that_is_gone_is_missed_and_nobody_left_is_told() {
    let mut cluster = Cluster::start(Shape { workers: 1, ..Shape::default() }).unwrap();
    explained(&cluster, "all is well", is_fine);
    let standby = (cluster.leader() + 1) % 2;
    cluster.masters[standby].kill_nine();
    let missing = explained(&cluster, "it is missed", |explained| finding(explained, "silent").is_some());
    assert_eq!(missing["verdict"], "trouble");
    let text = finding(&missing, "silent").unwrap();
    assert!(text.contains(&cluster.masters[standby].address) && text.contains("connection refused"), "{text}");
    run(&cluster, 1, &["explain"]);
    cluster.masters[1 - standby].kill_nine();
    let (text, _) = run(&cluster, 6, &["explain"]);
    assert!(text.starts_with("no master answers\n- "), "{text}");
    let (text, _) = run(&cluster, 6, &["members"]);
    assert_eq!(text.matches("no: connection refused").count(), 2, "{text}");
}

#[test]
fn the_lead_goes_where_operators_want_and_stays_while_failover_is_paused() {
    let etcd = Etcd::start(1).unwrap();
    let shape = Shape { masters: 3, workers: 1, store: Store::etcd(&etcd), ..Shape::default() };
    let cluster = Cluster::start(shape).unwrap();
    explained(&cluster, "all is well", is_fine);
    let first = cluster.leader();
    let (from, to) = (cluster.masters[first].id.clone(), other_than(&cluster, first));

    let done = cluster.ctl(&["switchover", "--to", &to, "--why", "new kernel"]);
    assert_eq!(
        (&done["from"]["master"], &done["to"]["master"]),
        (&from.as_str().into(), &to.as_str().into()),
        "{done}"
    );
    let again = cluster.ctl(&["switchover", "--to", &to]);
    assert_eq!((&again["from"], &again["to"]["master"]), (&Value::Null, &to.as_str().into()), "it leads already");
    let history = cluster.ctl(&["history"]);
    let ended = history[0]["ended"].as_str().unwrap();
    assert!(ended.contains(&to) && ended.contains("new kernel (asked by "), "{history}");
    explained(&cluster, "all is well again", is_fine);

    let paused = cluster.ctl(&["pause", "--for", "1h", "--why", "disks"]);
    assert!(paused["by"].as_str().unwrap().contains('@') && paused["why"] == "disks", "{paused}");
    let (_, said) = run(&cluster, 3, &["switchover", "--to", &from]);
    assert!(said.contains("failover is paused by") && said.contains("disks"), "{said}");
    let noted = explained(&cluster, "the pause is told", |explained| finding(explained, "paused").is_some());
    assert!(is_fine(&noted), "a leader is ALIVE: {noted}");

    // Without the pause this costs milliseconds.
    cluster.masters[cluster.leader()].signal(Signal::KILL);
    let nobody = explained(&cluster, "nobody leads", |explained| {
        explained["verdict"] == "no_leader" && explained["findings"][0]["kind"] == "paused"
    });
    let text = finding(&nobody, "paused").unwrap();
    assert!(text.contains("disks") && text.contains("tanist ctl resume"), "{text}");
    assert_eq!(cluster.ctl(&["resume"])["was_paused"], true);
    assert_eq!(cluster.ctl(&["resume"])["was_paused"], false);
    let next = explained(&cluster, "somebody leads", |explained| explained["verdict"] != "no_leader");
    assert_eq!(next["leader"]["epoch"], 3, "{next}");
}

#[test]
fn masters_wait_for_etcd_and_say_so() {
    let etcd = Etcd::start(1).unwrap();
    etcd.kill(0);
    let shape = Shape { workers: 0, store: Store::etcd(&etcd), ..Shape::default() };
    let cluster = Cluster::start_unready(shape).unwrap();
    let waiting = explained(&cluster, "they say what they wait for", |explained| {
        explained["verdict"] == "no_leader" && explained.to_string().contains(&etcd.endpoint_list())
    });
    assert!(waiting.to_string().contains("connection refused"), "{waiting}");
    let ended = tanist(&cluster.masters[0].address, &["ctl", "history"]).unwrap().join().unwrap().unwrap();
    assert_eq!(ended.code, 6, "{ended:?}");
    etcd.restart(0).unwrap();
    explained(&cluster, "all is well", is_fine);
}

#[test]
fn dc_05_a_drained_host_gets_nothing_new_across_a_change_of_leader() {
    let cluster = Cluster::start(Shape::default()).unwrap();
    let running = cluster.submit(&["--", "sleep", "600"]).unwrap();
    cluster.wait_for_driver(&running, "RUNNING", SOON);
    let one = cluster.alive_workers()[0].clone();
    let (_, refused) = run(&cluster, 3, &["drain", one["id"].as_str().unwrap()]);
    assert!(refused.contains("which nobody named"), "{refused}");
    let (_, unknown) = run(&cluster, 4, &["drain", "nowhere"]);
    assert!(unknown.contains("nowhere is no worker"), "{unknown}");

    let host = one["address"].as_str().unwrap().rsplit_once(':').unwrap().0.to_owned();
    let (said, _) = run(&cluster, 0, &["drain", &host]);
    assert_eq!(said.trim(), format!("workers that get nothing new on {host}: 2"));
    assert_eq!(cluster.ctl(&["drain", &host])["workers"], 2, "again");
    run(&cluster, 0, &["step-down"]);
    let waiting = cluster.submit(&["--", "true"]).unwrap();
    // Its reason shows that the new leader has seen both workers, and remembers.
    wait_for("it waits for workers that take work", SOON, || {
        let status = cluster.status(&waiting)?;
        let message = status["message"].as_str()?;
        (status["state"] == "SUBMITTED" && message.contains("2 decommissioned")).then_some(())
    });
    assert_eq!(cluster.status(&running).unwrap()["state"], "RUNNING", "what runs goes on");
}
