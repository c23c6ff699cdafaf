//! What a worker wants done, in order.
//!
//! Effects are carried out in the order in which they stand. Most only begin something whose end comes back as an
//! event. One must be complete before anything behind it is begun: [`Effect::SaveTerm`].

use std::sync::Arc;

use super::cleanup::DirRef;
use super::event::{RunId, Timer};
use crate::ids::{AppId, Attempt, ClusterId, DriverId, ExecutorRef, Term};
use crate::model::{Addresses, ApplicationDescription, Command, DriverDescription};
use crate::msg::WorkerToMaster;
use crate::time::Mono;
use crate::tracking::{self, LinkId};
use crate::units::{Cores, Memory};

/// One thing that the shell must do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Open or close a session with a master, or ask one who leads.
    Track(tracking::Effect),
    /// Say this to a master.
    Send {
        /// On which session.
        link: LinkId,
        /// What.
        message: WorkerToMaster,
    },
    /// Write this to disk and sync it before any later effect is begun: from here on lower terms are refused, also by
    /// the next process of this worker.
    SaveTerm {
        /// The highest term obeyed.
        term: Term,
        /// Its cluster.
        cluster: ClusterId,
    },
    /// Make the directory, fetch the file, write the resources file. Answered by `Prepared` or `PrepareFailed`.
    Prepare {
        /// Which run.
        run: RunId,
        /// Of what.
        what: What,
    },
    /// Start the process. Answered by `Started` and, later, `Exited`, or by `StartFailed` or `TooLate`. Comes again with the same
    /// run where a supervised driver is started again.
    Spawn {
        /// Which run.
        run: RunId,
        /// How.
        launch: Box<Launch>,
    },
    /// From now on this limit holds for the run, instead of the one before ([`Launch::limit`]).
    Limit {
        /// Which run.
        run: RunId,
        /// The limit.
        limit: Limit,
    },
    /// SIGTERM to the run's process group. Where its start is still under way, that is broken off and answered by
    /// `StartFailed` once nothing is left of it, or the process gets the signal when it runs.
    Terminate {
        /// Which run.
        run: RunId,
    },
    /// SIGKILL to everything that belongs to the run; breaks a start off, too.
    Kill {
        /// Which run.
        run: RunId,
    },
    /// Nothing more will be asked about this run; a preparation that still goes on is to be broken off.
    Forget {
        /// Which run.
        run: RunId,
    },
    /// List the work directory and the scratch directories. Answered by `DirListing`.
    ListDirs,
    /// Delete these; before any later `Prepare` for the same id.
    DeleteDirs(Vec<DirRef>),
    /// Delete the scratch directories of an application that has ended (DIR-03).
    DeleteScratch {
        /// Which one.
        app: AppId,
    },
    /// Wake me with this timer at this time. Alarms are never taken back; a stale one is recognised.
    Arm {
        /// Which.
        timer: Timer,
        /// When.
        at: Mono,
    },
    /// For the log and for operators.
    Warn(Trouble),
    /// End the process. Nothing comes after it.
    Exit {
        /// 0 after a requested stop, 1 otherwise.
        code: u8,
        /// Why, for the log.
        why: String,
    },
}

/// What a run is a run of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// A driver attempt, in `<work>/<driver>` (DRN-01).
    Driver {
        /// Which driver.
        driver: DriverId,
        /// Which copy.
        attempt: Attempt,
        /// What was asked for.
        description: Arc<DriverDescription>,
        /// Resource addresses given.
        resources: Addresses,
    },
    /// An executor, in `<work>/<app>/<executor>`, which must not exist yet (WL-02).
    Executor {
        /// Which one.
        executor: ExecutorRef,
        /// Whose.
        app: Arc<ApplicationDescription>,
        /// Resource addresses given.
        resources: Addresses,
    },
}

/// A process to start: everything is substituted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Launch {
    /// Program, arguments, and what is laid over the worker's own environment.
    pub command: Command,
    /// Memory for the heap of a Java program (CMD-01).
    pub heap: Memory,
    /// Cores booked.
    pub cores: Cores,
    /// Log files are continued, not begun anew (DRN-05, ERN-05).
    pub append_logs: bool,
    /// When it is ended unless a later limit comes in time; none = never.
    pub limit: Option<Limit>,
}

/// When a program is ended by what stands between it and this process, without being told: also while this process stands
/// still. The shell must see to that outside of this process, by the clock of this machine, and must not start a program
/// whose limit has passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit {
    /// SIGTERM.
    pub terminate_at: Mono,
    /// SIGKILL.
    pub kill_at: Mono,
}

/// Something that should not be, or that people should know of.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Trouble {
    /// About finding and following a master.
    #[error(transparent)]
    Tracking(#[from] tracking::Trouble),
    /// A launch or kill that names something else than what is here.
    #[error("ignored a command about {what}: {why}")]
    Ignored {
        /// About what.
        what: String,
        /// Why.
        why: &'static str,
    },
    /// A launch that was answered with a final state.
    #[error("refused to launch {what}: {why}")]
    LaunchRefused {
        /// Of what.
        what: String,
        /// Why.
        why: String,
    },
    /// A process survives SIGKILL; it still occupies its place.
    #[error("run {run} of {what} has survived SIGKILL")]
    Orphaned {
        /// Which run.
        run: RunId,
        /// Of what.
        what: String,
    },
    /// Drivers that asked for it are ended before a master may start them elsewhere.
    #[error("no master was heard for long: ending driver {driver}, attempt {attempt}")]
    Isolated {
        /// Which driver.
        driver: DriverId,
        /// Which copy.
        attempt: Attempt,
    },
    /// Asked to decommission, but the feature is off (DC-02).
    #[error("asked to decommission, but decommissioning is not enabled on this worker")]
    DecommissionDisabled,
    /// Asked to decommission again (DC-02).
    #[error("asked to decommission, but this worker is being decommissioned already")]
    DecommissionedAlready,
    /// Free disk space fell below the floor, or rose above it again.
    #[error("free disk space is {free}, the floor {floor}: {}", if *accepts { "new work is taken again" } else { "no new work is taken" })]
    Disk {
        /// Free now.
        free: Memory,
        /// The floor.
        floor: Memory,
        /// Whether new work is taken now.
        accepts: bool,
    },
}
