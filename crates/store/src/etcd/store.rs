//! [`EtcdStore`]: the parts put together.

use std::future::Future;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::timeout;

use tanist_core::ids::{MasterId, Term};

use crate::election::{
    Candidate, HistoryEntry, LeaderElection, LeaderRecord, LeaseStatus, Loss, MemberRecord, MirrorStatus,
    RecoveryFigures, Resignation, Tenure, Trouble,
};
use crate::engine::{Committed, Guard, Page, PersistenceEngine, Reading, Revision, Transaction};
use crate::error::{CommitError, ElectionError, StoreError};
use crate::intent::{Intent, IntentChange};
use crate::key::{Family, Key, KeyPrefix};

use super::mirror::Mirror;
use super::options::EtcdOptions;
use super::pool::Pool;
use super::shared::{Shared, lock};
use super::{campaign, leave, members, observe, session, term};

/// How long a take-over waits for the mirror to reach its revision, so that the two can be compared.
const MIRROR_WITHIN: Duration = Duration::from_millis(50);

/// The tasks of one store. They end with this value, wherever they are.
#[derive(Debug, Default)]
pub(super) struct Tasks(Mutex<JoinSet<()>>);

impl Tasks {
    pub(super) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let mut tasks = lock(&self.0);
        while tasks.try_join_next().is_some() {}
        tasks.spawn(task);
    }
}

/// The store of one master process in etcd: both [`LeaderElection`] and [`PersistenceEngine`].
///
/// Dropping it is a crash: its tasks end, and nothing is said to etcd. What its lease keeps goes when that expires.
#[derive(Debug)]
pub struct EtcdStore {
    shared: Arc<Shared>,
    tasks: Tasks,
}

impl EtcdStore {
    /// Takes the options. Needs no etcd that answers: whatever needs one waits for it, and
    /// [`LeaderElection::trouble`] says so. Needs a Tokio runtime, in which tasks of this store run until it is dropped.
    ///
    /// # Errors
    /// If an option cannot be used.
    pub fn open(options: EtcdOptions) -> Result<Self, StoreError> {
        let pool = Arc::new(Pool::new(&options)?);
        let (announcements, queue) = mpsc::channel(members::QUEUE);
        let shared = Arc::new(Shared::new(options, pool, announcements));
        let tasks = Tasks::default();
        tasks.spawn(session::keep(Arc::clone(&shared)));
        tasks.spawn(session::suspend_in_time(Arc::clone(&shared)));
        tasks.spawn(members::keep(Arc::clone(&shared), queue));
        tasks.spawn(observe::observe(Arc::clone(&shared)));
        tasks.spawn(observe::confirm_losses(Arc::clone(&shared)));
        Ok(Self { shared, tasks })
    }

    /// Compares what was read at the take-over of a term with the mirror, once that has come so far.
    async fn compare(&self, prefix: &KeyPrefix, after: Option<&Key>, at: Revision, page: &Page) {
        if self.shared.office().is_none_or(|office| office.won_at() != at) {
            return;
        }
        let mut mirrored = self.shared.mirrored.subscribe();
        let there = mirrored.wait_for(|_| !lock(&self.shared.mirror).awaits(at));
        let in_time = timeout(MIRROR_WITHIN, there).await.is_ok();
        let mut mirror = lock(&self.shared.mirror);
        if in_time {
            mirror.compare(prefix, after, at, page);
        } else {
            tracing::warn!(revision = %at, "watched copy lags behind, not comparing it");
            mirror.forget_take_over();
        }
    }
}

#[async_trait]
impl LeaderElection for EtcdStore {
    async fn campaign(&self, candidate: &Candidate) -> Result<Tenure, ElectionError> {
        campaign::campaign(&self.shared, &self.tasks, candidate).await
    }

    fn leader(&self) -> watch::Receiver<Option<LeaderRecord>> {
        self.shared.leader.subscribe()
    }

    async fn record_recovery(&self, tenure: &Tenure, figures: &RecoveryFigures) -> Result<(), ElectionError> {
        // Everything has been read by now.
        lock(&self.shared.mirror).forget_take_over();
        leave::record_recovery(&self.shared, tenure, *figures).await
    }

    async fn resign(&self, tenure: &Tenure, resignation: &Resignation) -> Result<(), ElectionError> {
        leave::resign(&self.shared, tenure, resignation).await
    }

    async fn depose(&self, by: &MasterId, term: &Term, evidence: &str) -> Result<(), ElectionError> {
        leave::depose(&self.shared, by, term, evidence).await
    }

    async fn announce(&self, member: &MemberRecord) -> Result<(), ElectionError> {
        members::announce(&self.shared, member).await
    }

    async fn members(&self) -> Result<Vec<MemberRecord>, ElectionError> {
        members::list(&self.shared).await
    }

    async fn history(&self) -> Result<Vec<HistoryEntry>, ElectionError> {
        let found = self.shared.pool.list_now(Family::History).await?;
        Ok(found.iter().filter_map(|item| term::decode(item).ok()).collect())
    }

    fn intent(&self) -> watch::Receiver<Intent> {
        self.shared.intent.subscribe()
    }

    async fn change_intent(&self, change: &IntentChange) -> Result<Intent, ElectionError> {
        leave::change_intent(&self.shared, change).await
    }

    fn trouble(&self) -> watch::Receiver<Option<Trouble>> {
        self.shared.board.subscribe()
    }

    fn mirror(&self) -> Option<MirrorStatus> {
        Some(Mirror::status(&lock(&self.shared.mirror)))
    }

    fn lease(&self) -> Option<LeaseStatus> {
        Some(self.shared.session.status())
    }
}

#[async_trait]
impl PersistenceEngine for EtcdStore {
    async fn read_page(
        &self,
        prefix: &KeyPrefix,
        after: Option<&Key>,
        at: Revision,
        limit: NonZeroUsize,
    ) -> Result<Page, StoreError> {
        let page = self.shared.engine.read_page(prefix, after, at, limit).await?;
        self.compare(prefix, after, at, &page).await;
        Ok(page)
    }

    async fn read_key(&self, key: &Key, at_least: Revision) -> Result<Reading, StoreError> {
        self.shared.engine.read_key(key, at_least).await
    }

    async fn commit(&self, guard: &Guard, transaction: &Transaction) -> Result<Committed, CommitError> {
        let result = self.shared.engine.commit(guard, transaction).await;
        if let Err(error) = &result
            && error.leadership_lost()
            && let Some(office) = self.shared.office_of(guard)
        {
            if !transaction.is_read_only() {
                // Whatever writes is evaluated by all members of etcd in the same order.
                self.shared.lose(&office, Loss::Expired);
                return result;
            }
            return match observe::confirm_loss(&self.shared, &office).await {
                Ok(true) => result,
                Ok(false) => Err(CommitError::Unknown { source: "etcd gave an answer from before the term".into() }),
                Err(error) => Err(CommitError::Unknown { source: Box::new(error) }),
            };
        }
        result
    }
}
