//! Silence and its consequences (HB-02, HB-04, HB-05), with a brake against losing many workers at once.

use super::config::{HOUSEKEEPING_EVERY, MASS_LOSS_FLOOR, REQUEST_MEMORY};
use super::entities::{Contact, DeadWorker};
use super::event::Timer;
use super::leader::{Ctx, Leader};
use crate::ids::{AppId, DriverId, ExecutorRef, WorkerId};
use crate::model::ApplicationState;
use crate::msg::AppNotice;
use crate::record::Change;
use crate::time::{Mono, millis};

/// The span over which losses by silence are counted.
const LOSS_WINDOW: std::time::Duration = std::time::Duration::from_secs(60);

/// Why an application without a client ends.
const GONE: &str = "the application's client process is gone";

impl Leader {
    /// The alarm of one worker. It is armed once and looks each time how long the silence really is, so heartbeats
    /// cost no timer.
    pub(super) fn worker_due(&mut self, id: &WorkerId, ctx: &mut Ctx<'_>) {
        let Some(worker) = self.workers.get(id) else { return };
        let due = worker.last_heard + ctx.config.worker_timeout;
        if due > ctx.now.mono {
            return ctx.arm(Timer::Worker(id.clone()), due);
        }
        if let Some(later) = self.brake(ctx) {
            return ctx.arm(Timer::Worker(id.clone()), later);
        }
        self.recent_losses.push_back(ctx.now.mono);
        let why = format!("Not receiving heartbeat for {} seconds", ctx.config.worker_timeout.as_secs());
        self.lose_worker(id, &why, ctx);
        self.settle_recovery(ctx);
        self.schedule(ctx);
    }

    /// With many silent workers the fault is more likely on this side: only a share of all is given up per minute.
    /// Returns when to look again.
    fn brake(&mut self, ctx: &Ctx<'_>) -> Option<Mono> {
        let now = ctx.now.mono;
        while self.recent_losses.front().is_some_and(|lost| *lost + LOSS_WINDOW <= now) {
            self.recent_losses.pop_front();
        }
        let share = (self.workers.len() + self.recent_losses.len()) * ctx.config.mass_loss_percent as usize / 100;
        let allowed = share.max(1);
        let oldest = self.recent_losses.front().filter(|_| self.recent_losses.len() >= allowed)?;
        let silent = self.workers.values().filter(|worker| worker.last_heard + ctx.config.worker_timeout <= now);
        // Counted no further than it matters: every one of many silent workers comes by here.
        (silent.take(MASS_LOSS_FLOOR + 1).count() > MASS_LOSS_FLOOR).then(|| *oldest + LOSS_WINDOW)
    }

    /// Gives everybody a full time-out again, after a time in which nobody could be heard. Whose session broke in the
    /// meantime is asked whether it lives.
    pub(super) fn forgive_silence(&mut self, ctx: &mut Ctx<'_>) {
        for worker in self.workers.values_mut() {
            worker.last_heard = ctx.now.mono;
        }
        for worker in self.workers.values().filter(|worker| worker.session.is_none()) {
            self.look_for_worker(worker, ctx);
        }
        let mut unheard = Vec::new();
        for (id, app) in &mut self.apps {
            app.last_heard = ctx.now.mono;
            if app.session.is_none() {
                if let Contact::Gone(_) = app.contact {
                    app.contact = Contact::Unreachable;
                }
                unheard.push(id.clone());
            }
        }
        for id in unheard {
            self.look_for_app(&id, ctx);
            ctx.arm(Timer::App(id), ctx.now.mono + ctx.config.app_timeout);
        }
    }

    /// HB-05: everything on it is lost, everybody concerned is told, its record goes.
    pub(super) fn lose_worker(&mut self, id: &WorkerId, why: &str, ctx: &mut Ctx<'_>) {
        let Some(worker) = self.workers.get(id) else { return };
        let host = worker.record.host.clone();
        let executors: Vec<ExecutorRef> = worker.executors.iter().cloned().collect();
        let drivers: Vec<DriverId> = worker.drivers.iter().cloned().collect();
        ctx.persist_one(Change::RemoveWorker(id.clone()));
        for executor in executors {
            self.executor_lost(&executor, why, &host, ctx);
        }
        self.lose_awaited(id, why, &host, ctx);
        for driver in drivers {
            self.driver_lost(&driver, why, ctx);
        }
        self.scheduler.worker_down(id);
        let Some(worker) = self.workers.remove(id) else { return };
        self.worker_is_settled(worker.unknown);
        self.places.remove(&(worker.record.host.clone(), worker.record.port));
        if let Some(session) = worker.session {
            self.sessions.remove(&session);
            ctx.close(session);
        }
        let dead = DeadWorker {
            record: worker.record,
            last_heard: worker.last_heard,
            last_heard_wall: worker.last_heard_wall,
        };
        self.dead_workers.insert(dead);
        let mut listening = Vec::new();
        for (app, known) in &mut self.apps {
            known.workers.remove(id);
            if known.session.is_some() {
                listening.push(app.clone());
            }
        }
        for app in listening {
            let notice = AppNotice::WorkerRemoved { worker: id.clone(), host: host.clone(), message: why.to_owned() };
            self.notify(&app, notice, ctx);
        }
    }

    /// The alarm of one application without a session.
    pub(super) fn app_due(&mut self, id: &AppId, ctx: &mut Ctx<'_>) {
        let Some(app) = self.apps.get_mut(id).filter(|app| app.session.is_none()) else { return };
        let (due, why) = match app.contact {
            Contact::Gone(until) => (until, GONE),
            Contact::Heard | Contact::Unknown | Contact::Unreachable => {
                (app.last_heard + ctx.config.app_timeout, "the application's client could not be reached")
            }
        };
        if due > ctx.now.mono {
            return ctx.arm(Timer::App(id.clone()), due);
        }
        self.end_unheard_app(id, why, ctx);
    }

    /// Its client's process is gone, and nobody may come back in its place.
    pub(super) fn app_gone(&mut self, id: &AppId, ctx: &mut Ctx<'_>) {
        self.end_unheard_app(id, GONE, ctx);
    }

    fn end_unheard_app(&mut self, id: &AppId, why: &str, ctx: &mut Ctx<'_>) {
        self.finish_app(id, ApplicationState::Finished, Some(why.to_owned()), ctx);
        self.settle_recovery(ctx);
        self.schedule(ctx);
    }

    /// Drops what has been listed or remembered long enough, and what waits for nothing.
    pub(super) fn housekeeping(&mut self, ctx: &mut Ctx<'_>) {
        let listed_for = ctx.config.worker_timeout * (ctx.config.dead_worker_persistence + 1);
        self.dead_workers.retain(|dead| dead.last_heard + listed_for > ctx.now.mono);
        let memory = millis(REQUEST_MEMORY);
        let old: Vec<_> = self
            .requests
            .iter()
            .filter(|(_, (_, at))| at.0.saturating_add(memory) < ctx.now.wall.0)
            .map(|(request, _)| request.clone())
            .collect();
        for request in old {
            self.requests.remove(&request);
            ctx.persist_one(Change::ForgetRequest(request));
        }
        // The last worker that had not refused one may have been lost since.
        let refused: Vec<AppId> =
            self.apps.values().filter(|app| app.refused.is_some()).map(|app| app.record.id.clone()).collect();
        for id in refused {
            self.end_app_if_nowhere(&id, ctx);
        }
        ctx.arm(Timer::Housekeeping, ctx.now.mono + HOUSEKEEPING_EVERY);
    }
}
