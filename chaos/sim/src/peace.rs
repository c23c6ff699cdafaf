//! After the faults have ended: what everybody must come to agree on, and within which time (L1 – L3, I5, I7).

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::time::Duration;

use tanist_core::ids::{DriverId, ExecutorId};
use tanist_core::master::{AppView, MasterView, WorkerView};
use tanist_core::model::{ExecutorState, MasterRole, WorkerState};

use crate::agenda::millis;
use crate::hosts::Work;
use crate::settings::{MASTERS, SMALL, master_id};
use crate::world::{Ending, World};

/// Within which time what must be true.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// L1: one leader that may act, so long after the last fault: the lease of a leader that died with it, and three
    /// seconds.
    leader: Duration,
    /// L2: all workers follow it, so long after that.
    adopted: Duration,
    /// L3: everything else is as it should be.
    peace: Duration,
}

/// After any faults. L2: 2 s for whoever the leader announces itself to; but one that has come while nobody could answer it
/// waits for its own next try, and those are up to 90 s apart. L3: the longest time-out (an application
/// that cannot be asked, 120 s) after the longest pause of a process that looks for its leader (90 s), and what follows.
pub const AFTER_FAULTS: Bounds =
    Bounds { leader: Duration::from_secs(8), adopted: Duration::from_secs(95), peace: Duration::from_secs(300) };

/// With ten thousand workers, that all come at once.
pub const AT_SIZE: Bounds =
    Bounds { leader: Duration::from_secs(8), adopted: Duration::from_secs(60), peace: Duration::from_secs(300) };

/// How often it is looked.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// How long each goal took.
#[derive(Debug, Clone, Copy, Default)]
pub struct Healing {
    /// L1.
    pub leader: Duration,
    /// L2.
    pub adopted: Duration,
    /// L3.
    pub peace: Duration,
}

impl World {
    /// Faults end, everybody lives; then all agree within bounded time.
    pub fn heals(&mut self) -> Healing {
        self.heals_with(AFTER_FAULTS)
    }

    /// The same within other bounds.
    pub fn heals_with(&mut self, bounds: Bounds) -> Healing {
        self.trace.fact(self.agenda.now(), "──── peace");
        self.faults_end();
        self.peace_is_kept();
        let begun = self.agenda.now();
        let leader = self.comes_true("L1", bounds.leader, Self::no_leader);
        let adopted = self.comes_true("L2", bounds.adopted, Self::not_adopted);
        self.comes_true("L3", bounds.peace, Self::differences);
        Healing { leader, adopted, peace: self.agenda.now() - begun }
    }

    /// Lets time pass until nothing is left that is not as it should be.
    fn comes_true(&mut self, goal: &str, within: Duration, wrong: impl Fn(&mut Self) -> Vec<String>) -> Duration {
        let begun = self.agenda.now();
        loop {
            let found = wrong(self);
            let took = self.agenda.now() - begun;
            if found.is_empty() {
                return took;
            }
            assert!(took < within, "{goal}: not within {} ms: {found:#?}", within.as_millis());
            self.peace_is_kept();
            self.pass(LOOK_EVERY);
        }
    }

    /// Who ends meanwhile, because he was told to before, starts again.
    fn peace_is_kept(&mut self) {
        (0..MASTERS).for_each(|master| self.ends(Ending::MasterStarts(master)));
        (0..self.hosts.len()).for_each(|host| self.worker_starts(host, false));
        (0..self.clients.len()).for_each(|client| self.app_starts(client));
        for host in 0..self.hosts.len() {
            self.disk(host, false);
        }
    }

    fn no_leader(&mut self) -> Vec<String> {
        let acts = |role| matches!(role, MasterRole::Recovering | MasterRole::Alive);
        let acting: Vec<usize> = (0..MASTERS).filter(|master| acts(self.masters[*master].role())).collect();
        match (self.leader(), acting.as_slice()) {
            (Some(leader), [acting]) if leader == *acting => Vec::new(),
            (leader, acting) => vec![format!("{leader:?} is in office, {acting:?} act")],
        }
    }

    fn not_adopted(&mut self) -> Vec<String> {
        let Some(lead) = self.ledger.lead.as_ref().map(tanist_store::LeaderRecord::info) else {
            return vec!["nobody leads".to_owned()];
        };
        let now = self.agenda.now();
        let follows = |host: &&crate::hosts::Host| {
            host.machine.as_ref().is_some_and(|worker| {
                let following = worker.view(host.clock.wall(now)).following;
                following.is_connected() && following.leader() == Some(&lead)
            })
        };
        self.hosts.iter().filter(|host| !follows(host)).map(|host| format!("{} does not follow", host.id)).collect()
    }

    /// Everything that is not as it should be.
    fn differences(&mut self) -> Vec<String> {
        let Some(lead) = self.ledger.lead.clone() else { return vec!["nobody leads".to_owned()] };
        let Some(leader) = self.leader() else { return vec!["the leader is dead".to_owned()] };
        self.masters[leader].ask_view();
        self.pass(millis(300));
        let Some(published) = self.masters[leader].view() else { return vec!["the leader shows nothing".to_owned()] };
        let view = published.view;
        if view.role != MasterRole::Alive || view.leader.as_ref().is_none_or(|found| found.term != lead.term()) {
            return vec![format!("{} is {} instead of leading", master_id(leader), view.role)];
        }
        let mut differences = self.no_leader();
        for host in 0..self.hosts.len() {
            self.compare_worker(host, &view, &mut differences);
        }
        for client in 0..self.clients.len() {
            self.compare_app(client, &view, &mut differences);
        }
        self.compare_drivers(&view, &mut differences);
        differences.extend(what_fits_waits(&view));
        let live = view.workers.iter().filter(|worker| worker.state != WorkerState::Dead).count();
        if (live, view.apps.len()) != (self.hosts.len(), self.clients.len()) {
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
        for (number, submission) in self.operator.submissions.iter().enumerate() {
            let Some(driver) = &submission.driver else {
                differences.push(format!("submission {number} has no answer"));
                continue;
            };
            let lives = view.drivers.iter().any(|live| live.id == *driver);
            let ended = view.ended_drivers.iter().any(|done| done.id == *driver && done.state.is_final());
            let forgotten = self.is_forgotten(driver);
            if u8::from(lives) + u8::from(ended) + u8::from(forgotten) != 1 {
                differences.push(format!("I7: {driver} lives: {lives}, ended: {ended}, forgotten: {forgotten}"));
            }
            if lives && self.operator.to_end.contains(driver) {
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
    let counted = u32::try_from(counted.count()).unwrap_or(u32::MAX);
    app.cores_granted < app.max_cores && app.executor_limit.is_none_or(|limit| counted < limit)
}
