//! Workers: what they offer, what they run.

use std::fmt;

use super::{Addresses, DriverState, ExecutorDescription};
use crate::ids::{Attempt, DriverId};
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
}
