//! What can happen to a master: the one closed list.

use crate::ids::{AppId, ReplyToken, SessionId, WorkerId};
use crate::model::LeaderInfo;
use crate::msg::{AppToMaster, ClientRequest, WorkerToMaster};
use crate::record::Recovered;

/// Everything that can wake the master's machine.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// This master won the lead; `recovered` is the content of the store at the revision of the win.
    Elected {
        /// How this master is named to others in this term.
        leader: LeaderInfo,
        /// The complete state of all predecessors.
        recovered: Box<Recovered>,
    },
    /// The lead is lost, for whatever reason. All state of the term is dropped.
    Deposed,
    /// The local deadline passed without a renewal.
    Suspended,
    /// Renewal and guard succeeded again.
    Resumed,
    /// While not leading: who leads, as far as the election shows.
    LeaderSeen(Option<LeaderInfo>),
    /// A worker said something. The first message of a session must be a registration.
    Worker {
        /// On which session.
        session: SessionId,
        /// What.
        message: WorkerToMaster,
    },
    /// An application client said something. The first message of a session must be a registration.
    App {
        /// On which session.
        session: SessionId,
        /// What.
        message: AppToMaster,
    },
    /// A session ended, from whichever side.
    SessionClosed {
        /// Which one.
        session: SessionId,
    },
    /// What came of dialling a peer's own endpoint, for a probe or an announcement.
    Probed {
        /// Whose endpoint.
        peer: Peer,
        /// The latest session of it when it was asked for, none = it had had none in this term, as with an announcement. A
        /// finding from before its present session says nothing about it.
        session: Option<SessionId>,
        /// What came of it.
        finding: Finding,
    },
    /// A client or operator asks for something.
    Request {
        /// Where the answer goes.
        reply: ReplyToken,
        /// What.
        request: ClientRequest,
    },
    /// An armed timer is due.
    Timer(Timer),
}

/// A worker or an application client, as the holder of an own endpoint.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Peer {
    /// A worker.
    Worker(WorkerId),
    /// An application client.
    App(AppId),
}

/// What dialling an endpoint showed (protocol 6).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Finding {
    /// It answered and is the one that was meant.
    Alive,
    /// Refused three times, or somebody else answered there: the process is gone.
    Gone,
    /// No answer: unreachable, perhaps alive.
    Silent,
}

/// What a timer is for. A timer that has lost its reason is ignored when it fires.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Timer {
    /// RECOVERING ends now at the latest.
    Recovery,
    /// Is this worker silent for too long?
    Worker(WorkerId),
    /// Is this application silent for too long?
    App(AppId),
    /// Drop dead workers, old requests.
    Housekeeping,
}
