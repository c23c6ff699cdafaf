//! Drivers: programs that the cluster itself runs (cluster mode).

use std::fmt;

use super::{Amounts, Command, Program};
use crate::units::{Cores, Memory};

/// An argument in whose place a program is given the URL of its worker, so that it can end with it.
const WORKER_URL: &str = "{{WORKER_URL}}";

/// What a submitter asks for (`DriverDescription` of MSG-08); by default nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DriverDescription {
    /// Path or URL of a file that is fetched into the work directory before the start (`jarUrl`).
    pub artifact: Option<String>,
    /// Memory booked on the worker.
    pub memory: Memory,
    /// Cores booked on the worker, at least 1.
    pub cores: Cores,
    /// Start again after every failure (DRN-06) and after the loss of its worker (DR-09).
    pub supervise: bool,
    /// What to run.
    pub command: Command,
    /// Custom resources booked on the worker.
    pub resources: Amounts,
    /// What its worker does with it when no master can be reached for long.
    pub on_isolation: OnIsolation,
}

impl DriverDescription {
    /// Whether a foreign worker can run it as it is meant (ADR 15): such a one fetches a file and runs a main class, and
    /// does not end what it runs because it is cut off, nor when it ends itself. So the program must watch its worker.
    pub fn suits_foreign_workers(&self) -> bool {
        let is_java = matches!(self.command.program, Program::Java(_));
        let watches = self.command.arguments.iter().any(|argument| argument == WORKER_URL);
        is_java && watches && self.artifact.is_some() && self.on_isolation == OnIsolation::Continue
    }
}

/// What a worker that is cut off from every master does with a driver before the master may start it elsewhere
/// (protocol 6).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum OnIsolation {
    /// Lets it run: at least once. A second copy may exist until the worker is heard again.
    #[default]
    Continue,
    /// Ends it in time: at most one copy ever runs.
    Kill,
}

/// Where a driver stands (MSG-09).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DriverState {
    /// Accepted and waiting for a place.
    #[default]
    Submitted,
    /// Placed on a worker; shown so from the moment of placement (DR-11).
    Running,
    /// Ended with exit code 0.
    Finished,
    /// Its worker is lost; waits to be started again.
    Relaunching,
    /// Placed before a change of leader and not yet reported by its worker.
    Unknown,
    /// Ended by request.
    Killed,
    /// Ended with another exit code.
    Failed,
    /// Could not be run, or its worker was lost and it is not supervised.
    Error,
}

impl DriverState {
    /// All states, for tables and parsers.
    pub const ALL: [Self; 8] = [
        Self::Submitted,
        Self::Running,
        Self::Finished,
        Self::Relaunching,
        Self::Unknown,
        Self::Killed,
        Self::Failed,
        Self::Error,
    ];

    /// No further change is possible (DR-07).
    pub fn is_final(self) -> bool {
        matches!(self, Self::Finished | Self::Killed | Self::Failed | Self::Error)
    }

    /// The original's name, e.g. `SUBMITTED`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Submitted => "SUBMITTED",
            Self::Running => "RUNNING",
            Self::Finished => "FINISHED",
            Self::Relaunching => "RELAUNCHING",
            Self::Unknown => "UNKNOWN",
            Self::Killed => "KILLED",
            Self::Failed => "FAILED",
            Self::Error => "ERROR",
        }
    }
}

impl fmt::Display for DriverState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// How a driver ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DriverOutcome {
    /// One of the final states.
    pub state: DriverState,
    /// Exit code of the last run, 128 + n where a signal ended it; none where nothing ever ran.
    pub exit_code: Option<i32>,
    /// Why, for people: the error while preparing, or what was lost.
    pub message: Option<String>,
}
