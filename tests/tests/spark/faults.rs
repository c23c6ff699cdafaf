//! What happens to a cluster while an application of Spark runs on it. These take minutes: `cargo xtask spark`.

use std::thread;
use std::time::Duration;

use rustix::process::Signal;
use tanist_testkit::{Spark, wait_for};

use crate::application::tasks;
use crate::world::{SLOWLY, World};

/// How long etcd is away.
const OUTAGE: Duration = Duration::from_secs(30);

#[test]
#[ignore = "takes minutes"]
fn ten_planned_changes_of_leader_in_a_row_are_not_felt() {
    for spark in Spark::releases() {
        let world = World::new(&spark);
        world.undisturbed_rounds(&[], |rounds, _| {
            for _ in 0..10 {
                let next = (world.cluster.leader() + 1) % world.cluster.masters.len();
                let id = world.cluster.masters[next].id.clone();
                let left = world.cluster.run(&["ctl", "switchover", "--to", &id, "--why", "test"]).unwrap();
                assert_eq!(left.code, 0, "{left:?}");
                world.cluster.wait_for_leader(next, SLOWLY);
                rounds.wait_for_more(1);
            }
        });
    }
}

#[test]
#[ignore = "takes minutes"]
fn a_leader_that_stands_still_is_not_felt() {
    for spark in Spark::releases() {
        let world = World::new(&spark);
        world.undisturbed_rounds(&[], |rounds, _| {
            let frozen = world.cluster.leader();
            world.cluster.masters[frozen].signal(Signal::STOP);
            wait_for("another leader", SLOWLY, || (world.cluster.leader() != frozen).then_some(()));
            rounds.wait_for_more(3);
            world.cluster.masters[frozen].signal(Signal::CONT);
            rounds.wait_for_more(3);
        });
    }
}

#[test]
#[ignore = "takes minutes"]
fn all_of_etcd_is_away_and_an_application_does_not_feel_it() {
    for spark in Spark::releases() {
        let world = World::new(&spark);
        world.undisturbed_rounds(&[], |rounds, _| {
            world.etcd.stop_all();
            // Not for a condition: it is the length of the outage that is tried.
            thread::sleep(OUTAGE);
            rounds.wait_for_more(2);
            world.etcd.cont_all();
            rounds.wait_for_more(2);
        });
    }
}

#[test]
#[ignore = "takes minutes"]
fn the_executors_of_a_worker_that_is_killed_are_lost_with_their_host_and_replaced_hb_05() {
    for spark in Spark::releases() {
        let mut world = World::new(&spark);
        let rounds = world.rounds(&[]);
        rounds.wait_for_more(2);
        world.wait_for_executors(2);
        let (first, other) = (world.cluster.workers[0].address.clone(), world.cluster.workers[1].address.clone());
        world.cluster.workers[0].kill_nine();
        rounds.wait_for_added(3);
        rounds.wait_for_more(2);
        world.wait_for_executors(2);
        let removed = rounds.driver.events("ExecutorRemoved");
        assert_eq!(removed.len(), 1, "one ran there: {removed:?}");
        let why = removed[0]["Removed Reason"].as_str().unwrap();
        assert!(why.contains("worker lost"), "{why}");
        let driver = rounds.end();
        // A lost worker is nobody's fault: no task is counted as failed for that.
        let (_, failed) = tasks(&driver);
        let blamed = failed.iter().filter(|task| task["Task End Reason"]["Exit Caused By App"] == true);
        assert_eq!(blamed.count(), 0, "{failed:?}");
        world.wait_for_application("FINISHED");
        assert_ne!(first, other);
    }
}
