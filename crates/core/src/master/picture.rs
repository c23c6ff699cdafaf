//! Makes the [`MasterView`] of a leader.

use std::sync::Arc;

use super::config::MasterConfig;
use super::entities::{App, Contact, DeadWorker, Driver, Executor, Worker, endpoint_of};
use super::executors::executor_view;
use super::leader::Leader;
use super::view::{AppView, DriverView, MasterView, WorkerView};
use crate::ids::{ExecutorId, ProfileId};
use crate::model::{Addresses, ApplicationState, ExecutorState, MasterRole, WorkerState};
use crate::record::{DoneApp, DoneDriver, WorkerRecord};
use crate::time::Wall;
use crate::units::{Cores, Memory};

impl Leader {
    /// The picture of this moment.
    pub(super) fn view(&self, config: &MasterConfig, taken_at: Wall) -> MasterView {
        let live = self.workers.values().map(|worker| self.worker_view(worker));
        let dead = self.dead_workers.iter().map(dead_worker_view);
        let mut apps: Vec<AppView> = self.apps.values().map(|app| self.app_view(app, config)).collect();
        apps.sort_by(|a, b| (a.registered_at, &a.id).cmp(&(b.registered_at, &b.id)));
        let mut drivers: Vec<DriverView> = self.drivers.values().map(|driver| self.driver_view(driver)).collect();
        drivers.sort_by(|a, b| (a.submitted_at, &a.id).cmp(&(b.submitted_at, &b.id)));
        MasterView {
            role: self.role,
            leader: Some(self.info.clone()),
            taken_at,
            missing: self.missing,
            workers: live.chain(dead).collect(),
            apps,
            ended_apps: self.done_apps.iter().map(|done| ended_app_view(done, config)).collect(),
            drivers,
            ended_drivers: self.done_drivers.iter().map(ended_driver_view).collect(),
            quarantined: self.quarantined.clone(),
        }
    }

    fn worker_view(&self, worker: &Worker) -> WorkerView {
        let record = &worker.record;
        let free = self.scheduler.free(&record.id);
        let (cores_free, memory_free) = free.as_ref().map_or((Cores::ZERO, Memory::ZERO), |f| (f.cores, f.memory));
        let mut resources_used = record.resources.clone();
        if let Some(free) = &free {
            resources_used.take_exact(&free.resources);
        }
        WorkerView {
            state: worker.state(),
            connected: worker.session.is_some(),
            accepts_work: worker.schedulable(),
            cores_used: record.cores.minus(cores_free),
            memory_used: record.memory.minus(memory_free),
            resources_used,
            last_heartbeat: worker.last_heard_wall,
            executors: worker.executors.len(),
            drivers: worker.drivers.iter().cloned().collect(),
            refused_commands: worker.refused_commands,
            ..plain_worker_view(record)
        }
    }

    fn app_view(&self, app: &App, config: &MasterConfig) -> AppView {
        let executor_view = |(id, executor): (&ExecutorId, &Executor)| {
            let address = self.workers.get(&executor.worker).map(|worker| endpoint_of(&worker.record));
            executor_view(*id, executor, executor.state, address.unwrap_or_default())
        };
        let record = &app.record;
        let counted = app.executors.values().filter(|executor| executor.state != ExecutorState::Decommissioned);
        AppView {
            id: record.id.clone(),
            description: Arc::clone(&record.description),
            state: app_state(app, self.role),
            connected: app.session.is_some(),
            registered_at: record.registered_at,
            ended_at: None,
            message: None,
            cores_granted: counted.fold(Cores::ZERO, |sum, executor| sum.plus(executor.booking.cores)),
            max_cores: record.description.max_cores.unwrap_or(config.default_cores),
            executor_limit: record
                .targets
                .contains_key(&ProfileId(0))
                .then(|| record.targets.values().fold(0u32, |sum, target| sum.saturating_add(*target))),
            executors: app.executors.iter().map(executor_view).collect(),
            ended_executors: app.ended_views.iter().cloned().collect(),
        }
    }

    fn driver_view(&self, driver: &Driver) -> DriverView {
        let record = &driver.record;
        let worker_id = record.placement.as_ref().map(|place| place.worker.clone());
        let worker = worker_id.as_ref().and_then(|id| self.workers.get(id));
        DriverView {
            id: record.id.clone(),
            description: Arc::clone(&record.description),
            state: driver.state(worker.is_none_or(|worker| worker.unknown)),
            attempt: record.attempt,
            worker_address: worker.map(|worker| endpoint_of(&worker.record)),
            worker: worker_id,
            resources: record.placement.as_ref().map(|place| place.booking.resources.clone()).unwrap_or_default(),
            submitted_at: record.submitted_at,
            ended_at: None,
            exit_code: None,
            message: self.waiting_reason(driver),
        }
    }
}

/// One that has not come by the end of the recovery is no longer about to (protocol 4).
fn app_state(app: &App, role: MasterRole) -> ApplicationState {
    match app.contact {
        Contact::Unknown if role == MasterRole::Recovering => ApplicationState::Unknown,
        Contact::Unknown | Contact::Unreachable | Contact::Gone(_) => ApplicationState::Unreachable,
        Contact::Heard if app.ran => ApplicationState::Running,
        Contact::Heard => ApplicationState::Waiting,
    }
}

fn plain_worker_view(record: &WorkerRecord) -> WorkerView {
    WorkerView {
        id: record.id.clone(),
        host: record.host.clone(),
        port: record.port,
        ui_url: record.ui_url.clone(),
        state: WorkerState::Dead,
        connected: false,
        accepts_work: false,
        cores: record.cores,
        cores_used: Cores::ZERO,
        memory: record.memory,
        memory_used: Memory::ZERO,
        resources: record.resources.clone(),
        resources_used: Addresses::default(),
        last_heartbeat: Wall::default(),
        executors: 0,
        drivers: Vec::new(),
        refused_commands: 0,
    }
}

fn dead_worker_view(dead: &DeadWorker) -> WorkerView {
    WorkerView { last_heartbeat: dead.last_heard_wall, ..plain_worker_view(&dead.record) }
}

fn ended_app_view(done: &DoneApp, config: &MasterConfig) -> AppView {
    AppView {
        id: done.id.clone(),
        description: Arc::clone(&done.description),
        state: done.state,
        connected: false,
        registered_at: done.registered_at,
        ended_at: Some(done.ended_at),
        message: done.message.clone(),
        cores_granted: Cores::ZERO,
        max_cores: done.description.max_cores.unwrap_or(config.default_cores),
        executor_limit: None,
        executors: Vec::new(),
        ended_executors: Vec::new(),
    }
}

fn ended_driver_view(done: &DoneDriver) -> DriverView {
    DriverView {
        id: done.id.clone(),
        description: Arc::clone(&done.description),
        state: done.outcome.state,
        attempt: done.attempt,
        worker: done.worker.clone(),
        worker_address: done.worker_address.clone(),
        resources: Addresses::default(),
        submitted_at: done.submitted_at,
        ended_at: Some(done.ended_at),
        exit_code: done.outcome.exit_code,
        message: done.outcome.message.clone(),
    }
}
