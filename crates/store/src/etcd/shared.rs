//! What the tasks of one store have in common: what was observed, the lease, the office.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{mpsc, watch};

use tanist_core::ids::{ClusterId, Epoch};
use tanist_core::time::Mono;

use crate::election::{Heard, LeaderRecord, Loss};
use crate::engine::{Guard, Revision, Versioned};
use crate::envelope;
use crate::error::ElectionError;
use crate::intent::Intent;
use crate::key::Name;
use crate::meta::ClusterRecord;

use super::engine::Engine;
use super::members::Announcement;
use super::mirror::Mirror;
use super::office::Office;
use super::options::EtcdOptions;
use super::pool::Pool;
use super::session::{Lease, Session};
use super::term;
use super::trouble::Board;

/// One store's state. Every lock is held for moments, and never over an await.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) options: EtcdOptions,
    pub(super) pool: Arc<Pool>,
    pub(super) engine: Engine,
    pub(super) board: Board,
    pub(super) session: Session,
    pub(super) office: watch::Sender<Option<Arc<Office>>>,
    pub(super) seen: watch::Sender<Seen>,
    pub(super) leader: watch::Sender<Option<LeaderRecord>>,
    pub(super) intent: watch::Sender<Intent>,
    pub(super) mirror: Mutex<Mirror>,
    /// Raised when the mirror has moved on.
    pub(super) mirrored: watch::Sender<Revision>,
    pub(super) announcements: mpsc::Sender<Announcement>,
    /// Every epoch that was seen here.
    pub(super) heard: Heard,
    /// The cluster that this process has seen here; it never leads another one.
    cluster: Mutex<Option<ClusterId>>,
    pub(super) turns: Mutex<Turns>,
}

/// What was last seen of the office, from the watch or a read. Advice.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Seen {
    /// The revision at which the rest was true.
    pub(super) at: Revision,
    /// The revision at which `ha/leader` was made, if there is one.
    pub(super) leader: Option<Revision>,
    /// The revision at which the intent was as known.
    pub(super) intent_at: Revision,
    /// How often the members have changed.
    pub(super) members: u64,
}

/// Whose turn it is, as far as this process has a part in it.
#[derive(Debug, Default)]
pub(super) struct Turns {
    /// The last term of ours that we left ourselves, and when.
    pub(super) stepped_down: Option<(Epoch, Mono)>,
    /// When we last deposed somebody.
    pub(super) deposed: Option<Mono>,
    /// The epoch of the term that we deposed last.
    pub(super) eager: Option<Epoch>,
}

impl Shared {
    pub(super) fn new(options: EtcdOptions, pool: Arc<Pool>, announcements: mpsc::Sender<Announcement>) -> Self {
        Self {
            options,
            engine: Engine::new(Arc::clone(&pool)),
            pool,
            board: Board::default(),
            session: Session::default(),
            office: watch::Sender::default(),
            seen: watch::Sender::default(),
            leader: watch::Sender::default(),
            intent: watch::Sender::default(),
            mirror: Mutex::default(),
            mirrored: watch::Sender::default(),
            announcements,
            heard: Heard::default(),
            cluster: Mutex::default(),
            turns: Mutex::default(),
        }
    }

    /// What lies at `ha/leader` at a revision, from whatever source. What is older than what is known changes nothing.
    pub(super) fn see_leader(&self, found: Option<&Versioned>, at: Revision) {
        let record: Option<LeaderRecord> = found.and_then(|found| match envelope::decode(&found.value) {
            Ok(opened) => Some(opened.record),
            Err(error) => {
                tracing::error!(%error, "the leader's record cannot be read");
                None
            }
        });
        if let Some(record) = &record {
            self.heard.raise(record.epoch);
        }
        self.seen.send_if_modified(|seen| {
            if at < seen.at {
                return false;
            }
            seen.at = at;
            // The leader as shown is never older than what was seen.
            self.leader.send_if_modified(|known| replace(known, record));
            replace(&mut seen.leader, found.map(|found| found.create_revision))
        });
    }

    /// The term that this process has just won.
    pub(super) fn see_own(&self, office: &Office) {
        let Guard { create_revision: at, value } = office.guard.clone();
        let own = Versioned { key: Name::Leader.into(), value, create_revision: at, mod_revision: at };
        self.see_leader(Some(&own), at);
    }

    /// What operators want, from whatever source.
    pub(super) fn see_intent(&self, found: Option<&Versioned>, at: Revision) {
        let intent: Intent = match found.map(|found| envelope::decode(&found.value)) {
            None => Intent::default(),
            Some(Ok(opened)) => opened.record,
            Some(Err(error)) => {
                tracing::error!(%error, "what operators want cannot be read");
                return;
            }
        };
        self.seen.send_if_modified(|seen| {
            if at < seen.intent_at {
                return false;
            }
            seen.intent_at = at;
            self.intent.send_if_modified(|known| replace(known, intent))
        });
    }

    /// The office, if this process has won it and it is not over.
    pub(super) fn office(&self) -> Option<Arc<Office>> {
        self.office.borrow().clone().filter(|office| !office.is_over())
    }

    /// The office of the term that has this guard.
    pub(super) fn office_of(&self, guard: &Guard) -> Option<Arc<Office>> {
        self.office().filter(|office| office.guard == *guard)
    }

    /// Ends a term of ours. One that is being left is not lost otherwise.
    pub(super) fn lose(&self, office: &Arc<Office>, why: Loss) {
        let why = if office.is_leaving() { Loss::Resigned } else { why };
        if office.lose(why.clone()) && why != Loss::Resigned {
            tracing::warn!(epoch = %office.record.epoch, ?why, "office lost");
        }
        self.office.send_if_modified(|current| {
            let ours = current.as_ref().is_some_and(|current| Arc::ptr_eq(current, office));
            if ours {
                *current = None;
                lock(&self.mirror).forget_take_over();
            }
            ours
        });
    }

    /// A lease that is alive, to the best of our knowledge.
    pub(super) fn live_lease(&self) -> Option<Lease> {
        let lease = *self.session.lease.borrow();
        lease.filter(Lease::is_live)
    }

    /// Checks that the store is that of our cluster, and remembers it.
    ///
    /// # Errors
    /// [`ElectionError::OtherCluster`], [`ElectionError::ForeignCluster`].
    pub(super) fn check_cluster(&self, found: Option<&ClusterRecord>) -> Result<(), ElectionError> {
        let place = || format!("prefix {}", self.options.prefix);
        if let Some(name) = found.and_then(|found| found.name.as_ref())
            && *name != self.options.cluster
        {
            let (expected, found) = (self.options.cluster.clone(), name.clone());
            return Err(ElectionError::OtherCluster { place: place(), expected, found });
        }
        let found = found.map(|found| &found.id);
        let mut known = lock(&self.cluster);
        match &*known {
            Some(expected) if Some(expected) != found => {
                let (expected, found) = (expected.clone(), found.cloned());
                Err(ElectionError::ForeignCluster { place: place(), expected, found })
            }
            Some(_) => Ok(()),
            None => {
                *known = found.cloned();
                Ok(())
            }
        }
    }

    /// The same for those who need not know: a record that cannot be read is not a proof of anything.
    ///
    /// # Errors
    /// As [`Self::check_cluster`].
    pub(super) fn check_cluster_as_found(&self, found: Option<&Versioned>) -> Result<(), ElectionError> {
        match term::optional(found) {
            Ok(found) => self.check_cluster(found.as_ref()),
            Err(error) => {
                tracing::error!(%error, "whose store this is cannot be read");
                Ok(())
            }
        }
    }

    /// Remembers the cluster that a first term of ours has begun.
    pub(super) fn begin_cluster(&self, cluster: &ClusterId) {
        lock(&self.cluster).get_or_insert_with(|| cluster.clone());
    }
}

/// Says whether this was a change.
fn replace<T: PartialEq>(known: &mut T, next: T) -> bool {
    let changed = *known != next;
    *known = next;
    changed
}

/// A panic while one of these is held leaves it as it was: they are only ever replaced whole.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
