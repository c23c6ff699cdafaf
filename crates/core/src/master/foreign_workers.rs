//! Workers that speak the protocol of a face, such as those of an unmodified Spark (ADR 15).
//!
//! Such a worker runs only what that face can tell it, knows no term, and says less of what it runs than one of ours. A
//! master that does not hear it calls it, as it calls foreign applications.

use super::effect::{Effect, Recalled};
use super::entities::Worker;
use super::event::Peer;
use super::leader::{Ctx, Leader};
use crate::ids::{DriverId, SessionId, WorkerId};
use crate::model::{Inventory, WorkerKind};
use crate::msg::{PROTOCOL_VERSION, RegisterWorker};

impl Worker {
    pub(super) fn is_foreign(&self) -> bool {
        self.record.kind.is_foreign()
    }

    fn peer(&self) -> Peer {
        Peer::Worker(self.record.id.clone())
    }
}

impl Leader {
    /// Looks for a worker that is not heard: asks its own endpoint whether it lives, or has it called by its face.
    pub(super) fn look_for_worker(&self, worker: &Worker, ctx: &mut Ctx<'_>) {
        ctx.effect(match worker.record.kind {
            WorkerKind::Own => {
                Effect::Probe { peer: worker.peer(), endpoint: worker.endpoint(), session: worker.last_session }
            }
            WorkerKind::Foreign(_) => self.recall_worker(worker),
        });
    }

    /// A new leader makes itself known.
    pub(super) fn announce_to_worker(&self, worker: &Worker, ctx: &mut Ctx<'_>) {
        ctx.effect(match worker.record.kind {
            WorkerKind::Own => Effect::Announce { peer: worker.peer(), endpoint: worker.endpoint() },
            WorkerKind::Foreign(_) => self.recall_worker(worker),
        });
    }

    /// Once it has said that it is this worker, it comes as if it registered again, with what it then says it runs.
    fn recall_worker(&self, worker: &Worker) -> Effect {
        let record = worker.record.clone();
        let registration = RegisterWorker {
            id: record.id,
            incarnation: record.incarnation,
            number: worker.registration,
            host: record.host,
            port: record.port,
            kind: record.kind,
            ui_url: record.ui_url,
            cores: record.cores,
            memory: record.memory,
            resources: record.resources,
            master_address: self.info.address.clone(),
            cluster: Some(self.info.cluster.clone()),
            protocol: PROTOCOL_VERSION,
            heard: Some(self.info.term.clone()),
            decommissioned: false,
            accepts_work: true,
            refused_commands: 0,
            inventory: Inventory::default(),
        };
        Effect::Recall { registration: Recalled::Worker(Box::new(registration)), session: worker.last_session }
    }

    /// A worker that obeys whatever it is told may hear commands on a session that stands after it has said on another what it
    /// runs: that settles nothing. Both sessions end, and it is called.
    pub(super) fn ends_both_sessions(
        &mut self,
        session: SessionId,
        registration: &RegisterWorker,
        ctx: &mut Ctx<'_>,
    ) -> bool {
        let known = self.workers.get(&registration.id).filter(|known| known.is_foreign());
        let stands = known.and_then(|known| known.session).filter(|_| registration.kind.is_foreign());
        let Some(former) = stands else { return false };
        self.sessions.remove(&former);
        ctx.close(former);
        ctx.close(session);
        self.worker_cut_off(&registration.id, former, ctx);
        true
    }

    /// What a worker runs, with what a foreign one does not say: memory beside an executor's heap, and what a driver takes.
    pub(super) fn completed(&self, id: &WorkerId, mut inventory: Inventory) -> Inventory {
        if !self.workers.get(id).is_some_and(Worker::is_foreign) {
            return inventory;
        }
        for executor in &mut inventory.executors {
            if let Some(app) = self.apps.get(&executor.executor.app) {
                executor.memory = executor.memory.max(app.record.profile(executor.profile).booked_memory());
            }
        }
        for driver in &mut inventory.drivers {
            let live = self.drivers.get(&driver.driver).map(|known| &*known.record.description);
            // One that is over runs on until it has heard that.
            let over = || self.done_drivers.iter().find(|done| done.id == driver.driver).map(|done| &*done.description);
            if let Some(description) = live.or_else(over) {
                (driver.booking.cores, driver.booking.memory) = (description.cores, description.memory);
            }
        }
        inventory
    }

    /// Of what is missing in its registration, the drivers that are not there. A foreign worker takes a launch from anybody,
    /// on any connection: one of a predecessor, which it has yet to read because it stood still, comes after what it says to
    /// us. It is asked again soon, and then that has come.
    pub(super) fn surely_absent(&mut self, id: &WorkerId, missing: Vec<DriverId>) -> Vec<DriverId> {
        let Self { workers, drivers, .. } = self;
        let Some(worker) = workers.get_mut(id) else { return missing };
        let was_seen = |driver: &DriverId| {
            let placement = drivers.get(driver).and_then(|known| known.record.placement.as_ref());
            placement.is_some_and(|placement| placement.started)
        };
        let is_absent = |driver: &DriverId| !worker.is_foreign() || was_seen(driver);
        let (absent, unseen): (Vec<_>, Vec<_>) = missing.into_iter().partition(is_absent);
        worker.unseen = unseen.into_iter().collect();
        absent
    }

    /// A worker says once more what it runs.
    pub(super) fn said_again(&mut self, id: &WorkerId, inventory: Inventory, ctx: &mut Ctx<'_>) {
        let unseen = self.workers.get_mut(id).map(|worker| std::mem::take(&mut worker.unseen)).unwrap_or_default();
        let is_there = |driver: &DriverId| inventory.drivers.iter().any(|reported| reported.driver == *driver);
        let absent: Vec<DriverId> = unseen.into_iter().filter(|driver| !is_there(driver)).collect();
        self.adopt_or_end(id, inventory, ctx);
        for driver in &absent {
            self.driver_absent(driver, ctx);
        }
        if !absent.is_empty() {
            self.schedule(ctx);
        }
    }
}
