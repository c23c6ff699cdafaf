//! What is asked of a process directly: who are you, who leads, what did that process write.
//!
//! The machines of the core do not know these questions, only what came of them, so that their types live here.

use tanist_core::ids::{AppId, DriverId, ExecutorRef, Incarnation, MasterId, Term, WorkerId};
use tanist_core::model::{LeaderInfo, MasterRole};

use super::DecodeError;
use super::fields::{choice, id, inside, name, optional, optional_id, present, required};
use crate::v1;
use crate::v1::read_log_request as log;

/// Who answers at an endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Identity {
    /// A worker process.
    Worker {
        /// Which worker.
        id: WorkerId,
        /// Which process under this id.
        incarnation: Incarnation,
    },
    /// An application client; no id until it is registered.
    App(Option<AppId>),
}

impl From<&Identity> for v1::Identity {
    fn from(identity: &Identity) -> Self {
        use v1::identity::Who;
        let who = match identity {
            Identity::Worker { id, incarnation } => {
                Who::Worker(v1::WorkerIdentity { worker_id: id.to_string(), incarnation: incarnation.0 })
            }
            Identity::App(app) => Who::App(v1::AppIdentity { app_id: app.as_ref().map(ToString::to_string) }),
        };
        Self { who: Some(who) }
    }
}

impl TryFrom<v1::Identity> for Identity {
    type Error = DecodeError;
    fn try_from(wire: v1::Identity) -> Result<Self, DecodeError> {
        use v1::identity::Who;
        Ok(match present("who", wire.who)? {
            Who::Worker(worker) => Self::Worker {
                id: id("worker.worker_id", &worker.worker_id)?,
                incarnation: Incarnation(worker.incarnation),
            },
            Who::App(app) => Self::App(optional_id("app.app_id", app.app_id.as_deref())?),
        })
    }
}

impl From<&Identity> for v1::PingReply {
    fn from(identity: &Identity) -> Self {
        Self { identity: Some(identity.into()) }
    }
}

impl TryFrom<v1::PingReply> for Identity {
    type Error = DecodeError;
    fn try_from(wire: v1::PingReply) -> Result<Self, DecodeError> {
        required("identity", wire.identity)
    }
}

/// Answer to the announcement of a leader.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Acknowledgement {
    /// Who answers.
    pub identity: Identity,
    /// The highest term it has obeyed or heard of, the announced one included (protocol 5).
    pub heard: Term,
}

impl From<&Acknowledgement> for v1::MasterChangedAck {
    fn from(ack: &Acknowledgement) -> Self {
        Self { identity: Some((&ack.identity).into()), heard: Some((&ack.heard).into()) }
    }
}

impl TryFrom<v1::MasterChangedAck> for Acknowledgement {
    type Error = DecodeError;
    fn try_from(wire: v1::MasterChangedAck) -> Result<Self, DecodeError> {
        Ok(Self { identity: required("identity", wire.identity)?, heard: required("heard", wire.heard)? })
    }
}

/// The standing question: who leads above this term (`AwaitLeader`)?
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeaderQuestion {
    /// The highest term that the asker has heard of.
    pub above: Option<Term>,
    /// Who asks.
    pub asker: Identity,
}

impl From<&LeaderQuestion> for v1::AwaitLeaderRequest {
    fn from(question: &LeaderQuestion) -> Self {
        Self { above: question.above.as_ref().map(Into::into), asker: Some((&question.asker).into()) }
    }
}

impl TryFrom<v1::AwaitLeaderRequest> for LeaderQuestion {
    type Error = DecodeError;
    fn try_from(wire: v1::AwaitLeaderRequest) -> Result<Self, DecodeError> {
        Ok(Self { above: optional("above", wire.above)?, asker: required("asker", wire.asker)? })
    }
}

/// What a master says about itself and the leader, whatever its role (`GetLeader`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeaderAnswer {
    /// Its own role.
    pub role: MasterRole,
    /// The leader as far as known, itself included.
    pub leader: Option<LeaderInfo>,
    /// Its own id.
    pub master: MasterId,
    /// `host:port` of its own gRPC services.
    pub address: String,
}

impl From<&LeaderAnswer> for v1::LeaderReply {
    fn from(answer: &LeaderAnswer) -> Self {
        Self {
            role: v1::MasterRole::from(answer.role).into(),
            leader: answer.leader.as_ref().map(Into::into),
            master_id: answer.master.to_string(),
            address: answer.address.clone(),
        }
    }
}

impl TryFrom<v1::LeaderReply> for LeaderAnswer {
    type Error = DecodeError;
    fn try_from(wire: v1::LeaderReply) -> Result<Self, DecodeError> {
        Ok(Self {
            role: choice("role", wire.role)?,
            leader: optional("leader", wire.leader)?,
            master: id("master_id", &wire.master_id)?,
            address: name("address", wire.address)?,
        })
    }
}

/// Which output is wanted, and from where on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogRequest {
    /// Whose.
    pub process: LogOwner,
    /// Which of its two outputs.
    pub stream: LogStream,
    /// From where on.
    pub start: LogStart,
    /// Go on with what is written later, until the process has ended.
    pub follow: bool,
}

/// Whose output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LogOwner {
    /// A driver's.
    Driver(DriverId),
    /// An executor's.
    Executor(ExecutorRef),
}

/// One of the two outputs of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogStream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// Where to begin in an output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogStart {
    /// At this byte, from 0.
    Offset(u64),
    /// So many bytes before the end.
    LastBytes(u64),
}

impl From<&LogRequest> for v1::ReadLogRequest {
    fn from(request: &LogRequest) -> Self {
        let process = match &request.process {
            LogOwner::Driver(driver) => log::Process::DriverId(driver.to_string()),
            LogOwner::Executor(executor) => log::Process::Executor(executor.into()),
        };
        let start = match request.start {
            LogStart::Offset(offset) => log::Start::FromOffset(offset),
            LogStart::LastBytes(bytes) => log::Start::LastBytes(bytes),
        };
        Self {
            process: Some(process),
            stream: v1::LogStream::from(request.stream).into(),
            start: Some(start),
            follow: request.follow,
        }
    }
}

impl TryFrom<v1::ReadLogRequest> for LogRequest {
    type Error = DecodeError;
    fn try_from(wire: v1::ReadLogRequest) -> Result<Self, DecodeError> {
        Ok(Self {
            process: match present("process", wire.process)? {
                log::Process::DriverId(driver) => LogOwner::Driver(id("driver_id", &driver)?),
                log::Process::Executor(executor) => LogOwner::Executor(inside("executor", executor)?),
            },
            stream: choice("stream", wire.stream)?,
            start: match present("start", wire.start)? {
                log::Start::FromOffset(offset) => LogStart::Offset(offset),
                log::Start::LastBytes(bytes) => LogStart::LastBytes(bytes),
            },
            follow: wire.follow,
        })
    }
}
