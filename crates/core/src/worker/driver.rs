//! Driver attempts: launched, supervised, ended (DRN-*).

use std::sync::Arc;
use std::time::Duration;

use super::Worker;
use super::context::Ctx;
use super::effect::{Effect, Launch, Trouble, What};
use super::event::{Ready, RunId, Timer};
use super::process::{Cause, Phase, Process};
use super::reports::Report;
use super::substitute::driver_command;
use crate::ids::{Attempt, DriverId, Generation};
use crate::model::{Booking, DriverDescription, DriverOutcome, DriverState, OnIsolation};
use crate::msg::WorkerToMaster;
use crate::time::{Mono, Wall};
use crate::tracking::Tracker;

/// First wait before a supervised driver is started again; doubles every time (DRN-06).
const FIRST_WAIT: Duration = Duration::from_secs(1);

/// Why something was not started.
pub(super) const TOO_LATE: &str = "the time until when it may run has passed";

/// Which driver, and which copy of it.
pub(super) type DriverKey = (DriverId, Attempt);

/// One attempt that has not ended.
#[derive(Debug, Clone)]
pub(super) struct DriverRun {
    pub(super) description: Arc<DriverDescription>,
    pub(super) booking: Booking,
    pub(super) process: Process,
    pub(super) restarts: u32,
    pub(super) launched_at: Wall,
    /// Its end because of isolation was ordered.
    pub(super) isolated: bool,
    ready: Ready,
    next_wait: Duration,
    last_exit: Option<i32>,
}

/// An attempt that has ended.
#[derive(Debug, Clone)]
pub(super) struct EndedDriver {
    pub(super) key: DriverKey,
    pub(super) description: Arc<DriverDescription>,
    /// None = it was ended without being asked for; only its absence is told.
    pub(super) outcome: Option<DriverOutcome>,
    pub(super) restarts: u32,
    pub(super) launched_at: Wall,
    pub(super) ended_at: Wall,
    /// A restored store may use the number of an attempt again.
    pub(super) generation: Generation,
}

/// What follows the end of a process.
#[derive(Debug, PartialEq, Eq)]
enum Next {
    Restart(Duration),
    End(Option<DriverOutcome>),
}

impl DriverRun {
    fn new(run: RunId, phase: Phase, description: Arc<DriverDescription>, booking: Booking, now: Wall) -> Self {
        Self {
            description,
            booking,
            process: Process::new(run, phase),
            restarts: 0,
            launched_at: now,
            isolated: false,
            ready: Ready::default(),
            next_wait: FIRST_WAIT,
            last_exit: None,
        }
    }

    /// DRN-06, DRN-07. `ran` is how long the process ran.
    fn exited(&mut self, code: i32, ran: Duration, cap: Duration, reset_after: Duration) -> Next {
        self.last_exit = Some(code);
        if self.process.ended_by().is_some() || code == 0 || !self.description.supervise {
            return Next::End(self.outcome());
        }
        if ran > reset_after {
            self.next_wait = FIRST_WAIT;
        }
        let wait = self.next_wait.min(cap);
        self.next_wait = (wait * 2).min(cap);
        self.restarts = self.restarts.saturating_add(1);
        Next::Restart(wait)
    }

    /// DRN-07. None = it was ended because of this worker, not because of itself: the master must decide what becomes
    /// of it, and hears that it is not here any more. Its exit code says nothing then: SIGTERM may have made it 0.
    fn outcome(&self) -> Option<DriverOutcome> {
        let outcome = |state, message| DriverOutcome { state, exit_code: self.last_exit, message };
        match (self.process.ended_by(), self.last_exit) {
            (Some(Cause::Isolation | Cause::Shutdown), _) => None,
            (_, Some(0)) => Some(outcome(DriverState::Finished, None)),
            (Some(Cause::Request), _) => Some(outcome(DriverState::Killed, None)),
            (Some(Cause::Superseded), _) => {
                Some(outcome(DriverState::Killed, Some("a later attempt was launched on the same worker".to_owned())))
            }
            (None, code) => {
                Some(outcome(DriverState::Failed, code.map(|code| format!("Command exited with code {code}"))))
            }
        }
    }
}

impl Worker {
    /// Takes a launch, or answers it with a final state.
    ///
    /// WL-06 is kept: a decommissioned worker still takes a driver. The master places none there once it knows, so this
    /// is one that was on its way; to refuse it would turn a race into a lost driver.
    pub(super) fn launch_driver(
        &mut self,
        key: DriverKey,
        description: Arc<DriverDescription>,
        booking: Booking,
        ctx: &mut Ctx<'_>,
    ) {
        if self.drivers.contains_key(&key) {
            return;
        }
        let generation = self.generation();
        let same = |ended: &&EndedDriver| ended.key == key && ended.generation == generation;
        let ended = self.ended_drivers.iter().find(same).cloned();
        if let Some(ended) = ended {
            return self.tell_end_again(ended, ctx);
        }
        let refusal = match self.latest_attempt(&key.0) {
            Some(known) if known > key.1 => Err(format!("attempt {known} is known here")),
            _ => self.books.take(&booking),
        };
        if let Err(why) = refusal {
            return self.refuse_driver(key, description, why, ctx);
        }
        let run = self.next_run();
        self.supersede(&key, ctx);
        let blocked = self.attempts(&key.0).next().is_some();
        let phase = if blocked { Phase::Blocked } else { Phase::Preparing };
        self.runs.insert(run, super::Target::Driver(key.clone()));
        let attempt = DriverRun::new(run, phase, description, booking, ctx.now.wall);
        self.drivers.insert(key.clone(), attempt);
        if !blocked {
            self.prepare_driver(&key, ctx);
        }
        self.watch_isolation(ctx);
    }

    /// Ends this attempt and all lower ones. Unknown ones have ended or never came; the inventory says so.
    pub(super) fn kill_driver(&mut self, driver: &DriverId, attempt: Attempt, ctx: &mut Ctx<'_>) {
        let keys: Vec<DriverKey> = self.attempts(driver).filter(|key| key.1 <= attempt).cloned().collect();
        if keys.is_empty() {
            ctx.warn(Trouble::Ignored { what: format!("driver {driver}, attempt {attempt}"), why: "it is not here" });
        }
        for key in keys {
            self.end_driver(&key, Cause::Request, ctx.now.mono + self.config.behaviour.driver_terminate_timeout, ctx);
        }
    }

    pub(super) fn end_driver(&mut self, key: &DriverKey, cause: Cause, kill_at: Mono, ctx: &mut Ctx<'_>) {
        let Some(known) = self.drivers.get_mut(key) else { return };
        known.isolated |= cause == Cause::Isolation;
        if known.process.end(cause, ctx.now.mono, kill_at, ctx.effects) {
            let outcome = known.outcome();
            self.driver_over(key, outcome, ctx);
        }
    }

    /// At most one copy of a driver lives here: earlier attempts end before a later one begins.
    fn supersede(&mut self, key: &DriverKey, ctx: &mut Ctx<'_>) {
        let earlier: Vec<DriverKey> = self.attempts(&key.0).cloned().collect();
        for earlier in earlier {
            self.end_driver(
                &earlier,
                Cause::Superseded,
                ctx.now.mono + self.config.behaviour.driver_terminate_timeout,
                ctx,
            );
        }
    }

    fn attempts(&self, driver: &DriverId) -> impl Iterator<Item = &DriverKey> {
        let all = (driver.clone(), Attempt(0))..=(driver.clone(), Attempt(u32::MAX));
        self.drivers.range(all).map(|(key, _)| key)
    }

    fn latest_attempt(&self, driver: &DriverId) -> Option<Attempt> {
        let generation = self.generation();
        let same = |ended: &&EndedDriver| ended.key.0 == *driver && ended.generation == generation;
        let ended = self.ended_drivers.iter().filter(same).map(|ended| ended.key.1);
        self.attempts(driver).map(|key| key.1).chain(ended).max()
    }

    fn refuse_driver(&mut self, key: DriverKey, description: Arc<DriverDescription>, why: String, ctx: &mut Ctx<'_>) {
        let message = Some(format!("refused by worker {}: {why}", self.config.identity.id));
        ctx.warn(Trouble::LaunchRefused { what: format!("driver {}, attempt {}", key.0, key.1), why });
        let outcome = DriverOutcome { state: DriverState::Error, exit_code: None, message };
        let (launched_at, ended_at, generation) = (ctx.now.wall, ctx.now.wall, self.generation());
        let outcome = Some(outcome);
        self.driver_ended(
            EndedDriver { key, description, outcome, restarts: 0, launched_at, ended_at, generation },
            ctx,
        );
    }

    /// Whoever launches an attempt that has ended has not heard of its end.
    fn tell_end_again(&mut self, ended: EndedDriver, ctx: &mut Ctx<'_>) {
        let EndedDriver { key: (driver, attempt), outcome, .. } = ended;
        match outcome {
            Some(outcome) if !self.outbox.reports_end_of_driver(&driver, attempt) => {
                self.report(Report::Driver { driver, attempt, outcome }, ctx);
            }
            Some(_) => {}
            None => self.tell_absence(ctx),
        }
    }

    fn prepare_driver(&mut self, key: &DriverKey, ctx: &mut Ctx<'_>) {
        let Some(known) = self.drivers.get_mut(key) else { return };
        known.process.phase = Phase::Preparing;
        let what = What::Driver {
            driver: key.0.clone(),
            attempt: key.1,
            description: Arc::clone(&known.description),
            resources: known.booking.resources.clone(),
        };
        ctx.effects.push(Effect::Prepare { run: known.process.run, what });
    }

    pub(super) fn driver_prepared(&mut self, key: &DriverKey, ready: Ready, ctx: &mut Ctx<'_>) {
        let Some(known) = self.drivers.get_mut(key).filter(|known| known.process.phase == Phase::Preparing) else {
            return;
        };
        known.ready = ready;
        self.spawn_driver(key, ctx);
    }

    fn spawn_driver(&mut self, key: &DriverKey, ctx: &mut Ctx<'_>) {
        let Some(known) = self.drivers.get_mut(key) else { return };
        known.process.phase = Phase::Starting;
        let command = &known.description.command;
        let launch = Launch {
            command: driver_command(command, key.0.as_str(), &self.surroundings, &known.ready),
            heap: known.booking.memory,
            cores: known.booking.cores,
            append_logs: true,
            limit: self.limit.filter(|_| known.asks_to_isolate()),
        };
        ctx.effects.push(Effect::Spawn { run: known.process.run, launch: Box::new(launch) });
    }

    pub(super) fn driver_started(&mut self, key: &DriverKey, pid: u32, ctx: &mut Ctx<'_>) {
        let Some(known) = self.drivers.get_mut(key).filter(|known| known.process.phase == Phase::Starting) else {
            return;
        };
        known.process.started(pid, ctx.now.mono);
        if known.restarts == 0 {
            self.send(WorkerToMaster::DriverStarted { driver: key.0.clone(), attempt: key.1 }, ctx);
        }
    }

    /// DRN-07: it could not be prepared or started. Supervision is for programs that ran.
    pub(super) fn driver_failed_to_run(&mut self, key: &DriverKey, message: String, ctx: &mut Ctx<'_>) {
        let Some(known) = self.drivers.get(key) else { return };
        let outcome = match known.process.ended_by() {
            Some(_) => known.outcome(),
            None => {
                Some(DriverOutcome { state: DriverState::Error, exit_code: known.last_exit, message: Some(message) })
            }
        };
        self.driver_over(key, outcome, ctx);
    }

    /// Its limit had passed when it was to be started. If a leader was heard meanwhile, there is another one.
    pub(super) fn driver_late(&mut self, key: &DriverKey, ctx: &mut Ctx<'_>) {
        let Some(known) = self.drivers.get(key).filter(|known| known.process.phase == Phase::Starting) else { return };
        let may_run = self.limit.is_some_and(|limit| ctx.now.mono < limit.terminate_at);
        if may_run && known.process.ended_by().is_none() {
            return self.spawn_driver(key, ctx);
        }
        self.limit_reached(known.process.run, ctx);
        self.driver_failed_to_run(key, TOO_LATE.to_owned(), ctx);
    }

    pub(super) fn driver_exited(&mut self, key: &DriverKey, code: i32, ctx: &mut Ctx<'_>) {
        let (cap, reset_after) =
            (self.config.behaviour.supervise_backoff_cap, self.config.behaviour.supervise_reset_after);
        let Some(known) = self.drivers.get_mut(key) else { return };
        let Phase::Running { since, .. } = known.process.phase else { return };
        match known.exited(code, ctx.now.mono - since, cap, reset_after) {
            Next::End(outcome) => self.driver_over(key, outcome, ctx),
            Next::Restart(wait) => {
                known.process.phase = Phase::Waiting;
                let timer = Timer::Restart(known.process.run, known.restarts);
                ctx.effects.push(Effect::Arm { timer, at: ctx.now.mono + wait });
            }
        }
    }

    pub(super) fn driver_restart_due(&mut self, key: &DriverKey, restart: u32, ctx: &mut Ctx<'_>) {
        let waits = |known: &DriverRun| known.process.phase == Phase::Waiting && known.restarts == restart;
        if self.drivers.get(key).is_some_and(waits) {
            self.spawn_driver(key, ctx);
        }
    }

    /// An attempt leaves the books; one that waited for it may begin.
    fn driver_over(&mut self, key: &DriverKey, outcome: Option<DriverOutcome>, ctx: &mut Ctx<'_>) {
        let Some(known) = self.drivers.remove(key) else { return };
        let DriverRun { description, booking, process, restarts, launched_at, .. } = known;
        self.runs.remove(&process.run);
        self.books.release(booking);
        ctx.effects.push(Effect::Forget { run: process.run });
        let (key, ended_at, generation) = (key.clone(), ctx.now.wall, self.generation());
        let driver = key.0.clone();
        self.driver_ended(EndedDriver { key, description, outcome, restarts, launched_at, ended_at, generation }, ctx);
        let next = self.attempts(&driver).next().cloned();
        if let Some(next) = next.filter(|next| self.drivers.get(next).is_some_and(DriverRun::is_blocked)) {
            self.prepare_driver(&next, ctx);
        }
        self.exit_if_done(ctx);
    }

    fn driver_ended(&mut self, ended: EndedDriver, ctx: &mut Ctx<'_>) {
        let (driver, attempt) = ended.key.clone();
        let outcome = ended.outcome.clone();
        self.ended_drivers.push(ended);
        match outcome {
            Some(outcome) => self.report(Report::Driver { driver, attempt, outcome }, ctx),
            None => self.tell_absence(ctx),
        }
    }

    /// Something is not here any more and has no final state to report: only a new registration can say so. A worker
    /// that stops says it by being gone.
    fn tell_absence(&mut self, ctx: &mut Ctx<'_>) {
        if self.stopping.is_none() {
            self.track(ctx, Tracker::register_anew);
        }
    }
}

impl DriverRun {
    /// It must not outlive the isolation of its worker, and that is not seen to yet.
    pub(super) fn asks_to_isolate(&self) -> bool {
        self.description.on_isolation == OnIsolation::Kill && !self.isolated
    }

    fn is_blocked(&self) -> bool {
        self.process.phase == Phase::Blocked
    }
}
