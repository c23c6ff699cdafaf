//! A take-over that is itself disturbed: by another death, by workers that start anew, by records that cannot be read.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::time::Duration;

use rustix::process::Signal;
use serde_json::Value;
use tanist_chaos::{Office, Program, SOON, Stage, ended, term};
use tanist_testkit::{Entry, Node, wait_for};

/// A lease of 5 s, the recovery of 10 s, and room.
const RECOVERY: Duration = Duration::from_secs(40);

/// Which master recovers, with its epoch.
fn recovering(stage: &Stage) -> (usize, u64) {
    wait_for("RECOVERING", SOON, || {
        let status = stage.cluster.json(&["status"])?;
        let master = stage.cluster.masters.iter().position(|node| status["leader"]["master"] == node.id.as_str())?;
        let waits = status["role"] == "RECOVERING" && status["workers_missing"] == 1;
        waits.then(|| (master, status["leader"]["epoch"].as_u64().unwrap()))
    })
}

#[test]
fn a_leader_dies_in_the_middle_of_its_recovery() {
    let mut stage = Stage::new();
    let work = stage.work();
    let first = stage.office();
    // A silent worker keeps the recovery open for its 10 s.
    stage.cluster.workers[0].signal(Signal::STOP);
    stage.cluster.masters[first.master].kill_nine();
    let (second, epoch) = recovering(&stage);
    assert_eq!(epoch, first.epoch + 1);
    stage.cluster.masters[second].kill_nine();
    let (third, epoch) = recovering(&stage);
    assert_eq!(epoch, first.epoch + 2);
    assert_ne!(third, first.master);
    for master in [first.master, second] {
        stage.cluster.restart_master(master, &[]).unwrap();
    }
    stage.cluster.workers[0].signal(Signal::CONT);
    let office = Office::wait(&stage.cluster, RECOVERY);
    assert_eq!((office.master, office.epoch), (third, epoch));
    work.assert_undisturbed(&stage.cluster);
    let unfinished = term(&stage.cluster, epoch - 1);
    assert!(unfinished["recovery"].is_null() && unfinished["ended"].is_string(), "{unfinished}");
    work.finish(&stage.cluster);
}

#[test]
fn every_worker_starts_anew_during_a_recovery() {
    let mut stage = Stage::new();
    let plain = Program::start(&stage.cluster, &[]);
    let supervised: Vec<Program> = (0..3).map(|_| Program::start(&stage.cluster, &["--supervise"])).collect();
    let first = stage.office();
    stage.cluster.workers[0].signal(Signal::STOP);
    stage.cluster.masters[first.master].kill_nine();
    let (_, epoch) = recovering(&stage);
    // All at once: what is given to the next worker would only be lost with that one.
    stage.cluster.workers.iter_mut().for_each(Node::kill_nine);
    for worker in 0..stage.cluster.workers.len() {
        stage.cluster.restart_worker(worker).unwrap();
    }
    let office = Office::wait(&stage.cluster, RECOVERY);
    assert_eq!(office.epoch, epoch);
    wait_for("all workers", SOON, || (stage.cluster.alive_workers().len() == 4).then_some(()));
    for program in supervised {
        program.wait_until_up(&stage.cluster);
        assert_eq!(stage.cluster.status(&program.driver).unwrap()["attempt"], 2);
        program.finish(&stage.cluster, 2);
    }
    // It ended with its worker, and nobody asked for another one.
    let status = ended(&stage.cluster, &plain.driver, SOON);
    assert_eq!((&status["state"], &status["attempt"]), (&"ERROR".into(), &1.into()), "{status}");
    assert_eq!(plain.processes(), Vec::<i32>::new());
    let workers = stage.cluster.json(&["workers"]).unwrap();
    assert_eq!(workers.as_array().unwrap().len(), 4, "each worker once: {workers}");
}

/// What a disk, or a hand, may make of a record.
fn spoilt(record: &[u8]) -> Vec<Vec<u8>> {
    let flipped = |at: usize| {
        let mut bytes = record.to_vec();
        bytes[at] ^= 0x04;
        bytes
    };
    let mut version: Value = serde_json::from_slice(record).unwrap();
    version["v"] = 99.into();
    vec![
        Vec::new(),
        record[..record.len() / 2].to_vec(),
        flipped(0),
        flipped(record.len() / 2),
        flipped(record.len() - 2),
        version.to_string().into_bytes(),
        vec![0xff; 64],
        b"null".to_vec(),
    ]
}

#[test]
fn records_that_cannot_be_read_are_put_aside_and_the_rest_is_served() {
    let mut stage = Stage::new();
    let work = stage.work();
    assert_eq!(stage.cluster.run(&["submit", "--memory", "128m", "--", "true"]).unwrap().code, 0);
    let first = stage.office();
    for master in 0..3 {
        stage.cluster.masters[master].kill_nine();
    }
    let admin = stage.etcd.admin();
    // One good record of each kind; its spoilt copies lie beside it, under ids of their own.
    let mut spoilt_keys: Vec<(String, Vec<u8>)> = Vec::new();
    for kind in ["state/workers/", "state/apps/", "state/drivers/", "state/requests/", "done/drivers/"] {
        let records = admin.list(&stage.key(kind)).unwrap();
        let Entry { value, .. } = records.first().unwrap_or_else(|| panic!("no record below {kind}"));
        for (n, bytes) in spoilt(value).into_iter().enumerate() {
            let key = format!("{kind}spoilt-{n}");
            admin.put(&stage.key(&key), &bytes).unwrap();
            spoilt_keys.push((key, bytes));
        }
    }
    let history = admin.list(&stage.key("ha/history/")).unwrap().pop().unwrap();
    admin.put(&history.key, &history.value[..history.value.len() / 2]).unwrap();
    for master in 0..3 {
        stage.cluster.restart_master(master, &[]).unwrap();
    }
    let office = first.wait_for_next(&stage.cluster, RECOVERY);
    work.assert_undisturbed(&stage.cluster);
    for (key, bytes) in &spoilt_keys {
        let aside = admin.get(&stage.key(&format!("quarantine/{key}"))).unwrap();
        assert_eq!(aside.map(|entry| entry.value).as_ref(), Some(bytes), "{key}, byte for byte");
        assert!(admin.get(&stage.key(key)).unwrap().is_none(), "{key} is not in the way any more");
    }
    let status = stage.cluster.json(&["status"]).unwrap();
    let shown: Vec<&str> = status["quarantined"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    for (key, _) in &spoilt_keys {
        assert!(shown.iter().any(|name| name.contains(key.as_str())), "{key} is not in {shown:?}");
    }
    let figures = wait_for("the figures of the recovery", SOON, || {
        Some(term(&stage.cluster, office.epoch)["recovery"].clone()).filter(Value::is_object)
    });
    assert_eq!(figures["quarantined"], spoilt_keys.len(), "{figures}");
    let explained = stage.cluster.ctl(&["explain"]).to_string();
    assert!(explained.contains("quarantine"), "{explained}");
    work.finish(&stage.cluster);
}
