//! Executors: the processes of an application on the workers.

use std::fmt;

use super::Addresses;
use crate::ids::{ExecutorRef, ProfileId};
use crate::units::{Cores, Memory};

/// One executor as its worker and its master know it (`ExecutorDescription` of MSG-08).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExecutorDescription {
    /// Which one.
    pub executor: ExecutorRef,
    /// Which profile it was made from.
    pub profile: ProfileId,
    /// Cores booked.
    pub cores: Cores,
    /// Memory booked.
    pub memory: Memory,
    /// Resource addresses booked.
    pub resources: Addresses,
    /// Where it stands.
    pub state: ExecutorState,
}

/// Where an executor stands (MSG-09).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ExecutorState {
    /// Placed; its process does not run yet.
    #[default]
    Launching,
    /// Its process runs.
    Running,
    /// Ended by request.
    Killed,
    /// Could not be run.
    Failed,
    /// Its worker is lost.
    Lost,
    /// Its process ended by itself.
    Exited,
    /// Its worker is being decommissioned; the process may still run.
    Decommissioned,
}

impl ExecutorState {
    /// Nothing of it runs any more (MSG-09: DECOMMISSIONED is not among them).
    pub fn is_finished(self) -> bool {
        matches!(self, Self::Killed | Self::Failed | Self::Lost | Self::Exited)
    }

    /// The original's name, e.g. `LAUNCHING`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Launching => "LAUNCHING",
            Self::Running => "RUNNING",
            Self::Killed => "KILLED",
            Self::Failed => "FAILED",
            Self::Lost => "LOST",
            Self::Exited => "EXITED",
            Self::Decommissioned => "DECOMMISSIONED",
        }
    }
}

impl fmt::Display for ExecutorState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}
