//! The worker's machine: which master to obey, launches, reports, clean-up.
//!
//! ```text
//! event ──▶ Worker::handle(now, event, &mut effects)
//!              session   registration, commands under the epoch check, heartbeats (with [`crate::tracking`])
//!              driver    attempts: prepare → start → run → restart or end      ┐ both on `process`: SIGTERM, SIGKILL
//!              executor  LAUNCHING → RUNNING → EXITED / KILLED / FAILED        ┘
//!              reports   final states, kept until a master has made them durable
//!              isolation, cleanup, stopping
//! ```
//!
//! **Work goes on while no master is there.** Nothing ends because the control plane is away, except drivers that asked
//! for it ([`crate::model::OnIsolation::Kill`]). What ends meanwhile is told when a master is back.
//!
//! **For the shell**: feed one event at a time and carry the effects out in order. [`Effect::SaveTerm`] must be on disk
//! before anything behind it is begun; everything else may be under way at once. A run is one launch; between its
//! `Spawn` and its `Exited` or `StartFailed` the machine never spawns it again.

mod books;
mod check;
mod cleanup;
mod config;
mod context;
mod driver;
mod effect;
mod event;
mod executor;
mod finished;
mod isolation;
mod process;
mod reports;
mod session;
mod stopping;
pub mod substitute;
#[cfg(test)]
mod tests;
mod view;

pub use cleanup::{DirKind, DirListed, DirRef, expired};
pub use config::{Behaviour, SslSettings, WorkerConfig, WorkerIdentity};
pub use effect::{Effect, Launch, Limit, Trouble, What};
pub use event::{Event, Ready, RunId, Timer};
pub use isolation::{SIGKILL_HELPS_WITHIN, isolation_margin};
pub use view::{DriverRunView, ExecutorRunView, RunPhase, WorkerStatus};

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::address::{bracketed, host_port};
use crate::ids::{AppId, ExecutorRef, Generation, Term};
use crate::rng::Rng;
use crate::time::{Mono, Now};
use crate::tracking::Tracker;
use books::Books;
use context::Ctx;
use driver::{DriverKey, DriverRun, EndedDriver};
use executor::{EndedExecutor, ExecutorRun};
use finished::Finished;
use process::{KillDue, Phase, Process};
use reports::Outbox;
use stopping::Stopping;
use substitute::Surroundings;

/// The machine of one worker process. A clone goes its own way, so that every order of events can be tried from one
/// state.
#[derive(Debug, Clone)]
pub struct Worker {
    config: WorkerConfig,
    surroundings: Surroundings,
    tracker: Tracker,
    /// As the last leader said (HB-02).
    worker_timeout: Option<Duration>,
    books: Books,
    drivers: BTreeMap<DriverKey, DriverRun>,
    executors: BTreeMap<ExecutorRef, ExecutorRun>,
    runs: BTreeMap<RunId, Target>,
    last_run: RunId,
    ended_drivers: Finished<EndedDriver>,
    ended_executors: Finished<EndedExecutor>,
    /// Applications that have ended while executors of them are left here.
    ended_apps: BTreeSet<AppId>,
    /// Applications that may have scratch directories here: a master that does not know one says that it has ended.
    scratch_of: BTreeSet<AppId>,
    outbox: Outbox,
    reports_armed: bool,
    /// When the isolation of this worker is looked at next.
    isolation_alarm: Option<Mono>,
    /// The limit that holds for programs that must not outlive the isolation of this worker.
    limit: Option<Limit>,
    cleanup_armed: bool,
    disk_low: bool,
    decommission: Decommission,
    stopping: Option<Stopping>,
}

/// Whether this worker is being decommissioned (DC-02).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Decommission {
    No,
    /// It began here while no master was there to be told.
    Untold,
    Yes,
}

/// What a run is a run of.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Target {
    Driver(DriverKey),
    Executor(ExecutorRef),
}

impl Worker {
    /// A worker that runs nothing and knows no master. All its random choices follow from `seed`.
    pub fn new(config: WorkerConfig, seed: u64) -> Self {
        let tracker = Tracker::new(config.tracking.clone(), config.heard.clone(), &mut Rng::new(seed));
        Self {
            surroundings: surroundings(&config),
            tracker,
            worker_timeout: None,
            books: Books::new(config.cores, config.memory, config.resources.clone()),
            drivers: BTreeMap::new(),
            executors: BTreeMap::new(),
            runs: BTreeMap::new(),
            last_run: RunId(0),
            ended_drivers: Finished::new(config.behaviour.retained_drivers),
            ended_executors: Finished::new(config.behaviour.retained_executors),
            ended_apps: BTreeSet::new(),
            scratch_of: BTreeSet::new(),
            outbox: Outbox::new(),
            reports_armed: false,
            isolation_alarm: None,
            limit: None,
            cleanup_armed: false,
            disk_low: false,
            decommission: Decommission::No,
            stopping: None,
            config,
        }
    }

    /// The highest term heard of: the answer to an announcement (`MasterChangedAck`).
    pub fn heard(&self) -> Option<&Term> {
        self.tracker.heard()
    }

    /// Handles one event; what is to be done is appended to `effects` in order.
    pub fn handle(&mut self, now: Now, event: Event, effects: &mut Vec<Effect>) {
        if self.has_exited() {
            return;
        }
        let ctx = &mut Ctx { now, effects };
        self.isolate_first(&event, ctx);
        match event {
            Event::Start => self.track(ctx, Tracker::start),
            Event::LinkOpened { link } => self.track(ctx, |tracker, now, steps| tracker.opened(now, link, steps)),
            Event::LinkClosed { link } => self.track(ctx, |tracker, now, steps| tracker.closed(now, link, steps)),
            Event::FromMaster { link, message } => self.hear(link, message, ctx),
            Event::LeaderNotice(leader) => {
                self.track(ctx, |tracker, now, steps| tracker.announced(now, &leader, steps));
            }
            Event::LeaderAnswer(leader) => {
                self.track(ctx, |tracker, now, steps| tracker.answered(now, &leader, steps));
            }
            Event::Timer(timer) => self.timer(timer, ctx),
            Event::Prepared { run, ready } => match self.runs.get(&run).cloned() {
                Some(Target::Driver(key)) => self.driver_prepared(&key, ready, ctx),
                Some(Target::Executor(executor)) => self.executor_prepared(&executor, &ready, ctx),
                None => {}
            },
            Event::PrepareFailed { run, message } => self.failed_to_run(run, Phase::Preparing, message, ctx),
            Event::StartFailed { run, message } => self.failed_to_run(run, Phase::Starting, message, ctx),
            Event::Unsuited { run, message } => match self.runs.get(&run).cloned() {
                Some(Target::Executor(executor)) => self.executor_refused(&executor, &message, ctx),
                _ => self.failed_to_run(run, Phase::Starting, message, ctx),
            },
            Event::TooLate { run } => match self.runs.get(&run).cloned() {
                Some(Target::Driver(key)) => self.driver_late(&key, ctx),
                _ => self.failed_to_run(run, Phase::Starting, driver::TOO_LATE.to_owned(), ctx),
            },
            Event::Started { run, pid } => match self.runs.get(&run).cloned() {
                Some(Target::Driver(key)) => self.driver_started(&key, pid, ctx),
                Some(Target::Executor(executor)) => self.executor_started(&executor, pid, ctx),
                None => {}
            },
            Event::Exited { run, code } => match self.runs.get(&run).cloned() {
                Some(Target::Driver(key)) => self.driver_exited(&key, code, ctx),
                Some(Target::Executor(executor)) => self.executor_exited(&executor, code, ctx),
                None => {}
            },
            Event::LimitReached { run } => self.limit_reached(run, ctx),
            Event::DirListing(listing) => self.clean_up(listing, ctx),
            Event::DiskFree(free) => self.disk_measured(free, ctx),
            Event::Decommission => self.decommission_here(ctx),
            Event::Stop => self.stop(0, "stop requested".to_owned(), ctx),
        }
    }

    fn timer(&mut self, timer: Timer, ctx: &mut Ctx<'_>) {
        match timer {
            Timer::Tracking(timer) => self.track(ctx, |tracker, now, steps| tracker.due(now, timer, steps)),
            Timer::Kill(run) => self.kill_due(run, ctx),
            Timer::Restart(run, restart) => {
                if let Some(Target::Driver(key)) = self.runs.get(&run).cloned() {
                    self.driver_restart_due(&key, restart, ctx);
                }
            }
            Timer::Reports => {
                self.reports_armed = false;
                self.send_reports(ctx);
            }
            Timer::Isolation => self.isolation_due(ctx),
            Timer::Cleanup => self.cleanup_due(ctx),
            Timer::StopDeadline => self.stop_deadline(ctx),
        }
    }

    /// EX-06, DRN-07: what was under way in this phase has failed.
    fn failed_to_run(&mut self, run: RunId, phase: Phase, message: String, ctx: &mut Ctx<'_>) {
        let Some(target) = self.runs.get(&run).cloned() else { return };
        if self.process_mut(&target).is_none_or(|process| process.phase != phase) {
            return;
        }
        match target {
            Target::Driver(key) => self.driver_failed_to_run(&key, message, ctx),
            Target::Executor(executor) => self.executor_failed_to_run(&executor, &message, ctx),
        }
    }

    fn kill_due(&mut self, run: RunId, ctx: &mut Ctx<'_>) {
        let Some(target) = self.runs.get(&run).cloned() else { return };
        let Some(process) = self.process_mut(&target) else { return };
        if process.kill_due(ctx.now.mono, ctx.effects) == KillDue::Orphaned {
            ctx.warn(Trouble::Orphaned { run, what: target.to_string() });
        }
    }

    fn process_mut(&mut self, target: &Target) -> Option<&mut Process> {
        match target {
            Target::Driver(key) => self.drivers.get_mut(key).map(|known| &mut known.process),
            Target::Executor(executor) => self.executors.get_mut(executor).map(|known| &mut known.process),
        }
    }

    fn next_run(&mut self) -> RunId {
        self.last_run = RunId(self.last_run.0 + 1);
        self.last_run
    }

    /// Numbers of attempts and executors are unique within one generation of the store.
    fn generation(&self) -> Generation {
        self.heard().map_or(Generation(0), |term| term.generation)
    }

    fn clean_up(&mut self, listing: Vec<DirListed>, ctx: &mut Ctx<'_>) {
        let drivers = self.drivers.keys().map(|(driver, _)| driver.to_string());
        let apps = self.executors.keys().map(|executor| executor.app.to_string());
        let doomed = expired(listing, &drivers.chain(apps).collect(), self.config.behaviour.cleanup_ttl, ctx.now.wall);
        for scratch in doomed.iter().filter(|dir| dir.kind == DirKind::Scratch) {
            self.scratch_of.retain(|app| app.as_str() != scratch.id);
        }
        if !doomed.is_empty() {
            ctx.effects.push(Effect::DeleteDirs(doomed));
        }
    }

    /// DIR-02; first one interval after the first registration (WR-07).
    fn watch_cleanup(&mut self, ctx: &mut Ctx<'_>) {
        if self.config.behaviour.cleanup_enabled && !self.cleanup_armed {
            self.cleanup_armed = true;
            let at = ctx.now.mono + self.config.behaviour.cleanup_interval;
            ctx.effects.push(Effect::Arm { timer: Timer::Cleanup, at });
        }
    }

    fn cleanup_due(&mut self, ctx: &mut Ctx<'_>) {
        self.cleanup_armed = false;
        ctx.effects.push(Effect::ListDirs);
        self.watch_cleanup(ctx);
    }
}

impl std::fmt::Display for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Driver((driver, attempt)) => write!(f, "driver {driver}, attempt {attempt}"),
            Self::Executor(executor) => write!(f, "executor {executor}"),
        }
    }
}

/// ERN-04: log pages are reached through the reverse proxy where there is one.
fn surroundings(config: &WorkerConfig) -> Surroundings {
    let WorkerIdentity { id, host, port, ui_url, .. } = &config.identity;
    let direct = Some(ui_url.trim_end_matches('/').to_owned()).filter(|url| !url.is_empty());
    let proxied =
        config.behaviour.reverse_proxy_url.as_ref().map(|url| format!("{}/proxy/{id}", url.trim_end_matches('/')));
    Surroundings {
        worker_url: format!("spark://Worker@{}", host_port(host, *port)),
        host: bracketed(host),
        log_pages: proxied.or(direct),
        ssl_settings: config.behaviour.ssl_settings.clone(),
    }
}
