//! Executors: launched, running, ended (ERN-*, WL-01).

use std::sync::Arc;

use super::Worker;
use super::context::Ctx;
use super::effect::{Effect, Launch, Trouble, What};
use super::event::Ready;
use super::process::{Cause, Phase, Process};
use super::reports::Report;
use super::substitute::executor_command;
use crate::ids::{AppId, ExecutorRef, Generation};
use crate::model::{ApplicationDescription, Booking, ExecutorDescription, ExecutorState};
use crate::time::{Mono, Wall};
use crate::units::Memory;

/// One executor that has not ended. Its description's state is LAUNCHING or RUNNING.
#[derive(Debug, Clone)]
pub(super) struct ExecutorRun {
    pub(super) description: ExecutorDescription,
    pub(super) heap: Memory,
    pub(super) app: Arc<ApplicationDescription>,
    pub(super) process: Process,
    pub(super) launched_at: Wall,
}

/// One that has ended.
#[derive(Debug, Clone)]
pub(super) struct EndedExecutor {
    pub(super) description: ExecutorDescription,
    pub(super) app: Arc<ApplicationDescription>,
    pub(super) message: Option<String>,
    pub(super) exit_status: Option<i32>,
    /// None of the application's can ever run here.
    pub(super) for_good: bool,
    pub(super) launched_at: Wall,
    pub(super) ended_at: Wall,
    /// A restored store may use the number of an executor again.
    pub(super) generation: Generation,
}

/// How one ends.
struct End {
    state: ExecutorState,
    message: Option<String>,
    exit_status: Option<i32>,
    /// None of the application's can ever run here.
    for_good: bool,
}

impl End {
    fn plain(state: ExecutorState, message: Option<String>, exit_status: Option<i32>) -> Self {
        Self { state, message, exit_status, for_good: false }
    }
}

impl ExecutorRun {
    /// ERN-06, ERN-07: it was ended by somebody.
    fn ended_by(cause: Cause, exit_status: Option<i32>) -> End {
        match cause {
            Cause::Shutdown => End::plain(ExecutorState::Failed, Some("Worker shutting down".to_owned()), exit_status),
            Cause::Request | Cause::Superseded | Cause::Isolation => {
                End::plain(ExecutorState::Killed, Some("ended by request".to_owned()), exit_status)
            }
        }
    }
}

impl Worker {
    /// Takes a launch, or answers it with a final state (WL-01: the original says nothing).
    pub(super) fn launch_executor(
        &mut self,
        description: ExecutorDescription,
        heap: Memory,
        app: Arc<ApplicationDescription>,
        ctx: &mut Ctx<'_>,
    ) {
        let executor = description.executor.clone();
        if self.executors.contains_key(&executor) {
            return;
        }
        let generation = self.generation();
        let same = |ended: &&EndedExecutor| ended.description.executor == executor && ended.generation == generation;
        let ended = self.ended_executors.iter().find(same).cloned();
        if let Some(ended) = ended {
            return self.tell_executor_end_again(ended, ctx);
        }
        let refusal = if self.is_decommissioned() {
            Err("the worker is being decommissioned".to_owned())
        } else {
            self.books.take(&booking_of(&description))
        };
        let run = self.next_run();
        let known = ExecutorRun {
            description: ExecutorDescription { state: ExecutorState::Launching, ..description },
            heap,
            app: Arc::clone(&app),
            process: Process::new(run, Phase::Preparing),
            launched_at: ctx.now.wall,
        };
        if let Err(why) = refusal {
            ctx.warn(Trouble::LaunchRefused { what: format!("executor {executor}"), why: why.clone() });
            let message = Some(format!("refused by worker {}: {why}", self.config.identity.id));
            return self.executor_ended(known, End::plain(ExecutorState::Failed, message, None), ctx);
        }
        let resources = known.description.resources.clone();
        self.runs.insert(run, super::Target::Executor(executor.clone()));
        self.executors.insert(executor.clone(), known);
        self.ended_apps.remove(&executor.app);
        self.scratch_of.insert(executor.app.clone());
        ctx.effects.push(Effect::Prepare { run, what: What::Executor { executor, app, resources } });
    }

    pub(super) fn kill_executor(&mut self, executor: &ExecutorRef, ctx: &mut Ctx<'_>) {
        if !self.executors.contains_key(executor) {
            ctx.warn(Trouble::Ignored { what: format!("executor {executor}"), why: "it is not here" });
        }
        self.end_executor(
            executor,
            Cause::Request,
            ctx.now.mono + self.config.behaviour.executor_terminate_timeout,
            ctx,
        );
    }

    pub(super) fn end_executor(&mut self, executor: &ExecutorRef, cause: Cause, kill_at: Mono, ctx: &mut Ctx<'_>) {
        let Some(known) = self.executors.get_mut(executor) else { return };
        if known.process.end(cause, ctx.now.mono, kill_at, ctx.effects) {
            self.executor_over(executor, ExecutorRun::ended_by(cause, None), ctx);
        }
    }

    pub(super) fn executor_prepared(&mut self, executor: &ExecutorRef, ready: &Ready, ctx: &mut Ctx<'_>) {
        let Some(known) = self.executors.get_mut(executor) else { return };
        if known.process.phase != Phase::Preparing {
            return;
        }
        known.process.phase = Phase::Starting;
        let launch = Launch {
            command: executor_command(&known.app.command, &known.description, &self.surroundings, ready),
            heap: known.heap,
            cores: known.description.cores,
            append_logs: false,
            limit: None,
        };
        ctx.effects.push(Effect::Spawn { run: known.process.run, launch: Box::new(launch) });
    }

    pub(super) fn executor_started(&mut self, executor: &ExecutorRef, pid: u32, ctx: &mut Ctx<'_>) {
        let Some(known) = self.executors.get_mut(executor) else { return };
        if known.process.phase != Phase::Starting {
            return;
        }
        known.process.started(pid, ctx.now.mono);
        if known.process.ended_by().is_some() {
            return;
        }
        known.description.state = ExecutorState::Running;
        let description = known.description.clone();
        self.report(Report::Executor { description, message: None, exit_status: None }, ctx);
    }

    /// EX-06, ERN-07.
    pub(super) fn executor_failed_to_run(&mut self, executor: &ExecutorRef, message: &str, ctx: &mut Ctx<'_>) {
        let Some(known) = self.executors.get(executor) else { return };
        let end = match known.process.ended_by() {
            Some(cause) => ExecutorRun::ended_by(cause, None),
            None => End::plain(ExecutorState::Failed, Some(format!("Error running executor: {message}")), None),
        };
        self.executor_over(executor, end, ctx);
    }

    /// This host is not set up for executors of this application: the master is not to try again here.
    pub(super) fn executor_refused(&mut self, executor: &ExecutorRef, message: &str, ctx: &mut Ctx<'_>) {
        let Some(known) = self.executors.get(executor) else { return };
        if known.process.phase != Phase::Starting {
            return;
        }
        let message = Some(format!("refused by worker {}: {message}", self.config.identity.id));
        let end = match known.process.ended_by() {
            Some(cause) => ExecutorRun::ended_by(cause, None),
            None => End { for_good: true, ..End::plain(ExecutorState::Failed, message, None) },
        };
        self.executor_over(executor, end, ctx);
    }

    pub(super) fn executor_exited(&mut self, executor: &ExecutorRef, code: i32, ctx: &mut Ctx<'_>) {
        let Some(known) = self.executors.get(executor) else { return };
        if known.process.pid().is_none() {
            return;
        }
        let end = match known.process.ended_by() {
            Some(cause) => ExecutorRun::ended_by(cause, Some(code)),
            None => End::plain(ExecutorState::Exited, Some(format!("Command exited with code {code}")), Some(code)),
        };
        self.executor_over(executor, end, ctx);
    }

    fn executor_over(&mut self, executor: &ExecutorRef, end: End, ctx: &mut Ctx<'_>) {
        let Some(known) = self.executors.remove(executor) else { return };
        let run = known.process.run;
        self.runs.remove(&run);
        self.books.release(booking_of(&known.description));
        ctx.effects.push(Effect::Forget { run });
        self.executor_ended(known, end, ctx);
        self.delete_scratch_if_done(&executor.app, ctx);
        self.exit_if_done(ctx);
    }

    /// A worker that stops reports nothing: its end is what the master hears, and executors of a lost worker do not
    /// count as failures of their application.
    fn executor_ended(&mut self, known: ExecutorRun, end: End, ctx: &mut Ctx<'_>) {
        let ExecutorRun { description, app, launched_at, .. } = known;
        let End { state, message, exit_status, for_good } = end;
        let description = ExecutorDescription { state, ..description };
        if self.stopping.is_none() {
            self.report(end_report(description.clone(), message.clone(), exit_status, for_good), ctx);
        }
        let (generation, ended_at) = (self.generation(), ctx.now.wall);
        self.ended_executors.push(EndedExecutor {
            description,
            app,
            message,
            exit_status,
            for_good,
            launched_at,
            ended_at,
            generation,
        });
    }

    /// Whoever launches an executor that has ended has not heard of its end.
    fn tell_executor_end_again(&mut self, ended: EndedExecutor, ctx: &mut Ctx<'_>) {
        if !self.outbox.reports_end_of_executor(&ended.description.executor) {
            let EndedExecutor { description, message, exit_status, for_good, .. } = ended;
            self.report(end_report(description, message, exit_status, for_good), ctx);
        }
    }

    /// DIR-03: its scratch directories go when none of its executors is left here.
    pub(super) fn application_finished(&mut self, app: &AppId, ctx: &mut Ctx<'_>) {
        self.ended_apps.insert(app.clone());
        self.delete_scratch_if_done(app, ctx);
    }

    fn delete_scratch_if_done(&mut self, app: &AppId, ctx: &mut Ctx<'_>) {
        let runs = self.executors.keys().any(|executor| executor.app == *app);
        if !runs && self.ended_apps.remove(app) {
            self.scratch_of.remove(app);
            ctx.effects.push(Effect::DeleteScratch { app: app.clone() });
        }
    }
}

fn end_report(
    description: ExecutorDescription,
    message: Option<String>,
    exit_status: Option<i32>,
    for_good: bool,
) -> Report {
    if for_good {
        Report::Refusal { description, why: message.unwrap_or_default() }
    } else {
        Report::Executor { description, message, exit_status }
    }
}

/// What an executor occupies.
pub(super) fn booking_of(description: &ExecutorDescription) -> Booking {
    Booking { cores: description.cores, memory: description.memory, resources: description.resources.clone() }
}
