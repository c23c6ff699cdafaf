//! The published view of a master, for operators' tools.
//!
//! It goes one way: a picture is made from the core's view and shown, nobody decides by it. Descriptions are reduced
//! to what is shown, so that the environment of programs stays with the master. Readers call [`check`] once and use
//! the wire's own types after that.

use std::time::Duration;

use tanist_core::master::{AppView, DriverView, ExecutorView, MasterView, WorkerView};
use tanist_core::model::{ApplicationState, DriverState, ExecutorState, LeaderInfo, MasterRole, WorkerState};
use tanist_core::time::millis;
use tanist_core::units::{Cores, Memory};

use super::DecodeError;
use super::enums::Enumerated;
use super::fields::{choice, count, optional, optional_cut};
use super::resources::from_addresses;
use crate::v1;

/// The view as it is sent when it is of this age. `degraded`: why the store takes no changes now, if so.
pub fn cluster_state(view: &MasterView, age: Duration, degraded: Option<&String>) -> v1::ClusterState {
    v1::ClusterState {
        role: v1::MasterRole::from(view.role).into(),
        leader: view.leader.as_ref().map(Into::into),
        taken_at_ms: view.taken_at.0,
        age_ms: millis(age),
        workers_missing: count(view.missing.workers),
        apps_missing: count(view.missing.apps),
        workers: view.workers.iter().map(Into::into).collect(),
        apps: view.apps.iter().map(Into::into).collect(),
        drivers: view.drivers.iter().map(Into::into).collect(),
        completed_apps: view.ended_apps.iter().map(Into::into).collect(),
        completed_drivers: view.ended_drivers.iter().map(Into::into).collect(),
        quarantined: view.quarantined.clone(),
        degraded: optional_cut(degraded),
    }
}

/// That every enumeration in a received state has a value this version knows, and its leader is well-formed. From
/// then on the generated getters (`worker.state()`) tell the truth.
pub fn check(state: &v1::ClusterState) -> Result<(), DecodeError> {
    choice::<MasterRole>("role", state.role)?;
    optional::<_, LeaderInfo>("leader", state.leader.clone())?;
    each::<WorkerState>("workers", state.workers.iter().map(|worker| worker.state))?;
    for (field, apps) in [("apps", &state.apps), ("completed_apps", &state.completed_apps)] {
        each::<ApplicationState>(field, apps.iter().map(|app| app.state))?;
        for (index, app) in apps.iter().enumerate() {
            for (list, executors) in [("executors", &app.executors), ("ended_executors", &app.ended_executors)] {
                each::<ExecutorState>(list, executors.iter().map(|executor| executor.state))
                    .map_err(|error| error.within(&format!("{field}[{index}]")))?;
            }
        }
    }
    each::<DriverState>("drivers", state.drivers.iter().map(|driver| driver.state))?;
    each::<DriverState>("completed_drivers", state.completed_drivers.iter().map(|driver| driver.state))
}

fn each<C: Enumerated>(field: &str, states: impl Iterator<Item = i32>) -> Result<(), DecodeError> {
    for (index, state) in states.enumerate() {
        choice::<C>("state", state).map_err(|error| error.within(&format!("{field}[{index}]")))?;
    }
    Ok(())
}

impl From<&WorkerView> for v1::WorkerView {
    fn from(worker: &WorkerView) -> Self {
        Self {
            worker_id: worker.id.to_string(),
            host: worker.host.clone(),
            port: worker.port.into(),
            ui_url: worker.ui_url.clone(),
            state: v1::WorkerState::from(worker.state).into(),
            cores: worker.cores.0,
            cores_used: worker.cores_used.0,
            memory_mib: worker.memory.as_mib(),
            memory_used_mib: worker.memory_used.as_mib(),
            resources: from_addresses(&worker.resources),
            resources_used: from_addresses(&worker.resources_used),
            last_heartbeat_at_ms: worker.last_heartbeat.0,
            executors: count(worker.executors),
            driver_ids: worker.drivers.iter().map(ToString::to_string).collect(),
            connected: worker.connected,
            accepts_work: worker.accepts_work,
            refused_commands: worker.refused_commands,
        }
    }
}

impl From<&AppView> for v1::AppView {
    fn from(app: &AppView) -> Self {
        let profile = &app.description.default_profile;
        Self {
            app_id: app.id.to_string(),
            name: app.description.name.clone(),
            user: app.description.user.clone(),
            state: v1::ApplicationState::from(app.state).into(),
            cores_granted: app.cores_granted.0,
            max_cores: Some(app.max_cores).filter(|cores| *cores != Cores::UNLIMITED).map(|cores| cores.0),
            memory_per_executor_mib: profile.memory.map(Memory::as_mib),
            registered_at_ms: app.registered_at.0,
            ended_at_ms: app.ended_at.map(|at| at.0),
            ui_url: app.description.ui_url.clone(),
            executors: app.executors.iter().map(Into::into).collect(),
            message: optional_cut(app.message.as_ref()),
            connected: app.connected,
            cores_per_executor: profile.cores.map(|cores| cores.0),
            executor_limit: app.executor_limit,
            ended_executors: app.ended_executors.iter().map(Into::into).collect(),
        }
    }
}

impl From<&ExecutorView> for v1::ExecutorView {
    fn from(executor: &ExecutorView) -> Self {
        Self {
            executor_id: executor.id.0,
            worker_id: executor.worker.to_string(),
            worker_address: executor.worker_address.clone(),
            cores: executor.cores.0,
            memory_mib: executor.memory.as_mib(),
            state: v1::ExecutorState::from(executor.state).into(),
            profile_id: executor.profile.0,
        }
    }
}

impl From<&DriverView> for v1::DriverView {
    fn from(driver: &DriverView) -> Self {
        Self {
            driver_id: driver.id.to_string(),
            state: v1::DriverState::from(driver.state).into(),
            attempt: driver.attempt.0,
            worker_id: driver.worker.as_ref().map(ToString::to_string),
            worker_address: driver.worker_address.clone(),
            cores: driver.description.cores.0,
            memory_mib: driver.description.memory.as_mib(),
            supervise: driver.description.supervise,
            submitted_at_ms: driver.submitted_at.0,
            ended_at_ms: driver.ended_at.map(|at| at.0),
            program: driver.description.command.program.name().to_owned(),
            exit_code: driver.exit_code,
            message: optional_cut(driver.message.as_ref()),
        }
    }
}
