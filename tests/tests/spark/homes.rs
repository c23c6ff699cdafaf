//! Applications of several releases of Spark on one cluster: `cargo xtask spark`, which has several.

use tanist_testkit::{Finished, Shape, Spark};

use crate::world::{SLOWLY, World};

/// The shipped example of a release, by its own `spark-submit`.
fn pi(world: &mut World, spark: &Spark) -> Finished {
    world.spark = spark.clone();
    let example = spark.home.join("examples/pi.py").display().to_string();
    world.application(&[], &[&example, "2"]).wait_for_end(SLOWLY)
}

#[test]
#[ignore = "takes minutes, and needs two releases"]
fn executors_run_with_the_release_of_their_application_or_not_at_all() {
    let releases = Spark::releases();
    let [new, old] = &releases[..] else { panic!("{releases:?}: `cargo xtask spark` provides two") };

    let mut world = World::new(new);
    let refused = pi(&mut world, old);
    let why = format!("host has 4.1 in {}", new.home.display());
    assert_ne!(refused.code, 0, "{refused:?}");
    for words in
        ["Master removed our application: no worker can run its executors: ", "it runs with Spark 3.4 or 3.5", &why]
    {
        assert!(refused.stderr.contains(words), "{words:?} is missing in {}", refused.stderr);
    }
    world.wait_for_application("FAILED");
    world.wait_for_nothing_left();
    drop(world);

    let homes = [("3.5", old), ("4.1", new)].map(|(family, spark)| format!("{family}={}", spark.home.display()));
    let homes: &'static str = homes.join(",").leak();
    let mut world = World::with(new, Shape { worker_flags: vec!["--spark-homes", homes], ..Shape::default() });
    for spark in [old, new] {
        let ended = pi(&mut world, spark);
        assert!(ended.code == 0 && ended.stdout.contains("Pi is roughly 3."), "{ended:?}");
    }
}
