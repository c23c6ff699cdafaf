//! Carrying out launches: each run has at most one task, which prepares it, or starts its process and sees it out.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use tanist_core::worker::{Event, Launch, RunId, What};

use crate::handle::WorkerHandle;
use crate::launch::{Surroundings, keeper_limit, process_spec};
use crate::live::{Live, LiveRun};
use crate::place::Place;
use crate::prepare::prepare;
use crate::runner::artifact::FetchLimits;
use crate::runner::process::{KeeperProgram, Limit, Process};
use crate::runner::{RunnerError, StartFailure, blocking};

/// What every run needs.
#[derive(Debug)]
pub(crate) struct Workshop {
    /// Where things are.
    pub(crate) place: Arc<Place>,
    /// Limits of fetching.
    pub(crate) fetch: FetchLimits,
    /// What stands between this process and the programs.
    pub(crate) keeper: KeeperProgram,
    /// What programs are told.
    pub(crate) around: Surroundings,
}

/// All runs that the machine has not forgotten. Dropping it kills everything that runs.
#[derive(Debug)]
pub(crate) struct Runs {
    workshop: Arc<Workshop>,
    handle: WorkerHandle,
    live: Live,
    runs: BTreeMap<RunId, Run>,
}

#[derive(Debug)]
struct Run {
    what: What,
    /// Preparing it, or holding its process. Ends with the value, and the process with it.
    task: AbortOnDropHandle<()>,
    reins: Reins,
    _live: LiveRun,
}

/// How a process is told to end, also while it starts.
#[derive(Debug, Clone, Default)]
struct Reins {
    terminate: CancellationToken,
    kill: CancellationToken,
    /// Until when it may run, as told after it was asked for.
    limit: watch::Sender<Option<Limit>>,
}

impl Reins {
    /// Done once it is to end, one way or the other.
    async fn pulled(&self) {
        tokio::select! {
            biased;
            () = self.terminate.cancelled() => {}
            () = self.kill.cancelled() => {}
        }
    }
}

impl Runs {
    pub(crate) fn new(workshop: Workshop, handle: WorkerHandle, live: Live) -> Self {
        Self { workshop: Arc::new(workshop), handle, live, runs: BTreeMap::new() }
    }

    /// Begins to make ready what a run needs, once these deletions are done.
    pub(crate) fn prepare(&mut self, run: RunId, what: What, deletions: Vec<CancellationToken>) {
        let (workshop, handle, wanted) = (Arc::clone(&self.workshop), self.handle.clone(), what.clone());
        let task = tokio::spawn(async move {
            for deletion in deletions {
                deletion.cancelled().await;
            }
            let event = match prepare(&workshop.place, &workshop.fetch, &wanted).await {
                Ok(ready) => Event::Prepared { run, ready },
                Err(error) => Event::PrepareFailed { run, message: error.to_string() },
            };
            handle.tell(event).await;
        });
        let (live, task) = (self.live.enter(run, &what), AbortOnDropHandle::new(task));
        self.runs.insert(run, Run { what, task, reins: Reins::default(), _live: live });
    }

    /// Starts the run's process.
    pub(crate) fn spawn(&mut self, run: RunId, launch: Launch) {
        let Some(known) = self.runs.get_mut(&run) else { return };
        known.reins = Reins::default();
        let process = begin(Arc::clone(&self.workshop), known.what.clone(), launch, known.reins.clone());
        let task = tokio::spawn(see_through(run, process, known.reins.clone(), self.handle.clone()));
        known.task = AbortOnDropHandle::new(task);
    }

    /// SIGTERM to the run's process group.
    pub(crate) fn terminate(&self, run: RunId) {
        if let Some(known) = self.runs.get(&run) {
            known.reins.terminate.cancel();
        }
    }

    /// SIGKILL to everything of the run.
    pub(crate) fn kill(&self, run: RunId) {
        if let Some(known) = self.runs.get(&run) {
            known.reins.kill.cancel();
        }
    }

    /// Until when the run's process may run from now on.
    pub(crate) fn limit(&self, run: RunId, limit: tanist_core::worker::Limit) {
        if let Some(known) = self.runs.get(&run) {
            known.reins.limit.send_replace(Some(keeper_limit(limit)));
        }
    }

    /// Breaks off what goes on for the run, and tells the readers of its output that it has ended.
    pub(crate) fn forget(&mut self, run: RunId) {
        self.runs.remove(&run);
    }
}

/// Starts the process of a run, unless it is told to end before it runs: any step may wait for a disk that is gone.
async fn begin(workshop: Arc<Workshop>, what: What, launch: Launch, reins: Reins) -> Result<Process, RunnerError> {
    let (keeper, dir) = (workshop.keeper.clone(), workshop.place.run_dir(&what));
    let cwd = dir.clone();
    let spec =
        blocking("make ready to start a program in", &cwd, move || process_spec(&what, launch, &dir, &workshop.around));
    let mut spec = tokio::select! {
        biased;
        () = reins.pulled() => return Err(RunnerError::GivenUp),
        spec = spec => spec?,
    };
    // That may have taken long.
    spec.limit = reins.limit.borrow().or(spec.limit);
    Process::start_unless(&spec, &keeper, reins.pulled()).await
}

fn not_started(run: RunId, error: &RunnerError) -> Event {
    match error {
        RunnerError::Start(StartFailure::TooLate { .. }) => Event::TooLate { run },
        error if error.is_for_good() => Event::Unsuited { run, message: error.to_string() },
        error => Event::StartFailed { run, message: error.to_string() },
    }
}

/// Waits for a process to start, passes signals on, and tells of its beginning and end.
async fn see_through(
    run: RunId,
    process: impl Future<Output = Result<Process, RunnerError>>,
    reins: Reins,
    handle: WorkerHandle,
) {
    // What was told before this begins counts as news, too.
    let mut limits = reins.limit.subscribe();
    limits.mark_changed();
    let mut process = match process.await {
        Ok(process) => process,
        Err(error) => {
            handle.tell(not_started(run, &error)).await;
            return;
        }
    };
    handle.tell(Event::Started { run, pid: process.pid() }).await;
    let (mut terminated, mut killed) = (false, false);
    let exit = loop {
        tokio::select! {
            biased;
            // SIGKILL first: after it, SIGTERM says nothing new.
            () = reins.kill.cancelled(), if !killed => {
                killed = true;
                process.kill();
            }
            () = reins.terminate.cancelled(), if !terminated => {
                terminated = true;
                process.terminate();
            }
            Ok(()) = limits.changed() => {
                if let Some(limit) = *limits.borrow_and_update() {
                    process.limit(limit);
                }
            }
            exit = process.wait() => break exit,
        }
    };
    if exit.at_limit {
        handle.tell(Event::LimitReached { run }).await;
    }
    handle.tell(Event::Exited { run, code: exit.code }).await;
}
