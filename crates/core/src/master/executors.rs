//! Executors at the master: their states, the retry limit, requests to have more or fewer (EX-*, AP-08, AP-09).

use super::entities::{DeadWorker, Executor, Leaving, Worker, endpoint_of};
use super::leader::{Ctx, Leader};
use super::view::ExecutorView;
use crate::ids::{AppId, ExecutorId, ExecutorRef, SessionId, WorkerId};
use crate::model::{ApplicationState, ExecutorState};
use crate::msg::{AppNotice, WorkerCommand};

/// Ended executors listed per application.
const ENDED_EXECUTORS_SHOWN: usize = 100;

/// A new state of an executor and what goes with it.
#[derive(Debug, Clone)]
pub(super) struct ExecutorChange {
    pub(super) state: ExecutorState,
    pub(super) message: Option<String>,
    pub(super) exit_status: Option<i32>,
}

impl ExecutorChange {
    /// HB-05: its worker is lost.
    pub(super) fn lost_with_worker(why: &str) -> Self {
        Self { state: ExecutorState::Lost, message: Some(format!("worker lost: {why}")), exit_status: None }
    }
}

/// What becomes of an ended executor's booking.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    /// Its process is gone.
    Free,
    /// It was told to end and has not yet.
    StillTaken,
    /// Its worker is gone.
    Gone,
}

impl Leader {
    /// EX-02, EX-03: a worker reports a new state.
    pub(super) fn executor_changed(
        &mut self,
        id: &WorkerId,
        executor: &ExecutorRef,
        change: ExecutorChange,
        ctx: &mut Ctx<'_>,
    ) {
        if change.state.is_finished() && self.left(id, &Leaving::Executor(executor.clone())) {
            return self.schedule(ctx);
        }
        let known = self.apps.get_mut(&executor.app).and_then(|app| {
            let known = app.executors.get_mut(&executor.id).filter(|known| known.worker == *id)?;
            Some((known, &mut app.failures))
        });
        let Some((known, failures)) = known else { return self.old_executor_ended(id, executor, change, ctx) };
        let old = known.state;
        if !change.state.is_finished() {
            // A late LAUNCHING or RUNNING does not undo a decommissioning.
            if old == ExecutorState::Decommissioned || old == change.state {
                return;
            }
            known.state = change.state;
            if change.state == ExecutorState::Running {
                *failures = 0;
            }
            return self.tell_executor_change(executor, change, None, ctx);
        }
        // What was lost with its worker is nobody's failure.
        let failed = change.exit_status != Some(0)
            && change.state != ExecutorState::Lost
            && old != ExecutorState::Decommissioned;
        self.end_executor(executor, change, Place::Free, None, ctx);
        if failed {
            self.count_failure(&executor.app, ctx);
        }
        self.schedule(ctx);
    }

    /// Its worker can run none of the application's executors: it gets no more of them until it registers anew.
    pub(super) fn executor_refused(&mut self, id: &WorkerId, executor: &ExecutorRef, why: &str, ctx: &mut Ctx<'_>) {
        let change = ExecutorChange { state: ExecutorState::Failed, message: Some(why.to_owned()), exit_status: None };
        let mut is_here = false;
        if let Some(app) = self.apps.get_mut(&executor.app) {
            app.refused = Some(why.to_owned());
            is_here = app.executors.get(&executor.id).is_some_and(|known| known.worker == *id);
            self.scheduler.rule_out(&executor.app, id);
        }
        if is_here {
            self.end_executor(executor, change, Place::Free, None, ctx);
        } else {
            // It was told to end meanwhile, its application is over, or it was another leader's.
            self.executor_changed(id, executor, change, ctx);
        }
        self.end_app_if_nowhere(&executor.app, ctx);
        self.schedule(ctx);
    }

    /// Once all workers have refused its executors, an application that has none left is told and ends, instead of waiting
    /// for what nobody has. One that was lost is waited for as long as a silent one: it may be started again.
    pub(super) fn end_app_if_nowhere(&mut self, id: &AppId, ctx: &mut Ctx<'_>) {
        let Some(app) = self.apps.get(id).filter(|app| app.executors.is_empty()) else { return };
        let Some(why) = &app.refused else { return };
        let may_come_back = |dead: &DeadWorker| dead.last_heard + ctx.config.worker_timeout > ctx.now.mono;
        let is_out = |(other, worker): (&WorkerId, &Worker)| {
            self.scheduler.is_ruled_out(id, other) || worker.is_foreign() && !app.is_foreign()
        };
        let nowhere = self.missing.workers == 0
            && !self.workers.is_empty()
            && self.workers.iter().all(is_out)
            && !self.dead_workers.iter().any(may_come_back);
        if nowhere {
            let message = format!("no worker can run its executors: {why}");
            self.finish_app(id, ApplicationState::Failed, Some(message), ctx);
            self.settle_recovery(ctx);
        }
    }

    /// Its worker says that it is not there (any more): no failure of the application's own.
    pub(super) fn executor_vanished(&mut self, executor: &ExecutorRef, ctx: &mut Ctx<'_>) {
        let message = Some("its worker does not run it".to_owned());
        let change = ExecutorChange { state: ExecutorState::Lost, message, exit_status: None };
        self.end_executor(executor, change, Place::Free, None, ctx);
    }

    /// HB-05: its worker is lost.
    pub(super) fn executor_lost(&mut self, executor: &ExecutorRef, why: &str, host: &str, ctx: &mut Ctx<'_>) {
        self.end_executor(executor, ExecutorChange::lost_with_worker(why), Place::Gone, Some(host.to_owned()), ctx);
    }

    /// Ends an executor by request: it leaves the application's books now, its worker's when it has ended (the original
    /// frees the worker at once, while the process may still run).
    pub(super) fn kill_executor(&mut self, executor: &ExecutorRef, why: &str, ctx: &mut Ctx<'_>) -> bool {
        let Some(worker) = self.executor(executor).map(|known| known.worker.clone()) else { return false };
        let change = ExecutorChange { state: ExecutorState::Killed, message: Some(why.to_owned()), exit_status: None };
        self.end_executor(executor, change, Place::StillTaken, None, ctx);
        self.command(&worker, WorkerCommand::KillExecutor { executor: executor.clone() }, ctx);
        true
    }

    fn executor(&self, executor: &ExecutorRef) -> Option<&Executor> {
        self.apps.get(&executor.app)?.executors.get(&executor.id)
    }

    fn end_executor(
        &mut self,
        executor: &ExecutorRef,
        change: ExecutorChange,
        place: Place,
        host: Option<String>,
        ctx: &mut Ctx<'_>,
    ) {
        let Some(app) = self.apps.get_mut(&executor.app) else { return };
        let Some(known) = app.remove(executor.id) else { return };
        app.ended.insert(executor.id);
        app.claimed.remove(&executor.id);
        let worker = self.workers.get_mut(&known.worker);
        let worker_address = worker.as_ref().map(|worker| endpoint_of(&worker.record)).unwrap_or_default();
        app.ended_views.push_back(executor_view(executor.id, &known, change.state, worker_address));
        if app.ended_views.len() > ENDED_EXECUTORS_SHOWN {
            app.ended_views.pop_front();
        }
        if known.state != ExecutorState::Decommissioned {
            self.scheduler.executor_removed(&executor.app, known.profile, known.booking.cores);
        }
        if let Some(worker) = worker {
            worker.executors.remove(executor);
            match place {
                Place::StillTaken => {
                    worker.leaving.insert(Leaving::Executor(executor.clone()), known.booking);
                }
                Place::Free => self.scheduler.release(&known.worker, known.booking),
                Place::Gone => {}
            }
        }
        self.tell_executor_change(executor, change, host, ctx);
    }

    /// Something that was told to end has ended; true if it was waited for.
    pub(super) fn left(&mut self, id: &WorkerId, what: &Leaving) -> bool {
        let booking = self.workers.get_mut(id).and_then(|worker| worker.leaving.remove(what));
        let waited_for = booking.is_some();
        if let Some(booking) = booking {
            self.scheduler.release(id, booking);
        }
        waited_for
    }

    /// EX-03: too many failures in a row and nothing runs → the application has failed.
    fn count_failure(&mut self, id: &AppId, ctx: &mut Ctx<'_>) {
        let Some(app) = self.apps.get_mut(id) else { return };
        app.failures = app.failures.saturating_add(1);
        let Some(limit) = ctx.config.max_executor_retries else { return };
        let running = app.executors.values().any(|executor| executor.state == ExecutorState::Running);
        if app.failures >= limit && !running {
            let message = format!("FAILED after {} executor failures in a row", app.failures);
            self.finish_app(id, ApplicationState::Failed, Some(message), ctx);
        }
    }

    /// AP-09: the application asks to end some of its executors. Unknown ones are passed over.
    pub(super) fn kill_executors(
        &mut self,
        session: SessionId,
        app: &AppId,
        request: u64,
        executors: &[ExecutorId],
        ctx: &mut Ctx<'_>,
    ) {
        for id in executors {
            self.kill_executor(&ExecutorRef { app: app.clone(), id: *id }, "killed by request of the application", ctx);
        }
        self.answer_app(session, request, true, ctx);
        self.schedule(ctx);
    }

    pub(super) fn tell_executor_added(&mut self, executor: &ExecutorRef, ctx: &mut Ctx<'_>) {
        let Some(known) = self.executor(executor) else { return };
        let notice = AppNotice::ExecutorAdded {
            executor: executor.id,
            worker: known.worker.clone(),
            worker_address: self.workers.get(&known.worker).map(|w| endpoint_of(&w.record)).unwrap_or_default(),
            cores: known.booking.cores,
            memory: known.booking.memory,
            profile: known.profile,
        };
        self.notify(&executor.app, notice, ctx);
    }

    pub(super) fn tell_executor_state(&mut self, executor: &ExecutorRef, state: ExecutorState, ctx: &mut Ctx<'_>) {
        self.tell_executor_change(executor, ExecutorChange { state, message: None, exit_status: None }, None, ctx);
    }

    pub(super) fn tell_executor_change(
        &mut self,
        executor: &ExecutorRef,
        change: ExecutorChange,
        worker_host: Option<String>,
        ctx: &mut Ctx<'_>,
    ) {
        let ExecutorChange { state, message, exit_status } = change;
        let notice = AppNotice::ExecutorUpdated { executor: executor.id, state, message, exit_status, worker_host };
        self.notify(&executor.app, notice, ctx);
    }

    /// Executors that an application believes to have and that no worker reports: once no worker is missing any more,
    /// they are known to be gone (RC-16). Until then the application gets nothing new, so that its limits hold.
    pub(super) fn settle_claims(&mut self, id: &AppId, ctx: &mut Ctx<'_>) {
        let Some(app) = self.apps.get_mut(id) else { return };
        if self.missing.workers > 0 {
            if !app.claimed.is_empty() || app.is_unrecorded() {
                self.claiming.insert(id.clone());
            }
        } else {
            app.record_if_due();
            let gone = std::mem::take(&mut app.claimed);
            for gone in &gone {
                app.ended.insert(*gone);
            }
            for gone in gone {
                let message = Some("no worker runs it after the change of leader".to_owned());
                let change = ExecutorChange { state: ExecutorState::Lost, message, exit_status: None };
                let executor = ExecutorRef { app: id.clone(), id: gone };
                self.tell_executor_change(&executor, change, None, ctx);
            }
        }
        self.pause_app_if_due(id);
    }
}

pub(super) fn executor_view(
    id: ExecutorId,
    executor: &Executor,
    state: ExecutorState,
    worker_address: String,
) -> ExecutorView {
    ExecutorView {
        id,
        worker: executor.worker.clone(),
        worker_address,
        cores: executor.booking.cores,
        memory: executor.booking.memory,
        profile: executor.profile,
        state,
    }
}
