//! The master's place: standing for office, taking over, in office, leaving. Everything here that waits for the store
//! runs in a task of its own; the loop hears of it as [`News`].
//!
//! ```text
//! Candidate ──won──▶ Taking ──loaded──▶ Leading ──lost, left──▶ Candidate …
//!                                        Idle ⇄ Busy   one guarded transaction at a time
//!                                        Idle ──▶ Left behind, by an order: the last one of the term
//! ```

mod commit;
mod leave;
mod stand;
mod writing;

use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinError;
use tokio::time::timeout;
use tokio_util::task::AbortOnDropHandle;

use tanist_core::record::Recovered;
use tanist_core::time::Mono;
use tanist_store::{CommitError, ElectionError, Journal, PersistenceEngine, Standing, StoreError, Tenure};

pub(crate) use self::leave::{Leaving, ResignError, resign};
pub(crate) use self::stand::Candidacy;
pub(crate) use self::writing::{Batch, Writing};

/// A process that is told to stop waits so long for the commit under way.
const FINISH_DEADLINE: Duration = Duration::from_secs(2);

/// The records of the present term.
pub(crate) type Records = Journal<dyn PersistenceEngine>;

/// A task that ends with its owner.
pub(crate) type Task<T> = AbortOnDropHandle<T>;

/// Where this master stands.
pub(crate) enum Seat {
    /// It stands for office, for days if need be.
    Candidate(Task<Result<Tenure, ElectionError>>),
    /// Won, and reading what the predecessors left.
    Taking { tenure: Box<Tenure>, won_at: Mono, load: Task<Result<(Records, Recovered), StoreError>> },
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
    /// The store was told that the office is left.
    Left(Result<Result<(), ResignError>, JoinError>),
    /// The standing of the term has changed.
    Standing,
}

/// A term in office.
pub(crate) struct Office {
    pub(crate) tenure: Tenure,
    pub(crate) writing: Writing,
    /// Past the local deadline, or its end is in doubt; the machine knows.
    pub(crate) suspended: bool,
    pub(crate) won_at: Mono,
    /// For the history, until the recovery is over: how much there was to recover.
    pub(crate) taken: Option<Taken>,
    pub(crate) answers: Answers,
}

/// How far it is known that the workers from before the term have answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answers {
    /// One may have, since this was looked at.
    Some,
    /// Not all have.
    Awaited,
    /// All have; it is in the log.
    All,
}

/// What a term began with, kept until its recovery is over.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Taken {
    pub(crate) workers: usize,
    pub(crate) apps: usize,
    pub(crate) drivers: usize,
    pub(crate) quarantined: usize,
}

impl Seat {
    /// A candidate, who first leaves an earlier office of this process if there was one.
    pub(crate) fn candidate(candidacy: Candidacy, leaving: Option<Leaving>) -> Self {
        Self::Candidate(spawn(stand::stand(candidacy, leaving)))
    }

    /// Won: reads what the predecessors left.
    pub(crate) fn taking(candidacy: &Candidacy, tenure: Tenure, won_at: Mono) -> Self {
        let load = spawn(stand::load(candidacy.backend.engine.clone(), tenure.clone()));
        Self::Taking { tenure: Box::new(tenure), won_at, load }
    }

    /// In office already: reads what this term has stored.
    pub(crate) fn taking_again(candidacy: &Candidacy, tenure: Tenure, now: Mono) -> Self {
        let load = spawn(stand::reload(candidacy.backend.engine.clone(), tenure.clone()));
        Self::Taking { tenure: Box::new(tenure), won_at: now, load }
    }

    /// In office.
    pub(crate) fn leading(tenure: Tenure, records: Records, won_at: Mono, taken: Taken) -> Self {
        Self::Leading(Box::new(Office {
            tenure,
            writing: Writing::Idle(records),
            suspended: false,
            won_at,
            taken: Some(taken),
            answers: Answers::Some,
        }))
    }

    /// Waits for what happens next. Safe to drop. Not to be called again after news of a task until the seat has
    /// changed.
    pub(crate) async fn news(&mut self) -> News {
        match self {
            Self::Candidate(campaign) => News::Campaigned(campaign.await),
            Self::Taking { tenure, load, .. } => tokio::select! {
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
                // What becomes of the standing meanwhile is our own doing.
                Writing::Leaving { task, .. } => News::Left(task.await),
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
            Self::Candidate(_) => None,
            Self::Taking { tenure, .. } => Some(tenure),
            Self::Leading(office) => Some(&office.tenure),
        }
    }

    pub(crate) fn office(&mut self) -> Option<&mut Office> {
        match self {
            Self::Leading(office) => Some(office),
            Self::Candidate(_) | Self::Taking { .. } => None,
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
    /// business alone. Says how many effects that have not been counted as withheld will never leave.
    pub(crate) fn abandon_commit(&mut self) -> usize {
        let Some(office) = self.office() else { return 0 };
        match std::mem::replace(&mut office.writing, Writing::Broken) {
            Writing::Busy { batch, .. } => batch.not_yet_withheld(),
            Writing::Leaving { .. } | Writing::Idle(_) | Writing::Broken => 0,
        }
    }
}

impl Office {
    /// Past the local deadline, or in doubt: a commit that is under way proves nothing any more.
    pub(crate) fn suspend(&mut self) {
        self.suspended = true;
        if let Writing::Busy { proves, .. } = &mut self.writing {
            *proves = false;
        }
    }

    /// The standing now. A term whose keeper has vanished is over.
    pub(crate) fn standing(&self) -> Standing {
        self.tenure.standing.borrow().clone()
    }

    /// When the term is to be suspended unless it is renewed before. Not while it is being left: then nobody looks at it.
    pub(crate) fn deadline(&self) -> Option<Mono> {
        if self.suspended || self.writing.is_leaving() {
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
