//! The session between worker and master.

use std::sync::Arc;
use std::time::Duration;

use tanist_core::ids::{Attempt, CommandId, Incarnation, ReportId};
use tanist_core::model::{DriverOutcome, ExecutorDescription, WorkerKind};
use tanist_core::msg::{Fenced, MasterToWorker, RegisterWorker, RegisteredWorker, WorkerCommand, WorkerToMaster};
use tanist_core::time::millis;
use tanist_core::units::{Cores, Memory};

use super::descriptions::bounded;
use super::fields::{
    choice, cut, id, inside, name, optional, optional_cut, optional_id, optional_prose, port, present, prose, required,
};
use super::resources::{from_addresses, to_addresses};
use super::{DecodeError, Problem};
use crate::v1;
use crate::v1::master_to_worker as down;
use crate::v1::worker_command as command;
use crate::v1::worker_to_master as up;

impl From<&WorkerToMaster> for v1::WorkerToMaster {
    fn from(message: &WorkerToMaster) -> Self {
        use up::Body;
        let body = match message {
            WorkerToMaster::Register(register) => Body::Register(register.as_ref().into()),
            WorkerToMaster::Heartbeat { accepts_work, refused_commands } => {
                Body::Heartbeat(up::Heartbeat { accepts_work: *accepts_work, refused_commands: *refused_commands })
            }
            WorkerToMaster::Inventory(inventory) => Body::Inventory(inventory.into()),
            WorkerToMaster::ExecutorStateChanged { report, executor, state, message, exit_status } => {
                Body::ExecutorStateChanged(up::ExecutorStateChanged {
                    report_id: report.0,
                    executor: Some(executor.into()),
                    state: v1::ExecutorState::from(*state).into(),
                    message: optional_cut(message.as_ref()),
                    exit_status: *exit_status,
                })
            }
            WorkerToMaster::ExecutorRefused { report, executor, why } => Body::ExecutorRefused(up::ExecutorRefused {
                report_id: report.0,
                executor: Some(executor.into()),
                why: cut(why),
            }),
            WorkerToMaster::DriverStarted { driver, attempt } => {
                Body::DriverStarted(up::DriverStarted { driver_id: driver.to_string(), attempt: attempt.0 })
            }
            WorkerToMaster::DriverEnded { report, driver, attempt, outcome } => Body::DriverEnded(up::DriverEnded {
                report_id: report.0,
                driver_id: driver.to_string(),
                attempt: attempt.0,
                state: v1::DriverState::from(outcome.state).into(),
                exit_code: outcome.exit_code,
                message: optional_cut(outcome.message.as_ref()),
            }),
            WorkerToMaster::Decommissioning => Body::Decommissioning(up::Decommissioning {}),
            WorkerToMaster::StaleCommand { command, of, heard } => Body::StaleCommand(up::StaleCommand {
                command_id: command.0,
                of: Some(of.into()),
                heard: Some(heard.into()),
            }),
        };
        Self { body: Some(body) }
    }
}

impl TryFrom<v1::WorkerToMaster> for WorkerToMaster {
    type Error = DecodeError;
    fn try_from(wire: v1::WorkerToMaster) -> Result<Self, DecodeError> {
        use up::Body;
        Ok(match present("body", wire.body)? {
            Body::Register(register) => Self::Register(Box::new(inside("register", register)?)),
            Body::Heartbeat(up::Heartbeat { accepts_work, refused_commands }) => {
                Self::Heartbeat { accepts_work, refused_commands }
            }
            Body::Inventory(inventory) => Self::Inventory(inside("inventory", inventory)?),
            Body::ExecutorStateChanged(change) => inside("executor_state_changed", change)?,
            Body::ExecutorRefused(refused) => inside("executor_refused", refused)?,
            Body::DriverStarted(started) => inside("driver_started", started)?,
            Body::DriverEnded(ended) => inside("driver_ended", ended)?,
            Body::Decommissioning(up::Decommissioning {}) => Self::Decommissioning,
            Body::StaleCommand(stale) => inside("stale_command", stale)?,
        })
    }
}

impl TryFrom<up::ExecutorStateChanged> for WorkerToMaster {
    type Error = DecodeError;
    fn try_from(wire: up::ExecutorStateChanged) -> Result<Self, DecodeError> {
        Ok(Self::ExecutorStateChanged {
            report: ReportId(wire.report_id),
            executor: required("executor", wire.executor)?,
            state: choice("state", wire.state)?,
            message: optional_prose("message", wire.message)?,
            exit_status: wire.exit_status,
        })
    }
}

impl TryFrom<up::ExecutorRefused> for WorkerToMaster {
    type Error = DecodeError;
    fn try_from(wire: up::ExecutorRefused) -> Result<Self, DecodeError> {
        Ok(Self::ExecutorRefused {
            report: ReportId(wire.report_id),
            executor: required("executor", wire.executor)?,
            why: prose("why", wire.why)?,
        })
    }
}

impl TryFrom<up::DriverStarted> for WorkerToMaster {
    type Error = DecodeError;
    fn try_from(wire: up::DriverStarted) -> Result<Self, DecodeError> {
        Ok(Self::DriverStarted { driver: id("driver_id", &wire.driver_id)?, attempt: Attempt(wire.attempt) })
    }
}

impl TryFrom<up::DriverEnded> for WorkerToMaster {
    type Error = DecodeError;
    fn try_from(wire: up::DriverEnded) -> Result<Self, DecodeError> {
        let outcome = DriverOutcome {
            state: choice("state", wire.state)?,
            exit_code: wire.exit_code,
            message: optional_prose("message", wire.message)?,
        };
        if !outcome.state.is_final() {
            let allowed = &["Finished", "Killed", "Failed", "Error"];
            return Err(DecodeError::new("state", Problem::NotOneOf { value: wire.state, allowed }));
        }
        Ok(Self::DriverEnded {
            report: ReportId(wire.report_id),
            driver: id("driver_id", &wire.driver_id)?,
            attempt: Attempt(wire.attempt),
            outcome,
        })
    }
}

impl TryFrom<up::StaleCommand> for WorkerToMaster {
    type Error = DecodeError;
    fn try_from(wire: up::StaleCommand) -> Result<Self, DecodeError> {
        Ok(Self::StaleCommand {
            command: CommandId(wire.command_id),
            of: required("of", wire.of)?,
            heard: required("heard", wire.heard)?,
        })
    }
}

impl From<&RegisterWorker> for v1::RegisterWorker {
    fn from(worker: &RegisterWorker) -> Self {
        Self {
            worker_id: worker.id.to_string(),
            incarnation: worker.incarnation.0,
            number: worker.number,
            host: worker.host.clone(),
            port: worker.port.into(),
            ui_url: worker.ui_url.clone(),
            cores: worker.cores.0,
            memory_mib: worker.memory.as_mib(),
            resources: from_addresses(&worker.resources),
            master_address: worker.master_address.clone(),
            cluster_id: worker.cluster.as_ref().map(ToString::to_string),
            protocol: worker.protocol,
            heard: worker.heard.as_ref().map(Into::into),
            decommissioned: worker.decommissioned,
            accepts_work: worker.accepts_work,
            refused_commands: worker.refused_commands,
            inventory: Some((&worker.inventory).into()),
        }
    }
}

impl TryFrom<v1::RegisterWorker> for RegisterWorker {
    type Error = DecodeError;
    fn try_from(wire: v1::RegisterWorker) -> Result<Self, DecodeError> {
        Ok(Self {
            id: id("worker_id", &wire.worker_id)?,
            incarnation: Incarnation(wire.incarnation),
            number: wire.number,
            host: name("host", wire.host)?,
            port: port("port", wire.port)?,
            // Whoever speaks to this service speaks as our own do.
            kind: WorkerKind::Own,
            ui_url: name("ui_url", wire.ui_url)?,
            cores: Cores(wire.cores),
            memory: Memory::mib(wire.memory_mib),
            resources: to_addresses("resources", wire.resources)?,
            master_address: name("master_address", wire.master_address)?,
            cluster: optional_id("cluster_id", wire.cluster_id.as_deref())?,
            protocol: wire.protocol,
            heard: optional("heard", wire.heard)?,
            decommissioned: wire.decommissioned,
            accepts_work: wire.accepts_work,
            refused_commands: wire.refused_commands,
            inventory: required("inventory", wire.inventory)?,
        })
    }
}

impl From<&MasterToWorker> for v1::MasterToWorker {
    fn from(message: &MasterToWorker) -> Self {
        use down::Body;
        let body = match message {
            MasterToWorker::Standby { leader } => {
                Body::Standby(down::Standby { leader: leader.as_ref().map(Into::into) })
            }
            // To one of ours it is the same.
            MasterToWorker::Greet { leader } => Body::Standby(down::Standby { leader: Some(leader.into()) }),
            MasterToWorker::RegistrationRefused { reason } => {
                Body::RegistrationRefused(down::RegistrationRefused { reason: cut(reason) })
            }
            MasterToWorker::Registered(registered) => Body::Registered(v1::RegisteredWorker {
                leader: Some((&registered.leader).into()),
                master_address: registered.master_address.clone(),
                duplicate: registered.duplicate,
                heartbeat_every_ms: millis(registered.heartbeat_every),
                worker_timeout_ms: millis(registered.worker_timeout),
            }),
            MasterToWorker::HeartbeatSeen => Body::HeartbeatSeen(down::HeartbeatSeen {}),
            MasterToWorker::Acknowledged { report } => Body::Acknowledged(down::Acknowledged { report_id: report.0 }),
            MasterToWorker::Reconnect => Body::Reconnect(down::Reconnect {}),
            MasterToWorker::Command(command) => Body::Command(command.into()),
        };
        Self { body: Some(body) }
    }
}

impl TryFrom<v1::MasterToWorker> for MasterToWorker {
    type Error = DecodeError;
    fn try_from(wire: v1::MasterToWorker) -> Result<Self, DecodeError> {
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
            Body::Acknowledged(acknowledged) => Self::Acknowledged { report: ReportId(acknowledged.report_id) },
            Body::Reconnect(down::Reconnect {}) => Self::Reconnect,
            Body::Command(command) => Self::Command(inside("command", command)?),
        })
    }
}

impl TryFrom<v1::RegisteredWorker> for RegisteredWorker {
    type Error = DecodeError;
    fn try_from(wire: v1::RegisteredWorker) -> Result<Self, DecodeError> {
        Ok(Self {
            leader: required("leader", wire.leader)?,
            master_address: name("master_address", wire.master_address)?,
            duplicate: wire.duplicate,
            heartbeat_every: Duration::from_millis(wire.heartbeat_every_ms),
            worker_timeout: Duration::from_millis(wire.worker_timeout_ms),
        })
    }
}

impl From<&Fenced<WorkerCommand>> for v1::WorkerCommand {
    fn from(fenced: &Fenced<WorkerCommand>) -> Self {
        use command::Body;
        let body = match &fenced.body {
            WorkerCommand::LaunchExecutor { executor, heap, app, client: _ } => {
                Body::LaunchExecutor(command::LaunchExecutor {
                    executor: Some(executor.into()),
                    heap_mib: Some(heap.as_mib()),
                    app: Some(app.as_ref().into()),
                })
            }
            WorkerCommand::KillExecutor { executor } => {
                Body::KillExecutor(command::KillExecutor { executor: Some(executor.into()) })
            }
            WorkerCommand::LaunchDriver { driver, attempt, description, booking } => {
                Body::LaunchDriver(command::LaunchDriver {
                    driver_id: driver.to_string(),
                    attempt: attempt.0,
                    description: Some(description.as_ref().into()),
                    booking: Some(booking.into()),
                })
            }
            WorkerCommand::KillDriver { driver, attempt } => {
                Body::KillDriver(command::KillDriver { driver_id: driver.to_string(), attempt: attempt.0 })
            }
            WorkerCommand::ApplicationFinished { app } => {
                Body::ApplicationFinished(command::ApplicationFinished { app_id: app.to_string() })
            }
            WorkerCommand::Decommission => Body::Decommission(command::Decommission {}),
        };
        Self { term: Some((&fenced.term).into()), command_id: fenced.id.0, body: Some(body) }
    }
}

impl TryFrom<v1::WorkerCommand> for Fenced<WorkerCommand> {
    type Error = DecodeError;
    fn try_from(wire: v1::WorkerCommand) -> Result<Self, DecodeError> {
        use command::Body;
        let body = match present("body", wire.body)? {
            Body::LaunchExecutor(launch) => inside("launch_executor", launch)?,
            Body::KillExecutor(kill) => WorkerCommand::KillExecutor {
                executor: required("executor", kill.executor).map_err(|e| e.within("kill_executor"))?,
            },
            Body::LaunchDriver(launch) => inside("launch_driver", launch)?,
            Body::KillDriver(kill) => WorkerCommand::KillDriver {
                driver: id("kill_driver.driver_id", &kill.driver_id)?,
                attempt: Attempt(kill.attempt),
            },
            Body::ApplicationFinished(finished) => {
                WorkerCommand::ApplicationFinished { app: id("application_finished.app_id", &finished.app_id)? }
            }
            Body::Decommission(command::Decommission {}) => WorkerCommand::Decommission,
        };
        Ok(Self { term: required("term", wire.term)?, id: CommandId(wire.command_id), body })
    }
}

impl TryFrom<command::LaunchExecutor> for WorkerCommand {
    type Error = DecodeError;
    fn try_from(wire: command::LaunchExecutor) -> Result<Self, DecodeError> {
        let executor: ExecutorDescription = required("executor", wire.executor)?;
        Ok(Self::LaunchExecutor {
            heap: wire.heap_mib.map_or(executor.memory, Memory::mib),
            executor,
            app: Arc::new(bounded("app", wire.app)?),
            client: None,
        })
    }
}

impl TryFrom<command::LaunchDriver> for WorkerCommand {
    type Error = DecodeError;
    fn try_from(wire: command::LaunchDriver) -> Result<Self, DecodeError> {
        Ok(Self::LaunchDriver {
            driver: id("driver_id", &wire.driver_id)?,
            attempt: Attempt(wire.attempt),
            description: Arc::new(bounded("description", wire.description)?),
            booking: required("booking", wire.booking)?,
        })
    }
}
