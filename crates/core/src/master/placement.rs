//! Carries out what the scheduler decides (SC-01, SC-14, DR-11): attempts and executor ids, durable records, launches.

use std::sync::Arc;

use super::config::EXECUTOR_ID_BLOCK;
use super::entities::{Driver, Executor};
use super::leader::{Ctx, Leader};
use super::schedule::Placement;
use crate::ids::{AppId, DriverId, ExecutorId, ExecutorRef, ProfileId, WorkerId};
use crate::model::{Booking, ExecutorDescription, ExecutorState};
use crate::msg::WorkerCommand;
use crate::record::{Change, PlacementRecord};

impl Leader {
    /// One scheduling round. Also while RECOVERING: whoever has reported is usable (ha-protocol 4).
    pub(super) fn schedule(&mut self, ctx: &mut Ctx<'_>) {
        if !self.role.leads() {
            return;
        }
        let mut placements = Vec::new();
        self.scheduler.round(ctx.rng, &mut placements);
        for placement in placements {
            match placement {
                Placement::Driver { driver, worker, booking } => self.launch_driver(driver, &worker, booking, ctx),
                Placement::Executor { app, profile, worker, booking } => {
                    self.launch_executor(app, profile, &worker, booking, ctx);
                }
            }
        }
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

    fn launch_executor(
        &mut self,
        app_id: AppId,
        profile: ProfileId,
        worker: &WorkerId,
        booking: Booking,
        ctx: &mut Ctx<'_>,
    ) {
        let Some(app) = self.apps.get_mut(&app_id) else { return };
        let id = app.next_executor;
        app.next_executor = id.next();
        if id >= app.record.executor_ids_below {
            app.record.executor_ids_below = ExecutorId(id.0.saturating_add(EXECUTOR_ID_BLOCK));
            ctx.persist_one(Change::PutApp(app.record.clone()));
        }
        app.ran = true;
        app.workers.insert(worker.clone());
        let state = ExecutorState::Launching;
        app.executors.insert(id, Executor { worker: worker.clone(), profile, booking: booking.clone(), state });
        let description = Arc::clone(&app.record.description);
        let executor = ExecutorRef { app: app_id, id };
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
        self.command(worker, WorkerCommand::LaunchExecutor { executor: launch, app: description }, ctx);
        self.tell_executor_added(&executor, ctx);
    }
}
