//! An application in client mode: its driver is beside the test, its executors are on the workers.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use serde_json::Value;
use tanist_testkit::http::{self, Answer};
use tanist_testkit::{Marker, SparkDriver, SparkWorker, wait_for};

use crate::world::{LOGGING, SLOWLY, World, program};

/// Small executors, one core each, two at most.
const SIZE: [(&str, &str); 7] = [
    ("spark.driver.memory", "512m"),
    ("spark.driver.host", "127.0.0.1"),
    ("spark.driver.bindAddress", "127.0.0.1"),
    ("spark.executor.memory", "512m"),
    ("spark.executor.cores", "1"),
    ("spark.cores.max", "2"),
    ("spark.ui.enabled", "false"),
];

impl World {
    /// The masters as an application names them.
    fn masters(&self) -> String {
        format!("spark://{}", self.cluster.addresses())
    }

    /// `spark-submit` with these properties beside or instead of the usual ones, and what is run.
    pub(crate) fn application(&self, properties: &[(&str, &str)], words: &[&str]) -> SparkDriver {
        let (masters, java) = (self.masters(), self.java());
        let java = [("spark.driver.extraJavaOptions", &*java), ("spark.executor.extraJavaOptions", &*java)];
        let usual = SIZE.into_iter().chain(java);
        let all: BTreeMap<&str, &str> = usual.chain(properties.iter().copied()).collect();
        let properties: Vec<String> = all.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let properties = properties.iter().flat_map(|property| ["--conf", property]);
        let words: Vec<&str> =
            ["--master", &masters].into_iter().chain(properties).chain(words.iter().copied()).collect();
        self.spark.start(&program(LOGGING), &words).unwrap()
    }

    /// Rounds of a job with a shuffle, until they are enough.
    pub(crate) fn rounds(&self, properties: &[(&str, &str)]) -> Rounds {
        let enough = self.cluster.directory().join("enough");
        let (archive, file) = (self.programs(), enough.display().to_string());
        let driver = self.application(properties, &["--class", "Rounds", &archive, "3", &file]);
        Rounds { driver, enough }
    }

    /// Rounds while something happens, which is told the executors' processes. The application does not feel it: they are
    /// the same until its end, no task fails, all sums are right, and nothing is left.
    #[track_caller]
    pub(crate) fn undisturbed_rounds(&self, properties: &[(&str, &str)], happens: impl FnOnce(&Rounds, &[i32])) {
        let rounds = self.rounds(properties);
        rounds.wait_for_more(2);
        let executors = self.wait_for_executors(2);
        happens(&rounds, &executors);
        assert_eq!(self.executors(), executors, "the same processes");
        assert_undisturbed(&rounds.end(), 2);
        self.wait_for_application("FINISHED");
        self.wait_for_nothing_left();
    }

    /// What the leader shows of the cluster.
    pub(crate) fn state(&self) -> Value {
        let leader = &self.cluster.masters[self.cluster.leader()];
        ask(&leader.web, "/json/").map(|answer| answer.json()).unwrap_or_default()
    }

    /// Waits until an application has ended, the only one so far, and is in this state.
    #[track_caller]
    pub(crate) fn wait_for_application(&self, state: &str) {
        wait_for(&format!("the application to be {state}"), SLOWLY, || {
            let all = self.state();
            let ended = all["completedapps"].as_array()?;
            assert!(ended.len() <= 1, "registered once: {all}");
            assert_eq!(ended.first()?["state"], state, "{all}");
            Some(())
        });
    }

    /// The processes of executors.
    pub(crate) fn executors(&self) -> Vec<i32> {
        let watched = self.cluster.workers.iter().map(|worker| format!("spark://Worker@{}", worker.address));
        let own = watched.flat_map(|address| Marker::known(address).processes());
        own.chain(self.hosts.iter().flat_map(SparkWorker::programs)).collect()
    }

    /// Waits until so many executors run; their processes.
    #[track_caller]
    pub(crate) fn wait_for_executors(&self, count: usize) -> Vec<i32> {
        let found = || Some(self.executors()).filter(|executors| executors.len() == count);
        wait_for(&format!("{count} executors"), SLOWLY, found)
    }

    /// Waits until nothing is left of any application: no core is taken, no executor runs, no scratch space is used.
    #[track_caller]
    pub(crate) fn wait_for_nothing_left(&self) {
        let scratch = self.cluster.directory().join("scratch");
        let files = || fs::read_dir(&scratch).into_iter().flatten().count();
        wait_for("nothing left", SLOWLY, || {
            let files = files() + self.hosts.iter().map(SparkWorker::scratch).sum::<usize>();
            let none = self.state()["coresused"] == 0 && self.executors().is_empty() && files == 0;
            none.then_some(())
        });
    }
}

/// Asks a web port.
pub(crate) fn ask(address: &str, path: &str) -> Option<Answer> {
    tokio::runtime::Runtime::new().unwrap().block_on(http::get(address, path)).ok()
}

/// An application that goes round.
pub(crate) struct Rounds {
    pub(crate) driver: SparkDriver,
    enough: PathBuf,
}

impl Rounds {
    fn done(&self) -> usize {
        self.driver.stdout().lines().filter(|line| line.ends_with("is right")).count()
    }

    /// Waits for so many rounds more.
    #[track_caller]
    pub(crate) fn wait_for_more(&self, rounds: usize) {
        let before = self.done();
        wait_for(&format!("round {}", before + rounds), SLOWLY, || (self.done() >= before + rounds).then_some(()));
    }

    /// Waits until so many executors have come in all.
    #[track_caller]
    pub(crate) fn wait_for_added(&self, count: usize) {
        let added = || self.driver.events("ExecutorAdded").len();
        wait_for(&format!("executor {count}"), SLOWLY, || (added() >= count).then_some(()));
    }

    /// It is enough; waits for the end. All sums were right.
    #[track_caller]
    pub(crate) fn end(mut self) -> SparkDriver {
        fs::write(&self.enough, "").unwrap();
        let ended = self.driver.wait_for_end(SLOWLY);
        fs::remove_file(&self.enough).unwrap();
        assert!(ended.code == 0 && ended.stdout.contains("all rounds are right"), "{ended:?}");
        self.driver
    }
}

/// The tasks of an application that has ended, and those of them that failed.
pub(crate) fn tasks(driver: &SparkDriver) -> (usize, Vec<Value>) {
    let tasks = driver.events("TaskEnd");
    let failed = tasks.iter().filter(|task| task["Task End Reason"]["Reason"] != "Success").cloned().collect();
    (tasks.len(), failed)
}

/// Nothing of what happened around it was felt by an application that has ended: as many executors as it began with, and no
/// task failed.
#[track_caller]
pub(crate) fn assert_undisturbed(driver: &SparkDriver, executors: usize) {
    assert_eq!(driver.events("ExecutorAdded").len(), executors);
    assert_eq!(driver.events("ExecutorRemoved"), Vec::<Value>::new());
    let (all, failed) = tasks(driver);
    assert!(all > 0 && failed.is_empty(), "{all} tasks, failed: {failed:?}");
}
