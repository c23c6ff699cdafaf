//! What is asked of masters, as errors and the log name it.

use std::fmt;

use tanist_core::msg::ClientRequest;

/// A call, by its name in the contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CallName {
    /// Run a driver.
    SubmitDriver,
    /// End a driver.
    KillDriver,
    /// End every driver.
    KillAllDrivers,
    /// Where does a driver stand?
    DriverStatus,
    /// Forget what has ended.
    ClearCompleted,
    /// Are submissions taken?
    Ready,
    /// End an application.
    KillApplication,
    /// Decommission the workers on some hosts.
    DecommissionHosts,
    /// What is there in the cluster?
    GetState,
    /// Who leads?
    GetLeader,
    /// Hand the office over.
    Switchover,
    /// Pause failover.
    PauseFailover,
    /// End the pause.
    ResumeFailover,
}

impl CallName {
    /// Whether it changes anything but what its sender knows.
    pub(crate) fn alters(self) -> bool {
        match self {
            Self::SubmitDriver
            | Self::KillDriver
            | Self::KillAllDrivers
            | Self::ClearCompleted
            | Self::KillApplication
            | Self::DecommissionHosts
            | Self::Switchover
            | Self::PauseFailover
            | Self::ResumeFailover => true,
            Self::DriverStatus | Self::Ready | Self::GetState | Self::GetLeader => false,
        }
    }
}

impl From<&ClientRequest> for CallName {
    fn from(request: &ClientRequest) -> Self {
        match request {
            ClientRequest::SubmitDriver { .. } => Self::SubmitDriver,
            ClientRequest::KillDriver { .. } => Self::KillDriver,
            ClientRequest::KillAllDrivers => Self::KillAllDrivers,
            ClientRequest::ClearCompleted => Self::ClearCompleted,
            ClientRequest::Ready => Self::Ready,
            ClientRequest::KillApplication { .. } => Self::KillApplication,
            ClientRequest::DecommissionHosts { .. } => Self::DecommissionHosts,
        }
    }
}

impl fmt::Display for CallName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}
