//! What a worker says it runs, held against what the master believes (WR-13, RC-07, RC-08, protocol 4).
//!
//! Both directions, one place. Reported and known: adopted, with its old id. Reported and not known, or replaced in the
//! meantime: told to end, and its booking kept until it has. Known and not reported: it is not there.

use std::collections::BTreeSet;

use super::entities::{Executor, Leaving};
use super::leader::{Ctx, Leader};
use crate::ids::{AppId, DriverId, ExecutorRef, WorkerId};
use crate::model::{Booking, DriverOnWorker, ExecutorDescription, ExecutorState, Inventory};
use crate::msg::WorkerCommand;
use crate::record::Change;

/// What is to be done about something that a worker reports.
enum Verdict {
    /// It is where it belongs.
    Known,
    /// It belongs there, and this master did not know yet.
    Adopt,
    /// It must not run.
    End,
}

impl Leader {
    /// Settles a complete inventory, as it comes with a registration. Before it no command was given on the session,
    /// so what is missing is really not there.
    pub(super) fn reconcile(&mut self, id: &WorkerId, inventory: Inventory, ctx: &mut Ctx<'_>) {
        let absent = self.absent(id, &inventory);
        self.adopt_or_end(id, inventory, ctx);
        let (executors, drivers, leaving) = absent;
        if let Some(worker) = self.workers.get_mut(id) {
            for booking in leaving.iter().filter_map(|gone| worker.leaving.remove(gone)) {
                self.scheduler.release(id, booking);
            }
        }
        for executor in executors {
            self.executor_vanished(&executor, ctx);
        }
        for driver in self.surely_absent(id, drivers) {
            self.driver_absent(&driver, ctx);
        }
        // What records have here beyond that has ended, and its worker says itself how.
        self.settle_awaited(id);
    }

    /// What the books have on a worker and its inventory has not.
    fn absent(&self, id: &WorkerId, inventory: &Inventory) -> (Vec<ExecutorRef>, Vec<DriverId>, Vec<Leaving>) {
        let Some(worker) = self.workers.get(id) else { return (Vec::new(), Vec::new(), Vec::new()) };
        let executors: BTreeSet<&ExecutorRef> = inventory.executors.iter().map(|reported| &reported.executor).collect();
        let drivers: BTreeSet<_> =
            inventory.drivers.iter().map(|reported| (&reported.driver, reported.attempt)).collect();
        let reports_executor = |executor: &ExecutorRef| executors.contains(executor);
        let reports_driver = |driver: &DriverId| {
            let known = self.drivers.get(driver);
            known.is_some_and(|known| drivers.contains(&(driver, known.record.attempt)))
        };
        let leaves = |leaving: &&Leaving| match leaving {
            Leaving::Executor(executor) => !reports_executor(executor),
            Leaving::Driver(driver, attempt) => !drivers.contains(&(driver, *attempt)),
        };
        (
            worker.executors.iter().filter(|executor| !reports_executor(executor)).cloned().collect(),
            worker.drivers.iter().filter(|driver| !reports_driver(driver)).cloned().collect(),
            worker.leaving.keys().filter(leaves).cloned().collect(),
        )
    }

    /// Takes over what belongs to live applications and drivers, ends the rest. Reports of something that has ended
    /// already change nothing here: the final state comes as a message of its own.
    pub(super) fn adopt_or_end(&mut self, id: &WorkerId, inventory: Inventory, ctx: &mut Ctx<'_>) {
        let inventory = self.completed(id, inventory);
        for driver in inventory.drivers {
            if !driver.state.is_final() {
                self.driver_reported(id, driver, ctx);
            }
        }
        // I6: executors of unknown applications end only after everything known was adopted.
        let mut strangers = Vec::new();
        for executor in inventory.executors {
            if executor.state.is_finished() {
                continue;
            }
            match self.executor_verdict(id, &executor) {
                Verdict::Known => self.executor_still_there(&executor, ctx),
                Verdict::Adopt => self.adopt_executor(id, executor, ctx),
                Verdict::End => strangers.push(executor),
            }
        }
        self.tell_ends(id, inventory.scratch_of, ctx);
        for stranger in strangers {
            let booking = Booking { cores: stranger.cores, memory: stranger.memory, resources: stranger.resources };
            self.leave(id, Leaving::Executor(stranger.executor.clone()), &booking);
            self.command(id, WorkerCommand::KillExecutor { executor: stranger.executor }, ctx);
        }
    }

    /// DIR-03: who left the books while this worker was not there, or under an earlier term, has left scratch directories.
    fn tell_ends(&mut self, id: &WorkerId, scratch_of: Vec<AppId>, ctx: &mut Ctx<'_>) {
        for app in scratch_of {
            match self.apps.get_mut(&app) {
                Some(known) => drop(known.workers.insert(id.clone())),
                None => self.command(id, WorkerCommand::ApplicationFinished { app }, ctx),
            }
        }
    }

    fn executor_verdict(&self, id: &WorkerId, reported: &ExecutorDescription) -> Verdict {
        let Some(app) = self.apps.get(&reported.executor.app) else { return Verdict::End };
        match app.executors.get(&reported.executor.id) {
            Some(known) if known.worker == *id => Verdict::Known,
            Some(_) => Verdict::End,
            None if app.ended.contains(reported.executor.id) => Verdict::End,
            None => Verdict::Adopt,
        }
    }

    fn executor_still_there(&mut self, reported: &ExecutorDescription, ctx: &mut Ctx<'_>) {
        let ExecutorRef { app: app_id, id } = &reported.executor;
        let Some(app) = self.apps.get_mut(app_id) else { return };
        let Some(known) = app.executors.get_mut(id) else { return };
        if known.state == ExecutorState::Launching && reported.state == ExecutorState::Running {
            known.state = ExecutorState::Running;
            self.tell_executor_state(&reported.executor, ExecutorState::Running, ctx);
        }
    }

    /// RC-07: an executor of a live application keeps its id and its place; the counter moves past it (SC-19).
    fn adopt_executor(&mut self, id: &WorkerId, reported: ExecutorDescription, ctx: &mut Ctx<'_>) {
        let ExecutorRef { app: app_id, id: number } = reported.executor.clone();
        let booking = Booking { cores: reported.cores, memory: reported.memory, resources: reported.resources };
        let booking = self.scheduler.book(id, &booking);
        self.scheduler.executor_added(&app_id, reported.profile, booking.cores);
        let Some(app) = self.apps.get_mut(&app_id) else { return };
        app.claimed.remove(&number);
        app.next_executor = app.next_executor.max(number.next());
        app.ran = true;
        app.workers.insert(id.clone());
        let state = reported.state;
        let executor = Executor { worker: id.clone(), profile: reported.profile, booking, state };
        if app.add(number, executor) {
            ctx.persist_one(Change::PutApp(app.stored()));
        }
        if let Some(worker) = self.workers.get_mut(id) {
            worker.executors.insert(reported.executor.clone());
        }
        self.tell_executor_added(&reported.executor, ctx);
        self.pause_app_if_due(&app_id);
    }

    fn driver_reported(&mut self, id: &WorkerId, reported: DriverOnWorker, ctx: &mut Ctx<'_>) {
        let current = self.drivers.get(&reported.driver).filter(|d| d.record.attempt == reported.attempt);
        let placed_on = current.map(|driver| driver.record.placement.as_ref().map(|place| place.worker.clone()));
        match placed_on {
            Some(Some(worker)) if worker == *id => {
                self.driver_started(id, &reported.driver, reported.attempt, ctx);
                self.repeat_kill(id, &reported.driver, ctx);
            }
            // Its worker was given up and is back before the driver was launched elsewhere: no second copy is needed.
            Some(None) => self.readopt_driver(id, reported, ctx),
            Some(Some(_)) | None => {
                self.leave(id, Leaving::Driver(reported.driver.clone(), reported.attempt), &reported.booking);
                let command = WorkerCommand::KillDriver { driver: reported.driver, attempt: reported.attempt };
                self.command(id, command, ctx);
            }
        }
    }

    /// Something ends on a worker; until it has, it occupies its place.
    pub(super) fn leave(&mut self, id: &WorkerId, what: Leaving, booking: &Booking) {
        let Some(worker) = self.workers.get_mut(id) else { return };
        worker.leaving.entry(what).or_insert_with(|| self.scheduler.book(id, booking));
    }
}
