//! Submission and operator requests: the core has one request and one reply type, the wire a message pair per call.
//!
//! ```text
//! client   ClientRequest ──▶ Call::… ────▶ v1::…Request ──▶ ClientRequest   master
//!          ClientReply ◀──────────────────── v1::…Reply ◀── ClientReply
//! ```

use tanist_core::msg::ClientRequest;

use super::DecodeError;
use super::descriptions::bounded;
use super::fields::{at_most, id, name, optional_id};
use crate::limits::MAX_HOSTS;
use crate::v1;

/// A client's request as the message of the one call that carries it.
#[derive(Debug, Clone, PartialEq)]
pub enum Call {
    /// `SubmissionService.SubmitDriver`
    SubmitDriver(Box<v1::SubmitDriverRequest>),
    /// `SubmissionService.KillDriver`
    KillDriver(v1::KillDriverRequest),
    /// `SubmissionService.KillAllDrivers`
    KillAllDrivers(v1::KillAllDriversRequest),
    /// `SubmissionService.ClearCompleted`
    ClearCompleted(v1::ClearCompletedRequest),
    /// `SubmissionService.Ready`
    Ready(v1::ReadyRequest),
    /// `OperatorService.KillApplication`
    KillApplication(v1::KillApplicationRequest),
    /// `OperatorService.DecommissionHosts`
    DecommissionHosts(v1::DecommissionHostsRequest),
}

impl From<&ClientRequest> for Call {
    fn from(request: &ClientRequest) -> Self {
        match request {
            ClientRequest::SubmitDriver { request, description } => {
                Self::SubmitDriver(Box::new(v1::SubmitDriverRequest {
                    request_id: request.as_ref().map(ToString::to_string),
                    description: Some(description.as_ref().into()),
                }))
            }
            ClientRequest::KillDriver { driver } => {
                Self::KillDriver(v1::KillDriverRequest { driver_id: driver.to_string() })
            }
            ClientRequest::KillAllDrivers => Self::KillAllDrivers(v1::KillAllDriversRequest {}),
            ClientRequest::ClearCompleted => Self::ClearCompleted(v1::ClearCompletedRequest {}),
            ClientRequest::Ready => Self::Ready(v1::ReadyRequest {}),
            ClientRequest::KillApplication { app } => {
                Self::KillApplication(v1::KillApplicationRequest { app_id: app.to_string() })
            }
            ClientRequest::DecommissionHosts { hosts } => {
                Self::DecommissionHosts(v1::DecommissionHostsRequest { hosts: hosts.clone() })
            }
        }
    }
}

impl TryFrom<v1::SubmitDriverRequest> for ClientRequest {
    type Error = DecodeError;
    fn try_from(wire: v1::SubmitDriverRequest) -> Result<Self, DecodeError> {
        Ok(Self::SubmitDriver {
            request: optional_id("request_id", wire.request_id.as_deref())?,
            description: Box::new(bounded("description", wire.description)?),
        })
    }
}

impl TryFrom<v1::KillDriverRequest> for ClientRequest {
    type Error = DecodeError;
    fn try_from(wire: v1::KillDriverRequest) -> Result<Self, DecodeError> {
        Ok(Self::KillDriver { driver: id("driver_id", &wire.driver_id)? })
    }
}

impl TryFrom<v1::KillApplicationRequest> for ClientRequest {
    type Error = DecodeError;
    fn try_from(wire: v1::KillApplicationRequest) -> Result<Self, DecodeError> {
        Ok(Self::KillApplication { app: id("app_id", &wire.app_id)? })
    }
}

impl TryFrom<v1::DecommissionHostsRequest> for ClientRequest {
    type Error = DecodeError;
    fn try_from(wire: v1::DecommissionHostsRequest) -> Result<Self, DecodeError> {
        at_most("hosts", wire.hosts.len(), MAX_HOSTS)?;
        let read = |(index, host)| name(&format!("hosts[{index}]"), host);
        Ok(Self::DecommissionHosts { hosts: wire.hosts.into_iter().enumerate().map(read).collect::<Result<_, _>>()? })
    }
}

macro_rules! requests_without_content {
    ($($wire:ident = $request:ident),+ $(,)?) => {$(
        impl TryFrom<v1::$wire> for ClientRequest {
            type Error = DecodeError;
            fn try_from(_: v1::$wire) -> Result<Self, DecodeError> {
                Ok(Self::$request)
            }
        }
    )+};
}

requests_without_content! {
    KillAllDriversRequest = KillAllDrivers,
    ClearCompletedRequest = ClearCompleted,
    ReadyRequest = Ready,
}
