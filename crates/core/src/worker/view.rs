//! What a worker shows: an immutable picture for pages, `/json/` and metrics (UI-*).

use std::sync::Arc;

use super::Worker;
use super::driver::{DriverRun, EndedDriver};
use super::executor::{EndedExecutor, ExecutorRun};
use super::process::{Phase, Process};
use crate::ids::{Attempt, DriverId, Term, WorkerId};
use crate::model::{Addresses, ApplicationDescription, DriverOutcome, ExecutorDescription};
use crate::time::Wall;
use crate::tracking::Following;
use crate::units::{Cores, Memory};

/// The picture of one moment.
#[derive(Debug, Clone, PartialEq)]
pub struct WorkerStatus {
    /// Which worker.
    pub id: WorkerId,
    /// Its host.
    pub host: String,
    /// Port of its own endpoint.
    pub port: u16,
    /// Address of its web pages; empty = none.
    pub ui_url: String,
    /// Which master it follows.
    pub following: Following,
    /// The highest term heard of.
    pub heard: Option<Term>,
    /// When the picture was taken.
    pub taken_at: Wall,
    /// Cores offered.
    pub cores: Cores,
    /// Cores taken.
    pub cores_used: Cores,
    /// Memory offered.
    pub memory: Memory,
    /// Memory taken.
    pub memory_used: Memory,
    /// Resources offered.
    pub resources: Addresses,
    /// Resources taken.
    pub resources_used: Addresses,
    /// Whether new work is taken (disk space, stopping).
    pub accepts_work: bool,
    /// Whether it is being decommissioned.
    pub decommissioned: bool,
    /// Reports, that something runs or how it ended, that no master has acknowledged yet.
    pub unacknowledged: usize,
    /// Acts of masters refused because of their term, since the start of the process.
    pub refused_commands: u64,
    /// Executors that have not ended, by id.
    pub executors: Vec<ExecutorRunView>,
    /// Ended ones, oldest first, as far as kept.
    pub ended_executors: Vec<ExecutorRunView>,
    /// Driver attempts that have not ended, by id.
    pub drivers: Vec<DriverRunView>,
    /// Ended ones, oldest first, as far as kept.
    pub ended_drivers: Vec<DriverRunView>,
}

/// Where a run stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunPhase {
    /// Waits until an earlier attempt has ended.
    Blocked,
    /// Directory and files are being made.
    Preparing,
    /// Its process is being started.
    Starting,
    /// Its process runs.
    Running,
    /// Waits for its next start.
    WaitingToRestart,
    /// Its process was told to end.
    Ending,
    /// It has ended.
    Ended,
}

/// One executor.
#[derive(Debug, Clone, PartialEq)]
pub struct ExecutorRunView {
    /// Which one, with its state and what it occupies or occupied.
    pub description: ExecutorDescription,
    /// Its application.
    pub app: Arc<ApplicationDescription>,
    /// Where it stands.
    pub phase: RunPhase,
    /// Its process id, while it runs.
    pub pid: Option<u32>,
    /// When it was launched.
    pub launched_at: Wall,
    /// When it ended.
    pub ended_at: Option<Wall>,
    /// Why it ended.
    pub message: Option<String>,
    /// Its exit code, once ended.
    pub exit_status: Option<i32>,
}

/// One driver attempt.
#[derive(Debug, Clone, PartialEq)]
pub struct DriverRunView {
    /// Which driver.
    pub driver: DriverId,
    /// Which copy.
    pub attempt: Attempt,
    /// Main class or path.
    pub program: String,
    /// Cores it asked for.
    pub cores: Cores,
    /// Memory it asked for.
    pub memory: Memory,
    /// Resource addresses it occupies.
    pub resources: Addresses,
    /// Whether it is started again when it fails.
    pub supervise: bool,
    /// Where it stands.
    pub phase: RunPhase,
    /// Its process id, while it runs.
    pub pid: Option<u32>,
    /// Restarts under supervision so far.
    pub restarts: u32,
    /// When it was launched.
    pub launched_at: Wall,
    /// When it ended.
    pub ended_at: Option<Wall>,
    /// How it ended. None although it has ended: the master decides what becomes of it.
    pub outcome: Option<DriverOutcome>,
}

impl Worker {
    /// The picture to publish.
    pub fn view(&self, taken_at: Wall) -> WorkerStatus {
        let (identity, used) = (&self.config.identity, self.books.used());
        WorkerStatus {
            id: identity.id.clone(),
            host: identity.host.clone(),
            port: identity.port,
            ui_url: identity.ui_url.clone(),
            following: self.tracker.following(),
            heard: self.heard().cloned(),
            taken_at,
            cores: self.config.cores,
            cores_used: used.cores,
            memory: self.config.memory,
            memory_used: used.memory,
            resources: self.config.resources.clone(),
            resources_used: used.resources,
            accepts_work: self.accepts_work(),
            decommissioned: self.is_decommissioned(),
            unacknowledged: self.outbox.len(),
            refused_commands: self.tracker.refused_acts(),
            executors: self.executors.values().map(live_executor).collect(),
            ended_executors: self.ended_executors.iter().map(ended_executor).collect(),
            drivers: self.drivers.iter().map(|((driver, attempt), run)| live_driver(driver, *attempt, run)).collect(),
            ended_drivers: self.ended_drivers.iter().map(ended_driver).collect(),
        }
    }
}

fn phase(process: &Process) -> RunPhase {
    match process.phase {
        Phase::Starting | Phase::Running { .. } if process.ended_by().is_some() => RunPhase::Ending,
        Phase::Blocked => RunPhase::Blocked,
        Phase::Preparing => RunPhase::Preparing,
        Phase::Starting => RunPhase::Starting,
        Phase::Running { .. } => RunPhase::Running,
        Phase::Waiting => RunPhase::WaitingToRestart,
    }
}

fn live_executor(run: &ExecutorRun) -> ExecutorRunView {
    ExecutorRunView {
        description: run.description.clone(),
        app: Arc::clone(&run.app),
        phase: phase(&run.process),
        pid: run.process.pid(),
        launched_at: run.launched_at,
        ended_at: None,
        message: None,
        exit_status: None,
    }
}

fn ended_executor(ended: &EndedExecutor) -> ExecutorRunView {
    ExecutorRunView {
        description: ended.description.clone(),
        app: Arc::clone(&ended.app),
        phase: RunPhase::Ended,
        pid: None,
        launched_at: ended.launched_at,
        ended_at: Some(ended.ended_at),
        message: ended.message.clone(),
        exit_status: ended.exit_status,
    }
}

fn live_driver(driver: &DriverId, attempt: Attempt, run: &DriverRun) -> DriverRunView {
    DriverRunView {
        driver: driver.clone(),
        attempt,
        program: run.description.command.program.name().to_owned(),
        cores: run.booking.cores,
        memory: run.booking.memory,
        resources: run.booking.resources.clone(),
        supervise: run.description.supervise,
        phase: phase(&run.process),
        pid: run.process.pid(),
        restarts: run.restarts,
        launched_at: run.launched_at,
        ended_at: None,
        outcome: None,
    }
}

fn ended_driver(ended: &EndedDriver) -> DriverRunView {
    DriverRunView {
        driver: ended.key.0.clone(),
        attempt: ended.key.1,
        program: ended.description.command.program.name().to_owned(),
        cores: ended.description.cores,
        memory: ended.description.memory,
        resources: Addresses::default(),
        supervise: ended.description.supervise,
        phase: RunPhase::Ended,
        pid: None,
        restarts: ended.restarts,
        launched_at: ended.launched_at,
        ended_at: Some(ended.ended_at),
        outcome: ended.outcome.clone(),
    }
}
