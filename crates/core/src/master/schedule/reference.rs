//! The yardstick: the plain algorithm over plain lists, looking at everything anew in every round.
//!
//! It has the interface of [`Scheduler`](super::Scheduler) and must always decide the same; the property test and the
//! benchmark hold the two against each other. Nothing here is clever, and nothing here should become so.

use std::collections::BTreeMap;

use super::books::Books;
use super::demand::{AppDemand, DriverNeed, Free, Placement, ProfileNeed, default_target};
use super::options::SchedulerOptions;
use super::permutation::Permutation;
use crate::ids::{AppId, DriverId, ProfileId, WorkerId};
use crate::model::{Addresses, Booking};
use crate::rng::Rng;
use crate::units::{Cores, Memory};

/// The plain scheduler.
#[derive(Debug, Clone)]
pub struct Reference {
    options: SchedulerOptions,
    active_drivers: u32,
    /// A new worker takes the first empty place.
    places: Vec<Option<Place>>,
    drivers: Vec<(DriverId, DriverNeed)>,
    apps: Vec<(AppId, App)>,
}

#[derive(Debug, Clone)]
struct Place {
    id: WorkerId,
    books: Books,
    paused: bool,
    foreign: bool,
}

#[derive(Debug, Clone, Default)]
struct App {
    max_cores: Cores,
    granted: Cores,
    paused: bool,
    profiles: BTreeMap<ProfileId, Profile>,
    ruled_out: Vec<WorkerId>,
}

#[derive(Debug, Clone, Default)]
struct Profile {
    need: Option<ProfileNeed>,
    target: Option<u32>,
    executors: u32,
}

/// A profile that may get executors now.
struct Open<'a> {
    need: &'a ProfileNeed,
    cores_left: u32,
    executors: u32,
    target: u32,
}

impl Reference {
    /// No workers, no work.
    pub fn new(options: SchedulerOptions) -> Self {
        Self { options, active_drivers: 0, places: Vec::new(), drivers: Vec::new(), apps: Vec::new() }
    }

    fn place_mut(&mut self, id: &WorkerId) -> Option<&mut Place> {
        self.places.iter_mut().flatten().find(|place| place.id == *id)
    }

    fn app_mut(&mut self, id: &AppId) -> Option<&mut App> {
        self.apps.iter_mut().find(|(other, _)| other == id).map(|(_, app)| app)
    }

    /// See [`Scheduler::worker_up`](super::Scheduler::worker_up).
    pub fn worker_up(&mut self, id: &WorkerId, cores: Cores, memory: Memory, resources: &Addresses) {
        for (_, app) in &mut self.apps {
            app.ruled_out.retain(|other| other != id);
        }
        if let Some(place) = self.place_mut(id) {
            place.books.offer(cores, memory, resources);
            place.paused = false;
            return;
        }
        let mut books = Books::default();
        books.offer(cores, memory, resources);
        let place = Some(Place { id: id.clone(), books, paused: false, foreign: false });
        match self.places.iter().position(Option::is_none) {
            Some(empty) => self.places[empty] = place,
            None => self.places.push(place),
        }
    }

    /// See [`Scheduler::worker_is_foreign`](super::Scheduler::worker_is_foreign).
    pub fn worker_is_foreign(&mut self, id: &WorkerId, foreign: bool) {
        if let Some(place) = self.place_mut(id) {
            place.foreign = foreign;
        }
    }

    /// See [`Scheduler::worker_paused`](super::Scheduler::worker_paused).
    pub fn worker_paused(&mut self, id: &WorkerId, paused: bool) {
        if let Some(place) = self.place_mut(id) {
            place.paused = paused;
        }
    }

    /// See [`Scheduler::worker_down`](super::Scheduler::worker_down).
    pub fn worker_down(&mut self, id: &WorkerId) {
        for place in &mut self.places {
            if place.as_ref().is_some_and(|place| place.id == *id) {
                *place = None;
            }
        }
    }

    /// See [`Scheduler::book`](super::Scheduler::book).
    pub fn book(&mut self, id: &WorkerId, booking: &Booking) -> Booking {
        self.place_mut(id).map(|place| place.books.take_exact(booking)).unwrap_or_default()
    }

    /// See [`Scheduler::release`](super::Scheduler::release).
    pub fn release(&mut self, id: &WorkerId, booking: Booking) {
        if let Some(place) = self.place_mut(id) {
            place.books.put_back(booking);
        }
    }

    /// See [`Scheduler::free`](super::Scheduler::free).
    pub fn free(&self, id: &WorkerId) -> Option<Free> {
        self.places.iter().flatten().find(|place| place.id == *id).map(|place| place.books.free())
    }

    /// See [`Scheduler::queue_driver`](super::Scheduler::queue_driver).
    pub fn queue_driver(&mut self, id: &DriverId, need: DriverNeed) {
        if self.drivers.iter().all(|(other, _)| other != id) {
            self.drivers.push((id.clone(), need.at_least_one_core()));
        }
    }

    /// See [`Scheduler::unqueue_driver`](super::Scheduler::unqueue_driver).
    pub fn unqueue_driver(&mut self, id: &DriverId) -> bool {
        let before = self.drivers.len();
        self.drivers.retain(|(other, _)| other != id);
        self.drivers.len() < before
    }

    /// See [`Scheduler::set_active_drivers`](super::Scheduler::set_active_drivers).
    pub fn set_active_drivers(&mut self, placed: u32) {
        self.active_drivers = placed;
    }

    /// See [`Scheduler::app_up`](super::Scheduler::app_up).
    pub fn app_up(&mut self, id: &AppId, demand: AppDemand) {
        if self.app_mut(id).is_none() {
            self.apps.push((id.clone(), App::default()));
        }
        if let Some(app) = self.app_mut(id) {
            app.max_cores = demand.max_cores;
        }
        self.app_targets(id, demand.profiles, demand.targets);
    }

    /// See [`Scheduler::app_targets`](super::Scheduler::app_targets).
    pub fn app_targets(
        &mut self,
        id: &AppId,
        profiles: BTreeMap<ProfileId, ProfileNeed>,
        targets: BTreeMap<ProfileId, u32>,
    ) {
        let Some(app) = self.app_mut(id) else { return };
        for (id, need) in profiles {
            app.profiles.entry(id).or_default().need = Some(need);
        }
        for (id, target) in targets {
            app.profiles.entry(id).or_default().target = Some(target);
        }
    }

    /// See [`Scheduler::app_paused`](super::Scheduler::app_paused).
    pub fn app_paused(&mut self, id: &AppId, paused: bool) {
        if let Some(app) = self.app_mut(id) {
            app.paused = paused;
        }
    }

    /// See [`Scheduler::rule_out`](super::Scheduler::rule_out).
    pub fn rule_out(&mut self, app: &AppId, worker: &WorkerId) {
        let known = self.place_mut(worker).is_some();
        if let Some(app) = self.app_mut(app).filter(|_| known) {
            app.ruled_out.push(worker.clone());
        }
    }

    /// See [`Scheduler::app_down`](super::Scheduler::app_down).
    pub fn app_down(&mut self, id: &AppId) {
        self.apps.retain(|(other, _)| other != id);
    }

    /// See [`Scheduler::executor_added`](super::Scheduler::executor_added).
    pub fn executor_added(&mut self, id: &AppId, profile: ProfileId, cores: Cores) {
        if let Some(app) = self.app_mut(id) {
            app.granted = app.granted.plus(cores);
            app.profiles.entry(profile).or_default().executors += 1;
        }
    }

    /// See [`Scheduler::executor_removed`](super::Scheduler::executor_removed).
    pub fn executor_removed(&mut self, id: &AppId, profile: ProfileId, cores: Cores) {
        if let Some(app) = self.app_mut(id) {
            app.granted = app.granted.minus(cores);
            let profile = app.profiles.entry(profile).or_default();
            profile.executors = profile.executors.saturating_sub(1);
        }
    }

    /// See [`Scheduler::round`](super::Scheduler::round).
    pub fn round(&mut self, rng: &mut Rng, out: &mut Vec<Placement>) {
        self.place_drivers(rng, out);
        self.place_executors(out);
    }

    fn place_drivers(&mut self, rng: &mut Rng, out: &mut Vec<Placement>) {
        if self.drivers.is_empty() || self.active_drivers >= self.options.max_drivers {
            return;
        }
        let order = self.workers_for_drivers(rng);
        let mut next = 0;
        for (driver, need) in std::mem::take(&mut self.drivers) {
            if !self.options.spread_out_drivers {
                next = 0;
            }
            let limited = self.active_drivers >= self.options.max_drivers;
            let mut booking = None;
            let mut visited = 0;
            while !limited && booking.is_none() && visited < order.len() {
                booking = self.try_driver(order[next], &need);
                visited += 1;
                next = (next + 1) % order.len();
            }
            if let Some((worker, booking)) = booking {
                self.active_drivers += 1;
                out.push(Placement::Driver { driver, worker, booking });
            } else {
                self.drivers.push((driver, need));
            }
        }
    }

    fn workers_for_drivers(&self, rng: &mut Rng) -> Vec<usize> {
        let alive = |&index: &usize| self.places[index].as_ref().is_some_and(|place| !place.paused);
        if self.options.spread_out_drivers {
            let all = Permutation::new(u32::try_from(self.places.len()).unwrap_or(u32::MAX), rng.bits());
            (0..all.len()).map(|position| all.at(position) as usize).filter(alive).collect()
        } else {
            let mut order: Vec<_> = (0..self.places.len()).filter(alive).collect();
            order.sort_by_key(|&index| self.places[index].as_ref().map(|place| &place.id));
            order
        }
    }

    fn try_driver(&mut self, index: usize, need: &DriverNeed) -> Option<(WorkerId, Booking)> {
        let place = self.places[index].as_mut()?;
        let fits = (need.foreign || !place.foreign)
            && place.books.free_cores() >= need.cores
            && place.books.free_memory() >= need.memory
            && place.books.room_for(&need.resources) > 0;
        fits.then(|| (place.id.clone(), place.books.take(need.cores, need.memory, &need.resources)))
    }

    fn place_executors(&mut self, out: &mut Vec<Placement>) {
        for app in 0..self.apps.len() {
            let profiles: Vec<_> = self.apps[app].1.profiles.keys().copied().collect();
            for profile in profiles {
                if let Some(open) = self.open(app, profile) {
                    let usable = self.usable(open.need, &self.apps[app].1.ruled_out);
                    let assigned = self.assign(&open, &usable);
                    for (&place, cores) in usable.iter().zip(assigned) {
                        self.launch(app, profile, place, cores, out);
                    }
                }
            }
        }
    }

    fn open(&self, app: usize, id: ProfileId) -> Option<Open<'_>> {
        let app = &self.apps[app].1;
        let profile = app.profiles.get(&id)?;
        let need = profile.need.as_ref()?;
        let cores_left = app.max_cores.minus(app.granted).0;
        let target = profile.target.unwrap_or(default_target(id));
        let open = Open { need, cores_left, executors: profile.executors, target };
        (!app.paused && cores_left >= need.unit()).then_some(open)
    }

    /// The workers on which one executor fits, in the order of the policy.
    fn usable(&self, need: &ProfileNeed, ruled_out: &[WorkerId]) -> Vec<usize> {
        let mut usable = Vec::new();
        for (index, place) in self.places.iter().enumerate() {
            let Some(place) = place else { continue };
            let fits = !place.paused
                && (need.foreign || !place.foreign)
                && !ruled_out.contains(&place.id)
                && place.books.free_cores().0 >= need.unit()
                && place.books.free_memory() >= need.memory
                && place.books.room_for(&need.resources) > 0;
            if fits {
                usable.push((index, place.books.free_cores(), place.books.free_memory(), &place.id));
            }
        }
        usable.sort_by(|a, b| self.options.worker_selection.compare((a.1, a.2, a.3), (b.1, b.2, b.3)));
        usable.into_iter().map(|(index, ..)| index).collect()
    }

    /// How many cores of each usable worker the profile gets (SC-11 … SC-13).
    fn assign(&self, open: &Open<'_>, usable: &[usize]) -> Vec<u32> {
        let books: Vec<&Books> = usable.iter().filter_map(|&index| Some(&self.places[index].as_ref()?.books)).collect();
        let unit = open.need.unit();
        let one_per_worker = open.need.cores.is_none();
        let free: u64 = books.iter().map(|books| u64::from(books.free_cores().0)).sum();
        let mut to_assign = free.min(u64::from(open.cores_left));
        let mut cores = vec![0u32; books.len()];
        let mut executors = vec![0u32; books.len()];
        let mut all_executors = u64::from(open.executors);

        loop {
            let mut any = false;
            for at in 0..books.len() {
                loop {
                    let enough = to_assign >= u64::from(unit) && books[at].free_cores().0 - cores[at] >= unit;
                    let starts = !one_per_worker || executors[at] == 0;
                    let memory = Memory::mib(u64::from(executors[at]) * open.need.memory.as_mib());
                    let may_start = books[at].free_memory().minus(memory) >= open.need.memory
                        && books[at].room_for(&open.need.resources) > executors[at]
                        && all_executors < u64::from(open.target);
                    if !enough || (starts && !may_start) {
                        break;
                    }
                    to_assign -= u64::from(unit);
                    cores[at] += unit;
                    if starts {
                        executors[at] += 1;
                        all_executors += 1;
                    }
                    any = true;
                    if self.options.spread_out_apps {
                        break;
                    }
                }
            }
            if !any {
                return cores;
            }
        }
    }

    fn launch(&mut self, app: usize, profile: ProfileId, place: usize, cores: u32, out: &mut Vec<Placement>) {
        let (id, app) = &mut self.apps[app];
        let (Some(place), Some(counts)) = (&mut self.places[place], app.profiles.get_mut(&profile)) else { return };
        let Some(need) = &counts.need else { return };
        let each = need.cores.map_or(cores, |_| need.unit());
        for _ in 0..cores.checked_div(each).unwrap_or(0) {
            let booking = place.books.take(Cores(each), need.memory, &need.resources);
            app.granted = app.granted.plus(booking.cores);
            counts.executors += 1;
            out.push(Placement::Executor { app: id.clone(), profile, worker: place.id.clone(), booking });
        }
    }
}
