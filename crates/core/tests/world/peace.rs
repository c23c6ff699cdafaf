//! After the faults have ended: what everybody must come to agree on (L1 – L3, I5, I7).

use std::collections::BTreeSet;
use std::fmt::Write as _;

use tanist_core::ids::{DriverId, ExecutorId, ProfileId};
use tanist_core::master::{AppView, MasterView, WorkerView};
use tanist_core::model::{ExecutorState, MasterRole, WorkerState};
use tanist_core::units::Memory;
use tanist_core::worker::Event;

use crate::clients::CLIENTS;
use crate::hosts::{HOSTS, Work};
use crate::masters::MASTERS;
use crate::settings::SMALL;
use crate::world::{World, millis};

/// So long after the last fault everything is as it should be: the longest time-out (an application that cannot be
/// asked, 120 s) after the longest pause of a process that looks for its leader (90 s), and what follows from it.
const PEACE_COMES_WITHIN_SECONDS: u64 = 300;

impl World {
    /// Faults end, everybody lives; then all agree within bounded time.
    pub(crate) fn heals(&mut self) {
        self.note(format_args!("──── peace"));
        self.mend_all();
        let mut differences = Vec::new();
        for _ in 0..PEACE_COMES_WITHIN_SECONDS / 5 {
            self.everybody_starts();
            (0..MASTERS).for_each(|master| self.renews(master));
            for host in 0..HOSTS {
                self.worker_is_told(host, Event::DiskFree(Memory::mib(100_000)));
            }
            if let Some(leader) = self.store.lead.as_ref().map(|lead| lead.master) {
                let open =
                    (0..self.submitter.submissions.len()).filter(|n| self.submitter.submissions[*n].driver.is_none());
                open.collect::<Vec<_>>().into_iter().for_each(|number| self.repeats(number, leader));
            }
            self.pass(millis(5000));
            differences = self.differences();
            if differences.is_empty() {
                return;
            }
        }
        panic!("no peace after {PEACE_COMES_WITHIN_SECONDS} s: {differences:#?}");
    }

    /// Everything that is not as it should be.
    fn differences(&self) -> Vec<String> {
        let Some(lead) = &self.store.lead else { return vec!["nobody leads".to_owned()] };
        let Some(machine) = self.masters[lead.master].machine() else { return vec!["the leader is dead".to_owned()] };
        let view = machine.view(self.agenda.now().wall);
        if view.role != MasterRole::Alive || view.leader.as_ref().is_none_or(|leader| leader.term != lead.term) {
            return vec![format!("m{} is {} instead of leading", lead.master, view.role)];
        }
        let mut differences = Vec::new();
        let pretender = (0..MASTERS).find(|m| *m != lead.master && self.masters[*m].term().is_some());
        differences.extend(pretender.map(|m| format!("m{m} believes that it leads, too")));
        (0..HOSTS).for_each(|host| self.compare_worker(host, &view, &mut differences));
        (0..CLIENTS).for_each(|client| self.compare_app(client, &view, &mut differences));
        self.compare_drivers(&view, &mut differences);
        differences.extend(what_fits_waits(&view));
        let live = view.workers.iter().filter(|worker| worker.state != WorkerState::Dead).count();
        if (live, view.apps.len()) != (HOSTS, CLIENTS) {
            differences.push(format!("there are {live} workers and {} applications", view.apps.len()));
        }
        differences
    }

    /// L2, I5: it follows this leader, which knows exactly what runs on it.
    fn compare_worker(&self, host: usize, view: &MasterView, differences: &mut Vec<String>) {
        let known = &self.hosts[host];
        let id = &known.id;
        let Some(machine) = &known.machine else { return differences.push(format!("{id} is dead")) };
        let own = machine.view(view.taken_at);
        let Some(seen) = view.workers.iter().find(|worker| worker.id == *id && worker.connected) else {
            return differences.push(format!("{id} is not connected"));
        };
        let follows = own.following.is_connected() && own.following.leader() == view.leader.as_ref();
        let mut differ = |what: &str, seen: String, real: String| {
            if seen != real {
                differences.push(format!("{what} of {id}: {seen} is believed, {real} is true"));
            }
        };
        differ("leader", follows.to_string(), true.to_string());
        differ("unheard reports", "0".to_owned(), own.unacknowledged.to_string());
        differ("cores", seen.cores_used.to_string(), own.cores_used.to_string());
        differ("memory", seen.memory_used.to_string(), own.memory_used.to_string());
        let drivers: Vec<DriverId> = own.drivers.iter().map(|run| run.driver.clone()).collect();
        differ("drivers", format!("{:?}", seen.drivers), format!("{drivers:?}"));
        differ("executors", seen.executors.to_string(), own.executors.len().to_string());
        let state = if own.decommissioned { WorkerState::Decommissioned } else { WorkerState::Alive };
        differ("state", seen.state.to_string(), state.to_string());
        let programs: BTreeSet<&Work> = known.programs().map(|(_, work)| work).collect();
        differ("programs", (own.drivers.len() + own.executors.len()).to_string(), programs.len().to_string());
    }

    /// The application knows its executors, and they are those that the leader knows.
    fn compare_app(&self, client: usize, view: &MasterView, differences: &mut Vec<String>) {
        let known = &self.clients[client];
        let Some((machine, id)) = known.machine.as_ref().zip(known.id()) else {
            return differences.push(format!("application {client} is not registered"));
        };
        let Some(seen) = view.apps.iter().find(|app| app.id == *id && app.connected) else {
            return differences.push(format!("{id} is not connected"));
        };
        if !machine.following().is_connected() || machine.following().leader() != view.leader.as_ref() {
            differences.push(format!("{id} follows {:?}", machine.following()));
        }
        let own: Vec<ExecutorId> = machine.executors().collect();
        let granted: Vec<ExecutorId> = seen.executors.iter().map(|executor| executor.id).collect();
        if own != granted {
            differences.push(format!("{id} has executors {own:?}, the leader knows {granted:?}"));
        }
        if let Some(executor) = seen.executors.iter().find(|executor| executor.state == ExecutorState::Launching) {
            differences.push(format!("{id}/{} is being launched for ever", executor.id));
        }
    }

    /// I2, I7: every driver is there, and those that were to end have ended.
    fn compare_drivers(&self, view: &MasterView, differences: &mut Vec<String>) {
        for (number, submission) in self.submitter.submissions.iter().enumerate() {
            let Some(driver) = &submission.driver else {
                differences.push(format!("submission {number} has no answer"));
                continue;
            };
            let lives = view.drivers.iter().any(|live| live.id == *driver);
            let ended = view.ended_drivers.iter().any(|done| done.id == *driver && done.state.is_final());
            let forgotten = self.store.is_forgotten(driver);
            if u8::from(lives) + u8::from(ended) + u8::from(forgotten) != 1 {
                differences.push(format!("I7: {driver} lives: {lives}, ended: {ended}, forgotten: {forgotten}"));
            }
            if lives && self.submitter.to_end.contains(driver) {
                differences.push(format!("DR-04: {driver} was to end and lives"));
            }
        }
    }
}

/// L3: everything that waits and fits, runs.
fn what_fits_waits(view: &MasterView) -> Option<String> {
    let room = |worker: &&WorkerView, cores: u32| {
        let free = (worker.cores.minus(worker.cores_used), worker.memory.minus(worker.memory_used));
        worker.accepts_work && free.0.0 >= cores && free.1 >= SMALL
    };
    let roomy = |cores: u32| view.workers.iter().find(|worker| room(worker, cores));
    let mut found = String::new();
    for driver in view.drivers.iter().filter(|driver| driver.worker.is_none()) {
        if let Some(worker) = roomy(driver.description.cores.0) {
            let _ = write!(found, "{} waits although {} has room; ", driver.id, worker.id);
        }
    }
    for app in view.apps.iter().filter(|app| wants_more(app)) {
        if let Some(worker) = roomy(1) {
            let _ = write!(found, "{} waits although {} has room; ", app.id, worker.id);
        }
    }
    (!found.is_empty()).then_some(found)
}

fn wants_more(app: &AppView) -> bool {
    let counted = app.executors.iter().filter(|executor| executor.state != ExecutorState::Decommissioned);
    let counted = u32::try_from(counted.count()).unwrap();
    debug_assert_eq!(app.description.default_profile.id, ProfileId(0));
    app.cores_granted < app.max_cores && app.executor_limit.is_none_or(|limit| counted < limit)
}
