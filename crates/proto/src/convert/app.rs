//! The session between application client and master.

use std::sync::Arc;
use std::time::Duration;

use tanist_core::ids::{CommandId, ExecutorId, ProfileId};
use tanist_core::msg::{AppNotice, AppToMaster, Fenced, MasterToApp, RegisterApplication, RegisteredApplication};
use tanist_core::time::millis;
use tanist_core::units::{Cores, Memory};

use super::DecodeError;
use super::descriptions::{bounded, from_targets, to_profiles, to_targets};
use super::fields::{
    at_most, choice, cut, id, inside, name, optional, optional_cut, optional_id, optional_name, optional_prose,
    present, prose, required,
};
use crate::limits::MAX_APP_EXECUTORS;
use crate::v1;
use crate::v1::app_notice as notice;
use crate::v1::app_to_master as up;
use crate::v1::master_to_app as down;

fn from_executors(executors: &[ExecutorId]) -> Vec<u32> {
    executors.iter().map(|executor| executor.0).collect()
}

fn to_executors(wire: Vec<u32>) -> Result<Vec<ExecutorId>, DecodeError> {
    at_most("executor_ids", wire.len(), MAX_APP_EXECUTORS)?;
    Ok(wire.into_iter().map(ExecutorId).collect())
}

impl From<&AppToMaster> for v1::AppToMaster {
    fn from(message: &AppToMaster) -> Self {
        use up::Body;
        let body = match message {
            AppToMaster::Register(register) => Body::Register(register.as_ref().into()),
            AppToMaster::Heartbeat => Body::Heartbeat(up::Heartbeat {}),
            AppToMaster::Unregister => Body::Unregister(up::Unregister {}),
            AppToMaster::RequestExecutors { request, profiles, targets } => {
                Body::RequestExecutors(up::RequestExecutors {
                    request: *request,
                    profiles: profiles.iter().map(Into::into).collect(),
                    targets: from_targets(targets),
                })
            }
            AppToMaster::KillExecutors { request, executors } => {
                Body::KillExecutors(up::KillExecutors { request: *request, executor_ids: from_executors(executors) })
            }
        };
        Self { body: Some(body) }
    }
}

impl TryFrom<v1::AppToMaster> for AppToMaster {
    type Error = DecodeError;
    fn try_from(wire: v1::AppToMaster) -> Result<Self, DecodeError> {
        use up::Body;
        Ok(match present("body", wire.body)? {
            Body::Register(register) => Self::Register(Box::new(inside("register", register)?)),
            Body::Heartbeat(up::Heartbeat {}) => Self::Heartbeat,
            Body::Unregister(up::Unregister {}) => Self::Unregister,
            Body::RequestExecutors(request) => inside("request_executors", request)?,
            Body::KillExecutors(request) => Self::KillExecutors {
                request: request.request,
                executors: to_executors(request.executor_ids).map_err(|e| e.within("kill_executors"))?,
            },
        })
    }
}

impl TryFrom<up::RequestExecutors> for AppToMaster {
    type Error = DecodeError;
    fn try_from(wire: up::RequestExecutors) -> Result<Self, DecodeError> {
        Ok(Self::RequestExecutors {
            request: wire.request,
            profiles: to_profiles("profiles", wire.profiles)?,
            targets: to_targets("targets", wire.targets)?,
        })
    }
}

impl From<&RegisterApplication> for v1::RegisterApplication {
    fn from(app: &RegisterApplication) -> Self {
        Self {
            token: app.token.to_string(),
            known_as: app.known_as.as_ref().map(ToString::to_string),
            number: app.number,
            description: Some(app.description.as_ref().into()),
            profiles: app.profiles.iter().map(Into::into).collect(),
            targets: from_targets(&app.targets),
            executor_ids: from_executors(&app.executors),
            // A foreign client registers at a face of a master, never by this.
            endpoint: app.endpoint.address().to_owned(),
            cluster_id: app.cluster.as_ref().map(ToString::to_string),
            heard: app.heard.as_ref().map(Into::into),
            protocol: app.protocol,
        }
    }
}

impl TryFrom<v1::RegisterApplication> for RegisterApplication {
    type Error = DecodeError;
    fn try_from(wire: v1::RegisterApplication) -> Result<Self, DecodeError> {
        Ok(Self {
            token: id("token", &wire.token)?,
            known_as: optional_id("known_as", wire.known_as.as_deref())?,
            number: wire.number,
            description: Arc::new(bounded("description", wire.description)?),
            profiles: to_profiles("profiles", wire.profiles)?,
            targets: to_targets("targets", wire.targets)?,
            executors: to_executors(wire.executor_ids)?,
            endpoint: name("endpoint", wire.endpoint)?.into(),
            cluster: optional_id("cluster_id", wire.cluster_id.as_deref())?,
            heard: optional("heard", wire.heard)?,
            protocol: wire.protocol,
        })
    }
}

impl From<&MasterToApp> for v1::MasterToApp {
    fn from(message: &MasterToApp) -> Self {
        use down::Body;
        let body = match message {
            MasterToApp::Standby { leader } => Body::Standby(down::Standby { leader: leader.as_ref().map(Into::into) }),
            MasterToApp::RegistrationRefused { reason } => {
                Body::RegistrationRefused(down::RegistrationRefused { reason: cut(reason) })
            }
            MasterToApp::Registered(registered) => Body::Registered(v1::RegisteredApplication {
                app_id: registered.app.to_string(),
                leader: Some((&registered.leader).into()),
                heartbeat_every_ms: millis(registered.heartbeat_every),
            }),
            MasterToApp::HeartbeatSeen => Body::HeartbeatSeen(down::HeartbeatSeen {}),
            MasterToApp::Reconnect => Body::Reconnect(down::Reconnect {}),
            MasterToApp::Notice(notice) => Body::Notice(notice.into()),
        };
        Self { body: Some(body) }
    }
}

impl TryFrom<v1::MasterToApp> for MasterToApp {
    type Error = DecodeError;
    fn try_from(wire: v1::MasterToApp) -> Result<Self, DecodeError> {
        use down::Body;
        Ok(match present("body", wire.body)? {
            Body::Standby(standby) => {
                Self::Standby { leader: optional("leader", standby.leader).map_err(|e| e.within("standby"))? }
            }
            Body::RegistrationRefused(refused) => {
                Self::RegistrationRefused { reason: prose("registration_refused.reason", refused.reason)? }
            }
            Body::Registered(registered) => Self::Registered(Box::new(inside("registered", registered)?)),
            Body::HeartbeatSeen(down::HeartbeatSeen {}) => Self::HeartbeatSeen,
            Body::Reconnect(down::Reconnect {}) => Self::Reconnect,
            Body::Notice(notice) => Self::Notice(inside("notice", notice)?),
        })
    }
}

impl TryFrom<v1::RegisteredApplication> for RegisteredApplication {
    type Error = DecodeError;
    fn try_from(wire: v1::RegisteredApplication) -> Result<Self, DecodeError> {
        Ok(Self {
            app: id("app_id", &wire.app_id)?,
            leader: required("leader", wire.leader)?,
            heartbeat_every: Duration::from_millis(wire.heartbeat_every_ms),
        })
    }
}

impl From<&Fenced<AppNotice>> for v1::AppNotice {
    fn from(fenced: &Fenced<AppNotice>) -> Self {
        use notice::Body;
        let body = match &fenced.body {
            AppNotice::ExecutorAdded { executor, worker, worker_address, cores, memory, profile } => {
                Body::ExecutorAdded(notice::ExecutorAdded {
                    executor_id: executor.0,
                    worker_id: worker.to_string(),
                    worker_address: worker_address.clone(),
                    cores: cores.0,
                    memory_mib: memory.as_mib(),
                    profile_id: profile.0,
                })
            }
            AppNotice::ExecutorUpdated { executor, state, message, exit_status, worker_host } => {
                Body::ExecutorUpdated(notice::ExecutorUpdated {
                    executor_id: executor.0,
                    state: v1::ExecutorState::from(*state).into(),
                    message: optional_cut(message.as_ref()),
                    exit_status: *exit_status,
                    worker_host: worker_host.clone(),
                })
            }
            AppNotice::WorkerRemoved { worker, host, message } => Body::WorkerRemoved(notice::WorkerRemoved {
                worker_id: worker.to_string(),
                host: host.clone(),
                message: cut(message),
            }),
            AppNotice::ApplicationRemoved { message } => {
                Body::ApplicationRemoved(notice::ApplicationRemoved { message: cut(message) })
            }
            AppNotice::Answer { request, accepted } => {
                Body::Answer(notice::Answer { request: *request, accepted: *accepted })
            }
        };
        Self { term: Some((&fenced.term).into()), command_id: fenced.id.0, body: Some(body) }
    }
}

impl TryFrom<v1::AppNotice> for Fenced<AppNotice> {
    type Error = DecodeError;
    fn try_from(wire: v1::AppNotice) -> Result<Self, DecodeError> {
        use notice::Body;
        let body = match present("body", wire.body)? {
            Body::ExecutorAdded(added) => inside("executor_added", added)?,
            Body::ExecutorUpdated(updated) => inside("executor_updated", updated)?,
            Body::WorkerRemoved(removed) => inside("worker_removed", removed)?,
            Body::ApplicationRemoved(removed) => {
                AppNotice::ApplicationRemoved { message: prose("application_removed.message", removed.message)? }
            }
            Body::Answer(answer) => AppNotice::Answer { request: answer.request, accepted: answer.accepted },
        };
        Ok(Self { term: required("term", wire.term)?, id: CommandId(wire.command_id), body })
    }
}

impl TryFrom<notice::ExecutorAdded> for AppNotice {
    type Error = DecodeError;
    fn try_from(wire: notice::ExecutorAdded) -> Result<Self, DecodeError> {
        Ok(Self::ExecutorAdded {
            executor: ExecutorId(wire.executor_id),
            worker: id("worker_id", &wire.worker_id)?,
            worker_address: name("worker_address", wire.worker_address)?,
            cores: Cores(wire.cores),
            memory: Memory::mib(wire.memory_mib),
            profile: ProfileId(wire.profile_id),
        })
    }
}

impl TryFrom<notice::ExecutorUpdated> for AppNotice {
    type Error = DecodeError;
    fn try_from(wire: notice::ExecutorUpdated) -> Result<Self, DecodeError> {
        Ok(Self::ExecutorUpdated {
            executor: ExecutorId(wire.executor_id),
            state: choice("state", wire.state)?,
            message: optional_prose("message", wire.message)?,
            exit_status: wire.exit_status,
            worker_host: optional_name("worker_host", wire.worker_host)?,
        })
    }
}

impl TryFrom<notice::WorkerRemoved> for AppNotice {
    type Error = DecodeError;
    fn try_from(wire: notice::WorkerRemoved) -> Result<Self, DecodeError> {
        Ok(Self::WorkerRemoved {
            worker: id("worker_id", &wire.worker_id)?,
            host: name("host", wire.host)?,
            message: prose("message", wire.message)?,
        })
    }
}
