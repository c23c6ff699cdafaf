//! What a master wants done, and the law of its order.
//!
//! Effects are carried out in the order in which they stand. One that [waits for the commit](Effect::waits_for_commit)
//! leaves the process only after every [`Effect::Persist`] before it is durable **and** a guarded transaction that
//! started after the event arrived has proven the lead (protocol 3). The core may run ahead of the store, because
//! whatever it shows the world stands behind that barrier, and a refused commit drops the whole state.

use super::event::{Peer, Timer};
use crate::ids::{AppId, ReplyToken, SessionId};
use crate::msg::{ClientReply, MasterToApp, MasterToWorker, RegisterApplication, RegisterWorker};
use crate::record::Change;
use crate::time::Mono;

/// One thing that the shell must do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Make these changes durable, all in one transaction.
    Persist(Vec<Change>),
    /// Say this to a worker.
    ToWorker {
        /// On which session.
        session: SessionId,
        /// What.
        message: MasterToWorker,
    },
    /// Say this to an application client.
    ToApp {
        /// On which session.
        session: SessionId,
        /// What.
        message: MasterToApp,
    },
    /// Answer a request.
    Reply {
        /// Which one.
        to: ReplyToken,
        /// With what.
        reply: ClientReply,
    },
    /// End a session after what was said on it has left.
    CloseSession {
        /// Which one.
        session: SessionId,
    },
    /// Tell this peer's own endpoint who leads, again and again with back-off, until it answers, a session of it
    /// opens, or the term ends. What came of it is reported once as [`super::Event::Probed`], `Gone` as soon as it is
    /// known.
    Announce {
        /// Whom.
        peer: Peer,
        /// `host:port`.
        endpoint: String,
    },
    /// Find out whether this peer's process lives: dial its endpoint up to three times.
    Probe {
        /// Whose.
        peer: Peer,
        /// `host:port`.
        endpoint: String,
        /// Its latest session in this term, open or ended; comes back with the finding.
        session: Option<SessionId>,
    },
    /// Tell a peer that speaks another protocol who leads, by that protocol, again and again with back-off, until it says
    /// that it is this application or worker: then it registers so, on a session of its own. It ends too when another
    /// session of it opens, when it is found gone, or with the term. Only that it is gone is reported, once, as
    /// [`super::Event::Probed`].
    Recall {
        /// How it registers then. What numbers the sessions of such peers gives this its number.
        registration: Recalled,
        /// Its latest session in this term, open or ended; comes back with the finding.
        session: Option<SessionId>,
    },
    /// Wake me with this timer at this time. Arming a timer again adds a second alarm; the machine tells a stale one.
    Arm {
        /// Which.
        timer: Timer,
        /// When.
        at: Mono,
    },
    /// Give the lead up now: somebody with a higher term acts.
    StepDown {
        /// For the log and the history.
        why: String,
    },
}

/// The registration of a foreign peer that is called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Recalled {
    /// An application that is known.
    App(AppId, Box<RegisterApplication>),
    /// A worker; what it runs, it says itself.
    Worker(Box<RegisterWorker>),
}

impl Recalled {
    /// Who is called.
    pub fn peer(&self) -> Peer {
        match self {
            Self::App(id, _) => Peer::App(id.clone()),
            Self::Worker(registration) => Peer::Worker(registration.id.clone()),
        }
    }
}

impl Effect {
    /// Whether this must stay inside until the batch is committed. Only what changes nobody's belief may pass at
    /// once: heartbeat answers, timers, and what a master says that does not lead.
    pub fn waits_for_commit(&self) -> bool {
        match self {
            Self::Persist(_) | Self::CloseSession { .. } | Self::Announce { .. } | Self::Recall { .. } => true,
            Self::ToWorker { message, .. } => {
                !matches!(message, MasterToWorker::HeartbeatSeen | MasterToWorker::Standby { .. })
            }
            Self::ToApp { message, .. } => !matches!(message, MasterToApp::HeartbeatSeen | MasterToApp::Standby { .. }),
            Self::Reply { reply, .. } => !matches!(reply, ClientReply::NotLeading(_)),
            Self::Probe { .. } | Self::Arm { .. } | Self::StepDown { .. } => false,
        }
    }
}
