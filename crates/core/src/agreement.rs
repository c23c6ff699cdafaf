//! What a leader and those that follow it agree on once nothing goes wrong any more (L2, L3, I5, I7). Whatever they do not
//! agree on is told in words; nothing said is peace. For worlds of machines that have had their faults.

use std::collections::BTreeSet;

use crate::app::{AppClient, Notice};
use crate::ids::{DriverId, ExecutorId, ExecutorRef, WorkerId};
use crate::master::{AppView, MasterView, WorkerView};
use crate::model::{ExecutorState, WorkerState};
use crate::units::Memory;
use crate::worker::Worker;

/// L2, I5: it follows this leader, which knows exactly what runs on it; and so many programs really do.
pub fn of_worker(view: &MasterView, id: &WorkerId, worker: Option<&Worker>, programs: usize) -> Vec<String> {
    let Some(worker) = worker else { return vec![format!("{id} is dead")] };
    let own = worker.view(view.taken_at);
    let Some(seen) = view.workers.iter().find(|worker| worker.id == *id && worker.connected) else {
        return vec![format!("{id} is not connected")];
    };
    let follows = own.following.is_connected() && own.following.leader() == view.leader.as_ref();
    let state = if own.decommissioned { WorkerState::Decommissioned } else { WorkerState::Alive };
    let drivers: Vec<DriverId> = own.drivers.iter().map(|run| run.driver.clone()).collect();
    let both = [
        ("leader", follows.to_string(), true.to_string()),
        ("unheard reports", 0.to_string(), own.unacknowledged.to_string()),
        ("cores", seen.cores_used.to_string(), own.cores_used.to_string()),
        ("memory", seen.memory_used.to_string(), own.memory_used.to_string()),
        ("drivers", format!("{:?}", seen.drivers), format!("{drivers:?}")),
        ("executors", seen.executors.to_string(), own.executors.len().to_string()),
        ("state", seen.state.to_string(), state.to_string()),
        ("programs", (own.drivers.len() + own.executors.len()).to_string(), programs.to_string()),
    ];
    let different = both.into_iter().filter(|(_, believed, real)| believed != real);
    different.map(|(what, seen, real)| format!("{what} of {id}: {seen} is believed, {real} is true")).collect()
}

/// The application knows its executors, and they are those that the leader knows.
pub fn of_app(view: &MasterView, name: &str, app: Option<&AppClient>) -> Vec<String> {
    let Some((app, id)) = app.and_then(|app| Some((app, app.id()?))) else {
        return vec![format!("{name} is not registered")];
    };
    let Some(seen) = view.apps.iter().find(|app| app.id == *id && app.connected) else {
        return vec![format!("{id} is not connected")];
    };
    let mut differences = Vec::new();
    if !app.following().is_connected() || app.following().leader() != view.leader.as_ref() {
        differences.push(format!("{id} follows {:?}", app.following()));
    }
    let own: Vec<ExecutorId> = app.executors().collect();
    let granted: Vec<ExecutorId> = seen.executors.iter().map(|executor| executor.id).collect();
    if own != granted {
        differences.push(format!("{id} has executors {own:?}, the leader knows {granted:?}"));
    }
    if let Some(executor) = seen.executors.iter().find(|executor| executor.state == ExecutorState::Launching) {
        differences.push(format!("{id}/{} is being launched for ever", executor.id));
    }
    differences
}

/// I7: a driver that was taken lives, has ended, or has ended and was forgotten since; and those of `to_end` do not live
/// (DR-04).
pub fn of_driver(view: &MasterView, driver: &DriverId, forgotten: bool, to_end: &BTreeSet<DriverId>) -> Option<String> {
    let lives = view.drivers.iter().any(|live| live.id == *driver);
    let ended = view.ended_drivers.iter().any(|done| done.id == *driver && done.state.is_final());
    if u8::from(lives) + u8::from(ended) + u8::from(forgotten) != 1 {
        return Some(format!("I7: {driver} lives: {lives}, ended: {ended}, forgotten: {forgotten}"));
    }
    (lives && to_end.contains(driver)).then(|| format!("DR-04: {driver} was to end and lives"))
}

/// There are so many live workers and applications, and no more.
pub fn of_numbers(view: &MasterView, workers: usize, apps: usize) -> Option<String> {
    let live = view.workers.iter().filter(|worker| worker.state != WorkerState::Dead).count();
    let found = (live, view.apps.len());
    (found != (workers, apps)).then(|| format!("there are {live} workers and {} applications", view.apps.len()))
}

/// L3: everything that waits and fits, runs. Drivers and executors have this memory each, executors a core at least.
pub fn of_room(view: &MasterView, memory: Memory) -> Vec<String> {
    let room = |worker: &&WorkerView, cores: u32| {
        let free = (worker.cores.minus(worker.cores_used), worker.memory.minus(worker.memory_used));
        worker.accepts_work && free.0.0 >= cores && free.1 >= memory
    };
    let roomy = |cores: u32| view.workers.iter().find(|worker| room(worker, cores)).map(|worker| &worker.id);
    let drivers = view.drivers.iter().filter(|driver| driver.worker.is_none());
    let drivers = drivers.map(|driver| (driver.id.to_string(), driver.description.cores.0));
    let apps = view.apps.iter().filter(|app| wants_more(app)).map(|app| (app.id.to_string(), 1));
    let waiting = drivers.chain(apps).filter_map(|(id, cores)| Some((id, roomy(cores)?)));
    waiting.map(|(id, worker)| format!("{id} waits although {worker} has room")).collect()
}

/// An application of one profile.
fn wants_more(app: &AppView) -> bool {
    let counted = app.executors.iter().filter(|executor| executor.state != ExecutorState::Decommissioned).count();
    let limit = app.executor_limit.map_or(usize::MAX, |limit| usize::try_from(limit).unwrap_or(usize::MAX));
    app.cores_granted < app.max_cores && counted < limit
}

/// What an application's program was told of its executors.
#[derive(Debug, Clone, Default)]
pub struct ToldExecutors {
    has: BTreeSet<ExecutorRef>,
    lost: BTreeSet<ExecutorRef>,
}

impl ToldExecutors {
    /// Those that it has.
    pub fn has(&self) -> Vec<ExecutorRef> {
        self.has.iter().cloned().collect()
    }

    /// What a program is told is true for good: an executor comes once and goes once.
    ///
    /// # Errors
    /// What is told does not go with what was told before.
    pub fn hear(&mut self, notice: Notice) -> Result<(), String> {
        match notice {
            Notice::ExecutorAdded { executor, .. } if self.lost.contains(&executor) => {
                Err(format!("I7: {executor} was lost and is back"))
            }
            Notice::ExecutorAdded { executor, .. } if self.has.contains(&executor) => {
                Err(format!("I8: {executor} is told twice"))
            }
            Notice::ExecutorRemoved { executor, .. } if !self.has.contains(&executor) => {
                Err(format!("I7: {executor} goes without having come"))
            }
            Notice::ExecutorAdded { executor, .. } => {
                self.has.insert(executor);
                Ok(())
            }
            Notice::ExecutorRemoved { executor, .. } => {
                self.has.remove(&executor);
                self.lost.insert(executor);
                Ok(())
            }
            Notice::Connected { .. }
            | Notice::Disconnected
            | Notice::Dead { .. }
            | Notice::ExecutorChanged { .. }
            | Notice::ExecutorDecommissioned { .. }
            | Notice::WorkerRemoved { .. } => Ok(()),
        }
    }
}
