use std::num::NonZeroUsize;
use std::sync::Mutex;
use std::time::Duration;

use async_trait::async_trait;
use tempfile::TempDir;

use tanist_core::record::WorkerRecord;

use crate::LeaderElection;
use crate::conformance::candidate;
use crate::conformance::journal::{request, worker};
use crate::embedded::EmbeddedStore;
use crate::engine::{Committed, Page, Reading, Versioned};
use crate::key::{KeyPrefix, Name};

use super::*;

/// What happens to a commit on its way.
#[derive(Debug, Clone, Copy)]
enum Fault {
    /// Nothing.
    None,
    /// Applied, but the answer is lost.
    AnswerLost,
    /// Lost before it was applied.
    RequestLost,
    /// Still under way when the caller gives up waiting; applied just before the next one.
    Late,
    /// Applied, but the caller waits for ever.
    Hangs,
    /// Never left.
    NotSent,
    /// Refused for want of room.
    NoSpace,
    /// Lost, and then somebody else writes the same keys.
    RequestLostAndOvertaken,
}

/// The way to a real store, with faults by script.
struct Faulty {
    store: EmbeddedStore,
    script: Mutex<VecDeque<Fault>>,
    under_way: Mutex<Option<(Guard, Transaction)>>,
}

impl Faulty {
    fn next(&self) -> Fault {
        self.script.lock().unwrap().pop_front().unwrap_or(Fault::None)
    }

    fn plan(&self, faults: &[Fault]) {
        *self.script.lock().unwrap() = faults.iter().copied().collect();
    }
}

fn unknown() -> CommitError {
    CommitError::Unknown { source: "no answer".into() }
}

#[async_trait]
impl PersistenceEngine for Faulty {
    async fn read_page(
        &self,
        prefix: &KeyPrefix,
        after: Option<&Key>,
        at: Revision,
        limit: NonZeroUsize,
    ) -> Result<Page, StoreError> {
        self.store.read_page(prefix, after, at, limit).await
    }

    async fn read_key(&self, key: &Key, at_least: Revision) -> Result<Reading, StoreError> {
        self.store.read_key(key, at_least).await
    }

    async fn commit(&self, guard: &Guard, transaction: &Transaction) -> Result<Committed, CommitError> {
        let late = self.under_way.lock().unwrap().take();
        if let Some((guard, transaction)) = late {
            self.store.commit(&guard, &transaction).await.unwrap();
        }
        match self.next() {
            Fault::None => self.store.commit(guard, transaction).await,
            Fault::AnswerLost => {
                drop(self.store.commit(guard, transaction).await);
                Err(unknown())
            }
            Fault::RequestLost => Err(unknown()),
            Fault::Late => {
                *self.under_way.lock().unwrap() = Some((guard.clone(), transaction.clone()));
                Err(unknown())
            }
            Fault::Hangs => {
                self.store.commit(guard, transaction).await.unwrap();
                std::future::pending().await
            }
            Fault::NotSent => Err(CommitError::NotSent { source: "no way".into() }),
            Fault::NoSpace => Err(CommitError::NoSpace { source: "full".into() }),
            Fault::RequestLostAndOvertaken => {
                let others = transaction
                    .operations()
                    .iter()
                    .map(|operation| Operation { action: Action::Put("somebody else's".into()), ..operation.clone() });
                self.store.commit(guard, &Transaction::new(others.collect()).unwrap()).await.unwrap();
                Err(unknown())
            }
        }
    }
}

struct World {
    engine: Arc<Faulty>,
    tenure: Tenure,
    journal: Journal<Faulty>,
    _directory: TempDir,
}

impl World {
    async fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let store = EmbeddedStore::open(directory.path()).await.unwrap();
        let tenure = store.campaign(&candidate("m1")).await.unwrap();
        let engine = Arc::new(Faulty { store, script: Mutex::default(), under_way: Mutex::default() });
        let (journal, _) = Journal::open(Arc::clone(&engine), &tenure).await.unwrap();
        Self { engine, tenure, journal, _directory: directory }
    }

    async fn stored(&self, id: &str) -> Option<Versioned> {
        let key = Key::from(Name::Worker(worker(id).id));
        self.engine.read_key(&key, Revision(0)).await.unwrap().item
    }

    async fn revision(&self) -> Revision {
        self.engine.read_key(&Name::Epoch.into(), Revision(0)).await.unwrap().revision
    }
}

fn put(id: &str) -> Vec<Change> {
    vec![Change::PutWorker(worker(id))]
}

fn put_again(id: &str) -> Vec<Change> {
    vec![Change::PutWorker(WorkerRecord { decommissioned: true, ..worker(id) })]
}

fn remove(id: &str) -> Vec<Change> {
    vec![Change::RemoveWorker(worker(id).id)]
}

/// Whatever becomes of the first sending, a change is applied exactly once, and the journal goes on as if nothing had
/// been: it knows the revision of what it wrote.
#[tokio::test]
async fn an_unknown_outcome_is_settled_and_applied_once() {
    for fault in [Fault::AnswerLost, Fault::RequestLost, Fault::Late] {
        for faults in [vec![fault], vec![Fault::None, fault], vec![fault, Fault::RequestLost]] {
            let mut world = World::new().await;
            let before = world.revision().await;
            world.engine.plan(&faults);
            for changes in [put("w"), put_again("w"), remove("w"), put("w")] {
                world.journal.commit(&[changes]).await.unwrap_or_else(|error| panic!("{faults:?}: {error}"));
            }
            assert_eq!(world.revision().await, Revision(before.0 + 4), "{faults:?}: each applied once");
            assert_eq!(world.stored("w").await.unwrap().mod_revision, world.revision().await);
        }
    }
}

#[tokio::test]
async fn a_removal_of_unknown_outcome_is_settled() {
    for fault in [Fault::AnswerLost, Fault::RequestLost, Fault::Late] {
        let mut world = World::new().await;
        world.journal.commit(&[put("w")]).await.unwrap();
        world.engine.plan(&[fault]);
        world.journal.commit(&[remove("w")]).await.unwrap();
        assert_eq!(world.stored("w").await, None, "{fault:?}");
        world.journal.commit(&[put("w")]).await.unwrap();
    }
}

/// Not settled now does not mean lost: the changes stay queued, in order, and go first next time.
#[tokio::test]
async fn what_cannot_be_committed_now_is_committed_first_next_time() {
    for faults in [vec![Fault::RequestLost; RESEND_TRIES + 1], vec![Fault::NotSent], vec![Fault::NoSpace]] {
        let mut world = World::new().await;
        world.engine.plan(&faults);
        let error = world.journal.commit(&[put("w")]).await.unwrap_err();
        assert!(error.retryable() && !error.leadership_lost(), "{error}");
        assert_eq!(world.journal.queued(), 1);
        assert_eq!(world.stored("w").await, None);
        world.journal.commit(&[put_again("w")]).await.unwrap();
        assert_eq!(world.journal.queued(), 0);
        let stored = world.stored("w").await.unwrap();
        assert!(stored.create_revision < stored.mod_revision, "{faults:?}: the first write came first");
    }
}

/// A doubt outlives definite answers to later sendings: the first may still come through.
#[tokio::test]
async fn a_doubt_stays_until_it_is_settled() {
    for second in [Fault::NotSent, Fault::NoSpace] {
        let mut world = World::new().await;
        world.engine.plan(&[Fault::AnswerLost, second]);
        assert!(world.journal.commit(&[put("w")]).await.unwrap_err().retryable());
        world.journal.commit(&[]).await.unwrap();
        world.journal.commit(&[put_again("w")]).await.unwrap();
    }
}

/// A call that was given up in the middle leaves the same doubt.
#[tokio::test]
async fn a_dropped_commit_is_settled_by_the_next() {
    let mut world = World::new().await;
    world.engine.plan(&[Fault::Hangs]);
    let groups = [put("w"), vec![Change::PutRequest(request("r-1", "driver-1"))]];
    let given_up = tokio::time::timeout(Duration::from_millis(200), world.journal.commit(&groups)).await;
    assert!(given_up.is_err());
    assert_eq!(world.journal.queued(), 1);
    let written = world.revision().await;
    world.journal.commit(&[]).await.unwrap();
    assert_eq!(world.revision().await, written, "found applied, not applied again");
    world.journal.commit(&[put_again("w")]).await.unwrap();
}

/// Somebody else's bytes are never taken for an own write.
#[tokio::test]
async fn a_doubt_is_not_settled_by_what_others_wrote() {
    let mut world = World::new().await;
    world.engine.plan(&[Fault::RequestLostAndOvertaken]);
    let error = world.journal.commit(&[put("w")]).await.unwrap_err();
    let CommitError::Refused(refusal) = error else { panic!("{error}") };
    assert!(!refusal.leadership_lost);
    assert_eq!(world.stored("w").await.unwrap().value, &b"somebody else's"[..]);
}

/// A term that ends while an outcome is unknown has ended.
#[tokio::test]
async fn a_doubt_ends_with_the_term() {
    let mut world = World::new().await;
    world.engine.plan(&[Fault::RequestLost; RESEND_TRIES + 1]);
    assert!(world.journal.commit(&[put("w")]).await.unwrap_err().retryable());
    world.engine.store.resign(&world.tenure, &crate::Resignation::open("test")).await.unwrap();
    assert!(world.journal.commit(&[]).await.unwrap_err().leadership_lost());
}
