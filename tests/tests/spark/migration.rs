//! A cluster moves over: Spark's own workers under masters of ours, until they are replaced. These take minutes:
//! `cargo xtask spark`.

use serde_json::Value;
use tanist_testkit::{Finished, Shape, Spark, SparkWorkerOptions, kill_nine, wait_for};

use crate::application::{Rounds, assert_undisturbed, tasks};
use crate::world::{LOGGING, SLOWLY, World, program, submitted};

/// What Java 17 needs to be told for a driver of Spark 3.5; `spark-submit` tells it for itself only.
const OPENS: &str = "--add-opens=java.base/sun.nio.ch=ALL-UNNAMED --add-opens=java.base/java.nio=ALL-UNNAMED";

impl World {
    /// With no workers but so many of Spark's own.
    fn of_spark(spark: &Spark, hosts: usize) -> Self {
        // One that is killed is found out by its heartbeats, too.
        let shape = Shape { workers: 0, master_flags: vec!["--worker-timeout", "20s"], ..Shape::default() };
        let mut world = Self::with(spark, shape);
        (0..hosts).for_each(|_| world.add_host("127.0.0.1", &[]));
        world.wait_for_workers(hosts);
        world
    }

    /// One more worker of Spark's own, with these properties.
    pub(crate) fn add_host(&mut self, host: &str, properties: &[(&str, &str)]) {
        let properties = [&[("spark.worker.timeout", "20")], properties].concat();
        let (java, logging) = (&self.java(), &program(LOGGING));
        let options = SparkWorkerOptions { host, cores: 4, memory: "2g", properties: &properties, java, logging };
        self.hosts.push(self.spark.worker(&self.cluster.addresses(), &options).unwrap());
    }

    /// Waits until so many workers are ALIVE, of whichever kind; how `/json/` shows them.
    #[track_caller]
    pub(crate) fn wait_for_workers(&self, count: usize) -> Vec<Value> {
        let alive = || {
            let all = self.state()["workers"].as_array()?.clone();
            let alive: Vec<Value> = all.into_iter().filter(|worker| worker["state"] == "ALIVE").collect();
            (alive.len() == count).then_some(alive)
        };
        wait_for(&format!("{count} workers"), SLOWLY, alive)
    }

    /// `spark-submit --deploy-mode cluster` over Spark's own protocol.
    fn submit_natively(&self, class: &str, arguments: &[&str]) -> String {
        let masters = format!("spark://{}", self.cluster.addresses());
        let java = format!("spark.driver.defaultJavaOptions={OPENS}");
        let options = ["--conf", "spark.master.rest.enabled=false", "--conf", &java];
        submitted(&self.submission(&masters, &options, class, arguments))
    }

    /// Ends a driver as its user does who has no REST.
    fn kill_natively(&self, driver: &str) -> Finished {
        let masters = format!("spark://{}", self.cluster.addresses());
        let mut client = self.spark.class(&[], "org.apache.spark.deploy.Client");
        let output = client.args(["kill", &masters, driver]).output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Finished {
            code: output.status.code().unwrap_or(-1),
            stdout: text(&output.stdout),
            stderr: text(&output.stderr),
        }
    }
}

impl World {
    /// `kill -9` for the leader, and waits for the next one.
    #[track_caller]
    fn kill_leader(&self) {
        let leader = self.cluster.leader();
        kill_nine(self.cluster.masters[leader].pid());
        wait_for("another leader", SLOWLY, || (self.cluster.leader() != leader).then_some(()));
    }

    /// Drains the first host; what runs there.
    #[track_caller]
    fn drain_first(&self) -> Vec<i32> {
        let (host, running) = (self.hosts[0].host(), self.hosts[0].programs());
        let drained = self.cluster.run(&["ctl", "drain", host]).unwrap();
        assert_eq!((drained.code, drained.stdout.trim()), (0, &*format!("workers that get nothing new on {host}: 1")));
        running
    }

    /// Waits until the worker of the first host is shown as drained, with so many executors and drivers.
    #[track_caller]
    fn wait_for_drained(&self, executors: usize, drivers: usize) {
        let address = &self.hosts[0].address;
        wait_for(&format!("{address} to be drained, with {executors} executors and {drivers} drivers"), SLOWLY, || {
            let all = self.cluster.json(&["workers"])?;
            let shown = all.as_array()?.iter().find(|worker| worker["address"] == address.as_str())?;
            let has = |what: &str| shown[what].as_array().map(Vec::len);
            (shown["state"] == "DECOMMISSIONED" && shown["executors"] == executors && has("drivers") == Some(drivers))
                .then_some(())
        });
    }
}

/// An application has ended, and nothing of what happened to its executors counts against it.
#[track_caller]
fn assert_not_blamed(world: &World, rounds: Rounds) {
    let driver = rounds.end();
    let (all, failed) = tasks(&driver);
    let blamed = failed.iter().filter(|task| task["Task End Reason"]["Exit Caused By App"] == true);
    assert!(all > 0 && blamed.count() == 0, "{failed:?}");
    world.wait_for_application("FINISHED");
    world.wait_for_nothing_left();
}

#[test]
#[ignore = "takes minutes"]
fn an_application_on_workers_of_spark_does_not_feel_that_the_leader_is_killed_rc_02() {
    for spark in Spark::releases() {
        let world = World::of_spark(&spark, 2);
        for worker in world.wait_for_workers(2) {
            let id = worker["id"].as_str().unwrap();
            let port = worker["port"].to_string();
            assert!(id.starts_with("worker-2") && id.ends_with(&format!("-127.0.0.1-{port}")), "{worker}");
            assert_eq!((&worker["cores"], &worker["memory"]), (&4.into(), &2048.into()), "{worker}");
        }
        world.undisturbed_rounds(&[], |rounds, _| {
            world.kill_leader();
            let adopted = world.wait_for_workers(2);
            wait_for("the cores that are taken", SLOWLY, || (world.state()["coresused"] == 2).then_some(()));
            assert!(adopted.iter().all(|worker| worker["coresused"].as_u64() <= Some(2)), "{adopted:?}");
            rounds.wait_for_more(3);
        });
    }
}

#[test]
#[ignore = "takes minutes"]
fn the_executors_of_a_worker_of_spark_that_is_killed_are_lost_and_replaced_hb_05() {
    for spark in Spark::releases() {
        let mut world = World::of_spark(&spark, 2);
        let rounds = world.rounds(&[]);
        rounds.wait_for_more(2);
        world.wait_for_executors(2);
        world.hosts[0].kill_nine();
        rounds.wait_for_added(3);
        rounds.wait_for_more(2);
        world.wait_for_executors(2);
        world.wait_for_workers(1);
        let removed = rounds.driver.events("ExecutorRemoved");
        assert_eq!(removed.len(), 1, "one ran there: {removed:?}");
        // Nobody removes what it has left on its disk.
        assert_eq!(world.hosts.remove(0).programs(), [0; 0], "its executors ended with it");
        assert_not_blamed(&world, rounds);
    }
}

#[test]
#[ignore = "takes minutes"]
fn drivers_run_on_workers_of_spark_to_their_end_or_until_they_are_killed_ss_03_ss_04() {
    for spark in Spark::releases() {
        let world = World::of_spark(&spark, 1);
        let driver = world.submit_natively("SparkPi", &["4"]);
        world.wait_for(&driver, "FINISHED");
        let said = world.said(&driver, "stdout");
        assert!(said.contains("Pi is roughly 3."), "{said}");
        let sleeper = world.submit_natively("Sleeper", &["a", "b c"]);
        world.wait_for_words(&sleeper, "started with a,b c");
        let killed = world.kill_natively(&sleeper);
        assert_eq!(killed.code, 0, "{killed:?}");
        world.wait_for(&sleeper, "KILLED");
        wait_for("nothing left", SLOWLY, || (world.state()["coresused"] == 0).then_some(()));
        assert_eq!(world.hosts[0].programs(), [0; 0], "what runs there");
    }
}

#[test]
#[ignore = "takes minutes"]
fn a_cluster_moves_over_one_host_at_a_time_while_an_application_runs_and_a_leader_dies() {
    for spark in Spark::releases() {
        let mut world = World::of_spark(&spark, 3);
        let rounds = world.rounds(&[("spark.cores.max", "3")]);
        rounds.wait_for_more(2);
        world.wait_for_executors(3);
        for leader_dies in [false, true, false] {
            world.cluster.add_worker().unwrap();
            world.wait_for_workers(world.hosts.len() + world.cluster.workers.len());
            let mut host = world.hosts.remove(0);
            if leader_dies {
                // So nobody hears from this host how its executors end.
                kill_nine(world.cluster.masters[world.cluster.leader()].pid());
            }
            host.stop(SLOWLY);
            assert_eq!(host.programs(), [0; 0], "its executors end with it");
            world.wait_for_workers(world.hosts.len() + world.cluster.workers.len());
            world.wait_for_executors(3);
            rounds.wait_for_more(2);
        }
        let shown = world.cluster.alive_workers();
        assert_eq!(shown.len(), 3, "{shown:?}");
        assert_not_blamed(&world, rounds);
    }
}

#[test]
#[ignore = "takes minutes"]
fn what_runs_on_a_drained_worker_of_spark_goes_on_to_its_end_dc_04() {
    for spark in Spark::releases() {
        let mut world = World::of_spark(&spark, 0);
        // It refuses executors itself once it is drained, the other one knows nothing of that.
        world.add_host("127.0.0.2", &[("spark.decommission.enabled", "true")]);
        world.wait_for_workers(1);
        let driver = world.submit_natively("Sleeper", &["1"]);
        world.wait_for_words(&driver, "started with 1");
        world.add_host("127.0.0.3", &[]);
        world.wait_for_workers(2);
        let rounds = world.rounds(&[]);
        rounds.wait_for_more(2);
        wait_for("one executor on each", SLOWLY, || (world.hosts[1].programs().len() == 1).then_some(()));

        let running = world.drain_first();
        assert_eq!(running.len(), 2, "a driver and an executor");
        rounds.wait_for_added(3);
        world.kill_leader();
        world.wait_for_drained(1, 1);
        rounds.wait_for_more(2);
        // Over REST: the client of the other way gives up where one of its masters is not there.
        let java = format!("spark.driver.defaultJavaOptions={OPENS}");
        let later = world.submit(&["--conf", &java], "Sleeper", &["2"]);
        world.wait_for_words(&later, "started with 2");
        assert_eq!(world.wait_for(&later, "RUNNING")["worker_address"], world.hosts[1].address.as_str());
        assert_eq!((world.hosts[0].programs(), world.hosts[1].programs().len()), (running, 3), "nothing new there");

        let all = rounds.end();
        assert_eq!(all.events("ExecutorRemoved"), Vec::<Value>::new());
        assert_undisturbed(&all, 3);
        world.wait_for_application("FINISHED");
        world.wait_for_drained(0, 1);
        assert_eq!(world.hosts[0].programs().len(), 1, "the driver");
        world.ask("--kill", &driver);
        world.wait_for(&driver, "KILLED");
        world.wait_for_drained(0, 0);
        assert_eq!(world.hosts[0].programs(), [0; 0]);
    }
}

#[test]
#[ignore = "takes minutes"]
fn the_executors_of_an_application_that_knows_of_it_leave_a_drained_worker_of_spark_dc_04() {
    for spark in Spark::releases() {
        let mut world = World::of_spark(&spark, 0);
        for host in ["127.0.0.2", "127.0.0.3"] {
            world.add_host(host, &[]);
        }
        world.wait_for_workers(2);
        let rounds = world.rounds(&[("spark.decommission.enabled", "true")]);
        rounds.wait_for_more(2);
        world.wait_for_executors(2);
        assert_eq!(world.drain_first().len(), 1);
        rounds.wait_for_added(3);
        world.wait_for_drained(0, 0);
        let mut host = world.hosts.remove(0);
        assert_eq!(host.programs(), [0; 0], "free to go");
        host.stop(SLOWLY);
        rounds.wait_for_more(2);
        assert_not_blamed(&world, rounds);
    }
}
