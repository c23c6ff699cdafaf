//! What an application client wants done, in order, and what its program is told.

use crate::ids::{AppId, ExecutorId, ExecutorRef, ProfileId, WorkerId};
use crate::model::{ExecutorState, LeaderInfo};
use crate::msg::AppToMaster;
use crate::time::Mono;
use crate::tracking::{self, LinkId};
use crate::units::{Cores, Memory};

use super::event::Timer;

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
        message: AppToMaster,
    },
    /// Tell the program.
    Tell(Notice),
    /// Answer a request of the program.
    Answer {
        /// Which one.
        request: u64,
        /// Whether the master took it. False at once where nothing was ever registered (T-AC-03).
        accepted: bool,
    },
    /// Wake me with this timer at this time. Alarms are never taken back; a stale one is recognised.
    Arm {
        /// Which.
        timer: Timer,
        /// When.
        at: Mono,
    },
    /// For the log.
    Warn(tracking::Trouble),
    /// This machine is done. Nothing comes after it.
    Ended,
}

/// What the program is told (the listener of AC-02 … AC-06).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notice {
    /// Registered: for the first time, or again after [`Notice::Disconnected`] under the same id.
    Connected {
        /// The application's id.
        app: AppId,
        /// With whom.
        leader: LeaderInfo,
    },
    /// No leader can be reached now. Executors run on; the machine looks for the leader by itself (AC-04 without its
    /// defect).
    Disconnected,
    /// The application is over: refused, removed, or nobody could be found (AC-05).
    Dead {
        /// Why, for people.
        reason: String,
    },
    /// There is an executor. Told once for each.
    ExecutorAdded {
        /// Which one.
        executor: ExecutorRef,
        /// On which worker.
        worker: WorkerId,
        /// `host:port` of that worker.
        worker_address: String,
        /// Cores it has.
        cores: Cores,
        /// Memory it has.
        memory: Memory,
        /// From which profile.
        profile: ProfileId,
    },
    /// An executor is LAUNCHING or RUNNING; for the log (AC-06).
    ExecutorChanged {
        /// Which one.
        executor: ExecutorId,
        /// Its state.
        state: ExecutorState,
    },
    /// The worker of an executor is leaving; it runs on for a while and should get nothing new. Told once for each.
    ExecutorDecommissioned {
        /// Which one.
        executor: ExecutorRef,
        /// Why, for people.
        message: String,
        /// Host of the worker, if all of it leaves.
        worker_host: Option<String>,
    },
    /// An executor is gone. Told once for each.
    ExecutorRemoved {
        /// Which one.
        executor: ExecutorRef,
        /// Why, for people.
        message: String,
        /// What it means for the program.
        loss: Loss,
    },
    /// A worker is gone, with or without executors of this application.
    WorkerRemoved {
        /// Which one.
        worker: WorkerId,
        /// Its host.
        host: String,
        /// Why, for people.
        message: String,
    },
}

/// How an executor went, as the program counts failures (AC-07).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Loss {
    /// Ended by request: no failure.
    Requested,
    /// Its process ended with this code.
    Exited {
        /// The code.
        code: i32,
        /// Whether the application's own doing is to be suspected.
        caused_by_app: bool,
    },
    /// It is gone without a code.
    ProcessLost {
        /// Host of its worker, where the worker is gone with it.
        worker_host: Option<String>,
        /// Whether the application's own doing is to be suspected.
        caused_by_app: bool,
    },
}

/// Exit code of an executor that could not make its directories on disk.
const DISK_STORE_FAILED: i32 = 53;
/// Exit code of an executor that could not reach its driver for too long.
const HEARTBEAT_FAILED: i32 = 56;

impl Loss {
    /// Failures to reach the driver and of the local disk are not the application's; other codes are. Without a code
    /// it is the application's unless its worker is known to be gone, or nobody knows how it went.
    pub fn of(state: ExecutorState, exit_status: Option<i32>, worker_host: Option<String>) -> Self {
        match exit_status {
            _ if state == ExecutorState::Killed => Self::Requested,
            Some(code) => Self::Exited { code, caused_by_app: !matches!(code, DISK_STORE_FAILED | HEARTBEAT_FAILED) },
            None => {
                let caused_by_app = worker_host.is_none() && state != ExecutorState::Lost;
                Self::ProcessLost { worker_host, caused_by_app }
            }
        }
    }
}
