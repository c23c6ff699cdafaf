//! The command line, used against a cluster.

use std::fs::File;
use std::io::{Read as _, Seek as _};
use std::process::{Child, Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};
use serde_json::Value;

use crate::cluster::{Cluster, SOON};
use crate::node::binary;
use crate::wait::{LOOK_EVERY, wait_for};

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

impl Finished {
    pub(crate) fn of(output: &Output) -> Self {
        Self {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// What it said, as JSON; null where it is none.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_default()
    }
}

/// Runs a command to its end. It is killed where that does not come in time.
pub(crate) fn to_its_end(command: &mut Command, limit: Duration) -> Result<Finished> {
    // Files, not pipes: a process that it leaves behind would hold those open.
    let (stdout, stderr) = (tempfile::tempfile()?, tempfile::tempfile()?);
    command.stdin(Stdio::null()).stdout(stdout.try_clone()?).stderr(stderr.try_clone()?);
    let mut child = command.spawn().with_context(|| format!("running {command:?}"))?;
    let deadline = Instant::now() + limit;
    let status = loop {
        match child.try_wait()? {
            None if Instant::now() < deadline => thread::sleep(LOOK_EVERY),
            outcome => break outcome,
        }
    };
    let (stdout, stderr) = (whole(stdout)?, whole(stderr)?);
    let Some(status) = status else {
        child.kill()?;
        child.wait()?;
        bail!("{command:?} has not ended within {limit:?}: {stdout} {stderr}");
    };
    Ok(Finished { code: status.code().unwrap_or(-1), stdout, stderr })
}

fn whole(mut file: File) -> Result<String> {
    let mut bytes = Vec::new();
    file.rewind()?;
    file.read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Starts `tanist <arguments>` against these masters (`host:port,…`); the handle gives its end.
pub fn tanist(masters: &str, arguments: &[&str]) -> Result<thread::JoinHandle<Result<Finished>>> {
    let child: Child = Command::new(binary())
        .args(arguments)
        .env("TANIST_MASTERS", masters)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("running {arguments:?}"))?;
    Ok(thread::spawn(move || Ok(Finished::of(&child.wait_with_output()?))))
}

impl Cluster {
    /// Runs `tanist <arguments>` against this cluster to its end.
    pub fn run(&self, arguments: &[&str]) -> Result<Finished> {
        self.spawn(arguments)?.join().map_err(|_| anyhow!("reading what {arguments:?} says"))?
    }

    /// Starts `tanist <arguments>` against this cluster; the handle gives its end.
    pub fn spawn(&self, arguments: &[&str]) -> Result<thread::JoinHandle<Result<Finished>>> {
        tanist(&self.addresses(), arguments)
    }

    /// Runs `tanist <arguments> --output json` and reads the answer; none while there is no leader.
    pub fn json(&self, arguments: &[&str]) -> Option<Value> {
        let finished = self.run(&[arguments, &["--output", "json"]].concat()).ok()?;
        (finished.code == 0).then(|| serde_json::from_str(&finished.stdout).ok()).flatten()
    }

    /// What `tanist ctl <arguments> --output json` says, whatever its exit code; null where it says nothing.
    pub fn ctl(&self, arguments: &[&str]) -> Value {
        let finished = self.run(&[&["ctl"], arguments, &["--output", "json"]].concat());
        finished.map(|finished| finished.json()).unwrap_or_default()
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

    /// A driver as it is listed, which needs no store: live, or ended and remembered.
    pub fn driver(&self, driver: &str) -> Option<Value> {
        self.list("drivers").into_iter().find(|listed| listed["id"] == driver)
    }

    /// Where a driver stands, in the word of the leader.
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
        let finished = self.run(&[&["submit", "--detach"], arguments].concat())?;
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

    /// Waits until this master leads, with all that was there taken over; returns its epoch.
    #[track_caller]
    pub fn wait_for_leader(&self, master: usize, limit: Duration) -> u64 {
        let id = &self.masters[master].id;
        let find = || {
            let answer = self.json(&["status"])?;
            let leads = answer["leader"]["master"] == id.as_str() && answer["role"] == "ALIVE";
            leads.then(|| answer["leader"]["epoch"].as_u64()).flatten()
        };
        wait_for(&format!("{id} to be ALIVE"), limit, find)
    }
}
