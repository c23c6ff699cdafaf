//! What can happen to an application client: the one closed list.

use std::collections::BTreeMap;

use crate::ids::{ExecutorId, ProfileId};
use crate::model::{LeaderInfo, ResourceProfile};
use crate::msg::MasterToApp;
use crate::tracking::{self, LinkId};

/// Everything that can wake an application client's machine.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// The program wants to be registered: look for a master.
    Start,
    /// A session asked for with `Connect` is open; nothing was said on it yet.
    LinkOpened {
        /// Which one.
        link: LinkId,
    },
    /// A session ended or could not be opened.
    LinkClosed {
        /// Which one.
        link: LinkId,
    },
    /// A master said something.
    FromMaster {
        /// On which session.
        link: LinkId,
        /// What.
        message: MasterToApp,
    },
    /// A leader announced itself at the client's own endpoint (`MasterChanged`). It is to be answered with
    /// [`super::AppClient::heard`], after the effects of this event are carried out.
    LeaderNotice(LeaderInfo),
    /// Answer to `AskLeader`, if it named a leader.
    LeaderAnswer(LeaderInfo),
    /// An armed timer is due.
    Timer(Timer),
    /// The program wants so many executors in all, per profile (AP-08, AC-08).
    RequestExecutors {
        /// The caller's number for it, higher than all before; comes back in the answer.
        request: u64,
        /// Profiles that were not named before.
        profiles: Vec<ResourceProfile>,
        /// Absolute targets.
        targets: BTreeMap<ProfileId, u32>,
    },
    /// The program wants these executors to end (AP-09).
    KillExecutors {
        /// The caller's number for it, higher than all before; comes back in the answer.
        request: u64,
        /// Which ones.
        executors: Vec<ExecutorId>,
    },
    /// The program has ended (AC-09).
    Stop,
}

/// What a timer is for. A timer that has lost its reason is ignored when it fires.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Timer {
    /// Finding and following a master.
    Tracking(tracking::Timer),
    /// The master has had time enough to hear of the end.
    StopDeadline,
}
