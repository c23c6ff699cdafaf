//! One suite for every backend: what [`LeaderElection`] and [`PersistenceEngine`] promise, case by case.
//!
//! A backend implements [`Harness`] and calls [`conformance_suite!`](crate::conformance_suite); each case becomes a
//! test of its own, with a store of its own. The cases know nothing of the backend but its traits, and what its harness
//! says of it: whether others write beside the case (several stores in one etcd share its revisions), and whether its
//! masters take turns as operators wish. What a backend cannot do it must refuse by name, and that is a case, too.
//!
//! | family | holds |
//! |---|---|
//! | [`engine`] | revisions, compares, pages |
//! | [`election`] | terms: winning, holding, leaving, following; members |
//! | [`operators`] | successors, pauses, deposing |
//! | [`journal`] | records and changes through the commit loop's own door |

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::missing_panics_doc,
    clippy::panic,
    reason = "the cases are tests, which fail by panicking"
)]

pub mod election;
pub mod engine;
pub mod journal;
pub mod operators;

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;

use tokio::task::JoinHandle;

use tanist_core::ids::{MasterId, Nonce};

use crate::clock;
use crate::election::{Candidate, Heard, LeaderElection, MemberRecord, PROGRESS_WITHIN, Tenure};
use crate::engine::{Committed, Expect, Operation, PersistenceEngine, Revision, Transaction, Versioned};
use crate::envelope;
use crate::error::{CommitError, Refusal};
use crate::key::{Key, KeyPrefix};

/// One fresh store, and the means to reach it as several master processes would.
#[async_trait]
pub trait Harness: Send + Sync {
    /// The backend under test.
    type Backend: LeaderElection + PersistenceEngine + 'static;

    /// Another master process that uses the store.
    async fn master(&self) -> Arc<Self::Backend>;

    /// Ends a master process without a word: nothing of it runs on afterwards, and nothing was said to the store.
    async fn crash(&self, master: Arc<Self::Backend>);

    /// The longest that a waiting candidate may take to win after the leader crashed.
    fn takeover(&self) -> Duration;

    /// Whether only the case writes to the store, so that it can count the store's revisions.
    fn is_alone(&self) -> bool;

    /// Whether masters take turns as operators wish: a successor can be named, failover paused, a leader deposed. A
    /// backend without that must answer [`ElectionError::Unsupported`](crate::ElectionError::Unsupported) and change nothing.
    fn takes_turns(&self) -> bool;
}

/// Makes a test of every case. `$harness` is an expression of type `impl Harness`, evaluated once per test.
#[macro_export]
macro_rules! conformance_suite {
    ($harness:expr) => {
        $crate::conformance_suite!(@cases $harness,
            engine: [
                revisions_tell_creation_from_change,
                a_wrong_expectation_refuses_everything,
                a_refusal_names_each_conflict,
                pages_are_in_order_whatever_their_size,
                a_prefix_ends_at_its_slash,
                a_full_transaction_is_taken,
                an_empty_transaction_proves_leadership_and_changes_nothing,
                reads_never_answer_with_another_revision,
                random_transactions_agree_with_a_model,
            ],
            election: [
                a_first_term_writes_down_who_leads,
                epochs_rise_above_everything_heard,
                an_older_term_can_commit_nothing,
                a_second_candidate_waits_until_the_leader_resigns,
                a_crashed_leader_is_followed,
                acknowledged_writes_are_there_at_the_revision_of_the_next_term,
                a_candidacy_that_is_dropped_takes_no_office,
                of_many_candidates_one_leads_at_a_time,
                standbys_hear_who_leads,
                the_history_tells_how_terms_went,
                members_are_listed_while_they_are_up,
                an_id_is_taken_while_its_process_lives,
            ],
            operators: [
                a_named_successor_follows,
                a_successor_that_is_not_up_is_refused,
                a_successor_that_does_not_come_is_waited_for_no_longer_than_said,
                nobody_takes_the_office_while_failover_is_paused,
                a_leader_is_deposed_with_evidence,
                a_term_that_is_over_needs_no_deposing,
                what_operators_want_is_heard_everywhere,
            ],
            journal: [
                records_come_back_as_they_were_written,
                long_queues_are_split_between_groups,
                nothing_to_write_sends_the_guard,
                what_others_wrote_is_not_written_over,
                what_cannot_be_read_is_put_aside_byte_for_byte,
                damage_never_gives_another_record,
            ],
        );
    };
    (@cases $harness:expr, $($family:ident: [$($case:ident),* $(,)?],)*) => {
        $(mod $family {
            #[allow(unused_imports, reason = "the harness may be made by a path of the caller")]
            use super::*;
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $case() {
                    $crate::conformance::$family::$case(&$harness).await;
                }
            )*
        })*
    };
}

/// A master in office, whose core loop comes round as it should.
pub struct Leader<B> {
    /// Its backend.
    pub store: Arc<B>,
    /// Its term.
    pub tenure: Tenure,
    core_loop: CoreLoop,
}

/// Shows progress until it is dropped.
struct CoreLoop(JoinHandle<()>);

impl CoreLoop {
    fn of(tenure: &Tenure) -> Self {
        let progress = tenure.progress.clone();
        Self(tokio::spawn(async move {
            loop {
                progress.tick(clock::mono());
                tokio::time::sleep(PROGRESS_WITHIN / 4).await;
            }
        }))
    }
}

impl Drop for CoreLoop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl<B: LeaderElection + PersistenceEngine> Leader<B> {
    /// Of a term just won.
    pub fn new(store: Arc<B>, tenure: Tenure) -> Self {
        let core_loop = CoreLoop::of(&tenure);
        Self { store, tenure, core_loop }
    }

    /// Ends the core loop, and nothing else: the leader hangs.
    pub fn hang(&self) {
        self.core_loop.0.abort();
    }

    /// Commits operations of the term.
    pub async fn commit(&self, operations: Vec<Operation>) -> Result<Committed, CommitError> {
        let transaction = Transaction::new(operations).unwrap();
        self.store.commit(&self.tenure.guard, &transaction).await
    }

    /// Creates a key.
    pub async fn create(&self, key: &str, value: &[u8]) -> Revision {
        let value = Bytes::copy_from_slice(value);
        self.commit(vec![Operation::put(Key::raw(key), Expect::Absent, value)]).await.unwrap().revision
    }

    /// What lies at a key.
    pub async fn get(&self, key: &str) -> Option<Versioned> {
        self.store.read_key(&Key::raw(key), Revision(0)).await.unwrap().item
    }

    /// The store's present revision.
    pub async fn now(&self) -> Revision {
        self.commit(Vec::new()).await.unwrap().revision
    }

    /// Everything below a prefix at a revision.
    pub async fn list(&self, prefix: &str, at: Revision) -> Vec<Versioned> {
        list_by(&*self.store, prefix, at, 100).await
    }

    /// Nothing was written since this revision.
    pub(crate) async fn assert_unchanged_since<H: Harness>(&self, harness: &H, at: Revision) {
        let now = self.now().await;
        if harness.is_alone() {
            assert_eq!(now, at, "nothing was to be written");
        }
        for prefix in ["state/", "done/", "quarantine/"] {
            let written = self.list(prefix, now).await;
            assert!(written.iter().all(|item| item.mod_revision <= at), "nothing was to be written: {written:?}");
        }
    }
}

/// Reads everything below a prefix in pages of one size.
pub async fn list_by<B: PersistenceEngine + ?Sized>(
    store: &B,
    prefix: &str,
    at: Revision,
    page: usize,
) -> Vec<Versioned> {
    let (prefix, page): (KeyPrefix, _) = (prefix.parse().unwrap(), NonZeroUsize::new(page).unwrap());
    let mut all: Vec<Versioned> = Vec::new();
    loop {
        let after = all.last().map(|last| last.key.clone());
        let found = store.read_page(&prefix, after.as_ref(), at, page).await.unwrap();
        assert!(found.items.len() <= page.get(), "a page is never longer than asked for");
        assert!(!found.more || !found.items.is_empty(), "a page that promises more is not empty");
        all.extend(found.items);
        if !found.more {
            return all;
        }
    }
}

/// A master that stands for office.
pub fn candidate(name: &str) -> Candidate {
    Candidate {
        master: MasterId::new(name).unwrap(),
        rpc: format!("{name}.example:7077"),
        ui: Some(format!("http://{name}.example:8080")),
        rest: None,
        version: "0.1.0".to_owned(),
        heard: Heard::default(),
    }
}

/// A master process as it makes itself known.
pub fn member(name: &str, role: &str) -> MemberRecord {
    let candidate = candidate(name);
    MemberRecord {
        master: candidate.master,
        rpc: candidate.rpc,
        ui: candidate.ui,
        version: candidate.version,
        role: role.to_owned(),
        started_at: 1,
    }
}

/// A new master process that stands for office and wins within the time of a take-over.
pub async fn lead<H: Harness>(harness: &H, name: &str) -> Leader<H::Backend> {
    let store = harness.master().await;
    let tenure = win(harness, &*store, &candidate(name)).await;
    Leader::new(store, tenure)
}

/// Stands for office and wins within the time of a take-over.
pub async fn win<H: Harness>(harness: &H, store: &H::Backend, candidate: &Candidate) -> Tenure {
    let won = tokio::time::timeout(harness.takeover(), store.campaign(candidate)).await;
    won.unwrap_or_else(|_| panic!("{} did not win within {:?}", candidate.master, harness.takeover())).unwrap()
}

/// The refusal that a commit must have come to.
pub fn refusal<T: std::fmt::Debug>(result: Result<T, CommitError>) -> Refusal {
    match result {
        Err(CommitError::Refused(refusal)) => refusal,
        other => panic!("refused was expected, {other:?} came"),
    }
}

/// An envelope as a term would write it.
pub(crate) fn sealed(tenure: &Tenure, record: &str) -> Bytes {
    envelope::encode(tenure.record.epoch, &Nonce::new(tenure.record.nonce.as_str()).unwrap(), &record).unwrap()
}

/// Waits until the condition gives a value, looking every few milliseconds.
pub async fn eventually<T, F: Future<Output = Option<T>>>(
    what: &str,
    within: Duration,
    mut look: impl FnMut() -> F,
) -> T {
    let deadline = tokio::time::Instant::now() + within;
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(tokio::time::Instant::now() < deadline, "{what}: not within {within:?}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
