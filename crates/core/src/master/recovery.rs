//! Taking over (protocol 4): per item, without a global stop.
//!
//! Queued drivers go back to the queue (the original loses them, RC-13). Placed drivers keep their places on the books,
//! workers and applications are UNKNOWN until they speak, and each of them is usable from then on. ALIVE is shown when
//! nothing is UNKNOWN any more, or after the recovery time-out; what is missing then keeps its own timer.

use super::entities::{App, Contact, Driver, Worker};
use super::event::Timer;
use super::leader::{Ctx, Leader};
use super::view::Missing;
use crate::model::{LeaderInfo, MasterRole};
use crate::record::{DriverRecord, Recovered, WorkerRecord};

impl Leader {
    /// The state of a new term from the complete content of the store.
    pub(super) fn recover(info: LeaderInfo, recovered: Recovered, ctx: &mut Ctx<'_>) -> Self {
        let mut leader = Self::new(info, ctx.config);
        leader.done_apps = recovered.done_apps.into();
        leader.done_apps.make_contiguous().sort_by_key(|done| done.ended_at);
        leader.done_drivers = recovered.done_drivers.into();
        leader.done_drivers.make_contiguous().sort_by_key(|done| done.ended_at);
        leader.requests = recovered.requests.into_iter().map(|r| (r.id, (r.driver, r.at))).collect();
        leader.quarantined = recovered.quarantined;
        for record in recovered.workers {
            leader.recover_worker(record, ctx);
        }
        let mut apps = recovered.apps;
        apps.sort_by_key(|app| app.registered_at);
        for record in apps {
            let id = record.id.clone();
            leader.insert_app(App::new(record, Contact::Unknown, ctx.now.mono), ctx);
            leader.await_workers(&id);
            leader.pause_app_if_due(&id);
            ctx.arm(Timer::App(id), ctx.now.mono + ctx.config.app_timeout);
        }
        let mut drivers = recovered.drivers;
        drivers.sort_by(|a, b| (a.submitted_at, &a.id).cmp(&(b.submitted_at, &b.id)));
        for record in drivers {
            leader.recover_driver(record, ctx);
        }
        leader.announce(ctx);
        ctx.arm(Timer::Recovery, ctx.now.mono + ctx.config.recovery_timeout);
        ctx.arm(Timer::Housekeeping, ctx.now.mono + super::config::HOUSEKEEPING_EVERY);
        leader.settle_recovery(ctx);
        leader
    }

    fn recover_worker(&mut self, record: WorkerRecord, ctx: &mut Ctx<'_>) {
        let id = record.id.clone();
        self.scheduler.worker_up(&id, record.cores, record.memory, &record.resources);
        self.scheduler.worker_is_foreign(&id, record.kind.is_foreign());
        self.scheduler.worker_paused(&id, true);
        self.places.insert((record.host.clone(), record.port), id.clone());
        let mut worker = Worker::new(record, ctx.now.mono, ctx.now.wall);
        worker.unknown = true;
        self.missing.workers += 1;
        self.workers.insert(id.clone(), worker);
        // RC-04: a full time-out from the announcement.
        ctx.arm(Timer::Worker(id), ctx.now.mono + ctx.config.worker_timeout);
    }

    fn recover_driver(&mut self, mut record: DriverRecord, ctx: &mut Ctx<'_>) {
        let id = record.id.clone();
        let Some(placement) = &mut record.placement else {
            self.scheduler.queue_driver(&id, super::drivers::need(&record.description));
            self.drivers.insert(id, Driver { record });
            return;
        };
        let worker_id = placement.worker.clone();
        if let Some(worker) = self.workers.get_mut(&worker_id) {
            placement.booking = self.scheduler.book(&worker_id, &placement.booking);
            worker.drivers.insert(id.clone());
            self.drivers.insert(id, Driver { record });
            self.set_placed_drivers(self.placed_drivers + 1);
        } else {
            // Removing a worker settles its drivers in the same event. Its transaction may have been split, and its second
            // part lost with the leader.
            self.drivers.insert(id.clone(), Driver { record });
            self.set_placed_drivers(self.placed_drivers + 1);
            self.driver_lost(&id, "its worker is not in the store", ctx);
        }
    }

    /// `MasterChanged` to everybody; whoever comes by itself counts as well.
    fn announce(&self, ctx: &mut Ctx<'_>) {
        for worker in self.workers.values() {
            self.announce_to_worker(worker, ctx);
        }
        for (id, app) in &self.apps {
            self.announce_to_app(id, app, ctx);
        }
    }

    /// Looks whether something is still missing: RC-09, SPARK-46664.
    pub(super) fn settle_recovery(&mut self, ctx: &mut Ctx<'_>) {
        if self.complete {
            return;
        }
        if self.missing.workers == 0 {
            for app in std::mem::take(&mut self.claiming) {
                self.settle_claims(&app, ctx);
            }
        }
        self.complete = self.missing == Missing::default();
        if self.complete && self.role == MasterRole::Recovering {
            self.role = MasterRole::Alive;
        }
    }

    /// An UNKNOWN worker has spoken or is given up.
    pub(super) fn worker_is_settled(&mut self, was_unknown: bool) {
        self.missing.workers = self.missing.workers.saturating_sub(usize::from(was_unknown));
    }

    /// Something else is known of an application's client than before.
    pub(super) fn app_is_settled(&mut self, before: Contact, now: Option<Contact>) {
        let settled = before == Contact::Unknown && now != Some(Contact::Unknown);
        self.missing.apps = self.missing.apps.saturating_sub(usize::from(settled));
    }

    pub(super) fn recovery_due(&mut self, ctx: &mut Ctx<'_>) {
        if self.role == MasterRole::Recovering {
            self.role = MasterRole::Alive;
            self.schedule(ctx);
        }
    }
}
