//! etcd is away, full, or not there yet: the leader waits, and is the same one afterwards.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::time::{Duration, Instant};

use serde_json::Value;
use tanist_chaos::{Office, SOON, Slot, Stage, Work, history, term};
use tanist_testkit::{Cluster, Etcd, Shape, Store, wait_for};

/// How long all of etcd is gone: twelve leases.
const OUTAGE: Duration = Duration::from_secs(60);

fn explain(cluster: &Cluster) -> Value {
    cluster.ctl(&["explain"])
}

/// What is shown while nobody may act.
fn wait_until_suspended(stage: &Stage, office: &Office) {
    let shown = wait_for("SUSPENDED", SOON, || {
        let shown = stage.cluster.run(&["status", "--output", "json"]).unwrap();
        (shown.json()["role"] == "SUSPENDED").then_some(shown)
    });
    assert_eq!(shown.code, 6, "nobody leads: {shown:?}");
    assert_eq!(shown.json()["leader"]["epoch"], office.epoch);
    let explained = explain(&stage.cluster);
    assert_eq!(explained["verdict"], "no_leader", "{explained}");
    let summary = explained["summary"].as_str().unwrap();
    assert!(summary.contains("SUSPENDED") && summary.contains(&stage.cluster.masters[office.master].id), "{summary}");
}

/// Same leader, same term, and no second recovery of it.
fn assert_resumed(stage: &Stage, office: &Office, before: &Value, work: &Work) {
    assert_eq!(stage.office(), *office);
    assert_eq!(term(&stage.cluster, office.epoch), *before, "one term, one recovery");
    work.assert_undisturbed(&stage.cluster);
}

#[test]
fn all_of_etcd_is_away_for_a_minute_and_the_same_leader_resumes() {
    let stage = Stage::new();
    let work = stage.work();
    let office = stage.office();
    let before = wait_for("the figures of its recovery", SOON, || {
        Some(term(&stage.cluster, office.epoch)).filter(|term| term["recovery"].is_object())
    });

    let gone_at = Instant::now();
    stage.etcd.kill_all();
    wait_until_suspended(&stage, &office);
    let asked = stage.cluster.spawn(&["submit", "--memory", "128m", "--", "true"]).unwrap();
    wait_for("a minute", OUTAGE * 2, || (gone_at.elapsed() >= OUTAGE).then_some(()));
    let stale = stage.cluster.run(&["status", "--output", "json"]).unwrap().json();
    let marked = stale["degraded"].as_str().unwrap();
    assert!(marked.contains("suspended since") && marked.contains("out of date"), "{marked}");
    stage.etcd.start_all().unwrap();
    assert_resumed(&stage, &office, &before, &work);
    let asked = asked.join().unwrap().unwrap();
    assert!([0, 5, 6].contains(&asked.code), "taken after the outage, or refused in words: {asked:?}");
    assert_eq!(stage.cluster.run(&["submit", "--memory", "128m", "--", "true"]).unwrap().code, 0);
    assert_eq!(work.finish(&stage.cluster), 1);
}

#[test]
fn all_of_etcd_is_frozen_and_nothing_but_the_term_may_change() {
    let stage = Stage::new();
    let work = stage.work();
    let office = stage.office();
    stage.etcd.stop_all();
    wait_until_suspended(&stage, &office);
    stage.etcd.cont_all();
    // Unlike one that was down, an etcd that was frozen may find the lease over when it wakes up.
    let resumed = stage.office();
    assert!(resumed == office || resumed.epoch == office.epoch + 1, "{resumed:?}");
    work.assert_undisturbed(&stage.cluster);
    work.finish(&stage.cluster);
}

#[test]
fn a_full_etcd_is_no_loss_of_leadership() {
    let stage = Stage::new();
    let work = stage.work();
    let office = stage.office();
    stage.etcd.admin().raise_no_space().unwrap();
    let refused = stage.cluster.spawn(&["submit", "--memory", "128m", "--", "true"]).unwrap();
    let finding = wait_for("an explanation", SOON, || {
        let explained = explain(&stage.cluster);
        let findings = explained["findings"].as_array()?.clone();
        findings.into_iter().find(|finding| finding["kind"] == "degraded" || finding["kind"] == "store")
    });
    let text = finding["text"].as_str().unwrap().to_lowercase();
    assert!(text.contains("space"), "{text}");
    let read = wait_for("the last view of a driver, and why it is the last", SOON, || {
        let status = stage.cluster.status(&work.queued)?;
        status["degraded"].as_str()?.to_lowercase().contains("space").then_some(status)
    });
    assert_eq!((read["state"].as_str(), read["age_ms"].is_u64()), (Some("SUBMITTED"), true), "{read}");
    work.assert_undisturbed(&stage.cluster);
    stage.etcd.admin().disarm().unwrap();
    let refused = refused.join().unwrap().unwrap();
    assert!(refused.code == 0 || refused.stderr.to_lowercase().contains("space"), "{refused:?}");
    wait_for("changes are taken again", SOON, || {
        let shown = stage.cluster.json(&["status"])?;
        shown["degraded"].is_null().then_some(())
    });
    assert_eq!(stage.cluster.run(&["submit", "--memory", "128m", "--", "true"]).unwrap().code, 0);
    assert_eq!(stage.office(), office, "same leader, same term");
    assert_eq!(history(&stage.cluster).len(), 1);
    work.finish(&stage.cluster);
}

#[test]
fn masters_that_start_before_etcd_wait_for_it_and_say_so() {
    let _slot = Slot::take();
    let etcd = Etcd::start(3).unwrap();
    etcd.kill_all();
    let shape = Shape { masters: 3, workers: 1, cores: 3, store: Store::etcd(&etcd), ..Shape::default() };
    let mut cluster = Cluster::start_unready(shape).unwrap();
    let said = wait_for("an explanation", SOON, || {
        let explained = explain(&cluster);
        let waits = explained["verdict"] == "no_leader" && explained["findings"].as_array()?.len() >= 3;
        waits.then(|| explained.to_string())
    });
    assert!(said.contains("waits for the store") && said.contains("refused"), "{said}");
    assert!(etcd.endpoints().iter().any(|member| said.contains(member.trim_start_matches("http://"))), "{said}");
    etcd.start_all().unwrap();
    let office = Office::wait(&cluster, SOON);
    assert_eq!(office.epoch, 1);
    assert_eq!(cluster.run(&["submit", "--", "true"]).unwrap().code, 0);
    assert!(cluster.masters.iter_mut().all(tanist_testkit::Node::runs));
    let fine = wait_for("nothing to explain", SOON, || {
        Some(explain(&cluster)).filter(|explained| explained["verdict"] == "fine")
    });
    assert!(fine["summary"].as_str().unwrap().contains("3 masters"), "{fine}");
}
