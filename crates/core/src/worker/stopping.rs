//! The end of the worker process: everything that runs here ends first (WL-10, DRN-09).

use super::Worker;
use super::context::Ctx;
use super::driver::DriverKey;
use super::effect::Effect;
use super::event::Timer;
use super::process::{Cause, KILL_SETTLES};
use crate::ids::ExecutorRef;
use crate::time::Mono;

/// The process is to end.
#[derive(Debug, Clone)]
pub(super) struct Stopping {
    code: u8,
    why: String,
    exited: bool,
}

impl Worker {
    /// Ends everything. The session stays open until the process is gone, so that the master sees both at once and
    /// replaces the work without waiting for a time-out; nothing new is taken meanwhile. A second call does not wait.
    pub(super) fn stop(&mut self, code: u8, why: String, ctx: &mut Ctx<'_>) {
        let (mut driver_kill, mut executor_kill) = (ctx.now.mono, ctx.now.mono);
        if self.stopping.is_none() {
            self.stopping = Some(Stopping { code, why, exited: false });
            self.heartbeat_now(ctx);
            driver_kill = driver_kill + self.config.behaviour.driver_terminate_timeout;
            executor_kill = executor_kill + self.config.behaviour.executor_terminate_timeout;
            let at = driver_kill.max(executor_kill) + KILL_SETTLES;
            ctx.effects.push(Effect::Arm { timer: Timer::StopDeadline, at });
        }
        self.end_everything(driver_kill, executor_kill, ctx);
        self.exit_if_done(ctx);
    }

    fn end_everything(&mut self, driver_kill: Mono, executor_kill: Mono, ctx: &mut Ctx<'_>) {
        for executor in self.executors.keys().cloned().collect::<Vec<ExecutorRef>>() {
            self.end_executor(&executor, Cause::Shutdown, executor_kill, ctx);
        }
        for key in self.drivers.keys().cloned().collect::<Vec<DriverKey>>() {
            self.end_driver(&key, Cause::Shutdown, driver_kill, ctx);
        }
    }

    /// Exits once nothing runs and nothing is left to be told to a master that listens.
    pub(super) fn exit_if_done(&mut self, ctx: &mut Ctx<'_>) {
        let told = self.outbox.len() == 0 || self.tracker.session().is_none();
        if self.runs.is_empty() && told {
            self.exit(ctx);
        }
    }

    /// Whatever is left dies with this process.
    pub(super) fn stop_deadline(&mut self, ctx: &mut Ctx<'_>) {
        self.exit(ctx);
    }

    fn exit(&mut self, ctx: &mut Ctx<'_>) {
        if let Some(stopping) = self.stopping.as_mut().filter(|stopping| !stopping.exited) {
            stopping.exited = true;
            ctx.effects.push(Effect::Exit { code: stopping.code, why: stopping.why.clone() });
        }
    }

    /// Nothing is handled any more.
    pub(super) fn has_exited(&self) -> bool {
        self.stopping.as_ref().is_some_and(|stopping| stopping.exited)
    }
}
