//! The scenarios.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::thread;

use tanist_testkit::{Spark, kill_nine, wait_for};

use crate::world::{SLOWLY, World, submitted};

#[test]
fn what_spark_submit_submits_runs_to_its_end_and_is_seen_ss_04_ss_06_t_rs_04() {
    for spark in Spark::releases() {
        let world = World::new(&spark);
        let driver = world.submit(&[], "SparkPi", &["4"]);
        world.wait_for(&driver, "FINISHED");
        assert!(world.said(&driver, "stdout").contains("Pi is roughly 3."), "{}", world.said(&driver, "stderr"));
        let seen = world.ask("--status", &driver);
        let said = format!("{}{}", seen.stdout, seen.stderr);
        assert!(said.contains("FINISHED"), "{} {said}", spark.version);
    }
}

#[test]
fn spark_submit_kills_a_driver_ss_03_t_rs_20_t_rs_21_t_rs_22() {
    for spark in Spark::releases() {
        let world = World::new(&spark);
        let driver = world.submit(&["--name", "sleeps"], "Sleeper", &["a", "b c"]);
        world.wait_for_words(&driver, "started with a,b c");
        world.wait_for_words(&driver, "variables [SPARK_VAR]");
        let killed = world.ask("--kill", &driver);
        let said = format!("{}{}", killed.stdout, killed.stderr);
        assert!(said.contains(&format!("{driver} is killed successfully.")), "{} {said}", spark.version);
        world.wait_for(&driver, "KILLED");
    }
}

#[test]
fn a_supervised_driver_is_launched_again_when_its_worker_dies_dr_09() {
    for spark in Spark::releases() {
        let mut world = World::new(&spark);
        let driver = world.submit(&["--supervise"], "Sleeper", &["1"]);
        world.wait_for_words(&driver, "started with 1");
        let running = world.wait_for(&driver, "RUNNING");
        let host = running["worker"].as_str().unwrap().to_owned();
        let place = world.cluster.workers.iter().position(|worker| worker.id == host).unwrap();
        world.cluster.workers[place].kill_nine();
        let other = 1 - place;
        let again = world.cluster.work_dir(other).join(&driver).join("stdout");
        wait_for("the driver on the other worker", SLOWLY, || {
            fs::read_to_string(&again).ok().filter(|said| said.contains("started with 1")).map(drop)
        });
        assert_eq!(world.wait_for(&driver, "RUNNING")["worker"].as_str().unwrap(), world.cluster.workers[other].id);
    }
}

#[test]
fn a_submission_while_the_lead_changes_is_accepted_and_queued_drivers_outlive_it_rc_13_t_rs_03() {
    for spark in Spark::releases() {
        let world = World::new(&spark);
        let waiting = world.submit(&["--driver-cores", "64"], "Sleeper", &[]);
        let leader = world.cluster.leader();
        // It comes here first, on its way to the masters.
        let door = TcpListener::bind("127.0.0.1:0").unwrap();
        door.set_nonblocking(true).unwrap();
        let masters = world.url().replace("spark://", &format!("spark://{},", door.local_addr().unwrap()));
        let finished = thread::scope(|scope| {
            let submission = scope.spawn(|| world.submission(&masters, &[], "Sleeper", &["2"]));
            let visitor = wait_for("spark-submit", SLOWLY, || door.accept().ok());
            let leader = &world.cluster.masters[leader];
            kill_nine(leader.pid());
            // Until its port refuses, a standby has every reason to believe in it, and says so.
            wait_for("its end", SLOWLY, || TcpStream::connect(&leader.address).is_err().then_some(()));
            drop((visitor, door));
            submission.join().unwrap()
        });
        let driver = submitted(&finished);
        world.wait_for_words(&driver, "started with 2");
        world.wait_for(&waiting, "SUBMITTED");
    }
}

#[test]
fn a_python_application_goes_through_rest_re_14() {
    for spark in Spark::releases() {
        let world = World::new(&spark);
        let driver = world.submit_python("pi.py", &["2"]);
        world.wait_for(&driver, "FINISHED");
        assert!(world.said(&driver, "stdout").contains("Pi is roughly 3."), "{}", world.said(&driver, "stderr"));
    }
}
