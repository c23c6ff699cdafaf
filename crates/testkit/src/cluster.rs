//! Several masters on one embedded store, several workers, and the command line to talk to them.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::Value;
use tempfile::TempDir;

use crate::node::{Node, binary};
use crate::wait::wait_for;

/// How long a cluster may take to reach a state that it reaches in milliseconds on an idle machine.
const SOON: Duration = Duration::from_secs(30);

/// What a cluster consists of.
#[derive(Debug, Clone)]
pub struct Shape {
    /// Masters.
    pub masters: usize,
    /// Workers.
    pub workers: usize,
    /// Cores of each worker.
    pub cores: u32,
    /// Memory of each worker, e.g. `2g`.
    pub memory: &'static str,
    /// Further flags of every master.
    pub master_flags: Vec<&'static str>,
    /// Further flags of every worker.
    pub worker_flags: Vec<&'static str>,
}

impl Default for Shape {
    fn default() -> Self {
        Self { masters: 2, workers: 2, cores: 4, memory: "2g", master_flags: Vec::new(), worker_flags: Vec::new() }
    }
}

/// A running cluster. Everything in it ends when it is dropped.
#[derive(Debug)]
pub struct Cluster {
    /// Its masters; a killed one stays in the list.
    pub masters: Vec<Node>,
    /// Its workers; a killed one stays in the list.
    pub workers: Vec<Node>,
    shape: Shape,
    directory: TempDir,
}

/// A command that has ended.
#[derive(Debug)]
pub struct Finished {
    /// Its exit code, −1 where a signal ended it.
    pub code: i32,
    /// What it said.
    pub stdout: String,
    /// What it said about itself.
    pub stderr: String,
}

impl Cluster {
    /// Starts the processes and waits until one master leads and all workers are registered.
    pub fn start(shape: Shape) -> Result<Self> {
        let directory = tempfile::Builder::new().prefix("tanist-e2e-").tempdir()?;
        let mut cluster = Self { masters: Vec::new(), workers: Vec::new(), shape, directory };
        for n in 1..=cluster.shape.masters {
            cluster.add_master(&format!("m{n}"))?;
        }
        for _ in 0..cluster.shape.workers {
            cluster.add_worker()?;
        }
        let wanted = cluster.shape.workers;
        wait_for("all workers registered", SOON, || (cluster.alive_workers().len() == wanted).then_some(()));
        Ok(cluster)
    }

    /// Where everything of it lies.
    pub fn directory(&self) -> PathBuf {
        self.directory.path().to_owned()
    }

    /// Starts one more master.
    pub fn add_master(&mut self, id: &str) -> Result<()> {
        let store = self.directory.path().join("store");
        let log = self.directory.path().join(format!("{id}.log"));
        let store = store.to_str().context("a temporary directory with a readable name")?;
        let mut arguments = vec!["master", "--id", id, "--host", "127.0.0.1", "--port", "0", "--store", store];
        arguments.extend(&self.shape.master_flags);
        self.masters.push(Node::start(&arguments, &log)?);
        Ok(())
    }

    /// Starts one more worker.
    pub fn add_worker(&mut self) -> Result<()> {
        let name = format!("worker{}", self.workers.len() + 1);
        let work = self.directory.path().join(&name);
        let log = self.directory.path().join(format!("{name}.log"));
        let work = work.to_str().context("a temporary directory with a readable name")?;
        let (masters, cores) = (self.addresses(), self.shape.cores.to_string());
        let mut arguments = vec!["worker", "--host", "127.0.0.1", "--port", "0", "--masters", &masters];
        arguments.extend(["--cores", &cores, "--memory", self.shape.memory, "--work-dir", work]);
        arguments.extend(&self.shape.worker_flags);
        self.workers.push(Node::start(&arguments, &log)?);
        Ok(())
    }

    /// All masters as clients are given them.
    pub fn addresses(&self) -> String {
        self.masters.iter().map(|master| master.address.as_str()).collect::<Vec<_>>().join(",")
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(binary());
        command.args(arguments).env("TANIST_MASTERS", self.addresses()).stdin(Stdio::null());
        command
    }

    /// Runs `tanist <arguments>` against this cluster to its end.
    pub fn run(&self, arguments: &[&str]) -> Result<Finished> {
        let output = self.command(arguments).output().with_context(|| format!("running {arguments:?}"))?;
        Ok(finished(&output))
    }

    /// Starts `tanist <arguments>` against this cluster; the handle gives its end.
    pub fn spawn(&self, arguments: &[&str]) -> Result<thread::JoinHandle<Result<Finished>>> {
        let child: Child = self.command(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
        Ok(thread::spawn(move || Ok(finished(&child.wait_with_output()?))))
    }

    /// Runs `tanist <arguments> --output json` and reads the answer; none while there is no leader.
    pub fn json(&self, arguments: &[&str]) -> Option<Value> {
        let mut all = arguments.to_vec();
        all.extend(["--output", "json"]);
        let finished = self.run(&all).ok().filter(|finished| finished.code == 0)?;
        serde_json::from_str(&finished.stdout).ok()
    }

    fn list(&self, what: &str) -> Vec<Value> {
        self.json(&[what]).and_then(|answer| answer.as_array().cloned()).unwrap_or_default()
    }

    /// Workers that are ALIVE.
    pub fn alive_workers(&self) -> Vec<Value> {
        self.list("workers").into_iter().filter(|worker| worker["state"] == "ALIVE").collect()
    }

    /// Live applications.
    pub fn apps(&self) -> Vec<Value> {
        self.list("apps")
    }

    /// Where a driver stands.
    pub fn status(&self, driver: &str) -> Option<Value> {
        self.json(&["status", driver])
    }

    /// Waits until a driver is in a state.
    #[track_caller]
    pub fn wait_for_driver(&self, driver: &str, state: &str, limit: Duration) -> Value {
        wait_for(&format!("{driver} {state}"), limit, || self.status(driver).filter(|status| status["state"] == state))
    }

    /// Submits in the background of the cluster and returns the driver's id.
    pub fn submit(&self, arguments: &[&str]) -> Result<String> {
        let mut all = vec!["submit", "--detach"];
        all.extend(arguments);
        let finished = self.run(&all)?;
        let id = finished.stdout.trim().to_owned();
        anyhow::ensure!(finished.code == 0 && id.starts_with("driver-"), "{finished:?}");
        Ok(id)
    }

    /// Which master leads, by its place in the list; waits until one does.
    #[track_caller]
    pub fn leader(&self) -> usize {
        let find = || {
            let answer = self.json(&["status"])?;
            let id = answer["leader"]["master"].as_str()?.to_owned();
            self.masters.iter().position(|master| master.id == id)
        };
        wait_for("a leader", SOON, find)
    }
}

fn finished(output: &std::process::Output) -> Finished {
    Finished {
        code: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}
