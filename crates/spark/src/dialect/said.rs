//! What is said to drivers and to programs that submit them.

use crate::Address;

/// What the driver of an application is told, in one-way messages to its endpoint `AppClient`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ToDriver<'a> {
    /// It is registered. A second one replaces what the first one said.
    Registered {
        /// The application's id, without `/`.
        app: &'a str,
        /// The master's address, which is also the sender of every envelope.
        master: &'a Address,
    },
    /// An executor starts; the driver only logs it.
    ExecutorAdded {
        /// Its number.
        id: i32,
        /// Its worker.
        worker: &'a str,
        /// Host and port of the worker.
        worker_address: &'a str,
        /// Its cores.
        cores: i32,
        /// Its memory in MiB.
        memory_mib: i32,
    },
    /// An executor is in another state.
    ExecutorUpdated {
        /// Its number.
        id: i32,
        /// The state.
        state: ExecutorState,
        /// Why.
        message: Option<&'a str>,
        /// How its process ended. With one the end counts against the application, but for a few of Spark's own.
        exit_status: Option<i32>,
        /// The host whose shuffle files are gone with it.
        worker_host: Option<&'a str>,
    },
    /// A worker is gone.
    WorkerRemoved {
        /// Which one.
        worker: &'a str,
        /// Its host.
        host: &'a str,
        /// Why.
        message: &'a str,
    },
    /// Another master leads, and speaks here from now on.
    MasterChanged {
        /// Its address.
        master: &'a Address,
        /// Its pages.
        ui_url: &'a str,
    },
    /// The application is removed; the driver ends.
    ApplicationRemoved {
        /// Why.
        message: &'a str,
    },
}

/// What a program that submits drivers is answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer<'a> {
    /// To `RequestSubmitDriver`.
    SubmitDriver {
        /// The master's address.
        master: &'a Address,
        /// The driver; `None` = it was refused.
        driver: Option<&'a str>,
        /// For people.
        message: &'a str,
    },
    /// To `RequestKillDriver`.
    KillDriver {
        /// The master's address.
        master: &'a Address,
        /// The driver.
        driver: &'a str,
        /// Whether it will end.
        success: bool,
        /// For people.
        message: &'a str,
    },
    /// To `RequestDriverStatus`.
    DriverStatus {
        /// Its state; `None` = there is no such driver.
        state: Option<DriverState>,
        /// Where it runs.
        worker: Option<DriverWorker<'a>>,
        /// What went wrong.
        exception: Option<&'a str>,
    },
}

/// Where a driver runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DriverWorker<'a> {
    /// The worker.
    pub id: &'a str,
    /// Its host and port.
    pub address: &'a str,
}

/// The states of an executor, as Spark counts them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "Spark's own names")]
pub enum ExecutorState {
    Launching = 0,
    Running = 1,
    Killed = 2,
    Failed = 3,
    Lost = 4,
    Exited = 5,
    /// It is given no new tasks, and will end.
    Decommissioned = 6,
}

impl ExecutorState {
    const ALL: [Self; 7] =
        [Self::Launching, Self::Running, Self::Killed, Self::Failed, Self::Lost, Self::Exited, Self::Decommissioned];

    /// The state of a number.
    pub(crate) fn of(number: i32) -> Option<Self> {
        Self::ALL.into_iter().find(|state| *state as i32 == number)
    }
}

/// The states of a driver, as Spark counts them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "Spark's own names")]
pub enum DriverState {
    Submitted = 0,
    Running = 1,
    Finished = 2,
    Relaunching = 3,
    Unknown = 4,
    Killed = 5,
    Failed = 6,
    Error = 7,
}

impl DriverState {
    const ALL: [Self; 8] = [
        Self::Submitted,
        Self::Running,
        Self::Finished,
        Self::Relaunching,
        Self::Unknown,
        Self::Killed,
        Self::Failed,
        Self::Error,
    ];

    /// The state of a number.
    pub(crate) fn of(number: i32) -> Option<Self> {
        Self::ALL.into_iter().find(|state| *state as i32 == number)
    }
}
