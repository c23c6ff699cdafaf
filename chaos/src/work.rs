//! The work of a cluster that no change of leader may disturb: running and waiting, supervised and not.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::Value;
use tanist_testkit::{Cluster, Marker, binary, descendants, wait_for};

use crate::SOON;

/// Notes each start, and ends well once somebody writes into its gate.
const SCRIPT: &str = "date +%s.%N >> starts; mkfifo gate; read -r word < gate; : $0";

/// A driver that runs until it is let go.
#[derive(Debug)]
pub struct Program {
    /// Its id.
    pub driver: String,
    marker: Marker,
}

impl Program {
    /// Submits it with these flags and waits until its process waits at its gate.
    pub fn start(cluster: &Cluster, flags: &[&str]) -> Self {
        let marker = Marker::new("chaos");
        let command = ["--memory", "128m", "--", "sh", "-c", SCRIPT, marker.text()];
        let driver = cluster.submit(&[flags, &command].concat()).unwrap();
        let program = Self { driver, marker };
        program.wait_until_up(cluster);
        program
    }

    /// Waits until it runs, and has reached its gate there.
    pub fn wait_until_up(&self, cluster: &Cluster) {
        wait_for(&format!("{} at its gate", self.driver), SOON, || {
            let directory = self.directory(cluster)?;
            let running = cluster.status(&self.driver)?["state"] == "RUNNING";
            (running && directory.join("gate").exists() && self.processes().len() == 1).then_some(())
        });
    }

    /// Its live processes.
    pub fn processes(&self) -> Vec<i32> {
        // The keeper beside each program has the program's command line in its own.
        let marked: BTreeSet<i32> = self.marker.processes().into_iter().collect();
        marked.iter().copied().filter(|process| descendants(*process).is_disjoint(&marked)).collect()
    }

    /// How often it was started on the worker where it is now.
    pub fn starts(&self, cluster: &Cluster) -> usize {
        let starts = self.directory(cluster).map(|directory| fs::read_to_string(directory.join("starts")));
        starts.and_then(Result::ok).unwrap_or_default().lines().count()
    }

    /// Lets it go, and waits until it has ended well in its first attempt.
    pub fn finish(&self, cluster: &Cluster, attempt: u64) {
        fs::write(self.directory(cluster).unwrap().join("gate"), "go\n").unwrap();
        let status = cluster.wait_for_driver(&self.driver, "FINISHED", SOON);
        assert_eq!(status["attempt"], attempt, "{status}");
        assert_eq!(self.processes(), Vec::<i32>::new());
    }

    fn directory(&self, cluster: &Cluster) -> Option<PathBuf> {
        let worker = cluster.driver(&self.driver)?["worker"].as_str()?.to_owned();
        let place = cluster.workers.iter().position(|node| node.id == worker)?;
        Some(cluster.work_dir(place).join(&self.driver))
    }
}

/// A bit of everything.
#[derive(Debug)]
pub struct Work {
    /// The driver of an application with four executors.
    pub pi: String,
    /// A driver that is not started again.
    pub plain: Program,
    /// A driver that is.
    pub supervised: Program,
    /// A driver that finds no place before the application has ended.
    pub queued: String,
    executors: Vec<(u64, String)>,
    processes: BTreeSet<i32>,
}

impl Work {
    /// For four workers with three cores each; waits until all of it runs, or waits in the queue.
    pub fn start(cluster: &Cluster) -> Self {
        let program = binary();
        // Far longer than any scenario: it is ended by hand.
        let job =
            ["pi", "--executors", "4", "--steady", "--slices", "100000", "--samples", "100", "--task-millis", "250"];
        let words = [&["--memory", "128m", "--", program.to_str().unwrap()][..], &job[..]].concat();
        let pi = cluster.submit(&words).unwrap();
        let executors = wait_for("executors on all workers", SOON, || {
            let executors = executors(cluster);
            let workers: BTreeSet<&String> = executors.iter().map(|(_, worker)| worker).collect();
            (workers.len() == cluster.workers.len()).then_some(executors)
        });
        let (plain, supervised) = (Program::start(cluster, &[]), Program::start(cluster, &["--supervise"]));
        let queued = cluster.submit(&["--cores", "3", "--memory", "128m", "--", "echo", "queued driver ran"]).unwrap();
        assert_eq!(cluster.status(&queued).unwrap()["state"], "SUBMITTED");
        let processes = programs(cluster);
        Self { pi, plain, supervised, queued, executors, processes }
    }

    /// Nothing was lost, doubled, started again or ended; what waits still waits.
    #[track_caller]
    pub fn assert_undisturbed(&self, cluster: &Cluster) {
        assert_eq!(programs(cluster), self.processes, "every process of every program is still the same one");
        let listed = cluster.run(&["apps", "--output", "json"]).unwrap();
        let apps = listed.json().as_array().cloned().unwrap_or_default();
        let [app] = apps.as_slice() else { panic!("one application, not {listed:?}") };
        assert_eq!(executors(cluster), self.executors, "no executor was restarted or moved");
        assert_eq!(app["ended_executors"], Value::Array(Vec::new()));
        for driver in [&self.pi, &self.plain.driver, &self.supervised.driver] {
            let status = cluster.driver(driver).unwrap();
            assert_eq!((&status["state"], &status["attempt"]), (&"RUNNING".into(), &1.into()), "{status}");
        }
        for program in [&self.plain, &self.supervised] {
            assert_eq!((program.processes().len(), program.starts(cluster)), (1, 1), "{}", program.driver);
        }
        let queued = cluster.driver(&self.queued).unwrap();
        assert_eq!(queued["state"], "SUBMITTED", "{queued}");
    }

    /// Ends the application and lets the rest go: all of it ends well, once. Returns how many leaders the application had.
    #[track_caller]
    pub fn finish(self, cluster: &Cluster) -> usize {
        self.plain.finish(cluster, 1);
        self.supervised.finish(cluster, 1);
        assert_eq!(cluster.run(&["kill", &self.pi]).unwrap().code, 0);
        cluster.wait_for_driver(&self.pi, "KILLED", SOON);
        cluster.wait_for_driver(&self.queued, "FINISHED", SOON);
        assert_eq!(cluster.run(&["logs", &self.queued]).unwrap().stdout, "queued driver ran\n");
        let said = cluster.run(&["logs", &self.pi]).unwrap().stdout;
        assert!(!said.contains(" lost: ") && !said.contains("is over") && !said.contains(" is gone: "), "{said}");
        assert_eq!((said.matches("registered as ").count(), said.matches("\nexecutor ").count()), (1, 4), "{said}");
        said.matches("leader is ").count()
    }
}

/// Running executors of all applications, with their workers.
fn executors(cluster: &Cluster) -> Vec<(u64, String)> {
    let apps = cluster.apps();
    let all = apps.iter().filter_map(|app| app["executors"].as_array()).flatten();
    let running = all.filter(|executor| executor["state"] == "RUNNING");
    running.filter_map(|executor| Some((executor["id"].as_u64()?, executor["worker"].as_str()?.to_owned()))).collect()
}

/// All processes below the workers.
fn programs(cluster: &Cluster) -> BTreeSet<i32> {
    cluster.workers.iter().flat_map(|worker| descendants(worker.pid())).collect()
}

/// Waits until a driver has ended, and returns where it stands.
pub fn ended(cluster: &Cluster, driver: &str, limit: Duration) -> Value {
    wait_for(&format!("the end of {driver}"), limit, || {
        cluster
            .status(driver)
            .filter(|status| !["SUBMITTED", "RUNNING"].contains(&status["state"].as_str().unwrap_or("")))
    })
}
