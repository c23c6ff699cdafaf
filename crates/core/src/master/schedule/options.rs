//! Settings of scheduling.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

use crate::ids::WorkerId;
use crate::units::{Cores, InvalidAmount, Memory};

/// In which order workers are offered to an application (`spark.deploy.workerSelectionPolicy`, SC-10). Workers that are
/// equal are taken by id, for the two descending policies by id reversed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum WorkerSelection {
    /// Most free cores first.
    #[default]
    CoresFreeDesc,
    /// Fewest free cores first.
    CoresFreeAsc,
    /// Least free memory first.
    MemoryFreeAsc,
    /// Most free memory first.
    MemoryFreeDesc,
    /// By worker id alone.
    WorkerId,
}

impl WorkerSelection {
    /// All policies, for tables and parsers.
    pub const ALL: [Self; 5] =
        [Self::CoresFreeDesc, Self::CoresFreeAsc, Self::MemoryFreeAsc, Self::MemoryFreeDesc, Self::WorkerId];

    /// The original's name, e.g. `CORES_FREE_DESC`.
    pub fn name(self) -> &'static str {
        match self {
            Self::CoresFreeDesc => "CORES_FREE_DESC",
            Self::CoresFreeAsc => "CORES_FREE_ASC",
            Self::MemoryFreeAsc => "MEMORY_FREE_ASC",
            Self::MemoryFreeDesc => "MEMORY_FREE_DESC",
            Self::WorkerId => "WORKER_ID",
        }
    }

    /// Which of two workers is offered first, each given as its free cores, its free memory and its id.
    pub fn compare(self, a: (Cores, Memory, &WorkerId), b: (Cores, Memory, &WorkerId)) -> Ordering {
        match self {
            Self::CoresFreeDesc => (b.0, b.2).cmp(&(a.0, a.2)),
            Self::CoresFreeAsc => (a.0, a.2).cmp(&(b.0, b.2)),
            Self::MemoryFreeAsc => (a.1, a.2).cmp(&(b.1, b.2)),
            Self::MemoryFreeDesc => (b.1, b.2).cmp(&(a.1, a.2)),
            Self::WorkerId => a.2.cmp(b.2),
        }
    }
}

impl fmt::Display for WorkerSelection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for WorkerSelection {
    type Err = InvalidAmount;

    /// Reads the original's names, in either case.
    fn from_str(text: &str) -> Result<Self, InvalidAmount> {
        let wanted = "CORES_FREE_DESC, CORES_FREE_ASC, MEMORY_FREE_ASC, MEMORY_FREE_DESC or WORKER_ID";
        let same = |policy: &Self| policy.name().eq_ignore_ascii_case(text.trim());
        Self::ALL.into_iter().find(same).ok_or_else(|| InvalidAmount { value: text.to_owned(), wanted })
    }
}

/// How work is placed. The same on every master of a cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SchedulerOptions {
    /// An application's executors go to as many workers as possible, else to as few (`spark.deploy.spreadOutApps`,
    /// SC-13).
    pub spread_out_apps: bool,
    /// Drivers go round all workers in random order, else to the first by id that has room
    /// (`spark.deploy.spreadOutDrivers`, SC-03 and SC-04).
    pub spread_out_drivers: bool,
    /// Order of workers for executors (SC-10).
    pub worker_selection: WorkerSelection,
    /// Most drivers placed at a time (`spark.deploy.maxDrivers`, SC-06).
    pub max_drivers: u32,
}

impl Default for SchedulerOptions {
    fn default() -> Self {
        Self {
            spread_out_apps: true,
            spread_out_drivers: true,
            worker_selection: WorkerSelection::default(),
            max_drivers: u32::MAX,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn policies_are_read_by_the_original_s_names() {
        for policy in WorkerSelection::ALL {
            assert_eq!(policy.name().parse(), Ok(policy));
            assert_eq!(policy.to_string().to_lowercase().parse(), Ok(policy));
        }
        let error = "CORES".parse::<WorkerSelection>().unwrap_err().to_string();
        assert!(error.contains("\"CORES\"") && error.contains("WORKER_ID"), "{error}");
    }
}
