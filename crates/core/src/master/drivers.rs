//! Drivers at the master after their placement: started, ended, lost, launched again (DR-*).
//!
//! A driver keeps its id; every launch has a higher [`Attempt`], written before the launch is sent. What is reported of
//! another attempt than the current one changes nothing (SPARK-19900 without new ids, DR-09).

use super::apps::excess;
use super::entities::{Leaving, Worker, endpoint_of};
use super::leader::{Ctx, Leader};
use super::schedule::DriverNeed;
use crate::ids::{Attempt, DriverId, WorkerId};
use crate::model::{DriverDescription, DriverOnWorker, DriverOutcome, DriverState};
use crate::msg::WorkerCommand;
use crate::record::{Change, DoneDriver, PlacementRecord};

impl Leader {
    /// The process of an attempt runs: from now on its absence means that it has run.
    pub(super) fn driver_started(&mut self, id: &WorkerId, driver: &DriverId, attempt: Attempt, ctx: &mut Ctx<'_>) {
        let Some(known) = self.drivers.get_mut(driver).filter(|known| known.record.attempt == attempt) else { return };
        let Some(placement) = known.record.placement.as_mut().filter(|place| place.worker == *id) else { return };
        if !placement.started {
            placement.started = true;
            ctx.persist_one(Change::PutDriver(known.record.clone()));
        }
    }

    /// DR-07: an attempt ended.
    pub(super) fn driver_ended(
        &mut self,
        id: &WorkerId,
        driver: &DriverId,
        attempt: Attempt,
        outcome: DriverOutcome,
        ctx: &mut Ctx<'_>,
    ) {
        if self.left(id, &Leaving::Driver(driver.clone(), attempt)) {
            return self.schedule(ctx);
        }
        let current = self.drivers.get(driver).filter(|known| known.record.attempt == attempt);
        let here = current.and_then(|known| known.record.placement.as_ref()).is_some_and(|place| place.worker == *id);
        // Given up while its worker was silent, and not launched again yet: this is its outcome after all.
        let waiting = current.is_some_and(|known| known.record.placement.is_none() && attempt.0 > 0);
        if outcome.state.is_final() && (here || waiting) {
            let worker = self.workers.get(id).map(|worker| endpoint_of(&worker.record));
            self.finish_driver(driver, outcome, Some((id.clone(), worker)), ctx);
            self.schedule(ctx);
        }
    }

    /// Its worker has registered and does not have it. Never started: the launch was lost on the way, the next attempt
    /// is safe. Started: it is gone with its process.
    ///
    /// A foreign worker is the same process as long as it is known, starts what is supervised again itself, and says once
    /// how it ended. What it had is over. What it was never seen to have may have come and gone: a second copy of that is
    /// for what is supervised only.
    pub(super) fn driver_absent(&mut self, driver: &DriverId, ctx: &mut Ctx<'_>) {
        let Some(known) = self.drivers.get(driver) else { return };
        let placement = known.record.placement.as_ref();
        let (started, supervise) = (placement.is_some_and(|place| place.started), known.record.description.supervise);
        let on_foreign = placement.and_then(|place| self.workers.get(&place.worker)).is_some_and(Worker::is_foreign);
        let is_over = if on_foreign { started || !supervise } else { started && !supervise };
        if is_over || known.record.kill_requested {
            let message = if on_foreign {
                "its worker does not run it any more, and has not said how it ended"
            } else {
                "its worker process was restarted and does not run it any more"
            };
            self.give_up_driver(driver, message, ctx);
        } else {
            self.requeue_driver(driver, ctx);
        }
    }

    /// HB-05, DR-09: its worker is lost.
    pub(super) fn driver_lost(&mut self, driver: &DriverId, why: &str, ctx: &mut Ctx<'_>) {
        let Some(known) = self.drivers.get(driver) else { return };
        if known.record.description.supervise && !known.record.kill_requested {
            self.requeue_driver(driver, ctx);
        } else {
            self.give_up_driver(driver, &format!("worker lost: {why}"), ctx);
        }
    }

    fn give_up_driver(&mut self, driver: &DriverId, message: &str, ctx: &mut Ctx<'_>) {
        let Some(known) = self.drivers.get(driver) else { return };
        let state = if known.record.kill_requested { DriverState::Killed } else { DriverState::Error };
        let outcome = DriverOutcome { state, exit_code: None, message: Some(message.to_owned()) };
        let place = known.record.placement.as_ref().map(|place| {
            let address = self.workers.get(&place.worker).map(|worker| endpoint_of(&worker.record));
            (place.worker.clone(), address)
        });
        self.finish_driver(driver, outcome, place, ctx);
    }

    /// Back to the end of the queue, to be launched as the next attempt.
    fn requeue_driver(&mut self, driver: &DriverId, ctx: &mut Ctx<'_>) {
        self.unplace_driver(driver);
        let Some(known) = self.drivers.get(driver) else { return };
        ctx.persist_one(Change::PutDriver(known.record.clone()));
        self.scheduler.queue_driver(driver, need(&known.record.description));
    }

    /// Takes a driver off its worker's books, if that worker is still there.
    fn unplace_driver(&mut self, driver: &DriverId) {
        let placement = self.drivers.get_mut(driver).and_then(|known| known.record.placement.take());
        let Some(PlacementRecord { worker: id, booking, .. }) = placement else { return };
        if let Some(worker) = self.workers.get_mut(&id) {
            worker.drivers.remove(driver);
            self.scheduler.release(&id, booking);
        }
        self.set_placed_drivers(self.placed_drivers.saturating_sub(1));
    }

    /// A worker that was given up is back with the attempt that has not been replaced yet.
    pub(super) fn readopt_driver(&mut self, id: &WorkerId, reported: DriverOnWorker, ctx: &mut Ctx<'_>) {
        let DriverOnWorker { driver, booking, .. } = reported;
        self.scheduler.unqueue_driver(&driver);
        let booking = self.scheduler.book(id, &booking);
        let epoch = self.term().epoch;
        if let Some(known) = self.drivers.get_mut(&driver) {
            known.record.placement = Some(PlacementRecord { worker: id.clone(), booking, epoch, started: true });
            ctx.persist_one(Change::PutDriver(known.record.clone()));
        }
        if let Some(worker) = self.workers.get_mut(id) {
            worker.drivers.insert(driver.clone());
        }
        self.set_placed_drivers(self.placed_drivers + 1);
        self.repeat_kill(id, &driver, ctx);
    }

    /// A kill that its worker may have missed.
    pub(super) fn repeat_kill(&mut self, id: &WorkerId, driver: &DriverId, ctx: &mut Ctx<'_>) {
        let Some(known) = self.drivers.get(driver).filter(|known| known.record.kill_requested) else { return };
        let command = WorkerCommand::KillDriver { driver: driver.clone(), attempt: known.record.attempt };
        self.command(id, command, ctx);
    }

    /// DR-08: the outcome becomes durable together with the removal of the live record.
    pub(super) fn finish_driver(
        &mut self,
        driver: &DriverId,
        outcome: DriverOutcome,
        place: Option<(WorkerId, Option<String>)>,
        ctx: &mut Ctx<'_>,
    ) {
        self.scheduler.unqueue_driver(driver);
        self.unplace_driver(driver);
        let Some(known) = self.drivers.remove(driver) else { return };
        let (worker, worker_address) = place.unzip();
        let done = DoneDriver {
            id: known.record.id,
            description: known.record.description,
            submitted_at: known.record.submitted_at,
            ended_at: ctx.now.wall,
            attempt: known.record.attempt,
            worker,
            worker_address: worker_address.flatten(),
            outcome,
        };
        ctx.persist_one(Change::FinishDriver(done.clone()));
        self.done_drivers.push_back(done);
        let excess = excess(self.done_drivers.len(), ctx.config.retained_drivers);
        for forgotten in self.done_drivers.drain(..excess) {
            ctx.persist_one(Change::ForgetDriver(forgotten.id));
        }
    }

    /// SC-06 counts drivers that occupy a place.
    pub(super) fn set_placed_drivers(&mut self, placed: u32) {
        self.placed_drivers = placed;
        self.scheduler.set_active_drivers(placed);
    }
}

/// What the scheduler must know of a driver.
pub(super) fn need(description: &DriverDescription) -> DriverNeed {
    let DriverDescription { cores, memory, resources, .. } = description;
    let foreign = description.suits_foreign_workers();
    DriverNeed { cores: *cores, memory: *memory, resources: resources.clone(), foreign }
}
