//! Applications that want another number of executors, and executors of another kind, as they go. These take minutes:
//! `cargo xtask spark`.

use std::fs;

use tanist_testkit::{Shape, Spark, wait_for};

use crate::application::tasks;
use crate::world::{SLOWLY, World};

const DYNAMIC: [(&str, &str); 5] = [
    ("spark.dynamicAllocation.enabled", "true"),
    ("spark.dynamicAllocation.shuffleTracking.enabled", "true"),
    ("spark.dynamicAllocation.maxExecutors", "2"),
    ("spark.dynamicAllocation.executorIdleTimeout", "2s"),
    ("spark.dynamicAllocation.shuffleTracking.timeout", "2s"),
];

/// Two GPUs on each worker.
const GPUS: [&str; 4] =
    ["--resources", "gpu=2", "--discovery-scripts", concat!("gpu=", env!("CARGO_MANIFEST_DIR"), "/programs/gpus.sh")];

#[test]
#[ignore = "takes minutes"]
fn executors_come_and_go_with_the_work_ap_08_ap_09() {
    for spark in Spark::releases() {
        let world = World::new(&spark);
        let go = world.cluster.directory().join("go");
        let (archive, file) = (world.programs(), go.display().to_string());
        let mut driver = world.application(&DYNAMIC, &["--class", "Bursts", &archive, &file]);
        wait_for("the first sum", SLOWLY, || driver.stdout().contains("first sum 36").then_some(()));
        let first = driver.events("ExecutorAdded").len();
        assert_eq!(first, 2, "one at a time would take half the work");
        world.wait_for_executors(0);
        assert_eq!(world.state()["activeapps"][0]["cores"], 0);
        fs::write(&go, "").unwrap();
        let ended = driver.wait_for_end(SLOWLY);
        assert!(ended.code == 0 && ended.stdout.contains("second sum 36"), "{ended:?}");
        assert!(driver.events("ExecutorAdded").len() > first);
        assert_eq!(tasks(&driver).1, Vec::<serde_json::Value>::new());
        world.wait_for_application("FINISHED");
        world.wait_for_nothing_left();
    }
}

#[test]
#[ignore = "takes minutes"]
fn a_stage_has_executors_of_its_own_kind_with_gpus_rs_03_rs_05() {
    for spark in Spark::releases() {
        let world = World::with(&spark, Shape { worker_flags: GPUS.to_vec(), ..Shape::default() });
        let archive = world.programs();
        // The first kind stays while the second one reads what it has shuffled.
        let properties = [&DYNAMIC[..], &[("spark.cores.max", "4")]].concat();
        let mut driver = world.application(&properties, &["--class", "Profiles", &archive]);
        let ended = driver.wait_for_end(SLOWLY);
        assert!(ended.code == 0 && ended.stdout.contains("sum 10"), "{ended:?}");
        let gpus = ended.stdout.lines().find(|line| line.starts_with("GPUs ")).unwrap();
        assert!(["GPUs [4]", "GPUs [7]", "GPUs [4, 7]", "GPUs [7, 4]"].contains(&gpus), "{gpus}");
        let profiles = driver.events("ExecutorAdded").into_iter();
        let mut profiles: Vec<_> =
            profiles.map(|added| added["Executor Info"]["Resource Profile Id"].as_u64().unwrap()).collect();
        profiles.sort_unstable();
        profiles.dedup();
        assert_eq!(profiles, [0, 1]);
        world.wait_for_application("FINISHED");
        world.wait_for_nothing_left();
    }
}
