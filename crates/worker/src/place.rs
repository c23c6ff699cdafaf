//! Where things are on this host: the directories of drivers, executors and applications.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::OnceCell;

use tanist_core::ids::{AppId, ExecutorRef};
use tanist_core::worker::What;
use tanist_proto::convert::endpoint::LogOwner;

use crate::runner::workdir::{self, WorkDir, check_work_dir};
use crate::runner::{RunnerError, blocking};

/// Scratch directories, made once per application and shared by its executors.
type Scratch = Arc<OnceCell<Vec<PathBuf>>>;

/// The directories of one worker.
#[derive(Debug)]
pub(crate) struct Place {
    /// The work directory.
    pub(crate) work: WorkDir,
    /// Roots of scratch directories.
    pub(crate) local: Vec<PathBuf>,
    /// Whose directories these are, over all processes of the worker: local roots are shared with others.
    pub(crate) owner: String,
    scratch: Mutex<BTreeMap<AppId, Scratch>>,
}

impl Place {
    /// Opens the work directory. Blocks.
    pub(crate) fn open(work_dir: &Path, local: Vec<PathBuf>) -> Result<Self, RunnerError> {
        let root = check_work_dir(work_dir)?;
        let owner = format!("worker of {}", root.display());
        let work = WorkDir::open(&root, &owner)?;
        Ok(Self { work, local, owner, scratch: Mutex::default() })
    }

    /// Where a run runs.
    pub(crate) fn run_dir(&self, what: &What) -> PathBuf {
        match what {
            What::Driver { driver, .. } => self.work.root().join(driver.as_str()),
            What::Executor { executor, .. } => self.executor_dir(executor),
        }
    }

    fn executor_dir(&self, executor: &ExecutorRef) -> PathBuf {
        self.work.root().join(executor.app.as_str()).join(executor.id.to_string())
    }

    /// Where a process writes or wrote, if that is there and really in the work directory: what programs run here may
    /// have put a link in its place. Blocks.
    pub(crate) fn log_dir(&self, owner: &LogOwner) -> Option<PathBuf> {
        let dir = match owner {
            LogOwner::Driver(driver) => self.work.root().join(driver.as_str()),
            LogOwner::Executor(executor) => self.executor_dir(executor),
        };
        fs::canonicalize(&dir).is_ok_and(|real| real == dir).then_some(dir)
    }

    /// The scratch directories of an application, made at the first call (WL-03).
    pub(crate) async fn scratch(&self, app: &AppId) -> Result<Vec<PathBuf>, RunnerError> {
        let cell = Arc::clone(self.scratches().entry(app.clone()).or_default());
        let make = || {
            let (local, app, owner) = (self.local.clone(), app.to_string(), self.owner.clone());
            blocking("make scratch directories of", &self.local[0], move || {
                workdir::create_scratch(&local, &app, &owner)
            })
        };
        cell.get_or_try_init(make).await.cloned()
    }

    /// Forgets the scratch directories of an application, and names them for whoever deletes them.
    pub(crate) fn forget_scratch(&self, app: &AppId) -> Vec<PathBuf> {
        let cell = self.scratches().remove(app);
        cell.and_then(|cell| cell.get().cloned()).unwrap_or_default()
    }

    /// Applications that have scratch directories.
    pub(crate) fn scratch_owners(&self) -> Vec<AppId> {
        self.scratches().keys().cloned().collect()
    }

    /// A panicking thread does not spoil the map: it is whole between any two statements.
    fn scratches(&self) -> MutexGuard<'_, BTreeMap<AppId, Scratch>> {
        self.scratch.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
