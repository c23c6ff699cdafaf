//! Masters: the role one is in, and how the leader is named to others.

use std::fmt;

use crate::ids::{ClusterId, MasterId, Term};

/// The role of a master (MSG-09, protocol 2). The original's COMPLETING_RECOVERY does not exist: recovery is
/// completed item by item.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MasterRole {
    /// Not the leader.
    #[default]
    Standby,
    /// Leader; some workers or applications of the former one have not answered yet.
    Recovering,
    /// Leader.
    Alive,
    /// Leader past its local deadline: keeps its memory, acts on nothing.
    Suspended,
}

impl MasterRole {
    /// Whether this master holds the lead and may act on it.
    pub fn leads(self) -> bool {
        matches!(self, Self::Recovering | Self::Alive)
    }

    /// The original's name, e.g. `STANDBY`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Standby => "STANDBY",
            Self::Recovering => "RECOVERING",
            Self::Alive => "ALIVE",
            Self::Suspended => "SUSPENDED",
        }
    }
}

impl fmt::Display for MasterRole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// A leader as it is named to workers, applications and clients (the content of `MasterChanged`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeaderInfo {
    /// Which cluster.
    pub cluster: ClusterId,
    /// Its term.
    pub term: Term,
    /// Which master.
    pub master: MasterId,
    /// `host:port` of its gRPC services.
    pub address: String,
    /// Address of its web pages; empty = none.
    pub ui_url: String,
}
