//! The backend for one host: one redb file, whose exclusive lock is the leadership.
//!
//! ```text
//! <directory>/store.redb        all keys, locked by the leader
//! <directory>/leader.json       who leads, for those who cannot read the locked file
//! <directory>/members/<id>.json masters that are up, each locked by its process
//! ```
//!
//! The operating system frees the lock when the leader's process ends, however it ends, so there is no lease, no
//! renewal and no deadline: a term is [`Standing::Held`](crate::Standing::Held) until it resigns or its file is
//! replaced, and nobody needs to depose anybody. The price: a leader that hangs without ending keeps the office, and
//! [`Progress`] is looked at by nobody. Several hosts, and that protection, need etcd.
//!
//! | file | holds |
//! |---|---|
//! | `file` | the store file: lock, revisions, reads, one durable transaction |
//! | `term` | beginning and ending a term, commits under the guard |
//! | `held` | the open file of the term in office, and what happens when the disk fails |
//! | `advisory` | the files for the others |

mod advisory;
mod file;
mod held;
mod term;

use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::watch;
use tokio::task::{AbortHandle, spawn_blocking};

use tanist_core::ids::{ClusterId, MasterId, Term};

use crate::clock;
use crate::election::{
    Candidate, HistoryEntry, LeaderElection, LeaderRecord, LeaseStatus, MemberRecord, MirrorStatus, Progress,
    RecoveryFigures, Resignation, Tenure, Trouble,
};
use crate::engine::{Committed, Guard, Page, PersistenceEngine, Reading, Revision, Transaction};
use crate::envelope;
use crate::error::{CommitError, ElectionError, Refusal, StoreError};
use crate::intent::{Intent, IntentChange};
use crate::key::{Family, Key, KeyPrefix};

use self::advisory::{MemberFile, StoreDir};
use self::file::StoreFile;
use self::held::Held;
use self::term::Begun;

/// How often a candidate tries the lock. Half of it is what a change of leader costs on top of the recovery.
const LOCK_PERIOD: Duration = Duration::from_millis(50);

/// How often a standby reads who leads, and a leader checks that its file is still in place.
const OBSERVE_PERIOD: Duration = Duration::from_millis(100);

/// The embedded store of one master process: both [`LeaderElection`] and [`PersistenceEngine`].
///
/// Dropping it gives the office up as a crash would: the lock goes, the term is not ended in the history.
#[derive(Debug)]
pub struct EmbeddedStore {
    inner: Arc<Inner>,
    observer: AbortHandle,
}

#[derive(Debug)]
struct Inner {
    dir: StoreDir,
    held: Mutex<Option<Arc<Held>>>,
    member: Mutex<Option<MemberFile>>,
    leader: watch::Sender<Option<LeaderRecord>>,
    /// The cluster that this process has seen here; it never leads another one.
    cluster: Mutex<Option<ClusterId>>,
    /// Nothing is wanted of the masters of one host, ever.
    intent: watch::Sender<Intent>,
    /// The office is a lock of this host: nothing stands between.
    trouble: watch::Sender<Option<Trouble>>,
}

impl EmbeddedStore {
    /// Takes a directory as the place of a store, and makes it if needed. The store itself is opened by the first
    /// campaign. Needs a Tokio runtime: a task of this store observes who leads, until the store is dropped.
    ///
    /// # Errors
    /// If the directory cannot be made.
    pub async fn open(directory: &Path) -> Result<Self, StoreError> {
        let path = directory.to_owned();
        let inner = blocking("opening the store directory", move || {
            let dir = StoreDir::create(&path)?;
            let inner = Arc::new(Inner {
                dir,
                held: Mutex::new(None),
                member: Mutex::new(None),
                leader: watch::Sender::new(None),
                cluster: Mutex::new(None),
                intent: watch::Sender::default(),
                trouble: watch::Sender::default(),
            });
            inner.observe();
            Ok(inner)
        })
        .await?;
        let observer = tokio::spawn(observe(Arc::downgrade(&inner))).abort_handle();
        Ok(Self { inner, observer })
    }

    fn held(&self) -> Option<Arc<Held>> {
        lock(&self.inner.held).clone()
    }

    fn held_by(&self, tenure: &Tenure) -> Option<Arc<Held>> {
        self.held().filter(|held| held.leader().nonce == tenure.record.nonce)
    }
}

impl Drop for EmbeddedStore {
    fn drop(&mut self) {
        self.observer.abort();
    }
}

/// Keeps the observed leader up to date for as long as the store lives.
async fn observe(inner: Weak<Inner>) {
    let mut period = tokio::time::interval(OBSERVE_PERIOD);
    period.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        period.tick().await;
        let Some(inner) = inner.upgrade() else { return };
        if spawn_blocking(move || inner.observe()).await.is_err() {
            tracing::error!("observing the leader ended in a panic");
        }
    }
}

impl Inner {
    fn observe(&self) {
        let held = lock(&self.held).clone();
        let leader = match held {
            Some(held) => {
                held.check_in_place();
                if held.is_over() { self.dir.read_leader() } else { Some(held.leader().clone()) }
            }
            None => self.dir.read_leader(),
        };
        if let Some(leader) = &leader {
            lock(&self.cluster).get_or_insert_with(|| leader.cluster.clone());
        }
        self.leader.send_if_modified(|known| {
            let changed = *known != leader;
            *known = leader;
            changed
        });
    }

    /// One try for the lock, and a new term if it is free. Everything that was taken is given back if the result is
    /// dropped.
    fn try_begin(&self, candidate: &Candidate) -> Result<Option<(Begun, Held)>, ElectionError> {
        let known = lock(&self.cluster).clone();
        let path = self.dir.store();
        match &known {
            None => StoreFile::create_if_missing(&path)?,
            Some(cluster) if matches!(path.try_exists(), Ok(false)) => {
                let advice = self.dir.leader();
                return Err(ElectionError::StoreMissing { store: path, advice, cluster: cluster.clone() });
            }
            Some(_) => {}
        }
        let Some(file) = StoreFile::try_open(&path)? else { return Ok(None) };
        if let Some(seen) = self.leader.borrow().as_ref() {
            candidate.heard.raise(seen.epoch);
        }
        let begun = term::begin(&file, candidate, known.as_ref(), clock::wall())?;
        candidate.heard.raise(begun.record.epoch);
        let held = Held::new(self.dir.clone(), file, begun.record.clone(), begun.guard.clone());
        if let Err(error) = self.dir.write_leader(&begun.guard) {
            tracing::warn!(epoch = %begun.record.epoch, %error, "standbys cannot be told who leads");
        }
        Ok(Some((begun, held)))
    }

    /// Last step of winning; from here on the term ends by resigning, by loss, or with the store.
    fn install(&self, begun: Begun, held: Held) -> Tenure {
        let tenure = Tenure {
            standing: held.standing(),
            guard: begun.guard,
            revision: begun.revision,
            predecessor: begun.predecessor,
            since: clock::wall(),
            progress: Progress::default(),
            record: begun.record,
        };
        *lock(&self.held) = Some(Arc::new(held));
        *lock(&self.cluster) = Some(tenure.record.cluster.clone());
        self.leader.send_replace(Some(tenure.record.clone()));
        tenure
    }

    /// Forgets a term that is over, so that its file is closed and the next candidacy may begin.
    fn leave(&self, held: &Arc<Held>) {
        let mut slot = lock(&self.held);
        if slot.as_ref().is_some_and(|current| Arc::ptr_eq(current, held)) {
            *slot = None;
        }
    }
}

#[async_trait]
impl LeaderElection for EmbeddedStore {
    async fn campaign(&self, candidate: &Candidate) -> Result<Tenure, ElectionError> {
        if let Some(held) = self.held() {
            if !held.is_over() {
                return Err(ElectionError::AlreadyLeading { epoch: held.leader().epoch });
            }
            self.inner.leave(&held);
        }
        loop {
            let (inner, candidate) = (Arc::clone(&self.inner), candidate.clone());
            let tried = blocking_election("campaigning", move || inner.try_begin(&candidate)).await?;
            if let Some((begun, held)) = tried {
                let tenure = self.inner.install(begun, held);
                tracing::info!(term = %tenure.term(), master = %tenure.record.master, "office won");
                return Ok(tenure);
            }
            tokio::time::sleep(LOCK_PERIOD).await;
        }
    }

    fn leader(&self) -> watch::Receiver<Option<LeaderRecord>> {
        self.inner.leader.subscribe()
    }

    async fn record_recovery(&self, tenure: &Tenure, figures: &RecoveryFigures) -> Result<(), ElectionError> {
        let Some(held) = self.held_by(tenure) else {
            return Err(CommitError::Refused(Refusal::term_over()).into());
        };
        let figures = *figures;
        blocking_election("recording a recovery", move || held.record_recovery(figures)).await
    }

    async fn resign(&self, tenure: &Tenure, resignation: &Resignation) -> Result<(), ElectionError> {
        if resignation.successor.is_some() {
            return Err(ElectionError::Unsupported { what: "naming a successor: the first one to get the lock leads" });
        }
        let Some(held) = self.held_by(tenure) else { return Ok(()) };
        let (inner, why) = (Arc::clone(&self.inner), resignation.why.clone());
        blocking_election("resigning", move || {
            let resigned = held.resign(&why);
            inner.leave(&held);
            resigned
        })
        .await
    }

    async fn depose(&self, _by: &MasterId, _term: &Term, _evidence: &str) -> Result<(), ElectionError> {
        Err(ElectionError::Unsupported { what: "deposing a leader: its lock ends with its process" })
    }

    async fn announce(&self, member: &MemberRecord) -> Result<(), ElectionError> {
        let (inner, member) = (Arc::clone(&self.inner), member.clone());
        blocking_election("announcing a member", move || {
            let mut slot = lock(&inner.member);
            let file = match slot.take() {
                Some(file) => file,
                None => MemberFile::create(&inner.dir, &member.master)?,
            };
            let written = file.write(&member);
            *slot = Some(file);
            Ok(written?)
        })
        .await
    }

    async fn members(&self) -> Result<Vec<MemberRecord>, ElectionError> {
        let inner = Arc::clone(&self.inner);
        blocking_election("listing members", move || Ok(inner.dir.read_members()?)).await
    }

    async fn history(&self) -> Result<Vec<HistoryEntry>, ElectionError> {
        let held = self.held().ok_or(StoreError::NotHeld)?;
        blocking_election("reading the history", move || {
            let at = held.revision()?;
            let prefix = KeyPrefix::from(Family::History);
            let page = held.read(|file| file.read_page(&prefix, None, at, NonZeroUsize::MAX))?;
            Ok(page.items.iter().filter_map(|item| Some(envelope::decode(&item.value).ok()?.record)).collect())
        })
        .await
    }

    fn intent(&self) -> watch::Receiver<Intent> {
        self.inner.intent.subscribe()
    }

    async fn change_intent(&self, _change: &IntentChange) -> Result<Intent, ElectionError> {
        Err(ElectionError::Unsupported { what: "pausing failover: the lock goes to the next one by itself" })
    }

    fn trouble(&self) -> watch::Receiver<Option<Trouble>> {
        self.inner.trouble.subscribe()
    }

    fn mirror(&self) -> Option<MirrorStatus> {
        None
    }

    fn lease(&self) -> Option<LeaseStatus> {
        None
    }
}

#[async_trait]
impl PersistenceEngine for EmbeddedStore {
    async fn read_page(
        &self,
        prefix: &KeyPrefix,
        after: Option<&Key>,
        at: Revision,
        limit: NonZeroUsize,
    ) -> Result<Page, StoreError> {
        let held = self.held().ok_or(StoreError::NotHeld)?;
        let (prefix, after) = (prefix.clone(), after.cloned());
        blocking("reading a page", move || held.read(|file| file.read_page(&prefix, after.as_ref(), at, limit))).await
    }

    async fn read_key(&self, key: &Key, at_least: Revision) -> Result<Reading, StoreError> {
        let held = self.held().ok_or(StoreError::NotHeld)?;
        let key = key.clone();
        blocking("reading a key", move || held.read(|file| file.read_key(&key, at_least))).await
    }

    async fn commit(&self, guard: &Guard, transaction: &Transaction) -> Result<Committed, CommitError> {
        let held = self.held().ok_or_else(|| CommitError::Refused(Refusal::term_over()))?;
        let (guard, transaction) = (guard.clone(), transaction.clone());
        match spawn_blocking(move || held.commit(&guard, &transaction)).await {
            Ok(result) => result,
            Err(error) => Err(CommitError::Unknown { source: Box::new(error) }),
        }
    }
}

/// Runs blocking work away from the asynchronous threads.
async fn blocking<T: Send + 'static>(
    action: &'static str,
    work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    match spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => Err(StoreError::Unreachable { action: action.to_owned(), source: Box::new(error) }),
    }
}

async fn blocking_election<T: Send + 'static>(
    action: &'static str,
    work: impl FnOnce() -> Result<T, ElectionError> + Send + 'static,
) -> Result<T, ElectionError> {
    match spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => Err(StoreError::Unreachable { action: action.to_owned(), source: Box::new(error) }.into()),
    }
}

/// A panic while one of these is held leaves it as it was: they are only ever replaced whole.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
