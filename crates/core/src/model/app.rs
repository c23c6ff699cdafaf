//! Applications: programs that get executors from the cluster.

use std::fmt;
use std::sync::Arc;

use super::{Amounts, Command};
use crate::ids::ProfileId;
use crate::units::{Cores, Memory};

/// What an application asks for (`ApplicationDescription` of MSG-08); by default nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ApplicationDescription {
    /// For people.
    pub name: String,
    /// Who runs it, for people.
    pub user: String,
    /// Most cores over all executors; none = the cluster's default (AP-03).
    pub max_cores: Option<Cores>,
    /// What an executor runs.
    pub command: Command,
    /// Where the application shows itself; empty = nowhere.
    pub ui_url: String,
    /// What one executor needs unless a request names another profile.
    pub default_profile: ResourceProfile,
    /// Executors wanted at first; none = as many as fit (AP-10).
    pub initial_executor_limit: Option<u32>,
    /// Where its event log goes (HI-02).
    pub event_log_dir: Option<String>,
    /// How the event log is compressed (HI-02).
    pub event_log_codec: Option<String>,
}

/// Where a master that does not hear an application's client finds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AppEndpoint {
    /// `host:port` of an endpoint like our own clients have, for `MasterChanged` and probes.
    Own(String),
    /// It speaks another protocol: a face of the master speaks for it.
    Foreign(Arc<ForeignClient>),
}

/// An application's client that speaks the protocol of a face.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForeignClient {
    /// `host:port` where it listens.
    pub address: String,
    /// The registration as it came, from which a face of any master learns how to speak to it. Nothing else looks inside.
    pub registration: Vec<u8>,
}

impl AppEndpoint {
    /// Whether a face of the master has to speak for it.
    pub fn is_foreign(&self) -> bool {
        matches!(self, Self::Foreign(_))
    }

    /// The client that a face speaks for.
    pub fn foreign(&self) -> Option<&Arc<ForeignClient>> {
        match self {
            Self::Own(_) => None,
            Self::Foreign(client) => Some(client),
        }
    }

    /// `host:port`.
    pub fn address(&self) -> &str {
        match self {
            Self::Own(address) => address,
            Self::Foreign(client) => &client.address,
        }
    }
}

impl From<String> for AppEndpoint {
    fn from(address: String) -> Self {
        Self::Own(address)
    }
}

/// What one executor needs (RS-05); by default nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ResourceProfile {
    /// Number within the application, 0 = the default one.
    pub id: ProfileId,
    /// Memory per executor; none only in other than the default profile: as in the default one.
    pub memory: Option<Memory>,
    /// Memory per executor beside that: what a program of Java takes outside its heap. None: as in the default profile,
    /// and there nothing.
    pub overhead: Option<Memory>,
    /// Cores per executor. None in the default profile: one executor per worker takes all it can (SC-11); in another
    /// one: as in the default profile.
    pub cores: Option<Cores>,
    /// Custom resources per executor; never inherited.
    pub resources: Amounts,
}

impl ResourceProfile {
    /// What is booked of a worker's memory; at least 1 MiB.
    pub fn booked_memory(&self) -> Memory {
        let memory = self.memory.unwrap_or(Memory::mib(1));
        memory.plus(self.overhead.unwrap_or(Memory::ZERO))
    }

    /// This profile with memory and cores taken from the default one where unset (RS-05, T-RP-03).
    #[must_use]
    pub fn inheriting(&self, default: &ResourceProfile) -> ResourceProfile {
        ResourceProfile {
            id: self.id,
            memory: self.memory.or(default.memory),
            overhead: self.overhead.or(default.overhead),
            cores: self.cores.or(default.cores),
            resources: self.resources.clone(),
        }
    }
}

/// Where an application stands (MSG-09, and UNREACHABLE of protocol 4).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ApplicationState {
    /// Registered; no executor yet.
    #[default]
    Waiting,
    /// Has or had an executor.
    Running,
    /// Ended by itself.
    Finished,
    /// Ended because its executors kept failing (EX-03).
    Failed,
    /// Ended by request.
    Killed,
    /// Known from before a change of leader; not heard of since.
    Unknown,
    /// Silent; kept with its executors until the application time-out.
    Unreachable,
}

impl ApplicationState {
    /// No further change is possible.
    pub fn is_final(self) -> bool {
        matches!(self, Self::Finished | Self::Failed | Self::Killed)
    }

    /// The original's name, e.g. `WAITING`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Waiting => "WAITING",
            Self::Running => "RUNNING",
            Self::Finished => "FINISHED",
            Self::Failed => "FAILED",
            Self::Killed => "KILLED",
            Self::Unknown => "UNKNOWN",
            Self::Unreachable => "UNREACHABLE",
        }
    }
}

impl fmt::Display for ApplicationState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}
