//! The leader's invariants as one function, for tests and the simulator.

use std::collections::{BTreeMap, BTreeSet};

use super::entities::{Contact, Executor, Worker};
use super::event::Peer;
use super::leader::Leader;
use super::view::Missing;
use crate::ids::{AppId, DriverId, ExecutorId, ExecutorRef, SessionId, WorkerId};
use crate::model::{Booking, ExecutorState};

impl Leader {
    /// Every broken invariant as text.
    pub(super) fn check(&self) -> Vec<String> {
        let mut broken = Vec::new();
        self.check_placements(&mut broken);
        self.check_books(&mut broken);
        self.check_places(&mut broken);
        self.check_sessions(&mut broken);
        self.check_ids(&mut broken);
        self.check_missing(&mut broken);
        broken
    }

    /// Workers, applications and drivers agree on who is where.
    fn check_placements(&self, broken: &mut Vec<String>) {
        let by_apps: BTreeSet<(ExecutorRef, &str)> = self.executors().map(|(e, x)| (e, x.worker.as_str())).collect();
        let by_workers: BTreeSet<(ExecutorRef, &str)> = self
            .workers
            .values()
            .flat_map(|w| w.executors.iter().map(move |e| (e.clone(), w.record.id.as_str())))
            .collect();
        if by_apps != by_workers {
            broken.push(format!("executors: apps say {by_apps:?}, workers say {by_workers:?}"));
        }
        let by_drivers: BTreeSet<(&DriverId, &str)> = self
            .drivers
            .iter()
            .filter_map(|(id, d)| d.record.placement.as_ref().map(|place| (id, place.worker.as_str())))
            .collect();
        let by_workers: BTreeSet<(&DriverId, &str)> =
            self.workers.values().flat_map(|w| w.drivers.iter().map(move |d| (d, w.record.id.as_str()))).collect();
        if by_drivers != by_workers {
            broken.push(format!("drivers: they say {by_drivers:?}, workers say {by_workers:?}"));
        }
        if by_drivers.len() != self.placed_drivers as usize {
            broken.push(format!("{} drivers are placed, {} are counted", by_drivers.len(), self.placed_drivers));
        }
    }

    fn executors(&self) -> impl Iterator<Item = (ExecutorRef, &Executor)> {
        self.apps.iter().flat_map(|(app, known)| {
            known.executors.iter().map(move |(id, x)| (ExecutorRef { app: app.clone(), id: *id }, x))
        })
    }

    /// I5: what the scheduler calls free is what is offered minus what is placed. Derived anew, never counted.
    fn check_books(&self, broken: &mut Vec<String>) {
        for (id, worker) in &self.workers {
            let (mut cores, mut memory) = (0u64, 0u64);
            let mut taken: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
            for booking in self.bookings_on(worker) {
                cores += u64::from(booking.cores.0);
                memory += booking.memory.as_mib();
                for (name, addresses) in booking.resources.iter() {
                    for address in addresses {
                        if !taken.entry(name).or_default().insert(address) {
                            broken.push(format!("{id}: {name} {address} is booked twice"));
                        }
                    }
                }
            }
            let Some(free) = self.scheduler.free(id) else {
                broken.push(format!("{id}: unknown to the scheduler"));
                continue;
            };
            let expected = (
                u64::from(worker.record.cores.0).saturating_sub(cores),
                worker.record.memory.as_mib().saturating_sub(memory),
            );
            let found = (u64::from(free.cores.0), free.memory.as_mib());
            if expected != found {
                broken.push(format!("{id}: (cores, MiB) free should be {expected:?}, scheduler says {found:?}"));
            }
        }
    }

    fn bookings_on<'a>(&'a self, worker: &'a Worker) -> impl Iterator<Item = &'a Booking> {
        let executors = worker
            .executors
            .iter()
            .filter_map(|e| self.apps.get(&e.app)?.executors.get(&e.id).map(|known| &known.booking));
        let drivers = worker
            .drivers
            .iter()
            .filter_map(|d| self.drivers.get(d)?.record.placement.as_ref().map(|place| &place.booking));
        executors.chain(drivers).chain(worker.leaving.values())
    }

    /// WR-10: a host and port leads to the one worker that is there.
    fn check_places(&self, broken: &mut Vec<String>) {
        let place = |worker: &Worker| ((worker.record.host.clone(), worker.record.port), worker.record.id.clone());
        let held: BTreeMap<(String, u16), WorkerId> = self.workers.values().map(place).collect();
        if held != self.places || held.len() != self.workers.len() {
            broken.push(format!("places: workers are at {held:?}, the table says {:?}", self.places));
        }
    }

    /// A session belongs to one peer, and that peer talks on it.
    fn check_sessions(&self, broken: &mut Vec<String>) {
        let workers = self.workers.iter().filter_map(|(id, w)| Some((w.session?, Peer::Worker(id.clone()))));
        let apps = self.apps.iter().filter_map(|(id, a)| Some((a.session?, Peer::App(id.clone()))));
        let held: BTreeMap<SessionId, Peer> = workers.chain(apps).collect();
        if held != self.sessions {
            broken.push(format!("sessions: peers hold {held:?}, the table says {:?}", self.sessions));
        }
    }

    /// What is counted as missing is UNKNOWN, and claims that wait are on the list.
    fn check_missing(&self, broken: &mut Vec<String>) {
        let unknown = Missing {
            workers: self.workers.values().filter(|worker| worker.unknown).count(),
            apps: self.apps.values().filter(|app| app.contact == Contact::Unknown).count(),
        };
        if unknown != self.missing {
            broken.push(format!("missing: {unknown:?} are UNKNOWN, {:?} are counted", self.missing));
        }
        for (id, app) in self.apps.iter().filter(|(_, app)| !app.claimed.is_empty()) {
            if !self.claiming.contains(id) {
                broken.push(format!("{id}: its claims {:?} wait for nobody", app.claimed));
            }
        }
        self.check_awaited(broken);
        if !self.dead_workers.is_whole() {
            broken.push(format!("dead workers: the two tables differ: {:?}", self.dead_workers));
        }
    }

    /// Applications and silent workers agree on who waits for whom; a record lists what lives, and what those may have.
    fn check_awaited(&self, broken: &mut Vec<String>) {
        let by_apps: BTreeSet<(&AppId, &WorkerId)> =
            self.apps.iter().flat_map(|(id, app)| app.awaits.iter().map(move |worker| (id, worker))).collect();
        let silent = self.workers.iter().filter(|(_, worker)| worker.unknown);
        let by_workers: BTreeSet<(&AppId, &WorkerId)> =
            silent.flat_map(|(id, worker)| worker.awaited_by.iter().map(move |app| (app, id))).collect();
        if by_apps != by_workers {
            broken.push(format!("awaited: apps wait for {by_apps:?}, silent workers are awaited by {by_workers:?}"));
        }
        for (id, app) in &self.apps {
            let Some(list) = &app.record.executors else { continue };
            let mut expected = app.live_by_worker();
            for worker in &app.awaits {
                expected.insert(worker.clone(), list.get(worker).cloned().unwrap_or_default());
            }
            if *list != expected {
                broken.push(format!("{id}: its record lists {list:?} instead of {expected:?}"));
            }
        }
    }

    /// I8: executor numbers stay below the durable mark, and an ended one is not alive. Every live application can be
    /// found by its token.
    fn check_ids(&self, broken: &mut Vec<String>) {
        for (id, app) in &self.apps {
            let highest: Option<&ExecutorId> = app.executors.keys().last();
            if highest.is_some_and(|highest| *highest >= app.record.executor_ids_below) {
                broken.push(format!(
                    "{id}: executor {highest:?} is not below the mark {}",
                    app.record.executor_ids_below
                ));
            }
            if let Some(risen) = app.executors.keys().find(|executor| app.ended.contains(**executor)) {
                broken.push(format!("{id}: executor {risen} has ended and lives"));
            }
            if self.app_tokens.get(&app.record.token) != Some(id) {
                broken.push(format!("{id}: its token leads elsewhere"));
            }
        }
        let known: BTreeSet<&AppId> = self.app_tokens.values().collect();
        if known.len() != self.apps.len() {
            broken.push(format!("tokens lead to {known:?}, there are {} applications", self.apps.len()));
        }
        for (executor, known) in self.executors() {
            if known.state.is_finished() {
                broken.push(format!("{executor} is {} and still listed", ExecutorState::name(known.state)));
            }
        }
    }
}
