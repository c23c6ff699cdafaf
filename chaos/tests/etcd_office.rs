//! The office changes hands, on purpose and by force, and nothing that runs or waits notices.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::time::{Duration, Instant};

use rustix::process::Signal;
use tanist_chaos::{Office, SOON, Stage, Work, count, history, member, term};
use tanist_testkit::{Mode, Modes, Node, Shape, tanist, wait_for};

/// A lease of 5 s, half a second until etcd looks, one second of its election where its leader died with ours, and room.
const LEASE_AND_MORE: Duration = Duration::from_secs(20);
/// Longer than one announcement waits for its answer.
const ANNOUNCED: Duration = Duration::from_secs(3);
/// How long a leader is frozen: four leases.
const FROZEN: Duration = Duration::from_secs(20);

/// Kills the leader, and brings it back as a standby.
fn kill_leader(stage: &mut Stage) -> Office {
    let old = stage.office();
    stage.cluster.masters[old.master].kill_nine();
    let new = old.wait_for_next(&stage.cluster, LEASE_AND_MORE);
    assert_ne!(new.master, old.master);
    stage.cluster.restart_master(old.master, &[]).unwrap();
    new
}

fn began(stage: &Stage, epoch: u64) -> String {
    term(&stage.cluster, epoch)["began"].as_str().unwrap().to_owned()
}

#[test]
fn a_leader_that_dies_or_steps_down_is_followed_at_once() {
    let mut stage = Stage::new();
    let work = stage.work();
    let first = stage.office();

    let second = kill_leader(&mut stage);
    work.assert_undisturbed(&stage.cluster);
    let why = began(&stage, second.epoch);
    assert!(why.contains("deposed") || why.contains("refused"), "found dead, not waited for: {why}");
    let took = term(&stage.cluster, second.epoch)["began_at_ms"].as_u64().unwrap()
        - term(&stage.cluster, first.epoch)["ended_at_ms"].as_u64().unwrap();
    assert!(took < 2_000, "{took} ms between the terms");

    stage.cluster.masters[second.master].signal(Signal::TERM);
    assert_eq!(stage.cluster.masters[second.master].wait_for_end(SOON), 0);
    let third = second.wait_for_next(&stage.cluster, SOON);
    stage.cluster.restart_master(second.master, &[]).unwrap();
    work.assert_undisturbed(&stage.cluster);

    let epochs: Vec<u64> = history(&stage.cluster).iter().map(|term| term["epoch"].as_u64().unwrap()).collect();
    assert_eq!(epochs, (first.epoch..=third.epoch).collect::<Vec<_>>(), "each term once, in order");
    assert_eq!(work.finish(&stage.cluster), 3);
}

#[test]
fn a_leader_that_is_alone_and_restarted_does_not_wait_for_its_own_lease() {
    let mut stage = Stage::shaped(|shape| Shape { masters: 1, ..shape });
    let work = stage.work();
    let first = stage.office();
    stage.cluster.masters[0].kill_nine();
    stage.cluster.restart_master(0, &[]).unwrap();
    let second = first.wait_for_next(&stage.cluster, LEASE_AND_MORE);
    assert_eq!((second.master, second.epoch), (0, first.epoch + 1));
    let ended = term(&stage.cluster, first.epoch)["ended"].as_str().unwrap().to_owned();
    assert!(ended.contains("deposed by") && ended.contains("its address"), "not by the end of its lease: {ended}");
    work.assert_undisturbed(&stage.cluster);
    assert_eq!(work.finish(&stage.cluster), 2);
}

#[test]
fn the_office_goes_to_and_fro_twenty_times() {
    let stage = Stage::new();
    let work = stage.work();
    let mut office = stage.office();
    for round in 0..20 {
        let target = if round % 2 == 0 { (office.master + 1) % 3 } else { (office.master + 2) % 3 };
        let id = stage.cluster.masters[target].id.clone();
        let done = stage.cluster.run(&["ctl", "switchover", "--to", &id]).unwrap();
        assert_eq!(done.code, 0, "round {round}: {done:?}");
        let next = office.wait_for_next(&stage.cluster, SOON);
        assert_eq!((next.master, next.epoch), (target, office.epoch + 1), "round {round}");
        office = next;
    }
    work.assert_undisturbed(&stage.cluster);
    let last = term(&stage.cluster, office.epoch - 1);
    assert!(last["ended"].as_str().unwrap().contains(&stage.cluster.masters[office.master].id), "{last}");
    assert_eq!(work.finish(&stage.cluster), 21);
}

#[test]
fn a_frozen_leader_wakes_up_as_a_standby_and_its_late_acts_are_refused() {
    let stage = Stage::new();
    let work = stage.work();
    let old = stage.office();
    let node = &stage.cluster.masters[old.master];
    node.signal(Signal::STOP);
    // Asked of the frozen one alone: it hears of this when it wakes up.
    let late = tanist(&node.address, &["submit", "--detach", "--memory", "128m", "--", "true"]).unwrap();
    let frozen_at = Instant::now();
    let new = old.wait_for_next(&stage.cluster, LEASE_AND_MORE);
    assert_ne!(new.master, old.master);
    assert_eq!(stage.cluster.run(&["submit", "--memory", "128m", "--", "true"]).unwrap().code, 0, "a successor works");
    work.assert_undisturbed(&stage.cluster);
    wait_for("four leases", FROZEN * 2, || (frozen_at.elapsed() >= FROZEN).then_some(()));
    node.signal(Signal::CONT);

    wait_for("it is a standby again", SOON, || (member(&stage.cluster, old.master)["role"] == "STANDBY").then_some(()));
    assert_eq!(stage.office(), new, "its return changes nothing");
    let refused = count(&stage.cluster, old.master, "commits_refused")
        + count(&stage.cluster, old.master, "effects_withheld")
        + count(&stage.cluster, old.master, "suspensions");
    assert!(refused > 0, "{}", member(&stage.cluster, old.master));
    // It was led on to the successor, or told that it came in vain; an id that was given is a driver that ran.
    let late = late.join().unwrap().unwrap();
    if late.code == 0 {
        stage.cluster.wait_for_driver(late.stdout.trim(), "FINISHED", SOON);
    }
    work.assert_undisturbed(&stage.cluster);
    assert_eq!(work.finish(&stage.cluster), 2);
}

#[test]
fn what_a_deposed_leader_says_late_is_refused_by_the_workers() {
    let stage = Stage::shaped(|shape| Shape { proxied: true, ..shape });
    let work = stage.work();
    let before = stage.office();
    // What the next leader says to workers is on the way for 6 s: when it arrives, somebody else leads.
    let slow = (before.master + 1) % 3;
    let late = Modes { inwards: Mode::Delay(Duration::from_secs(6)), outwards: Mode::Pass };
    let process = stage.cluster.masters[slow].pid();
    stage.cluster.before_workers.iter().for_each(|proxy| proxy.set_for(process, late));
    // Workers do not come by themselves meanwhile, so that it goes on announcing itself.
    let silent = Modes { inwards: Mode::Hold, outwards: Mode::Pass };
    let towards_masters = |modes: Modes| {
        let workers: Vec<i32> = stage.cluster.workers.iter().map(Node::pid).collect();
        let proxies = stage.cluster.before_masters.iter();
        proxies.for_each(|proxy| workers.iter().for_each(|worker| proxy.set_for(*worker, modes)));
    };
    towards_masters(silent);
    let id = stage.cluster.masters[slow].id.clone();
    let handed = stage.cluster.run(&["ctl", "switchover", "--to", &id]).unwrap();
    assert_eq!(handed.code, 0, "{handed:?}");
    let led_since = Instant::now();
    wait_for("its announcements are on the way", SOON, || (led_since.elapsed() >= ANNOUNCED).then_some(()));
    // Whom nothing holds up: the slow one may be the quickest to win again.
    let third = stage.cluster.masters[(slow + 1) % 3].id.clone();
    let handed = stage.cluster.run(&["ctl", "switchover", "--to", &third]).unwrap();
    assert_eq!(handed.code, 0, "{handed:?}");
    towards_masters(Mode::Pass.into());
    let after = before.wait_for_next(&stage.cluster, LEASE_AND_MORE);
    let after =
        if after.epoch == before.epoch + 1 { after.wait_for_next(&stage.cluster, LEASE_AND_MORE) } else { after };
    assert_ne!(after.master, slow);
    let refused = wait_for("refusals", SOON, || {
        let workers = stage.cluster.alive_workers();
        let refused: u64 = workers.iter().filter_map(|worker| worker["refused_commands"].as_u64()).sum();
        (refused > 0).then_some(refused)
    });
    let said: String = stage.cluster.workers.iter().map(Node::said).collect();
    assert!(said.contains("refused an act under a term that is over"), "{refused} refused: {said}");
    work.assert_undisturbed(&stage.cluster);
    work.finish(&stage.cluster);
}

fn end_lease(stage: &Stage) {
    let leader = stage.etcd.admin().get(&stage.key("ha/leader")).unwrap().unwrap();
    stage.etcd.admin().revoke(leader.lease).unwrap();
}

fn delete_leader(stage: &Stage) {
    assert!(stage.etcd.admin().delete(&stage.key("ha/leader")).unwrap());
}

fn undisturbed_by(stage: &Stage, work: &Work, fault: fn(&Stage)) -> Office {
    let old = stage.office();
    fault(stage);
    let new = old.wait_for_next(&stage.cluster, LEASE_AND_MORE);
    work.assert_undisturbed(&stage.cluster);
    assert_eq!(new.epoch, old.epoch + 1);
    new
}

#[test]
fn a_lease_revoked_and_a_key_deleted_by_hand_cost_a_recovery_and_nothing_else() {
    let stage = Stage::new();
    let work = stage.work();
    undisturbed_by(&stage, &work, end_lease);
    undisturbed_by(&stage, &work, delete_leader);
    // etcd's own leader dies: the office stays where it is.
    let office = stage.office();
    let dead = wait_for("etcd's leader", SOON, || stage.etcd.leader());
    stage.etcd.kill(dead);
    wait_for("another one", SOON, || stage.etcd.leader());
    assert_eq!(stage.cluster.run(&["submit", "--memory", "128m", "--", "true"]).unwrap().code, 0);
    assert_eq!(stage.office(), office, "same leader, same term");
    stage.etcd.restart(dead).unwrap();
    work.assert_undisturbed(&stage.cluster);
    work.finish(&stage.cluster);
}

#[test]
fn a_compaction_ahead_of_a_watcher_is_no_harm() {
    let stage = Stage::new();
    let work = stage.work();
    let office = stage.office();
    let behind = (office.master + 1) % 3;
    // Frozen, it keeps its lease for less than 5 s: enough for a few changes.
    stage.cluster.masters[behind].signal(Signal::STOP);
    for _ in 0..3 {
        assert_eq!(stage.cluster.run(&["submit", "--memory", "128m", "--", "true"]).unwrap().code, 0);
    }
    let admin = stage.etcd.admin();
    admin.compact(admin.revision().unwrap()).unwrap();
    stage.cluster.masters[behind].signal(Signal::CONT);
    let copied = wait_for("its copy is complete again", SOON, || {
        let member = member(&stage.cluster, behind);
        let revision = member["mirror"]["revision"].as_i64()?;
        (revision >= admin.revision().ok()?).then_some(member)
    });
    assert_eq!(copied["mirror"]["differences"], 0, "{copied}");
    assert_eq!(stage.office(), office);
    let id = stage.cluster.masters[behind].id.clone();
    assert_eq!(stage.cluster.run(&["ctl", "switchover", "--to", &id]).unwrap().code, 0);
    assert_eq!(office.wait_for_next(&stage.cluster, SOON).master, behind);
    let mirror = member(&stage.cluster, behind)["mirror"].clone();
    assert!(mirror["compared"].as_u64().unwrap() > 0 && mirror["differences"] == 0, "{mirror}");
    work.assert_undisturbed(&stage.cluster);
    work.finish(&stage.cluster);
}
