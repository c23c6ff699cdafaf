//! Which master to follow: one machine for worker and application client (protocol 6).
//!
//! ```text
//! Bootstrapping ──first Registered wins──▶ Connected(leader) ◀──▶ Lost(leader)
//!   sessions with all configured masters      one session            that leader only, or a higher term
//! ```
//!
//! **The rule of SPARK-4592.** Once a master has answered, nobody else is asked to register this process: a lost leader
//! is tried again at its own address, and another master only after it has proven a higher term, by announcing itself
//! or as the answer to the read-only question who leads. The original still asks all of them on the first attempt after
//! a disconnect (WR-05); two leaders in a row could then both believe to have the worker.
//!
//! **The standing question.** Whoever follows a leader keeps a question open at every other configured master: who leads
//! above this term? A new leader answers it the moment that it leads, over a connection that is there already, and the
//! session is opened on the same one. A thousand processes that lose their leader at once dial nobody. A master that has
//! turned a registration away because it does not lead, or may not act on its lead, is asked the same: nobody who waits
//! for a leader has to wait for his own next retry.
//!
//! Every session attempt is a [`LinkId`] of its own, never used again, so that what a former session still delivers
//! is recognised and dropped.

mod link;
mod retry;
mod search;
#[cfg(test)]
mod tests;
mod tracker;

use std::fmt;

use crate::ids::{ClusterId, Term};
use crate::model::{LeaderInfo, MasterRole};

pub(crate) use tracker::{Fence, Step, Tracker};

/// One attempt to hold a session with a master. Numbered by the machine, never used twice by one process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LinkId(pub u64);

impl fmt::Display for LinkId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Where and how long to look for a master.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TrackingConfig {
    /// `host:port` of the masters that were configured; repeated ones count once.
    pub masters: Vec<String>,
    /// Come back to the address under which a master was reached instead of the one it announces, for networks where
    /// the announced one cannot be routed (WR-05, WR-12, SPARK-20529).
    pub prefer_configured_master_address: bool,
    /// Give up after so many retries in a row, at the original's intervals, the quick ones at the beginning not counted
    /// (WR-04, the original: 16). None = never; the retries come more often then.
    pub max_registration_retries: Option<u32>,
}

/// What the shell does so that a master can be followed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Open a session with the master at this address. Answered by *link opened* or *link closed*; nothing is said on
    /// it before it is opened.
    Connect {
        /// The session to be.
        link: LinkId,
        /// `host:port` of the master.
        address: String,
    },
    /// Close this session, or stop trying to open it, after what was said on it has left. Nothing more is expected of
    /// it; whatever it still delivers is dropped.
    Disconnect {
        /// Which one.
        link: LinkId,
    },
    /// Put the standing question to this master (read-only, `AwaitLeader`): it answers as soon as [`is_answer`] says so, and
    /// the answer is handed in. An earlier question to the same address that is still open stands for this one.
    AskLeader {
        /// `host:port` of the master.
        address: String,
        /// The highest term heard of.
        above: Option<Term>,
    },
}

/// Whether a master answers the standing question with this leader. Of another one only a higher term is news. With itself
/// (`own` = its role then) it answers only while it may act, and under the term that the asker has heard of, too: who asks
/// the leader that he knows has been turned away by it.
pub fn is_answer(leader: &LeaderInfo, own: Option<MasterRole>, above: Option<&Term>) -> bool {
    let rank = leader.term.rank();
    match own {
        Some(role) => role.leads() && above.is_none_or(|above| rank >= above.rank()),
        None => above.is_none_or(|above| rank > above.rank()),
    }
}

/// What a timer of the tracking is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Timer {
    /// The next try to register; numbered, so that one of an earlier campaign is recognised.
    Retry(u64),
    /// The next heartbeat on this session.
    Heartbeat(LinkId),
}

/// Which master is followed now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Following {
    /// No master has answered this process yet.
    Nobody,
    /// Registered with this leader.
    Connected(LeaderInfo),
    /// This leader is the last one known; it is being tried.
    Lost(LeaderInfo),
}

impl Following {
    /// The last leader known, connected or not.
    pub fn leader(&self) -> Option<&LeaderInfo> {
        match self {
            Self::Nobody => None,
            Self::Connected(leader) | Self::Lost(leader) => Some(leader),
        }
    }

    /// Whether a session with the leader is open and registered.
    pub fn is_connected(&self) -> bool {
        matches!(self, Self::Connected(_))
    }
}

/// Something that should not be; for the log and for operators.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Trouble {
    /// Two terms of one rank: a store was restored without raising its generation, or two stores are in use.
    #[error("master at {from} names term {other} with nonce {}, but that term was obeyed with nonce {}", other.nonce, heard.nonce)]
    Conflict {
        /// The term obeyed so far.
        heard: Term,
        /// The other one.
        other: Term,
        /// Who named it.
        from: String,
    },
    /// A master of another cluster.
    #[error("master at {from} serves cluster {theirs}; this process belongs to cluster {ours}")]
    OtherCluster {
        /// The cluster of this process.
        ours: ClusterId,
        /// The other one.
        theirs: ClusterId,
        /// Who said so.
        from: String,
    },
    /// A master of a term that is over.
    #[error("master at {from} acts under term {other}, which is over: term {heard} was obeyed already")]
    OldTerm {
        /// The term obeyed so far.
        heard: Term,
        /// The lower one.
        other: Term,
        /// Who acts under it.
        from: String,
    },
    /// The master refuses the registration; it is tried again because work is running.
    #[error("master at {from} refuses the registration: {reason}")]
    Refused {
        /// Its reason.
        reason: String,
        /// Which master.
        from: String,
    },
}
