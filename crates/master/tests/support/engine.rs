//! A store whose commits can be held back, refused or made to fail; everything else goes to a real one.

use std::num::NonZeroUsize;
use std::sync::Arc;

use async_trait::async_trait;
use tokio::sync::{Semaphore, watch};

use tanist_store::engine::{Page, Reading};
use tanist_store::error::Refusal;
use tanist_store::{
    CommitError, Committed, Guard, Key, KeyPrefix, PersistenceEngine, Revision, StoreError, Transaction,
};

/// What happens to commits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// They pass.
    Open,
    /// Each waits for a permit.
    Held,
    /// The term is over, says the store.
    Refusing,
    /// The store is full.
    Full,
    /// The store takes nothing of this size.
    TooLarge,
}

pub(crate) struct TestEngine {
    real: Arc<dyn PersistenceEngine>,
    mode: watch::Sender<Mode>,
    permits: Semaphore,
    attempts: watch::Sender<usize>,
    reads_held: watch::Sender<bool>,
}

impl TestEngine {
    pub(crate) fn over(real: Arc<dyn PersistenceEngine>) -> Self {
        Self {
            real,
            mode: watch::Sender::new(Mode::Open),
            permits: Semaphore::new(0),
            attempts: watch::Sender::new(0),
            reads_held: watch::Sender::default(),
        }
    }

    pub(crate) fn hold_reads(&self, held: bool) {
        self.reads_held.send_replace(held);
    }

    pub(crate) fn set(&self, mode: Mode) {
        self.mode.send_replace(mode);
    }

    /// Lets one held commit pass.
    pub(crate) fn let_one_pass(&self) {
        self.permits.add_permits(1);
    }

    /// Commits that were begun so far.
    pub(crate) fn attempts(&self) -> usize {
        *self.attempts.borrow()
    }

    /// Waits until more commits were begun than `before`.
    pub(crate) async fn attempted_after(&self, before: usize) {
        let mut attempts = self.attempts.subscribe();
        super::within("a commit", attempts.wait_for(|attempts| *attempts > before)).await.unwrap();
    }

    /// Waits for the mode to be other than held, or for a permit.
    async fn pass(&self) -> Mode {
        let mut mode = self.mode.subscribe();
        tokio::select! {
            biased;
            // Permits are only given while commits are held.
            permit = self.permits.acquire() => {
                permit.unwrap().forget();
                Mode::Open
            }
            mode = mode.wait_for(|mode| *mode != Mode::Held) => *mode.unwrap(),
        }
    }
}

#[async_trait]
impl PersistenceEngine for TestEngine {
    async fn read_page(
        &self,
        prefix: &KeyPrefix,
        after: Option<&Key>,
        at: Revision,
        limit: NonZeroUsize,
    ) -> Result<Page, StoreError> {
        self.reads_held.subscribe().wait_for(|held| !held).await.unwrap();
        self.real.read_page(prefix, after, at, limit).await
    }

    async fn read_key(&self, key: &Key, at_least: Revision) -> Result<Reading, StoreError> {
        self.real.read_key(key, at_least).await
    }

    async fn commit(&self, guard: &Guard, transaction: &Transaction) -> Result<Committed, CommitError> {
        self.attempts.send_modify(|attempts| *attempts += 1);
        match self.pass().await {
            Mode::Open | Mode::Held => self.real.commit(guard, transaction).await,
            Mode::Refusing => Err(CommitError::Refused(Refusal { leadership_lost: true, conflicts: Vec::new() })),
            Mode::TooLarge => Err(CommitError::TooLarge { bytes: 12_345, source: "too large".into() }),
            Mode::Full => Err(CommitError::NoSpace { source: "the disk is full".into() }),
        }
    }
}
