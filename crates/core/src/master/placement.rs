//! Carries out what the scheduler decides (SC-01, SC-14, DR-11): attempts and executor ids, durable records, launches.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::effect::Effect;
use super::entities::{App, Driver, Executor};
use super::leader::{Ctx, Leader};
use super::schedule::Placement;
use crate::ids::{AppId, DriverId, ExecutorRef, ProfileId, WorkerId};
use crate::model::{Booking, ExecutorDescription, ExecutorState};
use crate::msg::WorkerCommand;
use crate::record::{Change, PlacementRecord};

impl Leader {
    /// One scheduling round. Also while RECOVERING: whoever has reported is usable (protocol 4).
    pub(super) fn schedule(&mut self, ctx: &mut Ctx<'_>) {
        if !self.role.leads() {
            return;
        }
        let mut placements = Vec::new();
        self.scheduler.round(ctx.rng, &mut placements);
        let (before, mut changed) = (ctx.effects.len(), BTreeSet::new());
        for placement in placements {
            match placement {
                Placement::Driver { driver, worker, booking } => self.launch_driver(driver, &worker, booking, ctx),
                Placement::Executor { app, profile, worker, booking } => {
                    if self.launch_executor(&app, profile, &worker, booking, ctx) {
                        changed.insert(app);
                    }
                }
            }
        }
        // One write of each application for all of the round. It is durable before any of the launches leaves.
        let records = changed.iter().filter_map(|id| self.apps.get(id)).map(App::stored);
        let writes: Vec<_> = records.map(|record| Effect::Persist(vec![Change::PutApp(record)])).collect();
        ctx.effects.splice(before..before, writes);
    }

    fn launch_driver(&mut self, id: DriverId, worker: &WorkerId, booking: Booking, ctx: &mut Ctx<'_>) {
        let epoch = self.term().epoch;
        let Some(Driver { record }) = self.drivers.get_mut(&id) else { return };
        record.attempt = record.attempt.next();
        record.placement =
            Some(PlacementRecord { worker: worker.clone(), booking: booking.clone(), epoch, started: false });
        ctx.persist_one(Change::PutDriver(record.clone()));
        let (attempt, description) = (record.attempt, Arc::clone(&record.description));
        if let Some(known) = self.workers.get_mut(worker) {
            known.drivers.insert(id.clone());
        }
        self.set_placed_drivers(self.placed_drivers + 1);
        self.command(worker, WorkerCommand::LaunchDriver { driver: id, attempt, description, booking }, ctx);
    }

    /// True: the application's record has changed.
    fn launch_executor(
        &mut self,
        app_id: &AppId,
        profile: ProfileId,
        worker: &WorkerId,
        booking: Booking,
        ctx: &mut Ctx<'_>,
    ) -> bool {
        let Some(app) = self.apps.get_mut(app_id) else { return false };
        let id = app.next_executor;
        app.next_executor = id.next();
        app.ran = true;
        app.workers.insert(worker.clone());
        let state = ExecutorState::Launching;
        let executor = Executor { worker: worker.clone(), profile, booking: booking.clone(), state };
        let changed = app.add(id, executor);
        let heap = app.record.profile(profile).memory.unwrap_or(booking.memory);
        let (description, client) = (Arc::clone(&app.record.description), app.record.endpoint.foreign().cloned());
        let executor = ExecutorRef { app: app_id.clone(), id };
        if let Some(known) = self.workers.get_mut(worker) {
            known.executors.insert(executor.clone());
        }
        let launch = ExecutorDescription {
            executor: executor.clone(),
            profile,
            cores: booking.cores,
            memory: booking.memory,
            resources: booking.resources,
            state,
        };
        self.command(worker, WorkerCommand::LaunchExecutor { executor: launch, heap, app: description, client }, ctx);
        self.tell_executor_added(&executor, ctx);
        changed
    }
}
