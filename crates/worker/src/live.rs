//! Which processes may still write: for readers of their output, who never enter the loop.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio_util::sync::CancellationToken;

use tanist_core::worker::{RunId, What};
use tanist_proto::convert::endpoint::LogOwner;

/// All runs that have not ended.
#[derive(Debug, Clone, Default)]
pub(crate) struct Live(Arc<Mutex<BTreeMap<RunId, (LogOwner, CancellationToken)>>>);

/// One run. Its end is told to whoever waits for it.
#[derive(Debug)]
pub(crate) struct LiveRun {
    all: Live,
    run: RunId,
}

impl Live {
    /// A run begins.
    pub(crate) fn enter(&self, run: RunId, what: &What) -> LiveRun {
        let owner = match what {
            What::Driver { driver, .. } => LogOwner::Driver(driver.clone()),
            What::Executor { executor, .. } => LogOwner::Executor(executor.clone()),
        };
        self.runs().insert(run, (owner, CancellationToken::new()));
        LiveRun { all: self.clone(), run }
    }

    /// The end of a run of this driver or executor; none = nothing of it runs, and nothing more is written.
    pub(crate) fn end_of(&self, owner: &LogOwner) -> Option<CancellationToken> {
        self.runs().values().find(|(known, _)| known == owner).map(|(_, end)| end.clone())
    }

    /// A panicking thread does not spoil the map: it is whole between any two statements.
    fn runs(&self) -> MutexGuard<'_, BTreeMap<RunId, (LogOwner, CancellationToken)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for LiveRun {
    fn drop(&mut self) {
        if let Some((_, end)) = self.all.runs().remove(&self.run) {
            end.cancel();
        }
    }
}
