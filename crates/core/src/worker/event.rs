//! What can happen to a worker: the one closed list.

use std::fmt;

use super::cleanup::DirListed;
use crate::model::LeaderInfo;
use crate::msg::MasterToWorker;
use crate::tracking::{self, LinkId};
use crate::units::Memory;

/// One launch on this worker: a driver attempt or an executor, from preparation to its end. A supervised driver keeps
/// it over its restarts. Never used twice by one process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RunId(pub u64);

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Everything that can wake the worker's machine.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// The process is ready: look for a master.
    Start,
    /// A session asked for with `Connect` is open; nothing was said on it yet.
    LinkOpened {
        /// Which one.
        link: LinkId,
    },
    /// A session ended or could not be opened.
    LinkClosed {
        /// Which one.
        link: LinkId,
    },
    /// A master said something.
    FromMaster {
        /// On which session.
        link: LinkId,
        /// What.
        message: MasterToWorker,
    },
    /// A leader announced itself at the worker's own endpoint (`MasterChanged`). It is to be answered with
    /// [`super::Worker::heard`], after the effects of this event are carried out.
    LeaderNotice(LeaderInfo),
    /// Answer to `AskLeader`, if it named a leader.
    LeaderAnswer(LeaderInfo),
    /// An armed timer is due.
    Timer(Timer),
    /// A run's directory and files are there.
    Prepared {
        /// Which run.
        run: RunId,
        /// What was prepared.
        ready: Ready,
    },
    /// A run's directory or files could not be had.
    PrepareFailed {
        /// Which run.
        run: RunId,
        /// What was tried, and why it failed.
        message: String,
    },
    /// A process asked for with `Spawn` runs.
    Started {
        /// Which run.
        run: RunId,
        /// Its process id.
        pid: u32,
    },
    /// A process asked for with `Spawn` could not be started.
    StartFailed {
        /// Which run.
        run: RunId,
        /// What was tried, and why it failed.
        message: String,
    },
    /// A process asked for with `Spawn` was not started, because its limit had passed ([`super::Launch::limit`]).
    TooLate {
        /// Which run.
        run: RunId,
    },
    /// A process asked for with `Spawn` can never be started on this host as it is set up.
    Unsuited {
        /// Which run.
        run: RunId,
        /// What is missing.
        message: String,
    },
    /// A process that was reported as started has ended, with all that it had started.
    Exited {
        /// Which run.
        run: RunId,
        /// Its exit code, 128 + n where a signal ended it.
        code: i32,
    },
    /// The limit of a run has passed, and its program is being ended or has ended for it; before its `Exited`.
    LimitReached {
        /// Which run.
        run: RunId,
    },
    /// Answer to `ListDirs`.
    DirListing(Vec<DirListed>),
    /// Free space on the file system of the work directory was measured.
    DiskFree(Memory),
    /// The operator asks for decommissioning on this host (DC-02).
    Decommission,
    /// End everything that runs and then the process (WL-10). A second one does not wait for time-outs.
    Stop,
}

/// What preparation has made for a run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ready {
    /// Local path of the fetched file, if the run has one (`{{USER_JAR}}`, DRN-02).
    pub artifact: Option<String>,
    /// Local path of the resources file, if the run has resources (RS-03).
    pub resources_file: Option<String>,
    /// Scratch directories that the executors of one application share (WL-03).
    pub scratch: Vec<String>,
}

/// What a timer is for. A timer that has lost its reason is ignored when it fires.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Timer {
    /// Finding and following a master.
    Tracking(tracking::Timer),
    /// SIGKILL is due, or should have helped by now.
    Kill(RunId),
    /// A supervised driver is to be started again; the number tells which of its restarts.
    Restart(RunId, u32),
    /// Repeat what no master has acknowledged.
    Reports,
    /// Are drivers to be ended because no master was heard for too long?
    Isolation,
    /// Look for old directories.
    Cleanup,
    /// Stopping takes too long: end without waiting any longer.
    StopDeadline,
}
