//! Scheduling: which driver and which executor goes to which worker (SC-01 … SC-18).
//!
//! Two implementations decide the same. [`mod@reference`] is the plain algorithm: every round compares everything that
//! waits with every worker. [`Scheduler`] is what the master uses: a round looks only at what has changed.
//!
//! | file | holds |
//! |---|---|
//! | `options`, `demand` | settings; what is asked and answered |
//! | `books`, `workers`, `index` | what each worker has free, and workers in the order of the policy |
//! | `drivers`, `permutation` | the driver queue, and the random tour of the workers that is never written down |
//! | `apps`, `executors` | what each application still wants, and handing it out |
//! | `reference` | the yardstick |
//!
//! # Why looking at the news is enough
//!
//! Call a waiting driver *live* while the driver limit is not reached, and a profile of an application live while the
//! application is not paused, has cores left for one more unit and has fewer executors of it than wanted.
//!
//! **After a round nothing live fits on any worker that is not paused, ruled out for it, or foreign to it.** A driver is passed over
//! only when no worker has room. The allocation for a profile ends when every usable worker fails one of its tests: the units are used up
//! or the target is reached — then the profile is no longer live; or the worker lacks cores, memory or resources —
//! then it does not fit. (The units are bounded by the cores left *and* by the sum of free cores; if the sum is what
//! ran out, no worker has a unit left. An executor without fixed cores grows until its worker has no core left or the
//! units are used up.) The rest of the round only books more and grants more, so what did not fit then does not fit at
//! its end, and what was not live then is not live at its end.
//!
//! **Between rounds** three kinds of things can break this, and each leaves a mark:
//! - a worker has more than before (it came up, was released something, is no longer paused, foreign or ruled out for an
//!   application): it is among the *news*;
//! - something that was not live is now: a driver was queued or had not been looked at because of the limit, a profile
//!   was described or described anew, its target was raised, an executor ended and gave back cores or its place under
//!   the target, its application is no longer paused: it is *fresh*. What was live and only wants more is not fresh:
//!   how much is wanted has no say in whether one unit fits;
//! - the driver limit: drivers that a round did not reach are fresh for the next one.
//!
//! So when a round comes to something that is not fresh, the workers on which it fits are among the news, and a fresh
//! thing must be compared with all. The set of usable workers is therefore the same as in a full rescan, and all else
//! follows from that set.
//!
//! # Why a prefix of the usable workers is enough
//!
//! Let `m` be the lesser of the units left and the executors left under the target. Only the first `m` usable workers
//! in the order of the policy can get anything: one pass gives each worker in turn its first unit — all are usable, so
//! none is skipped — and each first unit starts an executor. After `m` of them either the units or the executors are
//! used up; no new executor can start anywhere, and growing happens only where one was started. Filling one worker
//! after the other starts at least one executor on each, so it reaches no further. The sum of free cores over the
//! prefix instead of over all changes nothing: if it is the lesser bound, the prefix is filled to its last unit either
//! way.

mod apps;
mod books;
mod demand;
mod drivers;
mod executors;
mod index;
mod options;
pub mod permutation;
pub mod reference;
#[cfg(test)]
mod tests;
mod workers;

use std::collections::BTreeMap;

pub use demand::{AppDemand, DriverNeed, Free, Placement, ProfileNeed};
pub use options::{SchedulerOptions, WorkerSelection};

use crate::ids::{AppId, DriverId, ProfileId, WorkerId};
use crate::model::{Addresses, Booking};
use crate::rng::Rng;
use crate::units::{Cores, Memory};
use apps::Apps;
use drivers::Drivers;
use workers::Workers;

/// Who waits, who offers, and the next placements.
///
/// Whatever calls it makes no difference between one change and many: any number of changes may come before a round.
#[derive(Debug, Clone)]
pub struct Scheduler {
    options: SchedulerOptions,
    workers: Workers,
    drivers: Drivers,
    apps: Apps,
}

impl Scheduler {
    /// No workers, no work.
    pub fn new(options: SchedulerOptions) -> Self {
        let workers = Workers::new(options.worker_selection);
        Self { options, workers, drivers: Drivers::default(), apps: Apps::default() }
    }

    /// A worker may get work and offers this. New: nothing is booked on it. Known: what it offers is replaced, its
    /// bookings stay, and it is no longer paused.
    pub fn worker_up(&mut self, id: &WorkerId, cores: Cores, memory: Memory, resources: &Addresses) {
        self.workers.up(id, cores, memory, resources);
    }

    /// A worker is foreign, or is not: a foreign one gets only work that can run there.
    pub fn worker_is_foreign(&mut self, id: &WorkerId, foreign: bool) {
        self.workers.set_foreign(id, foreign);
    }

    /// A paused worker keeps its bookings and gets nothing new (decommissioned, not heard of since a change of leader,
    /// disk full).
    pub fn worker_paused(&mut self, id: &WorkerId, paused: bool) {
        self.workers.pause(id, paused);
    }

    /// A worker is gone with all its bookings.
    pub fn worker_down(&mut self, id: &WorkerId) {
        self.workers.down(id);
    }

    /// Books work that is there already (adoption, recovery), fitting or not. The answer is what was booked: resource
    /// addresses that are taken or not offered are left out of it. Nothing is booked on a worker that is not known.
    pub fn book(&mut self, id: &WorkerId, booking: &Booking) -> Booking {
        self.workers.book(id, booking)
    }

    /// Returns a booking. One of a worker that is gone went with it.
    pub fn release(&mut self, id: &WorkerId, booking: Booking) {
        self.workers.release(id, booking);
    }

    /// What is free on a worker, paused or not; none if it is not known.
    pub fn free(&self, id: &WorkerId) -> Option<Free> {
        self.workers.free(id)
    }

    /// A driver waits, behind those that wait already. One that is waiting keeps its place and its need.
    pub fn queue_driver(&mut self, id: &DriverId, need: DriverNeed) {
        self.drivers.queue(id, need);
    }

    /// A driver no longer waits; false if it did not.
    pub fn unqueue_driver(&mut self, id: &DriverId) -> bool {
        self.drivers.unqueue(id)
    }

    /// How many drivers are placed now. A round counts those that it places itself (SC-06).
    pub fn set_active_drivers(&mut self, placed: u32) {
        self.drivers.set_active(placed);
    }

    /// The limit of placed drivers, if there is one and it is reached (SC-06).
    pub fn driver_limit_reached(&self) -> Option<u32> {
        let limit = self.options.max_drivers;
        (limit != u32::MAX && self.drivers.active() >= limit).then_some(limit)
    }

    /// An application waits, behind those that wait already (SC-07). One that is known keeps its place and its
    /// executors; its most cores are replaced, the rest is as in [`app_targets`](Self::app_targets).
    pub fn app_up(&mut self, id: &AppId, demand: AppDemand) {
        self.apps.up(id, demand.max_cores);
        self.apps.describe(id, demand.profiles, demand.targets);
    }

    /// An application describes more profiles, or wants another number of executors in total (AP-08). Profiles and
    /// targets that are not named stay as they are. Nothing happens for an application that is not known.
    pub fn app_targets(
        &mut self,
        id: &AppId,
        profiles: BTreeMap<ProfileId, ProfileNeed>,
        targets: BTreeMap<ProfileId, u32>,
    ) {
        self.apps.describe(id, profiles, targets);
    }

    /// A paused application keeps its executors and gets no new one.
    pub fn app_paused(&mut self, id: &AppId, paused: bool) {
        self.apps.pause(id, paused);
    }

    /// A worker gets no executors of this application until it comes up anew. Nothing happens where either is not known.
    pub fn rule_out(&mut self, app: &AppId, worker: &WorkerId) {
        if self.apps.knows(app) {
            self.workers.rule_out(app, worker);
        }
    }

    /// Whether this worker gets no executors of this application.
    pub fn is_ruled_out(&self, app: &AppId, worker: &WorkerId) -> bool {
        self.workers.is_ruled_out(app, worker)
    }

    /// An application has ended. Its bookings are released one by one.
    pub fn app_down(&mut self, id: &AppId) {
        self.apps.down(id);
        self.workers.forget_app(id);
    }

    /// An executor that was not placed by a round (recovery) counts for its application.
    pub fn executor_added(&mut self, app: &AppId, profile: ProfileId, cores: Cores) {
        self.apps.count(app, profile, cores, true);
    }

    /// An executor of an application has ended; its booking is released apart from this.
    pub fn executor_removed(&mut self, app: &AppId, profile: ProfileId, cores: Cores) {
        self.apps.count(app, profile, cores, false);
    }

    /// One round (SC-01): places what can be placed, books it and tells it in order, drivers before executors (SC-02).
    pub fn round(&mut self, rng: &mut Rng, out: &mut Vec<Placement>) {
        self.drivers.place(&mut self.workers, &self.options, rng, out);
        executors::place(&mut self.apps, &mut self.workers, &self.options, out);
        self.workers.end_round();
    }
}
