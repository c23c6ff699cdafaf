//! Between submission client (or operator) and master (MSG-07).

use crate::ids::{AppId, Attempt, DriverId, RequestId, WorkerId};
use crate::model::{DriverDescription, DriverState, LeaderInfo, MasterRole};

/// A request that changes something, or that must be answered by the leader itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClientRequest {
    /// Run this driver (DR-01).
    SubmitDriver {
        /// Makes a repetition harmless.
        request: Option<RequestId>,
        /// What to run.
        description: Box<DriverDescription>,
    },
    /// End a driver (DR-04).
    KillDriver {
        /// Which one.
        driver: DriverId,
    },
    /// End every driver (DR-05).
    KillAllDrivers,
    /// Forget ended drivers and applications (DR-10).
    ClearCompleted,
    /// Can work be submitted here (RE-16)?
    Ready,
    /// End an application (AP-11).
    KillApplication {
        /// Which one.
        app: AppId,
    },
    /// Decommission all workers on these hosts (DC-05).
    DecommissionHosts {
        /// Host names, case-insensitive.
        hosts: Vec<String>,
    },
}

/// The answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClientReply {
    /// To a submission.
    Submitted {
        /// The driver's id.
        driver: DriverId,
    },
    /// To a submission that can never be taken: names field, value and what is allowed.
    Invalid {
        /// Why.
        reason: String,
    },
    /// To a kill of one driver or application.
    KillRequested {
        /// Whether there was something to end.
        found: bool,
        /// For people.
        message: String,
    },
    /// To `KillAllDrivers`: how many were asked to end.
    KillAllRequested {
        /// How many.
        drivers: u32,
    },
    /// To `ClearCompleted`.
    Cleared,
    /// To `Ready`.
    Ready(bool),
    /// To `DecommissionHosts`: workers matched (DC-05).
    Decommissioning {
        /// How many.
        workers: u32,
    },
    /// This master cannot act now.
    NotLeading(NotLeading),
}

/// Why a master does not act, and who might (MSG-10).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotLeading {
    /// What it is instead.
    pub role: MasterRole,
    /// The leader as far as known.
    pub leader: Option<LeaderInfo>,
}

/// Where a driver stands (DR-06). Read from the published view: it is no request to the machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DriverStatus {
    /// Which driver.
    pub driver: DriverId,
    /// Its state.
    pub state: DriverState,
    /// Which copy runs or ran last.
    pub attempt: Attempt,
    /// Where.
    pub worker: Option<WorkerId>,
    /// `host:port` of that worker's own endpoint.
    pub worker_address: Option<String>,
    /// Exit code, once ended.
    pub exit_code: Option<i32>,
    /// Why it ended so, or why it waits.
    pub message: Option<String>,
}
