//! What can go wrong, sorted by what it means for the caller: reads ([`StoreError`]), writes ([`CommitError`], whose
//! variants say what is known of the outcome) and the office ([`ElectionError`]).

use std::error::Error;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use tanist_core::ids::{ClusterId, Epoch, InvalidId, MasterId};
use tanist_core::time::Wall;

use crate::engine::{Expect, MAX_BYTES, MAX_OPERATIONS, Revision, Versioned};
use crate::envelope::DecodeError;
use crate::etcd::InvalidOption;
use crate::key::Key;

/// A cause from below, kept for the log.
pub type Cause = Box<dyn Error + Send + Sync>;

/// Why operations cannot form one transaction.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidTransaction {
    /// More operations than any backend is asked to take.
    #[error("a transaction of {count} operations is too large: {MAX_OPERATIONS} are allowed")]
    TooManyOperations {
        /// How many there were.
        count: usize,
    },
    /// More bytes than any backend is asked to take.
    #[error("a transaction of {bytes} bytes is too large: {MAX_BYTES} are allowed")]
    TooManyBytes {
        /// Keys and values together.
        bytes: usize,
    },
    /// Two operations on one key.
    #[error("key {key} occurs twice in one transaction")]
    KeyTwice {
        /// The key.
        key: Key,
    },
    /// A key that is expected to be absent and to be removed.
    #[error("key {key} cannot be removed where it is expected to be absent")]
    DeleteOfAbsent {
        /// The key.
        key: Key,
    },
}

/// Another store answers where ours was: exchanged, or restored as a new one. Nothing may be read from it or written to
/// it, for as long as this process lives; an operator has to say which of the two is right.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "the store at {endpoint} answers as another etcd cluster, {found:x}: this process has known {expected:x}. \
     Stop all masters, and start them again once the endpoints name the right store"
)]
pub struct ForeignStore {
    /// Which address answered so.
    pub endpoint: String,
    /// The cluster id of the first answer that this process ever got.
    pub expected: u64,
    /// The cluster id of this answer.
    pub found: u64,
}

/// A read, or the opening of a store, that failed.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The store no longer holds the revision asked for.
    #[error("revision {at} is no longer held, {oldest} is")]
    Compacted {
        /// What was asked for.
        at: Revision,
        /// The oldest revision that is known to be held: not every store says which one really is.
        oldest: Revision,
    },
    /// The store has not reached the revision asked for.
    #[error("revision {at} is not reached yet, the store is at {current}")]
    FutureRevision {
        /// What was asked for.
        at: Revision,
        /// Where the store is.
        current: Revision,
    },
    /// Only the leader can read this backend, and this process is not the leader.
    #[error("the store is held by another master, or by none: only the leader can read it")]
    NotHeld,
    /// The store did not answer, or the way to it is broken.
    #[error("{action} failed: the store cannot be reached")]
    Unreachable {
        /// What was tried, e.g. `reading ha/leader`.
        action: String,
        /// Why.
        source: Cause,
    },
    /// The store answered that it will not do this for us.
    #[error("{action} was refused by the store")]
    Denied {
        /// What was tried.
        action: String,
        /// Its answer.
        source: Cause,
    },
    /// The store is not the one it was.
    #[error(transparent)]
    ForeignStore(#[from] ForeignStore),
    /// An option of the store cannot be used.
    #[error(transparent)]
    Option(#[from] InvalidOption),
    /// A file or directory of the store cannot be used.
    #[error("{action} {} failed", path.display())]
    File {
        /// What was tried, e.g. `opening`.
        action: &'static str,
        /// On which file or directory.
        path: PathBuf,
        /// The answer of the operating system.
        source: std::io::Error,
    },
    /// The file system grants everybody the same exclusive lock, so it cannot say who leads.
    #[error("the file system of {} does not lock files: it cannot hold a store", path.display())]
    NoLocks {
        /// The store file.
        path: PathBuf,
    },
    /// The store itself is damaged, or was written by something else.
    #[error("{action}: the store is damaged or not ours")]
    Damaged {
        /// What was tried.
        action: String,
        /// What was found.
        source: Cause,
    },
    /// A record that the store cannot work without (cluster, generation, epoch) is not readable. Never guessed.
    #[error("{key} cannot be read")]
    Record {
        /// Which one.
        key: Key,
        /// What is wrong with it.
        source: DecodeError,
    },
}

impl StoreError {
    /// Whether the same call may succeed later without anybody changing anything.
    pub fn retryable(&self) -> bool {
        matches!(self, StoreError::Unreachable { .. } | StoreError::FutureRevision { .. })
    }
}

/// An expectation that did not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conflict {
    /// The key.
    pub key: Key,
    /// What the transaction believed.
    pub expected: Expect,
    /// What lies there.
    pub found: Option<Versioned>,
}

impl fmt::Display for Conflict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} expected {}, ", self.key, self.expected)?;
        match &self.found {
            Some(found) => write!(f, "found at revision {}", found.mod_revision),
            None => f.write_str("found absent"),
        }
    }
}

/// Compares that did not hold, told apart by the same evaluation that refused them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The guard did not hold: the term is over, for good.
    pub leadership_lost: bool,
    /// The expectations that did not hold. Complete unless leadership is lost.
    pub conflicts: Vec<Conflict>,
}

impl Refusal {
    /// The guard did not hold; nothing else was looked at.
    pub fn term_over() -> Self {
        Self { leadership_lost: true, conflicts: Vec::new() }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.leadership_lost {
            f.write_str("the term is over")?;
        }
        for (index, conflict) in self.conflicts.iter().enumerate() {
            let separator = if index > 0 || self.leadership_lost { "; " } else { "" };
            write!(f, "{separator}{conflict}")?;
        }
        Ok(())
    }
}

/// A commit that did not succeed, sorted by what is known of its outcome.
#[derive(Debug, thiserror::Error)]
pub enum CommitError {
    /// Evaluated and refused. Nothing of it was applied.
    #[error("refused: {0}")]
    Refused(Refusal),
    /// It may have been applied, now or later. The same transaction may be sent again: its expectations let at most
    /// one of the two be applied.
    #[error("the outcome of a transaction is not known")]
    Unknown {
        /// What happened instead of an answer.
        source: Cause,
    },
    /// It never left. Nothing of it was or will be applied.
    #[error("a transaction could not be sent")]
    NotSent {
        /// Why.
        source: Cause,
    },
    /// The store has no room. Nothing was applied; leadership is not touched by this.
    #[error("the store has no room left")]
    NoSpace {
        /// Its answer.
        source: Cause,
    },
    /// The store does not permit it. Nothing was applied; leadership is not touched by this.
    #[error("the store does not permit the transaction")]
    Denied {
        /// Its answer.
        source: Cause,
    },
    /// The store's own limit is below ours. Nothing was applied.
    #[error("the store takes no transaction of {bytes} bytes")]
    TooLarge {
        /// Keys and values of the transaction.
        bytes: usize,
        /// Its answer.
        source: Cause,
    },
    /// The store is not the one it was. Nothing was applied to the one that it was.
    #[error(transparent)]
    ForeignStore(#[from] ForeignStore),
    /// Changes that belong together do not fit into one transaction. Nothing was sent.
    #[error("{object}: {reason}")]
    Oversized {
        /// The largest object among them.
        object: Key,
        /// Its size in bytes.
        object_bytes: usize,
        /// Which limit is exceeded by the whole.
        reason: InvalidTransaction,
    },
    /// A record cannot be written down. Nothing was sent.
    #[error("{key} cannot be encoded")]
    Encode {
        /// Which one.
        key: Key,
        /// Why.
        source: serde_json::Error,
    },
}

impl CommitError {
    /// Whether sending the same again may succeed, while the term goes on.
    pub fn retryable(&self) -> bool {
        matches!(self, CommitError::Unknown { .. } | CommitError::NotSent { .. } | CommitError::NoSpace { .. })
    }

    /// Whether this proves that the term is over.
    pub fn leadership_lost(&self) -> bool {
        matches!(self, CommitError::Refused(refusal) if refusal.leadership_lost)
    }
}

/// An office that could not be taken, left or ended.
#[derive(Debug, thiserror::Error)]
pub enum ElectionError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A guarded transaction of the election failed.
    #[error("a transaction of the election failed")]
    Commit(#[from] CommitError),
    /// This process holds the office already; resign first.
    #[error("already leading with epoch {epoch}")]
    AlreadyLeading {
        /// The term in office.
        epoch: Epoch,
    },
    /// The store belongs to another cluster than the one this process has seen in it: restored, or exchanged.
    #[error("the store at {place} belongs to {}, not to cluster {expected}", named(found.as_ref()))]
    ForeignCluster {
        /// Which store: its directory or prefix.
        place: String,
        /// The cluster this process has seen there before.
        expected: ClusterId,
        /// The cluster of the store; `None` if it is empty.
        found: Option<ClusterId>,
    },
    /// The store was begun by a cluster of another name.
    #[error(
        "the store at {place} belongs to cluster '{found}', not '{expected}': give each cluster a prefix of its own"
    )]
    OtherCluster {
        /// Which store: its prefix.
        place: String,
        /// The cluster that this master is of.
        expected: String,
        /// The cluster that the store says it belongs to.
        found: String,
    },
    /// The store is gone from where its leader says it is. Beginning a new cluster there needs an operator's consent.
    #[error(
        "{} is missing, although cluster {cluster} was stored there: put it back, or remove {} to begin a new cluster",
        store.display(),
        advice.display()
    )]
    StoreMissing {
        /// The store file.
        store: PathBuf,
        /// What still speaks of the cluster.
        advice: PathBuf,
        /// The cluster that was seen.
        cluster: ClusterId,
    },
    /// Another living process is known under the same master id.
    #[error("master id {master} is taken by a process at {rpc}, up since {}: give each master its own id", started_at.civil())]
    MemberTaken {
        /// The id.
        master: MasterId,
        /// Where the other one is.
        rpc: String,
        /// Since when.
        started_at: Wall,
    },
    /// The master that is to follow is not up. Nothing was changed.
    #[error("master {target} is not up: only a member can be named as successor")]
    NotAMember {
        /// Who was named.
        target: MasterId,
    },
    /// This process has deposed somebody just now.
    #[error("a leader was deposed by this master just now: the next one can be deposed in {} ms", wait.as_millis())]
    DeposedLately {
        /// When it may do so again.
        wait: Duration,
    },
    /// The store grants leases that are too short for the timers that rest on them.
    #[error("a lease of {} s was asked for, and one of {} s granted: the timers do not fit it", asked.as_secs(), granted.as_secs())]
    ShortLease {
        /// What was asked for.
        asked: Duration,
        /// What was granted.
        granted: Duration,
    },
    /// An operator has paused failover.
    #[error("failover is paused by {by} until {}: {why}", until.civil())]
    Paused {
        /// Who asked.
        by: String,
        /// Why.
        why: String,
        /// Until when.
        until: Wall,
    },
    /// A random id was not accepted as one.
    #[error("a new id could not be made")]
    NewId(#[source] InvalidId),
    /// The epoch counter is at its end, or somebody claims to have heard of such an epoch.
    #[error("no epoch is left above {highest}")]
    NoEpochLeft {
        /// The highest one known.
        highest: Epoch,
    },
    /// This backend has no such thing; the text says what it has instead.
    #[error("not supported by this store: {what}")]
    Unsupported {
        /// What, and why not.
        what: &'static str,
    },
}

fn named(cluster: Option<&ClusterId>) -> String {
    cluster.map_or_else(|| "no cluster yet".to_owned(), |id| format!("cluster {id}"))
}

impl ElectionError {
    /// Whether trying again later may succeed without anybody changing anything.
    pub fn retryable(&self) -> bool {
        match self {
            ElectionError::Store(error) => error.retryable(),
            ElectionError::Commit(error) => error.retryable(),
            _ => false,
        }
    }
}
