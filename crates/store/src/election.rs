//! Who leads: standing for office, holding it, leaving it.
//!
//! An office is a [`Tenure`]: a term with an epoch above every earlier one, the guard that its writes carry, and a
//! [`Standing`] that says whether it may act right now. The standing, the observed leader and the members are advice —
//! they make things fast. Safety is in the guard alone: a term whose standing is wrong still cannot commit.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use tanist_core::ids::{ClusterId, Epoch, Generation, MasterId, Nonce, Term};
use tanist_core::model::LeaderInfo;
use tanist_core::time::{Mono, Wall};

use crate::engine::{Guard, Revision};
use crate::error::ElectionError;
use crate::form;
use crate::intent::{Handover, Intent, IntentChange};

/// Renewals are sent only while the core loop has shown progress within this time (milliseconds are compared).
pub const PROGRESS_WITHIN: Duration = Duration::from_secs(1);

/// Terms that are remembered; the oldest go first.
pub(crate) const HISTORY_KEPT: usize = 200;

/// Who stands for office, and what the world is told if it wins.
#[derive(Debug, Clone)]
pub struct Candidate {
    /// This master.
    pub master: MasterId,
    /// `host:port` of its gRPC services.
    pub rpc: String,
    /// Address of its web pages, if it has any.
    pub ui: Option<String>,
    /// `host:port` of its REST submission server, if it has one.
    pub rest: Option<String>,
    /// Program version.
    pub version: String,
    /// Epochs heard of; read at the moment of winning, which may be days after the candidacy began.
    pub heard: Heard,
}

/// The highest epoch this process ever heard of, from anybody. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct Heard(Arc<AtomicU64>);

impl Heard {
    /// Somebody spoke of this epoch.
    pub fn raise(&self, epoch: Epoch) {
        self.0.fetch_max(epoch.0, Ordering::AcqRel);
    }

    /// The highest one so far.
    pub fn highest(&self) -> Epoch {
        Epoch(self.0.load(Ordering::Acquire))
    }
}

/// Proof that the core loop is alive: the loop ticks, a backend that renews a lease looks. A healthy network task must
/// not keep a hung leader in office. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct Progress(Arc<AtomicU64>);

impl Progress {
    /// The core loop came round at this time.
    pub fn tick(&self, now: Mono) {
        self.0.fetch_max(now.0, Ordering::AcqRel);
    }

    /// Whether it came round within [`PROGRESS_WITHIN`].
    pub fn is_fresh(&self, now: Mono) -> bool {
        now - Mono(self.0.load(Ordering::Acquire)) <= PROGRESS_WITHIN
    }
}

/// The content of `ha/leader`: the term in office, as everybody may know it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LeaderRecord {
    /// Which cluster.
    #[serde(with = "form")]
    pub cluster: ClusterId,
    /// Restores of the store so far.
    #[serde(with = "form")]
    pub generation: Generation,
    /// The fencing token.
    #[serde(with = "form")]
    pub epoch: Epoch,
    /// Which master.
    #[serde(with = "form")]
    pub master: MasterId,
    /// Random text of the term.
    #[serde(with = "form")]
    pub nonce: Nonce,
    /// `host:port` of its gRPC services.
    pub rpc: String,
    /// Address of its web pages, if it has any.
    pub ui: Option<String>,
    /// `host:port` of its REST submission server, if it has one.
    pub rest: Option<String>,
    /// Program version.
    pub version: String,
}

impl LeaderRecord {
    /// The term.
    pub fn term(&self) -> Term {
        Term { generation: self.generation, epoch: self.epoch, nonce: self.nonce.clone() }
    }

    /// The leader as it is named to workers, applications and clients.
    pub fn info(&self) -> LeaderInfo {
        LeaderInfo {
            cluster: self.cluster.clone(),
            term: self.term(),
            master: self.master.clone(),
            address: self.rpc.clone(),
            ui_url: self.ui.clone().unwrap_or_default(),
        }
    }
}

/// The content of `ha/members/<id>`: a master process that is up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MemberRecord {
    /// Which master.
    #[serde(with = "form")]
    pub master: MasterId,
    /// `host:port` of its gRPC services.
    pub rpc: String,
    /// Address of its web pages, if it has any.
    pub ui: Option<String>,
    /// Program version.
    pub version: String,
    /// Its role, by the name shown to people.
    pub role: String,
    /// When the process started: wall clock, milliseconds since 1970.
    pub started_at: u64,
}

/// How a term ended, as far as its successor can tell.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Ending {
    /// It left by itself, for this reason.
    Resigned {
        /// For people.
        why: String,
    },
    /// It handed the office to another master, as an operator had asked.
    HandedOver {
        /// To which one.
        #[serde(with = "form")]
        to: MasterId,
        /// For people.
        why: String,
    },
    /// It was gone without a word: process ended, lease expired.
    Gone,
    /// Somebody proved that it was gone, or an operator ended it.
    Deposed {
        /// By which master.
        #[serde(with = "form")]
        by: MasterId,
        /// On what grounds, for people.
        evidence: String,
    },
}

/// The content of `ha/history/<epoch>`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HistoryEntry {
    /// Who led.
    pub leader: LeaderRecord,
    /// Since when: wall clock, milliseconds since 1970.
    pub since: u64,
    /// The term before it; `None` for the first one of the store.
    pub predecessor: Option<Predecessor>,
    /// How the recovery of this term went; `None` until it is over.
    pub recovery: Option<RecoveryFigures>,
    /// How and when it ended; `None` while in office.
    pub ended: Option<Ended>,
}

/// What a recovery had before it and what was missing when it ended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecoveryFigures {
    /// From winning the office to ALIVE, in milliseconds.
    pub took_ms: u64,
    /// Workers in the store.
    pub workers: u32,
    /// Workers that had not answered when it ended.
    pub workers_missing: u32,
    /// Applications in the store.
    pub apps: u32,
    /// Applications that had not answered when it ended.
    pub apps_missing: u32,
    /// Drivers in the store.
    pub drivers: u32,
    /// Records that could not be decoded and were put aside.
    pub quarantined: u32,
}

/// How an office is left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resignation {
    /// For the log and the history.
    pub why: String,
    /// Who is to follow, if somebody is named: the others wait for that master until the handover expires.
    pub successor: Option<Handover>,
}

impl Resignation {
    /// Whoever is first may follow.
    pub fn open(why: impl Into<String>) -> Self {
        Self { why: why.into(), successor: None }
    }
}

/// What is wrong between this process and the store, as the backend sees it now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    /// Since when: wall clock.
    pub since: Wall,
    /// What was tried and what came of it, for people.
    pub what: String,
}

/// The copy of the records that a standby keeps beside the store, to notice when what it was told differs from what is
/// there. It is never read in place of the store.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct MirrorStatus {
    /// Records in it.
    pub records: u64,
    /// The revision up to which it is complete.
    pub revision: Revision,
    /// Records compared with the store at take-overs of this process.
    pub compared: u64,
    /// Of these, how many differed: each one is a fault of the store's watches, or ours.
    pub differences: u64,
}

/// The lease of this process, where a backend has one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LeaseStatus {
    /// Renewals that the store has acknowledged, since the start of the process.
    pub renewals: u64,
    /// Tries to renew that came to nothing, since the start of the process.
    pub failures: u64,
    /// The local deadline of the lease there is; none = there is none.
    pub until: Option<Mono>,
}

/// The end of a term.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ended {
    /// When it ended, or was found ended: wall clock, milliseconds since 1970.
    pub at: u64,
    /// How.
    pub how: Ending,
}

/// The term before this one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Predecessor {
    /// Its epoch.
    #[serde(with = "form")]
    pub epoch: Epoch,
    /// Who led; `None` if its record cannot be read any more.
    #[serde(with = "form::optional")]
    pub master: Option<MasterId>,
    /// How it ended.
    pub ending: Ending,
}

/// Why an office is lost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Loss {
    /// We left it ourselves.
    Resigned,
    /// The lease is gone, or another term is in office.
    Expired,
    /// The file that we hold is not the one that others find under its name any more.
    Replaced,
}

/// Whether a term may act right now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// In office; past `until` it must be treated as [`Standing::Suspended`]. `None` = as long as nobody says otherwise.
    Held {
        /// The local deadline on the clock of [`crate::clock::mono`].
        until: Option<Mono>,
    },
    /// Past the local deadline: nothing may leave the process. Memory is kept; the office may come back, and then a
    /// guarded transaction must succeed before anything leaves.
    Suspended,
    /// Over for good.
    Lost(Loss),
}

impl Standing {
    /// The check at the gate, made once more before anything leaves the process.
    pub fn may_act(&self, now: Mono) -> bool {
        match self {
            Standing::Held { until } => until.is_none_or(|until| now < until),
            Standing::Suspended | Standing::Lost(_) => false,
        }
    }
}

/// A term that was won.
#[derive(Debug, Clone)]
pub struct Tenure {
    /// Who leads: this process, as the world is told.
    pub record: LeaderRecord,
    /// What every write of the term carries.
    pub guard: Guard,
    /// The content of the store at this revision is the final state of all predecessors.
    pub revision: Revision,
    /// The term before; `None` for the first one of the store.
    pub predecessor: Option<Predecessor>,
    /// When it was won, for display.
    pub since: Wall,
    /// Whether it may act.
    pub standing: watch::Receiver<Standing>,
    /// To be ticked by the core loop, at least every [`PROGRESS_WITHIN`].
    pub progress: Progress,
}

impl Tenure {
    /// The term.
    pub fn term(&self) -> Term {
        self.record.term()
    }
}

/// Election, holding and leaving of the office.
///
/// One value serves one master process for its whole life, over any number of terms.
#[async_trait]
pub trait LeaderElection: Send + Sync {
    /// Stands for office and waits, for days if need be, until it is won. The epoch is above every epoch that the
    /// store, or `candidate.heard`, ever knew; the term has a fresh nonce; its entry in the history is written by the
    /// same transaction, and `candidate.heard` is raised to it. The standing is [`Standing::Held`] at first.
    ///
    /// Dropping the future ends the candidacy; if the office was being won at that moment, it is given up again.
    ///
    /// # Errors
    /// What went wrong; [`ElectionError::retryable`] says whether to stand again later. Never because another leads.
    async fn campaign(&self, candidate: &Candidate) -> Result<Tenure, ElectionError>;

    /// The leader as last observed, from anywhere: advice for redirecting clients, never a proof. `None` = none known.
    fn leader(&self) -> watch::Receiver<Option<LeaderRecord>>;

    /// Writes down how the recovery of the term went, into its history entry.
    ///
    /// # Errors
    /// What went wrong.
    async fn record_recovery(&self, tenure: &Tenure, figures: &RecoveryFigures) -> Result<(), ElectionError>;

    /// Leaves the office: ends the term's history entry, names the successor if there is one, and makes room for the
    /// next term, all in one transaction. Nothing of the term can be committed once this has returned `Ok`. Does
    /// nothing if the term is over already.
    ///
    /// # Errors
    /// [`ElectionError::Unsupported`] if a successor is named and this backend cannot wait for one: nothing is changed
    /// then. Otherwise what went wrong; the term then ends by itself as if the process had died.
    async fn resign(&self, tenure: &Tenure, resignation: &Resignation) -> Result<(), ElectionError>;

    /// Ends the term of somebody else, exactly the one given, with the evidence written into its history: once a read
    /// of this process's own, not older than this call, has shown that it is still in office. Being wrong costs one
    /// recovery, never safety. `Ok` = that term is over, whoever ended it.
    ///
    /// # Errors
    /// [`ElectionError::Unsupported`] where a dead leader needs no help to be gone, [`ElectionError::Paused`] while
    /// failover is paused, [`ElectionError::AlreadyLeading`] where it is this process that leads; what went wrong
    /// otherwise.
    async fn depose(&self, by: &MasterId, term: &Term, evidence: &str) -> Result<(), ElectionError>;

    /// Makes this process known as a member until the process ends; called again when something changes. A backend
    /// that loses what it has announced (its lease) announces the same again by itself.
    ///
    /// # Errors
    /// [`ElectionError::MemberTaken`] if another living process has the same id; what went wrong otherwise.
    async fn announce(&self, member: &MemberRecord) -> Result<(), ElectionError>;

    /// The members that are up, as far as known, ordered by id.
    ///
    /// # Errors
    /// What went wrong.
    async fn members(&self) -> Result<Vec<MemberRecord>, ElectionError>;

    /// The terms that are remembered, oldest first. Entries that cannot be read are left out.
    ///
    /// # Errors
    /// What went wrong; some backends can only answer this while leading.
    async fn history(&self) -> Result<Vec<HistoryEntry>, ElectionError>;

    /// What operators want of the masters, as last observed.
    fn intent(&self) -> watch::Receiver<Intent>;

    /// Changes what operators want, against whatever it is at that moment.
    ///
    /// # Errors
    /// [`ElectionError::Unsupported`] where nobody would look at it; what went wrong otherwise.
    async fn change_intent(&self, change: &IntentChange) -> Result<Intent, ElectionError>;

    /// What is wrong between this process and the store; `None` = nothing.
    fn trouble(&self) -> watch::Receiver<Option<Trouble>>;

    /// The standby's copy of the records, where a backend keeps one.
    fn mirror(&self) -> Option<MirrorStatus>;

    /// The lease of this process, where a backend has one.
    fn lease(&self) -> Option<LeaseStatus>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_heard_only_rises_and_is_shared() {
        let heard = Heard::default();
        let other = heard.clone();
        other.raise(Epoch(7));
        other.raise(Epoch(3));
        assert_eq!(heard.highest(), Epoch(7));
    }

    #[test]
    fn progress_is_fresh_for_a_second() {
        let progress = Progress::default();
        assert!(!progress.is_fresh(Mono(5_000)), "a loop that never ticked is not alive");
        progress.clone().tick(Mono(5_000));
        progress.tick(Mono(4_000));
        assert!(progress.is_fresh(Mono(6_000)));
        assert!(!progress.is_fresh(Mono(6_001)));
    }

    #[test]
    fn a_standing_is_checked_against_the_clock() {
        assert!(Standing::Held { until: None }.may_act(Mono(u64::MAX)));
        assert!(Standing::Held { until: Some(Mono(10)) }.may_act(Mono(9)));
        assert!(!Standing::Held { until: Some(Mono(10)) }.may_act(Mono(10)));
        assert!(!Standing::Suspended.may_act(Mono(0)));
        assert!(!Standing::Lost(Loss::Expired).may_act(Mono(0)));
    }
}
