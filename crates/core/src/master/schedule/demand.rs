//! What is asked of the scheduler and what it answers.

use std::collections::BTreeMap;

use crate::ids::{AppId, DriverId, ProfileId, WorkerId};
use crate::model::{Addresses, Amounts, Booking};
use crate::units::{Cores, Memory};

/// What one driver occupies.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DriverNeed {
    /// Cores, at least 1 (0 counts as 1).
    pub cores: Cores,
    /// Memory.
    pub memory: Memory,
    /// Custom resources.
    pub resources: Amounts,
    /// A foreign worker can run it too.
    pub foreign: bool,
}

impl DriverNeed {
    /// With at least one core: work without any would be placed on full workers without end.
    pub(super) fn at_least_one_core(self) -> Self {
        Self { cores: self.cores.max(Cores(1)), ..self }
    }
}

/// What one executor of a profile occupies.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ProfileNeed {
    /// Cores, at least 1 (0 counts as 1). None: one executor per worker and round takes as many as it can (SC-11).
    pub cores: Option<Cores>,
    /// Memory.
    pub memory: Memory,
    /// Custom resources.
    pub resources: Amounts,
    /// A foreign worker can run it too.
    pub foreign: bool,
}

impl ProfileNeed {
    /// The step in which cores are given out (SC-11).
    pub(super) fn unit(&self) -> u32 {
        self.cores.map_or(1, |cores| cores.0.max(1))
    }
}

/// What an application asks for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AppDemand {
    /// Most cores over all its executors (AP-03).
    pub max_cores: Cores,
    /// What one executor of each profile needs; memory and cores already inherited (RS-05).
    pub profiles: BTreeMap<ProfileId, ProfileNeed>,
    /// Wanted executors per profile, in total (AP-08). Missing: no limit for the default profile (AP-10), none wanted
    /// of another one.
    pub targets: BTreeMap<ProfileId, u32>,
}

/// The wanted executors of a profile for which no number was ever given.
pub(super) fn default_target(profile: ProfileId) -> u32 {
    if profile == ProfileId(0) { u32::MAX } else { 0 }
}

/// What is free on a worker.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Free {
    /// Cores.
    pub cores: Cores,
    /// Memory.
    pub memory: Memory,
    /// Resource addresses.
    pub resources: Addresses,
}

/// One decision; it is booked already.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Placement {
    /// A driver has left the queue.
    Driver {
        /// Which one.
        driver: DriverId,
        /// Where it goes.
        worker: WorkerId,
        /// What it occupies there.
        booking: Booking,
    },
    /// An application gets one more executor; it is counted already.
    Executor {
        /// Whose.
        app: AppId,
        /// Made from which profile.
        profile: ProfileId,
        /// Where it goes.
        worker: WorkerId,
        /// What it occupies there.
        booking: Booking,
    },
}
