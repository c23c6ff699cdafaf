//! What goes through the barrier, and the one transaction that may be under way.

use std::sync::Arc;

use tokio::sync::watch;

use tanist_core::master::Effect;
use tanist_core::record::Change;
use tanist_store::{CommitError, LeaderElection, Resignation, Standing, Tenure};

use super::leave::ResignError;
use super::{Records, Task, commit, leave, spawn};
use crate::board::{Board, Published};

/// One guarded transaction at a time.
pub(crate) enum Writing {
    /// None is under way.
    Idle(Records),
    /// One is, and this waits for it.
    Busy {
        task: Task<(Records, Result<(), CommitError>)>,
        /// Whether it changes anything; otherwise it only proves the lead.
        writes: bool,
        /// Whether it was begun after the term was suspended last, so that it can prove that the term goes on.
        proves: bool,
        batch: Batch,
    },
    /// The office is being left.
    Leaving { records: Records, task: Task<Result<(), ResignError>> },
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
    /// How many of the effects, from the first one on, were ready before and had to stay.
    pub(crate) withheld: usize,
    /// A view that shows all of it.
    pub(crate) view: Option<Published>,
}

impl Batch {
    pub(crate) fn is_empty(&self) -> bool {
        self.groups.is_empty() && self.effects.is_empty() && self.view.is_none()
    }

    /// Effects that have not been counted as withheld yet.
    pub(crate) fn not_yet_withheld(&self) -> usize {
        self.effects.len() - self.withheld
    }
}

impl Writing {
    /// Sends a batch on its way, and leaves an empty one, unless a commit is under way.
    pub(crate) fn start(&mut self, pending: &mut Batch, standing: watch::Receiver<Standing>, board: Arc<Board>) {
        match std::mem::replace(self, Writing::Broken) {
            Writing::Idle(records) => {
                let mut batch = std::mem::take(pending);
                let groups = std::mem::take(&mut batch.groups);
                *self = Writing::Busy {
                    writes: !groups.is_empty(),
                    proves: true,
                    task: spawn(commit::commit(records, groups, standing, board)),
                    batch,
                };
            }
            other => *self = other,
        }
    }

    /// The batch whose commit has ended, and whether that proves the term; its records are ready for the next one.
    pub(crate) fn finish(&mut self, records: Records) -> Option<(Batch, bool)> {
        match std::mem::replace(self, Writing::Idle(records)) {
            Writing::Busy { batch, proves, .. } => Some((batch, proves)),
            Writing::Leaving { .. } | Writing::Idle(_) | Writing::Broken => None,
        }
    }

    /// Tells the store that the office is left. Only where no commit is under way.
    pub(crate) fn leave(&mut self, election: Arc<dyn LeaderElection>, tenure: Tenure, resignation: Resignation) {
        match std::mem::replace(self, Writing::Broken) {
            Writing::Idle(records) => {
                let task = spawn(async move { leave::resign(&*election, &tenure, &resignation).await });
                *self = Writing::Leaving { records, task };
            }
            other => *self = other,
        }
    }

    /// The office could not be left, or it is not known: the records are ready for the next commit, which shows it.
    pub(crate) fn stay(&mut self) {
        match std::mem::replace(self, Writing::Broken) {
            Writing::Leaving { records, .. } => *self = Writing::Idle(records),
            other => *self = other,
        }
    }

    pub(crate) fn is_idle(&self) -> bool {
        matches!(self, Writing::Idle(_))
    }

    pub(crate) fn is_leaving(&self) -> bool {
        matches!(self, Writing::Leaving { .. })
    }

    /// The batch whose changes are not durable yet, if there is one.
    pub(crate) fn not_durable(&mut self) -> Option<&mut Batch> {
        match self {
            Writing::Busy { batch, writes: true, .. } => Some(batch),
            Writing::Busy { .. } | Writing::Leaving { .. } | Writing::Idle(_) | Writing::Broken => None,
        }
    }
}
