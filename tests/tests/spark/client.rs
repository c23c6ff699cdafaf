//! `spark-submit` in client mode, as users have it: the parts that every run of the tests has.

use std::fs;

use tanist_testkit::{Spark, kill_nine};

use crate::application::{ask, assert_undisturbed, tasks};
use crate::world::{SLOWLY, World};

#[test]
fn an_unmodified_application_runs_and_ends_ap_01_ern_02_ern_04_ern_05() {
    for spark in Spark::releases() {
        let world = World::new(&spark);
        let pi = spark.home.join("examples/pi.py").display().to_string();
        let mut driver = world.application(&[], &[&pi, "4"]);
        let ended = driver.wait_for_end(SLOWLY);
        assert!(ended.code == 0 && ended.stdout.contains("Pi is roughly 3."), "{ended:?}");
        world.wait_for_application("FINISHED");
        world.wait_for_nothing_left();
        assert_undisturbed(&driver, 2);

        for added in driver.events("ExecutorAdded") {
            let pages = added["Executor Info"]["Log Urls"].as_object().unwrap();
            assert_eq!(pages.keys().map(String::as_str).collect::<Vec<_>>(), ["stderr", "stdout"]);
            for url in pages.values() {
                let (address, path) = url.as_str().unwrap().strip_prefix("http://").unwrap().split_once('/').unwrap();
                let page = ask(address, &format!("/{path}")).unwrap();
                assert_eq!(page.status, 200, "{url}: {}", page.body);
            }
        }
        let app = world.state()["completedapps"][0]["id"].as_str().unwrap().to_owned();
        for executor in ["0", "1"] {
            let logs = (0..2).map(|worker| world.cluster.work_dir(worker).join(&app).join(executor).join("stderr"));
            let said: String = logs.filter_map(|log| fs::read_to_string(log).ok()).collect();
            let (command, _) = said.split_once('\n').unwrap();
            assert!(command.starts_with("Spark Executor Command: \""), "{command}");
            for word in
                ["\"-Xmx512M\"", &format!("\"--app-id\" \"{app}\""), &format!("\"--executor-id\" \"{executor}\"")]
            {
                assert!(command.contains(word), "{word} in {command}");
            }
        }
    }
}

#[test]
fn the_leader_is_killed_and_an_application_does_not_feel_it_rc_02() {
    for spark in Spark::releases() {
        let world = World::new(&spark);
        world.undisturbed_rounds(&[], |rounds, _| {
            kill_nine(world.cluster.masters[world.cluster.leader()].pid());
            rounds.wait_for_more(3);
        });
    }
}

#[test]
fn an_executor_that_is_killed_is_replaced_and_nothing_outlives_its_driver_ex_03_ap_05() {
    for spark in Spark::releases() {
        let world = World::new(&spark);
        let mut rounds = world.rounds(&[]);
        rounds.wait_for_more(2);
        let executors = world.wait_for_executors(2);
        kill_nine(executors[0]);
        rounds.wait_for_added(3);
        rounds.wait_for_more(2);
        let now = world.wait_for_executors(2);
        assert!(now.contains(&executors[1]) && !now.contains(&executors[0]), "{executors:?}, then {now:?}");
        let removed = rounds.driver.events("ExecutorRemoved");
        assert_eq!(removed.len(), 1, "{removed:?}");
        let why = removed[0]["Removed Reason"].as_str().unwrap();
        assert!(why.contains("137"), "{why}");
        assert!(tasks(&rounds.driver).0 > 0);

        rounds.driver.kill_nine();
        world.wait_for_application("FINISHED");
        world.wait_for_nothing_left();
    }
}
