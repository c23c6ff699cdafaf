//! The message catalogue (MSG-01 … MSG-09), as plain data and free of any wire.
//!
//! | original | here |
//! |---|---|
//! | RegisterWorker, WorkerLatestState, WorkerSchedulerStateResponse | [`RegisterWorker`] carries the inventory; [`WorkerToMaster::Inventory`] alone |
//! | Heartbeat, ExecutorStateChanged, DriverStateChanged, WorkerDecommissioning | variants of [`WorkerToMaster`] |
//! | RegisteredWorker, RegisterWorkerFailed, MasterInStandby, ReconnectWorker | variants of [`MasterToWorker`] |
//! | LaunchExecutor, KillExecutor, LaunchDriver, KillDriver, ApplicationFinished, DecommissionWorker | [`WorkerCommand`], always [`Fenced`] |
//! | MasterChanged (to workers and to applications) | [`crate::model::LeaderInfo`], delivered to their own endpoints |
//! | RegisterApplication, MasterChangeAcknowledged | [`RegisterApplication`], an upsert by token |
//! | UnregisterApplication, RequestExecutors, KillExecutors | variants of [`AppToMaster`] |
//! | RegisteredApplication, ExecutorAdded, ExecutorUpdated, ApplicationRemoved, WorkerRemoved | variants of [`MasterToApp`] and [`AppNotice`] |
//! | RequestSubmitDriver … RequestReadyz, DecommissionWorkersOnHosts and their answers | [`ClientRequest`], [`ClientReply`] |
//! | RequestMasterState, RequestWorkerState | the published views; they never enter a machine |

mod app;
mod client;
mod worker;

pub use app::{AppNotice, AppToMaster, MasterToApp, RegisterApplication, RegisteredApplication};
pub use client::{ClientReply, ClientRequest, DriverStatus, NotLeading};
pub use worker::{MasterToWorker, RegisterWorker, RegisteredWorker, WorkerCommand, WorkerToMaster};

use crate::ids::{CommandId, Term};

/// Version of the contracts between master, worker and application client. Peers of another one are refused.
pub const PROTOCOL_VERSION: u32 = 1;

/// A command with the term that gives it force. A receiver that has seen a higher term refuses it (protocol 5).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fenced<T> {
    /// On whose authority.
    pub term: Term,
    /// Which command of that term.
    pub id: CommandId,
    /// What is to be done.
    pub body: T,
}
