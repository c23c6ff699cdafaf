//! The store as the master's commit loop uses it: changes of the core in, guarded transactions out.
//!
//! A [`Journal`] belongs to one term. It keeps, for every key, the revision at which this term last saw it, and so
//! writes nothing over anything it has not seen. Changes are queued in order and leave the queue only when they are
//! known to be committed: after an error that may pass, calling [`Journal::commit`] again goes on where it stopped.
//!
//! An attempt whose outcome is not known is sent again as it was. Its expectations let at most one of the two be
//! applied, so the second answer settles both: committed now, or refused because the first was — which shows in the
//! refusal, where every key then holds the very bytes of the attempt. Reading alone could not settle it: the first
//! might still be under way.

mod load;
mod plan;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use tanist_core::ids::Term;
use tanist_core::record::{Change, Recovered};

use crate::election::Tenure;
use crate::engine::{Action, Expect, Guard, Operation, PersistenceEngine, Revision, Transaction};
use crate::error::{CommitError, Refusal, StoreError};
use crate::key::Key;

use self::plan::Batch;

/// How often one call sends an attempt of unknown outcome again before it leaves that to the next call.
const RESEND_TRIES: usize = 2;

/// The durable side of one term.
#[derive(Debug)]
pub struct Journal<E: PersistenceEngine + ?Sized> {
    engine: Arc<E>,
    term: Term,
    guard: Guard,
    /// Mod revision of every record of this term's world.
    ledger: BTreeMap<Key, Revision>,
    queue: VecDeque<Batch>,
    /// The first batch of the queue was sent, and may have been applied.
    in_doubt: bool,
}

impl<E: PersistenceEngine + ?Sized> Journal<E> {
    /// Begins the journal of a term just won, by reading everything that the predecessors left, as it was when the term
    /// was won. Once per term, before any record is written. Writes nothing yet.
    ///
    /// What cannot be decoded is logged, listed in [`Recovered::quarantined`] together with what earlier terms put
    /// aside, and never stops the take-over: the first [`Journal::commit`], whatever else it is given, moves it to
    /// `quarantine/` byte for byte.
    ///
    /// # Errors
    /// What went wrong with a read; [`StoreError::retryable`] says whether the same call may succeed later.
    pub async fn open(engine: Arc<E>, tenure: &Tenure) -> Result<(Self, Recovered), StoreError> {
        let loaded = load::load(&*engine, tenure.revision).await?;
        let journal = Self {
            engine,
            term: tenure.term(),
            guard: tenure.guard.clone(),
            ledger: loaded.ledger,
            queue: plan::join(loaded.moves).into(),
            in_doubt: false,
        };
        Ok((journal, loaded.recovered))
    }

    /// Commits groups of changes, in order. Each group is applied whole or not at all, and a group is never visible
    /// before the ones in front of it; neighbouring groups share a transaction where they fit. Without any group the
    /// guard alone is sent. `Ok` proves that the term was in office after the call began, and that everything ever
    /// given to this journal is durable.
    ///
    /// Cancel-safe: after a dropped call the next one goes on where it stopped.
    ///
    /// # Errors
    /// - [`CommitError::Oversized`], [`CommitError::Encode`]: one of the groups can never be committed. None of this
    ///   call's groups was taken.
    /// - [`CommitError::retryable`]: the groups are queued. Call again, with `&[]` or with more groups.
    /// - [`CommitError::leadership_lost`]: the term is over.
    /// - [`CommitError::Refused`] otherwise: somebody else wrote records of this term. The journal's world is not the
    ///   store's; give the term up and load anew.
    pub async fn commit(&mut self, groups: &[Vec<Change>]) -> Result<(), CommitError> {
        let groups = groups.iter().map(|group| plan::encode_group(&self.term, group));
        let groups = groups.collect::<Result<Vec<_>, _>>()?;
        groups.iter().try_for_each(plan::check)?;
        self.queue.extend(plan::join(groups));
        if self.queue.is_empty() {
            self.engine.commit(&self.guard, &Transaction::guard_alone()).await?;
        }
        while let Some(batch) = self.queue.front() {
            let transaction = self.transaction(batch);
            let revision = self.send(&transaction).await?;
            self.settle(&transaction, revision);
        }
        Ok(())
    }

    /// Transactions that are queued and not known to be committed. Zero after every successful commit.
    pub fn queued(&self) -> usize {
        self.queue.len()
    }

    /// The transaction of a batch in this term's present world. Unchanged until the batch is settled, so that sending
    /// it again sends the same.
    fn transaction(&self, batch: &Batch) -> Transaction {
        let operations = batch.writes().iter().filter_map(|(key, value)| {
            let expect = self.ledger.get(key).map_or(Expect::Absent, |revision| Expect::ModRevision(*revision));
            let action = match (value, expect) {
                (Some(value), _) => Action::Put(value.clone()),
                (None, Expect::ModRevision(_)) => Action::Delete,
                // Written and removed again before it ever reached the store.
                (None, Expect::Absent) => return None,
            };
            Some(Operation { key: key.clone(), expect, action })
        });
        Transaction::of_checked(operations.collect())
    }

    /// Sends a transaction until its outcome is known, or not to be known now. Gives the revision of its writes.
    async fn send(&mut self, transaction: &Transaction) -> Result<Revision, CommitError> {
        let mut tries = RESEND_TRIES;
        loop {
            let was_in_doubt = std::mem::replace(&mut self.in_doubt, true);
            match self.engine.commit(&self.guard, transaction).await {
                Ok(committed) => return Ok(committed.revision),
                Err(CommitError::Unknown { source }) if tries > 0 => {
                    tracing::warn!(%source, "outcome of a transaction unknown, asking again");
                    tries -= 1;
                }
                Err(error @ CommitError::Unknown { .. }) => return Err(error),
                Err(CommitError::Refused(refusal)) if was_in_doubt => {
                    return applied_before(transaction, &refusal).ok_or(CommitError::Refused(refusal));
                }
                Err(error) => {
                    self.in_doubt = was_in_doubt;
                    return Err(error);
                }
            }
        }
    }

    /// Takes the first batch off the queue and notes what it wrote.
    fn settle(&mut self, transaction: &Transaction, revision: Revision) {
        for operation in transaction.operations() {
            match operation.action {
                Action::Put(_) => {
                    self.ledger.insert(operation.key.clone(), revision);
                }
                Action::Delete => {
                    self.ledger.remove(&operation.key);
                }
                Action::Compare => {}
            }
        }
        self.queue.pop_front();
        self.in_doubt = false;
    }
}

/// Whether a refused transaction was refused because an earlier sending of it was applied: every key then is as the
/// transaction wanted it, all written by one revision, while the term is still in office and nobody else writes.
fn applied_before(transaction: &Transaction, refusal: &Refusal) -> Option<Revision> {
    if refusal.leadership_lost || refusal.conflicts.len() != transaction.operations().len() {
        return None;
    }
    let mut written_at = None;
    for (operation, conflict) in transaction.operations().iter().zip(&refusal.conflicts) {
        let as_wanted = match (&operation.action, &conflict.found) {
            (Action::Put(value), Some(found)) => {
                found.value == value && *written_at.get_or_insert(found.mod_revision) == found.mod_revision
            }
            (Action::Delete, None) => true,
            _ => false,
        };
        if conflict.key != operation.key || !as_wanted {
            return None;
        }
    }
    // Nothing but removals: no key carries their revision, and none needs it.
    Some(written_at.unwrap_or_default())
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
