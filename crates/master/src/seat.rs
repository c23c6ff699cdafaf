//! The master's place: standing for office, taking over, in office, leaving. Everything here that waits for the store
//! runs in a task of its own; the loop hears of it as [`News`].
//!
//! ```text
//! Standing ──won──▶ Taking ──loaded──▶ Leading ──lost, left──▶ Standing …
//! ```

mod commit;
mod stand;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinError;
use tokio::time::timeout;
use tokio_util::task::AbortOnDropHandle;

use tanist_core::master::Effect;
use tanist_core::record::{Change, Recovered};
use tanist_core::time::Mono;
use tanist_store::{CommitError, ElectionError, Journal, PersistenceEngine, Standing, StoreError, Tenure};

pub(crate) use self::commit::with_causes;
pub(crate) use self::stand::{Candidacy, Leaving, resign};
use crate::board::{Board, Published};

/// A process that is told to stop waits so long for the commit under way.
const FINISH_DEADLINE: Duration = Duration::from_secs(2);

/// The records of the present term.
pub(crate) type Records = Journal<dyn PersistenceEngine>;

/// A task that ends with its owner.
pub(crate) type Task<T> = AbortOnDropHandle<T>;

/// Where this master stands.
pub(crate) enum Seat {
    /// A candidate, for days if need be.
    Standing(Task<Result<Tenure, ElectionError>>),
    /// Won, and reading what the predecessors left.
    Taking { tenure: Box<Tenure>, load: Task<Result<(Records, Recovered), StoreError>> },
    /// In office.
    Leading(Box<Office>),
}

/// What happened to the seat.
pub(crate) enum News {
    /// The candidacy has ended.
    Campaigned(Result<Result<Tenure, ElectionError>, JoinError>),
    /// The content of the store is there.
    Loaded(Result<Result<(Records, Recovered), StoreError>, JoinError>),
    /// The commit under way has ended.
    Committed(Result<(Records, Result<(), CommitError>), JoinError>),
    /// The standing of the term has changed.
    Standing,
}

/// A term in office.
pub(crate) struct Office {
    pub(crate) tenure: Tenure,
    pub(crate) writing: Writing,
    /// Past the local deadline; the machine knows.
    pub(crate) suspended: bool,
    /// For the history, until the recovery is over: since when, and how much there was to recover.
    pub(crate) taken: Option<Taken>,
}

/// What a term began with, kept until its recovery is over.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Taken {
    pub(crate) won_at: Mono,
    pub(crate) workers: usize,
    pub(crate) apps: usize,
    pub(crate) drivers: usize,
    pub(crate) quarantined: usize,
}

/// One guarded transaction at a time.
pub(crate) enum Writing {
    /// None is under way.
    Idle(Records),
    /// One is, and this waits for it.
    Busy {
        task: Task<(Records, Result<(), CommitError>)>,
        /// Whether it changes anything; otherwise it only proves the lead.
        writes: bool,
        batch: Batch,
    },
    /// The term is ending, and nothing is written any more.
    Broken,
}

/// What goes through the barrier together: changes, and what may leave once they are durable and the lead is proven.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    /// Each applied whole or not at all, in this order.
    pub(crate) groups: Vec<Vec<Change>>,
    /// In this order.
    pub(crate) effects: Vec<Effect>,
    /// A view that shows all of it.
    pub(crate) view: Option<Published>,
}

impl Batch {
    pub(crate) fn is_empty(&self) -> bool {
        self.groups.is_empty() && self.effects.is_empty() && self.view.is_none()
    }
}

impl Seat {
    /// A candidate, who first leaves an earlier office of this process if there was one.
    pub(crate) fn standing(candidacy: Candidacy, leaving: Option<Leaving>) -> Self {
        Self::Standing(spawn(stand::stand(candidacy, leaving)))
    }

    /// Won: reads what the predecessors left.
    pub(crate) fn taking(candidacy: &Candidacy, tenure: Tenure) -> Self {
        let load = spawn(stand::load(candidacy.backend.engine.clone(), tenure.clone()));
        Self::Taking { tenure: Box::new(tenure), load }
    }

    /// In office already: reads what this term has stored.
    pub(crate) fn taking_again(candidacy: &Candidacy, tenure: Tenure) -> Self {
        let load = spawn(stand::reload(candidacy.backend.engine.clone(), tenure.clone()));
        Self::Taking { tenure: Box::new(tenure), load }
    }

    /// In office.
    pub(crate) fn leading(tenure: Tenure, records: Records, taken: Taken) -> Self {
        Self::Leading(Box::new(Office {
            tenure,
            writing: Writing::Idle(records),
            suspended: false,
            taken: Some(taken),
        }))
    }

    /// Waits for what happens next. Safe to drop. Not to be called again after news of a task until the seat has
    /// changed.
    pub(crate) async fn news(&mut self) -> News {
        match self {
            Self::Standing(campaign) => News::Campaigned(campaign.await),
            Self::Taking { tenure, load } => tokio::select! {
                biased;
                // A term that is over need not be loaded.
                () = changed(&mut tenure.standing) => News::Standing,
                loaded = load => News::Loaded(loaded),
            },
            Self::Leading(office) => match &mut office.writing {
                Writing::Busy { task, .. } => tokio::select! {
                    biased;
                    // What was committed before the standing changed may still leave, if the standing allows it.
                    committed = task => News::Committed(committed),
                    () = changed(&mut office.tenure.standing) => News::Standing,
                },
                Writing::Idle(_) | Writing::Broken => {
                    changed(&mut office.tenure.standing).await;
                    News::Standing
                }
            },
        }
    }

    /// The term that was won, from the moment of winning.
    pub(crate) fn tenure(&self) -> Option<&Tenure> {
        match self {
            Self::Standing(_) => None,
            Self::Taking { tenure, .. } => Some(tenure),
            Self::Leading(office) => Some(&office.tenure),
        }
    }

    pub(crate) fn office(&mut self) -> Option<&mut Office> {
        match self {
            Self::Leading(office) => Some(office),
            Self::Standing(_) | Self::Taking { .. } => None,
        }
    }
}

impl Seat {
    /// For the end of the process: waits a moment for the commit under way, and gives its batch if it succeeded.
    pub(crate) async fn finish_commit(&mut self) -> Option<Batch> {
        let writing = &mut self.office()?.writing;
        let Writing::Busy { task, batch, .. } = std::mem::replace(writing, Writing::Broken) else { return None };
        match timeout(FINISH_DEADLINE, task).await {
            Ok(Ok((_, Ok(())))) => Some(batch),
            Ok(Ok((_, Err(_))) | Err(_)) | Err(_) => None,
        }
    }

    /// For the end of a term: the commit under way is not waited for. Whether it is applied or refused is the guard's
    /// business alone.
    pub(crate) fn abandon_commit(&mut self) {
        if let Some(office) = self.office() {
            office.writing = Writing::Broken;
        }
    }
}

impl Writing {
    /// Sends a batch on its way, and leaves an empty one, unless a commit is under way.
    pub(crate) fn start(&mut self, pending: &mut Batch, board: Arc<Board>) {
        match std::mem::replace(self, Writing::Broken) {
            Writing::Idle(records) => {
                let mut batch = std::mem::take(pending);
                let groups = std::mem::take(&mut batch.groups);
                *self = Writing::Busy {
                    writes: !groups.is_empty(),
                    task: spawn(commit::commit(records, groups, board)),
                    batch,
                };
            }
            other => *self = other,
        }
    }

    /// The batch whose commit has ended; its records are ready for the next one.
    pub(crate) fn finish(&mut self, records: Records) -> Option<Batch> {
        match std::mem::replace(self, Writing::Idle(records)) {
            Writing::Busy { batch, .. } => Some(batch),
            Writing::Idle(_) | Writing::Broken => None,
        }
    }

    /// The batch whose changes are not durable yet, if there is one.
    pub(crate) fn not_durable(&mut self) -> Option<&mut Batch> {
        match self {
            Writing::Busy { batch, writes: true, .. } => Some(batch),
            Writing::Busy { .. } | Writing::Idle(_) | Writing::Broken => None,
        }
    }
}

impl Office {
    /// The standing now. A term whose keeper has vanished is over.
    pub(crate) fn standing(&self) -> Standing {
        self.tenure.standing.borrow().clone()
    }

    /// When the term is to be suspended unless it is renewed before.
    pub(crate) fn deadline(&self) -> Option<Mono> {
        if self.suspended {
            return None;
        }
        match &*self.tenure.standing.borrow() {
            Standing::Held { until } => *until,
            Standing::Suspended | Standing::Lost(_) => None,
        }
    }
}

/// The keeper of a term lives as long as the term; should it ever go first, nothing more is heard of the standing, and
/// the guard alone decides.
async fn changed(standing: &mut watch::Receiver<Standing>) {
    if standing.changed().await.is_err() {
        std::future::pending::<()>().await;
    }
}

fn spawn<T: Send + 'static>(work: impl Future<Output = T> + Send + 'static) -> Task<T> {
    AbortOnDropHandle::new(tokio::spawn(work))
}
