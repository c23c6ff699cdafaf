//! What is done to a leader.

use std::fmt;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use clap::ValueEnum;
use jiff::Timestamp;
use rustix::process::Signal;
use tokio::process::{Child, Command};

use crate::fleet::Fleet;

/// What is done to a leader.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub(crate) enum Fault {
    /// `kill -9`.
    Kill,
    /// `tanist ctl switchover --to <another one>`.
    Switchover,
    /// SIGSTOP, and SIGCONT once the successor has all workers.
    Stop,
}

impl Fault {
    /// How long the cluster is left alone before the fault. A standby deposes at most once in 10 s, and who has stepped
    /// down holds back for 10 s: a round that comes sooner measures that.
    pub(crate) fn rest(self) -> Duration {
        match self {
            Self::Kill | Self::Stop => Duration::from_millis(10_500),
            // The target was in office two rounds ago.
            Self::Switchover => Duration::from_millis(5_500),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Kill => "kill",
            Self::Switchover => "switchover",
            Self::Stop => "stop",
        })
    }
}

/// A fault that has been inflicted, with what must be held until it is healed.
#[derive(Debug)]
pub(crate) struct Inflicted {
    /// Just before.
    pub(crate) at: Timestamp,
    /// The command that asked for a switchover, or what lets a stopped process go on should this one vanish.
    helper: Option<Child>,
}

impl Inflicted {
    /// Does it to the leader, the master at this place.
    ///
    /// # Errors
    /// If a helper cannot be started.
    pub(crate) fn inflict(fault: Fault, fleet: &Fleet, leader: usize) -> Result<Self> {
        let node = fleet.cluster.masters.get(leader).context("a leader of this cluster")?;
        match fault {
            Fault::Kill => {
                let at = Timestamp::now();
                node.signal(Signal::KILL);
                Ok(Self { at, helper: None })
            }
            Fault::Stop => {
                let helper = Some(resumer(node.pid())?);
                let at = Timestamp::now();
                node.signal(Signal::STOP);
                Ok(Self { at, helper })
            }
            Fault::Switchover => {
                // In turn, so that nobody is asked who has just left the office.
                let target = fleet.id((leader + 1) % fleet.cluster.masters.len());
                let at = Timestamp::now();
                let command = Command::new(tanist_testkit::binary())
                    .args(["ctl", "switchover", "--to", target])
                    .env("TANIST_MASTERS", fleet.cluster.addresses())
                    .stdin(Stdio::null())
                    .stdout(Stdio::null())
                    .stderr(Stdio::piped())
                    .kill_on_drop(true)
                    .spawn()
                    .context("starting tanist ctl switchover")?;
                Ok(Self { at, helper: Some(command) })
            }
        }
    }

    /// Undoes what the fault has done, once the successor is in office.
    ///
    /// # Errors
    /// If a master cannot be started again, or if a switchover had been refused.
    pub(crate) async fn heal(self, fault: Fault, fleet: &mut Fleet, leader: usize) -> Result<()> {
        match (fault, self.helper) {
            (Fault::Switchover, Some(command)) => {
                let output = command.wait_with_output().await.context("tanist ctl switchover")?;
                let words = String::from_utf8_lossy(&output.stderr).into_owned();
                ensure!(output.status.success(), "tanist ctl switchover ended with {}: {words}", output.status);
            }
            (Fault::Stop, helper) => {
                fleet.cluster.masters[leader].signal(Signal::CONT);
                drop(helper);
            }
            (Fault::Kill | Fault::Switchover, _) => fleet.cluster.restart_master(leader, &[])?,
        }
        Ok(())
    }
}

/// Waits for the end of a pipe that only this process holds, however that comes, and lets another process go on.
const RESUME: &str = r#"read -r _; kill -CONT "$1""#;

/// Starts what lets a stopped process go on as soon as this one is gone: it would stay for ever.
fn resumer(pid: i32) -> Result<Child> {
    let started = Command::new("sh").args(["-c", RESUME, "sh", &pid.to_string()]).stdin(Stdio::piped()).spawn();
    started.context("starting what resumes a stopped leader")
}
