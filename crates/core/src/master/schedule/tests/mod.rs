//! Tests of scheduling. The tables of the original are run against both implementations.

mod history;
mod tables;

use std::collections::BTreeMap;

use super::reference::Reference;
use super::{AppDemand, DriverNeed, Free, Placement, ProfileNeed, Scheduler, SchedulerOptions};
use crate::ids::{AppId, DriverId, ProfileId, WorkerId};
use crate::model::{Addresses, Amounts, Booking};
use crate::rng::Rng;
use crate::units::{Cores, Memory};

/// What both implementations can do.
trait Machine: Sized {
    fn new(options: SchedulerOptions) -> Self;
    fn worker_up(&mut self, id: &WorkerId, cores: Cores, memory: Memory, resources: &Addresses);
    fn worker_paused(&mut self, id: &WorkerId, paused: bool);
    fn worker_down(&mut self, id: &WorkerId);
    fn book(&mut self, id: &WorkerId, booking: &Booking) -> Booking;
    fn release(&mut self, id: &WorkerId, booking: Booking);
    fn free(&self, id: &WorkerId) -> Option<Free>;
    fn queue_driver(&mut self, id: &DriverId, need: DriverNeed);
    fn unqueue_driver(&mut self, id: &DriverId) -> bool;
    fn set_active_drivers(&mut self, placed: u32);
    fn app_up(&mut self, id: &AppId, demand: AppDemand);
    fn app_targets(
        &mut self,
        id: &AppId,
        profiles: BTreeMap<ProfileId, ProfileNeed>,
        targets: BTreeMap<ProfileId, u32>,
    );
    fn app_paused(&mut self, id: &AppId, paused: bool);
    fn app_down(&mut self, id: &AppId);
    fn executor_added(&mut self, app: &AppId, profile: ProfileId, cores: Cores);
    fn executor_removed(&mut self, app: &AppId, profile: ProfileId, cores: Cores);
    fn round(&mut self, rng: &mut Rng, out: &mut Vec<Placement>);
}

macro_rules! machine {
    ($type:ty) => {
        impl Machine for $type {
            fn new(options: SchedulerOptions) -> Self {
                <$type>::new(options)
            }
            fn worker_up(&mut self, id: &WorkerId, cores: Cores, memory: Memory, resources: &Addresses) {
                self.worker_up(id, cores, memory, resources);
            }
            fn worker_paused(&mut self, id: &WorkerId, paused: bool) {
                self.worker_paused(id, paused);
            }
            fn worker_down(&mut self, id: &WorkerId) {
                self.worker_down(id);
            }
            fn book(&mut self, id: &WorkerId, booking: &Booking) -> Booking {
                self.book(id, booking)
            }
            fn release(&mut self, id: &WorkerId, booking: Booking) {
                self.release(id, booking);
            }
            fn free(&self, id: &WorkerId) -> Option<Free> {
                self.free(id)
            }
            fn queue_driver(&mut self, id: &DriverId, need: DriverNeed) {
                self.queue_driver(id, need);
            }
            fn unqueue_driver(&mut self, id: &DriverId) -> bool {
                self.unqueue_driver(id)
            }
            fn set_active_drivers(&mut self, placed: u32) {
                self.set_active_drivers(placed);
            }
            fn app_up(&mut self, id: &AppId, demand: AppDemand) {
                self.app_up(id, demand);
            }
            fn app_targets(
                &mut self,
                id: &AppId,
                profiles: BTreeMap<ProfileId, ProfileNeed>,
                targets: BTreeMap<ProfileId, u32>,
            ) {
                self.app_targets(id, profiles, targets);
            }
            fn app_paused(&mut self, id: &AppId, paused: bool) {
                self.app_paused(id, paused);
            }
            fn app_down(&mut self, id: &AppId) {
                self.app_down(id);
            }
            fn executor_added(&mut self, app: &AppId, profile: ProfileId, cores: Cores) {
                self.executor_added(app, profile, cores);
            }
            fn executor_removed(&mut self, app: &AppId, profile: ProfileId, cores: Cores) {
                self.executor_removed(app, profile, cores);
            }
            fn round(&mut self, rng: &mut Rng, out: &mut Vec<Placement>) {
                self.round(rng, out);
            }
        }
    };
}

machine!(Scheduler);
machine!(Reference);

fn worker(name: impl std::fmt::Display) -> WorkerId {
    WorkerId::new(&name.to_string()).unwrap()
}

fn driver(number: u32) -> DriverId {
    DriverId::new(&format!("driver-{number:03}")).unwrap()
}

fn app(number: u32) -> AppId {
    AppId::new(&format!("app-{number:03}")).unwrap()
}

/// The addresses `0 … count - 1` of one GPU resource.
fn gpus(count: u32) -> Addresses {
    Addresses::new([("gpu".to_owned(), (0..count).map(|at| at.to_string()).collect())])
}

fn wanted_gpus(count: u32) -> Amounts {
    Amounts::new([("gpu".to_owned(), count)])
}

fn need(cores: Option<u32>, memory: u64) -> ProfileNeed {
    ProfileNeed { cores: cores.map(Cores), memory: Memory::mib(memory), ..ProfileNeed::default() }
}

/// An application with only the default profile.
fn demand(max: Option<u32>, need: ProfileNeed, limit: Option<u32>) -> AppDemand {
    AppDemand {
        max_cores: max.map_or(Cores::UNLIMITED, Cores),
        profiles: BTreeMap::from([(ProfileId(0), need)]),
        targets: limit.map(|limit| (ProfileId(0), limit)).into_iter().collect(),
    }
}

fn round(machine: &mut impl Machine) -> Vec<Placement> {
    let mut out = Vec::new();
    machine.round(&mut Rng::new(17), &mut out);
    out
}

/// The executors among placements: application, profile, worker, cores.
fn executors(placements: &[Placement]) -> Vec<(String, u32, String, u32)> {
    let executor = |placement: &Placement| match placement {
        Placement::Executor { app, profile, worker, booking } => {
            Some((app.to_string(), profile.0, worker.to_string(), booking.cores.0))
        }
        Placement::Driver { .. } => None,
    };
    placements.iter().filter_map(executor).collect()
}

/// The drivers among placements: driver, worker.
fn drivers(placements: &[Placement]) -> Vec<(String, String)> {
    let driver = |placement: &Placement| match placement {
        Placement::Driver { driver, worker, .. } => Some((driver.to_string(), worker.to_string())),
        Placement::Executor { .. } => None,
    };
    placements.iter().filter_map(driver).collect()
}
