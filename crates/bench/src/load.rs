//! Work that keeps a cluster busy, and ends when it is told to, so that there is always a decision to be taken.
//!
//! All cores are taken by drivers that wait for one byte each from a common pipe, and more of them are queued. A byte
//! ends one of them, whichever it is, and gives the leader of the next moment a place and somebody who waits for it.

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result};
use rustix::fs::{CWD, FileType, Mode, OFlags, mknodat, open};
use tanist_client::SubmissionClient;
use tanist_core::model::{Command, DriverDescription, Program};
use tanist_core::units::{Cores, Memory};
use tanist_proto::v1;

use crate::fleet::{Fleet, until};

/// Executors of the application in the background, and cores that they take together.
pub(crate) const EXECUTORS: u32 = 4;

/// Drivers that wait at the beginning of a round: more than can end during one.
const RESERVE: usize = 48;

/// How long the background may take to be up.
const UP_WITHIN: Duration = Duration::from_secs(60);

/// Drivers that end one by one.
#[derive(Debug)]
pub(crate) struct Fillers {
    path: PathBuf,
    pipe: File,
}

impl Fillers {
    /// A pipe in this directory.
    ///
    /// # Errors
    /// If it cannot be made.
    pub(crate) fn new(directory: &Path) -> Result<Self> {
        let path = directory.join("ends");
        mknodat(CWD, &path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).context("making a pipe")?;
        // For reading too: that keeps the pipe open while no driver does.
        let pipe = open(&path, OFlags::RDWR | OFlags::NONBLOCK, Mode::empty()).context("opening a pipe")?;
        Ok(Self { path, pipe: File::from(pipe) })
    }

    /// Ends one driver, whichever it is.
    pub(crate) fn end_one(&mut self) {
        // A full pipe holds thousands of ends already.
        let _ = self.pipe.write(b"x");
    }

    /// Submits until every core is taken and enough drivers wait.
    ///
    /// # Errors
    /// If that takes too long.
    pub(crate) async fn top_up(&self, fleet: &Fleet) -> Result<()> {
        let driver = driver("head", &["-c", "1", &self.path.display().to_string()]);
        let step = async || {
            let state = fleet.client.state().await?;
            let waiting = state.drivers.iter().filter(|driver| driver.worker_id.is_none()).count();
            for _ in waiting..RESERVE {
                fleet.client.submit(&driver).await?;
            }
            let full = state.workers.iter().all(|worker| worker.cores_used == worker.cores);
            Ok((full && waiting >= RESERVE).then_some(()))
        };
        until("all cores taken and drivers waiting", UP_WITHIN, step).await
    }
}

/// Submits the application of the background as a driver, and waits until it has all its executors.
///
/// # Errors
/// If that takes too long.
pub(crate) async fn start_pi(fleet: &Fleet) -> Result<()> {
    let binary = tanist_testkit::binary().display().to_string();
    let executors = EXECUTORS.to_string();
    // Tasks that mostly sleep: the cluster is busy, the machine is not.
    let arguments = ["pi", "--steady", "--slices", "100000", "--samples", "1000", "--task-millis", "200"];
    let arguments = [&arguments[..], &["--executors", &executors, "--executor-memory", "64m"]].concat();
    fleet.client.submit(&driver(&binary, &arguments)).await?;
    let has_all = async || Ok((executors_of(&fleet.client.state().await?) == EXECUTORS as usize).then_some(()));
    until("executors of the application in the background", UP_WITHIN, has_all).await
}

/// Executors of all applications.
fn executors_of(state: &v1::ClusterState) -> usize {
    state.apps.iter().map(|app| app.executors.len()).sum()
}

/// Executors that have ended although nothing asked them to. No change of leader may end any.
///
/// # Errors
/// If no master answers.
pub(crate) async fn executors_lost(client: &SubmissionClient) -> Result<usize> {
    Ok(client.state().await?.apps.iter().map(|app| app.ended_executors.len()).sum())
}

/// A driver of one core.
pub(crate) fn driver(program: &str, arguments: &[&str]) -> DriverDescription {
    DriverDescription {
        memory: Memory::mib(1),
        cores: Cores(1),
        command: Command {
            program: Program::Executable(program.to_owned()),
            arguments: arguments.iter().map(|&argument| argument.to_owned()).collect(),
            ..Command::default()
        },
        ..DriverDescription::default()
    }
}
