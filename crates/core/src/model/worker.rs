//! Workers: what they offer, what they run.

use std::fmt;
use std::sync::Arc;

use super::{Addresses, DriverState, ExecutorDescription};
use crate::ids::{AppId, Attempt, DriverId};
use crate::units::{Cores, Memory};

/// Where a worker stands (MSG-09).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum WorkerState {
    /// Registered and heard of.
    #[default]
    Alive,
    /// Lost or replaced; listed for a while (HB-04).
    Dead,
    /// Gets nothing new (DC-04).
    Decommissioned,
    /// Known from before a change of leader; has not reported since.
    Unknown,
}

impl WorkerState {
    /// The original's name, e.g. `ALIVE`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Alive => "ALIVE",
            Self::Dead => "DEAD",
            Self::Decommissioned => "DECOMMISSIONED",
            Self::Unknown => "UNKNOWN",
        }
    }
}

impl fmt::Display for WorkerState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// How a worker is spoken to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum WorkerKind {
    /// Like all of our own.
    #[default]
    Own,
    /// In another protocol: a face of the master speaks for it (ADR 15). This is its registration as it came, from which a
    /// face of any master learns how to speak to it. Nothing else looks inside.
    Foreign(Arc<[u8]>),
}

impl WorkerKind {
    /// Whether a face of the master has to speak for it.
    pub fn is_foreign(&self) -> bool {
        matches!(self, Self::Foreign(_))
    }
}

/// What one driver or executor occupies on its worker.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Booking {
    /// Cores taken.
    pub cores: Cores,
    /// Memory taken.
    pub memory: Memory,
    /// Resource addresses taken (RS-02).
    pub resources: Addresses,
}

/// One driver attempt on a worker, as the worker reports it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DriverOnWorker {
    /// Which driver.
    pub driver: DriverId,
    /// Which copy of it.
    pub attempt: Attempt,
    /// RUNNING, or a final state that is not acknowledged yet.
    pub state: DriverState,
    /// What it occupies.
    pub booking: Booking,
}

/// Everything a worker runs or has ended without acknowledgement (`WorkerSchedulerStateResponse` and
/// `WorkerLatestState` of MSG-03).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Inventory {
    /// Executors.
    pub executors: Vec<ExecutorDescription>,
    /// Driver attempts.
    pub drivers: Vec<DriverOnWorker>,
    /// Applications that have scratch directories there and of whose end it has not heard (DIR-03).
    pub scratch_of: Vec<AppId>,
}
